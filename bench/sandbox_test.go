package bench_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"etude/internal/ffmpeg"
	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/transcode"
)

// BenchmarkSandbox is the smallest job, a second of WAV made into WAV, in each of
// the sandboxes by turns. It gives the medians of the time that a job, which is
// several processes, takes in each, and what those two cost that lock ffmpeg in,
// over the one that only sets limits. Processor time is not to be had: bubblewrap
// does not wait for its children.
func BenchmarkSandbox(b *testing.B) {
	input := ffmpegtest.Clip(b, ffmpegtest.Spec{})
	preset, err := ffmpeg.PresetFor("a.wav")
	check(b, err)
	modes := []ffmpeg.Mode{ffmpeg.Limits, ffmpeg.Landlock, ffmpeg.Bubblewrap}
	encoders := map[ffmpeg.Mode]*ffmpeg.Encoder{}
	for _, mode := range modes {
		e := must[*ffmpeg.Encoder](b)(ffmpeg.New(ffmpeg.Config{Sandbox: mode}))
		if why := e.Check(&preset); why != "" {
			b.Skip(why)
		}
		encoders[mode] = e
	}
	took := map[ffmpeg.Mode][]time.Duration{}
	root, n := b.TempDir(), 0
	for b.Loop() {
		for _, mode := range modes {
			n++
			dir := filepath.Join(root, strconv.Itoa(n))
			check(b, os.Mkdir(dir, 0o700))
			began := time.Now()
			_, err := encoders[mode].Encode(b.Context(), transcode.Encoding{
				Inputs: []transcode.Source{{Path: input}}, Dir: dir,
				Outputs: []transcode.Rendition{{Name: "1", Preset: preset}},
			}, nil)
			check(b, err)
			took[mode] = append(took[mode], time.Since(began))
			check(b, os.RemoveAll(dir))
		}
	}
	for _, mode := range modes {
		b.ReportMetric(milliseconds(median(took[mode])), string(mode)+"-ms/job")
		if mode != ffmpeg.Limits {
			b.ReportMetric(milliseconds(median(took[mode])-median(took[ffmpeg.Limits])), string(mode)+"-extra-ms/job")
		}
	}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
