package measure

import "math"

// outline keeps the least and the greatest sample, of all channels, of each
// stretch of sound. When there are too many stretches, two become one.
type outline struct {
	width     int // frames in a stretch
	low, high []float32
	filled    int     // frames in the last one; 0 if it is whole
	most      float32 // of all samples, without the sign
}

// Stretches begin at least frames and never number more than most. A coarse
// waveform has at most coarse of them.
const (
	firstWidth = 64
	stretches  = 16384
	coarse     = 1000
)

func newOutline() outline {
	return outline{width: firstWidth, low: make([]float32, 0, stretches), high: make([]float32, 0, stretches)}
}

// add takes n frames, of which the channels have these peaks.
func (o *outline) add(channels []peaks, n int) {
	for from := 0; from < n; from += quiet {
		i := from / quiet
		low, high := channels[0].low[i], channels[0].high[i]
		for c := 1; c < len(channels); c++ {
			low, high = min(low, channels[c].low[i]), max(high, channels[c].high[i])
		}
		o.most = max(o.most, high, -low)
		if o.filled == 0 {
			if len(o.low) == stretches {
				o.halve()
			}
			o.low, o.high = append(o.low, low), append(o.high, high)
		} else {
			last := len(o.low) - 1
			o.low[last], o.high[last] = min(o.low[last], low), max(o.high[last], high)
		}
		if o.filled += quiet; o.filled >= o.width {
			o.filled = 0
		}
	}
}

func (o *outline) halve() {
	o.low, o.high = merge(o.low, o.high, 2)
	o.width *= 2
}

// merge makes one stretch of every n, in place.
func merge(low, high []float32, n int) (fewerLow, fewerHigh []float32) {
	k := 0
	for i := 0; i < len(low); i += n {
		l, h := low[i], high[i]
		for j := i + 1; j < min(i+n, len(low)); j++ {
			l, h = min(l, low[j]), max(h, high[j])
		}
		low[k], high[k] = l, h
		k++
	}
	return low[:k], high[:k]
}

// Waveform is the outline of some sound. Its points are the least and the
// greatest sample of each stretch of Width frames (the last may have fewer), of
// all channels together: from -127 for negative to 127 for positive full scale,
// and no further.
type Waveform struct {
	Rate, Width int
	Points      [][2]int8
}

// result returns the waveform at both resolutions.
func (o *outline) result(rate int, frames int64) (fine, rough Waveform) {
	fine = o.waveform(rate, o.width)
	n := (len(o.low) + coarse - 1) / coarse
	if n > 1 {
		o.low, o.high = merge(o.low, o.high, n)
	}
	return fine, o.waveform(rate, o.width*max(n, 1))
}

func (o *outline) waveform(rate, width int) Waveform {
	w := Waveform{Rate: rate, Width: width, Points: make([][2]int8, len(o.low))}
	for i := range w.Points {
		w.Points[i] = [2]int8{point(o.low[i]), point(o.high[i])}
	}
	return w
}

func point(v float32) int8 { return int8(math.Round(float64(min(max(v, -1), 1)) * 127)) }
