package etapi

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/transcode"
)

const sampleRole = "arn:aws:iam::123456789012:role/Elastic_Transcoder_Default_Role"

// sample reads a sample request.
func sample(t *testing.T, method, path, file string) document {
	t.Helper()
	in, err := read(method, path, testdata(t, "wire", file))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return in
}

// bothConfigs is the pipeline of AWS's own example of CreatePipeline.
func bothConfigs() transcode.PipelineSpec {
	all := []transcode.Permission{{GranteeType: "Email", Grantee: "promos@example.com", Access: []string{"FullControl"}}}
	return transcode.PipelineSpec{
		Name: "Default", InputBucket: "example-source", Role: sampleRole,
		Notifications: transcode.Notifications{Error: "arn:aws:sns:us-east-1:123456789012:ETS_Errors"},
		Content:       &transcode.OutputConfig{Bucket: "example-public", StorageClass: "Standard", Permissions: all},
		Thumbnails:    &transcode.OutputConfig{Bucket: "example-thumbs", StorageClass: "ReducedRedundancy", Permissions: all},
	}
}

func TestPipelineRequests(t *testing.T) {
	tests := map[string]transcode.PipelineSpec{
		"create-pipeline.request.json": bothConfigs(),
		"create-pipeline-outputbucket.request.json": {
			Name: "example-pipeline", InputBucket: "ets-example", OutputBucket: "ets-example", Role: sampleRole,
			Notifications: transcode.Notifications{Completed: "arn:aws:sns:us-west-2:123456789012:ets_example"},
		},
	}
	for file, want := range tests {
		if diff := cmp.Diff(want, pipelineSpec(sample(t, "POST", "pipelines", file))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
	in := sample(t, "POST", "pipelines/1533765810777-ef34gh/status", "update-pipeline-status.request.json")
	if diff := cmp.Diff(document{"Id": "1533765810777-ef34gh", "Status": "Paused"}, in); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	in = sample(t, "POST", "roleTests", "test-role.request.json")
	if got, want := in.list("Topics"), []string{"arn:aws:sns:us-east-1:123456789012:ETS_Errors"}; !cmp.Equal(got, want) {
		t.Errorf("topics: got %q, want %q", got, want)
	}
}

// What is absent or null stays; an empty text or list does not.
func TestPipelineChange(t *testing.T) {
	empty, name, topic := "", "a", "arn:aws:sns:eu-west-1:123456789012:t"
	tests := map[string]transcode.PipelineChange{
		``:   {},
		`{}`: {},
		`{"Id":"x","Name":null,"Role":null,"Notifications":null,"ContentConfig":null,"OutputBucket":"b"}`: {},
		`{"Name":"a","AwsKmsKeyArn":"","Notifications":{"Completed":"","Error":"` + topic + `","Warning":null},"ContentConfig":{}}`: {
			Name: &name, KMSKeyARN: &empty, Notifications: transcode.NotificationsChange{Completed: &empty, Error: &topic},
			Content: &transcode.OutputConfig{},
		},
		`{"ContentConfig":{"Bucket":"b","Permissions":null},"ThumbnailConfig":{"Permissions":[]}}`: {
			Content: &transcode.OutputConfig{Bucket: "b"}, Thumbnails: &transcode.OutputConfig{Permissions: []transcode.Permission{}},
		},
	}
	for body, want := range tests {
		in, err := read("PUT", "pipelines/1533765810777-ef34gh", body)
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if diff := cmp.Diff(want, pipelineChange(in)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
}

func TestPipelineOperationReplies(t *testing.T) {
	a, spec := inOregon(), bothConfigs()
	both := a.pipelineReply(&transcode.Pipeline{
		ID: "1533765810590-ab12cd", Name: spec.Name, Status: transcode.PipelineActive, InputBucket: spec.InputBucket, Role: spec.Role,
		Notifications: spec.Notifications, Content: *spec.Content, Thumbnails: *spec.Thumbnails,
	}, []transcode.Warning{{
		Code:    "6006",
		Message: "The SNS notification topic for Error events and the pipeline are in different regions, which increases processing time for jobs in the pipeline and can incur additional charges. To decrease processing time and prevent cross-regional charges, use the same region for the SNS notification topic and the pipeline.",
	}})
	one := &transcode.Pipeline{
		ID: "1533765810777-ef34gh", Name: "example-pipeline", Status: transcode.PipelineActive, InputBucket: "ets-example", OutputBucket: "ets-example", Role: sampleRole,
		Notifications: transcode.Notifications{Completed: "arn:aws:sns:us-west-2:123456789012:ets_example"},
		Content:       transcode.OutputConfig{Bucket: "ets-example"},
		Thumbnails:    transcode.OutputConfig{Bucket: "ets-example"},
	}
	active := a.pipelineReply(one, nil)
	one.Status = transcode.PipelinePaused
	tests := map[string]any{
		"create-pipeline.response.json":              both,
		"create-pipeline-outputbucket.response.json": active,
		"update-pipeline-status.response.json":       onlyPipeline{a.pipelineJSON(one)},
		"delete-or-cancel.response.json":             success{"true"},
		"test-role.response.json": newRoleReply([]string{
			"The role " + sampleRole + " does not have access to the bucket: example-source",
			"The role " + sampleRole + " does not have access to the topic: arn:aws:sns:us-east-1:123456789012:ETS_Errors",
		}),
	}
	for file, reply := range tests {
		if diff := diffJSON(t, testdata(t, "wire", file), encode(reply)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
	if got, want := string(encode(newRoleReply(nil))), `{"Success":"true","Messages":[]}`; got != want {
		t.Errorf("a role that is well: got %s, want %s", got, want)
	}
}

// A preset comes back as it was sent, and so does every system preset: what can
// be read can be made anew.
func TestPresetRequests(t *testing.T) {
	p := preset(sample(t, "POST", "presets", "create-preset.request.json"))
	p.ID, p.Type = "1533765290724-k5m2x9", transcode.CustomPreset
	got := withoutNulls(parse(t, encode(map[string]any{"Preset": inOregon().presetJSON(&p), "Warning": ""})))
	if diff := cmp.Diff(parse(t, []byte(testdata(t, "wire", "create-preset.response.json"))), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, p := range transcode.SystemPresets() {
		wire := inOregon().presetJSON(&p)
		wire.Name = "a" // three of the names are too long for anybody else
		in, err := read("POST", "presets", string(encode(wire)))
		if err != nil {
			t.Errorf("%s: %v", p.ID, err)
			continue
		}
		again := preset(in)
		again.ID, again.Name, again.Type = p.ID, p.Name, p.Type
		if diff := cmp.Diff(p, again); diff != "" {
			t.Errorf("%s (-system +custom):\n%s", p.ID, diff)
		}
	}
	in, err := read("POST", "presets", `{"Name":"a","Container":"mp4","Video":{"CodecOptions":{"MaxBitRate":"","BufferSize":""}}}`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := preset(in).Video.CodecOptions, map[string]string{"MaxBitRate": "", "BufferSize": ""}; !cmp.Equal(got, want) {
		t.Errorf("empty CodecOptions: got %v, want %v", got, want)
	}
}

func TestJobListReplies(t *testing.T) {
	job := func(id transcode.JobID) *transcode.Job {
		empty := ""
		return &transcode.Job{
			ID: id, Pipeline: "1636530122589-ptkx1n",
			Inputs: []transcode.Input{{Key: "data/part-00000.file"}},
			Outputs: []transcode.Output{{
				ID: "1", Key: "file.mp4", ThumbnailPattern: &empty, Rotate: "auto", PresetID: "1351620000001-000010", Status: transcode.Failed,
				StatusDetail: "4000 92362f1a-fc60-4064-a219-a885d9e15bd2: Amazon Elastic Transcoder could not interpret the media file.",
			}},
			OutputKeyPrefix: "data/", Status: transcode.Failed,
			SubmitTime: time.UnixMilli(1636545275576), StartTime: time.UnixMilli(1636545276637), FinishTime: time.UnixMilli(1636545278699),
		}
	}
	tests := map[string]jobsReply{
		"list-jobs-by-pipeline.response.json":     inOregon().jobsReply([]*transcode.Job{job("1636545275565-xwma1v"), job("1636545270012-b7c6d5")}, "1636545269004-z9y8x7"),
		"list-jobs-by-status-empty.response.json": inOregon().jobsReply(nil, ""),
	}
	for file, reply := range tests {
		if diff := diffJSON(t, testdata(t, "wire", file), encode(reply)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func TestPlaylistReplies(t *testing.T) {
	none, played := "", 5310*time.Millisecond
	made := func(id, key string, preset transcode.PresetID, size int64) transcode.Output {
		return transcode.Output{
			ID: id, Key: key, PresetID: preset, SegmentDuration: "3", Status: transcode.Complete,
			Made: &transcode.Made{Duration: played, Size: size},
		}
	}
	hls := &transcode.Job{
		ID: "1568165900123-a1b2c3", Pipeline: "1533765810590-ab12cd",
		Inputs:          []transcode.Input{{Key: "uploads/clip.mp4", Detected: &transcode.Detected{FileSize: 1055736, Duration: played}}},
		Outputs:         []transcode.Output{made("1", "clip_200060", "1351620000001-200060", 121000), made("2", "clip_200071", "1351620000001-200071", 48200)},
		OutputKeyPrefix: "conversions/clip/",
		Playlists:       []transcode.Playlist{{Name: "clip_hls", Format: "HLSv4", OutputKeys: []string{"clip_200060", "clip_200071"}, Status: transcode.Complete}},
		Status:          transcode.Complete,
		SubmitTime:      time.UnixMilli(1568165900135), StartTime: time.UnixMilli(1568165901302), FinishTime: time.UnixMilli(1568165911947),
	}
	hls.Outputs[0].ThumbnailPattern = &none
	got := encode(struct{ Job jobJSON }{inOregon().jobJSON(hls)})
	if diff := diffJSON(t, testdata(t, "wire", "read-job-hlsv4-complete.response.json"), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
