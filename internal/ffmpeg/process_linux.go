package ffmpeg

import "syscall"

// ownGroup gives a child a process group of its own, to be killed whole, and
// lets the kernel kill it when its parent dies.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
