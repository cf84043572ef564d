package transcode

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"
)

// holdLease renews the attempt's lease until ctx ends, and cancels the attempt
// when the lease is lost or could not be renewed for as long as it lasts.
func (a *attempt) holdLease(ctx context.Context, cancel context.CancelCauseFunc) {
	every := a.svc.Lease / 6
	tick := time.NewTicker(every)
	defer tick.Stop()
	held := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		began := time.Now()
		err := a.fenceBefore(ctx, held.Add(a.svc.Lease))
		switch {
		case err == nil:
			held = began
		case errors.Is(err, ErrLeaseLost), time.Since(held)+every > a.svc.Lease: // the next time would be too late
			cancel(ErrLeaseLost)
			return
		}
	}
}

// fenceBefore is fence for as long as the lease lasts: a store that does not
// answer does not hold it.
func (a *attempt) fenceBefore(ctx context.Context, end time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	return a.fence(ctx)
}

// fence renews the lease, or returns ErrLeaseLost if another attempt may have
// taken over: then nothing more may be written.
func (a *attempt) fence(ctx context.Context) error {
	return a.svc.Store.Update(ctx, func(tx Tx) error { return tx.RenewLease(ctx, a.lease()) })
}

// lease returns the attempt as it should be remembered while it runs.
func (a *attempt) lease() *Attempt {
	l := *a.Attempt
	l.LeaseUntil = a.svc.Now().Add(a.svc.Lease)
	a.svc.mu.Lock()
	defer a.svc.mu.Unlock()
	if p, ok := a.svc.progress[l.Job]; ok {
		l.Phase, l.Progress = p.Phase, p.Done
	}
	return &l
}

// report takes note of progress and tells those who watch. It never falls, and
// an output of which p says nothing is as far as it was.
func (a *attempt) report(p Progress) {
	s := a.svc
	s.mu.Lock()
	old := s.progress[a.job.ID]
	p.Done = min(max(p.Done, old.Done), 1)
	outputs := maps.Clone(old.Outputs)
	for id, o := range p.Outputs {
		if outputs == nil {
			outputs = map[string]OutputProgress{}
		}
		o.Done = min(max(o.Done, outputs[id].Done), 1)
		outputs[id] = o
	}
	p.Outputs = outputs
	s.progress[a.job.ID] = p
	s.mu.Unlock()
	if !p.equal(&old) {
		s.jobs.Tell(a.job.Owner, a.job.ID)
	}
}

func (s *Service) forgetProgress(id JobID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.progress, id)
}

// TakeOver queues again the jobs whose attempt lost its lease, so that the
// death of a node delays a job and never ends it. With restarted set, which
// only a node may do that has started and works no tasks yet, its own attempts
// count as lost at once: nobody runs them any more. Then too, if jobs wait, tasks
// are queued for them: theirs may have been used up under another limit.
func (s *Service) TakeOver(ctx context.Context, restarted bool) error {
	node := ""
	if restarted {
		node = s.Node
	}
	lost, err := s.Store.OpenAttempts(ctx, s.Now(), node, 1000)
	if err != nil {
		return fmt.Errorf("find lost attempts: %w", err)
	}
	for _, a := range lost {
		if err := s.takeOver(ctx, a); err != nil {
			return fmt.Errorf("take over job %s: %w", a.Job, err)
		}
	}
	if !restarted {
		return nil
	}
	waiting, _, err := s.Store.Jobs(ctx, JobFilter{Status: Submitted}, Page{Limit: 1})
	if err == nil && len(waiting) > 0 {
		err = s.Store.Update(ctx, func(tx Tx) error { return enqueueDrainers(ctx, tx) })
	}
	if err != nil {
		return fmt.Errorf("queue tasks for jobs that wait: %w", err)
	}
	return nil
}

func (s *Service) takeOver(ctx context.Context, a *Attempt) error {
	a.Outcome, a.EndTime, a.Log = Lost, s.Now(), "the node that ran it stopped without a word"
	err := s.Store.Update(ctx, func(tx Tx) error {
		if err := tx.EndAttempt(ctx, a); err != nil {
			return err
		}
		return tx.Enqueue(ctx, RunJob{Job: a.Job})
	})
	if errors.Is(err, ErrLeaseLost) {
		return nil // somebody else was quicker
	}
	if err == nil {
		s.Logger.Warn("job taken over", "job", a.Job, "attempt", a.Number, "node", a.Node)
	}
	return err
}
