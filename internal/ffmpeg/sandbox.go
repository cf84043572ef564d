package ffmpeg

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"etude/internal/confine"
)

// Mode is how child processes are locked in.
type Mode string

// The modes. Whatever the mode, a child has an empty environment, a process
// group of its own, and dies with its parent.
const (
	Auto       Mode = "auto"       // the first of the others that works
	Bubblewrap Mode = "bubblewrap" // no network, no files but its own; an error where it does not work
	Landlock   Mode = "landlock"   // no files but its own, and no TCP where the kernel can tell; an error where it does not work
	Limits     Mode = "limits"     // limits on memory, processor time and file size only
)

// Modes returns all modes.
func Modes() []Mode { return []Mode{Auto, Bubblewrap, Landlock, Limits} }

func (m Mode) valid() bool { return slices.Contains(Modes(), m) }

// sandbox starts child processes.
type sandbox struct {
	mode     Mode   // never Auto
	bwrap    string // path of bubblewrap, where it is used
	prlimit  string // path of prlimit; empty where there is none
	memory   int64  // bytes
	fileSize int64  // bytes
	log      *slog.Logger
}

// newSandbox returns the sandbox of a mode, not Auto, or says what keeps the host
// from it. Whether it works is yet to be tried: many containers allow no
// namespaces.
func newSandbox(mode Mode, cfg Config) (*sandbox, error) {
	s := &sandbox{mode: mode, memory: cfg.Memory, fileSize: cfg.FileSize, log: cfg.Logger}
	var err error
	if s.prlimit, err = findProgram("prlimit"); err != nil && mode != Limits {
		return nil, errors.New("prlimit is not installed (package util-linux)")
	}
	switch mode {
	case Bubblewrap:
		if s.bwrap, err = findProgram("bwrap"); err != nil {
			return nil, errors.New("bubblewrap is not installed")
		}
	case Landlock:
		if err := confine.Available(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *sandbox) String() string {
	const limits = "limits on memory, processor time and file size"
	switch {
	case s.mode == Bubblewrap:
		return "bubblewrap: no network, no files but its own, no other processes, " + limits
	case s.mode == Landlock && confine.Network():
		return "Landlock: no TCP, no files but its own, " + limits
	case s.mode == Landlock:
		return "Landlock: no files but its own, " + limits + "; this kernel's cannot keep it from the network"
	case s.prlimit != "":
		return limits + " only: it can read what Etude can, and use the network"
	}
	return "none: not even prlimit is there"
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
func (s *sandbox) command(c *command) ([]string, error) {
	argv := append(s.limits(c), c.program)
	places := make(map[string]string, len(c.inputs))
	for i, path := range c.inputs {
		if s.mode == Bubblewrap {
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
	switch s.mode {
	case Bubblewrap:
		return append(s.jail(c), argv...), nil
	case Landlock:
		return confine.Command(confinement(c), argv)
	}
	return argv, nil
}

// jail is the front of a command line that puts it into bubblewrap.
func (s *sandbox) jail(c *command) []string {
	argv := append([]string{s.bwrap}, jail(c.program)...)
	for i, path := range c.inputs {
		argv = append(argv, "--ro-bind", path, jailInput+strconv.Itoa(i+1))
	}
	if c.dir != "" {
		argv = append(argv, "--bind", c.dir, jailDir, "--chdir", jailDir)
	}
	return append(argv, "--remount-ro", "/", "--")
}

// confinement is what Landlock is told: the same as bubblewrap, by the paths that
// things have outside.
func confinement(c *command) confine.Rules {
	r := confine.Rules{
		Run:   slices.Concat([]string{c.program}, systemDirs, packageRoots(c.program)),
		Read:  slices.Concat([]string{"/dev/urandom", "/dev/zero"}, systemFiles(), c.inputs),
		Write: []string{"/dev/null"},
	}
	if c.dir != "" {
		r.Write = append(r.Write, c.dir)
	}
	return r
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
	if s.mode == Bubblewrap {
		argv = append(argv, "--nproc=512")
	}
	return append(argv, "--")
}

// systemDirs are where programs and libraries lie.
var systemDirs = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}

// systemFiles are what the dynamic linker reads; Debian's BLAS is a link in
// alternatives.
func systemFiles() []string {
	musl, _ := filepath.Glob("/etc/ld-musl-*.path") // the pattern is good
	return append(musl, "/etc/ld.so.cache", "/etc/alternatives")
}

// packageRoots is the roof under which a program's libraries lie, for those of
// packages that are not the system's.
func packageRoots(program string) []string {
	for _, root := range []string{"/opt", "/nix/store", "/gnu/store"} {
		if strings.HasPrefix(program, root+"/") {
			return []string{root}
		}
	}
	return nil
}

// jail is what bubblewrap is told of the world: programs and libraries to be
// read, and nothing else.
func jail(program string) []string {
	args := []string{"--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"}
	for _, dir := range systemDirs {
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
	for _, file := range systemFiles() {
		args = append(args, "--ro-bind-try", file, file)
	}
	if !strings.HasPrefix(program, "/usr/") {
		args = append(args, "--ro-bind", program, program)
		for _, root := range packageRoots(program) {
			args = append(args, "--ro-bind", root, root)
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
