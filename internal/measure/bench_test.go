package measure_test

import (
	"math"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"etude/internal/measure"
)

// BenchmarkMeter tells how many times faster than it plays loud stereo music is
// measured. The music is made of what matters for the speed: it is loud, so that
// the true peak cannot be ruled out by a glance.
func BenchmarkMeter(b *testing.B) {
	const rate, seconds = 44100, 60
	pcm := loudMusic(rate, seconds)
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		m, err := measure.New(rate, 2, rate*seconds)
		if err != nil {
			b.Fatal(err)
		}
		for block := pcm; len(block) > 0; {
			n := min(8192, len(block))
			m.Write(block[:n])
			block = block[n:]
		}
		m.Result()
	}
	b.ReportMetric(seconds*float64(b.N)/(cpuTime(b)-before).Seconds(), "x-realtime")
}

// cpuTime is what the process has used, which is of more use than the time that
// has passed where others work on the same machine.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// loudMusic is pink noise of about -10 LUFS that reaches full scale.
func loudMusic(rate, seconds int) []float32 {
	noise := rand.New(rand.NewPCG(1, 2))
	pcm := make([]float32, 2*rate*seconds)
	var rows [2][12]float64
	for i := range pcm {
		c := i % 2
		k := 0
		for n := i/2 + 1; n&1 == 0 && k < 11; n >>= 1 {
			k++
		}
		rows[c][k] = noise.NormFloat64()
		sum := 0.0
		for _, v := range rows[c] {
			sum += v
		}
		pcm[i] = float32(math.Tanh(sum * 0.1))
	}
	return pcm
}
