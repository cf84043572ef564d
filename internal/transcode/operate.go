package transcode

import (
	"context"
	"time"
)

// CountJobs counts the jobs that fit the filter up to a limit, so that a
// million of them cost no more.
func (s *Service) CountJobs(ctx context.Context, filter JobFilter, limit int) (int, error) {
	return s.Store.CountJobs(ctx, filter, limit)
}

// Attempts returns the attempts at a job, first one first.
func (s *Service) Attempts(ctx context.Context, id JobID) ([]*Attempt, error) {
	return s.Store.Attempts(ctx, id)
}

// RunningAttempts returns at most limit attempts that run now, on all nodes;
// those whose leases run out first come first.
func (s *Service) RunningAttempts(ctx context.Context, limit int) ([]*Attempt, error) {
	return s.Store.OpenAttempts(ctx, s.Now().Add(100*365*24*time.Hour), "", limit)
}
