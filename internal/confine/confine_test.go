package confine

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// confined runs a line of shell that may read what a shell needs, a file, and
// write a directory.
func confined(t *testing.T, r Rules, line string) string {
	t.Helper()
	if err := Available(); err != nil {
		t.Skip(err)
	}
	shell, err := filepath.EvalSymlinks("/bin/bash")
	if err != nil {
		t.Skip(err)
	}
	r.Run = append(r.Run, "/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives")
	r.Write = append(r.Write, "/dev/null")
	argv, err := Command(r, []string{shell, "-c", line})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	// Go kills the child of a thread that ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(bytes.ToValidUTF8(out, nil)))
}

func TestConfined(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	given, secret := filepath.Join(other, "given"), filepath.Join(other, "secret")
	for path, content := range map[string]string{given: "given", secret: "secret"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(secret, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	r := Rules{Read: []string{given, filepath.Join(other, "missing")}, Write: []string{dir}}
	tests := map[string]string{
		"cat " + given: "given",
		"echo made > " + dir + "/made && cat " + dir + "/made":                              "made",
		"cat " + secret + " 2>/dev/null || echo refused":                                    "refused",
		"cat " + dir + "/link 2>/dev/null || echo refused":                                  "refused",
		"(echo x >> " + given + ") 2>/dev/null || echo refused":                             "refused",
		"(echo x > " + other + "/new) 2>/dev/null || echo refused":                          "refused",
		"cp /usr/bin/true " + dir + "/true && " + dir + "/true 2>/dev/null || echo refused": "refused",
		"ln -s /etc/passwd " + dir + "/new 2>/dev/null || echo refused":                     "refused",
		"ls " + other + " >/dev/null 2>&1 || echo refused":                                  "refused",
		"cat /etc/passwd /proc/self/status 2>/dev/null || echo refused":                     "refused",
		"ln " + secret + " " + dir + "/hard 2>/dev/null || echo refused":                    "refused",
		"cat /proc/" + "$PPID/environ >/dev/null 2>&1 || echo refused":                      "refused",
	}
	if Network() {
		tests["(exec 3<>/dev/tcp/127.0.0.1/"+port+") 2>/dev/null || echo refused"] = "refused"
	}
	for line, want := range tests {
		if got := confined(t, r, line); got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
	if content, err := os.ReadFile(given); string(content) != "given" {
		t.Errorf("what was given is %q, %v", content, err)
	}
}

// TestOrphan wants no program to run whose parent is another than was said.
func TestOrphan(t *testing.T) {
	if err := Available(); err != nil {
		t.Skip(err)
	}
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{helper, `{"Run":["/"],"Parent":1}`, "/bin/echo", "hello"},
		{helper, `no rules`, "/bin/echo", "hello"},
		{helper, `{}`},
		{helper},
	} {
		cmd := exec.CommandContext(t.Context(), path, args...)
		out, err := cmd.CombinedOutput()
		if err == nil || cmd.ProcessState.ExitCode() != exitTrouble || !strings.HasPrefix(string(out), "confine: ") {
			t.Errorf("%q: %v, said %q", args, err, out)
		}
	}
}
