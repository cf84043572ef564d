package rule

import (
	"context"
	"errors"
	"fmt"

	"etude/internal/s3event"
	"etude/internal/transcode"
)

// Trial is what a rule would make of an event.
type Trial struct {
	Event s3event.Event
	Rule  string
	// Spec is the request for the job; nil where there is none.
	Spec *transcode.JobSpec
	// Why says why there is none; empty if there is one.
	Why string
}

// Try says what the rules would make of the events in raw, which may be S3's
// own JSON, an SNS message around it or a batch of an SQS queue, and makes
// nothing: no object is looked at. For each event there is the Trial of the rule
// that takes it, or else one for each rule, with the reason. A test event, as S3
// sends it when a notification is set up, has none. With rules given, those
// count instead of the ones that are kept, and need not be enabled.
func (s *Service) Try(ctx context.Context, raw []byte, rules ...*Rule) ([]Trial, error) {
	events, err := s3event.Parse(raw)
	if err != nil {
		return nil, &Error{Kind: Invalid, Message: err.Error(), Err: err}
	}
	given := len(rules) > 0
	if !given {
		if rules, err = s.Store.Rules(ctx); err != nil {
			return nil, err
		}
	}
	triggers, err := s.triggers(ctx)
	if err != nil {
		return nil, err
	}
	var trials []Trial
	for _, e := range events {
		of, err := s.try(ctx, e, rules, triggers, given)
		if err != nil {
			return nil, err
		}
		trials = append(trials, of...)
	}
	return trials, nil
}

func (s *Service) try(ctx context.Context, e s3event.Event, rules []*Rule, triggers []Trigger, given bool) ([]Trial, error) {
	if why := eventRefusal(e); why != "" {
		return []Trial{{Event: e, Why: why}}, nil
	}
	var refused []Trial
	for _, r := range rules {
		t := Trial{Event: e, Rule: r.Name, Why: refusal(r, e, triggers)}
		if t.Why == "" && !given && !r.Active() {
			t.Why = inactive(r)
		}
		if t.Why == "" {
			spec, err := s.trySpec(ctx, r, objectOf(e))
			if err != nil && !IsFault(err) {
				return nil, err
			}
			if err == nil {
				t.Spec = spec
				return []Trial{t}, nil
			}
			t.Why = err.Error()
		}
		refused = append(refused, t)
	}
	if refused == nil {
		return []Trial{{Event: e, Why: "there are no rules"}}, nil
	}
	return refused, nil
}

// refusal is Refusal that knows of the buckets' configurations too.
func refusal(r *Rule, e s3event.Event, triggers []Trigger) string {
	why := r.Refusal(transcode.ObjectRef{Bucket: e.Bucket, Key: e.Key})
	for _, t := range triggers {
		sent := Rule{Bucket: t.Bucket, Prefix: t.Prefix}
		if t.Suffix != "" {
			sent.Suffixes = []string{t.Suffix}
		}
		if t.Rule == r.Name && sent.Refusal(transcode.ObjectRef{Bucket: e.Bucket, Key: e.Key}) == "" {
			return ""
		}
	}
	return why
}

// trySpec is the request that apply would make.
func (s *Service) trySpec(ctx context.Context, r *Rule, o Object) (*transcode.JobSpec, error) {
	if err := r.Check(); err != nil {
		return nil, &Error{Kind: Invalid, Message: fmt.Sprintf("rule %.80q: %v", r.Name, err), Err: err}
	}
	pipeline, err := s.pipeline(ctx, r)
	if err != nil {
		return nil, err
	}
	if pipeline.InputBucket != o.Bucket {
		return nil, fault(Invalid, "rule %q: its pipeline %q reads from the bucket %q, not from %q", r.Name, pipeline.Name, pipeline.InputBucket, o.Bucket)
	}
	spec, err := s.spec(ctx, r, pipeline, o)
	if err != nil {
		return nil, err
	}
	if err := s.Jobs.CheckJob(ctx, spec); err != nil {
		return nil, jobFault(r, err)
	}
	return &spec, nil
}

// IsFault reports whether err is a fault of whoever asked.
func IsFault(err error) bool {
	var e *Error
	return errors.As(err, &e)
}
