package sigv4_test

import (
	"maps"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// needBotocore returns a Python that has botocore. One that is not there skips
// the test at home and fails it in CI.
func needBotocore(t *testing.T) string {
	t.Helper()
	const python = "/usr/bin/python3" // the distribution's: python3-boto3 belongs to it
	if out, err := exec.Command(python, "-c", "import botocore").CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("run %s with botocore: %v: install python3-boto3\n%s", python, err, out)
		}
		t.Skipf("no %s with botocore (%v): install python3-boto3", python, err)
	}
	return python
}

// TestVerifyBotocore sends what botocore signs: other spelling of queries and
// paths than Go's, and headers that the Go SDK never signs.
func TestVerifyBotocore(t *testing.T) {
	python := needBotocore(t)
	srv := serve(t, "elastictranscoder")
	cmd := exec.CommandContext(t.Context(), python, "testdata/sender.py", srv.URL, testKey, testSecret)
	cmd.Env = append(os.Environ(), "AWS_EC2_METADATA_DISABLED=true", "NO_PROXY=*", "PYTHONDONTWRITEBYTECODE=1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run sender.py: %v\n%s", err, stderr.String())
	}

	got := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, status, _ := strings.Cut(strings.TrimSpace(line), " ")
		got[name] = status
	}
	want := map[string]string{
		"plain": "200", "body": "200", "token": "200", "query": "200", "escaped-path": "200", "odd-path": "200",
		"spaces": "200", "hash": "200", "user-agent": "200", "presigned": "200", "presigned-odd-path": "200",
		"unsigned-payload": "403", "other-path": "403",
	}
	client := map[string]string{"client-create": "200", "client-delete": "200", "client-list": "200"}
	if _, ok := got["client-create"]; ok {
		maps.Copy(want, client)
	} else {
		t.Log("this botocore has no client for elastictranscoder")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers to botocore (-want +got):\n%s", diff)
	}
}
