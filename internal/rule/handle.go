package rule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"etude/internal/s3event"
	"etude/internal/transcode"
)

// Outcome is what a rule made of an object.
type Outcome struct {
	Rule string // empty where it was none
	Job  *transcode.Job
	// Made says that the job was made now; else it is an earlier one, which
	// stands for the same version of the object.
	Made bool
	// Why says why there is no job; empty if there is one.
	Why string
}

// Handle makes the job that a rule asks for of an event, by the rule's own
// bucket, prefix and suffixes. It may be called any number of times for an
// event, at once and in any order: there is one job for a version of an object,
// whoever else asks for it. An event that no rule takes is no error; an error
// means that the event is to be handled again.
func (s *Service) Handle(ctx context.Context, e s3event.Event) (Outcome, error) {
	if why := eventRefusal(e); why != "" {
		return Outcome{Why: why}, nil
	}
	rules, err := s.Store.Rules(ctx)
	if err != nil {
		return Outcome{}, err
	}
	ref := transcode.ObjectRef{Bucket: e.Bucket, Key: e.Key}
	// No two rules take the same object, see Create.
	i := slices.IndexFunc(rules, func(r *Rule) bool { return r.Active() && r.Refusal(ref) == "" })
	if i < 0 {
		return Outcome{Why: "no rule takes it"}, nil
	}
	return s.handle(ctx, rules[i], e)
}

// HandleFor is Handle for the rule that a bucket's notification configuration
// names for the event, whatever the rule itself takes.
func (s *Service) HandleFor(ctx context.Context, name string, e s3event.Event) (Outcome, error) {
	if why := eventRefusal(e); why != "" {
		return Outcome{Rule: name, Why: why}, nil
	}
	r, err := s.Store.Rule(ctx, name)
	switch {
	case errors.Is(err, ErrNotFound):
		return Outcome{Rule: name, Why: "there is no such rule any more"}, nil
	case err != nil:
		return Outcome{}, err
	case !r.Active():
		return Outcome{Rule: name, Why: inactive(r)}, nil
	}
	if why := folderRefusal(e.Key); why != "" {
		return Outcome{Rule: name, Why: why}, nil
	}
	return s.handle(ctx, r, e)
}

// eventRefusal says why no rule takes an event.
func eventRefusal(e s3event.Event) string {
	switch {
	case !e.Created():
		return fmt.Sprintf("it tells of no new object: %q", e.Name)
	case e.Own:
		return ownRefusal
	}
	return ""
}

const ownRefusal = "the object is an output of a job: those start none"

// MayMatch reports whether an active rule takes an object, or that it may
// where that cannot be found out just now.
func (s *Service) MayMatch(ctx context.Context, ref transcode.ObjectRef) bool {
	rules, err := s.Store.Rules(ctx)
	return err != nil || slices.ContainsFunc(rules, func(r *Rule) bool { return r.Active() && r.Refusal(ref) == "" })
}

func inactive(r *Rule) string {
	if r.Paused != "" {
		return "it is paused: " + r.Paused
	}
	return "it is disabled"
}

func (s *Service) handle(ctx context.Context, r *Rule, e s3event.Event) (Outcome, error) {
	ref := transcode.ObjectRef{Bucket: e.Bucket, Key: e.Key}
	if claimed, err := s.claimed(ctx, ref); claimed || err != nil {
		return Outcome{Rule: r.Name, Why: claimedRefusal}, err
	}
	owner := ""
	if s.UserOf != nil && e.Principal != "" {
		var err error
		if owner, err = s.UserOf(ctx, e.Principal); err != nil {
			return Outcome{}, err
		}
	}
	return s.apply(ctx, r, objectOf(e), trigger(r, e), owner)
}

// trigger is what a job remembers of the event.
func trigger(r *Rule, e s3event.Event) *transcode.Trigger {
	// Shorter sequencers are filled up with zeros to be compared; without those
	// at the end they compare as texts.
	return &transcode.Trigger{
		Rule: r.Name, VersionID: e.VersionID, ETag: e.ETag, Time: e.Time,
		Sequencer: strings.TrimRight(strings.ToUpper(e.Sequencer), "0"),
	}
}

// apply makes the rule's job of an object, unless that is a job's output, or
// was written again since.
func (s *Service) apply(ctx context.Context, r *Rule, o Object, t *transcode.Trigger, owner string) (Outcome, error) {
	info, err := s.Objects.Head(ctx, o.ObjectRef)
	switch {
	case err == nil && info.Origin != "":
		return Outcome{Rule: r.Name, Why: ownRefusal}, nil
	case err == nil && superseded(o, info):
		return Outcome{Rule: r.Name, Why: "the object was written again since, and that has an event of its own"}, nil
	case err != nil && !gone(err):
		return Outcome{}, fmt.Errorf("look at %s for rule %s: %w", o, r.Name, err)
	}
	// An object that is not there or not to be had is one for the job to say so.
	pipeline, err := s.pipeline(ctx, r)
	if err == nil && pipeline.InputBucket != o.Bucket {
		err = fault(Invalid, "its pipeline %q reads from the bucket %q, not from %q", pipeline.Name, pipeline.InputBucket, o.Bucket)
	}
	if err != nil {
		return s.orPause(ctx, r, err)
	}
	spec, err := s.spec(ctx, r, pipeline, o)
	if err != nil {
		return s.orPause(ctx, r, err)
	}
	spec.Trigger = t
	if owner != "" {
		spec.Owner = owner
	}
	if why := s.overRate(r); why != "" {
		return s.pause(ctx, r, why)
	}
	job, made, err := s.Jobs.CreateJobOnce(ctx, spec)
	if err != nil {
		return s.orPause(ctx, r, err)
	}
	if made {
		s.countRate(r.Name)
		s.Logger.Info("rule has made a job", "rule", r.Name, "job", job.ID, "bucket", o.Bucket, "key", o.Key)
	}
	return Outcome{Rule: r.Name, Job: job, Made: made}, nil
}

// superseded reports whether the store has another version of the object than
// an event was about.
func superseded(o Object, info transcode.ObjectInfo) bool {
	if o.VersionID != "" && info.VersionID != "" {
		return o.VersionID != info.VersionID
	}
	return o.ETag != "" && info.ETag != "" && o.ETag != info.ETag
}

// gone reports whether a job could say best why it cannot read its input.
func gone(err error) bool {
	return errors.Is(err, transcode.ErrNoObject) || errors.Is(err, transcode.ErrNoBucket) ||
		errors.Is(err, transcode.ErrObjectDenied) || errors.Is(err, transcode.ErrBadKey)
}

// orPause pauses a rule whose jobs are refused, since the next ones would be
// too. Any other error is returned.
func (s *Service) orPause(ctx context.Context, r *Rule, err error) (Outcome, error) {
	var ours *Error
	var theirs *transcode.Error
	if !errors.As(err, &ours) && !errors.As(err, &theirs) {
		return Outcome{}, err
	}
	return s.pause(ctx, r, strings.TrimPrefix(err.Error(), fmt.Sprintf("rule %q: ", r.Name)))
}

// pause stops a rule until somebody enables it again. The event is done with:
// kept back, it would come again and again.
func (s *Service) pause(ctx context.Context, r *Rule, why string) (Outcome, error) {
	why += fmt.Sprintf(". When that is mended: etude rule enable %s, and etude rule rescan --rule %[1]s for what came meanwhile", r.Name)
	err := s.Store.UpdateRules(ctx, func(tx Tx) error {
		all, err := tx.Rules(ctx)
		if err != nil {
			return err
		}
		for _, now := range all {
			if now.Name == r.Name && now.Active() && key(now) == key(r) {
				now.Paused = why
				return tx.PutRule(ctx, now)
			}
		}
		return nil // it was changed meanwhile, or another one was quicker
	})
	if err != nil {
		return Outcome{}, err
	}
	s.Logger.Error("rule is paused", "rule", r.Name, "err", why)
	return Outcome{Rule: r.Name, Why: "it is paused: " + why}, nil
}

// rate counts the jobs of a rule in the minutes of the last hour.
type rate struct {
	minutes [60]struct {
		at   int64 // since 1970
		jobs int
	}
}

// overRate says why a rule is to make no more jobs for now. It is kept by each
// node for itself and is forgotten when that ends: a fuse, no quota.
func (s *Service) overRate(r *Rule) string {
	limit := r.MaxPerHour
	if limit == 0 {
		limit = DefaultMaxPerHour
	}
	now := s.Now().Unix() / 60
	s.mu.Lock()
	defer s.mu.Unlock()
	jobs := 0
	if rate := s.rates[r.Name]; rate != nil {
		for _, m := range rate.minutes {
			if m.at > now-60 {
				jobs += m.jobs
			}
		}
	}
	if jobs < limit {
		return ""
	}
	return fmt.Sprintf("it has made %d jobs within an hour, which is its limit: see whether something writes the same files over and over, or raise the limit", jobs)
}

func (s *Service) countRate(name string) {
	now := s.Now().Unix() / 60
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rates[name] == nil {
		s.rates[name] = &rate{}
	}
	m := &s.rates[name].minutes[now%60]
	if m.at != now {
		m.at, m.jobs = now, 0
	}
	m.jobs++
}

func (s *Service) forgetRate(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rates, name)
}
