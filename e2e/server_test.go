// Package e2e_test drives the built program from outside, as its users do: with
// AWS's own clients, with a browser's requests, and with signals.
package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	accessKey = "ETUDTESTTESTTEST"
	secretKey = "e2e-secret-e2e-secret"
	email     = "admin@example.com"
	password  = "correct horse battery"
)

// binary is the program, built once for all tests.
var binary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "etude-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "etude")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "../cmd/etude").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build etude: %v\n%s", err, out)
		return 1
	}
	defer stopShared()
	return m.Run()
}

// server is a running etude serve.
type server struct {
	cmd        *exec.Cmd
	log        *bytes.Buffer
	site, edge string
	data       string
	exited     chan error
}

// environment is what a server of the tests is started with: nothing of the
// machine's own AWS settings reaches it.
func environment(extra ...string) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.TempDir(), "TMPDIR=" + os.TempDir(),
		"ETUDE_ACCESS_KEY_ID=" + accessKey, "ETUDE_SECRET_ACCESS_KEY=" + secretKey,
		"ETUDE_ADMIN_EMAIL=" + email, "ETUDE_ADMIN_PASSWORD=" + password,
	}
	return append(env, extra...)
}

// start runs a server on free ports and returns when it is ready.
func start(data string, env []string, flags ...string) (*server, error) {
	args := append([]string{"serve", "--data", data, "--site-addr", "127.0.0.1:0", "--edge-addr", "127.0.0.1:0"}, flags...)
	s := &server{cmd: exec.Command(binary, args...), log: new(bytes.Buffer), data: data, exited: make(chan error, 1)}
	s.cmd.Env = env
	s.cmd.Stderr = s.log
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	ready := false
	for lines := bufio.NewScanner(stdout); !ready && lines.Scan(); {
		ready = strings.Contains(lines.Text(), "is ready after")
	}
	if !ready {
		err := s.cmd.Wait()
		return nil, fmt.Errorf("the server did not start: %v\n%s", err, s.log)
	}
	go func() { s.exited <- s.cmd.Wait() }()
	text, err := os.ReadFile(filepath.Join(data, "serve.json"))
	if err != nil {
		return nil, err
	}
	var where struct{ Site, Edge string }
	if err := json.Unmarshal(text, &where); err != nil {
		return nil, err
	}
	s.site, s.edge = where.Site, where.Edge
	return s, nil
}

// stop ends the server in good order and returns what it exited with.
func (s *server) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.exited:
		return err
	case <-time.After(time.Minute):
		_ = s.cmd.Process.Kill()
		return fmt.Errorf("the server did not stop within a minute\n%s", s.log)
	}
}

// kill ends the server without a word.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	if err := <-s.exited; err == nil {
		panic("a killed server exited with 0")
	}
}

// startFor runs a server for one test.
func startFor(t *testing.T, data string, flags ...string) *server {
	t.Helper()
	s, err := start(data, environment(), flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.cmd.ProcessState != nil {
			return
		}
		if err := s.stop(); err != nil {
			t.Errorf("stop: %v\n%s", err, s.log)
		}
	})
	return s
}

var (
	sharedOnce   sync.Once
	sharedServer *server
	sharedDir    string
	sharedErr    error
)

// shared is the server of all tests that do not stop theirs.
func shared(t *testing.T) *server {
	t.Helper()
	sharedOnce.Do(func() {
		//nolint:usetesting // it outlives the test that is the first to ask
		if sharedDir, sharedErr = os.MkdirTemp("", "etude-e2e-data-"); sharedErr == nil {
			sharedServer, sharedErr = start(filepath.Join(sharedDir, "data"), environment(), "--max-upload", "8MiB")
		}
	})
	if sharedErr != nil {
		t.Fatal(sharedErr)
	}
	return sharedServer
}

func stopShared() {
	if sharedServer != nil {
		if err := sharedServer.stop(); err != nil {
			fmt.Fprintf(os.Stderr, "stop the shared server: %v\n%s", err, sharedServer.log)
		}
	}
	_ = os.RemoveAll(sharedDir)
}

func (s *server) awsConfig() aws.Config {
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(s.edge),
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
		HTTPClient:  &http.Client{},
	}
}

func (s *server) s3() *s3.Client {
	return s3.NewFromConfig(s.awsConfig(), func(o *s3.Options) { o.UsePathStyle = true })
}

func (s *server) et() *elastictranscoder.Client {
	return elastictranscoder.NewFromConfig(s.awsConfig())
}

// need skips the test at home and fails it in CI where a program is missing.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", program)
	}
	t.Skipf("%s is not installed: scripts/bootstrap test", program)
	return ""
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}
