// Package mototest gives a test moto, an independent implementation of AWS's
// services: queues and topics that behave as Amazon's, without an account. It
// knows nothing of what the test does with it.
package mototest

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// server runs until its standard input ends, with the test's process at the
// latest.
const server = `
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("http://%s:%d" % server.get_host_and_port(), flush=True)
sys.stdin.read()
server.stop()
`

// Start starts moto for the test and returns its URL. Where it is not installed,
// the test is skipped, on CI too: Debian has no package of it.
func Start(t testing.TB) string {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		missing(t, err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", server)
	cmd.Env = append(os.Environ(), "NO_PROXY=*")
	var complaint strings.Builder
	cmd.Stderr = &complaint
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait() // it may have been ended with the test's context
	})
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = cmd.Wait() // says less than what it has written
		missing(t, errors.New(complaint.String()))
	}
	return strings.TrimSpace(url)
}

func missing(t testing.TB, err error) {
	t.Helper()
	t.Skipf("no python3 with moto (%v): python3 -m pip install 'moto[server]'", err)
}
