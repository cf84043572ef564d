package manifest

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
)

// Codecs of audio, in the form that manifests want (RFC 6381).
const (
	AACLC   = "mp4a.40.2"
	HEAAC   = "mp4a.40.5"
	HEAACv2 = "mp4a.40.29"
	MP3     = "mp4a.40.34"
)

// Rendition is one way to hear or see the same thing. It is video if it has a
// width and a height, else audio.
type Rendition struct {
	// Name of what the manifest points to: a media playlist for HLS, a
	// fragmented MP4 file for DASH.
	Name string

	// Codecs of its streams, video first. DASH needs them.
	Codecs []string

	// Bandwidth in bit/s that suffices to play it without a stop. If 0, it is
	// the peak rate of the segments, which then need durations and sizes.
	Bandwidth int64

	// Segments, in order, with their durations. They may be left out where
	// nothing has to be computed from them.
	Segments []Segment

	Width, Height int // pixels; 0 for audio

	// IFrames is its playlist of key frames, for HLSv4; nil for none.
	IFrames *IFrames

	// What follows is for DASH alone.

	FrameRate   string // frames per second, as 30 or 30000/1001; empty for audio or unknown
	SampleRate  int    // Hz; 0 for video or unknown
	Channels    int    // 0 for video or unknown
	Init, Index Range  // as ReadFragments finds them
}

// IFrames is a playlist that has nothing but key frames, for fast forward.
type IFrames struct {
	Name      string // of the playlist
	Bandwidth int64  // bit/s, over 0
}

// Segment is a part of a rendition that can be played by itself.
type Segment struct {
	Name     string  // of its file; DASH leaves it empty
	Duration float64 // seconds, over 0
	Size     int64   // bytes; HLSv3 does not need it
	Offset   int64   // of its first byte in its file
}

// Range is a range of a file's bytes, both ends within.
type Range struct{ First, Last int64 }

func (r Range) String() string { return fmt.Sprintf("%d-%d", r.First, r.Last) }

func (r *Rendition) video() bool { return r.Width > 0 && r.Height > 0 }

func (r *Rendition) check() error {
	for _, codec := range r.Codecs {
		if !printable(codec) {
			return fmt.Errorf("codec %q is not of the form of RFC 6381", codec)
		}
	}
	if r.Width < 0 || r.Height < 0 || (r.Width == 0) != (r.Height == 0) {
		return fmt.Errorf("width %d and height %d are neither both zero nor both more", r.Width, r.Height)
	}
	return checkSegments(r.Segments)
}

func checkSegments(segments []Segment) error {
	for i, s := range segments {
		// The comparison is false for NaN too.
		if !(s.Duration > 0 && s.Duration <= maxDuration) {
			return fmt.Errorf("segment %d: a duration of %v s is not over 0 and up to %v s", i, s.Duration, float64(maxDuration))
		}
		if s.Size < 0 || s.Offset < 0 {
			return fmt.Errorf("segment %d: size %d or offset %d is negative", i, s.Size, s.Offset)
		}
	}
	return nil
}

// maxDuration of a segment, in seconds, lets any sum of them be exact enough.
const maxDuration = 1e9

// printable says whether s, which is not quoted anywhere, needs no quoting.
func printable(s string) bool {
	return s != "" && strings.IndexFunc(s, func(c rune) bool {
		return c <= ' ' || c > '~' || strings.ContainsRune(`",<>&'\`, c)
	}) < 0
}

// bandwidth is r's own, or else the peak rate of its segments, in bit/s.
func (r *Rendition) bandwidth() (int64, error) {
	if r.Bandwidth != 0 {
		if r.Bandwidth < 0 {
			return 0, fmt.Errorf("bandwidth %d is negative", r.Bandwidth)
		}
		return r.Bandwidth, nil
	}
	rate := math.Ceil(peakRate(r.Segments))
	if !(rate > 0 && rate < math.MaxInt64) {
		return 0, errors.New("there is neither a bandwidth nor segments with their sizes to compute it from")
	}
	return int64(rate), nil
}

// peakRate is the peak segment bit rate of RFC 8216, section 4.1: the largest of
// any run of segments between half and one and a half target durations. So a
// tail of a few milliseconds, which is mostly headers, does not count by itself.
func peakRate(segments []Segment) float64 {
	target := float64(targetDuration(segments))
	peak := 0.0
	for i := range segments {
		var bits, seconds float64
		for _, s := range segments[i:] {
			bits += float64(s.Size) * 8
			seconds += s.Duration
			if seconds > 1.5*target {
				break
			}
			if seconds >= 0.5*target {
				peak = max(peak, bits/seconds)
			}
		}
	}
	if peak == 0 {
		peak = meanRate(segments) // all of it is shorter than half a target duration
	}
	return peak
}

func meanRate(segments []Segment) float64 {
	var bits float64
	for _, s := range segments {
		bits += float64(s.Size) * 8
	}
	return bits / duration(segments)
}

// duration of all segments together, in seconds.
func duration(segments []Segment) float64 {
	sum := 0.0
	for _, s := range segments {
		sum += s.Duration
	}
	return sum
}

// flush writes all of text to w, or an error that says what was to be written.
func flush(w io.Writer, what, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("write %s: %w", what, err)
	}
	return nil
}
