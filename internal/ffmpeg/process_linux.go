package ffmpeg

import (
	"os"
	"syscall"
	"unsafe"
)

// ownGroup gives a child a process group of its own, to be killed whole, and
// lets the kernel kill it when its parent dies.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// batch tells the kernel that a process, and what it starts, computes and is
// waited for by nobody: it is not woken at the expense of another, so that all
// spend less time on taking turns. It works as well if that is not allowed.
func batch(pid int) {
	const schedBatch = 3
	var priority int32 // there is only 0
	_, _, _ = syscall.Syscall(syscall.SYS_SCHED_SETSCHEDULER, uintptr(pid), schedBatch, uintptr(unsafe.Pointer(&priority)))
}

// widen makes a pipe hold more, so that those at its ends wake each other less
// often. It works as well if that is not allowed.
func widen(pipe *os.File) {
	conn, err := pipe.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) {
		_, _, _ = syscall.Syscall(syscall.SYS_FCNTL, fd, setPipeSize, pipeBytes)
	})
}

const (
	setPipeSize = 1031 // F_SETPIPE_SZ
	pipeBytes   = 1 << 20
)
