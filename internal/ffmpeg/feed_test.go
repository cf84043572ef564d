package ffmpeg

import (
	"testing"
	"time"

	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/transcode"
)

// counter is a listener that counts.
type counter struct {
	rate, channels int
	samples        int64
}

func (c *counter) Write(interleaved []float32) { c.samples += int64(len(interleaved)) }

// TestListen: who listens hears all of the joined inputs, at the rate and the
// channels that they are joined at, whatever the outputs are.
func TestListen(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		inputs []ffmpegtest.Spec
		want   counter
	}{
		"one":  {[]ffmpegtest.Spec{{Samples: 70001, Rate: 48000}}, counter{48000, 2, 2 * 70001}},
		"join": {[]ffmpegtest.Spec{{Name: "a.wav", Samples: 40001, Rate: 44100}, {Name: "b.wav", Samples: 24000, Rate: 22050, Channels: 1}}, counter{44100, 2, 2 * 88001}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got counter
			r := &encode{toolchain: boxed(t, Auto), cfg: Config{Stall: time.Minute, MaxDuration: time.Hour, CPU: time.Minute}, meter: newMeter(nil)}
			r.listen = func(rate, channels int) listener {
				got.rate, got.channels = rate, channels
				return &got
			}
			enc := transcode.Encoding{Dir: t.TempDir(), Outputs: []transcode.Rendition{{Name: "1", Preset: systemPreset(t, "300300")}}}
			for _, spec := range test.inputs {
				enc.Inputs = append(enc.Inputs, transcode.Source{Path: ffmpegtest.Clip(t, spec)})
			}
			r.sources = enc.Inputs
			if err := r.open(enc); err != nil {
				t.Fatal(err)
			}
			if _, err := r.run(t.Context(), enc); err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("heard %+v, want %+v", got, test.want)
			}
		})
	}
}
