//go:build !linux

package confine

import "errors"

// Version is that of the kernel's Landlock, which only Linux has.
func Version() int { return 0 }

// Network reports whether a program that is confined cannot use TCP.
func Network() bool { return false }

func (*request) exec([]string) error { return errors.New("only Linux has Landlock") }
