package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder/types"

	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
)

// What people have saved of their Elastic Transcoder.
const (
	savedPipelines = "testdata/export/pipelines.json"
	savedPresets   = "testdata/export/presets.json"
	savedState     = "../internal/etapi/testdata/export/terraform.tfstate"
)

// importer runs etude import-pipelines on a server's data.
type importer struct {
	data  string
	flags []string // where its database is, unless in data
}

func (i importer) run(t *testing.T, file string, stdin []byte) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(testContext(t), binary, append([]string{"import-pipelines", file, "--data", i.data}, i.flags...)...)
	cmd.Env = environment()
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// twice imports, and once more, which changes nothing.
func (i importer) twice(t *testing.T, file string, stdin []byte, want ...string) {
	t.Helper()
	for _, outcome := range []string{"imported", "is here already"} {
		out, err := i.run(t, file, stdin)
		if err != nil {
			t.Fatalf("import %s: %v\n%s", file, err, out)
		}
		for _, line := range want {
			if line = strings.ReplaceAll(line, "OUTCOME", outcome); !strings.Contains(out, line+"\n") {
				t.Errorf("import %s says\n%s\nwant %s", file, out, line)
			}
		}
		if n := strings.Count(out, outcome); n != strings.Count(strings.Join(want, "\n"), "OUTCOME") {
			t.Errorf("import %s says %d times %q:\n%s", file, n, outcome, out)
		}
	}
}

// TestImportPipelines brings what the AWS CLI and Terraform know of pipelines
// and presets to a server that does not run, and to one that does. A program
// goes on with the old ids.
func TestImportPipelines(t *testing.T) {
	ffmpegtest.Need(t)
	need(t, "/usr/bin/aws")
	sqlstoretest.Each(t, func(t *testing.T, d sqlstore.Dialect) {
		i := importer{data: filepath.Join(t.TempDir(), "data")}
		if d == sqlstore.Postgres {
			i.flags = []string{"--database-url", sqlstoretest.Config(t, d).URL}
		} else if out, err := i.run(t, savedPipelines, nil); err == nil || !strings.Contains(out, i.data) || !strings.Contains(out, "start the server once") {
			t.Errorf("before there is anything: %v\n%s\nwant an error that names the directory, and the remedy", err, out)
		}
		s := startFor(t, i.data, i.flags...)
		if err := s.stop(); err != nil {
			t.Fatalf("stop: %v\n%s", err, s.log)
		}
		i.twice(t, savedPipelines, nil,
			`pipeline 1533765810777-ef34gh  OUTCOME  "Recordings & söngs"`, `pipeline 1533765810778-ef34gi  OUTCOME  "Archive"`,
			"needs the bucket archive: if it is not there yet, aws s3 mb s3://archive",
			"needs the bucket recordings-in: if it is not there yet, aws s3 mb s3://recordings-in",
			"needs the bucket recordings-out: if it is not there yet, aws s3 mb s3://recordings-out")

		s = startFor(t, i.data, i.flags...)
		i.twice(t, savedPresets, nil, `preset   1533765813000-qq77rr  OUTCOME  "Spoken word"`)
		state, err := os.ReadFile(savedState)
		if err != nil {
			t.Fatal(err)
		}
		i.twice(t, "-", state, `pipeline 1533765810590-ab12cd  OUTCOME  "Audio Files"`,
			`preset   1533765811000-zz99yy  OUTCOME  "voice"`, `preset   1533765812000-xx88ww  OUTCOME  "small video"`,
			"needs the bucket songs-thumbs: if it is not there yet, aws s3 mb s3://songs-thumbs")
		s.checkArchive(t)
		s.transcodeImported(t, "1533765810777-ef34gh", "recordings-in", "recordings-out", "1533765813000-qq77rr", "mp3", 22050)
		s.transcodeImported(t, "1533765810590-ab12cd", "songs-in", "songs-out", "1533765811000-zz99yy", "aac", 44100)
	})
}

// checkArchive looks whether the imported pipeline that has everything still
// has it.
func (s *server) checkArchive(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(savedPipelines)
	if err != nil {
		t.Fatal(err)
	}
	var saved struct{ Pipelines []types.Pipeline }
	if err := json.Unmarshal(text, &saved); err != nil {
		t.Fatal(err)
	}
	want := saved.Pipelines[1]
	out, err := s.et().ReadPipeline(testContext(t), &elastictranscoder.ReadPipelineInput{Id: want.Id})
	if err != nil {
		t.Fatal(err)
	}
	got := out.Pipeline
	if !strings.HasSuffix(*got.Arn, ":pipeline/"+*want.Id) {
		t.Errorf("the ARN is %s, which does not have the id", *got.Arn)
	}
	got.Arn = want.Arn // it has this server's region and account
	if got, want := mustJSON(t, got), mustJSON(t, want); got != want {
		t.Errorf("the imported pipeline is\n%s\nwant\n%s", got, want)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// transcodeImported makes the buckets with the AWS CLI and has a job done with
// ids from elsewhere.
func (s *server) transcodeImported(t *testing.T, pipeline, in, out, preset, codec string, rate int) {
	t.Helper()
	cli := func(args ...string) {
		s.tool(t, "/usr/bin/aws", append([]string{"--endpoint-url", s.edge, "s3"}, args...)...)
	}
	cli("mb", "s3://"+in)
	cli("mb", "s3://"+out)
	cli("cp", song(t, 2), "s3://"+in+"/söng.wav")
	made, err := s.et().CreateJob(testContext(t), &elastictranscoder.CreateJobInput{
		PipelineId: &pipeline, Input: &types.JobInput{Key: aws.String("söng.wav")},
		Output: &types.CreateJobOutput{Key: aws.String("result"), PresetId: &preset},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := statuses(s.await(t, *made.Job.Id)), "Complete: Complete"; got != want {
		t.Fatalf("the job in pipeline %s = %s, want %s", pipeline, got, want)
	}
	result := filepath.Join(t.TempDir(), "result")
	cli("cp", "s3://"+out+"/result", result)
	if f := ffmpegtest.Probe(t, result); f.Codec != codec || f.Rate != rate || f.Channels != 1 {
		t.Errorf("the result is %s, %d Hz, %d channels; want what preset %s says: %s, %d Hz, 1", f.Codec, f.Rate, f.Channels, preset, codec, rate)
	}
}

// TestImportOfBadFiles has every fault named, and nothing imported: not even
// what is right in the same file.
func TestImportOfBadFiles(t *testing.T) {
	s := shared(t)
	i := importer{data: s.data}
	const right = `{"Id": "1533765810000-right1", "Name": "right", "Role": "arn:aws:iam::123456789012:role/r", "InputBucket": "in", "OutputBucket": "out"}`
	beside := func(pipeline string) string { return `{"Pipelines": [` + right + `, ` + pipeline + `]}` }
	preset := func(preset string) string {
		return `{"Pipelines": [` + right + `], "Presets": [{"Id": "1533765810000-right2", "Name": "right", "Container": "mp3", "Audio": {"Codec": "mp3"}}, ` + preset + `]}`
	}
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "not valid JSON"},
		{"yaml", "Pipelines:\n- Id: x\n", "--output json"},
		{"half", right[:40], "unexpected end of JSON input"},
		{"two files in one", `{"Pipelines": []}{"Pipelines": []}`, "not valid JSON"},
		{"bytes", "{\"Pipelines\": \"\xff\"}", "not valid UTF-8"},
		{"list", "[" + right + "]", `none of "Pipelines", "Presets" and Terraform's "resources"`},
		{"something else", `{"Jobs": []}`, `none of "Pipelines", "Presets" and Terraform's "resources"`},
		{"deep", strings.Repeat("[", 100_000), "not valid JSON"},
		{"no list", `{"Pipelines": {}}`, `"Pipelines" is no list`},
		{"no id", beside(`{"Name": "söngs"}`), `The id "" of the pipeline "söngs" does not have the form of one`},
		{"bad id", beside(`{"Id": "1"}`), `pipeline "1"`},
		{"no bucket", beside(`{"Id": "1533765810000-wrong1"}`), "The pipeline 1533765810000-wrong1 has no InputBucket"},
		{"no output", beside(`{"Id": "1533765810000-wrong1", "InputBucket": "in"}`), "neither an OutputBucket nor a ContentConfig"},
		{"bad status", beside(`{"Id": "1533765810000-wrong1", "InputBucket": "in", "OutputBucket": "out", "Status": "Odd"}`), "'Odd' at 'status'"},
		{"bad container", preset(`{"Id": "1533765810000-wrong1", "Name": "x", "Container": "avi"}`), "'avi' at 'container'"},
		{"bad codec", preset(`{"Id": "1533765810000-wrong1", "Name": "x", "Container": "wav", "Audio": {"Codec": "mp3"}}`), "1533765810000-wrong1: The audio codec mp3 is not allowed in the container wav"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "saved.json")
			if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := i.run(t, file, nil)
			if err == nil || !strings.Contains(out, tt.want) || !strings.Contains(out, file) || strings.Contains(out, "imported") {
				t.Errorf("%v\n%s\nwant an error that names the file and says %s", err, out, tt.want)
			}
		})
	}
	for file, want := range map[string]string{"none.json": "no such file", t.TempDir(): "is a directory"} {
		if out, err := i.run(t, file, nil); err == nil || !strings.Contains(out, want) || !strings.Contains(out, file) {
			t.Errorf("import %s: %v\n%s\nwant %s", file, err, out, want)
		}
	}
	var missing *types.ResourceNotFoundException
	if _, err := s.et().ReadPipeline(testContext(t), &elastictranscoder.ReadPipelineInput{Id: aws.String("1533765810000-right1")}); !errors.As(err, &missing) {
		t.Errorf("the right pipeline beside wrong ones: %v, want that it is not there", err)
	}
	if _, err := s.et().ReadPreset(testContext(t), &elastictranscoder.ReadPresetInput{Id: aws.String("1533765810000-right2")}); !errors.As(err, &missing) {
		t.Errorf("the right preset beside wrong ones: %v, want that it is not there", err)
	}
}

// TestImportOfOddFiles takes what is unusual and not wrong.
func TestImportOfOddFiles(t *testing.T) {
	s := startFor(t, filepath.Join(t.TempDir(), "data"))
	i := importer{data: s.data}
	for name, text := range map[string]string{"no pipelines": `{"Pipelines": []}`, "a state of other things": `{"version": 4, "terraform_version": "1.9.5", "resources": []}`} {
		if out, err := i.run(t, "-", []byte(text)); err != nil || !strings.Contains(out, "no pipelines and no custom presets in standard input") {
			t.Errorf("%s: %v\n%s\nwant to be told that there is nothing", name, err, out)
		}
	}
	const preset = `{"Id": "1533765813000-qq77rr", "Name": "twice", "Container": "mp3", "Type": "Custom", "Audio": {"Codec": "mp3"}}`
	powerShell := []byte{0xff, 0xfe} // it saves in UTF-16
	for _, b := range []byte(`{"Presets": [` + preset + `, ` + preset + `]}`) {
		powerShell = append(powerShell, b, 0)
	}
	out, err := i.run(t, "-", powerShell)
	if err != nil || !strings.Contains(out, `preset   1533765813000-qq77rr  imported  "twice"`) {
		t.Errorf("a preset twice, in UTF-16: %v\n%s", err, out)
	}
}
