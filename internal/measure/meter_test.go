package measure_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/measure"
)

func TestNewRefusesWhatIsNoSound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ rate, channels int }{{0, 2}, {999, 1}, {1 << 30, 2}, {44100, 0}, {44100, 9}} {
		if _, err := measure.New(tt.rate, tt.channels, 0); err == nil {
			t.Errorf("New(%d, %d) had no complaint", tt.rate, tt.channels)
		}
	}
}

// TestBlocksDoNotMatter cuts the same sound in two ways.
func TestBlocksDoNotMatter(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for channels := 1; channels <= measure.MaxChannels; channels++ {
		pcm := make([]float32, channels*(20000+channels))
		for i := range pcm {
			pcm[i] = float32(random.NormFloat64() * 0.1)
		}
		want := listen(t, 11025, channels, pcm)
		m, err := measure.New(11025, channels, int64(len(pcm)/channels))
		if err != nil {
			t.Fatal(err)
		}
		for rest := pcm; len(rest) > 0; {
			n := min(random.IntN(3000), len(rest))
			m.Write(rest[:n])
			rest = rest[n:]
		}
		got := m.Result()
		// Sums are rounded elsewhere.
		near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })
		if diff := cmp.Diff(want, got, near, cmp.AllowUnexported(measure.Spectrogram{})); diff != "" {
			t.Errorf("%d channels: %s", channels, diff)
		}
	}
}

// TestBlocksTakeNoMemory is why a file of any length takes no more than another.
func TestBlocksTakeNoMemory(t *testing.T) {
	m, err := measure.New(44100, 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	block := loudMusic(44100, 10)
	if n := testing.AllocsPerRun(10, func() { m.Write(block) }); n != 0 {
		t.Errorf("a block of 10 s: %v allocations, want none", n)
	}
}

func TestSixHours(t *testing.T) {
	t.Parallel()
	const rate, seconds = 2000, 6 * 3600
	m, err := measure.New(rate, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]float32, 10*rate)
	for i := range block {
		block[i] = float32(math.Sin(float64(i) / 10))
	}
	for range seconds / 10 {
		m.Write(block)
	}
	r := m.Result()
	if got, want := r.Frames, int64(rate*seconds); got != want {
		t.Errorf("frames = %d, want %d", got, want)
	}
	for _, tt := range []struct {
		name        string
		w           measure.Waveform
		least, most int
	}{{"fine", r.Fine, 8193, 16384}, {"coarse", r.Coarse, 900, 1000}} {
		n := len(tt.w.Points)
		if n < tt.least || n > tt.most {
			t.Errorf("%s waveform: %d points, want %d to %d", tt.name, n, tt.least, tt.most)
		}
		if got, want := n, (rate*seconds+tt.w.Width-1)/tt.w.Width; got != want {
			t.Errorf("%s waveform: %d points of %d frames, want %d", tt.name, got, tt.w.Width, want)
		}
		if p := tt.w.Points[n/2]; p != [2]int8{-127, 127} {
			t.Errorf("%s waveform: the middle is %v, want full scale", tt.name, p)
		}
	}
}

// TestWaveformShowsWhereTheSoundIs has a second of silence, one below zero in
// one channel, one above in the other.
func TestWaveformShowsWhereTheSoundIs(t *testing.T) {
	t.Parallel()
	const rate = 8000
	pcm := make([]float32, 2*3*rate)
	for i := range rate {
		pcm[2*(rate+i)] = -0.5
		pcm[2*(2*rate+i)+1] = 3
	}
	w := listen(t, rate, 2, pcm).Fine
	want := measure.Waveform{Rate: rate, Width: 64, Points: make([][2]int8, 3*rate/64)}
	for i := range 125 {
		want.Points[125+i] = [2]int8{-64, 0}
		want.Points[250+i] = [2]int8{0, 127}
	}
	want.Points[125][1], want.Points[250][1] = 0, 127
	for i := 125; i < 250; i++ {
		want.Points[i][1] = 0
	}
	if diff := cmp.Diff(want, w); diff != "" {
		t.Error(diff)
	}
}

func TestWaveformAsJSON(t *testing.T) {
	t.Parallel()
	w := measure.Waveform{Rate: 44100, Width: 128, Points: [][2]int8{{-127, 127}, {-3, 0}}}
	got := w.AppendJSON(nil)
	want := `{"version":2,"channels":1,"sample_rate":44100,"samples_per_pixel":128,"bits":8,"length":2,"data":[-127,127,-3,0]}`
	if string(got) != want || !json.Valid(got) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := (measure.Waveform{}).AppendJSON(nil); !json.Valid(got) {
		t.Errorf("of nothing: %s", got)
	}
}

// TestSpectrogramShowsTones has a low tone, then a high one, of which the length
// is known, unknown, and wrong.
func TestSpectrogramShowsTones(t *testing.T) {
	t.Parallel()
	const rate, seconds = 16000, 60
	pcm := make([]float32, rate*seconds)
	for i := range pcm {
		hz := 500.0
		if i >= len(pcm)/2 {
			hz = 4000
		}
		pcm[i] = float32(0.5 * math.Sin(2*math.Pi*hz*float64(i)/rate))
	}
	for _, frames := range []int64{0, rate * seconds, 1000, math.MaxInt64} {
		m, err := measure.New(rate, 1, frames)
		if err != nil {
			t.Fatal(err)
		}
		m.Write(pcm)
		s := m.Result().Spectrogram
		img := decode(t, s)
		if frames > rate*seconds {
			continue // one look; the picture is what there is
		}
		for x, hz := range map[int]float64{100: 500, 350: 500, 450: 4000, 700: 4000} {
			best := 0
			for y := range measure.SpectrogramHeight {
				if img.ColorIndexAt(x, y) > img.ColorIndexAt(x, best) {
					best = y
				}
			}
			// The row's middle, from the bottom, on the mel scale up to 8 kHz.
			at := (float64(measure.SpectrogramHeight-1-best) + 0.5) / measure.SpectrogramHeight
			got := 700 * (math.Pow(1+s.Top/700, at) - 1)
			if got < hz*0.9 || got > hz*1.1 {
				t.Errorf("announced %d frames: column %d is brightest at %.0f Hz, want %.0f", frames, x, got, hz)
			}
		}
	}
}

func TestSpectrogramOfAMoment(t *testing.T) {
	t.Parallel()
	decode(t, listen(t, 44100, 2, []float32{0.5, 0.5}).Spectrogram)
	if s := listen(t, 44100, 2, nil).Spectrogram; s != nil {
		t.Errorf("of nothing there is a spectrogram: %v", s)
	}
}

func decode(t *testing.T, s *measure.Spectrogram) *image.Paletted {
	t.Helper()
	var b bytes.Buffer
	if err := s.WritePNG(&b); err != nil {
		t.Fatal(err)
	}
	decoded, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	img, ok := decoded.(*image.Paletted)
	if !ok || img.Rect.Dx() != measure.SpectrogramWidth || img.Rect.Dy() != measure.SpectrogramHeight {
		t.Fatalf("the picture is %T of %v", decoded, decoded.Bounds())
	}
	return img
}
