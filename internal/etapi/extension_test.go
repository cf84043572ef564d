package etapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"etude/internal/account"
	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/transcode"
)

// TestJobReport reads all there is of a job that has run, as an admin and as
// somebody who may only look.
func TestJobReport(t *testing.T) {
	s := newServer(t)
	s.service.Encoder, s.service.Objects = &ffmpegtest.Encoder{}, realObjects(t, "media/a.wav")
	s.service.ByProductBucket = "media"
	body := `{"PipelineId":"` + string(s.pipeline(t, "music").ID) + `","Input":{"Key":"media/a.wav"},"Output":{"Key":"b","PresetId":"1351620000001-300110"}}`
	job := id(s.call(t, 201, "POST", "jobs", body), "Job")
	path := "jobs/" + job + "/etude"

	waiting := s.call(t, 200, "GET", path, "")
	want(t, "while it waits", map[string]any{"Job": map[string]any{
		"Id": job, "Status": "Submitted", "Progress": nil, "Measurement": nil,
		"Outputs": []any{map[string]any{"Id": "1", "Progress": nil, "Loudness": nil}},
	}}, waiting)
	s.call(t, 404, "GET", path+"/peaks", "")
	s.call(t, 404, "GET", path+"/spectrogram.png", "")

	if err := s.service.RunJob(t.Context(), transcode.RunJob{}); err != nil {
		t.Fatal(err)
	}
	done := s.call(t, 200, "GET", path, "")
	want(t, "measurement", map[string]any{
		"Inputs": 1.0, "SampleRate": 44100.0, "Channels": 2.0, "Samples": 44100.0,
		"IntegratedLUFS": -9.84, "RangeLU": 6.1, "TruePeakDBTP": 0.42, "SamplePeakDBFS": 0.42, "ByProducts": true,
	}, at(done, "Job", "Measurement"))
	attempts, _ := at(done, "Job", "Attempts").([]any)
	if len(attempts) != 1 || at(attempts[0], "Outcome") != "finished" || at(attempts[0], "Log") != "nothing was encoded" {
		t.Errorf("attempts: %v", attempts)
	}

	low := s.send(t, "GET", "/2012-09-25/"+path+"/peaks", "", nil)
	if low.status != http.StatusOK || low.header.Get("Content-Type") != "application/json" || !strings.Contains(low.body, `"length":2`) {
		t.Errorf("peaks: %d %v %s", low.status, low.header, low.body)
	}
	if again := s.send(t, "GET", "/2012-09-25/"+path+"/peaks?Resolution=low", "", nil); again.body != low.body {
		t.Errorf("low peaks: %s", again.body)
	}
	if high := s.send(t, "GET", "/2012-09-25/"+path+"/peaks?Resolution=high", "", nil); !strings.Contains(high.body, `"length":4`) {
		t.Errorf("high peaks: %d %s", high.status, high.body)
	}
	picture := s.send(t, "GET", "/2012-09-25/"+path+"/spectrogram.png", "", nil)
	if picture.status != http.StatusOK || picture.header.Get("Content-Type") != "image/png" || http.DetectContentType([]byte(picture.body)) != "image/png" {
		t.Errorf("spectrogram: %d %v", picture.status, picture.header)
	}

	k, secret, err := s.config.Accounts.AddAccessKey(t.Context(), "somebody@etude.test", account.ReadOnly, "")
	if err != nil {
		t.Fatal(err)
	}
	reader := s.sendAs(t, aws.Credentials{AccessKeyID: k.ID, SecretAccessKey: secret}, time.Now(), "GET", "/2012-09-25/"+path, "", nil)
	if reader.status != http.StatusOK || strings.Contains(reader.body, "Attempts") || !strings.Contains(reader.body, `"RangeLU":6.1`) {
		t.Errorf("for those who may look: %d %s; want all but the attempts", reader.status, reader.body)
	}
}

func TestJobReportRefuses(t *testing.T) {
	s := newServer(t)
	for path, status := range map[string]int{
		"jobs/1111111111111-abcde1/etude":                       404,
		"jobs/1111111111111-abcde1/etude/peaks":                 404,
		"jobs/1111111111111-abcde1/etude/spectrogram.png":       404,
		"jobs/nonsense/etude":                                   400,
		"jobs/1111111111111-abcde1/etude/peaks?Resolution=":     404,
		"jobs/1111111111111-abcde1/etude/peaks?Resolution=huge": 400,
	} {
		s.call(t, status, "GET", path, "")
	}
	unsigned := s.send(t, "GET", "/2012-09-25/jobs/1111111111111-abcde1/etude", "", func(r *http.Request) { r.Header.Del("Authorization") })
	if unsigned.status != http.StatusForbidden {
		t.Errorf("unsigned: %d %s", unsigned.status, unsigned.body)
	}
}

// TestJobReportWhileItRuns tells how far the job is.
func TestJobReportWhileItRuns(t *testing.T) {
	s := newServer(t)
	started, hold := make(chan string, 1), make(chan struct{})
	s.service.Encoder, s.service.Objects = &ffmpegtest.Encoder{Started: started, Hold: hold}, realObjects(t, "media/a.wav")
	body := `{"PipelineId":"` + string(s.pipeline(t, "music").ID) + `","Input":{"Key":"media/a.wav"},"Output":{"Key":"b","PresetId":"1351620000001-300110"}}`
	job := id(s.call(t, 201, "POST", "jobs", body), "Job")
	ended := make(chan error, 1)
	go func() { ended <- s.service.RunJob(t.Context(), transcode.RunJob{}) }()
	<-started
	got := s.call(t, 200, "GET", "jobs/"+job+"/etude", "")
	close(hold)
	progress := map[string]any{"Phase": "PROBING", "Percent": 2.0, "SecondsLeft": nil}
	want(t, "progress", progress, at(got, "Job", "Progress"))
	want(t, "outputs", []any{map[string]any{"Id": "1", "Progress": progress, "Loudness": nil}}, at(got, "Job", "Outputs"))
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
