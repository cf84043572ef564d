package etapi

import (
	"context"
	"strconv"
	"strings"
	"time"

	"etude/internal/transcode"
)

// jobJSON has both forms of inputs and of outputs, whichever was asked with:
// Input is the first of Inputs, Output the first of Outputs.
type jobJSON struct {
	ID              string `json:"Id"`
	ARN             string `json:"Arn"`
	PipelineID      string `json:"PipelineId"`
	Input           *inputJSON
	Inputs          []inputJSON
	Output          *outputJSON
	Outputs         []outputJSON
	OutputKeyPrefix *string
	Playlists       []playlistJSON // never null
	Status          string
	UserMetadata    map[string]string
	Timing          timingJSON
}

// inputJSON leaves out structures that were not given, which outputJSON has as
// null: so they were seen.
type inputJSON struct {
	Key                string
	FrameRate          *string
	Resolution         *string
	AspectRatio        *string
	Interlaced         *string
	Container          *string
	Encryption         *encryptionJSON    `json:",omitempty"`
	TimeSpan           *timeSpanJSON      `json:",omitempty"`
	InputCaptions      *inputCaptionsJSON `json:",omitempty"`
	DetectedProperties *detectedJSON      `json:",omitempty"` // absent until known
}

type detectedJSON struct {
	Width          *int
	Height         *int
	FrameRate      *string
	FileSize       int64
	DurationMillis int64
}

// outputJSON has null for all that is not known, was not given, or cannot be
// asked for yet.
type outputJSON struct {
	ID                          string `json:"Id"`
	Key                         string
	ThumbnailPattern            *string
	ThumbnailEncryption         *encryptionJSON `json:",omitempty"`
	Rotate                      *string
	PresetID                    string `json:"PresetId"`
	SegmentDuration             *string
	Status                      string
	StatusDetail                *string
	Duration                    *int64 // seconds, rounded up
	Width                       *int
	Height                      *int
	FrameRate                   *string
	FileSize                    *int64
	DurationMillis              *int64
	Watermarks                  []struct{} // never null
	AlbumArt                    *albumArtJSON
	Composition                 []clipJSON
	Captions                    *captionsJSON
	Encryption                  *encryptionJSON
	AppliedColorSpaceConversion *string
}

// timingJSON has those times that have come.
type timingJSON struct {
	SubmitTimeMillis int64 `json:",omitempty"`
	StartTimeMillis  int64 `json:",omitempty"`
	FinishTimeMillis int64 `json:",omitempty"`
}

func (a *api) jobJSON(j *transcode.Job) jobJSON {
	out := jobJSON{
		ID:              string(j.ID),
		ARN:             a.Service.ARN("job", string(j.ID)),
		PipelineID:      string(j.Pipeline),
		Inputs:          make([]inputJSON, 0, len(j.Inputs)),
		Outputs:         make([]outputJSON, 0, len(j.Outputs)),
		OutputKeyPrefix: orNull(j.OutputKeyPrefix),
		Playlists:       newPlaylistsJSON(j.Playlists),
		Status:          string(j.Status),
		Timing:          timingJSON{millis(j.SubmitTime), millis(j.StartTime), millis(j.FinishTime)},
	}
	if len(j.UserMetadata) > 0 {
		out.UserMetadata = j.UserMetadata
	}
	for i := range j.Inputs {
		out.Inputs = append(out.Inputs, newInputJSON(&j.Inputs[i]))
	}
	for i := range j.Outputs {
		out.Outputs = append(out.Outputs, newOutputJSON(&j.Outputs[i]))
	}
	if len(out.Inputs) > 0 {
		out.Input = &out.Inputs[0]
	}
	if len(out.Outputs) > 0 {
		out.Output = &out.Outputs[0]
	}
	return out
}

func newInputJSON(in *transcode.Input) inputJSON {
	out := inputJSON{
		Key:         in.Key,
		FrameRate:   orNull(in.FrameRate),
		Resolution:  orNull(in.Resolution),
		AspectRatio: orNull(in.AspectRatio),
		Interlaced:  orNull(in.Interlaced),
		Container:   orNull(in.Container),

		Encryption:    newEncryptionJSON(in.Encryption),
		TimeSpan:      newTimeSpanJSON(in.TimeSpan),
		InputCaptions: newInputCaptionsJSON(in.Captions),
	}
	if d := in.Detected; d != nil {
		out.DetectedProperties = &detectedJSON{FileSize: d.FileSize, DurationMillis: d.Duration.Milliseconds()}
	}
	return out
}

func newOutputJSON(o *transcode.Output) outputJSON {
	out := outputJSON{
		ID:               o.ID,
		Key:              o.Key,
		ThumbnailPattern: o.ThumbnailPattern,
		Rotate:           orNull(o.Rotate),
		PresetID:         string(o.PresetID),
		SegmentDuration:  orNull(decimal(o.SegmentDuration)),
		Status:           string(o.Status),
		StatusDetail:     orNull(o.StatusDetail),
		Watermarks:       []struct{}{},
		AlbumArt:         newAlbumArtJSON(o.AlbumArt),
		Composition:      newCompositionJSON(o.Composition),
		Captions:         newCaptionsJSON(o.Captions),
		Encryption:       newEncryptionJSON(o.Encryption),

		ThumbnailEncryption: newEncryptionJSON(o.ThumbnailEncryption),
	}
	if m := o.Made; m != nil {
		ms, s, size := m.Duration.Milliseconds(), wholeSeconds(m.Duration), m.Size
		out.DurationMillis, out.Duration, out.FileSize = &ms, &s, &size
	}
	return out
}

// wholeSeconds rounds the whole milliseconds of d up, as AWS does.
func wholeSeconds(d time.Duration) int64 { return (d.Milliseconds() + 999) / 1000 }

// decimal writes a SegmentDuration as it is echoed: "10" becomes "10.0".
func decimal(s string) string {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return s
	}
	s = strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// millis is 0 for a time that has not come.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func (a *api) createJob(ctx context.Context, in request) (any, error) {
	spec, err := jobSpec(in)
	if err != nil {
		return nil, err
	}
	j, err := a.Service.CreateJob(ctx, spec)
	if err != nil {
		return nil, err
	}
	return struct{ Job jobJSON }{a.jobJSON(j)}, nil
}

// DedupeMetadata is the key of UserMetadata that makes requests with the same
// value, of the same user, one job. Elastic Transcoder has nothing for that, and
// its clients send no member that it does not know.
const DedupeMetadata = "etude:dedupe"

// dedupeKey is that of a request, by whoever has sent it: nobody gets another
// one's job by its value.
func dedupeKey(owner string, metadata map[string]string) string {
	value := metadata[DedupeMetadata]
	if value == "" {
		return ""
	}
	return "request/" + owner + "/" + value
}

// jobSpec reads a CreateJobRequest whose shape was checked.
func jobSpec(in request) (transcode.JobSpec, error) {
	inputs, err := oneOrMany(in.document, "Input", "Inputs")
	if err != nil {
		return transcode.JobSpec{}, err
	}
	outputs, err := oneOrMany(in.document, "Output", "Outputs")
	if err != nil {
		return transcode.JobSpec{}, err
	}
	if err := refuseUnsupported(in.document, inputs, outputs); err != nil {
		return transcode.JobSpec{}, err
	}
	spec := transcode.JobSpec{
		Pipeline:        transcode.PipelineID(in.text("PipelineId")),
		Owner:           in.owner,
		OutputKeyPrefix: in.text("OutputKeyPrefix"),
		Playlists:       playlists(in.structures("Playlists")),
		UserMetadata:    in.texts("UserMetadata"),
		DedupeKey:       dedupeKey(in.owner, in.texts("UserMetadata")),
	}
	for _, d := range inputs {
		spec.Inputs = append(spec.Inputs, transcode.Input{
			Key:         d.text("Key"),
			FrameRate:   d.text("FrameRate"),
			Resolution:  d.text("Resolution"),
			AspectRatio: d.text("AspectRatio"),
			Interlaced:  d.text("Interlaced"),
			Container:   d.text("Container"),
			Encryption:  encryption(d.structure("Encryption")),
			TimeSpan:    timeSpan(d.structure("TimeSpan")),
			Captions:    captions(d.structure("InputCaptions")),
		})
	}
	for _, d := range outputs {
		spec.Outputs = append(spec.Outputs, transcode.OutputSpec{
			Key:              d.text("Key"),
			PresetID:         transcode.PresetID(d.text("PresetId")),
			ThumbnailPattern: d.textOrNil("ThumbnailPattern"),
			Rotate:           d.text("Rotate"),
			SegmentDuration:  d.text("SegmentDuration"),
			AlbumArt:         albumArt(d.structure("AlbumArt")),
			Composition:      composition(d),
			Captions:         captions(d.structure("Captions")),
			Encryption:       encryption(d.structure("Encryption")),

			ThumbnailEncryption: encryption(d.structure("ThumbnailEncryption")),
		})
	}
	return spec, nil
}

// oneOrMany reads a list, or the older member that is its only item. Both at
// once would contradict each other.
func oneOrMany(in document, one, many string) ([]document, error) {
	list := in.structures(many)
	single := in.structure(one)
	switch {
	case single == nil:
		return list, nil
	case len(list) > 0:
		return nil, validation("[" + one + " and " + many + " are mutually exclusive.]")
	}
	return []document{single}, nil
}

func (a *api) readJob(ctx context.Context, in request) (any, error) {
	j, err := a.Service.ReadJob(ctx, transcode.JobID(in.text("Id")))
	if err != nil {
		return nil, err
	}
	return struct{ Job jobJSON }{a.jobJSON(j)}, nil
}

func (a *api) cancelJob(ctx context.Context, in request) (any, error) {
	return success{"true"}, a.Service.CancelJob(ctx, transcode.JobID(in.text("Id")))
}

func (a *api) listJobsByPipeline(ctx context.Context, in request) (any, error) {
	id := transcode.PipelineID(in.text("PipelineId"))
	if _, err := a.Service.ReadPipeline(ctx, id); err != nil {
		return nil, err
	}
	return a.listJobs(ctx, transcode.JobFilter{Pipeline: id}, in.page())
}

func (a *api) listJobsByStatus(ctx context.Context, in request) (any, error) {
	return a.listJobs(ctx, transcode.JobFilter{Status: transcode.Status(in.text("Status"))}, in.page())
}

func (a *api) listJobs(ctx context.Context, filter transcode.JobFilter, page transcode.Page) (any, error) {
	jobs, next, err := a.Service.ListJobs(ctx, filter, page)
	if err != nil {
		return nil, err
	}
	return a.jobsReply(jobs, next), nil
}

type jobsReply struct {
	Jobs          []jobJSON // never null
	NextPageToken *string
}

func (a *api) jobsReply(jobs []*transcode.Job, next string) jobsReply {
	out := jobsReply{make([]jobJSON, 0, len(jobs)), orNull(next)}
	for _, j := range jobs {
		out.Jobs = append(out.Jobs, a.jobJSON(j))
	}
	return out
}
