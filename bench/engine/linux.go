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

// reap waits for those that have ended, until none is left. What waits for more
// work stays.
func reap() {
	for none := 0; none < 20; {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return
		case pid == 0:
			none++
			time.Sleep(time.Millisecond)
		default:
			none = 0
		}
	}
}

// processorTime is that of this process, of all that it has waited for, and of
// those below it that still run.
func processorTime() time.Duration {
	sum := ownTime() + usage(syscall.RUSAGE_CHILDREN)
	for _, pid := range below() {
		threads, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task/*/schedstat")) // the pattern is good
		for _, thread := range threads {
			content, err := os.ReadFile(thread)
			if fields := strings.Fields(string(content)); err == nil && len(fields) > 0 {
				ran, _ := strconv.ParseInt(fields[0], 10, 64)
				sum += time.Duration(ran)
			}
		}
	}
	return sum
}

// ownTime is the processor time of this process alone.
func ownTime() time.Duration { return usage(syscall.RUSAGE_SELF) }

func usage(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		panic(err) // who is right
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// memoryOfAll is the proportional share of memory, in bytes, of this process and
// all below it.
func memoryOfAll() int64 {
	sum := memoryOf(os.Getpid())
	for _, pid := range below() {
		sum += memoryOf(pid)
	}
	return sum
}

// below are the processes below this one.
func below() (pids []int) {
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
		for p := parents[pid]; p > 1; p = parents[p] {
			if p == os.Getpid() {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
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
