package ffmpeg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Mode is how child processes are locked in.
type Mode string

// The modes. Whatever the mode, a child has an empty environment, a process
// group of its own, and dies with its parent.
const (
	Auto       Mode = "auto"       // bubblewrap where it works, else limits
	Bubblewrap Mode = "bubblewrap" // no network, no files but its own; an error where it does not work
	Limits     Mode = "limits"     // limits on memory, processor time and file size only
)

// Modes returns all modes.
func Modes() []Mode { return []Mode{Auto, Bubblewrap, Limits} }

func (m Mode) valid() bool { return slices.Contains(Modes(), m) }

// sandbox starts child processes.
type sandbox struct {
	bwrap    string // path of bubblewrap; empty where it is not used
	prlimit  string // path of prlimit; empty where there is none
	memory   int64  // bytes
	fileSize int64  // bytes
}

// newSandbox finds the strongest means that the host has, and says what keeps
// it from a stronger one. Whether bubblewrap works is yet to be tried: many
// containers allow no namespaces.
func newSandbox(cfg Config) (*sandbox, error) {
	s := &sandbox{memory: cfg.Memory, fileSize: cfg.FileSize}
	var err error
	if s.prlimit, err = findProgram("prlimit"); err != nil {
		return s, errors.New("prlimit is not installed (package util-linux)")
	}
	if cfg.Sandbox == Limits {
		return s, errors.New("bubblewrap is turned off")
	}
	if s.bwrap, err = findProgram("bwrap"); err != nil {
		return s, errors.New("bubblewrap is not installed")
	}
	return s, nil
}

func (s *sandbox) String() string {
	switch {
	case s.bwrap != "":
		return "bubblewrap: no network, no files but its own, limits on memory, processor time, file size and processes"
	case s.prlimit != "":
		return "limits on memory, processor time and file size only: bubblewrap is missing or does not work here"
	}
	return "none: neither bubblewrap nor prlimit is there"
}

// inputName stands for an input, counted from 0, in a command's arguments: where
// it lies is the sandbox's business.
func inputName(i int) string { return "file:INPUT" + strconv.Itoa(i+1) }

// The places inside bubblewrap.
const (
	jailInput = "/job/input" // and a number, from 1
	jailDir   = "/job/out"
)

// command returns how a command is started in the sandbox.
func (s *sandbox) command(c *command) []string {
	var argv []string
	if s.bwrap != "" {
		argv = append(argv, s.bwrap)
		argv = append(argv, jail(c.program)...)
		for i, path := range c.inputs {
			argv = append(argv, "--ro-bind", path, jailInput+strconv.Itoa(i+1))
		}
		if c.dir != "" {
			argv = append(argv, "--bind", c.dir, jailDir, "--chdir", jailDir)
		}
		argv = append(argv, "--remount-ro", "/", "--")
	}
	argv = append(argv, s.limits(c)...)
	argv = append(argv, c.program)
	places := make(map[string]string, len(c.inputs))
	for i, path := range c.inputs {
		if s.bwrap != "" {
			path = jailInput + strconv.Itoa(i+1)
		}
		places[inputName(i)] = "file:" + path
	}
	for _, arg := range c.args {
		if place, ok := places[arg]; ok {
			arg = place
		}
		argv = append(argv, arg)
	}
	return argv
}

// limits is the front of a command line that sets the limits, which stay over
// the exec. The processor time's soft limit comes first and is a signal that
// ffmpeg ends by in good order. The kernel counts processes by user, so their
// number is limited only where the namespace has a user of its own.
func (s *sandbox) limits(c *command) []string {
	if s.prlimit == "" {
		return nil
	}
	cpu := max(1, int(c.cpu/time.Second))
	argv := []string{
		s.prlimit,
		"--as=" + strconv.FormatInt(s.memory, 10),
		fmt.Sprintf("--cpu=%d:%d", cpu, cpu+5),
		"--fsize=" + strconv.FormatInt(s.fileSize, 10),
		"--nofile=1024",
		// ffmpeg reads each of several inputs in a thread, whose stack is as
		// large as this: 200 of them are to fit into the address space.
		"--stack=" + strconv.Itoa(4<<20),
		"--core=0",
	}
	if s.bwrap != "" {
		argv = append(argv, "--nproc=512")
	}
	return append(argv, "--")
}

// jail is what bubblewrap is told of the world: programs and libraries to be
// read, and nothing else.
func jail(program string) []string {
	args := []string{
		"--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
		"--ro-bind", "/usr", "/usr",
	}
	for _, dir := range []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"} {
		info, err := os.Lstat(dir)
		if err != nil {
			continue
		}
		if info.Mode()&os.ModeSymlink == 0 {
			args = append(args, "--ro-bind", dir, dir)
		} else if to, err := os.Readlink(dir); err == nil {
			args = append(args, "--symlink", to, dir)
		}
	}
	// What the dynamic linker reads; Debian's BLAS is a link in alternatives.
	musl, _ := filepath.Glob("/etc/ld-musl-*.path") // the pattern is good
	for _, file := range append(musl, "/etc/ld.so.cache", "/etc/alternatives") {
		args = append(args, "--ro-bind-try", file, file)
	}
	if !strings.HasPrefix(program, "/usr/") {
		args = append(args, "--ro-bind", program, program)
		// Libraries of packages that are not the system's lie under one roof.
		for _, root := range []string{"/opt", "/nix/store", "/gnu/store"} {
			if strings.HasPrefix(program, root+"/") {
				args = append(args, "--ro-bind", root, root)
			}
		}
	}
	return append(args, "--dev", "/dev")
}

// environment is all that a child is told. LC_ALL keeps its words English.
// More threads or arenas than one would only use up address space.
var environment = []string{
	"LC_ALL=C", "PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/", "AV_LOG_FORCE_NOCOLOR=1",
	"MALLOC_ARENA_MAX=2", "OPENBLAS_NUM_THREADS=1", "OMP_NUM_THREADS=1",
}
