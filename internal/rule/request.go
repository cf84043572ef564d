package rule

import (
	"context"
	"maps"

	"etude/internal/transcode"
)

// Request returns the job that the rule asks for of an object, in a pipeline
// that reads from the object's bucket. endingOf returns the usual ending of the
// files of a preset, without a dot.
func (r *Rule) Request(pipeline transcode.PipelineID, o Object, endingOf func(transcode.PresetID) (string, error)) (transcode.JobSpec, error) {
	spec := transcode.JobSpec{
		Pipeline: pipeline,
		Owner:    r.Owner,
		Inputs: []transcode.Input{{
			Key: o.Key, FrameRate: "auto", Resolution: "auto", AspectRatio: "auto", Interlaced: "auto", Container: "auto",
		}},
		OutputKeyPrefix: r.OutputKeyPrefix,
		UserMetadata:    maps.Clone(r.UserMetadata),
	}
	for _, out := range r.Outputs {
		ext, err := endingOf(out.PresetID)
		if err != nil {
			return transcode.JobSpec{}, err
		}
		key, err := r.outputKey(out.KeyPattern, o, ext)
		if err != nil {
			return transcode.JobSpec{}, &Error{Kind: Invalid, Message: "rule " + r.Name + ": " + err.Error(), Err: err}
		}
		spec.Outputs = append(spec.Outputs, transcode.OutputSpec{Key: key, PresetID: out.PresetID})
	}
	return spec, nil
}

func (s *Service) spec(ctx context.Context, r *Rule, pipeline *transcode.Pipeline, o Object) (transcode.JobSpec, error) {
	return r.Request(pipeline.ID, o, func(id transcode.PresetID) (string, error) {
		preset, err := s.Jobs.ReadPreset(ctx, id)
		if err != nil {
			return "", jobFault(r, err)
		}
		return Ending(preset), nil
	})
}
