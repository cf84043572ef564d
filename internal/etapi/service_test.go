package etapi_test

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder"
	"github.com/google/go-cmp/cmp"

	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/transcode"
)

const role = "arn:aws:iam::999999999999:role/of-somebody-else"

// call sends a request and returns its reply, which must have the status and
// all that every reply has.
func (s *server) call(t *testing.T, status int, method, path, body string) map[string]any {
	t.Helper()
	errorType := map[int]string{
		400: "ValidationException", 403: "AccessDeniedException", 404: "ResourceNotFoundException",
		409: "ResourceInUseException", 429: "LimitExceededException",
	}[status]
	got := s.send(t, method, "/2012-09-25/"+path, body, nil)
	checkReply(t, got, status, errorType)
	var v map[string]any
	if err := json.Unmarshal([]byte(got.body), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// at returns what is in v below some names.
func at(v any, names ...string) any {
	for _, name := range names {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

func id(v map[string]any, kind string) string {
	s, _ := at(v, kind, "Id").(string)
	return s
}

func want(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// TestOldClient does what boto 2 did, which took no other status than these,
// decoded every body, and repeated the id in the bodies of updates.
func TestOldClient(t *testing.T) {
	s := newServer(t)
	p := s.call(t, 201, "POST", "pipelines", `{"Name":"p","InputBucket":"media","OutputBucket":"media","Role":"`+role+`","Notifications":{},"ContentConfig":null}`)
	pipeline := id(p, "Pipeline")
	s.call(t, 200, "GET", "pipelines", "")
	s.call(t, 200, "GET", "pipelines/"+pipeline, "")
	s.call(t, 200, "PUT", "pipelines/"+pipeline, `{"Id":"`+pipeline+`","Name":"q"}`)
	s.call(t, 200, "POST", "pipelines/"+pipeline+"/status", `{"Id":"`+pipeline+`","Status":"Paused"}`)
	s.call(t, 200, "POST", "pipelines/"+pipeline+"/notifications", `{"Id":"`+pipeline+`","Notifications":{"Progressing":"","Completed":"","Warning":"","Error":""}}`)
	s.call(t, 200, "POST", "roleTests", `{"Role":"`+role+`","InputBucket":"media","OutputBucket":"media","Topics":[]}`)
	preset := id(s.call(t, 201, "POST", "presets", `{"Name":"a","Container":"mp3","Audio":{"Codec":"mp3","SampleRate":"44100","BitRate":"128","Channels":"2"}}`), "Preset")
	s.call(t, 200, "GET", "presets", "")
	s.call(t, 200, "GET", "presets/"+preset, "")
	job := id(s.call(t, 201, "POST", "jobs", `{"PipelineId":"`+pipeline+`","Input":{"Key":"a"},"Output":{"Key":"b","PresetId":"`+preset+`"}}`), "Job")
	s.call(t, 200, "GET", "jobs/"+job, "")
	s.call(t, 200, "GET", "jobsByPipeline/"+pipeline, "")
	s.call(t, 200, "GET", "jobsByStatus/Submitted", "")
	s.call(t, 409, "DELETE", "pipelines/"+pipeline, "")
	done := map[string]any{"Success": "true"}
	want(t, "CancelJob", done, s.call(t, 202, "DELETE", "jobs/"+job, ""))
	want(t, "DeletePreset", done, s.call(t, 202, "DELETE", "presets/"+preset, ""))
	want(t, "DeletePipeline", done, s.call(t, 202, "DELETE", "pipelines/"+pipeline, ""))

	s.call(t, 404, "GET", "pipelines/"+pipeline, "")
	s.call(t, 404, "GET", "jobsByPipeline/"+pipeline, "")
	s.call(t, 404, "GET", "presets/"+preset, "")
	want(t, "job of a deleted pipeline and preset", "Canceled", at(s.call(t, 200, "GET", "jobs/"+job, ""), "Job", "Status"))
	if strings.Contains(s.log.String(), "level=ERROR") {
		t.Errorf("a fault of ours:\n%s", s.log)
	}
}

func TestPipelineLife(t *testing.T) {
	s := newServer(t)
	const permissions = `[{"GranteeType":"Group","Grantee":"AllUsers","Access":["Read","ReadAcp"]}]`
	created := s.call(t, 201, "POST", "pipelines", `{"Name":"p","InputBucket":"media","Role":"`+role+`","AwsKmsKeyArn":"",
		"Notifications":{"Completed":"`+done+`","Error":"arn:aws:sns:us-east-1:123456789012:other","Warning":"arn:aws:sns:eu-west-1:123456789012:nothing"},
		"ContentConfig":{"Bucket":"media","StorageClass":"Standard","Permissions":`+permissions+`},
		"ThumbnailConfig":{"Bucket":"nowhere","Permissions":`+permissions+`}}`)
	path := "pipelines/" + id(created, "Pipeline")
	warnings := created["Warnings"].([]any)
	const text = "The SNS notification topic for Warning events does not exist: topic=arn:aws:sns:eu-west-1:123456789012:nothing."
	want(t, "two warnings", []any{
		map[string]any{"Code": "6002", "Message": "The thumbnail bucket cannot be reached: bucket=nowhere."},
		map[string]any{"Code": "6004", "Message": text},
	}, warnings[:2])
	if message, _ := at(warnings[2], "Message").(string); len(warnings) != 3 || !strings.Contains(message, "Error events and the pipeline are in different regions") {
		t.Errorf("the third of %d warnings: %v", len(warnings), warnings[2])
	}
	want(t, "reading what was created", created, s.call(t, 200, "GET", path, ""))

	same := s.call(t, 200, "PUT", path, `{"Notifications":{},"ContentConfig":{"Bucket":"media"},"ThumbnailConfig":{}}`)
	want(t, "an update of nothing", created, same)
	changed := s.call(t, 200, "PUT", path, `{"Name":"q","Notifications":{"Error":"","Warning":""},"ContentConfig":{"Permissions":[]},"ThumbnailConfig":{"Bucket":"media"}}`)
	want(t, "topics", map[string]any{"Progressing": "", "Completed": done, "Warning": "", "Error": ""}, at(changed, "Pipeline", "Notifications"))
	want(t, "content", map[string]any{"Bucket": "media", "StorageClass": "Standard", "Permissions": []any{}}, at(changed, "Pipeline", "ContentConfig"))
	kept := []any{map[string]any{"GranteeType": "Group", "Grantee": "AllUsers", "Access": []any{"Read", "ReadAcp"}}}
	want(t, "thumbnails", map[string]any{"Bucket": "media", "StorageClass": nil, "Permissions": kept}, at(changed, "Pipeline", "ThumbnailConfig"))
	want(t, "warnings", []any{}, changed["Warnings"])

	replaced := s.call(t, 200, "POST", path+"/notifications", `{"Notifications":{"Error":"`+done+`"}}`)
	want(t, "topics replaced", map[string]any{"Progressing": "", "Completed": "", "Warning": "", "Error": done}, at(replaced, "Pipeline", "Notifications"))
	paused := s.call(t, 200, "POST", path+"/status", `{"Status":"Paused"}`)
	want(t, "status", "Paused", at(paused, "Pipeline", "Status"))
	if _, has := paused["Warnings"]; has {
		t.Error("UpdatePipelineStatus has Warnings")
	}
	want(t, "the paused one in the list", []any{paused["Pipeline"]}, s.call(t, 200, "GET", "pipelines", "")["Pipelines"])

	// A paused pipeline takes jobs, whatever their input.
	job := s.call(t, 201, "POST", "jobs", `{"PipelineId":"`+id(paused, "Pipeline")+`","Input":{"Key":"not there"},"Output":{"Key":"b","PresetId":"1351620000001-300040"}}`)
	want(t, "job", "Submitted", at(job, "Job", "Status"))
}

func TestTestRole(t *testing.T) {
	s := newServer(t)
	well := s.call(t, 200, "POST", "roleTests", `{"Role":"`+role+`","InputBucket":"media","OutputBucket":"media","Topics":["`+done+`",""]}`)
	want(t, "all is there", map[string]any{"Success": "true", "Messages": []any{}}, well)
	ill := s.call(t, 200, "POST", "roleTests", `{"Role":"`+role+`","InputBucket":"nowhere","OutputBucket":"media","Topics":["`+done+`","arn:aws:sns:eu-west-1:123456789012:none"]}`)
	want(t, "some is missing", map[string]any{"Success": "false", "Messages": []any{
		"The role " + role + " does not have access to the bucket: nowhere",
		"The role " + role + " does not have access to the topic: arn:aws:sns:eu-west-1:123456789012:none",
	}}, ill)
}

func TestPresetLife(t *testing.T) {
	s := newServer(t)
	created := s.call(t, 201, "POST", "presets", `{"Name":"Speech","Description":"","Container":"mp4","Video":null,"Thumbnails":null,
		"Audio":{"Codec":"AAC","SampleRate":"auto","BitRate":"48","Channels":"1","CodecOptions":{"Profile":"HE-AAC"}}}`)
	want(t, "warning", "", created["Warning"])
	want(t, "audio", map[string]any{
		"Codec": "AAC", "SampleRate": "auto", "BitRate": "48", "Channels": "1", "AudioPackingMode": nil,
		"CodecOptions": map[string]any{"Profile": "HE-AAC", "BitDepth": nil, "BitOrder": nil, "Signed": nil},
	}, at(created, "Preset", "Audio"))
	want(t, "type", "Custom", at(created, "Preset", "Type"))
	path := "presets/" + id(created, "Preset")
	want(t, "reading what was created", created["Preset"], s.call(t, 200, "GET", path, "")["Preset"])
	newest := s.call(t, 200, "GET", "presets?Ascending=false", "")["Presets"].([]any)
	want(t, "the newest of 63", []any{created["Preset"], 63}, []any{newest[0], len(newest)})

	sample, err := os.ReadFile("testdata/wire/create-preset.request.json")
	if err != nil {
		t.Fatal(err)
	}
	video := s.call(t, 201, "POST", "presets", string(sample))
	want(t, "warning of what cannot be made", "The preset was created, but this server refuses jobs that use it: it has video.", video["Warning"])

	s.call(t, 202, "DELETE", path, "")
	s.call(t, 404, "DELETE", path, "")
}

func TestLimits(t *testing.T) {
	s := newServer(t)
	s.service.MaxPipelines, s.service.MaxPresets = 1, 1
	const (
		pipeline = `{"Name":"p","InputBucket":"media","OutputBucket":"media","Role":"` + role + `"}`
		preset   = `{"Name":"a","Container":"wav","Audio":{"Codec":"pcm"}}`
	)
	s.call(t, 201, "POST", "pipelines", pipeline)
	s.call(t, 201, "POST", "presets", preset)
	want(t, "two pipelines", "The account already has the maximum number of pipelines allowed: account=123456789012, maximum number of pipelines=1",
		s.call(t, 429, "POST", "pipelines", pipeline)["message"])
	want(t, "two presets", "The account already has the maximum number of presets allowed: account=123456789012, maximum number of presets=1",
		s.call(t, 429, "POST", "presets", preset)["message"])
}

// What a job was asked for comes back as it was sent, at once and later.
func TestEcho(t *testing.T) {
	s := newServer(t)
	p := s.pipeline(t, "music")
	request, reply := readFile(t, "create-job-everything.request.json"), readFile(t, "create-job-everything.response.json")
	const samplePipeline, sampleJob = "1533765810590-ab12cd", "1533838012294-q7w8e9"
	created := s.call(t, 201, "POST", "jobs", strings.ReplaceAll(request, samplePipeline, string(p.ID)))
	var wanted map[string]any
	reply = strings.NewReplacer(samplePipeline, string(p.ID), sampleJob, id(created, "Job")).Replace(reply)
	if err := json.Unmarshal([]byte(reply), &wanted); err != nil {
		t.Fatal(err)
	}
	wanted["Job"].(map[string]any)["Timing"] = at(created, "Job", "Timing")
	want(t, "created", wanted, created)
	want(t, "read", wanted, s.call(t, 200, "GET", "jobs/"+id(created, "Job"), ""))
	want(t, "listed", []any{wanted["Job"]}, s.call(t, 200, "GET", "jobsByStatus/Submitted", "")["Jobs"])
}

// What the domain refuses is told as a ValidationException too.
func TestRefusedJobs(t *testing.T) {
	s := newServer(t)
	p := s.pipeline(t, "music")
	const ts, mp3, video = `"PresetId":"1351620000001-200060"`, `"PresetId":"1351620000001-300040"`, `"PresetId":"1351620000001-000010"`
	segmented := func(key string) string { return `{"Key":"` + key + `",` + ts + `,"SegmentDuration":"10"}` }
	tests := []struct{ members, want string }{
		{`"Output":{"Key":"a",` + video + `}`, "Preset 1351620000001-000010 cannot be made here: it has video."},
		{`"Outputs":[` + segmented("a") + `],"Playlists":[{"Name":"p","Format":"Smooth","OutputKeys":["a"]}]`, `Playlists of the Format Smooth cannot be made yet: playlist "p".`},
		{
			`"Outputs":[` + segmented("x/a") + `],"Playlists":[{"Name":"y/p","Format":"HLSv3","OutputKeys":["x/a"]}]`,
			"All outputs in a playlist must begin identically to the playlist name upto the last / character.",
		},
		{`"Outputs":[` + segmented("a") + `],"Playlists":[{"Name":"p","Format":"HLSv3","OutputKeys":["b"]}]`, `The Playlist "p" names the output key "b", which is none of the job's.`},
		{`"Output":{"Key":"a",` + mp3 + `,"Composition":[{},{}]}`, "Output 1 has a Composition of 2 clips; one is possible."},
		{`"Input":{"Key":"b","TimeSpan":{"Duration":"0"}},"Output":{"Key":"a",` + mp3 + `}`, "Input 1: the Duration of a TimeSpan must be above 0."},
		{`"Output":{"Key":"a",` + mp3 + `,"AlbumArt":{"Artwork":[{"InputKey":"a.png","MaxWidth":"31"}]}}`, `Output 1: MaxWidth of Artwork is "31": it must be auto or an even number from 32 to 4096.`},
	}
	for _, tt := range tests {
		body := `{"PipelineId":"` + string(p.ID) + `",` + tt.members + `}`
		if !strings.Contains(tt.members, `"Input"`) {
			body = `{"Input":{"Key":"b"},` + body[1:]
		}
		want(t, tt.members, tt.want, s.call(t, 400, "POST", "jobs", body)["message"])
	}
	if n := len(s.tasks.All()); n != 0 {
		t.Errorf("%d tasks were queued for jobs that were refused", n)
	}
}

// A job that has not started can be cancelled, once; nobody cancels one that
// runs.
func TestCancelJob(t *testing.T) {
	s := newServer(t)
	body := `{"PipelineId":"` + string(s.pipeline(t, "music").ID) + `","Input":{"Key":"a"},
		"Outputs":[{"Key":"b","PresetId":"1351620000001-200060","SegmentDuration":"10"}],"Playlists":[{"Name":"p","Format":"HLSv3","OutputKeys":["b"]}]}`
	path := "jobs/" + id(s.call(t, 201, "POST", "jobs", body), "Job")
	s.call(t, 202, "DELETE", path, "")
	job := at(s.call(t, 200, "GET", path, ""), "Job").(map[string]any)
	timing := job["Timing"].(map[string]any)
	if timing["SubmitTimeMillis"] == nil || timing["FinishTimeMillis"] == nil || timing["StartTimeMillis"] != nil {
		t.Errorf("times: %v, want those of submit and finish", timing)
	}
	playlist := job["Playlists"].([]any)[0]
	want(t, "statuses", []any{"Canceled", "Canceled", "Canceled"}, []any{job["Status"], at(job["Output"], "Status"), at(playlist, "Status")})
	s.call(t, 409, "DELETE", path, "")
	want(t, "canceled jobs", []any{job}, s.call(t, 200, "GET", "jobsByStatus/Canceled", "")["Jobs"])

	running := id(s.call(t, 201, "POST", "jobs", body), "Job")
	err := s.store.Update(t.Context(), func(tx transcode.Tx) error {
		j, err := tx.Job(t.Context(), transcode.JobID(running))
		if err != nil {
			return err
		}
		j.Status, j.StartTime = transcode.Progressing, time.Now()
		return tx.UpdateJob(t.Context(), j)
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "cancelling what runs", "The job was already in use: accountId=123456789012, resourceId="+running, s.call(t, 409, "DELETE", "jobs/"+running, "")["message"])
}

// Presets page as jobs do: the system's first and the newest last, or the other
// way round.
func TestPresetPages(t *testing.T) {
	s := newServer(t)
	var ids []string
	for _, p := range transcode.SystemPresets() {
		ids = append(ids, string(p.ID))
	}
	for i := range 60 {
		p, err := s.service.CreatePreset(t.Context(), transcode.Preset{
			Name: strconv.Itoa(i), Container: "wav", Audio: &transcode.Audio{Codec: "pcm"},
		})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, string(p.ID))
	}
	slices.Sort(ids)
	retries := 0
	for _, ascending := range []string{"true", "false"} {
		pages := elastictranscoder.NewListPresetsPaginator(s.sdk(&retries), &elastictranscoder.ListPresetsInput{Ascending: aws.String(ascending)})
		var got []string
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range page.Presets {
				got = append(got, *p.Id)
			}
		}
		want(t, "ascending "+ascending, ids, got)
		slices.Reverse(ids)
	}
	first := s.call(t, 200, "GET", "presets?Ascending=&PageToken=", "")["Presets"].([]any)
	want(t, "the first page of an empty token", 100, len(first))
	beyond := s.call(t, 200, "GET", "presets?PageToken=9999999999999-zzzzzz", "")
	want(t, "beyond the end", map[string]any{"Presets": []any{}, "NextPageToken": nil}, beyond)
}

// TestJobWithPlaylist has the domain run a job over the real store, and reads it
// as clients do.
func TestJobWithPlaylist(t *testing.T) {
	s := newServer(t)
	s.service.Encoder, s.service.Objects = &ffmpegtest.Encoder{}, realObjects(t, "media/a.wav")
	body := `{"PipelineId":"` + string(s.pipeline(t, "music").ID) + `","Input":{"Key":"media/a.wav"},"OutputKeyPrefix":"out/",
		"Outputs":[{"Key":"b","PresetId":"1351620000001-200060","SegmentDuration":"10"}],"Playlists":[{"Name":"p","Format":"HLSv4","OutputKeys":["b"]}]}`
	path := "jobs/" + id(s.call(t, 201, "POST", "jobs", body), "Job")
	if err := s.service.RunJob(t.Context(), transcode.RunJob{}); err != nil {
		t.Fatal(err)
	}
	job := at(s.call(t, 200, "GET", path, ""), "Job").(map[string]any)
	playlist := job["Playlists"].([]any)[0]
	want(t, "statuses", []any{"Complete", "Complete", "Complete"}, []any{job["Status"], at(job["Output"], "Status"), at(playlist, "Status")})
	want(t, "Duration", 1.0, at(job["Output"], "Duration"))
	want(t, "DetectedProperties", 1000.0, at(job["Input"], "DetectedProperties", "DurationMillis"))
	s.call(t, 409, "DELETE", path, "")

	// Again: what is there is not overwritten, and the playlist is not made.
	path = "jobs/" + id(s.call(t, 201, "POST", "jobs", body), "Job")
	if err := s.service.RunJob(t.Context(), transcode.RunJob{}); err != nil {
		t.Fatal(err)
	}
	job = at(s.call(t, 200, "GET", path, ""), "Job").(map[string]any)
	for what, prefix := range map[any]string{
		at(job["Output"], "StatusDetail"):               "3002 ",
		at(job["Playlists"].([]any)[0], "StatusDetail"): "1001 ",
	} {
		if detail, _ := what.(string); !strings.HasPrefix(detail, prefix) {
			t.Errorf("StatusDetail %q, want %s", detail, prefix)
		}
	}
	failed := s.call(t, http.StatusOK, "GET", "jobsByStatus/Error", "")["Jobs"].([]any)
	want(t, "jobs that failed", []any{job}, failed)
}

// Two choices where AWS's behavior is not known: the second of two outputs with
// one key is one that exists already, and artwork without a MergePolicy replaces.
func TestUnknownBehavior(t *testing.T) {
	s := newServer(t)
	encoder := &ffmpegtest.Encoder{}
	s.service.Encoder, s.service.Objects = encoder, realObjects(t, "media/a.wav", "media/a.png")
	job := id(s.call(t, 201, "POST", "jobs", `{"PipelineId":"`+string(s.pipeline(t, "music").ID)+`","Input":{"Key":"media/a.wav"},"Outputs":[
		{"Key":"b","PresetId":"1351620000001-300040","AlbumArt":{"Artwork":[{"InputKey":"media/a.png"}]}},
		{"Key":"b","PresetId":"1351620000001-300110"}]}`), "Job")
	if err := s.service.RunJob(t.Context(), transcode.RunJob{}); err != nil {
		t.Fatal(err)
	}
	outputs := at(s.call(t, 200, "GET", "jobs/"+job, ""), "Job", "Outputs").([]any)
	want(t, "the first", "Complete", at(outputs[0], "Status"))
	if detail, _ := at(outputs[1], "StatusDetail").(string); !strings.HasPrefix(detail, "3002 ") {
		t.Errorf("the second: %q, want 3002", detail)
	}
	want(t, "merge policy", "Replace", encoder.Calls()[0].Outputs[0].Art.MergePolicy)
	want(t, "merge policy as echoed", nil, at(outputs[0], "AlbumArt", "MergePolicy"))
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/wire/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
