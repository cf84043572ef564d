package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"etude/internal/ffmpeg/ffmpegtest"
)

// awsEnvironment is all that AWS's own tools need to be told.
func (s *server) awsEnvironment(t *testing.T) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey, "AWS_DEFAULT_REGION=eu-west-1",
		"EDGE=" + s.edge,
	}
}

func (s *server) tool(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(testContext(t), program, args...)
	cmd.Env = s.awsEnvironment(t)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestOldBoto3Program is a program as people wrote it when Elastic Transcoder
// was there, with nothing changed but the endpoint.
func TestOldBoto3Program(t *testing.T) {
	ffmpegtest.Need(t)
	python := need(t, "/usr/bin/python3")
	s := shared(t)
	s.put(t, "media/boto/song.wav", song(t, 2))
	script, err := filepath.Abs("testdata/old_program.py")
	if err != nil {
		t.Fatal(err)
	}
	out := s.tool(t, python, script, "media/boto/song.wav")
	if got, want := strings.TrimSpace(out), "Complete Complete Complete Complete"; got != want {
		t.Errorf("the program says %q, want %q", got, want)
	}
}

func TestAWSCommandLine(t *testing.T) {
	ffmpegtest.Need(t)
	cli := need(t, "/usr/bin/aws")
	s := shared(t)
	aws := func(args ...string) string {
		return s.tool(t, cli, append([]string{"--endpoint-url", s.edge, "--output", "json"}, args...)...)
	}
	file := song(t, 2)
	aws("s3", "cp", file, "s3://media/media/cli/söng +%41.wav")

	var pipelines struct {
		Pipelines []struct{ ID, Name string }
	}
	if err := json.Unmarshal([]byte(aws("elastictranscoder", "list-pipelines")), &pipelines); err != nil {
		t.Fatal(err)
	}
	if len(pipelines.Pipelines) != 1 || pipelines.Pipelines[0].Name != "Audio Files" {
		t.Fatalf("pipelines = %+v, want one, Audio Files", pipelines)
	}
	var made struct{ Job struct{ ID string } }
	if err := json.Unmarshal([]byte(aws("elastictranscoder", "create-job",
		"--pipeline-id", pipelines.Pipelines[0].ID, "--input", `{"Key": "media/cli/söng +%41.wav"}`,
		"--output-key-prefix", "transcoded/cli/", "--outputs", `[{"Key": "söng +%41.flac", "PresetId": "1351620000001-300110"}]`)), &made); err != nil {
		t.Fatal(err)
	}
	job := s.await(t, made.Job.ID)
	if got, want := statuses(job), "Complete: Complete"; got != want {
		t.Fatalf("job = %s, want %s", got, want)
	}
	back := filepath.Join(t.TempDir(), "back.flac")
	aws("s3", "cp", "s3://media/transcoded/cli/söng +%41.flac", back)
	if f := ffmpegtest.Probe(t, back); f.Codec != "flac" {
		t.Errorf("the result's codec = %s, want flac", f.Codec)
	}
	if got := aws("elastictranscoder", "read-job", "--id", made.Job.ID, "--query", "Job.Output.Status"); strings.TrimSpace(got) != `"Complete"` {
		t.Errorf("read-job says %s, want Complete", got)
	}
	link := strings.TrimSpace(aws("s3", "presign", "s3://media/transcoded/cli/söng +%41.flac"))
	if got := s.anonymous(t, link); got != 200 {
		t.Errorf("GET of the presigned link = %d, want 200", got)
	}
}
