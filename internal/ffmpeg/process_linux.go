package ffmpeg

import (
	"os"
	"syscall"
)

// ownGroup gives a child a process group of its own, to be killed whole, and
// lets the kernel kill it when its parent dies.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
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
