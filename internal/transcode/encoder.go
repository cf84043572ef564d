package transcode

import (
	"context"
	"maps"
	"time"
)

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
	// Left is about how long it will take until Done is 1, as far as the work
	// until now tells; 0 while that is not known.
	Left time.Duration
	// Outputs is how far each output is, by the name of its Rendition, which is
	// the Output's ID; one that is not there is as far as all of them. It is not
	// to be changed.
	Outputs map[string]OutputProgress
}

// OutputProgress is how far one output of an attempt is.
type OutputProgress struct {
	Phase Phase
	// Done is the share of the output's own work that is done: 0 to 1, never
	// falling.
	Done float64
	// Left is about how long it will take until Done is 1; 0 while that is not
	// known.
	Left time.Duration
}

// Output is how far the output of that ID is.
func (p *Progress) Output(id string) OutputProgress {
	if o, ok := p.Outputs[id]; ok {
		return o
	}
	return OutputProgress{p.Phase, p.Done, p.Left}
}

// equal reports whether p says nothing else than q.
func (p *Progress) equal(q *Progress) bool {
	return p.Phase == q.Phase && p.Done == q.Done && p.Left == q.Left && maps.Equal(p.Outputs, q.Outputs)
}

// Encoding is the work that an Encoder is given: some input files, which are
// joined in their order, and several outputs.
type Encoding struct {
	Inputs  []Source // one at least
	Dir     string   // an empty directory for the outputs and anything else
	Outputs []Rendition
	// Measure asks for the by-products of the joined inputs.
	Measure bool
}

// Source is a file to be read, or a part of it.
type Source struct {
	Path string
	Span Span
}

// Span is a part of something. The zero Span is all of it.
type Span struct {
	Start  time.Duration
	Length time.Duration // 0 for up to the end
}

// Rendition is one output to be made.
type Rendition struct {
	Name   string // unique within the Encoding and fit for a file name
	Preset Preset
	Span   Span // of the joined inputs
	Layout Layout
	// SegmentLength is how long segments are; 0 where there are none. A
	// Fragmented output without it chooses for itself.
	SegmentLength time.Duration
	// Art is what becomes of pictures; with nil, those of the first input are
	// kept as far as can be, and a Remark says if some cannot.
	Art *Art
	// Loudness is how loud the output is to be; nil leaves it as loud as the
	// input is.
	Loudness *LoudnessTarget
}

// MadeLoudness is how an output was brought to a loudness, and which.
type MadeLoudness struct {
	Loudness
	Gain    float64 // dB
	Limited bool    // whether peaks were limited
}

// LoudnessTarget is how loud an output is to be, after EBU R 128.
type LoudnessTarget struct {
	Integrated float64 // LUFS
	TruePeak   float64 // dBTP that no peak may be above
}

// Layout is how an output is laid out in files.
type Layout int

// The layouts.
const (
	Whole        Layout = iota // one file
	SegmentFiles               // a file for each segment: 00000.ts, 00001.ts, ...
	ByteRanges                 // one file, .ts, of segments
	Fragmented                 // one fragmented MP4 with one index of its segments
)

// Art is the pictures that go into an output, and how they join those of the
// input.
type Art struct {
	MergePolicy string // Replace, Prepend, Append or Fallback
	Pictures    []Picture
}

// Picture is a file with a picture, and how it is fitted.
type Picture struct {
	Path          string
	MaxWidth      int // pixels
	MaxHeight     int
	SizingPolicy  string // empty for Fit
	PaddingPolicy string // empty for NoPad
	Format        string // jpg or png; empty for the picture's own
}

// Encoded is what an Encoder made of an Encoding.
type Encoded struct {
	Inputs  []Detected      // in the order of Encoding.Inputs
	Outputs []EncodedOutput // in the order of Encoding.Outputs
	Log     string          // tail of the encoder's own words
	// Measured is nil if that was not asked for, or the inputs were not decoded to
	// their end.
	Measured *Measured
}

// EncodedOutput is what was made for one output, or why it was not.
type EncodedOutput struct {
	// Files are below Encoding.Dir: one, or the segments in their order.
	Files []EncodedFile
	// Made has Media set unless the layout is Whole.
	Made    Made
	Remark  string // for the output's StatusDetail; empty for none
	Failure *Failure
}

// EncodedFile is one file of an output.
type EncodedFile struct {
	Path        string
	Suffix      string // follows the output's key in the object's
	ContentType string
}

// Encoder makes files out of files.
type Encoder interface {
	// Encode makes every output of e in one go and verifies each: a file it
	// returns without a Failure decodes to its end and has the codec, rate,
	// channels and length that were asked for. It returns a *Failure if the
	// inputs are at fault, and any other error if we are. A Source's or
	// Rendition's Span that starts after the end is a Failure with code 4014;
	// one that ends after it is cut off with a Remark. An output that is to have a
	// loudness, and cannot reach it, is made all the same and says so in a Remark.
	// It calls progress, from
	// one goroutine at a time and never after it has returned, with phases
	// Probing, Transcoding and Verifying and with Done from 0 to 1 over all
	// three, and with each output's share of its own part. When ctx ends, it ends its work at once and returns ctx's cause.
	// Encode may be called at once from many goroutines.
	Encode(ctx context.Context, e Encoding, progress func(Progress)) (*Encoded, error)

	// Check says why a preset cannot be made, in one sentence, or returns "".
	Check(p *Preset) string
}
