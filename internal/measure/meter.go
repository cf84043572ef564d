// Package measure looks at sound while it passes by: how loud it is (EBU R128),
// how high its peaks are between the samples, and what it looks like, as a
// waveform and as a spectrogram. It takes decoded samples in whatever blocks
// they come, keeps a fixed amount of memory however long they go on, and is
// cheap enough to listen to every decode. It knows nothing of files, codecs, or
// who asked.
package measure

import (
	"fmt"
	"math"
)

// Bounds of what a Meter takes.
const (
	MinRate     = 1000
	MaxRate     = 768000
	MaxChannels = 8
)

// span is how many frames are worked on at a time; quiet is how many of them
// share one peak, by which it is known where the true peak can be.
const (
	span  = 512
	quiet = 16
)

// Meter measures one stream of sound. It is not safe for use by several
// goroutines at once.
type Meter struct {
	rate     int
	channels int
	frames   int64
	rest     []float32 // the first samples of a frame of which more is to come

	// plane has, for each channel, the tail of the span before, as far as the
	// true peak's filter reaches back, and then the span that is being filled.
	plane [][]float32
	fill  int

	loud  loudness
	peak  truePeak
	shape outline
	image *spectrogram
}

// New returns a Meter for sound of the given sample rate and number of
// channels, which are in the order that ffmpeg has by default: left, right,
// centre, LFE, the surrounds. frames is about how many there will be, or 0 where
// that is not known; it decides nothing but how much work the spectrogram is.
func New(rate, channels int, frames int64) (*Meter, error) {
	if rate < MinRate || rate > MaxRate {
		return nil, fmt.Errorf("measure: sample rate %d: must be from %d to %d", rate, MinRate, MaxRate)
	}
	if channels < 1 || channels > MaxChannels {
		return nil, fmt.Errorf("measure: %d channels: must be from 1 to %d", channels, MaxChannels)
	}
	m := &Meter{
		rate: rate, channels: channels,
		rest:  make([]float32, 0, channels),
		plane: make([][]float32, channels),
		loud:  newLoudness(rate, channels),
		shape: newOutline(),
		image: newSpectrogram(rate, frames),
	}
	for c := range m.plane {
		m.plane[c] = make([]float32, reach+span)
	}
	return m, nil
}

// Write takes the next samples: those of a frame one after the other, full scale
// from -1 to 1. Blocks may end within a frame. What is no number, or beyond any
// that a microphone could mean, counts as silence.
func (m *Meter) Write(pcm []float32) {
	if len(m.rest) > 0 {
		n := min(m.channels-len(m.rest), len(pcm))
		m.rest = append(m.rest, pcm[:n]...)
		pcm = pcm[n:]
		if len(m.rest) < m.channels {
			return
		}
		m.take(m.rest)
		m.rest = m.rest[:0]
	}
	whole := len(pcm) - len(pcm)%m.channels
	m.take(pcm[:whole])
	m.rest = append(m.rest, pcm[whole:]...)
}

// take takes whole frames.
func (m *Meter) take(pcm []float32) {
	for len(pcm) > 0 {
		n := min(span-m.fill, len(pcm)/m.channels)
		m.spread(pcm[:n*m.channels], n)
		pcm = pcm[n*m.channels:]
		m.fill += n
		m.frames += int64(n)
		if m.fill == span {
			m.work(span)
		}
	}
}

// spread gives each channel its own samples of n frames.
func (m *Meter) spread(pcm []float32, n int) {
	from := reach + m.fill
	switch m.channels {
	case 1:
		copy(m.plane[0][from:], pcm)
	case 2:
		left, right := m.plane[0][from:from+n], m.plane[1][from:from+n]
		right = right[:len(left)]
		pcm = pcm[:2*len(left)]
		for i := range left {
			left[i], right[i] = pcm[2*i], pcm[2*i+1]
		}
	default:
		for c, plane := range m.plane {
			for i := range n {
				plane[from+i] = pcm[i*m.channels+c]
			}
		}
	}
}

// work measures the n frames that the span has.
func (m *Meter) work(n int) {
	var peaks [MaxChannels]peaks
	for c := range m.plane {
		if peaks[c].find(m.plane[c][reach : reach+n]) {
			continue
		}
		clean(m.plane[c][reach : reach+n])
		peaks[c].find(m.plane[c][reach : reach+n])
	}
	m.shape.add(peaks[:m.channels], n)
	m.loud.add(m.plane, n)
	for c := range m.plane {
		m.peak.add(m.plane[c], &peaks[c], n)
	}
	m.image.add(m.plane, n)
	for _, plane := range m.plane {
		copy(plane[:reach], plane[n:n+reach])
	}
	m.fill = 0
}

// most is the largest sample that is believed, 120 dB above full scale.
const most = 1e6

// clean makes silence of what is no sound.
func clean(samples []float32) {
	for i, v := range samples {
		if !(v <= most && v >= -most) {
			samples[i] = 0
		}
	}
}

// peaks are the least and the greatest sample of each quiet stretch of a span.
type peaks struct {
	low, high [span / quiet]float32
}

// find looks for them, and reports whether all of the samples are believed.
func (p *peaks) find(samples []float32) bool {
	// The bits of floats, as integers, are in the floats' order but for the
	// sign; and processors choose the greater of two integers without a jump.
	const greatest = 0x49742400 // most
	worst := int32(0)
	for i := 0; len(samples) > 0; i++ {
		n := min(quiet, len(samples))
		low, high := int32(math.MaxInt32), int32(math.MinInt32)
		for _, v := range samples[:n] {
			b := int32(math.Float32bits(v))
			b ^= b >> 31 & math.MaxInt32
			low, high = min(low, b), max(high, b)
		}
		samples = samples[n:]
		p.low[i], p.high[i] = ordered(low), ordered(high)
		worst = max(worst, high, ^low)
	}
	return worst <= greatest
}

// ordered is the float that find made an integer of.
func ordered(b int32) float32 {
	return math.Float32frombits(uint32(b ^ b>>31&math.MaxInt32))
}

// Result is what a Meter has found.
type Result struct {
	Rate, Channels int
	Frames         int64 // samples per channel
	Loudness
	// Waveform is the outline at two resolutions: Fine has some ten thousand
	// points, unless there is too little sound for that, and Coarse about a
	// thousand.
	Fine, Coarse Waveform
	// Spectrogram is nil where there is too little sound for one.
	Spectrogram *Spectrogram
}

// Loudness is in the units of EBU R128. What is silent, or too short to be
// measured, is -Inf.
type Loudness struct {
	Integrated float64 // LUFS
	Range      float64 // LU, by EBU Tech 3342; 0 for less than 3 seconds
	TruePeak   float64 // dBTP, four times oversampled
	SamplePeak float64 // dBFS
}

// Result returns what was found in all that was written. The Meter is of no use
// after it.
func (m *Meter) Result() *Result {
	if m.fill > 0 {
		m.work(m.fill)
	}
	for c := range m.plane { // what the filter has not reached yet
		clear(m.plane[c][reach:])
		var silence peaks
		m.peak.add(m.plane[c], &silence, quiet)
	}
	r := &Result{Rate: m.rate, Channels: m.channels, Frames: m.frames, Spectrogram: m.image.result(m.frames)}
	r.Fine, r.Coarse = m.shape.result(m.rate, m.frames)
	r.Integrated, r.Range = m.loud.integrated(), m.loud.lra()
	r.TruePeak, r.SamplePeak = decibels(float64(m.peak.most)), decibels(float64(m.shape.most))
	return r
}

func decibels(amplitude float64) float64 { return 20 * math.Log10(amplitude) }
