package measure

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestNothingIsPassedOver compares with a look between all samples: where the
// peak cannot be is only ruled out where it is not.
func TestNothingIsPassedOver(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		pcm := make([]float32, 2000)
		smooth, last := random.Float64(), 0.0
		for i := range pcm {
			last = smooth*last + (1-smooth)*random.NormFloat64()
			pcm[i] = float32(last)
		}
		m, err := New(48000, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		m.Write(pcm)
		got := m.Result().TruePeak

		var all truePeak
		padded := append(append(make([]float32, reach), pcm...), make([]float32, reach)...)
		for _, v := range pcm {
			all.most = max(all.most, v, -v)
		}
		all.between(padded)
		if want := decibels(float64(all.most)); math.Abs(got-want) > 1e-6 {
			t.Fatalf("got %v dBTP, want %v", got, want)
		}
	}
}

func TestFilterIsTheSameBackwards(t *testing.T) {
	a, b := kernel(0.25), kernel(0.75)
	for i := range a {
		if math.Abs(a[i]-b[taps-1-i]) > 1e-12 {
			t.Errorf("tap %d: %v and %v", i, a[i], b[taps-1-i])
		}
	}
	if half := kernel(0.5); math.Abs(half[7]-half[8]) > 1e-12 {
		t.Errorf("the middle is not symmetric: %v", half)
	}
}
