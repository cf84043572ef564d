package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/ffmpeg/ffmpegtest"
)

// convertFiles runs etude transcode in a directory.
func convertFiles(t *testing.T, dir string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	ffmpegtest.Need(t)
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"transcode"}, args...)...)
	cmd.Env, cmd.Dir = environment(), dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// names lists a directory, hidden files too.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, names(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

type transcodeReport struct {
	ExitStatus  int `json:"exit_status"`
	Conversions []struct {
		Inputs []struct {
			Path     string
			Duration float64
		}
		Outputs []struct {
			Path, Preset, Codec, SHA256, Remark string
			Made                                bool
			Rate                                int `json:"sample_rate"`
			Channels                            int
			Samples, Size                       int64
			Failure                             *struct{ Code int }
		}
		Failure *struct {
			Code           int
			Reason, Remedy string
		}
	}
}

// TestTranscode converts one file into all kinds, without a server or a data
// directory.
func TestTranscode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	input := ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "a song.flac", Rate: 48000, Samples: 96001, Args: []string{"-sample_fmt", "s16"}})
	args := []string{input, "--json"}
	want := map[string]string{
		"a.wav": "pcm_s16le", "a.flac": "flac", "a.mp3": "mp3", "a.m4a": "aac", "a.mp4": "aac", "a.ogg": "vorbis",
		"a.oga": "flac", "a.webm": "vorbis", "a.mp2": "mp2", "a.ts": "aac", "a.fmp4": "aac",
	}
	for name := range want {
		args = append(args, "-o", name)
	}
	status, stdout, stderr := convertFiles(t, dir, args...)
	if status != 0 || stderr != "" {
		t.Fatalf("status %d, said %q", status, stderr)
	}
	var report transcodeReport
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	if n := len(report.Conversions); n != 1 || len(report.Conversions[0].Outputs) != len(want) {
		t.Fatalf("report is %s", stdout)
	}
	for _, out := range report.Conversions[0].Outputs {
		facts := ffmpegtest.Probe(t, filepath.Join(dir, out.Path))
		if facts.Codec != want[out.Path] || out.Codec != facts.Codec || facts.Rate != 48000 || facts.Channels != 2 || !out.Made {
			t.Errorf("%s is %+v, reported as %+v", out.Path, facts, out)
		}
		if (facts.Codec == "flac" || facts.Codec == "pcm_s16le") && (facts.Samples != 96001 || out.Samples != 96001) {
			t.Errorf("%s has %d samples, reported as %d", out.Path, facts.Samples, out.Samples)
		}
		content, err := os.ReadFile(filepath.Join(dir, out.Path))
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(content); out.SHA256 != hex.EncodeToString(sum[:]) || out.Size != int64(len(content)) {
			t.Errorf("%s: checksum or size is another", out.Path)
		}
		if info, err := os.Stat(filepath.Join(dir, out.Path)); err != nil || info.Mode().Perm()&0o400 == 0 || info.Mode().Perm() == 0o600 && syscallUmask(t) != 0o077 {
			t.Errorf("%s: mode is %v", out.Path, info.Mode())
		}
	}
	if n := len(names(t, dir)); n != len(want) {
		t.Errorf("files are %q", names(t, dir))
	}
}

// syscallUmask is the mask that programs of this test have.
func syscallUmask(t *testing.T) os.FileMode {
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "x"), os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return 0o666 &^ info.Mode().Perm()
}

// TestTranscodePresets names presets in every way there is.
func TestTranscodePresets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	input := ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "in.wav", Rate: 48000, Channels: 1, Samples: 4800})
	custom := `{"Preset": {"Id": "1700000000000-abcdef", "Name": "mine", "Container": "flac", "Audio": {"Codec": "flac", "SampleRate": "96000", "Channels": "1", "CodecOptions": {"BitDepth": "24"}}}}`
	if err := os.WriteFile(filepath.Join(dir, "mine.json"), []byte(custom), 0o600); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := convertFiles(t, dir, input, "--json", "-o", "1.m4a", "-p", "1351620000001-100130", "-o", "2.mp3", "-p", "300040",
		"-o", "3.flac", "-p", "system preset: audio flac - cd", "-o", "4.wav", "--preset=Audio WAV 44100 Hz, 8 bit", "-o", "5.flac", "-p", "mine.json", "-o", "6.flac", "-p", "-")
	if status != 0 {
		t.Fatalf("status %d, said %q", status, stderr)
	}
	var report transcodeReport
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, out := range report.Conversions[0].Outputs {
		got = append(got, fmt.Sprint(out.Preset, " ", out.Codec, " ", out.Rate, " ", out.Channels))
	}
	want := []string{
		"1351620000001-100130 aac 44100 2", "1351620000001-300040 mp3 44100 2", "1351620000001-300110 flac 44100 2",
		"1351620000001-300200 pcm_u8 44100 2", "1700000000000-abcdef flac 96000 1", " flac 48000 1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

// TestTranscodeMany has several inputs: each by itself, and joined, and cut.
func TestTranscodeMany(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one := ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "one.wav", Samples: 44100})
	two := ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "two.wav", Samples: 2 * 44100})
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{one, two, "-o", "{name}.flac", "-o", "sub", "-p", "-", "-p", "300110"},
		{one, two, "--join", "-o", "all.flac"},
		{two, "-o", "cut.flac", "--start", "0:00:00.5", "--length", "0.25"},
	} {
		if status, _, stderr := convertFiles(t, dir, args...); status != 0 || stderr != "" {
			t.Fatalf("%q: status %d, said %q", args, status, stderr)
		}
	}
	wantNames(t, dir, "all.flac", "cut.flac", "one.flac", "sub", "two.flac")
	wantNames(t, filepath.Join(dir, "sub"), "one.flac", "two.flac")
	for name, want := range map[string]int64{"one.flac": 44100, "two.flac": 88200, "all.flac": 132300, "cut.flac": 11025} {
		if got := ffmpegtest.Probe(t, filepath.Join(dir, name)).Samples; got != want {
			t.Errorf("%s has %d samples, want %d", name, got, want)
		}
	}
}

// TestTranscodeStatus wants each kind of trouble told, with its status, and
// nothing left.
func TestTranscodeStatus(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	song := ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "song.wav", Samples: 4410})
	other := ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "other.wav", Samples: 4410})
	text := filepath.Join(t.TempDir(), "text.mp3")
	there := filepath.Join(dir, "there.flac")
	for _, path := range []string{text, there} {
		if err := os.WriteFile(path, []byte("no sound"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{text, "-o", "x.flac"}, 1, "x.flac: This is not a sound file that can be read. Check"},
		{[]string{song, text, "-o", "{name}.mp3"}, 1, "not a sound file"},
		{[]string{song, "-o", "late.flac", "--start", "9"}, 1, "Choose an earlier start."},
		{nil, 2, "name a file"},
		{[]string{song}, 2, "say with -o"},
		{[]string{song, "-o", "there.flac"}, 2, "there already; --force replaces it"},
		{[]string{song, "-o", "x.doc"}, 2, "kind .doc cannot be made; those that can are .flac"},
		{[]string{song, "-o", "x.aac"}, 2, "name the file .m4a"},
		{[]string{song, "-o", "x"}, 2, "has no ending"},
		{[]string{song, "-o", "x.mp3", "-p", "300110"}, 2, "makes files of the kind .flac, not .mp3"},
		{[]string{song, "-o", "x.mp3", "-p", "nothing"}, 2, "--list-presets lists them"},
		{[]string{song, "-o", "x.mp4", "-p", "1351620000001-000001"}, 2, "Video cannot be made yet"},
		{[]string{song, "-o", "x.mp3", "-o", "y.mp3", "-o", "z.mp3", "-p", "-", "-p", "-"}, 2, "2 presets and 3 outputs"},
		{[]string{song, "-o", "x.mp3", "-o", "./x.mp3"}, 2, "made twice"},
		{[]string{song, other, "-o", "x.mp3"}, 2, "write {name} in it, or join them"},
		{[]string{song, "-o", "nowhere/x.mp3"}, 2, "its directory: no such file"},
		{[]string{song, "-o", "."}, 2, "is a directory"},
		{[]string{song, "-o", "-"}, 2, "standard output"},
		{[]string{"-", "-o", "x.mp3"}, 2, "standard input"},
		{[]string{"nothing.mp3", "-o", "x.mp3"}, 2, "no such file"},
		{[]string{dir, "-o", "x.mp3"}, 2, "it is not a file"},
		{[]string{song, "-o", "x.mp3", "--length", "0"}, 2, "must be above 0"},
		{[]string{song, "-o", "x.mp3", "--nonsense"}, 2, "unknown flag"},
		{[]string{song, "-o", "/proc/x.mp3"}, 3, "make scratch directory"},
	} {
		status, stdout, stderr := convertFiles(t, dir, test.args...)
		if status != test.status || !strings.Contains(strings.ReplaceAll(stderr, text, "x.flac"), test.says) {
			t.Errorf("%q: status %d, said %q, want %d, %q", test.args, status, stderr, test.status, test.says)
		}
		if test.status != 2 && stdout != "" {
			t.Errorf("%q: printed %q", test.args, stdout)
		}
	}
	wantNames(t, dir, "song.mp3", "there.flac")
	if content, err := os.ReadFile(there); string(content) != "no sound" {
		t.Errorf("what was there is %q, %v", content, err)
	}
	if status, _, stderr := convertFiles(t, dir, song, "-o", "there.flac", "--force"); status != 0 {
		t.Errorf("with --force: status %d, said %q", status, stderr)
	}
	if got := ffmpegtest.Probe(t, there); got.Samples != 4410 {
		t.Errorf("what was replaced is %+v", got)
	}
	_, stdout, _ := convertFiles(t, dir, text, "-o", "x.flac", "--json")
	var report transcodeReport
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	if f := report.Conversions[0].Failure; report.ExitStatus != 1 || f == nil || f.Code != 4000 || f.Reason == "" || f.Remedy == "" {
		t.Errorf("report is %s", stdout)
	}
}

// TestTranscodeStopped interrupts and kills it in the middle of its work.
func TestTranscodeStopped(t *testing.T) {
	t.Parallel()
	input := ffmpegtest.Clip(t, ffmpegtest.Spec{Rate: 8000, Channels: 1, Samples: 1800 * 8000, Sound: "0.3*(random(0)-0.5)"})
	dir := t.TempDir()
	start := func() *exec.Cmd {
		cmd := exec.Command(binary, "transcode", input, "-o", "x.m4a")
		cmd.Env, cmd.Dir = environment(), dir
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Nobody is told when a program begins to write.
		for since := time.Now(); len(glob(t, dir, ".etude-*/out/*")) == 0; time.Sleep(time.Millisecond) {
			if time.Since(since) > time.Minute {
				t.Fatal("it does not begin")
			}
		}
		return cmd
	}
	cmd := start()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its status is looked at
	if status := cmd.ProcessState.ExitCode(); status != 130 {
		t.Errorf("interrupted: status %d, want 130", status)
	}
	if left := names(t, dir); len(left) > 0 {
		t.Errorf("interrupted: left are %q", left)
	}
	cmd = start()
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // says that it was killed
	for _, keep := range []string{".etude-transcode-notes", ".etude"} {
		if err := os.Mkdir(filepath.Join(dir, keep), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	short := ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "short.wav", Samples: 4410})
	if status, _, stderr := convertFiles(t, dir, short, "-o", "y.flac"); status != 0 {
		t.Fatalf("status %d, said %q", status, stderr)
	}
	wantNames(t, dir, ".etude", ".etude-transcode-notes", "y.flac")
}

func glob(t *testing.T, dir, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestTranscodeLoudness(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	clip := ffmpegtest.Clip(t, ffmpegtest.Spec{Sound: "0.05*sin(2*PI*1000*t)"})
	status, stdout, stderr := convertFiles(t, dir, clip, "-o", "a.flac", "--loudness=-20 LUFS -2 dBTP", "--json")
	var report struct {
		Conversions []struct {
			Outputs []struct {
				Loudness *struct {
					Integrated float64 `json:"integrated_lufs"`
					Gain       float64 `json:"gain_db"`
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || status != 0 {
		t.Fatalf("status %d, %v: %s", status, err, stderr)
	}
	if l := report.Conversions[0].Outputs[0].Loudness; l == nil || l.Integrated < -20.3 || l.Integrated > -19.7 || l.Gain < 5 || l.Gain > 7 {
		t.Errorf("loudness: %s", stdout)
	}
	if status, _, stderr := convertFiles(t, dir, clip, "-o", "b.flac", "--loudness=14"); status != 2 || !strings.Contains(stderr, "from -40 to -5 LUFS") {
		t.Errorf("status %d: %s", status, stderr)
	}
	wantNames(t, dir, "a.flac")
}
