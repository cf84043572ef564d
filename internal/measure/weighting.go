package measure

import "math"

// weighting is the K-weighting of ITU-R BS.1770-4: a shelf for the head, then a
// high pass. The standard has the coefficients for 48 kHz; these are the same
// two filters for any rate. The high pass's numerator is 1, -2, 1.
type weighting struct {
	b0, b1, b2, a1, a2 float64 // the shelf
	c1, c2             float64 // the high pass's denominator
}

func newWeighting(rate int) weighting {
	const (
		shelf, gain, shelfQ = 1681.974450955533, 3.999843853973347, 0.7071752369554196
		pass, passQ         = 38.13547087602444, 0.5003270373238773
	)
	// Below 3.4 kHz the shelf would lie above the band.
	k := math.Tan(math.Pi * min(shelf/float64(rate), 0.49))
	vh := math.Pow(10, gain/20)
	vb := math.Pow(vh, 0.4996667741545416)
	a0 := 1 + k/shelfQ + k*k
	w := weighting{
		b0: (vh + vb*k/shelfQ + k*k) / a0,
		b1: 2 * (k*k - vh) / a0,
		b2: (vh - vb*k/shelfQ + k*k) / a0,
		a1: 2 * (k*k - 1) / a0,
		a2: (1 - k/shelfQ + k*k) / a0,
	}
	k = math.Tan(math.Pi * pass / float64(rate))
	a0 = 1 + k/passQ + k*k
	w.c1 = 2 * (k*k - 1) / a0
	w.c2 = (1 - k/passQ + k*k) / a0
	return w
}

// state is where the two filters are in one channel.
type state struct{ s1, s2, t1, t2 float64 }

// settle ends a decay before its numbers become too small for the processor to
// be quick with.
func (s *state) settle() {
	const nothing = 1e-30
	if math.Abs(s.s1)+math.Abs(s.s2)+math.Abs(s.t1)+math.Abs(s.t2) < nothing {
		*s = state{}
	}
}

// energy is the sum of the squares of the weighted samples.
func (w *weighting) energy(s *state, samples []float32) float64 {
	b0, b1, b2, a1, a2, c1, c2 := w.b0, w.b1, w.b2, w.a1, w.a2, w.c1, w.c2
	s1, s2, t1, t2 := s.s1, s.s2, s.t1, s.t2
	sum := 0.0
	for _, v := range samples {
		x := float64(v)
		y := b0*x + s1
		s1 = b1*x + s2 - a1*y
		s2 = b2*x - a2*y
		z := y + t1
		t1 = t2 - (y + y) - c1*z
		t2 = y - c2*z
		sum += z * z
	}
	*s = state{s1, s2, t1, t2}
	return sum
}

// energies is energy for two channels at a time: each waits for itself, so that
// two take hardly longer than one.
func (w *weighting) energies(s, r *state, left, right []float32) (l, rr float64) {
	b0, b1, b2, a1, a2, c1, c2 := w.b0, w.b1, w.b2, w.a1, w.a2, w.c1, w.c2
	s1, s2, t1, t2 := s.s1, s.s2, s.t1, s.t2
	u1, u2, v1, v2 := r.s1, r.s2, r.t1, r.t2
	right = right[:len(left)]
	for i, v := range left {
		x := float64(v)
		y := b0*x + s1
		s1 = b1*x + s2 - a1*y
		s2 = b2*x - a2*y
		z := y + t1
		t1 = t2 - (y + y) - c1*z
		t2 = y - c2*z
		l += z * z

		x = float64(right[i])
		y = b0*x + u1
		u1 = b1*x + u2 - a1*y
		u2 = b2*x - a2*y
		z = y + v1
		v1 = v2 - (y + y) - c1*z
		v2 = y - c2*z
		rr += z * z
	}
	*s, *r = state{s1, s2, t1, t2}, state{u1, u2, v1, v2}
	return l, rr
}
