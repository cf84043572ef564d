package transcode

import "context"

// Phase is what an attempt is doing.
type Phase string

// The phases of an attempt, in their order.
const (
	Fetching    Phase = "FETCHING"
	Probing     Phase = "PROBING"
	Transcoding Phase = "TRANSCODING"
	Verifying   Phase = "VERIFYING"
	Uploading   Phase = "UPLOADING"
)

// Progress is how far an attempt is.
type Progress struct {
	Phase Phase
	// Done is the share of all the attempt's work that is done: 0 to 1, never
	// falling.
	Done float64
}

// Encoding is the work that an Encoder is given: one input file, several
// outputs.
type Encoding struct {
	Input   string // path of a file to be read
	Dir     string // an empty directory for the outputs and anything else
	Outputs []Rendition
}

// Rendition is one output to be made.
type Rendition struct {
	Name   string // unique within the Encoding and fit for a file name
	Preset Preset
}

// Encoded is what an Encoder made of an Encoding.
type Encoded struct {
	Input   Detected
	Outputs []EncodedOutput // in the order of Encoding.Outputs
	Log     string          // tail of the encoder's own words
}

// EncodedOutput is one file that was made, or why it was not.
type EncodedOutput struct {
	Path        string // below Encoding.Dir
	ContentType string
	Made        Made
	Remark      string // for the output's StatusDetail; empty for none
	Failure     *Failure
}

// Encoder makes files out of a file.
type Encoder interface {
	// Encode makes every output of e in one go and verifies each: a file it
	// returns without a Failure decodes to its end and has the codec, rate,
	// channels and length that were asked for. It returns a *Failure if the
	// input is at fault, and any other error if we are. It calls progress, from
	// one goroutine at a time and never after it has returned, with phases
	// Probing, Transcoding and Verifying and with Done from 0 to 1 over all
	// three. When ctx ends, it ends its work at once and returns ctx's cause.
	// Encode may be called at once from many goroutines.
	Encode(ctx context.Context, e Encoding, progress func(Progress)) (*Encoded, error)

	// Check says why a preset cannot be made, in one sentence, or returns "".
	Check(p *Preset) string
}
