package measure

import "math"

// taps is how many samples the true peak's filter looks at, reach how many of
// them lie before the ones that are new.
const (
	taps  = 16
	reach = taps - 1
)

// truePeak finds the highest point of the curve that runs through the samples,
// by BS.1770-4, annex 2: at the samples and at three places between any two.
type truePeak struct{ most float32 }

// The three places' filter is a sinc under a Kaiser window. It is the same
// backwards, so that the places a quarter after a sample and a quarter before
// the next share their work: even and odd are its parts for those two, half is
// for the place in the middle. The outermost taps come first.
var even, odd, half = interpolator()

// The curve is never higher than overshoot times the samples about it; nor than
// those and, on top, bend times the samples' second difference, by which it may
// leave the straight line between two of them. Both are true of any samples.
// Loud music is mostly below the second, whose bass is higher than it is bent.
var overshoot, lean, bend = bounds()

func interpolator() (even, odd, half [taps / 2]float32) {
	quarter, middle := kernel(0.25), kernel(0.5)
	for i := range taps / 2 {
		even[i] = float32((quarter[i] + quarter[taps-1-i]) / 2)
		odd[i] = float32((quarter[i] - quarter[taps-1-i]) / 2)
		half[i] = float32(middle[i])
	}
	return even, odd, half
}

// kernel is the filter for the place that lies a part of a sample after the
// middle one.
func kernel(part float64) (h [taps]float64) {
	const beta = 4
	sum := 0.0
	for i := range h {
		t := float64(i-taps/2+1) - part
		u := t / (taps / 2)
		h[i] = bessel(beta*math.Sqrt(max(1-u*u, 0))) / bessel(beta) * math.Sin(math.Pi*t) / (math.Pi * t)
		sum += h[i]
	}
	for i := range h {
		h[i] /= sum
	}
	return h
}

// bessel is the modified Bessel function of the first kind and order zero.
func bessel(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > 1e-15*sum; k++ {
		term *= x * x / (4 * k * k)
		sum += term
	}
	return sum
}

func bounds() (overshoot, lean, bend float32) {
	var over, first, second float64
	for _, part := range []float64{0.25, 0.5} {
		line := kernel(part)
		sum := 0.0
		for _, h := range line {
			sum += math.Abs(h)
		}
		over = max(over, sum)
		// What the kernel has beside the straight line, as a filter of first
		// and then of second differences. What is left over of the first ones is
		// a difference of two samples, so that it counts twice.
		line[taps/2-1] -= 1 - part
		line[taps/2] -= part
		cumulate(&line)
		sum = 0
		for _, h := range line {
			sum += h
		}
		line[taps/2-1] -= sum
		first = max(first, 2*math.Abs(sum))
		cumulate(&line)
		sum = 0
		for _, h := range line {
			sum += math.Abs(h)
		}
		second = max(second, sum)
	}
	const rounding = 1.0001
	return float32(over * rounding), float32((1 + first) * rounding), float32(second * rounding)
}

func cumulate(line *[taps]float64) {
	for i := 1; i < taps; i++ {
		line[i] += line[i-1]
	}
}

// add takes the n samples of a plane that come after its first reach ones. The
// places are those whose last tap is one of them.
func (p *truePeak) add(plane []float32, heights *peaks, n int) {
	before := float32(0)
	for _, v := range plane[:reach] {
		before = max(before, v, -v)
	}
	for from := 0; from < n; from += quiet {
		i := from / quiet
		here := max(heights.high[i], -heights.low[i])
		p.most = max(p.most, here)
		if near := max(before, here); near*overshoot > p.most {
			samples := plane[from : min(from+quiet, n)+reach]
			if near*lean+bend*bent(samples) > p.most {
				p.between(samples)
			}
		}
		before = here
	}
}

// bent is the greatest second difference of some samples, three at least.
func bent(samples []float32) float32 {
	most := int32(0)
	a, b := samples[0], samples[1]
	step := b - a
	for _, c := range samples[2:] {
		next := c - b
		most = max(most, int32(math.Float32bits(next-step)&math.MaxInt32))
		b, step = c, next
	}
	return math.Float32frombits(uint32(most))
}

// between looks between the samples of a stretch.
func (p *truePeak) between(samples []float32) {
	most := p.most
	for len(samples) >= taps {
		x := (*[taps]float32)(samples)
		s0, d0 := x[0]+x[15], x[0]-x[15]
		s1, d1 := x[1]+x[14], x[1]-x[14]
		s2, d2 := x[2]+x[13], x[2]-x[13]
		s3, d3 := x[3]+x[12], x[3]-x[12]
		s4, d4 := x[4]+x[11], x[4]-x[11]
		s5, d5 := x[5]+x[10], x[5]-x[10]
		s6, d6 := x[6]+x[9], x[6]-x[9]
		s7, d7 := x[7]+x[8], x[7]-x[8]
		e := (even[0]*s0 + even[1]*s1 + even[2]*s2 + even[3]*s3) + (even[4]*s4 + even[5]*s5 + even[6]*s6 + even[7]*s7)
		o := (odd[0]*d0 + odd[1]*d1 + odd[2]*d2 + odd[3]*d3) + (odd[4]*d4 + odd[5]*d5 + odd[6]*d6 + odd[7]*d7)
		h := (half[0]*s0 + half[1]*s1 + half[2]*s2 + half[3]*s3) + (half[4]*s4 + half[5]*s5 + half[6]*s6 + half[7]*s7)
		if v := abs(e) + abs(o); v > most { // the greater of |e+o| and |e-o|
			most = v
		}
		if v := abs(h); v > most {
			most = v
		}
		samples = samples[1:]
	}
	p.most = most
}

func abs(v float32) float32 {
	return math.Float32frombits(math.Float32bits(v) &^ (1 << 31))
}
