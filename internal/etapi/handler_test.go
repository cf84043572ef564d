package etapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"etude/internal/etapi"
	"etude/internal/transcode"
)

func TestErrors(t *testing.T) {
	text, err := os.ReadFile("testdata/errors.json")
	if err != nil {
		t.Fatal(err)
	}
	var tests []struct {
		Name, Method, Path string
		Body               json.RawMessage
		Status             int
		Type               string
		Reply              map[string]string
	}
	if err := json.Unmarshal(text, &tests); err != nil {
		t.Fatal(err)
	}
	s := newServer(t)
	for _, tt := range tests {
		t.Run(tt.Name, func(t *testing.T) {
			got := s.send(t, tt.Method, tt.Path, string(tt.Body), nil)
			checkReply(t, got, tt.Status, tt.Type)
			var body map[string]string
			if err := json.Unmarshal([]byte(got.body), &body); err != nil {
				t.Fatalf("%v in %s", err, got.body)
			}
			if diff := cmp.Diff(tt.Reply, body); diff != "" {
				t.Errorf("reply (-want +got):\n%s", diff)
			}
		})
	}
	if strings.Contains(s.log.String(), "level=ERROR") {
		t.Errorf("faults of callers were logged as ours:\n%s", s.log)
	}
}

// checkReply holds what is true of every reply.
func checkReply(t *testing.T, got reply, status int, errorType string) {
	t.Helper()
	if got.status != status || got.header.Get("x-amzn-ErrorType") != errorType {
		t.Errorf("got %d %q, want %d %q: %s", got.status, got.header.Get("x-amzn-ErrorType"), status, errorType, got.body)
	}
	if _, err := uuid.Parse(got.header.Get("x-amzn-RequestId")); err != nil {
		t.Errorf("x-amzn-RequestId %q: %v", got.header.Get("x-amzn-RequestId"), err)
	}
	if ct := got.header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type %q", ct)
	}
	if n := got.header.Get("Content-Length"); n != strconv.Itoa(len(got.body)) {
		t.Errorf("Content-Length %q of %d bytes", n, len(got.body))
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(got.body), &object); err != nil || object == nil {
		t.Errorf("the body is no JSON object: %s", got.body)
	}
}

func TestUnsigned(t *testing.T) {
	s := newServer(t)
	resp, err := s.Client().Get(s.URL + "/2012-09-25/pipelines")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Get("x-amzn-ErrorType"); resp.StatusCode != 403 || got != "MissingAuthenticationTokenException" {
		t.Errorf("got %d %s", resp.StatusCode, got)
	}

	const path = "/2012-09-25/pipelines"
	stranger := aws.Credentials{AccessKeyID: "AKIDSTRANGER", SecretAccessKey: secret}
	guesser := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: "guess"}
	tests := []struct {
		name   string
		got    reply
		status int
		typ    string
	}{
		{"signed well", s.send(t, "GET", path, "", nil), 200, ""},
		{"a stranger", s.sendAs(t, stranger, time.Now(), "GET", path, "", nil), 403, "UnrecognizedClientException"},
		{"a wrong secret", s.sendAs(t, guesser, time.Now(), "GET", path, "", nil), 403, "InvalidSignatureException"},
		{"another path", s.send(t, "GET", path, "", func(r *http.Request) { r.URL.Path = "/2012-09-25/presets" }), 403, "InvalidSignatureException"},
		{"another query", s.send(t, "GET", path, "", func(r *http.Request) { r.URL.RawQuery = "Ascending=false" }), 403, "InvalidSignatureException"},
		{"no path that there is", s.send(t, "GET", path, "", func(r *http.Request) { r.URL.Path = "/"; r.Header.Del("Authorization") }), 403, "MissingAuthenticationTokenException"},
		{"an hour old", s.sendAs(t, credentials, time.Now().Add(-time.Hour), "GET", path, "", nil), 400, "RequestExpired"},
		{"no signature in it", s.send(t, "GET", path, "", func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 x") }), 400, "IncompleteSignatureException"},
		{"a password", s.send(t, "GET", path, "", func(r *http.Request) { r.SetBasicAuth("a", "b") }), 400, "IncompleteSignatureException"},
		{"ten megabytes", s.send(t, "POST", "/2012-09-25/jobs", strings.Repeat(" ", 10<<20), nil), 413, "RequestEntityTooLargeException"},
		{"a megabyte of spaces", s.send(t, "POST", "/2012-09-25/jobs", strings.Repeat(" ", 1<<20), nil), 400, "ValidationException"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkReply(t, tt.got, tt.status, tt.typ) })
	}
}

// Whatever region a request is signed for, replies speak of the server's own.
func TestCreateJob(t *testing.T) {
	s := newServer(t)
	p := s.pipeline(t, "music")
	got := s.send(t, "POST", "/2012-09-25/jobs/", `{
		"PipelineId": "`+string(p.ID)+`",
		"Input": {"Key": "media/a.wav", "FrameRate": "auto", "Container": null},
		"Outputs": [
			{"Key": "a.mp3", "PresetId": "1351620000001-300040", "ThumbnailPattern": ""},
			{"Key": "a.flac", "PresetId": "1351620000001-300110"}
		],
		"UserMetadata": {"user": "7"},
		"OutputKeyPrefix": "transcoded/"
	}`, nil)
	checkReply(t, got, 201, "")
	if n := s.writes.Load(); n != 1 {
		t.Errorf("the reply took %d writes, want 1", n)
	}
	var created struct{ Job map[string]any }
	if err := json.Unmarshal([]byte(got.body), &created); err != nil {
		t.Fatal(err)
	}
	id, _ := created.Job["Id"].(string)
	want := []string{
		"Arn", "Id", "Input", "Inputs", "Output", "OutputKeyPrefix", "Outputs", "PipelineId", "Playlists", "Status", "Timing", "UserMetadata",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(created.Job))); diff != "" {
		t.Errorf("members of the job (-want +got):\n%s", diff)
	}
	if arn := created.Job["Arn"]; arn != "arn:aws:elastictranscoder:eu-west-1:123456789012:job/"+id {
		t.Errorf("Arn %q", arn)
	}
	if diff := cmp.Diff([]any{transcode.RunJob{}}, s.tasks.All()); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
	job, err := s.service.ReadJob(t.Context(), transcode.JobID(id))
	if err != nil {
		t.Fatal(err)
	}
	if job.Owner != string(s.owner) {
		t.Errorf("owner %q, want %q", job.Owner, s.owner)
	}

	read := s.send(t, "GET", "/2012-09-25/jobs/"+id+"/", "", nil)
	checkReply(t, read, 200, "")
	var again struct{ Job map[string]any }
	if err := json.Unmarshal([]byte(read.body), &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(created, again); diff != "" {
		t.Errorf("read is not what was created (-created +read):\n%s", diff)
	}
}

func TestNothingToList(t *testing.T) {
	s := newServer(t)
	tests := map[string]string{
		"/2012-09-25/pipelines":             `{"Pipelines":[],"NextPageToken":null}`,
		"/2012-09-25/jobsByStatus/Complete": `{"Jobs":[],"NextPageToken":null}`,
	}
	for path, want := range tests {
		if got := s.send(t, "GET", path, "", nil); got.status != 200 || got.body != want {
			t.Errorf("%s: got %d %s, want %s", path, got.status, got.body, want)
		}
	}
}

// A fault of ours is told to the log, and to the caller only that there was one.
func TestFaultsOfOurs(t *testing.T) {
	s := newServer(t)
	broken := s.config
	broken.Service = nil
	s.serve(t, etapi.New(broken))
	got := s.send(t, "GET", "/2012-09-25/pipelines", "", nil)
	checkReply(t, got, 500, "InternalServiceException")
	id := got.header.Get("x-amzn-RequestId")
	if !strings.Contains(got.body, id) || strings.Contains(got.body, "nil pointer") {
		t.Errorf("the caller was told %s", got.body)
	}
	if log := s.log.String(); !strings.Contains(log, id) || !strings.Contains(log, "nil pointer") || !strings.Contains(log, "handler.go") {
		t.Errorf("the log has %q", log)
	}
}

// What fails because the client went away is nobody's fault.
func TestClientGone(t *testing.T) {
	s := newServer(t)
	r := httptest.NewRequest("GET", "/2012-09-25/pipelines", nil)
	sign(t, credentials, time.Now(), r, "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	etapi.New(s.config).ServeHTTP(w, r.WithContext(ctx))
	if w.Code != 500 || w.Header().Get("x-amzn-ErrorType") != "InternalServiceException" {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if strings.Contains(s.log.String(), "level=ERROR") {
		t.Errorf("logged as an error:\n%s", s.log)
	}
}

// A body that breaks off, or whose chunks are badly framed, is no fault of ours.
func TestBrokenBody(t *testing.T) {
	s := newServer(t)
	r := httptest.NewRequest("POST", "/2012-09-25/jobs", iotest.ErrReader(errors.New("malformed chunked encoding")))
	sign(t, credentials, time.Now(), r, "")
	w := httptest.NewRecorder()
	etapi.New(s.config).ServeHTTP(w, r)
	want := `{"Message":"The request could not be read: read request body: malformed chunked encoding."}`
	if w.Code != 400 || w.Header().Get("x-amzn-ErrorType") != "SerializationException" || w.Body.String() != want {
		t.Errorf("got %d %s %s", w.Code, w.Header().Get("x-amzn-ErrorType"), w.Body)
	}
}
