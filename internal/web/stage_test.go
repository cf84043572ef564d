package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"etude/internal/account"
	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/inbox"
	"etude/internal/notify"
	"etude/internal/objectstore"
	"etude/internal/objectstore/objectstoretest"
	"etude/internal/rule"
	"etude/internal/sqlstore/sqlstoretest"
	"etude/internal/transcode"
)

const (
	password  = "correct horse battery"
	maxUpload = 4 << 20
)

// gateway is the one S3 server of this test binary.
var gateway *objectstore.Server

func TestMain(m *testing.M) {
	os.Exit(objectstoretest.Main(m, func(server *objectstore.Server, _ *objectstore.Client) { gateway = server }))
}

// stage is a site with real parts behind it, an encoder excepted.
type stage struct {
	t        testing.TB
	jobs     *transcode.Service
	rules    *rule.Service
	notify   *notify.Service
	answer   chan error // to the next delivery
	box      *inbox.Service
	accounts *account.Service
	objects  *objectstore.Client
	encoder  *ffmpegtest.Encoder
	steps    int // of an encoder's progress
	tasks    *sqlstoretest.Tasks
	pipeline *transcode.Pipeline
	site     *Site
	server   *httptest.Server
	log      *lines
}

func newStage(t testing.TB) *stage {
	t.Helper()
	leaks := append(gatewaysOwn(), goleak.IgnoreCurrent())
	t.Cleanup(func() { goleak.VerifyNone(t, leaks...) })
	ctx := t.Context()
	store, tasks := sqlstoretest.Open(t)
	s := &stage{t: t, tasks: tasks, steps: 1, encoder: &ffmpegtest.Encoder{}, answer: make(chan error), box: inbox.New(store), accounts: account.New(store, account.MasterKey{}), log: &lines{}}

	var err error
	if s.objects, err = objectstore.NewClient(ctx, objectstore.ClientConfig{Server: gateway}); err != nil {
		t.Fatal(err)
	}
	bucket := bucketOf(t)
	if err := s.objects.CreateBucket(ctx, bucket); err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	s.jobs, err = transcode.New(transcode.Config{
		HasTopic: func(context.Context, string) (bool, error) { return true, nil },
		Store:    store, Objects: s.objects, Encoder: halfway{s.encoder, s}, Logger: quiet,
		Notification: func(*transcode.Job, *transcode.Pipeline) (string, string) { return "", "" },
		Region:       "us-east-1", Account: "123456789012", Node: "test", Scratch: t.TempDir(), MaxInput: 1 << 30, ByProductBucket: bucket,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.pipeline, err = s.jobs.EnsurePipeline(ctx, transcode.Pipeline{Name: "site", InputBucket: bucket, Content: transcode.OutputConfig{Bucket: bucket}})
	if err != nil {
		t.Fatal(err)
	}

	edge := httptest.NewServer(gateway.Handler())
	t.Cleanup(edge.Close)
	at, err := url.Parse(edge.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.rules, err = rule.New(rule.Config{Store: store, Jobs: s.jobs, Objects: s.objects, Logger: quiet, Node: "test"})
	if err != nil {
		t.Fatal(err)
	}
	s.notify, err = notify.New(notify.Config{
		Store: store, Logger: quiet, Region: "us-east-1", Account: "123456789012", Node: "test",
		Deliver: map[notify.Protocol]notify.DeliverFunc{notify.Site: s.deliver, "other": s.deliver},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.site, err = New(Config{
		Jobs: s.jobs, Rules: s.rules, Notify: s.notify, Inbox: s.box, Accounts: s.accounts, Objects: s.objects, Sessions: store.Sessions(),
		Pipeline: s.pipeline.ID, Bucket: bucket, MaxUpload: maxUpload, EdgePort: at.Port(),
		Request: func(spec transcode.JobSpec) string {
			return spec.Inputs[0].Key + " to " + spec.OutputKeyPrefix + spec.Outputs[0].Key
		},
		Logger: slog.New(slog.NewTextHandler(s.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewServer(s.site)
	t.Cleanup(func() {
		s.site.Close()
		s.server.Close()
	})
	return s
}

// deliver waits for a test to say how a delivery goes.
func (s *stage) deliver(ctx context.Context, _ notify.Parcel) (notify.Answer, error) {
	select {
	case err := <-s.answer:
		if err != nil {
			return notify.Answer{Status: 404, Body: "<b>not here</b>"}, err
		}
		return notify.Answer{Status: 200}, nil
	case <-ctx.Done():
		return notify.Answer{}, ctx.Err()
	}
}

// publish has a topic, and what is subscribed to it, told of something.
func (s *stage) publish(topic notify.TopicARN, subject, body string) {
	s.t.Helper()
	id, err := s.notify.PublishMessage(s.t.Context(), notify.Publication{Topic: topic, Subject: &subject, Message: body})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.notify.FanOut(s.t.Context(), id); err != nil {
		s.t.Fatal(err)
	}
}

// gatewaysOwn are goroutines that the S3 server of all tests keeps.
func gatewaysOwn() (opts []goleak.Option) {
	for _, name := range []string{"(*workerPool).workerFunc", "(*workerPool).Start.func2", "updateServerDate.func1"} {
		opts = append(opts, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp."+name))
	}
	return opts
}

var notInBucket = regexp.MustCompile(`[^a-z0-9]+`)

func bucketOf(t testing.TB) string {
	name := notInBucket.ReplaceAllString(strings.ToLower(t.Name()), "-")
	return "web-" + strings.Trim(cut(name, 50), "-")
}

// lines is a log that a test can read.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// user makes an account.
func (s *stage) user(name string) *account.User {
	s.t.Helper()
	u, err := s.accounts.CreateUser(s.t.Context(), name+"@example.org", password, false)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

// runJobs works the queued jobs, one after the other.
func (s *stage) runJobs() {
	s.t.Helper()
	for _, task := range s.tasks.Take() {
		run, ok := task.(transcode.RunJob)
		if !ok {
			continue
		}
		if err := s.jobs.RunJob(s.t.Context(), run); err != nil {
			s.t.Error(err)
		}
	}
}

// ownJobs returns a user's jobs, newest first.
func (s *stage) ownJobs(u *account.User) []*transcode.Job {
	s.t.Helper()
	jobs, _, err := s.jobs.ListJobs(s.t.Context(), transcode.JobFilter{Owner: string(u.ID)}, transcode.Page{Descending: true})
	if err != nil {
		s.t.Fatal(err)
	}
	return jobs
}

// stored returns the keys in the bucket, which the gateway keeps as files.
func (s *stage) stored() (keys []string) {
	s.t.Helper()
	root, err := os.Getwd() // the gateway's
	if err != nil {
		s.t.Fatal(err)
	}
	root = filepath.Join(root, s.pipeline.InputBucket)
	err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			key, _ := filepath.Rel(root, path)
			keys = append(keys, key)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return keys
}

// tell gives a user a message.
func (s *stage) tell(u *account.User, source, text string) {
	s.t.Helper()
	err := s.box.Tell(s.t.Context(), inbox.Message{User: string(u.ID), Source: source, Kind: inbox.Good, Text: text})
	if err != nil {
		s.t.Fatal(err)
	}
}

// visitor is a browser without script.
type visitor struct {
	t    testing.TB
	http *http.Client
	base string
}

func (s *stage) visitor() *visitor {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	transport := &http.Transport{}
	s.t.Cleanup(transport.CloseIdleConnections)
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &visitor{s.t, &http.Client{Jar: jar, Transport: transport, CheckRedirect: stay}, s.server.URL}
}

// signedIn is a visitor who has signed in as u.
func (s *stage) signedIn(u *account.User) *visitor {
	s.t.Helper()
	v := s.visitor()
	a := v.post("/signin", url.Values{"email": {u.Email}, "password": {password}})
	a.leads(http.StatusSeeOther, "/")
	return v
}

// answer is what a visitor got.
type answer struct {
	*http.Response
	t    testing.TB
	body string
}

func (v *visitor) do(req *http.Request) *answer {
	v.t.Helper()
	res, err := v.http.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return &answer{res, v.t, string(body)}
}

func (v *visitor) request(method, path string, body io.Reader) *http.Request {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), method, v.base+path, body)
	if err != nil {
		v.t.Fatal(err)
	}
	return req
}

func (v *visitor) get(path string) *answer {
	v.t.Helper()
	return v.do(v.request(http.MethodGet, path, nil))
}

func (v *visitor) post(path string, form url.Values) *answer {
	v.t.Helper()
	req := v.request(http.MethodPost, path, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.do(req)
}

// leads checks that the answer is a redirect.
func (a *answer) leads(status int, to string) {
	a.t.Helper()
	if got := a.Header.Get("Location"); a.StatusCode != status || got != to {
		a.t.Fatalf("%s %s: got %d to %q, want %d to %q; %s", a.Request.Method, a.Request.URL.Path, a.StatusCode, got, status, to, cut(a.body, 2000))
	}
}

// shows checks the answer's status and returns its page.
func (a *answer) shows(status int) *document {
	a.t.Helper()
	if a.StatusCode != status {
		a.t.Fatalf("%s %s: got %d, want %d; %s", a.Request.Method, a.Request.URL.Path, a.StatusCode, status, cut(a.body, 2000))
	}
	return parse(a.t, a.body)
}

// field is a field of an upload form: a file if it has a file name.
type field struct {
	name, file string
	isFile     bool
	content    string
}

func aFile(name, content string) field { return field{"file", name, true, content} }
func aFormat(name string) field        { return field{name: "format", content: name} }

// form writes fields as a browser does.
func form(t testing.TB, fields ...field) (body *bytes.Buffer, mediaType string) {
	t.Helper()
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	for _, f := range fields {
		h := textproto.MIMEHeader{}
		disposition := fmt.Sprintf(`form-data; name="%s"`, f.name)
		if f.isFile {
			disposition += fmt.Sprintf(`; filename="%s"`, f.file)
			h.Set("Content-Type", "audio/wav")
		}
		h.Set("Content-Disposition", disposition)
		part, err := w.CreatePart(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(part, f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return body, w.FormDataContentType()
}

func (v *visitor) upload(fields ...field) *answer {
	v.t.Helper()
	body, mediaType := form(v.t, fields...)
	req := v.request(http.MethodPost, "/upload", body)
	req.Header.Set("Content-Type", mediaType)
	return v.do(req)
}

// halfway is an encoder that gets not quite half done, in as many steps, before
// it does, or waits for, anything. Of two outputs the second then is at its
// beginning.
type halfway struct {
	*ffmpegtest.Encoder
	stage *stage
}

func (h halfway) Encode(ctx context.Context, work transcode.Encoding, progress func(transcode.Progress)) (*transcode.Encoded, error) {
	for i := range h.stage.steps {
		done := 0.42 * float64(i+1) / float64(h.stage.steps)
		progress(transcode.Progress{Phase: transcode.Transcoding, Done: done, Outputs: map[string]transcode.OutputProgress{
			"1": {Phase: transcode.Transcoding, Done: done, Left: 7 * time.Second}, "2": {Phase: transcode.Probing},
		}})
	}
	return h.Encoder.Encode(ctx, work, func(transcode.Progress) {})
}
