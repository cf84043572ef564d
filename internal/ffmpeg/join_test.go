package ffmpeg

import (
	"testing"
	"time"

	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/transcode"
)

// TestJoinMost joins as many inputs as a job may have, into as many outputs. They
// are probed once.
func TestJoinMost(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{Auto, Limits} {
		r := &encode{toolchain: boxed(t, mode), cfg: Config{Stall: time.Minute, CPU: time.Minute}, meter: newMeter(nil), dir: t.TempDir()}
		r.inputs = []string{ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "a.mp3", Samples: 4410})}
		src, err := r.probe(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		var found []*source
		var sources []transcode.Source
		for i := range transcode.MaxInputs {
			found, sources = append(found, src), append(sources, transcode.Source{})
			sources[i].Span.Length = time.Duration(i%3) * 10 * time.Millisecond
			r.inputs = append(r.inputs, r.inputs[0])
		}
		var outputs []transcode.Rendition
		for i := range transcode.MaxOutputs {
			outputs = append(outputs, transcode.Rendition{Name: string(rune('A' + i)), Preset: systemPreset(t, []string{"300300", "300110"}[i%2])})
		}
		r.inputs = r.inputs[1:]
		p, err := newPlan(found, sources, outputs, r.can, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		done, err := r.encode(t.Context(), p, &early{})
		if err != nil {
			t.Fatal(err)
		}
		facts, err := r.verify(t.Context(), p, done, &early{})
		if err != nil {
			t.Fatal(err)
		}
		const want = 67*4410 + 67*441 + 66*882 // spans of 0, which is all, of 10 and of 20 ms
		for i, f := range facts {
			if f.Samples != want {
				t.Errorf("%s: output %d has %d samples, want %d", mode, i+1, f.Samples, want)
			}
		}
	}
}
