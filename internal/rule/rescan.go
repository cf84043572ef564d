package rule

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"etude/internal/transcode"
)

// Rescan says which files to look for that came without an event.
type Rescan struct {
	// Rule limits it to one rule; empty means all that are active.
	Rule string
	// Bucket and Prefix say where; without a Bucket it is wherever the rules
	// look.
	Bucket, Prefix string
	// After is the key of the bucket after which to go on; empty for the
	// beginning. It needs a Bucket.
	After string
	// DryRun says that no job is to be made.
	DryRun bool
	// Each, if it is not nil, is told of every object that a rule takes.
	Each func(transcode.ObjectRef, Outcome)
}

// Counts is what a Rescan has found.
type Counts struct {
	Seen    int // objects that were listed
	Taken   int // of those, by a rule
	Made    int // jobs; with DryRun, those that would be made
	Earlier int // had a job already
	Left    int // are outputs of jobs, gone, or not to be taken just now
	// Bucket and Last say how far it came: the key of the last object that was
	// dealt with.
	Bucket, Last string
}

// listAtOnce is how many keys are listed in one go.
const listAtOnce = 1000

// Rescan makes jobs of files that are there and have none. It may be run at any
// time, again and again, and go on where it was broken off; objects that have a
// job keep that one.
func (s *Service) Rescan(ctx context.Context, scan Rescan) (counts Counts, err error) {
	rules, err := s.scanned(ctx, scan)
	if err != nil {
		return counts, err
	}
	places := scan.places(rules)
	if len(places) == 0 {
		return counts, fault(Invalid, "no rule that is enabled takes objects there; etude rule list shows what each takes")
	}
	for _, p := range places {
		if err := s.scan(ctx, scan, rules, p, &counts); err != nil {
			return counts, err
		}
	}
	return counts, nil
}

func (s *Service) scanned(ctx context.Context, scan Rescan) ([]*Rule, error) {
	if scan.After != "" && scan.Bucket == "" {
		return nil, fault(Invalid, "to go on after a key, name the bucket")
	}
	if scan.Rule == "" {
		all, err := s.Store.Rules(ctx)
		if err != nil {
			return nil, err
		}
		var active []*Rule
		for _, r := range all {
			if r.Active() {
				active = append(active, r)
			}
		}
		return s.withTriggers(ctx, active)
	}
	r, err := s.Rule(ctx, scan.Rule)
	if err != nil {
		return nil, err
	}
	if !r.Active() {
		return nil, fault(Invalid, "rule %q makes no jobs: %s", r.Name, inactive(r))
	}
	return s.withTriggers(ctx, []*Rule{r})
}

// withTriggers adds, for each part of a bucket's configuration, the rule as it
// takes those objects.
func (s *Service) withTriggers(ctx context.Context, rules []*Rule) ([]*Rule, error) {
	triggers, err := s.triggers(ctx)
	if err != nil {
		return nil, err
	}
	all := rules
	for _, r := range rules {
		for _, t := range triggers {
			if t.Rule != r.Name {
				continue
			}
			sent := *r
			sent.Bucket, sent.Prefix, sent.Suffixes = t.Bucket, t.Prefix, t.watch().suffixes
			all = append(all, &sent)
		}
	}
	return all, nil
}

// place is a bucket and the beginning of keys in it.
type place struct{ bucket, prefix string }

// places are where to look, without looking anywhere twice.
func (scan Rescan) places(rules []*Rule) (places []place) {
	for _, r := range rules {
		prefix, fits := narrower(scan.Prefix, r.Prefix)
		if r.Bucket == "" || !fits || scan.Bucket != "" && scan.Bucket != r.Bucket {
			continue
		}
		covered := false
		kept := places[:0:0]
		for _, p := range places {
			if p.bucket == r.Bucket && strings.HasPrefix(prefix, p.prefix) {
				covered = true
			}
			if p.bucket != r.Bucket || !strings.HasPrefix(p.prefix, prefix) || p.prefix == prefix {
				kept = append(kept, p)
			}
		}
		places = kept
		if !covered {
			places = append(places, place{r.Bucket, prefix})
		}
	}
	return places
}

// narrower returns the longer one of two prefixes, if it begins with the other.
func narrower(a, b string) (string, bool) {
	if strings.HasPrefix(a, b) {
		return a, true
	}
	return b, strings.HasPrefix(b, a)
}

func (s *Service) scan(ctx context.Context, scan Rescan, rules []*Rule, p place, counts *Counts) error {
	counts.Bucket, counts.Last = p.bucket, scan.After
	for {
		keys, err := s.Objects.List(ctx, p.bucket, p.prefix, counts.Last, listAtOnce)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if err := s.scanObject(ctx, scan, rules, transcode.ObjectRef{Bucket: p.bucket, Key: key}, counts); err != nil {
				return fmt.Errorf("rescan %s/%s: %w", p.bucket, key, err)
			}
			counts.Last = key
		}
		if len(keys) < listAtOnce {
			return nil
		}
	}
}

func (s *Service) scanObject(ctx context.Context, scan Rescan, rules []*Rule, ref transcode.ObjectRef, counts *Counts) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	counts.Seen++
	for _, r := range rules {
		if r.Refusal(ref) != "" {
			continue
		}
		counts.Taken++
		out, err := s.scanTaken(ctx, scan, r, ref)
		if err != nil {
			return err
		}
		switch {
		case out.Made:
			counts.Made++
		case out.Job != nil:
			counts.Earlier++
		default:
			counts.Left++
		}
		if scan.Each != nil {
			scan.Each(ref, out)
		}
		if strings.HasPrefix(out.Why, "it is paused") {
			return fault(Invalid, "rule %q: %s", r.Name, out.Why)
		}
		return nil
	}
	return nil
}

func (s *Service) scanTaken(ctx context.Context, scan Rescan, r *Rule, ref transcode.ObjectRef) (Outcome, error) {
	if claimed, err := s.claimed(ctx, ref); claimed || err != nil {
		return Outcome{Rule: r.Name, Why: claimedRefusal}, err
	}
	info, err := s.Objects.Head(ctx, ref)
	switch {
	case errors.Is(err, transcode.ErrNoObject), errors.Is(err, transcode.ErrBadKey):
		return Outcome{Rule: r.Name, Why: "the object is gone"}, nil
	case err != nil:
		return Outcome{}, err
	case info.Origin != "":
		return Outcome{Rule: r.Name, Why: ownRefusal}, nil
	}
	o, t := Object{ref, info.VersionID, info.ETag}, lookedUp(r, info)
	if !scan.DryRun {
		return s.apply(ctx, r, o, t, "")
	}
	spec, err := s.trySpec(ctx, r, o)
	if err != nil {
		return Outcome{}, err
	}
	spec.Trigger = t
	job, err := s.Jobs.JobOfTrigger(ctx, *spec)
	return Outcome{Rule: r.Name, Job: job, Made: job == nil && err == nil}, err
}
