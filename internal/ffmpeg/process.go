package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// command is a child process to be run.
type command struct {
	program string
	purpose string   // for the log
	args    []string // inputName stands for one of inputs
	inputs  []string // absolute paths of files to be read
	dir     string   // absolute path of where it works and writes; empty for none
	cpu     time.Duration
	stall   time.Duration // how long it may go without alive being called

	stdin  *os.File     // nil for none; run closes it
	pipes  []*os.File   // the child's files from 3 on; run closes them
	stdout io.Writer    // nil to drop it
	line   func(string) // gets each line of stderr; nil for none

	watch watchdog
}

// alive tells that the command made progress.
func (c *command) alive() { c.watch.alive() }

// closeFiles closes those that are the child's, and ours no more.
func (c *command) closeFiles() {
	if c.stdin != nil {
		c.stdin.Close()
	}
	for _, f := range c.pipes {
		f.Close()
	}
}

// watchdog bites a child process that makes no progress. While it is held, the
// child cannot be expected to make any: it waits for us. The zero value sleeps.
// Its methods may be called at any time and at once.
type watchdog struct {
	mu    sync.Mutex
	timer *time.Timer // nil when it sleeps
	stall time.Duration
	held  int
}

func (w *watchdog) start(stall time.Duration, bite func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stall, w.timer = stall, time.AfterFunc(stall, bite)
	if w.held > 0 {
		w.timer.Stop()
	}
}

func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
	w.timer = nil
}

func (w *watchdog) alive() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil && w.held <= 0 {
		w.timer.Reset(w.stall)
	}
}

// hold keeps it from biting until release is called, once for each hold. Where
// several wait for the child, and it is held only once, those come first.
func (w *watchdog) hold() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held++
	if w.timer != nil && w.held > 0 {
		w.timer.Stop()
	}
}

func (w *watchdog) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held--
	if w.timer != nil && w.held <= 0 {
		w.timer.Reset(w.stall)
	}
}

// exitError says that a child process ended badly.
type exitError struct {
	program string
	state   *os.ProcessState
	tail    string // the end of its stderr
}

func (e *exitError) Error() string {
	last := e.tail
	if i := strings.LastIndexByte(last, '\n'); i >= 0 {
		last = last[i+1:]
	}
	return fmt.Sprintf("%s ended with %v: %s", e.program, e.state, last)
}

// signaled reports whether a signal ended the child. Bubblewrap passes one on
// as an exit status, like a shell.
func (e *exitError) signaled(sig syscall.Signal) bool {
	status, ok := e.state.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == sig || e.state.ExitCode() == 128+int(sig)
}

// run runs a command to its end and returns the tail of its stderr. It returns
// the cause if ctx ends, an *exitError if the child fails, and another error if
// it cannot be started or hangs. When run returns, no process is left.
func (s *sandbox) run(ctx context.Context, c *command) (tail string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	name := c.program[strings.LastIndexByte(c.program, '/')+1:]
	c.watch.start(c.stall, func() { cancel(fmt.Errorf("%s made no progress for %v", name, c.stall)) })
	defer c.watch.stop()

	// The child is killed when the thread that started it ends
	// (https://go.dev/issue/27505), so that has to live as long.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	stderr := &lineWriter{line: c.line}
	argv, err := s.command(c)
	if err != nil {
		return "", fmt.Errorf("start %s: %w", name, err)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = environment
	cmd.Dir = c.dir
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = c.stdout, stderr, c.pipes
	if c.stdin != nil {
		cmd.Stdin = c.stdin
	}
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
			return os.ErrProcessDone
		}
		return nil
	}
	cmd.WaitDelay = time.Second // for a grandchild that keeps a pipe open
	err = cmd.Start()
	c.closeFiles()
	if err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", fmt.Errorf("start %s: %w", name, err)
	}
	batch(cmd.Process.Pid)
	began := time.Now()
	err = cmd.Wait()
	if cmd.ProcessState != nil {
		s.log.Debug("process ended", "program", name, "to", c.purpose, "wall", time.Since(began), "user", cmd.ProcessState.UserTime(), "system", cmd.ProcessState.SystemTime())
	}
	stderr.flush()
	if ctx.Err() != nil {
		return stderr.tail(), context.Cause(ctx)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return stderr.tail(), &exitError{program: name, state: exit.ProcessState, tail: stderr.tail()}
	}
	if err != nil {
		return stderr.tail(), fmt.Errorf("run %s: %w", name, err)
	}
	return stderr.tail(), nil
}

const (
	maxTail = 8 << 10 // bytes of stderr that are kept
	maxLine = 4 << 10 // bytes of a line that are looked at
)

// lineWriter cuts what is written into lines, and keeps the last of them but
// for ffmpeg's verbose ones.
type lineWriter struct {
	line func(string) // gets each line; nil for none

	mu   sync.Mutex // a writer may outlive its process by WaitDelay
	part []byte
	kept []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			w.add(p)
			break
		}
		w.add(p[:end])
		w.end()
		p = p[end+1:]
	}
	return n, nil
}

func (w *lineWriter) add(p []byte) {
	w.part = append(w.part, p[:min(len(p), maxLine-len(w.part))]...)
}

// flush ends the last line, if it did not end itself.
func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end()
}

// end ends a line. NUL is dropped with what is not UTF-8: a database's text
// may not hold it.
func (w *lineWriter) end() {
	if len(w.part) == 0 {
		return
	}
	line := strings.ReplaceAll(strings.ToValidUTF8(string(w.part), "?"), "\x00", "?")
	w.part = w.part[:0]
	if w.line != nil {
		w.line(line)
	}
	if strings.Contains(line, "[verbose] ") {
		return
	}
	w.kept = append(append(w.kept, line...), '\n')
	if len(w.kept) > 2*maxTail {
		w.kept = append(w.kept[:0], w.kept[len(w.kept)-maxTail:]...)
	}
}

// tail returns the last lines.
func (w *lineWriter) tail() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept := w.kept
	if len(kept) > maxTail {
		kept = kept[len(kept)-maxTail:]
		kept = kept[bytes.IndexByte(kept, '\n')+1:]
	}
	return strings.TrimSpace(string(kept))
}
