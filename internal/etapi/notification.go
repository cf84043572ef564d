package etapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"etude/internal/transcode"
)

// Event is what a pipeline tells its topic of a job. Members that were not set
// are left out, unlike in the API; the order is AWS's.
type Event struct {
	State          string               `json:"state"` // PROGRESSING, COMPLETED, WARNING or ERROR
	ErrorCode      int                  `json:"errorCode,omitempty"`
	MessageDetails string               `json:"messageDetails,omitempty"` // "CODE UUID: text." with ErrorCode
	Version        string               `json:"version"`
	JobID          transcode.JobID      `json:"jobId"`
	PipelineID     transcode.PipelineID `json:"pipelineId"`
	Input          EventInput           `json:"input"` // the first one
	InputCount     int                  `json:"inputCount,omitempty"`
	KeyPrefix      string               `json:"outputKeyPrefix,omitempty"`
	Outputs        []EventOutput        `json:"outputs"`
	Playlists      []EventPlaylist      `json:"playlists,omitempty"`
	UserMetadata   map[string]string    `json:"userMetadata,omitempty"`
}

// EventInput is an input as it was asked for.
type EventInput struct {
	Key         string `json:"key"`
	FrameRate   string `json:"frameRate,omitempty"`
	Resolution  string `json:"resolution,omitempty"`
	AspectRatio string `json:"aspectRatio,omitempty"`
	Interlaced  string `json:"interlaced,omitempty"`
	Container   string `json:"container,omitempty"`

	TimeSpan *EventTimeSpan `json:"timeSpan,omitempty"`
}

// EventTimeSpan is a clip of an input or output.
type EventTimeSpan struct {
	StartTime string `json:"startTime,omitempty"`
	Duration  string `json:"duration,omitempty"`
}

// EventClip is an item of an output's composition.
type EventClip struct {
	TimeSpan EventTimeSpan `json:"timeSpan"`
}

// EventAlbumArt is the pictures that an output was asked to have.
type EventAlbumArt struct {
	MergePolicy string         `json:"mergePolicy,omitempty"`
	Artwork     []EventArtwork `json:"artwork,omitempty"`
}

// EventArtwork is one of them.
type EventArtwork struct {
	InputKey      string `json:"inputKey"`
	MaxWidth      string `json:"maxWidth,omitempty"`
	MaxHeight     string `json:"maxHeight,omitempty"`
	SizingPolicy  string `json:"sizingPolicy,omitempty"`
	PaddingPolicy string `json:"paddingPolicy,omitempty"`
	Format        string `json:"albumArtFormat,omitempty"`
}

// EventPlaylist is a playlist as it was asked for, and what became of it.
type EventPlaylist struct {
	Name         string           `json:"name"`
	Format       string           `json:"format"`
	OutputKeys   []string         `json:"outputKeys"`
	Status       transcode.Status `json:"status"`
	StatusDetail string           `json:"statusDetail,omitempty"`
}

// EventOutput is an output as it was asked for, and what became of it.
type EventOutput struct {
	ID               string             `json:"id"`
	PresetID         transcode.PresetID `json:"presetId"`
	Key              string             `json:"key"` // without the job's prefix
	ThumbnailPattern *string            `json:"thumbnailPattern,omitempty"`
	Rotate           string             `json:"rotate,omitempty"`
	SegmentDuration  json.Number        `json:"segmentDuration,omitempty"` // seconds
	AlbumArt         *EventAlbumArt     `json:"albumArt,omitempty"`
	Composition      []EventClip        `json:"composition,omitempty"`
	Status           transcode.Status   `json:"status"`
	StatusDetail     string             `json:"statusDetail,omitempty"`
	ErrorCode        int                `json:"errorCode,omitempty"`
	Duration         int64              `json:"duration,omitempty"` // seconds, rounded up
	Width            int                `json:"width,omitempty"`
	Height           int                `json:"height,omitempty"`
}

// announcements are the states of which topics are told, and how AWS words the
// subject.
var announcements = map[transcode.Status]struct{ state, subject string }{
	transcode.Progressing: {"PROGRESSING", "Amazon Elastic Transcoder has scheduled job %s for transcoding."},
	transcode.Complete:    {"COMPLETED", "Amazon Elastic Transcoder has finished transcoding job %s."},
	transcode.Failed:      {"ERROR", "The Amazon Elastic Transcoder job %s has failed."},
}

// Notification words what the topic of a job's pipeline is told of the job as
// it is now. Both are empty for a status that nobody is told of. Layout and
// order of the message are those of AWS's own; see "Notifications of Job Status"
// in the developer guide.
func Notification(job *transcode.Job, _ *transcode.Pipeline) (subject, message string) {
	a, ok := announcements[job.Status]
	if !ok {
		return "", ""
	}
	return fmt.Sprintf(a.subject, job.ID), indent(encode(newEvent(job, a.state)))
}

// Warning words what a pipeline's topic for warnings is told of a job that is
// complete, but of which an output has a remark: a clip that was shorter than it
// was asked for. AWS never said when it warns, and no such message of its has
// been seen; this has the layout of the others.
func Warning(job *transcode.Job, _ *transcode.Pipeline) (subject, message string) {
	return fmt.Sprintf("The Amazon Elastic Transcoder job %s has a warning.", job.ID), indent(encode(newEvent(job, "WARNING")))
}

func newEvent(job *transcode.Job, state string) Event {
	e := Event{
		State:        state,
		Version:      version,
		JobID:        job.ID,
		PipelineID:   job.Pipeline,
		InputCount:   len(job.Inputs),
		KeyPrefix:    job.OutputKeyPrefix,
		Outputs:      make([]EventOutput, 0, len(job.Outputs)),
		UserMetadata: job.UserMetadata,
	}
	if len(job.Inputs) > 0 {
		in := job.Inputs[0]
		e.Input = EventInput{in.Key, in.FrameRate, in.Resolution, in.AspectRatio, in.Interlaced, in.Container, (*EventTimeSpan)(in.TimeSpan)}
	}
	for i := range job.Outputs {
		e.Outputs = append(e.Outputs, newEventOutput(&job.Outputs[i]))
	}
	for _, p := range job.Playlists {
		e.Playlists = append(e.Playlists, EventPlaylist{p.Name, p.Format, p.OutputKeys, p.Status, p.StatusDetail})
	}
	if of := blamed(job); of != nil {
		e.ErrorCode, e.MessageDetails = of.Failure.Code, of.StatusDetail
	}
	return e
}

func newEventOutput(o *transcode.Output) EventOutput {
	e := EventOutput{
		ID:               o.ID,
		PresetID:         o.PresetID,
		Key:              o.Key,
		ThumbnailPattern: o.ThumbnailPattern,
		Rotate:           o.Rotate,
		AlbumArt:         newEventAlbumArt(o.AlbumArt),
		Status:           o.Status,
		StatusDetail:     o.StatusDetail,
	}
	if d := decimal(o.SegmentDuration); json.Valid([]byte(d)) {
		e.SegmentDuration = json.Number(d)
	}
	for _, span := range o.Composition {
		e.Composition = append(e.Composition, EventClip{EventTimeSpan(span)})
	}
	if o.Failure != nil {
		e.ErrorCode = o.Failure.Code
	}
	if o.Made != nil {
		e.Duration = wholeSeconds(o.Made.Duration)
	}
	return e
}

func newEventAlbumArt(art *transcode.AlbumArt) *EventAlbumArt {
	if art == nil {
		return nil
	}
	e := &EventAlbumArt{MergePolicy: art.MergePolicy}
	for _, w := range art.Artwork {
		e.Artwork = append(e.Artwork, EventArtwork{w.InputKey, w.MaxWidth, w.MaxHeight, w.SizingPolicy, w.PaddingPolicy, w.Format})
	}
	return e
}

// blamed returns the output whose error is also the job's own, nil if there is
// none. AWS never wrote the rule down; this one fits the messages that were
// seen: the error of an only output without a playlist is the job's, and so is
// that of input objects that could not be had, which all outputs share. Media
// that cannot be interpreted (4000) is told of each output alone.
func blamed(job *transcode.Job) *transcode.Output {
	if job.Status != transcode.Failed || len(job.Outputs) == 0 {
		return nil
	}
	only := len(job.Outputs) == 1 && len(job.Playlists) == 0
	for i := range job.Outputs {
		f := job.Outputs[i].Failure
		if f == nil || !only && !ofInputObject(f.Code) {
			return nil
		}
	}
	return &job.Outputs[0]
}

// ofInputObject reports whether a job error code says that an input object is
// missing (3001), may not be read (3003) or is too large (4002), or that all of
// them together are (4022).
func ofInputObject(code int) bool {
	return code == 3001 || code == 3003 || code == 4002 || code == 4022
}

// ParseNotification reads a message that Notification, or Amazon's service,
// wrote. Members that it does not know are ignored.
func ParseNotification(message string) (Event, error) {
	var e Event
	if err := json.Unmarshal([]byte(message), &e); err != nil {
		return Event{}, fmt.Errorf("parse notification: %w", err)
	}
	switch e.State {
	case "PROGRESSING", "COMPLETED", "WARNING", "ERROR":
	case "":
		return Event{}, errors.New("parse notification: it has no state: it is no message of a pipeline")
	default:
		return Event{}, fmt.Errorf("parse notification: unknown state %.40q", e.State)
	}
	if !transcode.ValidID(string(e.JobID)) {
		return Event{}, fmt.Errorf("parse notification: %.40q is no job's id", e.JobID)
	}
	if !transcode.ValidID(string(e.PipelineID)) {
		return Event{}, fmt.Errorf("parse notification: %.40q is no pipeline's id", e.PipelineID)
	}
	return e, nil
}

// indent lays compact JSON out as the Java library Jackson does by default:
// objects over several lines with two spaces for each level, arrays on the line
// they begin on, spaces on both sides of a colon.
func indent(compact []byte) string {
	var b bytes.Buffer
	depth := 0
	newline := func() {
		b.WriteByte('\n')
		b.WriteString(strings.Repeat("  ", depth))
	}
	inArray := []bool{}
	for i := 0; i < len(compact); i++ {
		switch c := compact[i]; c {
		case '"':
			end := endOfString(compact, i)
			b.Write(compact[i:end])
			i = end - 1
		case '{':
			b.WriteByte(c)
			inArray = append(inArray, false)
			depth++
			if compact[i+1] != '}' {
				newline()
			}
		case '}':
			inArray = inArray[:len(inArray)-1]
			depth--
			if compact[i-1] == '{' {
				b.WriteByte(' ')
			} else {
				newline()
			}
			b.WriteByte(c)
		case '[':
			b.WriteString("[ ")
			inArray = append(inArray, true)
		case ']':
			inArray = inArray[:len(inArray)-1]
			if compact[i-1] != '[' {
				b.WriteByte(' ')
			}
			b.WriteByte(c)
		case ',':
			b.WriteByte(c)
			if inArray[len(inArray)-1] {
				b.WriteByte(' ')
			} else {
				newline()
			}
		case ':':
			b.WriteString(" : ")
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// endOfString returns the index after the string that begins at i.
func endOfString(s []byte, i int) int {
	for i++; s[i] != '"'; i++ {
		if s[i] == '\\' {
			i++
		}
	}
	return i + 1
}
