package ffmpeg_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"etude/internal/ffmpeg"
	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/transcode"
)

// TestBreakOff ends an encode in its middle, or kills one of its encoders there:
// nothing is left of it, it says why, and the next one works. It runs alone, since
// it looks at all that the process has.
func TestBreakOff(t *testing.T) {
	ffmpegtest.Need(t)
	canceled := errors.New("the lease is lost")
	input := ffmpegtest.Clip(t, ffmpegtest.Spec{Samples: 30 * 44100, Sound: ffmpegtest.Beats})
	next := ffmpegtest.Clip(t, ffmpegtest.Spec{Samples: 2 * 44100})
	for name, test := range map[string]struct {
		mode  ffmpeg.Mode
		cores int
		done  float64 // when that is done
		kill  string  // arguments of the process that is killed; empty to end the context
	}{
		"whole":        {ffmpeg.Limits, 1, 0.05, ""},
		"segments":     {ffmpeg.Auto, 2, 0.05, ""},
		"later":        {ffmpeg.Limits, 4, 0.15, ""},
		"AAC killed":   {ffmpeg.Auto, 2, 0.05, " -f adts "},
		"MP3 killed":   {ffmpeg.Limits, 2, 0.05, " -f mp3 -id3v2_version 0 "},
		"whole killed": {ffmpeg.Auto, 1, 0.05, " -f mp4 "},
	} {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			// A program of its own tells its processes from those of others.
			dir := t.TempDir()
			program := filepath.Join(dir, "ffmpeg")
			copyProgram(t, "ffmpeg", program)
			e := newEncoder(t, ffmpeg.Config{FFmpeg: program, Sandbox: test.mode, Cores: test.cores, Segment: time.Second})
			if why := e.Check(new(system(t, "100110"))); why != "" {
				t.Fatal(why)
			}
			before := openFiles(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			enc := transcode.Encoding{
				Inputs: []transcode.Source{{Path: input}}, Dir: t.TempDir(),
				Outputs: []transcode.Rendition{{Name: "1", Preset: system(t, "100110")}, {Name: "2", Preset: system(t, "300040")}},
			}
			if test.cores == 1 { // one process makes all: many take it long enough to be struck in time
				for i := range 8 {
					enc.Outputs = append(enc.Outputs, transcode.Rendition{Name: fmt.Sprint("more", i), Preset: system(t, "100110")})
				}
			}
			struck := 0
			_, err := e.Encode(ctx, enc, func(p transcode.Progress) {
				switch {
				case p.Phase != transcode.Transcoding || p.Done < test.done || struck > 0:
				case test.kill == "":
					struck++
					cancel(canceled)
				default:
					for pid, args := range running(t, dir) {
						if strings.HasPrefix(args, program) && strings.Contains(args, test.kill) && struck == 0 {
							struck++
							_ = syscall.Kill(pid, syscall.SIGKILL)
						}
					}
				}
			})
			var failure *transcode.Failure
			switch {
			case struck == 0 || err == nil || errors.As(err, &failure):
				t.Errorf("struck %d times, error is %v", struck, err)
			case test.kill == "" && !errors.Is(err, canceled):
				t.Errorf("error is %v, want the cause", err)
			case test.kill != "" && !strings.HasPrefix(err.Error(), "encode: the kernel has killed it, for want of memory, or somebody has: ffmpeg ended with "):
				t.Errorf("error is %v", err)
			}
			for pid, args := range running(t, dir) {
				if !strings.Contains(args, " -f aac -i pipe:0 ") { // it waits for the next
					t.Errorf("process %d still runs: %s", pid, args)
				}
			}
			if out := mustEncode(t, e, next, system(t, "100110")).Outputs[0]; out.Made.Samples != 2*44100 {
				t.Errorf("the next one is %+v", out.Made)
			}
			e.Close()
			if left := running(t, dir); len(left) > 0 {
				t.Errorf("still running: %v", left)
			}
			if after := openFiles(t); len(after) != len(before) {
				t.Errorf("open are %v, before %v", after, before)
			}
		})
	}
}

func copyProgram(t testing.TB, name, to string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, readFile(t, path), 0o700); err != nil {
		t.Fatal(err)
	}
}

// openFiles returns what the process has open.
func openFiles(t testing.TB) (names []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		if name, err := os.Readlink(file); err == nil {
			names = append(names, name)
		}
	}
	return names
}
