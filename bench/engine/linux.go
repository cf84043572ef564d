//go:build linux

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// becomeReaper has processes whose parent is gone become our children: the
// sandbox leaves some, whose processor time would be counted by nobody.
func becomeReaper() error {
	const setChildSubreaper = 36
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0); errno != 0 {
		return errno
	}
	return nil
}

// reap waits for all of those. No other child may be running.
func reap() {
	for {
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(-1, &status, 0, nil); err != nil && !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}

// processorTime is that of this process and of all that it has waited for.
func processorTime() (sum time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var usage syscall.Rusage
		if err := syscall.Getrusage(who, &usage); err != nil {
			panic(err) // who is right
		}
		sum += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	return sum
}

// memoryOfAll is the proportional share of memory, in bytes, of this process and
// all below it.
func memoryOfAll() (sum int64) {
	parents := map[int]int{}
	places, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is good
	for _, place := range places {
		content, err := os.ReadFile(place)
		if err != nil {
			continue // it has ended
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(place)))
		after := string(content[strings.LastIndexByte(string(content), ')')+1:])
		if fields := strings.Fields(after); len(fields) > 1 {
			parents[pid], _ = strconv.Atoi(fields[1])
		}
	}
	for pid := range parents {
		for p := pid; p > 1; p = parents[p] {
			if p == os.Getpid() {
				sum += memoryOf(pid)
				break
			}
		}
	}
	return sum
}

func memoryOf(pid int) int64 {
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "smaps_rollup"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(content)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}
