package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"etude/internal/ffmpeg/ffmpegtest"
)

func TestDemo(t *testing.T) {
	ffmpegtest.Need(t)
	for name, file := range map[string]string{
		"its own music": "",
		"a song":        ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "song.mp3", Samples: 3 * 44100}),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			args := []string{"demo", "--out", filepath.Join(dir, "out"), "--data", filepath.Join(dir, "data")}
			if file != "" {
				args = append(args, "--file", file)
			}
			cmd := exec.CommandContext(testContext(t), binary, args...)
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("etude demo: %v\n%s", err, out)
			}
			song := "etude"
			if file != "" {
				song = strings.TrimSuffix(filepath.Base(file), ".mp3")
			}
			for _, ext := range []string{".wav", ".flac", ".m4a"} {
				path := filepath.Join(dir, "out", song+ext)
				if _, err := os.Stat(path); err != nil {
					t.Errorf("the demo left no %s: %v", path, err)
				}
			}
			if !strings.Contains(string(out), "has been processed") {
				t.Errorf("the demo does not show the message:\n%s", out)
			}
		})
	}
}

func TestDemoSparesTheSong(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "song.wav")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(testContext(t), binary, "demo", "--file", file, "--out", dir).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "--out") {
		t.Errorf("demo of a song among the results: %v\n%s", err, out)
	}
}
