package transcode

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"unicode/utf8"
)

// JobSpec is a request for a job, its scalars checked for form.
type JobSpec struct {
	Pipeline        PipelineID
	Owner           string // the user who is told of it; may be empty
	Inputs          []Input
	Outputs         []OutputSpec
	OutputKeyPrefix string
	UserMetadata    map[string]string
	DedupeKey       string
}

// OutputSpec is a request for one output.
type OutputSpec struct {
	Key              string
	PresetID         PresetID
	ThumbnailPattern *string
	Rotate           string
	SegmentDuration  string
}

// CreateJob checks spec against its pipeline and presets, records the job and
// queues its first attempt: both or neither. Whatever is wrong with spec is an
// *Error. If spec has a DedupeKey that an earlier job has, that job is returned
// and nothing is made.
//
// As in Elastic Transcoder, objects are not looked at here: a missing input is
// a job that ends with error 3001.
func (s *Service) CreateJob(ctx context.Context, spec JobSpec) (*Job, error) {
	job, err := s.newJob(ctx, spec)
	if err != nil {
		return nil, err
	}
	err = s.Store.Update(ctx, func(tx Tx) error {
		if err := tx.InsertJob(ctx, job); err != nil {
			return err
		}
		return tx.Enqueue(ctx, RunJob{Job: job.ID})
	})
	if errors.Is(err, ErrDuplicate) {
		return s.jobByDedupeKey(ctx, spec.DedupeKey)
	}
	if err != nil {
		return nil, fmt.Errorf("create job in pipeline %s: %w", spec.Pipeline, err)
	}
	s.Logger.Info("job submitted", "job", job.ID, "pipeline", job.Pipeline)
	s.jobs.Tell(job.Owner, job.ID)
	return job, nil
}

func (s *Service) jobByDedupeKey(ctx context.Context, key string) (job *Job, err error) {
	err = s.Store.Update(ctx, func(tx Tx) error {
		job, err = tx.JobByDedupeKey(ctx, key)
		return err
	})
	return job, err
}

// newJob turns a spec into a job with a copy of each preset's settings, so that
// nothing which happens to a preset later changes it.
func (s *Service) newJob(ctx context.Context, spec JobSpec) (*Job, error) {
	if err := spec.check(); err != nil {
		return nil, err
	}
	if _, err := s.ReadPipeline(ctx, spec.Pipeline); err != nil {
		return nil, err
	}
	now := s.Now()
	job := &Job{
		ID:              JobID(newID(now)),
		Pipeline:        spec.Pipeline,
		Owner:           spec.Owner,
		Inputs:          spec.Inputs,
		OutputKeyPrefix: spec.OutputKeyPrefix,
		UserMetadata:    spec.UserMetadata,
		Status:          Submitted,
		SubmitTime:      now,
		DedupeKey:       spec.DedupeKey,
	}
	for i, o := range spec.Outputs {
		preset, err := s.ReadPreset(ctx, o.PresetID)
		if err != nil {
			return nil, err
		}
		if why := s.Encoder.Check(preset); why != "" {
			return nil, invalid("Preset %s cannot be made here: %s", preset.ID, why)
		}
		job.Outputs = append(job.Outputs, Output{
			ID:               outputID(i),
			Key:              o.Key,
			PresetID:         o.PresetID,
			Preset:           *preset,
			ThumbnailPattern: o.ThumbnailPattern,
			Rotate:           o.Rotate,
			SegmentDuration:  o.SegmentDuration,
			Status:           Submitted,
		})
	}
	return job, nil
}

// check finds what is wrong with a spec without looking at anything else.
func (spec *JobSpec) check() error {
	switch n := len(spec.Inputs); {
	case n == 0:
		return invalid("A job needs an Input with a Key.")
	case n > 1:
		return invalid("Joining several Inputs is not possible yet: give one Input, %d were given.", n)
	}
	if spec.Inputs[0].Key == "" {
		return invalid("The Input has no Key.")
	}
	switch n := len(spec.Outputs); {
	case n == 0:
		return invalid("A job needs at least one Output.")
	case n > MaxOutputs:
		return invalid("A job may have %d Outputs, %d were given.", MaxOutputs, n)
	}
	for i, o := range spec.Outputs {
		switch {
		case o.Key == "":
			return invalid("Output %d has no Key.", i+1)
		case o.PresetID == "":
			return invalid("Output %d has no PresetId.", i+1)
		case o.SegmentDuration != "":
			return invalid("Output %d has a SegmentDuration: segmented outputs are not possible yet.", i+1)
		}
	}
	return checkUserMetadata(spec.UserMetadata)
}

var userMetadataChars = regexp.MustCompile(`^[0-9A-Za-z _.:/=+\-%@]*$`)

// checkUserMetadata holds the limits of "Job settings" in Elastic Transcoder's
// developer guide.
func checkUserMetadata(pairs map[string]string) error {
	if len(pairs) > 10 {
		return invalid("UserMetadata may have 10 pairs, %d were given.", len(pairs))
	}
	for k, v := range pairs {
		switch {
		case k == "" || utf8.RuneCountInString(k) > 128:
			return invalid("The UserMetadata key %q must have 1 to 128 characters.", k)
		case utf8.RuneCountInString(v) > 256:
			return invalid("The UserMetadata value of %q may have 256 characters.", k)
		case !userMetadataChars.MatchString(k) || !userMetadataChars.MatchString(v):
			return invalid("The UserMetadata pair %q may only have digits, letters, spaces and _.:/=+-%%@.", k)
		}
	}
	return nil
}
