package transcode

import (
	"slices"
	"time"

	"etude/internal/manifest"
)

// Status is that of a job or of one of its outputs, as the API spells it.
type Status string

// The five statuses. A job moves down this list and never back.
const (
	Submitted   Status = "Submitted"
	Progressing Status = "Progressing"
	Complete    Status = "Complete"
	Canceled    Status = "Canceled"
	Failed      Status = "Error" // the name Error is the error type's
)

// Final reports whether nothing comes after s.
func (s Status) Final() bool { return s == Complete || s == Canceled || s == Failed }

// Valid reports whether s is one of the five.
func (s Status) Valid() bool {
	switch s {
	case Submitted, Progressing, Complete, Canceled, Failed:
		return true
	}
	return false
}

// Job is what a caller asked for: one input, made into several outputs.
type Job struct {
	ID       JobID
	Pipeline PipelineID
	// Owner is the user who is told of the job; empty where it has none.
	Owner           string
	Inputs          []Input
	Outputs         []Output
	OutputKeyPrefix string // glued to every output's key, no separator added
	Playlists       []Playlist
	UserMetadata    map[string]string
	Status          Status
	SubmitTime      time.Time
	StartTime       time.Time // zero until its first attempt starts
	FinishTime      time.Time // zero until its status is final
	// DedupeKey makes a second job with the same key a repeat of the first;
	// empty for a job that has none.
	DedupeKey string
	// Object is the mark of the object that is the job's only input, by which
	// its jobs are found; empty where it has several.
	Object string
	// Trigger is the version of that object for which the job was made, or nil
	// for a job that a caller asked for under its key alone.
	Trigger *Trigger
	// Measured is what was heard in the inputs; nil until they were decoded to
	// their end, and for jobs of earlier versions.
	Measured *Measurement
}

// Input is one file to be read. Members that are empty or nil were not given;
// given, those from FrameRate to Container override what is detected.
type Input struct {
	Key         string
	FrameRate   string
	Resolution  string
	AspectRatio string
	Interlaced  string
	Container   string
	Encryption  *Encryption
	TimeSpan    *TimeSpan
	Captions    *Captions
	// Detected is what was found in the file; nil until it was read.
	Detected *Detected
}

// TimeSpan is a part of a file, in the API's words: HH:mm:ss.SSS or sssss.SSS;
// empty for not given.
type TimeSpan struct {
	StartTime string
	Duration  string
}

// Encryption is kept and echoed. Its only mode is s3: at rest, by the store of
// objects.
type Encryption struct {
	Mode string
}

// Captions is kept and echoed; there are none to merge yet.
type Captions struct {
	MergePolicy string
}

// Detected is what an encoder found in an input.
type Detected struct {
	FileSize int64 // bytes
	Duration time.Duration
}

// Output is one rendition of a job. Members that are empty or nil were not
// given.
type Output struct {
	ID               string // "1", "2", ... in the order of the request
	Key              string // without the job's OutputKeyPrefix
	PresetID         PresetID
	Preset           Preset  // the settings as they were when the job was made
	ThumbnailPattern *string // nil where not given; given and empty is echoed
	// ThumbnailEncryption is kept and echoed, like Encryption.
	ThumbnailEncryption *Encryption
	Rotate              string
	SegmentDuration     string // seconds; ts and fmp4 only
	AlbumArt            *AlbumArt
	Composition         []TimeSpan // at most one
	Captions            *Captions
	Encryption          *Encryption
	Status              Status
	// StatusDetail is empty, a remark, or "CODE UUID: text." of an error.
	StatusDetail string
	// Failure says why Status is Failed; nil otherwise. Its Log is not kept
	// here but with the attempt.
	Failure *Failure
	Made    *Made // nil until Status is Complete
}

// AlbumArt says which pictures go into an audio file.
type AlbumArt struct {
	MergePolicy string // Replace, Prepend, Append or Fallback
	Artwork     []Artwork
}

// Artwork is one picture of an input bucket, and how it is fitted.
type Artwork struct {
	InputKey      string
	MaxWidth      string // auto, or pixels
	MaxHeight     string
	SizingPolicy  string
	PaddingPolicy string
	Format        string // jpg or png
	Encryption    *Encryption
}

// Made is what an encoder says of an output that it made and verified.
type Made struct {
	Duration   time.Duration
	Size       int64 // bytes, of all its files
	Codec      string
	Profile    string // of the codec; empty where it has none
	SampleRate int    // Hz
	Channels   int
	Samples    int64  // per channel, as decoded
	SHA256     string // hex, of its only file; empty where it has several
	// Loudness is how loud it is, found by decoding it; nil where no loudness was
	// asked for.
	Loudness *MadeLoudness
	// Media is what a playlist needs to know; nil where none does.
	Media *Media
}

// Media is where the parts of an output lie. Segments are named by what follows
// the output's key; Init and Index are those of a fragmented MP4.
type Media struct {
	Segments    []manifest.Segment
	Init, Index manifest.Range
}

// OutputRef returns the object that an output of the job becomes.
func (j *Job) OutputRef(p *Pipeline, o *Output) ObjectRef {
	return ObjectRef{Bucket: p.Content.Bucket, Key: j.OutputKeyPrefix + o.Key}
}

// OneObject reports whether the output is the one object that OutputRef says,
// and not segments with a playlist.
func (j *Job) OneObject(o *Output) bool { return firstSuffix(j.layout(o)) == "" }

// finish sets the status that outputs and playlists add up to: Complete only if
// all are.
func (j *Job) finish(now time.Time) {
	j.Status = Complete
	for i := range j.Outputs {
		if j.Outputs[i].Status != Complete {
			j.Status = Failed
		}
	}
	for i := range j.Playlists {
		if j.Playlists[i].Status != Complete {
			j.Status = Failed
		}
	}
	j.FinishTime = now
}

// hasRemarks reports whether a job is complete, and has outputs that are not
// quite as they were asked for.
func (j *Job) hasRemarks() bool {
	return j.Status == Complete && slices.ContainsFunc(j.Outputs, func(o Output) bool { return o.StatusDetail != "" })
}

// setStatus moves everything that has not ended to status.
func (j *Job) setStatus(status Status) {
	j.Status = status
	for i := range j.Outputs {
		if !j.Outputs[i].Status.Final() {
			j.Outputs[i].Status = status
		}
	}
	for i := range j.Playlists {
		if !j.Playlists[i].Status.Final() {
			j.Playlists[i].Status = status
		}
	}
}

// fail ends one output.
func (o *Output) fail(f *Failure) {
	o.Status, o.StatusDetail, o.Failure = Failed, f.statusDetail(), f.kept()
}

// failRest ends every output that has not ended, and the playlists, which then
// cannot be made.
func (j *Job) failRest(f *Failure) {
	for i := range j.Outputs {
		if !j.Outputs[i].Status.Final() {
			j.Outputs[i].fail(f)
		}
	}
	for i := range j.Playlists {
		if !j.Playlists[i].Status.Final() {
			j.Playlists[i].fail(missingDependency)
		}
	}
}

// Attempt is one run at a job. Its number fences: who lost the lease of an
// attempt writes nothing more.
type Attempt struct {
	Job        JobID
	Number     int // from 1
	Node       string
	StartTime  time.Time
	EndTime    time.Time // zero while it runs
	LeaseUntil time.Time // renewed while it runs
	Outcome    Outcome
	Phase      Phase
	Progress   float64 // 0 to 1
	Log        string  // tail of the encoder's words, or the error that ended it
}

// Outcome is how an attempt ended.
type Outcome string

// The outcomes. Attempts that were interrupted do not count as tries.
const (
	Running     Outcome = ""            // it has not
	Finished    Outcome = "finished"    // the job's status is final
	Broken      Outcome = "broken"      // a fault of ours; tried again
	Lost        Outcome = "lost"        // its lease ran out
	Interrupted Outcome = "interrupted" // its node stopped in good order
)
