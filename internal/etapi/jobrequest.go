package etapi

import (
	"bytes"
	"encoding/json"

	"etude/internal/transcode"
)

// createJobJSON is a CreateJobRequest with what was given.
type createJobJSON struct {
	PipelineID      string `json:"PipelineId"`
	Inputs          []inputRequestJSON
	OutputKeyPrefix string `json:",omitempty"`
	Outputs         []outputRequestJSON
	UserMetadata    map[string]string `json:",omitempty"`
}

type inputRequestJSON struct {
	Key         string
	FrameRate   string `json:",omitempty"`
	Resolution  string `json:",omitempty"`
	AspectRatio string `json:",omitempty"`
	Interlaced  string `json:",omitempty"`
	Container   string `json:",omitempty"`
}

type outputRequestJSON struct {
	Key      string
	PresetID string `json:"PresetId"`
}

// CreateJobRequest spells the request for a job as AWS's tools send it, for
// people to read or to hand on. It knows the members that a rule sets: inputs
// with what overrides detection, keys and presets of outputs, and metadata.
func CreateJobRequest(spec transcode.JobSpec) []byte {
	r := createJobJSON{PipelineID: string(spec.Pipeline), OutputKeyPrefix: spec.OutputKeyPrefix, UserMetadata: spec.UserMetadata}
	for _, in := range spec.Inputs {
		r.Inputs = append(r.Inputs, inputRequestJSON{in.Key, in.FrameRate, in.Resolution, in.AspectRatio, in.Interlaced, in.Container})
	}
	for _, o := range spec.Outputs {
		r.Outputs = append(r.Outputs, outputRequestJSON{o.Key, string(o.PresetID)})
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		panic(err) // of texts
	}
	return b.Bytes()
}
