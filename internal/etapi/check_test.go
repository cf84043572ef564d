package etapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/transcode"
)

// createJob reads body as a CreateJob request.
func createJob(body string) (transcode.JobSpec, error) {
	op, path, err := route("POST", "/2012-09-25/jobs")
	if err != nil {
		return transcode.JobSpec{}, err
	}
	in, err := op.input(path, nil, []byte(body))
	if err != nil {
		return transcode.JobSpec{}, err
	}
	return jobSpec(request{document: in, owner: "owner"})
}

// fault is the error that a request is answered with; empty for none.
func fault(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var api *apiError
	if !errors.As(err, &api) || api.status != 400 {
		t.Fatalf("got %#v, want an error for the caller", err)
	}
	return api.Error()
}

const (
	idPattern = `^\d{13}-\w{6}$`
	pipeline  = `"PipelineId":"1111111111111-abcde1"`
	one       = "ValidationException: 1 validation error detected: "
)

func TestCreateJobFaults(t *testing.T) {
	tests := []struct{ body, want string }{
		{``, one + "Value null at 'pipelineId' failed to satisfy constraint: Member must not be null"},
		{` `, one + "Value null at 'pipelineId' failed to satisfy constraint: Member must not be null"},
		{`{}`, one + "Value null at 'pipelineId' failed to satisfy constraint: Member must not be null"},
		{`null`, one + "Value null at 'pipelineId' failed to satisfy constraint: Member must not be null"},
		{`{"PipelineId":null}`, one + "Value null at 'pipelineId' failed to satisfy constraint: Member must not be null"},
		{`{"pipelineid":"1111111111111-abcde1"}`, one + "Value null at 'pipelineId' failed to satisfy constraint: Member must not be null"},
		{
			`{"PipelineId":"x","Outputs":[{"Key":"a"},{"Key":"","Rotate":"45"}]}`,
			"ValidationException: 3 validation errors detected: Value 'x' at 'pipelineId' failed to satisfy constraint: Member must satisfy regular expression pattern: " + idPattern +
				"; Value '' at 'outputs.2.member.key' failed to satisfy constraint: Member must have length greater than or equal to 1" +
				"; Value '45' at 'outputs.2.member.rotate' failed to satisfy constraint: Member must satisfy regular expression pattern: (^auto$)|(^0$)|(^90$)|(^180$)|(^270$)",
		},
		{
			`{` + pipeline + `,"Input":{"Key":"` + strings.Repeat("é", 1025) + `"}}`,
			one + "Value '" + strings.Repeat("é", 150) + "...' at 'input.key' failed to satisfy constraint: Member must have length less than or equal to 1024",
		},
		{
			`{` + pipeline + `,"Output":{"Watermarks":[{"InputKey":"a.gif"}]}}`,
			one + "Value 'a.gif' at 'output.watermarks.1.member.inputKey' failed to satisfy constraint: Member must satisfy regular expression pattern: (^.{1,1020}.jpg$)|(^.{1,1019}.jpeg$)|(^.{1,1020}.png$)",
		},
		{
			`{` + pipeline + `,"Outputs":[null]}`,
			one + "Value null at 'outputs.1.member' failed to satisfy constraint: Member must not be null",
		},
		{
			`{` + pipeline + `,"Playlists":[{"Name":"a","OutputKeys":["a",""]}]}`,
			one + "Value '[a, ]' at 'playlists.1.member.outputKeys' failed to satisfy constraint: Member must satisfy constraint: [Member must have length greater than or equal to 1]",
		},
		{
			`{` + pipeline + `,"UserMetadata":{"a":null,"b":"c"}}`,
			one + "Value '{a=null, b=c}' at 'userMetadata' failed to satisfy constraint: Map value must satisfy constraint: [Member must not be null]",
		},
		{
			`{` + pipeline + `,"Output":{"Key":"a\u0000b"}}`,
			one + "Value 'a\x00b' at 'output.key' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[^\\u0000]*$",
		},
		{
			`{` + pipeline + `,"Outputs":[` + strings.Repeat(`{},`, 30) + `{}]}`,
			one + "Value '[" + strings.Repeat("{}, ", 30) + "{}]' at 'outputs' failed to satisfy constraint: Member must have length less than or equal to 30",
		},
		{`{` + pipeline + `,"Input":{},"Inputs":[{}]}`, "ValidationException: [Input and Inputs are mutually exclusive.]"},
		{`{` + pipeline + `,"Output":{},"Outputs":[{}]}`, "ValidationException: [Output and Outputs are mutually exclusive.]"},

		{`{"PipelineId":{}}`, "SerializationException: Start of structure or map found where not expected."},
		{`{"PipelineId":[]}`, "SerializationException: Start of list found where not expected at 'pipelineId'."},
		{`{"PipelineId":1}`, "SerializationException: NUMBER_VALUE can not be converted to a String at 'pipelineId'."},
		{`{` + pipeline + `,"Input":"a"}`, "SerializationException: STRING_VALUE can not be converted to a structure at 'input'."},
		{`{` + pipeline + `,"Outputs":[true]}`, "SerializationException: TRUE_VALUE can not be converted to a structure at 'outputs.1.member'."},
		{`{` + pipeline + `,"UserMetadata":{"a":1}}`, "SerializationException: NUMBER_VALUE can not be converted to a String at 'userMetadata.a'."},
		{`{` + pipeline + `,"Input":{"DetectedProperties":{"Width":"640"}}}`, "SerializationException: STRING_VALUE can not be converted to an Integer at 'input.detectedProperties.width'."},
		{`{` + pipeline + `,"Input":{"DetectedProperties":{"Width":2147483648}}}`, "SerializationException: NUMBER_VALUE can not be converted to an Integer at 'input.detectedProperties.width'."},
		{`[]`, "SerializationException: Start of list found where not expected at 'request'."},
		{`"a"`, "SerializationException: STRING_VALUE can not be converted to a structure at 'request'."},
		{`{`, "SerializationException: The request body ends within its JSON."},
		{`{} {}`, "SerializationException: The request body has more than one JSON value."},
		{`{'a':1}`, "SerializationException: The request body is not valid JSON: invalid character '\\'' looking for beginning of object key string."},
		{"{\"PipelineId\":\"\xff\"}", "SerializationException: The request body is not valid UTF-8."},
		{strings.Repeat(`{"a":`, 20000), "SerializationException: The request body is not valid JSON: invalid character '{' exceeded max depth."},

		{`{` + pipeline + `,"Unknown":{"a":[1,null,true]},"Input":{"Key":"a","Other":1},"Playlists":[],"Outputs":null}`, ""},
		{`{"PipelineId":"x",` + pipeline + `}`, ""}, // the last one counts
		{`{` + pipeline + `,"Input":{"DetectedProperties":{"Width":640,"FileSize":5000000000}}}`, ""},
	}
	for _, tt := range tests {
		_, err := createJob(tt.body)
		if diff := cmp.Diff(tt.want, fault(t, err)); diff != "" {
			t.Errorf("%.100s (-want +got):\n%s", tt.body, diff)
		}
	}
}

// A megabyte of faults is counted, but not told in full.
func TestManyFaults(t *testing.T) {
	body := `{` + pipeline + `,"Output":{"AlbumArt":{"Artwork":[` + strings.Repeat(`{"InputKey":""},`, 60000) + `{}]}}}`
	_, err := createJob(body)
	got := fault(t, err)
	if want := "ValidationException: 120000 validation errors detected: "; !strings.HasPrefix(got, want) {
		t.Errorf("got %.100s, want it to begin with %s", got, want)
	}
	if want := "; and 119900 more"; !strings.HasSuffix(got, want) {
		t.Errorf("got %s, want it to end with %s", got[len(got)-100:], want)
	}
	if len(got) > 64<<10 {
		t.Errorf("the answer has %d bytes", len(got))
	}
}

func TestRefusedMembers(t *testing.T) {
	tests := []struct{ member, want string }{
		{`"Playlists":[{"Name":"a"}]`, "The job has Playlists: playlists are not possible yet."},
		{`"Input":{"TimeSpan":{"StartTime":"1"}}`, "Input 1 has TimeSpan: cutting a clip is not possible yet."},
		{`"Input":{"InputCaptions":{"CaptionSources":[{}]}}`, "Input 1 has InputCaptions: captions are not possible yet."},
		{`"Input":{"InputCaptions":{"CaptionSources":[{"Key":"a"}]}}`, "Input 1 has InputCaptions: captions are not possible yet."},
		{`"Inputs":[{},{"Encryption":{"Mode":"aes-ctr"}}]`, "Input 2 has Encryption: encryption other than of Mode s3 is not possible yet."},
		{`"Output":{"SegmentDuration":"10"}`, "Output 1 has SegmentDuration: segmented outputs are not possible yet."},
		{`"Outputs":[{},{"Watermarks":[{"InputKey":"a.png"}]}]`, "Output 2 has Watermarks: watermarks are not possible yet."},
		{`"Output":{"Composition":[{"TimeSpan":{"Duration":"00:01:00"}}]}`, "Output 1 has Composition: cutting a clip is not possible yet."},
		{`"Output":{"AlbumArt":{"MergePolicy":"Replace","Artwork":[{"InputKey":"a.png"}]}}`, "Output 1 has AlbumArt: artwork of its own is not possible yet."},
		{`"Output":{"Captions":{"MergePolicy":"Override","CaptionFormats":[{"Format":"srt"}]}}`, "Output 1 has Captions: captions are not possible yet."},
		{`"Output":{"Encryption":{"Mode":"s3-aws-kms"}}`, "Output 1 has Encryption: encryption other than of Mode s3 is not possible yet."},
		{`"Output":{"Encryption":{"Key":"aaaa"}}`, "Output 1 has Encryption: encryption other than of Mode s3 is not possible yet."},
		{`"Output":{"ThumbnailEncryption":{"Mode":"aes-gcm"}}`, "Output 1 has ThumbnailEncryption: encryption other than of Mode s3 is not possible yet."},

		{`"Playlists":[],"Input":{"TimeSpan":{},"InputCaptions":null,"Encryption":{}}`, ""},
		{`"Output":{"Watermarks":[],"Composition":[],"AlbumArt":{"MergePolicy":"Replace","Artwork":[]},"Captions":{"MergePolicy":"Override","CaptionSources":[]},"Encryption":{"Mode":"s3"},"ThumbnailEncryption":null,"SegmentDuration":null}`, ""},
	}
	for _, tt := range tests {
		_, err := createJob(`{` + pipeline + `,` + tt.member + `}`)
		if got := strings.TrimPrefix(fault(t, err), "ValidationException: "); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.member, got, tt.want)
		}
	}
}

func TestJobSpec(t *testing.T) {
	empty := ""
	tests := []struct {
		file string
		want transcode.JobSpec
	}{
		{"create-job.request.json", transcode.JobSpec{
			Pipeline: "1533765810590-ab12cd",
			Owner:    "owner",
			Inputs: []transcode.Input{{
				Key: "ETS_example_file.mp4", FrameRate: "auto", Resolution: "auto", AspectRatio: "auto", Interlaced: "auto", Container: "mp4",
			}},
			Outputs:         []transcode.OutputSpec{{Key: "webm/ETS_example_file-kindlefirehd.webm", Rotate: "0", PresetID: "1351620000001-100250"}},
			OutputKeyPrefix: "recipes/",
			UserMetadata:    map[string]string{"Food type": "Italian", "Cook book": "recipe notebook"},
		}},
		{"create-job-mp3.request.json", transcode.JobSpec{
			Pipeline: "1396795968443-34a7hg",
			Owner:    "owner",
			Inputs:   []transcode.Input{{Key: "input.mp3"}},
			Outputs:  []transcode.OutputSpec{{Key: "output.mp3", PresetID: "1351620000001-300040"}},
		}},
		{"create-job-nulls.request.json", transcode.JobSpec{
			Pipeline: "1396795968443-34a7hg",
			Owner:    "owner",
			Inputs:   []transcode.Input{{Key: "input.mp3"}},
			Outputs:  []transcode.OutputSpec{{Key: "output.mp3", PresetID: "1351620000001-300040", ThumbnailPattern: &empty, Rotate: "auto"}},
		}},
	}
	for _, tt := range tests {
		got, err := createJob(testdata(t, "wire", tt.file))
		if err != nil {
			t.Errorf("%s: %v", tt.file, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.file, diff)
		}
	}
	_, err := createJob(testdata(t, "wire", "create-job-hlsv4.request.json"))
	if got, want := fault(t, err), "ValidationException: The job has Playlists: playlists are not possible yet."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRoute(t *testing.T) {
	tests := []struct{ method, path, want string }{
		{"GET", "/2012-09-25/pipelines", "ListPipelines map[]"},
		{"GET", "/2012-09-25/pipelines/", "ListPipelines map[]"},
		{"POST", "/2012-09-25/pipelines/", "CreatePipeline map[]"},
		{"GET", "/2012-09-25/pipelines/a", "ReadPipeline map[Id:a]"},
		{"GET", "/2012-09-25/pipelines/a/", "ReadPipeline map[Id:a]"},
		{"GET", "/2012-09-25/jobs/a%2Fb", "ReadJob map[Id:a/b]"},
		{"GET", "/2012-09-25/jobsByStatus/%00", "ListJobsByStatus map[Status:\x00]"},
		{"POST", "/2012-09-25/pipelines/a/status", "UpdatePipelineStatus map[Id:a]"},
		{"GET", "/2012-09-25/jobs", ""},
		{"GET", "/2012-09-25/jobs/", ""},
		{"PATCH", "/2012-09-25/jobs", ""},
		{"GET", "/2012-09-25//pipelines", ""},
		{"GET", "/2012-09-25/pipelines//", "ReadPipeline map[Id:]"},
		{"GET", "/2012-09-25/pipelines%2Fa", ""},
		{"GET", "/2012-09-26/pipelines", ""},
		{"GET", "2012-09-25/pipelines", ""},
		{"GET", "/2012-09-25/pipelines/%zz", ""},
		{"GET", "/", ""},
		{"GET", "", ""},
		{"OPTIONS", "*", ""},
	}
	for _, tt := range tests {
		op, members, err := route(tt.method, tt.path)
		got := ""
		if err == nil {
			got = fmt.Sprint(op.name, " ", members)
		} else if x := asAPIError(err); x == nil || x.exception != unknownOperation {
			t.Errorf("%s %s: got %v, want UnknownOperationException", tt.method, tt.path, err)
		}
		if got != tt.want {
			t.Errorf("%s %s: got %q, want %q", tt.method, tt.path, got, tt.want)
		}
	}
}

// FuzzCreateJob holds that no body makes the decoder panic, or blame anybody
// but the caller.
func FuzzCreateJob(f *testing.F) {
	for _, name := range []string{"create-job", "create-job-mp3", "create-job-hlsv4", "create-job-nulls"} {
		f.Add([]byte(testdata(f, "wire", name+".request.json")))
	}
	f.Add([]byte(`{` + pipeline + `,"Input":{"DetectedProperties":{"Width":1e3}},"Outputs":[null,[],"",{"Captions":{"CaptionSources":[{"TimeOffset":"+1"}]}}]}`))
	f.Add([]byte("{\"PipelineId\":\"\\ud800\xff\"}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		spec, err := createJob(string(body))
		if err == nil {
			if !transcode.ValidID(string(spec.Pipeline)) {
				t.Errorf("pipeline %q was let through", spec.Pipeline)
			}
			return
		}
		x := asAPIError(err)
		if x == nil || x.status != 400 {
			t.Errorf("got %v, want an error for the caller", err)
		}
		if text := failed(x).body; !json.Valid(text) || len(text) > 256<<10 {
			t.Errorf("got a reply of %d bytes, %.200q", len(text), text)
		}
	})
}

func testdata(tb testing.TB, name ...string) string {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, name...)...))
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}
