package etapi_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"etude/internal/etapi"
)

// FuzzRequest holds that whatever comes, rightly signed, is answered in AWS's
// shape and is never a fault of ours.
func FuzzRequest(f *testing.F) {
	s := newServer(f)
	s.service.MaxPipelines, s.service.MaxPresets = 100, 100
	h := etapi.New(s.config)
	for _, seed := range seeds(f) {
		f.Add(seed.method, seed.path, []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, method, path string, body []byte) {
		r := request(method, "/2012-09-25/"+path, body)
		if r == nil {
			t.Skip("no HTTP client could send it")
		}
		sign(t, credentials, time.Now(), r, string(body))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		checkShape(t, w)
		if t.Failed() {
			t.Logf("%s %q %q\n%s", method, path, body, s.log)
		}
	})
}

// request makes a request as a server gets it; nil if none can be made.
func request(method, path string, body []byte) *http.Request {
	u, err := url.ParseRequestURI(path)
	if err != nil || u.Host != "" {
		return nil
	}
	r, err := http.NewRequest(method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil
	}
	r.Host, r.RequestURI = "localhost", path
	return r
}

func checkShape(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &object); err != nil || object == nil {
		t.Errorf("the body is no JSON object: %.300s", w.Body)
	}
	if _, err := uuid.Parse(w.Header().Get("x-amzn-RequestId")); err != nil {
		t.Errorf("x-amzn-RequestId: %v", err)
	}
	errorType := w.Header().Get("x-amzn-ErrorType")
	message, _ := object["message"].(string)
	if errorType == "SerializationException" {
		message, _ = object["Message"].(string)
	}
	switch {
	case w.Code >= 500 || errorType == "InternalServiceException":
		t.Errorf("a fault of ours: %d %s", w.Code, w.Body)
	case w.Code >= 400 && (errorType == "" || message == ""):
		t.Errorf("%d, type %q, message %q", w.Code, errorType, message)
	case w.Code < 400 && errorType != "":
		t.Errorf("%d with the type %q", w.Code, errorType)
	case w.Code >= 400 && w.Body.Len() > 256<<10:
		t.Errorf("a reply of %d bytes", w.Body.Len())
	}
}

type seed struct{ method, path, body string }

// seeds are a request of each operation, and some that nobody should send.
func seeds(f *testing.F) []seed {
	const id = "1533765810590-ab12cd"
	sample := func(name string) string {
		text, err := os.ReadFile(filepath.Join("testdata", "wire", name+".request.json"))
		if err != nil {
			f.Fatal(err)
		}
		return string(text)
	}
	deep := strings.Repeat(`{"Input":`, 9000) + strings.Repeat("[", 900)
	return []seed{
		{"POST", "pipelines", sample("create-pipeline")},
		{"POST", "pipelines/", sample("create-pipeline-outputbucket")},
		{"GET", "pipelines?Ascending=false&PageToken=" + id, ""},
		{"GET", "pipelines/" + id, ""},
		{"PUT", "pipelines/" + id, `{"Name":"a","ContentConfig":{"Permissions":[{"Access":["Read"]}]},"Notifications":{"Error":""}}`},
		{"POST", "pipelines/" + id + "/status", sample("update-pipeline-status")},
		{"POST", "pipelines/" + id + "/notifications", `{"Id":"x","Notifications":{}}`},
		{"DELETE", "pipelines/" + id, ""},
		{"POST", "roleTests", sample("test-role")},
		{"POST", "presets", sample("create-preset")},
		{"POST", "presets", `{"Name":"a","Container":"wav","Audio":{"Codec":"pcm","CodecOptions":{"BitDepth":"24"}}}`},
		{"GET", "presets?PageToken=9999999999999-______", ""},
		{"GET", "presets/1351620000001-300040", ""},
		{"DELETE", "presets/1351620000001-300040", ""},
		{"POST", "jobs", sample("create-job")},
		{"POST", "jobs", sample("create-job-mp3")},
		{"POST", "jobs", sample("create-job-hlsv4")},
		{"POST", "jobs", sample("create-job-nulls")},
		{"POST", "jobs", sample("create-job-everything")},
		{"GET", "jobs/" + id, ""},
		{"DELETE", "jobs/" + id, ""},
		{"GET", "jobsByPipeline/" + id + "?Ascending=true", ""},
		{"GET", "jobsByStatus/Complete", ""},

		{"GET", "jobsByStatus/%ff?PageToken=%00&Ascending=;", "\xff"},
		{"PATCH", "jobs", "{}"},
		{"POST", "jobs", `{"PipelineId":"x","PipelineId":"` + id + `","Outputs":[null,[],"",{"Captions":{"CaptionSources":[{"TimeOffset":"+1"}]}}]}`},
		{"POST", "jobs", `{"PipelineId":"` + id + `","Input":{"DetectedProperties":{"Width":1e3}}}`},
		{"POST", "jobs", "{\"PipelineId\":\"\\ud800\xff\"}"},
		{"POST", "presets", deep},
		{"POST", "pipelines", `{"Name":"` + strings.Repeat("\\u0000", 100) + `"}`},
	}
}
