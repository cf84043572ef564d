package transcode

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"time"
)

// Trigger is one version of an object, for which there is one job however often
// and by whomever it is asked for.
type Trigger struct {
	// Rule is the name of the rule that asks; empty where a person does.
	Rule      string
	VersionID string // empty where the bucket keeps no versions; then the ETag tells them apart
	ETag      string // without quotes
	// Sequencer tells which of two writes of an object was later, as texts are
	// compared; empty where that is not known.
	Sequencer string
	Time      time.Time // of the write; zero where that is not known
	// Taken says that a caller's own request has taken the place of the rule's.
	Taken bool
}

// objectMark is the same for all jobs of an object, and tells nothing of it.
func objectMark(ref ObjectRef) string { return hash(ref.Bucket, ref.Key)[:32] }

func hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// dedupeKey is that of the nth job of a version.
func (t *Trigger) dedupeKey(object string, n int) string {
	version := "v" + t.VersionID
	if t.VersionID == "" {
		version = "e" + t.ETag
	}
	return fmt.Sprintf("object/%s/%s/%d", object, hash(version)[:32], n)
}

// laterThan reports whether t is known to be a later write than old.
func (t *Trigger) laterThan(old *Trigger) bool {
	return old != nil && old.Sequencer != "" && t.Sequencer > old.Sequencer
}

// earlierJob returns the job that stands for j already, or whose place j may
// take; nil if there is none. It completes j's DedupeKey.
func (s *Service) earlierJob(ctx context.Context, tx Tx, j *Job) (*Job, error) {
	if j.Object == "" || j.DedupeKey != "" {
		return nil, nil
	}
	newest, err := tx.NewestJob(ctx, j.Object, j.Trigger != nil)
	if errors.Is(err, ErrNotFound) {
		newest, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	if j.Trigger == nil {
		if newest != nil && newest.givesWay(j) {
			return newest, nil
		}
		return nil, nil
	}
	same, err := sameVersion(ctx, tx, j)
	if same != nil || err != nil {
		return same, err
	}
	// Whoever asked for a job of this object since it was written has asked for
	// this version. A rule adds nothing to that.
	if newest != nil && newest.Trigger == nil && j.Trigger.Rule != "" &&
		!j.Trigger.Time.IsZero() && !newest.SubmitTime.Before(j.Trigger.Time) {
		return newest, nil
	}
	return nil, nil
}

// sameVersion returns the job of j's version of its object. Bytes that were
// written once more are the same version, except that they get another chance
// where the job came to nothing: the remedy for many a failure is to upload the
// file again.
func sameVersion(ctx context.Context, tx Tx, j *Job) (*Job, error) {
	for n := 1; ; n++ {
		j.DedupeKey = j.Trigger.dedupeKey(j.Object, n)
		old, err := tx.JobByDedupeKey(ctx, j.DedupeKey)
		switch {
		case errors.Is(err, ErrNotFound):
			return nil, nil
		case err != nil:
			return nil, err
		case old.Status != Failed && old.Status != Canceled, !j.Trigger.laterThan(old.Trigger):
			return old, nil
		}
	}
}

// givesWay reports whether j, which nobody asked for, leaves its place to a job
// that somebody does. A job that has ended stays, unless it is the very same.
func (j *Job) givesWay(to *Job) bool {
	switch {
	case j.Trigger == nil || j.Trigger.Rule == "" || j.Trigger.Taken:
		return false
	case j.Status == Complete:
		return j.sameWork(to)
	}
	return !j.Status.Final()
}

// sameWork reports whether both ask for the same files.
func (j *Job) sameWork(other *Job) bool {
	return reflect.DeepEqual(j.asked(), other.asked())
}

// asked is what a job was asked to make.
func (j *Job) asked() JobSpec {
	spec := JobSpec{Pipeline: j.Pipeline, OutputKeyPrefix: j.OutputKeyPrefix}
	for _, in := range j.Inputs {
		in.Detected = nil
		spec.Inputs = append(spec.Inputs, in)
	}
	for _, o := range j.Outputs {
		spec.Outputs = append(spec.Outputs, OutputSpec{
			Key: o.Key, PresetID: o.PresetID, ThumbnailPattern: o.ThumbnailPattern, ThumbnailEncryption: o.ThumbnailEncryption,
			Rotate: o.Rotate, SegmentDuration: o.SegmentDuration, AlbumArt: o.AlbumArt, Composition: o.Composition,
			Captions: o.Captions, Encryption: o.Encryption,
		})
	}
	for _, p := range j.Playlists {
		spec.Playlists = append(spec.Playlists, PlaylistSpec{Name: p.Name, Format: p.Format, OutputKeys: p.OutputKeys})
	}
	return spec
}

// takenPlace is a job whose place another one took.
type takenPlace struct {
	job     *Job // as it was
	running int  // the number of its attempt that ran; 0 for none
}

// takePlace makes j, which a caller asks for, of a job that a rule has made of
// the same object, under the same id: so that who uploads a file and then asks
// for a job gets what was asked for, as without the rule, and the file is not
// transcoded twice. If both are to make the same files, the work goes on.
func (s *Service) takePlace(ctx context.Context, tx Tx, old, j *Job) (*takenPlace, error) {
	old, err := tx.Job(ctx, old.ID)
	if err != nil {
		return nil, err
	}
	if !old.givesWay(j) { // it has ended just now
		if err := tx.InsertJob(ctx, j); err != nil {
			return nil, err
		}
		return nil, tx.Enqueue(ctx, RunJob{})
	}
	was, trigger := *old, *old.Trigger
	trigger.Taken = true
	if old.sameWork(j) {
		owner, metadata := j.Owner, j.UserMetadata
		*j = *old
		j.Owner, j.UserMetadata, j.Trigger = owner, metadata, &trigger
		return &takenPlace{job: &was}, tx.ReplaceJob(ctx, j)
	}
	j.ID, j.DedupeKey, j.Trigger = old.ID, old.DedupeKey, &trigger
	if err := tx.ReplaceJob(ctx, j); err != nil {
		return nil, err
	}
	place := &takenPlace{job: &was}
	if was.Status == Submitted {
		return place, nil // its task is queued
	}
	attempts, err := tx.Attempts(ctx, j.ID)
	if err != nil {
		return nil, err
	}
	for _, a := range attempts {
		if a.Outcome != Running {
			continue
		}
		a.Outcome, a.EndTime, a.Log = Interrupted, s.Now(), "a caller's request took the place of the rule's"
		if err := tx.EndAttempt(ctx, a); err != nil {
			return nil, err
		}
		place.running = a.Number
	}
	return place, tx.Enqueue(ctx, RunJob{})
}

// leavePlace does after the commit what is left to do for a job whose place
// was taken.
func (s *Service) leavePlace(ctx context.Context, place *takenPlace, now *Job) {
	old := place.job
	s.Logger.Info("job of a rule gives way to a request", "job", old.ID, "rule", old.Trigger.Rule)
	s.jobs.Tell(old.Owner, old.ID)
	if old.sameWork(now) {
		return
	}
	s.mu.Lock()
	cancel := s.cancels[attemptID{old.ID, place.running}]
	delete(s.progress, old.ID)
	s.mu.Unlock()
	if cancel != nil {
		cancel(ErrLeaseLost)
	}
	s.removeOutputs(context.WithoutCancel(ctx), old, now)
}

// removeOutputs removes what a job has stored under keys that it has no more.
// What cannot be removed does no harm but take room.
func (s *Service) removeOutputs(ctx context.Context, old, now *Job) {
	pipeline, err := s.Store.Pipeline(ctx, old.Pipeline)
	if err != nil {
		s.Logger.Warn("results of a job that gave way are left behind", "job", old.ID, "err", err)
		return
	}
	for i := range old.Outputs {
		o := &old.Outputs[i]
		if i < len(now.Outputs) && now.Pipeline == old.Pipeline &&
			now.OutputKeyPrefix+now.Outputs[i].Key == old.OutputKeyPrefix+o.Key {
			continue // to be replaced
		}
		ref := old.OutputRef(pipeline, o)
		info, err := s.Objects.Head(ctx, ref)
		if err == nil && info.Origin == originOf(old, o) {
			err = s.Objects.Delete(ctx, ref)
		}
		if err != nil && !errors.Is(err, ErrNoObject) {
			s.Logger.Warn("result of a job that gave way is left behind", "job", old.ID, "bucket", ref.Bucket, "key", ref.Key, "err", err)
		}
	}
}

// attemptID names an attempt.
type attemptID struct {
	job    JobID
	number int
}
