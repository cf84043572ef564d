package ffmpeg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"etude/internal/confine"
	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/transcode"
)

// boxed returns the toolchain in a mode, or skips.
func boxed(t testing.TB, mode Mode) *toolchain {
	t.Helper()
	ffmpegtest.Need(t)
	if mode == Bubblewrap {
		ffmpegtest.NeedProgram(t, "bwrap")
	}
	e, err := New(Config{Sandbox: mode})
	if err != nil {
		t.Fatal(err)
	}
	tools, err := e.toolchain()
	if err != nil && mode != Limits && os.Getenv("CI") != "true" {
		t.Skip(err) // many containers allow no namespaces, and old kernels have no Landlock
	}
	if err != nil {
		t.Fatal(err)
	}
	return tools
}

// shell runs a line of shell in the sandbox and returns what it said.
func shell(t *testing.T, tools *toolchain, inputs []string, dir, line string) string {
	t.Helper()
	var out strings.Builder
	_, err := tools.sandbox.run(t.Context(), &command{
		program: "/bin/sh", args: []string{"-c", line}, inputs: inputs, dir: dir,
		cpu: 10 * time.Second, stall: 10 * time.Second, stdout: &out,
	})
	var exit *exitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit != nil {
		fmt.Fprintf(&out, "(%s)", exit.tail)
	}
	return out.String()
}

// TestBubblewrap looks around from within.
func TestBubblewrap(t *testing.T) {
	tools := boxed(t, Bubblewrap)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	dir := t.TempDir()
	input := filepath.Join(t.TempDir(), "clip")
	if err := os.WriteFile(input, []byte("sound"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ETUDE_SECRET", "x")
	for line, want := range map[string]string{
		"cat /job/input1; pwd":                   "sound/job/out\n",
		"echo hello > made && cat made":          "hello\n",
		"ls /job":                                "input1\ninput2\nout\n",
		"ls / | grep -E 'etc|home|root|tmp|var'": "etc\n",
		"ls /etc | grep passwd; ls /tmp":         "(ls: cannot access '/tmp': No such file or directory)",
		"echo $ETUDE_SECRET":                     "\n",
		"(echo x > /job/input2) 2>/dev/null || echo refused; (echo x > /new) 2>/dev/null || echo refused": "refused\nrefused\n",
		"ls -d /proc/[0-9]* 2>/dev/null | wc -l":                                                          "0\n",
		"ulimit -c":                                                                                       "0\n",
		"bash -c 'exec 3<>/dev/tcp/127.0.0.1/" + port + "' 2>/dev/null || echo refused":                   "refused\n",
	} {
		if got := shell(t, tools, []string{input, input}, dir, line); got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
	if content, err := os.ReadFile(filepath.Join(dir, "made")); string(content) != "hello\n" {
		t.Errorf("what was made is %q, %v", content, err)
	}
}

// TestLimits runs without bubblewrap, and says so once.
func TestLimits(t *testing.T) {
	ffmpegtest.NeedProgram(t, "prlimit")
	tools := boxed(t, Limits)
	dir := t.TempDir()
	t.Setenv("ETUDE_SECRET", "x")
	for line, want := range map[string]string{
		"ulimit -v; ulimit -c; ulimit -t": "2097152\n0\n10\n",
		"echo $ETUDE_SECRET; pwd":         "\n" + dir + "\n",
	} {
		if got := shell(t, tools, nil, dir, line); got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
	if got := tools.sandbox.String(); !strings.Contains(got, "only") {
		t.Errorf("the sandbox calls itself %q", got)
	}
}

// TestLandlock looks around from within.
func TestLandlock(t *testing.T) {
	tools := boxed(t, Landlock)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	dir, other := t.TempDir(), t.TempDir()
	input, secret := filepath.Join(other, "clip"), filepath.Join(other, "secret")
	for _, path := range []string{input, secret} {
		if err := os.WriteFile(path, []byte("sound"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(secret, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ETUDE_SECRET", "x")
	tests := map[string]string{
		"cat " + input + "; pwd":                        "sound" + dir + "\n",
		"echo hello > made && cat made":                 "hello\n",
		"cat " + secret + " 2>/dev/null || echo no":     "no\n",
		"cat link 2>/dev/null || echo no":               "no\n",
		"cat /etc/passwd 2>/dev/null || echo no":        "no\n",
		"ls /proc " + other + " 2>/dev/null || echo no": "no\n",
		"(echo x > " + input + ") 2>/dev/null || echo no; (echo x > " + other + "/new) 2>/dev/null || echo no": "no\nno\n",
		"echo $ETUDE_SECRET":              "\n",
		"ulimit -v; ulimit -c; ulimit -t": "2097152\n0\n10\n",
	}
	if confine.Network() {
		tests["bash -c 'exec 3<>/dev/tcp/127.0.0.1/"+port+"' 2>/dev/null || echo no"] = "no\n"
	}
	for line, want := range tests {
		if got := shell(t, tools, []string{input}, dir, line); got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
}

// brokenBwrap puts a bubblewrap first into PATH that does not work.
func brokenBwrap(t *testing.T) {
	bin := t.TempDir()
	script := "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(bin, "bwrap"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
}

// TestFallback has a bubblewrap that does not work: Landlock is next, and nobody
// is warned of it.
func TestFallback(t *testing.T) {
	ffmpegtest.Need(t)
	brokenBwrap(t)
	var log strings.Builder
	preset := systemPreset(t, "300300")
	e, err := New(Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if why := e.Check(&preset); why != "" {
		t.Error(why)
	}
	want := Landlock
	if confine.Available() != nil {
		want = Limits
	}
	if e.ready.sandbox.mode != want || len(e.ready.why) == 0 || !strings.Contains(e.ready.why[0].Error(), "No permissions") {
		t.Errorf("the sandbox is %s, because of %v", e.ready.sandbox.mode, e.ready.why)
	}
	if (want == Landlock) != (log.Len() == 0) {
		t.Errorf("with %s, logged %q", want, &log)
	}

	e, err = New(Config{Sandbox: Bubblewrap})
	if err != nil {
		t.Fatal(err)
	}
	if why := e.Check(&preset); !strings.Contains(why, "No permissions") {
		t.Errorf("with bubblewrap demanded: %q", why)
	}
}

// TestLastResort has neither bubblewrap nor prlimit, without which there is no
// Landlock either: it is warned of, once.
func TestLastResort(t *testing.T) {
	ffmpegtest.Need(t)
	bin := t.TempDir()
	for _, name := range []string{"ffmpeg", "ffprobe"} {
		path, err := findProgram(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	var log strings.Builder
	e, err := New(Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	preset := systemPreset(t, "300300")
	for range 3 {
		if why := e.Check(&preset); why != "" {
			t.Error(why)
		}
	}
	if n := strings.Count(log.String(), "not locked in"); n != 1 || !strings.Contains(log.String(), "prlimit is not installed") {
		t.Errorf("logged %d warnings: %s", n, &log)
	}
	if got := e.Sandbox(); !strings.HasPrefix(got, "none") {
		t.Errorf("the sandbox calls itself %q", got)
	}
}

// TestKilledParent kills a process that encodes, and wants its children gone.
// The process is this test again.
func TestKilledParent(t *testing.T) {
	if input := os.Getenv("ETUDE_TEST_ENCODE"); input != "" {
		encodeForever(t, input)
	}
	ffmpegtest.Need(t)
	for _, mode := range Modes()[1:] {
		t.Run(string(mode), func(t *testing.T) {
			boxed(t, mode)
			killParent(t, mode)
		})
	}
}

func killParent(t *testing.T, mode Mode) {
	dir := t.TempDir()
	input := ffmpegtest.Clip(t, ffmpegtest.Spec{Rate: 8000, Channels: 1, Samples: 600 * 8000, Sound: "0.3*(random(0)-0.5)"})
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledParent$")
	cmd.Env = append(os.Environ(), "ETUDE_TEST_ENCODE="+input, "ETUDE_TEST_DIR="+dir, "ETUDE_TEST_MODE="+string(mode))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if said := bufio.NewScanner(out); !said.Scan() || said.Text() != "encoding" {
		t.Fatalf("%s: the process said %q", mode, said.Text())
	}
	if n := working(dir); n == 0 {
		t.Errorf("%s: nothing runs before the kill", mode)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // says that it was killed
	// Nobody is told when a grandchild ends.
	for since := time.Now(); working(dir) > 0; time.Sleep(time.Millisecond) {
		if time.Since(since) > 5*time.Second {
			t.Fatalf("%s: %d processes run on", mode, working(dir))
		}
	}
}

// encodeForever starts an encode and says when it runs.
func encodeForever(t *testing.T, input string) {
	e, err := New(Config{Sandbox: Mode(os.Getenv("ETUDE_TEST_MODE"))})
	if err != nil {
		t.Fatal(err)
	}
	enc := transcode.Encoding{
		Inputs: []transcode.Source{{Path: input}}, Dir: os.Getenv("ETUDE_TEST_DIR"),
		Outputs: []transcode.Rendition{{Name: "1", Preset: systemPreset(t, "100110")}},
	}
	said := false
	_, err = e.Encode(context.Background(), enc, func(p transcode.Progress) {
		if !said && p.Phase == transcode.Transcoding && p.Done > 0.03 {
			said = true
			fmt.Println("encoding")
		}
	})
	t.Fatal("the encode ended", err)
}

// working counts the processes that have a file open below dir.
func working(dir string) int {
	n := 0
	all, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range all {
		// In a jail, paths begin at its root; the test's name is in neither, so
		// the file is told by what it is.
		if a, err := os.Stat(fd); err == nil {
			if b, err := os.Stat(filepath.Join(dir, "1.m4a")); err == nil && os.SameFile(a, b) {
				n++
			}
		}
	}
	return n
}

// TestLineWriter feeds it what a hostile file may have ffmpeg print.
func TestLineWriter(t *testing.T) {
	var lines []string
	w := &lineWriter{line: func(s string) { lines = append(lines, s) }}
	for _, part := range []string{"one\ntw", "o\n\n[verbose] x\n", "\xff\x00\n", strings.Repeat("y", 10*maxLine), "\nlast"} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	w.flush()
	want := []string{"one", "two", "[verbose] x", "??", strings.Repeat("y", maxLine), "last"}
	if got := strings.Join(lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("lines are %.200q", got)
	}
	for range 10000 {
		fmt.Fprintln(w, "some line")
	}
	if tail := w.tail(); len(tail) > maxTail || len(tail) < maxTail/2 || strings.ReplaceAll(tail+"\n", "some line\n", "") != "" {
		t.Errorf("the tail has %d bytes", len(tail))
	}
}

// TestExitError tells whose fault an exit is.
func TestExitError(t *testing.T) {
	for tail, code := range map[string]int{
		"[fatal] x\n[error] a: Cannot allocate memory":                               4007,
		"Exiting normally, received signal 24.":                                      4007,
		"av_interleaved_write_frame(): No space left on device\nError: Invalid data": 0,
		"bwrap: Can't find source path":                                              0,
		"[error] file:INPUT: Invalid data found when processing input":               4000,
		"[error] something else":                                                     0,
	} {
		err := (&exitError{program: "ffmpeg", state: &os.ProcessState{}, tail: tail}).encodeFailure(&encodeWords{samples: []int64{-1}})
		var f *transcode.Failure
		if errors.As(err, &f); code == 0 && f != nil || code != 0 && (f == nil || f.Code != code) {
			t.Errorf("%s: %v, want code %d", tail, err, code)
		}
	}
}
