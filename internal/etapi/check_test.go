package etapi

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/transcode"
)

// read reads a request up to what an operation is given.
func read(method, path, body string) (document, error) {
	op, members, err := route(method, "/2012-09-25/"+path)
	if err != nil {
		return nil, err
	}
	return op.input(members, nil, []byte(body))
}

// createJob reads body as a CreateJob request.
func createJob(body string) (transcode.JobSpec, error) {
	in, err := read("POST", "jobs", body)
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
		{`"Playlists":[{},{"HlsContentProtection":{"Method":"aes-128"}}]`, "Playlist 2 has HlsContentProtection: protected playlists are not possible yet."},
		{`"Playlists":[{"PlayReadyDrm":{"Format":"microsoft"}}]`, "Playlist 1 has PlayReadyDrm: protected playlists are not possible yet."},
		{`"Input":{"InputCaptions":{"CaptionSources":[{}]}}`, "Input 1 has InputCaptions: captions are not possible yet."},
		{`"Input":{"InputCaptions":{"CaptionSources":[{"Key":"a"}]}}`, "Input 1 has InputCaptions: captions are not possible yet."},
		{`"Inputs":[{},{"Encryption":{"Mode":"aes-ctr"}}]`, "Input 2 has Encryption: encryption other than of Mode s3, which has no key, is not possible yet."},
		{`"Outputs":[{},{"Watermarks":[{"InputKey":"a.png"}]}]`, "Output 2 has Watermarks: watermarks are not possible yet."},
		{`"Output":{"AlbumArt":{"Artwork":[{},{"Encryption":{"Mode":"aes-ctr"}}]}}`, "Artwork of Output 1 has Encryption: encryption other than of Mode s3, which has no key, is not possible yet."},
		{`"Output":{"Encryption":{"Mode":"s3","Key":"aaaa"}}`, "Output 1 has Encryption: encryption other than of Mode s3, which has no key, is not possible yet."},
		{`"Output":{"Captions":{"MergePolicy":"Override","CaptionFormats":[{"Format":"srt"}]}}`, "Output 1 has Captions: captions are not possible yet."},
		{`"Output":{"Encryption":{"Mode":"s3-aws-kms"}}`, "Output 1 has Encryption: encryption other than of Mode s3, which has no key, is not possible yet."},
		{`"Output":{"Encryption":{"Key":"aaaa"}}`, "Output 1 has Encryption: encryption other than of Mode s3, which has no key, is not possible yet."},
		{`"Output":{"ThumbnailEncryption":{"Mode":"aes-gcm"}}`, "Output 1 has ThumbnailEncryption: encryption other than of Mode s3, which has no key, is not possible yet."},

		{`"Playlists":[{"HlsContentProtection":{},"PlayReadyDrm":null}],"Output":{"Captions":{"CaptionFormats":[]},"Encryption":{"Mode":"s3","Key":"","InitializationVector":null}}`, ""},
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
	empty, thumbs := "", "thumbs/{resolution}-{count}"
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
		{"create-job-hlsv4.request.json", transcode.JobSpec{
			Pipeline: "1533765810590-ab12cd",
			Owner:    "owner",
			Inputs:   []transcode.Input{{Key: "uploads/clip.mp4"}},
			Outputs: []transcode.OutputSpec{
				{Key: "clip_200035", PresetID: "1351620000001-200035", SegmentDuration: "3", ThumbnailPattern: &thumbs},
				{Key: "clip_200045", PresetID: "1351620000001-200045", SegmentDuration: "3", ThumbnailPattern: &empty},
				{Key: "clip_200060", PresetID: "1351620000001-200060", SegmentDuration: "3"},
			},
			OutputKeyPrefix: "conversions/clip/",
			Playlists:       []transcode.PlaylistSpec{{Name: "clip_hls", Format: "HLSv4", OutputKeys: []string{"clip_200035", "clip_200045", "clip_200060"}}},
		}},
		{"create-job-everything.request.json", everythingSpec()},
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
}

// everythingSpec is a job with all that can be asked for.
func everythingSpec() transcode.JobSpec {
	empty, s3 := "", &transcode.Encryption{Mode: "s3"}
	return transcode.JobSpec{
		Pipeline: "1533765810590-ab12cd",
		Owner:    "owner",
		Inputs: []transcode.Input{
			{
				Key: "media/one.wav", Container: "wav", TimeSpan: &transcode.TimeSpan{StartTime: "00:00:01.500", Duration: "90.5"},
				Encryption: s3, Captions: &transcode.Captions{MergePolicy: "Override"},
			},
			{Key: "media/two.wav", TimeSpan: &transcode.TimeSpan{StartTime: "5"}},
			{Key: "media/three.wav", TimeSpan: &transcode.TimeSpan{}},
		},
		Outputs: []transcode.OutputSpec{
			{
				Key: "hls/a", PresetID: "1351620000001-200060", SegmentDuration: "10", Rotate: "auto", ThumbnailPattern: &empty,
				Encryption: s3, ThumbnailEncryption: s3, Captions: &transcode.Captions{MergePolicy: "MergeRetain"},
			},
			{Key: "hls/b", PresetID: "1351620000001-200071", SegmentDuration: "10.0", Composition: []transcode.TimeSpan{}},
			{
				Key: "a.mp3", PresetID: "1351620000001-300040", Composition: []transcode.TimeSpan{{StartTime: "00:01", Duration: "00:30"}},
				AlbumArt: &transcode.AlbumArt{MergePolicy: "Prepend", Artwork: []transcode.Artwork{
					{
						InputKey: "media/cover.png", MaxWidth: "auto", MaxHeight: "500", SizingPolicy: "Fit", PaddingPolicy: "NoPad",
						Format: "jpg", Encryption: s3,
					},
					{InputKey: "media/back.jpg"},
				}},
			},
			{Key: "a.flac", PresetID: "1351620000001-300110", AlbumArt: &transcode.AlbumArt{MergePolicy: "Append"}},
			{Key: "b.flac", PresetID: "1351620000001-300110", AlbumArt: &transcode.AlbumArt{}},
		},
		OutputKeyPrefix: "transcoded/x",
		Playlists:       []transcode.PlaylistSpec{{Name: "hls/index", Format: "HLSv4", OutputKeys: []string{"hls/a", "hls/b"}}},
		UserMetadata:    map[string]string{"user": "7"},
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

func testdata(tb testing.TB, name ...string) string {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, name...)...))
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}
