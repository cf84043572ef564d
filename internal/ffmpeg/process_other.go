//go:build !linux

package ffmpeg

import (
	"os"
	"syscall"
)

// ownGroup gives a child a process group of its own, to be killed whole. Only
// Linux can tie its life to its parent's.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// batch leaves a process as it is.
func batch(int) {}

// widen leaves a pipe as it is.
func widen(*os.File) {}
