package ffmpeg

import (
	"fmt"
	"math"
	"strings"
	"time"

	"etude/internal/transcode"
)

// part is what is decoded of one input.
type part struct {
	Format   string // the input's demuxer
	Stream   int    // index of the stream that is decoded
	Rate     int    // Hz, of that stream
	Channels int    // of that stream
	Duration time.Duration
	Guessed  bool          // nobody promised Duration
	Promised time.Duration // what the file's head says, where that is more; else 0
	Codec    string
	Sniffed  bool // all of this is to be compared with the decoder's words
	cut
}

// cut is a range of samples. The zero cut is all of them.
type cut struct {
	Start int64
	End   int64 // 0 for up to the end
}

// newCut turns a span into samples, to the nearest.
func newCut(s transcode.Span, rate int) cut {
	c := cut{Start: samples(s.Start, rate)}
	if s.Length > 0 {
		c.End = max(samples(s.Start+s.Length, rate), c.Start+1)
	}
	return c
}

// samples is how many there are in a time, to the nearest.
func samples(d time.Duration, rate int) int64 {
	seconds, rest := d/time.Second, d%time.Second
	return int64(seconds)*int64(rate) + (int64(rest)*int64(rate)+int64(time.Second)/2)/int64(time.Second)
}

func (c cut) whole() bool { return c == cut{} }

// of returns how many of n samples a cut has, and whether it goes beyond them.
// A millisecond, which is the finest that a request can say, does not count.
func (c cut) of(n int64, rate int) (has int64, beyond bool) {
	if c.End == 0 {
		return max(n-c.Start, 0), false
	}
	return max(min(c.End, n)-c.Start, 0), c.End > n+int64(rate)/1000
}

// filters returns the filters that leave a cut. Compressed sound is never
// sought in: what comes out after that is damaged. Samples are counted from
// the first that is decoded.
func (c cut) filters() []string {
	if c.whole() {
		return nil
	}
	trim := fmt.Sprintf("atrim=start_sample=%d", c.Start)
	if c.End > 0 {
		trim += fmt.Sprintf(":end_sample=%d", c.End)
	}
	return []string{trim}
}

// newTime is the filter that has timestamps begin at 0 and go on without gaps.
const newTime = "asetpts=N/SR/TB"

// length is how long an input's part should be; 0 if that is not known.
func (p *part) length() time.Duration {
	d := max(p.Duration-length(p.Start, p.Rate), 0)
	if p.End == 0 {
		return d
	}
	clip := length(p.End-p.Start, p.Rate)
	if p.Duration == 0 || p.Guessed {
		return clip
	}
	return min(clip, d)
}

// decodes is how much of an input has to be decoded for the part; 0 if that is
// not known.
func (p *part) decodes() time.Duration {
	switch {
	case p.End == 0:
		return p.Duration
	case p.Duration == 0 || p.Guessed:
		return length(p.End, p.Rate)
	}
	return min(p.Duration, length(p.End, p.Rate))
}

// decodes is how much has to be decoded of all inputs; 0 if that is not known.
func (p *plan) decodes() time.Duration { return p.sum((*part).decodes) }

// sum adds up the times of all parts; 0 if one of them is not known.
func (p *plan) sum(of func(*part) time.Duration) (sum time.Duration) {
	for i := range p.Parts {
		d := of(&p.Parts[i])
		if d == 0 {
			return 0
		}
		sum += d
	}
	return sum
}

// skips is how much of that comes before anything is heard.
func (p *plan) skips() (sum time.Duration) {
	for i := range p.Parts {
		sum += length(p.Parts[i].Start, p.Parts[i].Rate)
	}
	if p.Heard {
		return sum
	}
	later := time.Duration(math.MaxInt64)
	for i := range p.Tracks {
		later = min(later, length(p.Tracks[i].Start, p.Rate))
	}
	return sum + later
}

// needed is how many of the joined samples are needed: what comes after is not
// decoded.
func (p *plan) needed() (most int64) {
	if p.Heard {
		return math.MaxInt64
	}
	for i := range p.Tracks {
		if p.Tracks[i].End == 0 {
			return math.MaxInt64
		}
		most = max(most, p.Tracks[i].End)
	}
	return most
}

// longest is how long the longest output or feed should be; 0 if that is not known.
func (p *plan) longest() (most time.Duration) {
	if p.Heard {
		return p.Duration
	}
	for i := range p.Tracks {
		most = max(most, p.plays(&p.Tracks[i]))
	}
	return most
}

// plays is how long an output should be; 0 if that is not known.
func (p *plan) plays(t *track) time.Duration {
	joined := part{Rate: p.Rate, Duration: p.Duration, Guessed: p.Guessed, cut: t.cut}
	return joined.length()
}

// join turns the streams of several inputs into one that has room for each: the
// highest sample rate and the most channels that there are, and as many bits as
// none of them loses anything by.
func (p *plan) join(streams []*stream) *stream {
	if len(streams) == 1 {
		p.Rate, p.Channels = streams[0].Rate, streams[0].Channels
		return streams[0]
	}
	in := stream{Rate: 0, Bits: 1}
	for _, s := range streams {
		in.Rate, in.Channels, in.BitRate = max(in.Rate, s.Rate), max(in.Channels, s.Channels), max(in.BitRate, s.BitRate)
		if s.Bits == 0 || in.Bits == 0 {
			in.Bits = 0
		} else {
			in.Bits = max(in.Bits, s.Bits)
		}
	}
	for _, s := range streams {
		in.Computed = in.Computed || s.Rate != in.Rate
	}
	p.Rate, p.Channels = in.Rate, in.Channels
	switch {
	case in.Bits > 24:
		p.Sample = "dblp" // 32 bits, or floating point
	case in.Bits == 0 || in.Computed:
		p.Sample = "fltp"
	case in.Bits > 16:
		p.Sample = "s32"
	default:
		p.Sample = "s16"
	}
	return &in
}

// graph returns the filters that join several inputs and give each track and
// each feed its own, by the name of its label.
func (p *plan) graph() string {
	var chains []string
	var parts, joined strings.Builder
	for i := range p.Parts {
		chain := strings.Join(append(p.Parts[i].filters(), newTime, p.common(&p.Parts[i])), ",")
		chains = append(chains, fmt.Sprintf("[%d:%d]%s[part%d]", i, p.Parts[i].Stream, chain, i))
		fmt.Fprintf(&parts, "[part%d]", i)
	}
	var outputs []string
	for i := range p.Tracks {
		outputs = append(outputs, p.outputFilters(&p.Tracks[i]))
	}
	for _, f := range p.Feeds {
		outputs = append(outputs, f.Filters)
	}
	for i := range outputs {
		fmt.Fprintf(&joined, "[joined%d]", i)
	}
	chains = append(chains, fmt.Sprintf("%sconcat=n=%d:v=0:a=1,asplit=%d%s", &parts, len(p.Parts), len(outputs), &joined))
	for i, filters := range outputs {
		chains = append(chains, fmt.Sprintf("[joined%d]%s%s", i, filters, outputLabel(i)))
	}
	return strings.Join(chains, ";")
}

func outputLabel(i int) string { return fmt.Sprintf("[track%d]", i) }

// common returns the filters that give a part the form of the joined.
func (p *plan) common(in *part) string {
	var options []string
	if p.Soxr && in.Rate != p.Rate {
		options = append(options, "resampler=soxr")
	}
	return convert(in.Channels, p.Channels, options, fmt.Sprintf("aformat=sample_rates=%d:channel_layouts=%s:sample_fmts=%s",
		p.Rate, layouts[p.Channels], p.Sample))
}
