package confine

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"
)

// What Linux calls things: include/uapi/linux/landlock.h and prctl.h.
const (
	sysCreateRuleset = 444
	sysAddRule       = 445
	sysRestrictSelf  = 446

	createRulesetVersion = 1 // a flag
	rulePathBeneath      = 1

	prSetPdeathsig  = 1
	prSetNoNewPrivs = 38
	openPath        = 0x200000 // O_PATH
	allScopes       = 1<<2 - 1
	firstVersionTCP = 4
	firstVersionAll = 6 // with scopes
	fsExecute       = 1 << 0
	fsWriteFile     = 1 << 1
	fsReadFile      = 1 << 2
	fsReadDir       = 1 << 3
	fsRemoveDir     = 1 << 4
	fsRemoveFile    = 1 << 5
	fsMakeDir       = 1 << 7
	fsMakeReg       = 1 << 8
	fsMakeFifo      = 1 << 10
	fsTruncate      = 1 << 14
	fsIoctlDev      = 1 << 15
	fsOnFiles       = fsExecute | fsWriteFile | fsReadFile | fsTruncate | fsIoctlDev
	fsRead          = fsReadFile | fsReadDir
	fsRun           = fsRead | fsExecute
	fsWrite         = fsRead | fsWriteFile | fsRemoveDir | fsRemoveFile | fsMakeDir | fsMakeReg | fsMakeFifo | fsTruncate
)

// rulesetAttr is struct landlock_ruleset_attr. Older kernels take a longer one
// than theirs, if what they do not know is zero.
type rulesetAttr struct{ FS, Net, Scoped uint64 }

// handled is all that a version of Landlock can forbid. UDP, from version 10 on,
// goes with TCP.
func handled(version int) rulesetAttr {
	a := rulesetAttr{FS: 1<<13 - 1}
	for _, step := range []struct {
		version int
		fs, net uint64
	}{{2, 1<<14 - 1, 0}, {3, 1<<15 - 1, 0}, {firstVersionTCP, 1<<15 - 1, 1<<2 - 1}, {5, 1<<16 - 1, 1<<2 - 1}, {10, 1<<16 - 1, 1<<4 - 1}} {
		if version >= step.version {
			a.FS, a.Net = step.fs, step.net
		}
	}
	if version >= firstVersionAll {
		a.Scoped = allScopes
	}
	return a
}

// Version is that of the kernel's Landlock; 0 if there is none.
func Version() int {
	version, _, errno := syscall.RawSyscall(sysCreateRuleset, 0, 0, createRulesetVersion)
	if errno != 0 {
		return 0
	}
	return int(version)
}

// Network reports whether a program that is confined cannot use TCP.
func Network() bool { return Version() >= firstVersionTCP }

// exec runs while packages are initialized, which Go does on the thread that the
// process began with: that is the one its parent waits for.
func (r *request) exec(argv []string) error {
	// Executing a program keeps both of these.
	if err := prctl(prSetPdeathsig, uintptr(syscall.SIGKILL)); err != nil {
		return fmt.Errorf("die with the parent: %w", err)
	}
	if os.Getppid() != r.Parent {
		return errors.New("the parent is dead already")
	}
	if err := prctl(prSetNoNewPrivs, 1); err != nil {
		return fmt.Errorf("give up privileges: %w", err)
	}
	if err := r.restrict(); err != nil {
		return err
	}
	return fmt.Errorf("become %s: %w", argv[0], syscall.Exec(argv[0], argv, os.Environ()))
}

func prctl(option, value uintptr) error {
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, option, value, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func (r *request) restrict() error {
	attr := handled(Version())
	fd, _, errno := syscall.RawSyscall(sysCreateRuleset, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0) //nolint:gosec // a system call
	if errno != 0 {
		return fmt.Errorf("make rules: %w", errno)
	}
	for _, group := range []struct {
		paths  []string
		rights uint64
	}{{r.Run, fsRun}, {r.Read, fsRead}, {r.Write, fsWrite}} {
		for _, path := range group.paths {
			if err := allow(fd, path, group.rights&attr.FS); err != nil {
				return fmt.Errorf("allow %s: %w", path, err)
			}
		}
	}
	if _, _, errno := syscall.RawSyscall(sysRestrictSelf, fd, 0, 0); errno != 0 {
		return fmt.Errorf("put on rules: %w", errno)
	}
	return syscall.Close(int(fd))
}

// allow adds a rule for what is below a path. Its struct
// landlock_path_beneath_attr is packed: eight bytes and four.
func allow(ruleset uintptr, path string, rights uint64) error {
	fd, err := syscall.Open(path, openPath|syscall.O_CLOEXEC, 0)
	if errors.Is(err, syscall.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	var stat syscall.Stat_t
	if err := syscall.Fstat(fd, &stat); err != nil {
		return err
	}
	if stat.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		rights &= fsOnFiles
	}
	attr := struct {
		rights uint64
		fd     int32
	}{rights, int32(fd)} //nolint:gosec // file descriptors are small
	_, _, errno := syscall.RawSyscall6(sysAddRule, ruleset, rulePathBeneath, uintptr(unsafe.Pointer(&attr)), 0, 0, 0) //nolint:gosec // a system call
	if errno != 0 {
		return errno
	}
	return nil
}
