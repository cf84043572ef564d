package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/account"
	"etude/internal/awslambda/lambdatest"
	"etude/internal/etapi"
	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/sqlstore/sqlstoretest"
	"etude/internal/transcode"
)

const secret = "a secret that is long enough"

// bootstrap is the program as make lambda builds it, but for this machine.
var bootstrap string

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "etude-lambda-*")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	bootstrap = filepath.Join(dir, "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", bootstrap, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		panic(string(out))
	}
	return m.Run()
}

// noObjects: jobs are made and not run.
type noObjects struct{ transcode.Objects }

func (noObjects) Head(context.Context, transcode.ObjectRef) (transcode.ObjectInfo, error) {
	return transcode.ObjectInfo{}, transcode.ErrNoObject
}

// server is Elastic Transcoder's API with a pipeline on the bucket of the
// samples.
type server struct {
	jobs *transcode.Service
	url  string
	hang chan struct{} // if it is set, requests wait for its end
}

func newServer(t *testing.T, outputs string) *server {
	t.Helper()
	store, _ := sqlstoretest.Open(t)
	quiet := slog.New(slog.DiscardHandler)
	s := &server{}
	var err error
	s.jobs, err = transcode.New(transcode.Config{
		Store: store, Objects: noObjects{}, Encoder: &ffmpegtest.Encoder{}, Logger: quiet,
		Notification: func(*transcode.Job, *transcode.Pipeline) (string, string) { return "", "" },
		HasTopic:     func(context.Context, string) (bool, error) { return true, nil },
		Region:       "eu-west-1", Account: "000000000000", Node: "node", Scratch: t.TempDir(), MaxInput: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = s.jobs.CreatePipeline(t.Context(), transcode.PipelineSpec{
		Name: "Audio Files", InputBucket: "uploads", OutputBucket: outputs, Role: "arn:aws:iam::000000000000:role/r",
	})
	if err != nil {
		t.Fatal(err)
	}
	accounts := account.New(store, account.MasterKey{1})
	user, err := accounts.CreateUser(t.Context(), "somebody@etude.test", "correct horse", true)
	if err != nil {
		t.Fatal(err)
	}
	for id, key := range map[string]string{"AKIDLAMBDA": secret, "AKIDSHORT": "shortone"} {
		if err := accounts.PutAccessKey(t.Context(), id, key, user.ID, account.Submitter); err != nil {
			t.Fatal(err)
		}
	}
	api := etapi.New(etapi.Config{Service: s.jobs, Accounts: accounts, Account: "000000000000", Logger: quiet})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.hang != nil {
			select {
			case <-s.hang:
			case <-r.Context().Done():
				return
			}
		}
		api.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	s.url = web.URL
	return s
}

// function is the program with the rules of the sample.
func (s *server) function(t *testing.T, env ...string) *lambdatest.Runtime {
	t.Helper()
	root, err := filepath.Abs("../../deploy/lambda")
	if err != nil {
		t.Fatal(err)
	}
	return lambdatest.New(t, bootstrap, append([]string{
		"LAMBDA_TASK_ROOT=" + root, "ETUDE_ENDPOINT=" + s.url, "ETUDE_ACCESS_KEY_ID=AKIDLAMBDA", "ETUDE_SECRET_ACCESS_KEY=" + secret,
	}, env...)...)
}

func sample(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../deploy/lambda/events", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// inputs are the keys of the inputs of all jobs.
func (s *server) inputs(t *testing.T) (keys []string) {
	t.Helper()
	jobs, _, err := s.jobs.ListJobs(t.Context(), transcode.JobFilter{}, transcode.Page{})
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		keys = append(keys, j.Inputs[0].Key)
	}
	return keys
}

func wantInputs(t *testing.T, s *server, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.inputs(t)); diff != "" {
		t.Errorf("inputs of jobs: want (-), got (+):\n%s", diff)
	}
}

const long = 20 * time.Second

func TestEventBecomesAJob(t *testing.T) {
	t.Parallel()
	s := newServer(t, "results")
	f := s.function(t)
	for range 3 { // the same event again
		if o := f.Invoke(sample(t, "s3-put.json"), long); o.Error != nil || string(o.Response) != "null" {
			t.Fatalf("got %+v (%s); want success\n%s", o, o.Response, f.Log())
		}
	}
	if o := f.Invoke(sample(t, "sns.json"), long); o.Error != nil { // the same over SNS
		t.Errorf("over SNS: got %+v", o)
	}
	wantInputs(t, s, "media/live/01 Étude.mp3")
	if o := f.Invoke(sample(t, "s3-test.json"), long); o.Error != nil {
		t.Errorf("test event: got %+v, want success", o)
	}
	other := strings.Replace(string(sample(t, "s3-put.json")), "media/", "elsewhere/", 1)
	if o := f.Invoke([]byte(other), long); o.Error != nil {
		t.Errorf("an object that no rule takes: got %+v, want success", o)
	}
	again := strings.Replace(string(sample(t, "s3-put.json")), "0055AED6DCD90281E5", "0055AED6DCD90281FF", 1)
	if o := f.Invoke([]byte(again), long); o.Error != nil {
		t.Errorf("written again: got %+v", o)
	}
	wantInputs(t, s, "media/live/01 Étude.mp3", "media/live/01 Étude.mp3")
	if f.Starts != 1 {
		t.Errorf("the program was started %d times, want once", f.Starts)
	}
	jobs, _, err := s.jobs.ListJobs(t.Context(), transcode.JobFilter{}, transcode.Page{})
	if err != nil {
		t.Fatal(err)
	}
	if key := jobs[0].OutputKeyPrefix + jobs[0].Outputs[1].Key; !strings.HasPrefix(key, "transcoded/live/") || !strings.HasSuffix(key, "/01 Étude.flac") {
		t.Errorf("output key = %q", key)
	}
}

func TestBatchOfAQueue(t *testing.T) {
	t.Parallel()
	s := newServer(t, "results")
	f := s.function(t)
	o := f.Invoke(sample(t, "sqs-batch.json"), long)
	if o.Error != nil {
		t.Fatalf("got %+v, want an answer", o)
	}
	var got, want any
	if err := json.Unmarshal(o.Response, &got); err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal([]byte(`{"batchItemFailures":[{"itemIdentifier":"059f36b4-87a3-44ab-83d2-661975860002"}]}`), &want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer: want (-), got (+):\n%s", diff)
	}
	wantInputs(t, s, "media/live/01 Étude.mp3", "media/b.wav")
}

func TestBadEvent(t *testing.T) {
	t.Parallel()
	s := newServer(t, "results")
	f := s.function(t)
	for _, payload := range [][]byte{sample(t, "bad.json"), []byte("7"), []byte("{")} {
		if o := f.Invoke(payload, long); o.Error == nil || o.Exited {
			t.Errorf("%s: got %+v, want an error and the program going on", payload, o)
		}
	}
	if o := f.Invoke(sample(t, "bad.json"), long); !strings.Contains(o.Error.Message, "read S3 event") {
		t.Errorf("message = %q, want what is wrong", o.Error.Message)
	}
	if o := f.Invoke(sample(t, "s3-put.json"), long); o.Error != nil {
		t.Errorf("a good event after: got %+v", o)
	}
	if f.Starts != 1 {
		t.Errorf("the program was started %d times, want once", f.Starts)
	}
}

func TestServerDoesNotAnswer(t *testing.T) {
	t.Parallel()
	s := newServer(t, "results")
	hang := make(chan struct{})
	s.hang = hang
	f := s.function(t)
	if o := f.Invoke(sample(t, "s3-put.json"), time.Second); o.Error == nil && !o.Killed {
		t.Errorf("got %+v, want an error or its end at the deadline", o)
	}
	close(hang)
	if o := f.Invoke(sample(t, "s3-put.json"), long); o.Error != nil {
		t.Errorf("tried again: got %+v, want success", o)
	}
	wantInputs(t, s, "media/live/01 Étude.mp3")
}

// TestPanic needs no back door: where only what FIPS 140 allows may be used, Go
// panics at a key as short as this one.
func TestPanic(t *testing.T) {
	t.Parallel()
	s := newServer(t, "results")
	f := s.function(t, "GODEBUG=fips140=only", "ETUDE_ACCESS_KEY_ID=AKIDSHORT", "ETUDE_SECRET_ACCESS_KEY=shortone")
	for i := range 2 {
		o := f.Invoke(sample(t, "s3-put.json"), long)
		if o.Error == nil || !o.Exited || !strings.Contains(o.Error.Message, "FIPS 140") || len(o.Error.Stack) == 0 {
			t.Errorf("got %+v (%+v), want a panic told of, and the program's end\n%s", o, o.Error, f.Log())
		}
		if f.Starts != i+1 {
			t.Errorf("the program was started %d times, want %d", f.Starts, i+1)
		}
	}
	wantInputs(t, s)
}

func TestBadConfiguration(t *testing.T) {
	t.Parallel()
	s := newServer(t, "uploads")
	for want, env := range map[string][]string{
		"read the rules":                   {"ETUDE_RULES=none.yaml"},
		`has no member \"nam\"`:            {"ETUDE_RULES_YAML=rules: [{nam: x}]"},
		"there are no rules":               {"ETUDE_RULES_YAML=rules: []"},
		"name the one that sends its even": {"ETUDE_RULES_YAML=rules: [{name: x, pipeline: p, outputs: [{preset: p, key: '{id}'}]}]"},
	} {
		f := s.function(t, env...)
		if o := f.Invoke(sample(t, "s3-put.json"), long); !o.Exited || !strings.Contains(f.Log(), want) {
			t.Errorf("%v: got %+v, want its end with %q\n%s", env, o, want, f.Log())
		}
	}
	f := s.function(t, "ETUDE_SECRET_ACCESS_KEY=another one")
	if o := f.Invoke(sample(t, "s3-put.json"), long); o.Error == nil || !strings.Contains(o.Error.Message, "Signature") {
		t.Errorf("a wrong key: got %+v, want the API's refusal", o)
	}
}

// TestFunctionThatWouldStartItself is refused before it makes a job.
func TestFunctionThatWouldStartItself(t *testing.T) {
	t.Parallel()
	s := newServer(t, "uploads") // outputs go where inputs come from
	f := s.function(t, `ETUDE_RULES_YAML=rules: [{name: all, bucket: uploads, pipeline: Audio Files, output-key-prefix: out/,
		outputs: [{preset: 1351620000001-300110, key: "{name}.flac"}]}]`)
	if o := f.Invoke(sample(t, "s3-put.json"), long); o.Error == nil || !strings.Contains(o.Error.Message, "would start itself") {
		t.Errorf("got %+v (%+v), want it refused", o, o.Error)
	}
	wantInputs(t, s)
	if o := s.function(t).Invoke(sample(t, "s3-put.json"), long); o.Error != nil { // media/ to transcoded/
		t.Errorf("two prefixes of a bucket: got %+v", o)
	}
}
