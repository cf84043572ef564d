package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/ffmpeg/ffmpegtest"
)

// tools is a home directory with a Python whose botocore has no client for
// Elastic Transcoder, or is made to have none.
type tools struct {
	python string
	home   string
	env    []string
}

func (s *server) toolsOf(t *testing.T, python string) *tools {
	home := t.TempDir()
	return &tools{python: python, home: home, env: append(s.awsEnvironment(t), "HOME="+home, "NO_PROXY=*")}
}

func (u *tools) run(t *testing.T, program string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(testContext(t), program, args...)
	cmd.Env = u.env
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// program runs a program below testdata, or "aws".
func (u *tools) program(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return u.run(t, u.python, append([]string{"testdata/without_client.py"}, args...)...)
}

func (u *tools) install(t *testing.T, args ...string) string {
	t.Helper()
	out, err := u.run(t, binary, append([]string{"aws-model", "install"}, args...)...)
	if err != nil {
		t.Fatalf("install the model: %v\n%s", err, out)
	}
	return out
}

// TestInstalledModel has an old program, and the AWS CLI, go on where the SDK
// has dropped the service.
func TestInstalledModel(t *testing.T) {
	ffmpegtest.Need(t)
	python := need(t, "/usr/bin/python3")
	s := shared(t)
	t.Run("distribution", func(t *testing.T) { s.checkModel(t, python, "media/model/distribution.wav") })
	t.Run("newest", func(t *testing.T) { s.checkModel(t, newPython(t), "media/model/newest.wav") })
}

// newPython is the Python of the PATH, if it has a botocore without the client.
// No machine needs to have one.
func newPython(t *testing.T) string {
	const script = `
import boto3, botocore.session, sys
assert "elastictranscoder" not in botocore.session.Session().get_available_services()
print(sys.executable)`
	cmd := exec.CommandContext(t.Context(), "python3", "-c", script)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "AWS_DATA_PATH=")
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("python3 has no boto3 that lacks the client: %v", err)
	}
	return strings.TrimSpace(string(out))
}

func (s *server) checkModel(t *testing.T, python, input string) {
	s.put(t, input, song(t, 2))
	u := s.toolsOf(t, python)
	if out, err := u.program(t, "testdata/old_program.py", input); err == nil || !strings.Contains(out, "UnknownServiceError") {
		t.Fatalf("before the model is installed: %v\n%s\nwant UnknownServiceError", err, out)
	}
	u.install(t)
	out, err := u.program(t, "testdata/old_program.py", input)
	if want := "Complete Complete Complete Complete"; err != nil || out != want {
		t.Errorf("the program says %q, %v; want %q", out, err, want)
	}
	if _, err := u.run(t, python, "-c", "import awscli"); err == nil {
		out, err = u.program(t, "aws", "--endpoint-url", s.edge, "elastictranscoder", "list-pipelines", "--query", "Pipelines[].Name", "--output", "text")
		if err != nil || out != "Audio Files" {
			t.Errorf("aws says %q, %v; want Audio Files", out, err)
		}
	}
	s.checkModelEndpoint(t, u)
}

// checkModelEndpoint asks without an endpoint in the program: botocore reads
// the variables since 1.31; and it names the service's own variable after its
// client now, where it had a name of its own while there was one.
func (s *server) checkModelEndpoint(t *testing.T, u *tools) {
	const script = `import boto3; print(boto3.client("elastictranscoder").list_pipelines()["Pipelines"][0]["Name"])`
	out, err := u.run(t, u.python, "-c", script)
	if err == nil || !strings.Contains(out, "AWS has ended Elastic Transcoder: name your Etude server, with AWS_ENDPOINT_URL") {
		t.Errorf("without an endpoint: %v\n%s\nwant to be told what to set", err, out)
	}
	const reads = `import botocore; print([int(n) for n in botocore.__version__.split(".")[:2]] >= [1, 31])`
	if out, err := u.run(t, u.python, "-c", reads); err != nil || out != "True" {
		return
	}
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ELASTICTRANSCODER"} {
		with := &tools{python: u.python, env: append(u.env[:len(u.env):len(u.env)], name+"="+s.edge)}
		if out, err := with.run(t, u.python, "-c", script); err != nil || out != "Audio Files" {
			t.Errorf("with %s: %v\n%s\nwant Audio Files", name, err, out)
		}
	}
}

// TestInstallModel looks at the files themselves.
func TestInstallModel(t *testing.T) {
	home := t.TempDir()
	u := &tools{home: home, env: []string{"HOME=" + home}}
	dir := filepath.Join(home, ".aws", "models", "elastictranscoder", "2012-09-25")
	type file struct {
		text string
		mode os.FileMode
	}
	files := func(dir string) map[string]file {
		t.Helper()
		found := map[string]file{}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			info, err := e.Info()
			if err != nil {
				t.Fatal(err)
			}
			found[e.Name()] = file{string(text), info.Mode()}
		}
		return found
	}
	said := u.install(t)
	first := files(dir)
	for _, name := range []string{"service-2.json", "paginators-1.json", "waiters-2.json", "endpoint-rule-set-1.json"} {
		if first[name].mode != 0o644 || !strings.Contains(said, filepath.Join(dir, name)) {
			t.Errorf("%s has the mode %v, and install says\n%s", name, first[name].mode, said)
		}
	}

	// A second time, over what somebody broke, nothing is different.
	if err := os.WriteFile(filepath.Join(dir, "waiters-2.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if again := u.install(t); again != said {
		t.Errorf("a second time it says\n%s", again)
	}
	if diff := cmp.Diff(first, files(dir), cmp.AllowUnexported(file{})); diff != "" {
		t.Errorf("after the first time (-), after the second (+):\n%s", diff)
	}

	other := filepath.Join(home, "it's here")
	if said := u.install(t, "--dir", other); !strings.Contains(said, `export AWS_DATA_PATH='`+home+`/it'\''s here'`) {
		t.Errorf("into a directory of one's own it says\n%s\nwant the variable that points there", said)
	}
	if diff := cmp.Diff(first, files(filepath.Join(other, "elastictranscoder", "2012-09-25")), cmp.AllowUnexported(file{})); diff != "" {
		t.Errorf("in ~/.aws/models (-), in a directory of one's own (+):\n%s", diff)
	}

	taken := filepath.Join(home, "taken")
	if err := os.WriteFile(taken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := u.run(t, binary, "aws-model", "install", "--dir", taken)
	if err == nil || !strings.Contains(out, "--dir") || !strings.Contains(out, taken) || strings.Contains(out, "Wrote") {
		t.Errorf("where a file is in the way: %v\n%s\nwant an error that names it and --dir", err, out)
	}
}
