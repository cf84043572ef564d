package transcode

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"
)

// JobSpec is a request for a job, its scalars checked for form.
type JobSpec struct {
	Pipeline        PipelineID
	Owner           string // the user who is told of it; may be empty
	Inputs          []Input
	Outputs         []OutputSpec
	OutputKeyPrefix string
	Playlists       []PlaylistSpec
	UserMetadata    map[string]string
	DedupeKey       string
	// Trigger is the version of the only input for which the job is asked for;
	// of each there is one job. It makes the DedupeKey.
	Trigger *Trigger
}

// OutputSpec is a request for one output; its members are those of Output.
type OutputSpec struct {
	Key                 string
	PresetID            PresetID
	ThumbnailPattern    *string
	ThumbnailEncryption *Encryption
	Rotate              string
	SegmentDuration     string
	AlbumArt            *AlbumArt
	Composition         []TimeSpan
	Captions            *Captions
	Encryption          *Encryption
}

// PlaylistSpec is a request for one playlist.
type PlaylistSpec struct {
	Name       string
	Format     string
	OutputKeys []string
}

// CreateJob checks spec against its pipeline and presets, records the job and
// queues its first attempt: both or neither. Whatever is wrong with spec is an
// *Error. If spec has a DedupeKey that an earlier job has, that job is returned
// and nothing is made. So it is with a Trigger, see CreateJobOnce. A job
// without either takes the place of one that a rule has just made of the same
// object: see takePlace.
//
// As in Elastic Transcoder, objects are not looked at here: a missing input is
// a job that ends with error 3001.
func (s *Service) CreateJob(ctx context.Context, spec JobSpec) (*Job, error) {
	job, _, err := s.CreateJobOnce(ctx, spec)
	return job, err
}

// CreateJobOnce is CreateJob that says whether the job was made, or is an
// earlier one.
func (s *Service) CreateJobOnce(ctx context.Context, spec JobSpec) (job *Job, made bool, err error) {
	fresh, err := s.newJob(ctx, spec)
	if err != nil {
		return nil, false, err
	}
	var place *takenPlace
	err = s.Store.Update(ctx, func(tx Tx) error {
		j := *fresh
		job, made, place = &j, true, nil
		earlier, err := s.earlierJob(ctx, tx, &j)
		if err != nil {
			return err
		}
		if earlier != nil && j.Trigger != nil {
			job, made = earlier, false
			return nil
		}
		if earlier != nil {
			place, err = s.takePlace(ctx, tx, earlier, &j)
			return err
		}
		if err := tx.InsertJob(ctx, &j); err != nil {
			return err
		}
		return tx.Enqueue(ctx, RunJob{})
	})
	switch {
	case errors.Is(err, ErrDuplicate):
		job, err = s.jobByDedupeKey(ctx, job.DedupeKey)
		return job, false, err
	case errors.Is(err, ErrNotFound): // the pipeline was deleted just now
		return nil, false, s.notFound("pipeline", string(spec.Pipeline))
	}
	if err != nil {
		return nil, false, fmt.Errorf("create job in pipeline %s: %w", spec.Pipeline, err)
	}
	if !made {
		return job, false, nil
	}
	if place != nil {
		s.leavePlace(ctx, place, job)
	}
	s.Logger.Info("job submitted", "job", job.ID, "pipeline", job.Pipeline)
	s.jobs.Tell(job.Owner, job.ID)
	return job, true, nil
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
	pipeline, err := s.ReadPipeline(ctx, spec.Pipeline)
	if err != nil {
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
		Trigger:         spec.Trigger,
	}
	if len(spec.Inputs) == 1 {
		job.Object = objectMark(ObjectRef{Bucket: pipeline.InputBucket, Key: spec.Inputs[0].Key})
	}
	for i, o := range spec.Outputs {
		preset, err := s.ReadPreset(ctx, o.PresetID)
		if err != nil {
			return nil, err
		}
		if why := s.Encoder.Check(preset); why != "" {
			return nil, invalid("Preset %s cannot be made here: %s", preset.ID, why)
		}
		if err := o.checkWith(i+1, preset); err != nil {
			return nil, err
		}
		job.Outputs = append(job.Outputs, o.output(outputID(i), preset))
	}
	for _, p := range spec.Playlists {
		job.Playlists = append(job.Playlists, Playlist{
			Name: p.Name, Format: p.Format, OutputKeys: slices.Clone(p.OutputKeys), Status: Submitted,
		})
	}
	if err := job.checkPlaylists(); err != nil {
		return nil, err
	}
	return job, nil
}

func (o *OutputSpec) output(id string, preset *Preset) Output {
	return Output{
		ID:                  id,
		Key:                 o.Key,
		PresetID:            o.PresetID,
		Preset:              *preset,
		ThumbnailPattern:    o.ThumbnailPattern,
		ThumbnailEncryption: o.ThumbnailEncryption,
		Rotate:              o.Rotate,
		SegmentDuration:     o.SegmentDuration,
		AlbumArt:            o.AlbumArt,
		Composition:         o.Composition,
		Captions:            o.Captions,
		Encryption:          o.Encryption,
		Status:              Submitted,
	}
}

// MaxInputs, MaxOutputs and MaxArtwork are Elastic Transcoder's limits.
const (
	MaxInputs  = 200
	MaxOutputs = 30
	MaxArtwork = 20
)

// check finds what is wrong with a spec without looking at anything else.
func (spec *JobSpec) check() error {
	switch n := len(spec.Inputs); {
	case n == 0:
		return invalid("A job needs an Input with a Key.")
	case n > MaxInputs:
		return invalid("A job may have %d Inputs, %d were given.", MaxInputs, n)
	}
	for i, in := range spec.Inputs {
		if in.Key == "" {
			return invalid("Input %d has no Key.", i+1)
		}
		if _, err := in.TimeSpan.span(); err != nil {
			return invalid("Input %d: %v.", i+1, err)
		}
	}
	switch n := len(spec.Outputs); {
	case n == 0:
		return invalid("A job needs at least one Output.")
	case n > MaxOutputs:
		return invalid("A job may have %d Outputs, %d were given.", MaxOutputs, n)
	}
	for i, o := range spec.Outputs {
		if err := o.check(i + 1); err != nil {
			return err
		}
	}
	if spec.Trigger != nil && len(spec.Inputs) != 1 {
		return invalid("A job that is made for an object has that as its only Input, %d were given.", len(spec.Inputs))
	}
	if err := checkUserMetadata(spec.UserMetadata); err != nil {
		return err
	}
	return checkLoudness(spec.UserMetadata, len(spec.Outputs))
}

func (o *OutputSpec) check(n int) error {
	switch {
	case o.Key == "":
		return invalid("Output %d has no Key.", n)
	case o.PresetID == "":
		return invalid("Output %d has no PresetId.", n)
	case len(o.Composition) > 1:
		return invalid("Output %d has a Composition of %d clips; one is possible.", n, len(o.Composition))
	case o.AlbumArt != nil && len(o.AlbumArt.Artwork) > MaxArtwork:
		return invalid("Output %d has %d pieces of Artwork; %d are possible.", n, len(o.AlbumArt.Artwork), MaxArtwork)
	}
	if len(o.Composition) == 1 {
		if _, err := o.Composition[0].span(); err != nil {
			return invalid("Output %d: %v.", n, err)
		}
	}
	if o.AlbumArt != nil {
		for _, a := range o.AlbumArt.Artwork {
			if a.InputKey == "" {
				return invalid("Output %d has Artwork without an InputKey.", n)
			}
			if _, err := a.picture(""); err != nil {
				return invalid("Output %d: %v.", n, err)
			}
		}
	}
	return nil
}

// checkWith finds what does not fit between an output and its preset.
func (o *OutputSpec) checkWith(n int, p *Preset) error {
	segmented := p.Container == "ts" || p.Container == "fmp4"
	if o.SegmentDuration != "" {
		d, err := parseSeconds(o.SegmentDuration)
		switch {
		case err != nil:
			return invalid("Output %d: SegmentDuration: %v.", n, err)
		case !segmented:
			return invalid("Output %d has a SegmentDuration, which is only for presets with the container ts or fmp4; preset %s has %s.", n, p.ID, p.Container)
		case d < time.Second || d > time.Minute:
			return invalid("Output %d: the SegmentDuration must be from 1 to 60 seconds.", n)
		}
	}
	art := p.Video == nil && (p.Container == "mp3" || p.Container == "mp4" || p.Container == "flac")
	if o.AlbumArt != nil && len(o.AlbumArt.Artwork) > 0 && !art {
		return invalid("Output %d has AlbumArt, which is only for audio in flac, mp3 and mp4; preset %s has %s.", n, p.ID, p.Container)
	}
	return nil
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
