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
	args    []string // inputName stands for one of inputs
	inputs  []string // absolute paths of files to be read
	dir     string   // absolute path of where it works and writes; empty for none
	cpu     time.Duration
	stall   time.Duration // how long it may go without alive being called

	stdout io.Writer    // nil to drop it
	line   func(string) // gets each line of stderr; nil for none

	alive func() // set by run: the command made progress
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
	watchdog := time.AfterFunc(c.stall, func() {
		cancel(fmt.Errorf("%s made no progress for %v", name, c.stall))
	})
	defer watchdog.Stop()
	c.alive = func() { watchdog.Reset(c.stall) }

	// The child is killed when the thread that started it ends
	// (https://go.dev/issue/27505), so that has to live as long.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	stderr := &lineWriter{line: c.line}
	argv := s.command(c)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = environment
	cmd.Dir = c.dir
	cmd.Stdout, cmd.Stderr = c.stdout, stderr
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
			return os.ErrProcessDone
		}
		return nil
	}
	cmd.WaitDelay = time.Second // for a grandchild that keeps a pipe open
	err = cmd.Run()
	stderr.flush()
	if ctx.Err() != nil {
		return stderr.tail(), context.Cause(ctx)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return stderr.tail(), &exitError{program: name, state: exit.ProcessState, tail: stderr.tail()}
	}
	if err != nil {
		return stderr.tail(), fmt.Errorf("start %s: %w", name, err)
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
