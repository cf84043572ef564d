package transcode

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	dir      string // its own scratch directory
	log      string // becomes the Attempt's when it ends
}

// RunJob runs one attempt at a job to its end. It returns nil when there is
// nothing left to do, also if the job ended as Error by the media's fault or is
// in other hands; an error means that it should be tried again. It may be
// called any number of times for a job, by any node, and at once.
func (s *Service) RunJob(ctx context.Context, id JobID) error {
	a, err := s.startAttempt(ctx, id)
	if err != nil || a == nil {
		return err
	}
	defer s.forgetProgress(id)
	err = a.run(ctx)
	return a.end(context.WithoutCancel(ctx), err)
}

// startAttempt claims the job, or returns nil if it is not to be run now.
func (s *Service) startAttempt(ctx context.Context, id JobID) (*attempt, error) {
	a := &attempt{svc: s}
	err := s.Store.Update(ctx, func(tx Tx) error {
		a.Attempt = nil
		job, err := tx.Job(ctx, id)
		if errors.Is(err, ErrNotFound) || err == nil && job.Status.Final() {
			return nil
		}
		if err != nil {
			return err
		}
		a.job = job
		if a.pipeline, err = tx.Pipeline(ctx, job.Pipeline); err != nil {
			return err
		}
		if job.Status == Submitted && a.pipeline.Status == PipelinePaused {
			return nil // resuming the pipeline queues it again
		}
		return a.claim(ctx, tx)
	})
	if err != nil {
		return nil, fmt.Errorf("start job %s: %w", id, err)
	}
	if a.Attempt == nil {
		return nil, nil
	}
	if a.job.Status.Final() {
		s.Logger.Error("job given up", "job", id, "attempt", a.Number)
	} else {
		s.Logger.Info("job started", "job", id, "attempt", a.Number)
	}
	s.jobs.Tell(a.job.Owner, id)
	if a.job.Status.Final() {
		return nil, nil
	}
	return a, nil
}

// claim makes a the newest attempt of its job, unless another one runs.
func (a *attempt) claim(ctx context.Context, tx Tx) error {
	earlier, err := tx.Attempts(ctx, a.job.ID)
	if err != nil {
		return err
	}
	now := a.svc.Now()
	tries, log := 0, ""
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
			tries++
		case Broken, Lost:
			tries, log = tries+1, e.Log
		}
	}
	a.Attempt = &Attempt{
		Job: a.job.ID, Number: len(earlier) + 1, Node: a.svc.Node,
		StartTime: now, LeaseUntil: now.Add(a.svc.Lease), Phase: Fetching,
	}
	if tries >= a.svc.Tries {
		return a.giveUp(ctx, tx, tries, log)
	}
	if err := tx.InsertAttempt(ctx, a.Attempt); err != nil {
		return err
	}
	if a.job.Status == Progressing {
		return nil
	}
	a.job.Status, a.job.StartTime = Progressing, now
	for i := range a.job.Outputs {
		a.job.Outputs[i].Status = Progressing
	}
	return a.write(ctx, tx)
}

// giveUp ends a job that has broken too many attempts.
func (a *attempt) giveUp(ctx context.Context, tx Tx, tries int, log string) error {
	a.job.failRest(&Failure{
		Code:   4007,
		Detail: "Amazon Elastic Transcoder found a problem with your input file.",
		Reason: "This file could not be processed, although its kind is supported.",
		Remedy: fmt.Sprintf("It was tried %d times. Check that the file plays on your computer, or ask the operator to look at the job's log.", tries),
		Log:    log,
	})
	a.job.finish(a.svc.Now())
	return a.write(ctx, tx)
}

// write records the job as it is now and, in the same transaction, what the
// pipeline's topic is told of it.
func (a *attempt) write(ctx context.Context, tx Tx) error {
	if err := tx.UpdateJob(ctx, a.job); err != nil {
		return err
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

func (a *attempt) work(ctx context.Context) error {
	input, err := a.fetch(ctx)
	if err != nil {
		return err
	}
	made, err := a.encode(ctx, input)
	if err != nil {
		return err
	}
	return a.store(ctx, made)
}

func (a *attempt) fetch(ctx context.Context) (path string, err error) {
	a.report(Progress{Phase: Fetching})
	ref := ObjectRef{Bucket: a.pipeline.InputBucket, Key: a.job.Inputs[0].Key}
	path = filepath.Join(a.dir, "input")
	info, err := a.svc.Objects.Fetch(ctx, ref, path, a.svc.MaxInput)
	if err != nil {
		return "", inputFailure(err, ref, a.svc.MaxInput)
	}
	if info.Size == 0 {
		return "", &Failure{
			Code:   4000,
			Detail: "Amazon Elastic Transcoder could not interpret the media file.",
			Reason: "This file is empty.",
			Remedy: "Check the file on your computer and upload it again.",
		}
	}
	return path, nil
}

// encode makes what is still to be made. Outputs whose object is there already
// end with 3002 and are not made.
func (a *attempt) encode(ctx context.Context, input string) (map[string]EncodedOutput, error) {
	e := Encoding{Input: input, Dir: filepath.Join(a.dir, "out")}
	for i := range a.job.Outputs {
		o := &a.job.Outputs[i]
		if o.Status.Final() {
			continue
		}
		if f, err := a.makeRoom(ctx, o); err != nil {
			return nil, err
		} else if f != nil {
			o.fail(f)
			continue
		}
		e.Outputs = append(e.Outputs, Rendition{Name: o.ID, Preset: o.Preset})
	}
	if len(e.Outputs) == 0 {
		return nil, nil
	}
	encoded, err := a.svc.Encoder.Encode(ctx, e, func(p Progress) {
		a.report(Progress{Phase: p.Phase, Done: 0.02 + 0.93*p.Done})
	})
	if err != nil {
		return nil, err
	}
	a.log = encoded.Log
	a.job.Inputs[0].Detected = &encoded.Input
	made := map[string]EncodedOutput{}
	for i, r := range e.Outputs {
		made[r.Name] = encoded.Outputs[i]
	}
	return made, nil
}

// makeRoom looks whether an output's key is free. What an earlier attempt at
// this very output left there, and died before it could say so, is removed.
func (a *attempt) makeRoom(ctx context.Context, o *Output) (*Failure, error) {
	ref := a.job.OutputRef(a.pipeline, o)
	info, err := a.svc.Objects.Head(ctx, ref)
	switch {
	case errors.Is(err, ErrNoObject):
		return nil, nil
	case err != nil:
		return outputFailure(err, ref)
	case info.Origin != a.origin(o):
		return outputFailure(ErrObjectExists, ref)
	}
	if err := a.fence(ctx); err != nil {
		return nil, err
	}
	return nil, a.svc.Objects.Delete(ctx, ref)
}

// origin marks an object as one that this output became.
func (a *attempt) origin(o *Output) string { return string(a.job.ID) + "/" + o.ID }

// store puts each file that was made under its key, and takes note of it at
// once, so that an attempt after this one need not make it again.
func (a *attempt) store(ctx context.Context, made map[string]EncodedOutput) error {
	for i := range a.job.Outputs {
		o := &a.job.Outputs[i]
		m, ok := made[o.ID]
		if !ok {
			continue
		}
		a.report(Progress{Phase: Uploading, Done: 0.95 + 0.05*float64(i)/float64(len(a.job.Outputs))})
		if err := a.storeOutput(ctx, o, m); err != nil {
			return err
		}
	}
	return nil
}

func (a *attempt) storeOutput(ctx context.Context, o *Output, m EncodedOutput) error {
	if m.Failure != nil {
		o.fail(m.Failure)
		return nil
	}
	if err := a.fence(ctx); err != nil {
		return err
	}
	ref := a.job.OutputRef(a.pipeline, o)
	if _, err := a.svc.Objects.Store(ctx, m.Path, ref, m.ContentType, a.origin(o)); err != nil {
		f, err := outputFailure(err, ref)
		if f != nil {
			o.fail(f)
		}
		return err
	}
	o.Status, o.StatusDetail, o.Made = Complete, m.Remark, &m.Made
	return a.svc.Store.Update(ctx, func(tx Tx) error {
		if err := tx.RenewLease(ctx, a.lease()); err != nil {
			return err
		}
		return tx.UpdateJob(ctx, a.job)
	})
}

// end writes how the attempt ended and what comes of it, in one transaction,
// and returns the error that makes the queue try again.
func (a *attempt) end(ctx context.Context, cause error) error {
	var failure *Failure
	switch {
	case cause == nil:
		a.Outcome = Finished
	case errors.As(cause, &failure):
		a.Outcome = Finished
		a.job.failRest(failure)
		a.log = failure.Log
	case errors.Is(cause, ErrLeaseLost):
		return nil // in other hands now, and theirs to report
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
		switch a.Outcome {
		case Finished:
			return a.write(ctx, tx)
		case Interrupted:
			return tx.Enqueue(ctx, RunJob{Job: a.job.ID})
		}
		return nil
	})
	if errors.Is(err, ErrLeaseLost) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("end attempt %d at job %s: %w", a.Number, a.job.ID, err)
	}
	a.svc.forgetProgress(a.job.ID)
	a.svc.jobs.Tell(a.job.Owner, a.job.ID)
	a.logEnd()
	if a.Outcome == Broken {
		return fmt.Errorf("attempt %d at job %s: %w", a.Number, a.job.ID, cause)
	}
	return nil
}

func (a *attempt) logEnd() {
	switch a.Outcome {
	case Finished:
		a.svc.Logger.Info("job ended", "job", a.job.ID, "status", a.job.Status, "attempt", a.Number,
			"took", a.EndTime.Sub(a.StartTime).Round(time.Millisecond))
	case Interrupted:
		a.svc.Logger.Info("job given back", "job", a.job.ID, "attempt", a.Number)
	}
}
