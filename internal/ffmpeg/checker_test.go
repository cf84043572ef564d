package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"etude/internal/audiofile"
	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/transcode"
)

// adtsOf encodes a sound to AAC, and returns its packets.
func adtsOf(t testing.TB, spec ffmpegtest.Spec) (packets [][]byte) {
	t.Helper()
	content, err := exec.Command("ffmpeg", "-v", "error", "-i", ffmpegtest.Clip(t, spec), "-b:a", "96k", "-f", "adts", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	for len(content) > 0 {
		n, err := audiofile.ADTSLength(content)
		if err != nil {
			t.Fatal(err)
		}
		packets, content = append(packets, content[:n]), content[n:]
	}
	return packets
}

// TestChecker gives one process file after file, and those that do not decode.
func TestChecker(t *testing.T) {
	t.Parallel()
	r := &encode{toolchain: boxed(t, Auto), cfg: Config{Stall: time.Minute, MaxDuration: time.Minute}, checkers: &checkers{}}
	defer r.checkers.close()
	stereo := &track{Rate: 44100, Channels: 2}
	good := adtsOf(t, ffmpegtest.Spec{Samples: 44100})
	check := func(track *track, packets [][]byte) (*checker, *facts, error) {
		t.Helper()
		c, err := r.checkers.begin(r, track)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range packets {
			c.packet(p)
		}
		f, err := c.end(t.Context())
		r.checkers.done(c)
		return c, f, err
	}
	first, _, _ := check(stereo, good[:1])
	for _, n := range []int{0, 1, 2, len(good)} {
		c, f, err := check(stereo, good[:n])
		if err != nil {
			t.Fatal(err)
		}
		if want := (facts{Codec: "aac", Profile: "LC", Rate: 44100, Channels: 2, Samples: int64(n) * 1024}); *f != want {
			t.Errorf("%d packets: got %+v, want %+v", n, *f, want)
		}
		if c != first {
			t.Error("another process was started")
		}
	}
	mono := adtsOf(t, ffmpegtest.Spec{Samples: 8000, Rate: 8000, Channels: 1})
	c, f, err := check(&track{Rate: 8000, Channels: 1}, mono)
	if err != nil || c == first || f.Samples != int64(len(mono))*1024 || f.Rate != 8000 || f.Channels != 1 {
		t.Errorf("mono: got %+v, %v", f, err)
	}

	// Every band of a spectrum that has none.
	broken := bytes.Clone(good[5])
	for i := audiofile.ADTSHeader + 2; i < len(broken); i++ {
		broken[i] = 0xff
	}
	for what, packets := range map[string][][]byte{
		"broken":                 {good[0], broken, good[1]},
		"broken at the end":      {good[0], good[1], broken},
		"of another sample rate": {good[0], mono[0]},
		"no packet":              {good[0], good[1][:20], good[1]},
	} {
		if c, f, err := check(stereo, packets); err == nil || c.err == nil {
			t.Errorf("%s: got %+v", what, f)
		}
	}
	if len(r.checkers.idle) != 1 {
		t.Errorf("%d wait, want only the one for mono", len(r.checkers.idle))
	}
}

// TestCheckerEnds ends those that somebody has, and those that nobody has.
func TestCheckerEnds(t *testing.T) {
	t.Parallel()
	r := &encode{toolchain: boxed(t, Auto), cfg: Config{Stall: time.Minute, MaxDuration: time.Minute}, checkers: &checkers{}}
	begin := func() *checker {
		c, err := r.checkers.begin(r, &track{Rate: 48000, Channels: 2})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	gone := func(c *checker) {
		t.Helper()
		<-c.ended
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	c := begin()
	cancel(cause)
	if _, err := c.end(ctx); err == nil {
		t.Error("it goes on when its job has ended")
	}
	r.checkers.done(c)
	gone(c)

	var many []*checker
	for range mostIdle + 1 {
		many = append(many, begin())
	}
	for _, c := range many {
		r.checkers.done(c)
	}
	gone(many[0]) // too many wait
	r.checkers.expire(many[1])
	gone(many[1])
	busy := begin()
	if busy != many[mostIdle] {
		t.Error("the one that was used last has to be the next")
	}
	r.checkers.close()
	for _, c := range many[1:mostIdle] {
		gone(c)
	}
	r.checkers.done(busy)
	gone(busy)
}

// TestCheckerFails has a job come to its end though nobody confirms its AAC, and
// its FLAC, on the way.
func TestCheckerFails(t *testing.T) {
	t.Parallel()
	tools := boxed(t, Auto)
	input, dir := ffmpegtest.Clip(t, ffmpegtest.Spec{Samples: 20000}), t.TempDir()
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	r := &encode{toolchain: tools, cfg: e.cfg, checkers: &e.checkers}
	c, err := e.checkers.begin(r, &track{Rate: 44100, Channels: 2})
	if err != nil {
		t.Fatal(err)
	}
	e.checkers.done(c)
	c.cancel() // and it is still the one that waits
	<-c.ended
	enc := transcode.Encoding{Inputs: []transcode.Source{{Path: input}}, Dir: dir, Outputs: []transcode.Rendition{{Name: "1", Preset: systemPreset(t, "100110")}}}
	made, err := e.Encode(t.Context(), enc, func(transcode.Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	if m := made.Outputs[0].Made; m.Samples != 20000 || m.Codec != "aac" || m.Profile != "LC" {
		t.Errorf("got %+v", m)
	}
}

// TestCheckMany has few processes check many outputs, in segments and whole.
func TestCheckMany(t *testing.T) {
	t.Parallel()
	boxed(t, Auto)
	input := ffmpegtest.Clip(t, ffmpegtest.Spec{Samples: 8*44100 + 1})
	for _, cores := range []int{1, 2} {
		e, err := New(Config{Cores: cores, Segment: 3 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		enc := transcode.Encoding{Inputs: []transcode.Source{{Path: input}}, Dir: t.TempDir()}
		for i, channels := range []string{"2", "2", "1", "2", "1"} {
			preset := transcode.Preset{Container: "mp4", Audio: &transcode.Audio{Codec: "AAC", SampleRate: "44100", BitRate: "64", Channels: channels}}
			enc.Outputs = append(enc.Outputs, transcode.Rendition{Name: string(rune('a' + i)), Preset: preset})
		}
		made, err := e.Encode(t.Context(), enc, func(transcode.Progress) {})
		if err != nil {
			t.Fatal(err)
		}
		for i, out := range made.Outputs {
			if m := out.Made; out.Failure != nil || m.Samples != 8*44100+1 || m.Codec != "aac" {
				t.Errorf("%d cores, output %d: got %+v, %v", cores, i+1, m, out.Failure)
			}
		}
		if n := len(e.checkers.idle); n < 2 || n > mostAtOnce+1 {
			t.Errorf("%d cores: %d checkers were at work", cores, n)
		}
	}
}

// TestDecodeFLAC decodes what ffmpeg made, whole, cut off and changed.
func TestDecodeFLAC(t *testing.T) {
	t.Parallel()
	for _, bits := range []string{"s16", "s32"} {
		for _, channels := range []int{1, 2, 6} {
			r := &encode{dir: t.TempDir()}
			path := filepath.Join(r.dir, "a.flac")
			input := ffmpegtest.Clip(t, ffmpegtest.Spec{Samples: 30001, Channels: channels})
			if out, err := exec.Command("ffmpeg", "-v", "error", "-i", input, "-sample_fmt", bits, path).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			f, err := r.decodeFLAC(t.Context(), "a.flac")
			if err != nil {
				t.Fatal(err)
			}
			if want := (facts{Codec: "flac", Rate: 44100, Channels: channels, Samples: 30001}); *f != want {
				t.Errorf("got %+v, want %+v", *f, want)
			}
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			wrong := map[string][]byte{"cut off": content[:len(content)-100], "without a frame": content[:len(content)/2], "with another checksum": bytes.Clone(content), "changed": bytes.Clone(content)}
			wrong["with another checksum"][30] ^= 1
			wrong["changed"][len(content)-50] ^= 1
			for what, content := range wrong {
				if err := os.WriteFile(path, content, 0o600); err != nil {
					t.Fatal(err)
				}
				if f, err := r.decodeFLAC(t.Context(), "a.flac"); err == nil {
					t.Errorf("%s: got %+v", what, *f)
				}
			}
		}
	}
}
