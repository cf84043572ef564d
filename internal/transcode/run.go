package transcode

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ErrShutdown is the cause with which the context of RunJob is to be canceled
// when the node stops: the attempt is then given back and does not count.
var ErrShutdown = errors.New("the node is shutting down")

// attempt is a running attempt with what it works on.
type attempt struct {
	*Attempt
	svc      *Service
	job      *Job
	pipeline *Pipeline
	drain    bool   // its task is to be followed by another one
	tries    int    // broken or lost attempts before it
	dir      string // its own scratch directory
	log      string // becomes the Attempt's when it ends
}

// RunJob works one task: it runs one attempt at the job that the task names, or
// else at the job whose turn it is, to its end. It returns nil when nothing is
// left to do for the task, also if the job ended as Error by the media's fault,
// is in other hands, or has a task of its own with which it is tried again. An
// error means that the store was in trouble and that the task is to be worked
// again; the job, if one was begun, comes back by TakeOver, as that of a node
// that died. RunJob may be called any number of times, by any node, and at once.
func (s *Service) RunJob(ctx context.Context, task RunJob) error {
	a, err := s.startAttempt(ctx, task)
	if err != nil || a == nil {
		return err
	}
	err = a.run(ctx)
	return a.end(context.WithoutCancel(ctx), err)
}

// startAttempt claims the job that the task is for. It returns nil if there is
// nothing to be run now.
func (s *Service) startAttempt(ctx context.Context, task RunJob) (*attempt, error) {
	a := &attempt{svc: s, drain: task.Drain}
	err := s.Store.Update(ctx, func(tx Tx) (err error) {
		a.Attempt = nil
		if a.job, err = s.choose(ctx, tx, task.Job); err != nil || a.job == nil {
			return err
		}
		if a.pipeline, err = tx.Pipeline(ctx, a.job.Pipeline); err != nil {
			return err
		}
		return a.claim(ctx, tx)
	})
	if err != nil {
		return nil, fmt.Errorf("start job %s: %w", task.Job, err)
	}
	if a.Attempt == nil {
		return nil, nil
	}
	s.jobs.Tell(a.job.Owner, a.job.ID)
	if a.job.Status.Final() {
		s.Logger.Error("job given up", "job", a.job.ID, "attempt", a.Number)
		return nil, nil
	}
	s.Logger.Info("job started", "job", a.job.ID, "attempt", a.Number)
	return a, nil
}

// choose returns the job to be claimed, or nil. A job that is named was running
// before, so its pipeline's pause does not hold it up.
func (s *Service) choose(ctx context.Context, tx Tx, id JobID) (*Job, error) {
	find := func() (*Job, error) { return tx.Job(ctx, id) }
	if id == "" {
		find = func() (*Job, error) { return tx.NextJob(ctx, s.PerPipeline) }
	}
	job, err := find()
	if errors.Is(err, ErrNotFound) || err == nil && job.Status.Final() {
		return nil, nil
	}
	return job, err
}

// claim makes a the newest attempt of its job, unless another one runs.
func (a *attempt) claim(ctx context.Context, tx Tx) error {
	earlier, err := tx.Attempts(ctx, a.job.ID)
	if err != nil {
		return err
	}
	now := a.svc.Now()
	a.tries = 0
	for _, e := range earlier {
		switch e.Outcome {
		case Running:
			if e.LeaseUntil.After(now) {
				return nil // its own node ends it, or TakeOver
			}
			e.Outcome, e.EndTime = Lost, now
			if err := tx.EndAttempt(ctx, e); err != nil {
				return err
			}
			a.tries++
		case Broken, Lost:
			a.tries++
		}
	}
	a.Attempt = &Attempt{
		Job: a.job.ID, Number: len(earlier) + 1, Node: a.svc.Node,
		StartTime: now, LeaseUntil: now.Add(a.svc.Lease), Phase: Fetching,
	}
	if a.tries >= a.svc.Tries {
		return a.giveUp(ctx, tx)
	}
	if err := tx.InsertAttempt(ctx, a.Attempt); err != nil {
		return err
	}
	if a.job.Status == Progressing {
		return nil
	}
	a.job.StartTime = now
	a.job.setStatus(Progressing)
	return a.write(ctx, tx)
}

// giveUp ends a job that has broken too many attempts.
func (a *attempt) giveUp(ctx context.Context, tx Tx) error {
	a.job.failRest(&Failure{
		Code:   4007,
		Detail: "Amazon Elastic Transcoder found a problem with your input file.",
		Reason: fmt.Sprintf("This file could not be processed in %d tries, although its kind is supported.", a.tries),
		Remedy: "Check that the file plays on your computer, or ask the operator to look at the job's log.",
	})
	a.job.finish(a.svc.Now())
	if err := a.goOn(ctx, tx); err != nil {
		return err
	}
	return a.write(ctx, tx)
}

// goOn queues a task for the next job, where there may be one that has none: a
// pipeline's limit, or its pause, uses up tasks without running their jobs, so
// whoever makes room sees to what waits. It is a task of its own, so that a long
// queue does not keep the worker from jobs that were begun before.
func (a *attempt) goOn(ctx context.Context, tx Tx) error {
	if !a.drain && a.svc.PerPipeline == 0 {
		return nil
	}
	return tx.Enqueue(ctx, RunJob{Drain: a.drain})
}

// write records the job as it is now and, in the same transaction, what the
// pipeline's topic is told of it.
func (a *attempt) write(ctx context.Context, tx Tx) error {
	if err := tx.UpdateJob(ctx, a.job); err != nil {
		return err
	}
	if topic := a.pipeline.Notifications.Warning; topic != "" && a.svc.Warning != nil && a.job.hasRemarks() {
		subject, message := a.svc.Warning(a.job, a.pipeline)
		if err := tx.Publish(ctx, Notification{Topic: topic, Subject: subject, Message: message}); err != nil {
			return err
		}
	}
	topic := a.pipeline.topic(a.job.Status)
	if topic == "" {
		return nil
	}
	subject, message := a.svc.Notification(a.job, a.pipeline)
	return tx.Publish(ctx, Notification{Topic: topic, Subject: subject, Message: message})
}

// run does the attempt's work: fetch, encode, store. It holds the lease
// meanwhile, and stops when that is lost.
func (a *attempt) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer a.svc.cancelableBy(a.Attempt, cancel)()
	held := make(chan struct{})
	go func() {
		defer close(held)
		a.holdLease(ctx, cancel)
	}()
	defer func() { cancel(nil); <-held }()

	a.dir = filepath.Join(a.svc.Scratch, fmt.Sprintf("%s.%d", a.job.ID, a.Number))
	if err := os.MkdirAll(filepath.Join(a.dir, "out"), 0o700); err != nil {
		return fmt.Errorf("make scratch directory: %w", err)
	}
	defer os.RemoveAll(a.dir)
	err := a.work(ctx)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// cancelableBy lets leavePlace end an attempt that runs here at once, instead
// of when it renews its lease. The function that it returns is to be called at
// the attempt's end.
func (s *Service) cancelableBy(a *Attempt, cancel context.CancelCauseFunc) (end func()) {
	id := attemptID{a.Job, a.Number}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancels[id] = cancel
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.cancels, id)
	}
}

// work makes the outputs, unless an earlier attempt has made all of them, and
// the playlists.
func (a *attempt) work(ctx context.Context) error {
	open := func(o Output) bool { return !o.Status.Final() }
	if slices.ContainsFunc(a.job.Outputs, open) {
		if err := a.makeOutputs(ctx); err != nil {
			return err
		}
	}
	return a.storePlaylists(ctx)
}

func (a *attempt) makeOutputs(ctx context.Context) error {
	inputs, err := a.fetch(ctx)
	if err != nil {
		return err
	}
	made, err := a.encode(ctx, inputs)
	if err != nil {
		return err
	}
	return a.store(ctx, made)
}

// fetch brings all inputs to scratch. All together may not be larger than one
// may be.
func (a *attempt) fetch(ctx context.Context) (inputs []Source, err error) {
	a.report(Progress{Phase: Fetching})
	left := a.svc.MaxInput
	for i, in := range a.job.Inputs {
		ref := ObjectRef{Bucket: a.pipeline.InputBucket, Key: in.Key}
		source := Source{Path: filepath.Join(a.dir, fmt.Sprintf("input%d", i+1))}
		info, err := a.svc.Objects.Fetch(ctx, ref, source.Path, left)
		if errors.Is(err, ErrTooLarge) && i > 0 {
			return nil, inputsTooLarge(a.svc.MaxInput)
		}
		if err != nil {
			return nil, inputFailure(err, ref, calledFile(ref.Key, len(a.job.Inputs)), a.svc.MaxInput)
		}
		if info.Size == 0 {
			return nil, emptyInput(calledFile(ref.Key, len(a.job.Inputs)))
		}
		left -= info.Size
		if source.Span, err = in.TimeSpan.span(); err != nil {
			return nil, err // it was checked when the job was made
		}
		inputs = append(inputs, source)
	}
	return inputs, nil
}

// encode makes what is still to be made. Outputs whose object is there already
// end with 3002 and are not made.
func (a *attempt) encode(ctx context.Context, inputs []Source) (map[string]*EncodedOutput, error) {
	e := Encoding{Inputs: inputs, Dir: filepath.Join(a.dir, "out"), Measure: a.svc.ByProductBucket != "" && a.job.Measured == nil}
	for i := range a.job.Outputs {
		o := &a.job.Outputs[i]
		if o.Status.Final() {
			continue
		}
		rendition, failure, err := a.rendition(ctx, o)
		switch {
		case err != nil:
			return nil, err
		case failure != nil:
			a.fail(o, failure)
		default:
			e.Outputs = append(e.Outputs, rendition)
		}
	}
	if len(e.Outputs) == 0 {
		return nil, nil
	}
	encoded, err := a.svc.Encoder.Encode(ctx, e, func(p Progress) { a.report(encodeShare(p)) })
	if err != nil {
		return nil, err
	}
	a.note(encoded.Log)
	for i := range encoded.Inputs {
		a.job.Inputs[i].Detected = &encoded.Inputs[i]
	}
	a.keepByProducts(ctx, encoded.Measured)
	made := map[string]*EncodedOutput{}
	for i, r := range e.Outputs {
		made[r.Name] = &encoded.Outputs[i]
	}
	return made, nil
}

// How much of an attempt's work is done, and of an output's, when the inputs were
// fetched, and when the encoder has ended.
const (
	doneFetching = 0.02
	doneEncoding = 0.95
)

// encodeShare is what the progress of an encoder is of all.
func encodeShare(p Progress) Progress {
	all := Progress{Phase: p.Phase, Done: doneFetching + (doneEncoding-doneFetching)*p.Done, Left: p.Left, Outputs: map[string]OutputProgress{}}
	for id, o := range p.Outputs {
		o.Done = doneFetching + (doneEncoding-doneFetching)*o.Done
		all.Outputs[id] = o
	}
	return all
}

// rendition is the work of one output, unless its key is taken or its artwork
// cannot be had.
func (a *attempt) rendition(ctx context.Context, o *Output) (r Rendition, failure *Failure, err error) {
	r = Rendition{Name: o.ID, Preset: o.Preset, Layout: a.job.layout(o), Loudness: a.job.loudness(o)}
	ref := a.job.OutputRef(a.pipeline, o)
	ref.Key += firstSuffix(r.Layout)
	if failure, err := a.taken(ctx, ref, a.origin(o)); failure != nil || err != nil {
		return r, failure, err
	}
	if r.Span, err = o.span(); err != nil {
		return r, nil, err
	}
	if o.SegmentDuration != "" {
		if r.SegmentLength, err = parseSeconds(o.SegmentDuration); err != nil {
			return r, nil, err
		}
	}
	r.Art, failure, err = a.art(ctx, o)
	return r, failure, err
}

// taken says that there is an object of somebody else's. What an earlier
// attempt at this very output left there is replaced when the output is stored.
func (a *attempt) taken(ctx context.Context, ref ObjectRef, origin string) (*Failure, error) {
	info, err := a.svc.Objects.Head(ctx, ref)
	switch {
	case errors.Is(err, ErrNoObject):
		return nil, nil
	case err != nil:
		return outputFailure(err, ref)
	case info.Origin != origin:
		return outputFailure(ErrObjectExists, ref)
	}
	return nil, nil
}

// origin marks an object as one that this output became.
func (a *attempt) origin(o *Output) string { return originOf(a.job, o) }

func originOf(j *Job, o *Output) string { return string(j.ID) + "/" + o.ID }

// store puts what was made under its keys, and takes note of each output at
// once, so that an attempt after this one need not make it again.
func (a *attempt) store(ctx context.Context, made map[string]*EncodedOutput) error {
	for i := range a.job.Outputs {
		o := &a.job.Outputs[i]
		m, ok := made[o.ID]
		if !ok {
			continue
		}
		a.report(Progress{
			Phase: Uploading, Done: doneEncoding + (1-doneEncoding)*float64(i)/float64(len(a.job.Outputs)),
			Outputs: map[string]OutputProgress{o.ID: {Phase: Uploading, Done: doneEncoding}},
		})
		if err := a.storeOutput(ctx, o, m); err != nil {
			return err
		}
	}
	return nil
}

func (a *attempt) storeOutput(ctx context.Context, o *Output, m *EncodedOutput) error {
	if m.Failure != nil {
		a.fail(o, m.Failure)
		return nil
	}
	ref := a.job.OutputRef(a.pipeline, o)
	if err := writeMedia(filepath.Dir(m.Files[0].Path), ref.Key, a.job.layout(o), m); err != nil {
		return err
	}
	for i, f := range m.Files {
		part := ObjectRef{Bucket: ref.Bucket, Key: ref.Key + f.Suffix}
		failure, err := a.storeObject(ctx, f.Path, part, f.ContentType, a.origin(o))
		if err != nil {
			return err
		}
		if failure != nil {
			a.fail(o, failure)
			return a.removeFiles(ctx, ref, m.Files[:i])
		}
	}
	o.Status, o.StatusDetail, o.Made = Complete, m.Remark, &m.Made
	return a.svc.Store.Update(ctx, func(tx Tx) error {
		if err := tx.RenewLease(ctx, a.lease()); err != nil {
			return err
		}
		return tx.UpdateJob(ctx, a.job)
	})
}

// fail ends one output, and keeps its log with the attempt's.
func (a *attempt) fail(o *Output, f *Failure) {
	o.fail(f)
	a.note(f.Log)
}

// note adds some words to the attempt's log, which others may have said already.
func (a *attempt) note(words string) {
	switch {
	case strings.Contains(a.log, words):
	case a.log == "":
		a.log = words
	default:
		a.log += "\n" + words
	}
}

// storeObject puts one file under its key, in the place of what a lost attempt
// at the same may have left there.
func (a *attempt) storeObject(ctx context.Context, file string, ref ObjectRef, contentType, origin string) (*Failure, error) {
	if err := a.fence(ctx); err != nil {
		return nil, err
	}
	_, err := a.svc.Objects.Store(ctx, file, ref, contentType, origin)
	if errors.Is(err, ErrObjectExists) {
		info, headErr := a.svc.Objects.Head(ctx, ref)
		if headErr != nil {
			return nil, fmt.Errorf("find out whose object is in the way: %w", headErr)
		}
		if info.Origin == origin {
			if err := a.svc.Objects.Delete(ctx, ref); err != nil {
				return nil, err
			}
			_, err = a.svc.Objects.Store(ctx, file, ref, contentType, origin)
		}
	}
	if err != nil {
		return outputFailure(err, ref)
	}
	return nil, nil
}

// removeFiles takes back what was stored of an output that cannot be whole.
func (a *attempt) removeFiles(ctx context.Context, ref ObjectRef, files []EncodedFile) error {
	for _, f := range files {
		if err := a.svc.Objects.Delete(ctx, ObjectRef{Bucket: ref.Bucket, Key: ref.Key + f.Suffix}); err != nil {
			return err
		}
	}
	return nil
}

// end writes how the attempt ended and what comes of it, in one transaction. The
// task with which a job is tried again is queued in it too. If it cannot be
// written, the attempt is as that of a node that died: TakeOver ends it.
func (a *attempt) end(ctx context.Context, cause error) error {
	defer a.svc.forgetProgress(a.job.ID)
	var failure *Failure
	switch {
	case cause == nil:
		a.Outcome = Finished
	case errors.As(cause, &failure):
		a.Outcome = Finished
		a.job.failRest(failure)
		a.note(failure.Log)
	case errors.Is(cause, ErrLeaseLost):
		return a.leave(ctx)
	case errors.Is(cause, ErrShutdown):
		a.Outcome = Interrupted
	default:
		a.Outcome = Broken
		a.log = cause.Error()
	}
	a.EndTime, a.Log = a.svc.Now(), a.log
	if a.Outcome == Finished {
		a.job.finish(a.EndTime)
		a.Progress = 1
	}
	err := a.svc.Store.Update(ctx, func(tx Tx) error {
		if err := tx.EndAttempt(ctx, a.Attempt); err != nil {
			return err
		}
		if err := a.goOn(ctx, tx); err != nil {
			return err
		}
		switch a.Outcome {
		case Interrupted:
			return tx.Enqueue(ctx, RunJob{Job: a.job.ID})
		case Broken:
			return tx.Enqueue(ctx, RunJob{Job: a.job.ID, Delay: retryDelay(a.tries + 1)})
		}
		return a.write(ctx, tx)
	})
	if errors.Is(err, ErrLeaseLost) {
		return a.leave(ctx)
	}
	if err != nil {
		return fmt.Errorf("end attempt %d at job %s: %w", a.Number, a.job.ID, err)
	}
	a.svc.jobs.Tell(a.job.Owner, a.job.ID)
	a.logEnd()
	return nil
}

// leave gives up a job that is in other hands now, and theirs to report. What
// else the task is for stays.
func (a *attempt) leave(ctx context.Context) error {
	now, err := a.svc.Store.Job(ctx, a.job.ID)
	if err == nil && now.Trigger != nil && now.Trigger.Taken && !now.sameWork(a.job) {
		a.svc.removeOutputs(ctx, a.job, now) // this attempt may have stored one since
	}
	if !a.drain {
		return nil
	}
	return a.svc.Store.Update(ctx, func(tx Tx) error { return a.goOn(ctx, tx) })
}

// retryDelay is how long a job rests after its nth try broke: 1 s, 4 s, 9 s.
func retryDelay(n int) time.Duration { return time.Duration(n*n) * time.Second }

func (a *attempt) logEnd() {
	switch a.Outcome {
	case Broken:
		a.svc.Logger.Warn("job is tried again", "job", a.job.ID, "attempt", a.Number, "err", a.Log)
	case Finished:
		a.svc.Logger.Info("job ended", "job", a.job.ID, "status", a.job.Status, "attempt", a.Number,
			"took", a.EndTime.Sub(a.StartTime).Round(time.Millisecond))
	case Interrupted:
		a.svc.Logger.Info("job given back", "job", a.job.ID, "attempt", a.Number)
	}
}
