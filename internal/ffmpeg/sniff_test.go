package ffmpeg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/ffmpeg/ffmpegtest"
)

// TestSniff finds what a probe finds, or nothing.
func TestSniff(t *testing.T) {
	t.Parallel()
	box := boxed(t, Auto)
	for name, test := range map[string]struct {
		spec    ffmpegtest.Spec
		sniffed bool
	}{
		"wav":           {ffmpegtest.Spec{Samples: 50001}, true},
		"24 bits":       {ffmpegtest.Spec{Codec: "pcm_s24le", Rate: 96000, Channels: 1}, true},
		"floats":        {ffmpegtest.Spec{Codec: "pcm_f32le"}, true},
		"flac":          {ffmpegtest.Spec{Name: "a.flac", Samples: 50001, Tags: map[string]string{"title": "x"}}, true},
		"mp3":           {ffmpegtest.Spec{Name: "a.mp3", Samples: 50001, Tags: map[string]string{"title": "x"}}, true},
		"mp3, low":      {ffmpegtest.Spec{Name: "a.mp3", Rate: 22050, Channels: 1}, true},
		"mp3, variable": {ffmpegtest.Spec{Name: "a.mp3", Args: []string{"-q:a", "2"}}, true},
		"cover in mp3":  {ffmpegtest.Spec{Name: "a.mp3", Cover: true}, false},
		"cover in flac": {ffmpegtest.Spec{Name: "a.flac", Cover: true}, false},
		"six channels":  {ffmpegtest.Spec{Channels: 6}, false},
		"ogg":           {ffmpegtest.Spec{Name: "a.ogg", Codec: "libvorbis"}, false},
		"no header":     {ffmpegtest.Spec{Name: "a.mp3", Args: []string{"-write_xing", "0"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := ffmpegtest.Clip(t, test.spec)
			_, size, err := openFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := sniff(path, size)
			if (got != nil) != test.sniffed {
				t.Fatalf("it was sniffed: %t, want %t", got != nil, test.sniffed)
			}
			if got == nil {
				return
			}
			r := &encode{toolchain: box, cfg: Config{Stall: time.Minute, CPU: time.Minute}, inputs: []string{path}, dir: t.TempDir()}
			want, err := r.probe(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, src := range []*source{got, want} {
				src.Duration = src.Duration.Round(time.Millisecond)
				s := &src.Streams[0]
				s.Duration, s.BitRate, s.Default = s.Duration.Round(time.Millisecond), 0, false
			}
			want.Streams[0].Duration, want.Sniffed, want.Said, want.Tags = got.Streams[0].Duration, true, "", nil
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-probed +sniffed)\n%s", diff)
			}
			cut := filepath.Join(t.TempDir(), filepath.Base(path))
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(cut, content[:len(content)*2/3], 0o600); err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(path, ".flac") {
				return // whose header does not say how many bytes there are
			}
			if sniff(cut, size*2/3) != nil {
				t.Error("a part of it was taken for all of it")
			}
		})
	}
}
