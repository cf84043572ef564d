package ffmpeg

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestLimitsBite has a program run into each of the limits, in each of the
// sandboxes.
func TestLimitsBite(t *testing.T) {
	for _, mode := range Modes()[1:] {
		t.Run(string(mode), func(t *testing.T) {
			tools := boxed(t, mode)
			box := *tools.sandbox
			box.memory, box.fileSize = 200<<20, 1<<20
			run := func(line string) (string, *exitError) {
				var out strings.Builder
				_, err := box.run(t.Context(), &command{
					program: "/bin/sh", args: []string{"-c", line}, dir: t.TempDir(), cpu: time.Second, stall: time.Minute, stdout: &out,
				})
				var exit *exitError
				if err != nil && !errors.As(err, &exit) {
					t.Fatal(err)
				}
				return out.String(), exit
			}
			if out, exit := run("dd if=/dev/zero of=/dev/null bs=300M count=1"); exit == nil || !strings.Contains(exit.tail, "memory") {
				t.Errorf("memory: said %q, %v", out, exit)
			}
			if _, exit := run("dd if=/dev/zero of=/dev/null bs=100M count=1"); exit != nil {
				t.Errorf("memory that may be used: %v", exit)
			}
			if _, exit := run("exec dd if=/dev/zero of=large bs=64k count=17"); exit == nil || !exit.signaled(syscall.SIGXFSZ) {
				t.Errorf("file size: %v", exit)
			}
			if _, exit := run("while :; do :; done"); exit == nil || !exit.signaled(syscall.SIGXCPU) {
				t.Errorf("processor time: %v", exit)
			}
			if mode == Bubblewrap {
				forkInJail(t, &box)
			}
		})
	}
}

// forkInJail starts too many processes. The kernel counts them by user, outside
// of bubblewrap all that the user has, so there is a limit only within; and it
// never counts those of root, so a test that is root's becomes nobody.
func forkInJail(t *testing.T, box *sandbox) {
	argv, err := box.command(&command{program: "/bin/sh", args: []string{"-c", "for i in $(seq 600); do sleep 60 & done; echo all run"}, cpu: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = environment, "/"
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "bwrap: ") && os.Getenv("CI") != "true" {
		t.Skip(string(out)) // nobody may make no namespaces here
	}
	if err == nil || !strings.Contains(string(out), "fork") || strings.Contains(string(out), "all run") {
		t.Errorf("processes: said %q, %v", out, err)
	}
}
