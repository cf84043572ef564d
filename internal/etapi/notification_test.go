package etapi_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/etapi"
	"etude/internal/transcode"
)

func failure(detail string) (string, *transcode.Failure) {
	code := map[string]int{"3001": 3001, "3002": 3002, "4000": 4000}[detail[:4]]
	return detail, &transcode.Failure{Code: code}
}

func TestNotification(t *testing.T) {
	empty, thumbs := "", "thumbnail_{count}"
	oneOutput := func() *transcode.Job {
		return &transcode.Job{
			ID:       "1396802241671-jkmme8",
			Pipeline: "1396795968443-34a7hg",
			Inputs:   []transcode.Input{{Key: "input.mp3"}},
			Outputs:  []transcode.Output{{ID: "1", PresetID: "1351620000001-300040", Key: "output.mp3"}},
		}
	}
	complete := oneOutput()
	complete.Status, complete.Outputs[0].Status = transcode.Complete, transcode.Complete
	complete.Outputs[0].Made = &transcode.Made{Duration: 109010 * time.Millisecond}

	exists := oneOutput()
	exists.Status, exists.Outputs[0].Status = transcode.Failed, transcode.Failed
	exists.Outputs[0].StatusDetail, exists.Outputs[0].Failure = failure("3002 25319782-210b-45b2-a8a2-fb929b87d46b: The specified object could not be saved in the specified bucket because an object by that name already exists: bucket=example-public, key=output.mp3.")

	progressing := &transcode.Job{
		ID:       "1464574390308-dd3t38",
		Pipeline: "1464551986249-lqqtib",
		Inputs:   []transcode.Input{{Key: "uploads/clip"}},
		Outputs: []transcode.Output{
			{ID: "1", PresetID: "1351620000001-200055", Key: "hls_video_400k", SegmentDuration: "10", Status: transcode.Progressing},
			{ID: "2", PresetID: "1351620000001-200071", Key: "hls_audio_64k", SegmentDuration: "10.0", Status: transcode.Progressing},
		},
		Playlists: []transcode.Playlist{
			{Name: "index", Format: "HLSv4", OutputKeys: []string{"hls_video_400k", "hls_audio_64k"}, Status: transcode.Progressing},
		},
		OutputKeyPrefix: "hlsv4/clip/",
		Status:          transcode.Progressing,
	}

	noMedia := &transcode.Job{
		ID:       "1382644766696-2di5iz",
		Pipeline: "1382548852289-kax4vo",
		Inputs: []transcode.Input{{
			Key: "uploads/notes.rtf", FrameRate: "auto", Resolution: "auto", AspectRatio: "auto", Interlaced: "auto", Container: "auto",
		}},
		Outputs: []transcode.Output{
			{ID: "1", PresetID: "1351620000001-000030", Key: "converted.mp4", ThumbnailPattern: &thumbs, Rotate: "0", Status: transcode.Failed},
			{ID: "2", PresetID: "1351620000001-000040", Key: "converted_360.mp4", ThumbnailPattern: &empty, Rotate: "0", Status: transcode.Failed},
		},
		Status: transcode.Failed,
	}
	noMedia.Outputs[0].StatusDetail, noMedia.Outputs[0].Failure = failure("4000 68c8117b-a562-42a7-8cd7-ad6d4e74b885: Amazon Elastic Transcoder could not interpret the media file.")
	noMedia.Outputs[1].StatusDetail, noMedia.Outputs[1].Failure = failure("4000 501e2eda-4ee5-4507-a9c5-b02f7121feb4: Amazon Elastic Transcoder could not interpret the media file.")

	missing := &transcode.Job{
		ID:       "1382644766696-2di5iz",
		Pipeline: "1382548852289-kax4vo",
		Inputs:   []transcode.Input{{Key: `media/"a", {b}: é.wav`, Container: "wav"}},
		Outputs: []transcode.Output{
			{ID: "1", PresetID: "1351620000001-300040", Key: "a.mp3", Status: transcode.Failed},
			{ID: "2", PresetID: "1351620000001-300110", Key: "a.flac", Status: transcode.Failed},
		},
		Status:       transcode.Failed,
		UserMetadata: map[string]string{"track": "2", "album": "One"},
	}
	missing.Outputs[0].StatusDetail, missing.Outputs[0].Failure = failure(`3001 68c8117b-a562-42a7-8cd7-ad6d4e74b885: The specified object does not exist in the specified S3 bucket: bucket=media, key=media/"a", {b}: é.wav.`)
	missing.Outputs[1].StatusDetail, missing.Outputs[1].Failure = failure(`3001 501e2eda-4ee5-4507-a9c5-b02f7121feb4: The specified object does not exist in the specified S3 bucket: bucket=media, key=media/"a", {b}: é.wav.`)

	thumbs97 := "thumbs-97f0fc90-{count}"
	withPlaylist := &transcode.Job{
		ID:       "1502631977930-rabioh",
		Pipeline: "1502609200466-80khou",
		Inputs: []transcode.Input{
			{Key: "video/97f0fc90.mp4", TimeSpan: &transcode.TimeSpan{StartTime: "1.5", Duration: "6"}}, {Key: "more.mp4"},
		},
		Outputs: []transcode.Output{{
			ID: "1", PresetID: "1351620000001-200060", Key: "output/160k", ThumbnailPattern: &thumbs97, SegmentDuration: "10",
			AlbumArt:     &transcode.AlbumArt{MergePolicy: "Fallback", Artwork: []transcode.Artwork{{InputKey: "cover.png", MaxWidth: "auto"}}},
			Composition:  []transcode.TimeSpan{{Duration: "00:05"}},
			Status:       transcode.Complete,
			StatusDetail: "The starting time plus the duration of a clip exceeded the length of the input file. Amazon Elastic Transcoder created an output file that is shorter than the specified duration.",
			Made:         &transcode.Made{Duration: 5310 * time.Millisecond},
		}},
		OutputKeyPrefix: "HLS/97f0fc90/",
		Playlists:       []transcode.Playlist{{Name: "master", Format: "HLSv4", OutputKeys: []string{"output/160k"}, Status: transcode.Complete}},
		Status:          transcode.Complete,
	}

	// An only output, but with a playlist: its error is not the job's.
	noPlaylist := &transcode.Job{
		ID:       "1502631977930-rabioh",
		Pipeline: "1502609200466-80khou",
		Inputs:   []transcode.Input{{Key: "video/97f0fc90.mp4"}},
		Outputs:  []transcode.Output{{ID: "1", PresetID: "1351620000001-200060", Key: "output/160k", SegmentDuration: "10", Status: transcode.Failed}},
		Playlists: []transcode.Playlist{{
			Name: "master", Format: "HLSv3", OutputKeys: []string{"output/160k"}, Status: transcode.Failed,
			StatusDetail: "1001 501e2eda-4ee5-4507-a9c5-b02f7121feb4: Amazon Elastic Transcoder could not generate the playlist because it encountered an error with one or more of the playlists dependencies.",
		}},
		Status: transcode.Failed,
	}
	noPlaylist.Outputs[0].StatusDetail, noPlaylist.Outputs[0].Failure = failure("4000 68c8117b-a562-42a7-8cd7-ad6d4e74b885: Amazon Elastic Transcoder could not interpret the media file.")

	tests := []struct {
		file    string
		job     *transcode.Job
		subject string
	}{
		{"completed-hlsv4.txt", withPlaylist, "Amazon Elastic Transcoder has finished transcoding job 1502631977930-rabioh."},
		{"error-playlist.txt", noPlaylist, "The Amazon Elastic Transcoder job 1502631977930-rabioh has failed."},
		{"completed-mp3.txt", complete, "Amazon Elastic Transcoder has finished transcoding job 1396802241671-jkmme8."},
		{"error-single-output.txt", exists, "The Amazon Elastic Transcoder job 1396802241671-jkmme8 has failed."},
		{"progressing-hlsv4.txt", progressing, "Amazon Elastic Transcoder has scheduled job 1464574390308-dd3t38 for transcoding."},
		{"error-two-outputs.txt", noMedia, "The Amazon Elastic Transcoder job 1382644766696-2di5iz has failed."},
		{"error-missing-input.txt", missing, "The Amazon Elastic Transcoder job 1382644766696-2di5iz has failed."},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join("testdata", "sns", tt.file))
			if err != nil {
				t.Fatal(err)
			}
			subject, message := etapi.Notification(tt.job, &transcode.Pipeline{ID: tt.job.Pipeline})
			if subject != tt.subject {
				t.Errorf("subject %q, want %q", subject, tt.subject)
			}
			if diff := cmp.Diff(strings.TrimSuffix(string(want), "\n"), message); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
			event, err := etapi.ParseNotification(message)
			if err != nil {
				t.Fatal(err)
			}
			if event.JobID != tt.job.ID || event.PipelineID != tt.job.Pipeline || len(event.Outputs) != len(tt.job.Outputs) {
				t.Errorf("parsed: got %+v", event)
			}
		})
	}
}

// A warning is laid out as the other messages are.
func TestWarning(t *testing.T) {
	job := &transcode.Job{
		ID: "1396802241671-jkmme8", Pipeline: "1396795968443-34a7hg", Status: transcode.Complete,
		Inputs: []transcode.Input{{Key: "input.mp3"}},
		Outputs: []transcode.Output{{
			ID: "1", PresetID: "1351620000001-300040", Key: "output.mp3", Status: transcode.Complete, StatusDetail: "It is shorter.",
			Made: &transcode.Made{Duration: 2 * time.Second},
		}},
	}
	subject, message := etapi.Warning(job, nil)
	if want := "The Amazon Elastic Transcoder job 1396802241671-jkmme8 has a warning."; subject != want {
		t.Errorf("subject %q, want %q", subject, want)
	}
	want := `{
  "state" : "WARNING",
  "version" : "2012-09-25",
  "jobId" : "1396802241671-jkmme8",
  "pipelineId" : "1396795968443-34a7hg",
  "input" : {
    "key" : "input.mp3"
  },
  "inputCount" : 1,
  "outputs" : [ {
    "id" : "1",
    "presetId" : "1351620000001-300040",
    "key" : "output.mp3",
    "status" : "Complete",
    "statusDetail" : "It is shorter.",
    "duration" : 2
  } ]
}`
	if diff := cmp.Diff(want, message); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	if event, err := etapi.ParseNotification(message); err != nil || event.State != "WARNING" {
		t.Errorf("parsed: got %+v, %v", event, err)
	}
}

// Nobody is told of a job that waits or was canceled; AWS has no message for
// either.
func TestNoNotification(t *testing.T) {
	for _, status := range []transcode.Status{transcode.Submitted, transcode.Canceled, ""} {
		subject, message := etapi.Notification(&transcode.Job{Status: status}, &transcode.Pipeline{})
		if subject != "" || message != "" {
			t.Errorf("status %q: got %q, %q", status, subject, message)
		}
	}
}

// A job that could not be of this program's making, but came out of its store,
// still makes a message.
func TestNotificationOfAnything(t *testing.T) {
	job := &transcode.Job{
		ID: "1382644766696-2di5iz", Pipeline: "1382548852289-kax4vo", Status: transcode.Failed,
		Outputs: []transcode.Output{{Key: "\xff\"\\\n", SegmentDuration: "Inf"}, {SegmentDuration: "ten"}},
	}
	_, message := etapi.Notification(job, nil)
	if _, err := etapi.ParseNotification(message); err != nil {
		t.Errorf("%v in %s", err, message)
	}
	job.Outputs = nil
	_, message = etapi.Notification(job, nil)
	if _, err := etapi.ParseNotification(message); err != nil || !strings.Contains(message, `"outputs" : [ ]`) {
		t.Errorf("%v in %s", err, message)
	}
}

func TestParseNotification(t *testing.T) {
	message, err := os.ReadFile("testdata/sns/error-single-output.txt")
	if err != nil {
		t.Fatal(err)
	}
	got, err := etapi.ParseNotification(string(message))
	if err != nil {
		t.Fatal(err)
	}
	detail, f := failure("3002 25319782-210b-45b2-a8a2-fb929b87d46b: The specified object could not be saved in the specified bucket because an object by that name already exists: bucket=example-public, key=output.mp3.")
	want := etapi.Event{
		State: "ERROR", ErrorCode: f.Code, MessageDetails: detail, Version: "2012-09-25",
		JobID: "1396802241671-jkmme8", PipelineID: "1396795968443-34a7hg",
		Input: etapi.EventInput{Key: "input.mp3"}, InputCount: 1,
		Outputs: []etapi.EventOutput{{
			ID: "1", PresetID: "1351620000001-300040", Key: "output.mp3", Status: transcode.Failed, StatusDetail: detail, ErrorCode: f.Code,
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	const ids = `"jobId":"1396802241671-jkmme8","pipelineId":"1396795968443-34a7hg"`
	tests := []struct{ message, err string }{
		{`{"state":"WARNING","unknown":{},` + ids + `}`, ""},
		{``, "parse notification: unexpected end of JSON input"},
		{`[]`, "parse notification: json: cannot unmarshal array into Go value of type etapi.Event"},
		{`null`, "parse notification: it has no state: it is no message of a pipeline"},
		{`{` + ids + `}`, "parse notification: it has no state: it is no message of a pipeline"},
		{`{"state":"completed",` + ids + `}`, `parse notification: unknown state "completed"`},
		{`{"state":"COMPLETED","jobId":"../1"}`, `parse notification: "../1" is no job's id`},
		{`{"state":"COMPLETED","jobId":"1396802241671-jkmme8","pipelineId":""}`, `parse notification: "" is no pipeline's id`},
	}
	for _, tt := range tests {
		text := ""
		if _, err := etapi.ParseNotification(tt.message); err != nil {
			text = err.Error()
		}
		if text != tt.err {
			t.Errorf("%s: got %q, want %q", tt.message, text, tt.err)
		}
	}
}
