package etapi

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/transcode"
)

// inOregon is an API with all that replies are made of besides what is stored.
func inOregon() *api {
	return &api{Config: Config{Service: &transcode.Service{Config: transcode.Config{Region: "us-west-2", Account: "123456789012"}}}}
}

// foodJob is the job of AWS's own example of CreateJob.
func foodJob() *transcode.Job {
	return &transcode.Job{
		ID:       "1533838012294-q7w8e9",
		Pipeline: "1533765810590-ab12cd",
		Inputs: []transcode.Input{{
			Key: "ETS_example_file.mp4", FrameRate: "auto", Resolution: "auto", AspectRatio: "auto", Interlaced: "auto", Container: "mp4",
		}},
		Outputs: []transcode.Output{{
			ID: "1", Key: "webm/ETS_example_file-kindlefirehd.webm", Rotate: "0", PresetID: "1351620000001-100250", Status: transcode.Submitted,
		}},
		OutputKeyPrefix: "recipes/",
		Status:          transcode.Submitted,
		UserMetadata:    map[string]string{"Food type": "Italian", "Cook book": "recipe notebook"},
		SubmitTime:      time.UnixMilli(1533838012298),
	}
}

func TestJobReplies(t *testing.T) {
	none := ""
	started := foodJob()
	started.Status, started.Outputs[0].Status = transcode.Progressing, transcode.Progressing
	started.StartTime = time.UnixMilli(1533838013786)

	failed := &transcode.Job{
		ID:       "1636545275565-xwma1v",
		Pipeline: "1636530122589-ptkx1n",
		Inputs:   []transcode.Input{{Key: "data/part-00000.file"}},
		Outputs: []transcode.Output{{
			ID: "1", Key: "file.mp4", ThumbnailPattern: &none, Rotate: "auto", PresetID: "1351620000001-000010", Status: transcode.Failed,
			StatusDetail: "4000 92362f1a-fc60-4064-a219-a885d9e15bd2: Amazon Elastic Transcoder could not interpret the media file.",
			Failure:      &transcode.Failure{Code: 4000},
		}},
		OutputKeyPrefix: "data/",
		Status:          transcode.Failed,
		SubmitTime:      time.UnixMilli(1636545275576),
		StartTime:       time.UnixMilli(1636545276637),
		FinishTime:      time.UnixMilli(1636545278699),
	}
	complete := &transcode.Job{
		ID:       "1396802241671-jkmme8",
		Pipeline: "1396795968443-34a7hg",
		Inputs:   []transcode.Input{{Key: "a.wav", Detected: &transcode.Detected{FileSize: 5_000_000_000, Duration: 117353400 * time.Microsecond}}},
		Outputs: []transcode.Output{
			{
				ID: "1", Key: "a.mp3", PresetID: "1351620000001-300040", Status: transcode.Complete, SegmentDuration: "10",
				Made: &transcode.Made{Duration: 117353400 * time.Microsecond, Size: 1877652},
			},
			{
				ID: "2", Key: "a.flac", PresetID: "1351620000001-300110", Status: transcode.Complete, SegmentDuration: "2.50",
				StatusDetail: "Six channels became two.", Made: &transcode.Made{Duration: 117 * time.Second},
			},
		},
		Status:     transcode.Complete,
		SubmitTime: time.UnixMilli(1396802241672),
		StartTime:  time.UnixMilli(1396802241700),
		FinishTime: time.UnixMilli(1396802251700),
	}
	tests := []struct {
		file string
		job  *transcode.Job
	}{
		{"create-job.response.json", foodJob()},
		{"read-job-progressing.response.json", started},
		{"read-job-error.response.json", failed},
		{"read-job-complete.response.json", complete},
	}
	for _, tt := range tests {
		got := encode(struct{ Job jobJSON }{inOregon().jobJSON(tt.job)})
		if diff := diffJSON(t, testdata(t, "wire", tt.file), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.file, diff)
		}
	}
}

// A reply of 2014 has fewer members than one of today; what it has is the same.
func TestOldJobReply(t *testing.T) {
	job := &transcode.Job{
		ID:         "1396802241671-jkmme8",
		Pipeline:   "1396795968443-34a7hg",
		Inputs:     []transcode.Input{{Key: "input.mp3"}},
		Outputs:    []transcode.Output{{ID: "1", Key: "output.mp3", PresetID: "1351620000001-300040", Status: transcode.Submitted}},
		Status:     transcode.Submitted,
		SubmitTime: time.UnixMilli(1396802241672),
	}
	want := parse(t, []byte(testdata(t, "wire", "create-job-mp3.response.json")))
	got := parse(t, encode(struct{ Job jobJSON }{inOregon().jobJSON(job)}))
	if diff := cmp.Diff(want, only(want, got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPipelineReplies(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/Elastic_Transcoder_Default_Role"
	all := []transcode.Permission{{GranteeType: "Email", Grantee: "promos@example.com", Access: []string{"FullControl"}}}
	a := inOregon()
	got := encode(struct {
		Pipelines     []pipelineJSON
		NextPageToken *string
	}{Pipelines: []pipelineJSON{
		a.pipelineJSON(&transcode.Pipeline{
			ID: "1533765810777-ef34gh", Name: "example-pipeline", Status: transcode.PipelineActive, InputBucket: "ets-example", OutputBucket: "ets-example", Role: role,
			Notifications: transcode.Notifications{Completed: "arn:aws:sns:us-west-2:123456789012:ets_example"},
			Content:       transcode.OutputConfig{Bucket: "ets-example"},
			Thumbnails:    transcode.OutputConfig{Bucket: "ets-example"},
		}),
		a.pipelineJSON(&transcode.Pipeline{
			ID: "1533765810590-ab12cd", Name: "Default", Status: transcode.PipelineActive, InputBucket: "example-source", Role: role,
			Notifications: transcode.Notifications{Error: "arn:aws:sns:us-east-1:123456789012:ETS_Errors"},
			Content:       transcode.OutputConfig{Bucket: "example-public", StorageClass: "Standard", Permissions: all},
			Thumbnails:    transcode.OutputConfig{Bucket: "example-thumbs", StorageClass: "ReducedRedundancy", Permissions: all},
		}),
	}})
	if diff := diffJSON(t, testdata(t, "wire", "list-pipelines.response.json"), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPresetReplies(t *testing.T) {
	var mp3, video transcode.Preset
	for _, p := range transcode.SystemPresets() {
		switch p.ID {
		case "1351620000001-300020":
			mp3 = p
		case "1351620000001-000001":
			video = p
		}
	}
	a := inOregon()
	a.Service.Region = "ap-southeast-2"
	got := parse(t, encode(struct{ Preset presetJSON }{a.presetJSON(&mp3)}))
	// The sample is what an SDK left of a reply: no nulls.
	want := parse(t, []byte(testdata(t, "wire", "read-preset-mp3-192k.response.json")))
	if diff := cmp.Diff(want, withoutNulls(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got, has := got["Preset"].(map[string]any)["Video"]; got != nil || !has {
		t.Errorf("Video of an audio preset: got %v (there: %t), want null", got, has)
	}
	got = parse(t, encode(a.presetJSON(&video)))
	v := got["Video"].(map[string]any)
	if n := len(v["Watermarks"].([]any)); n != 4 || v["FixedGOP"] != "false" || v["CodecOptions"].(map[string]any)["Level"] != "4" {
		t.Errorf("video: got %v", v)
	}
}

// Every preset comes back from the API as the API gave it: a member that the
// wire lacks would be lost.
func TestPresetsKeepAll(t *testing.T) {
	for _, p := range transcode.SystemPresets() {
		wire := parse(t, encode(inOregon().presetJSON(&p)))
		var back transcode.Preset
		if err := json.Unmarshal(encode(withoutNulls(wire)), &back); err != nil {
			t.Fatal(err)
		}
		if p.Audio != nil {
			back.Audio.PackingMode = p.Audio.PackingMode // named otherwise
		}
		if p.Video != nil && p.Video.Watermarks == nil && len(back.Video.Watermarks) == 0 {
			back.Video.Watermarks = nil
		}
		if diff := cmp.Diff(p, back); diff != "" {
			t.Errorf("%s (-domain +wire):\n%s", p.ID, diff)
		}
	}
}

func TestEncodeLeavesTextAlone(t *testing.T) {
	got := string(encode(map[string]string{"a": "<é&>\u0001\"\\"}))
	if want := `{"a":"<é&>\u0001\"\\"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func parse(t *testing.T, text []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// diffJSON compares values, types, nulls and absences, and the order of lists;
// not that of members.
func diffJSON(t *testing.T, want string, got []byte) string {
	t.Helper()
	return cmp.Diff(parse(t, []byte(want)), parse(t, got))
}

// only keeps of got the members that want has.
func only(want, got any) any {
	switch got := got.(type) {
	case map[string]any:
		w, _ := want.(map[string]any)
		kept := map[string]any{}
		for k, v := range got {
			if wv, ok := w[k]; ok {
				kept[k] = only(wv, v)
			}
		}
		return kept
	case []any:
		w, _ := want.([]any)
		kept := []any{}
		for i, v := range got {
			if i < len(w) {
				v = only(w[i], v)
			}
			kept = append(kept, v)
		}
		return kept
	}
	return got
}

// withoutNulls does what botocore does with a reply.
func withoutNulls(m map[string]any) map[string]any {
	kept := map[string]any{}
	for k, v := range m {
		switch v := v.(type) {
		case nil:
		case map[string]any:
			kept[k] = withoutNulls(v)
		case []any:
			list := []any{}
			for _, item := range v {
				if im, ok := item.(map[string]any); ok {
					list = append(list, withoutNulls(im))
				} else {
					list = append(list, item)
				}
			}
			kept[k] = list
		default:
			kept[k] = v
		}
	}
	return kept
}
