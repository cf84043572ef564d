package measure_test

import (
	"math"
	"testing"

	"etude/internal/measure"
)

// tone is a sine of some seconds with a level, in dB of full scale, for each
// channel.
type tone struct {
	seconds float64
	levels  []float64
}

func stereo(seconds, level float64) tone { return tone{seconds, []float64{level, level}} }

// play makes tones of 1000 Hz, one after the other.
func play(rate int, tones ...tone) []float32 {
	var pcm []float32
	n := 0
	for _, t := range tones {
		amplitudes := make([]float64, len(t.levels))
		for c, level := range t.levels {
			amplitudes[c] = math.Pow(10, level/20)
		}
		for range int(t.seconds * float64(rate)) {
			v := math.Sin(2 * math.Pi * 1000 * float64(n) / float64(rate))
			for _, amplitude := range amplitudes {
				pcm = append(pcm, float32(v*amplitude))
			}
			n++
		}
	}
	return pcm
}

func listen(t *testing.T, rate, channels int, pcm []float32) *measure.Result {
	t.Helper()
	m, err := measure.New(rate, channels, int64(len(pcm)/channels))
	if err != nil {
		t.Fatal(err)
	}
	m.Write(pcm)
	return m.Result()
}

func within(got, want, below, above float64) bool {
	return got == want || got >= want-below && got <= want+above
}

// TestIntegratedLoudness has the synthetic signals of EBU Tech 3341, table 1,
// with the tolerance that it gives.
func TestIntegratedLoudness(t *testing.T) {
	t.Parallel()
	tests := map[string][]tone{
		"1": {stereo(20, -23)},
		"3": {stereo(10, -36), stereo(60, -23), stereo(10, -36)},
		"4": {stereo(10, -72), stereo(10, -36), stereo(60, -23), stereo(10, -36), stereo(10, -72)},
		"5": {stereo(20, -26), stereo(20.1, -20), stereo(20, -26)},
		"6": {{20, []float64{-28, -28, -24, -30, -30}}},
		// Not in the table: LFE counts nothing, mono is one channel.
		"5.1 with a loud LFE": {{20, []float64{-28, -28, -24, 0, -30, -30}}},
		"mono":                {{20, []float64{-20}}},
	}
	rates := map[string][]int{"1": {48000, 44100, 22050, 11025, 8000, 96000, 192000}}
	for name, tones := range tests {
		for _, rate := range append(rates[name], 16000) {
			got := listen(t, rate, len(tones[0].levels), play(rate, tones...)).Integrated
			if want := -23.0; !within(got, want, 0.1, 0.1) {
				t.Errorf("signal %s at %d Hz: %.2f LUFS, want %.1f", name, rate, got, want)
			}
		}
	}
	if got, want := listen(t, 16000, 2, play(16000, stereo(20, -33))).Integrated, -33.0; !within(got, want, 0.1, 0.1) {
		t.Errorf("signal 2: %.2f LUFS, want %.1f", got, want)
	}
}

// TestLoudnessRange has the synthetic signals of EBU Tech 3342, table 1, which
// allows 1 LU.
func TestLoudnessRange(t *testing.T) {
	t.Parallel()
	tests := []struct {
		levels []float64
		want   float64
	}{
		{[]float64{-20, -30}, 10},
		{[]float64{-20, -15}, 5},
		{[]float64{-40, -20}, 20},
		{[]float64{-50, -35, -20, -35, -50}, 15},
	}
	for _, tt := range tests {
		var tones []tone
		for _, level := range tt.levels {
			tones = append(tones, stereo(20, level))
		}
		got := listen(t, 16000, 2, play(16000, tones...)).Range
		if !within(got, tt.want, 0.2, 0.2) {
			t.Errorf("20 s each of %v dBFS: %.2f LU, want %.0f", tt.levels, got, tt.want)
		}
	}
}

// TestTruePeak has the sines of EBU Tech 3341, table 1, with its tolerance: the
// samples of most of them are far below the peaks between them.
func TestTruePeak(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name           string
		period, degree float64
		amplitude      float64
		want           float64
	}{
		{"15", 4, 0, 0.5, -6},
		{"16", 4, 45, 0.5, -6},
		{"17", 6, 60, 0.5, -6},
		{"18", 8, 67.5, 0.5, -6},
		{"19", 4, 45, 1.41, 3},
	}
	for _, tt := range tests {
		pcm := make([]float32, 2*48000)
		for i := range pcm {
			pcm[i] = float32(tt.amplitude * math.Sin(2*math.Pi*float64(i/2)/tt.period+tt.degree*math.Pi/180))
		}
		fade(pcm) // what begins at once is no sine
		if got := listen(t, 48000, 2, pcm).TruePeak; !within(got, tt.want, 0.4, 0.2) {
			t.Errorf("signal %s: %.2f dBTP, want %.1f", tt.name, got, tt.want)
		}
	}
}

// fade makes the first and the last tenth of a block softer.
func fade(pcm []float32) {
	n := len(pcm) / 10
	for i := range n {
		pcm[i] *= float32(i) / float32(n)
		pcm[len(pcm)-1-i] *= float32(i) / float32(n)
	}
}

// TestPeakIsFoundAtEveryFrequency sweeps over the band and the phases: up to
// 18 kHz of 48 the reading stays within the standard's tolerance.
func TestPeakIsFoundAtEveryFrequency(t *testing.T) {
	t.Parallel()
	for hz := 100.0; hz <= 18000; hz *= 1.23 {
		for _, phase := range []float64{0, 0.3, 0.8, 1.2} {
			pcm := make([]float32, 9600)
			for i := range pcm {
				pcm[i] = float32(math.Sin(2*math.Pi*hz*float64(i)/48000 + phase))
			}
			fade(pcm)
			if got := listen(t, 48000, 1, pcm).TruePeak; !within(got, 0, 0.4, 0.2) {
				t.Errorf("%.0f Hz at phase %.1f: %.2f dBTP, want 0", hz, phase, got)
			}
		}
	}
}

func TestWhatIsNotThereHasNoLoudness(t *testing.T) {
	t.Parallel()
	none := math.Inf(-1)
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	tests := []struct {
		name string
		pcm  []float32
		want measure.Loudness
	}{
		{"nothing", nil, measure.Loudness{Integrated: none, TruePeak: none, SamplePeak: none}},
		{"half a frame", []float32{1}, measure.Loudness{Integrated: none, TruePeak: none, SamplePeak: none}},
		{"silence", make([]float32, 96000), measure.Loudness{Integrated: none, TruePeak: none, SamplePeak: none}},
		{"one frame", []float32{1, 0}, measure.Loudness{Integrated: none, TruePeak: 0, SamplePeak: 0}},
		{"no numbers", []float32{nan, inf, -inf, 1e30, 0.5, nan}, measure.Loudness{
			Integrated: none, TruePeak: 20 * math.Log10(0.5), SamplePeak: 20 * math.Log10(0.5),
		}},
	}
	for _, tt := range tests {
		if got := listen(t, 48000, 2, tt.pcm).Loudness; got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// TestNoNumbersDoNoHarm has some of them in the middle of a tone: all but them
// counts as if they were silence.
func TestNoNumbersDoNoHarm(t *testing.T) {
	t.Parallel()
	clean, dirty := play(48000, stereo(3, -23)), play(48000, stereo(3, -23))
	for i, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1e9} {
		clean[100000+i], dirty[100000+i] = 0, float32(v)
	}
	got, want := listen(t, 48000, 2, dirty), listen(t, 48000, 2, clean)
	if got.Loudness != want.Loudness {
		t.Errorf("got %+v, want %+v", got.Loudness, want.Loudness)
	}
}
