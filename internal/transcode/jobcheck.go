package transcode

import "context"

// CheckJob returns what CreateJob would refuse of a spec, and makes nothing.
func (s *Service) CheckJob(ctx context.Context, spec JobSpec) error {
	_, err := s.newJob(ctx, spec)
	return err
}

// JobOfTrigger returns the job that CreateJobOnce would not make because it is
// there: that of the same version of its object. It is nil if there is none.
func (s *Service) JobOfTrigger(ctx context.Context, spec JobSpec) (*Job, error) {
	fresh, err := s.newJob(ctx, spec)
	if err != nil || spec.Trigger == nil {
		return nil, err
	}
	var job *Job
	err = s.Store.Update(ctx, func(tx Tx) (err error) {
		j := *fresh
		job, err = s.earlierJob(ctx, tx, &j)
		return err
	})
	return job, err
}
