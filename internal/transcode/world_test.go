package transcode_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/notify"
	"etude/internal/objectstore"
	"etude/internal/objectstore/objectstoretest"
	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
	"etude/internal/transcode"
)

// s3 is the object store of all tests.
var s3 *objectstore.Client

func TestMain(m *testing.M) {
	os.Exit(objectstoretest.Main(m, func(_ *objectstore.Server, client *objectstore.Client) { s3 = client }))
}

const (
	wav  transcode.PresetID = "1351620000001-300300"
	flac transcode.PresetID = "1351620000001-300110"
	ts   transcode.PresetID = "1351620000001-200060"
	fmp4 transcode.PresetID = "1351620000001-500060"

	topic = "arn:aws:sns:eu-west-1:000000000000:jobs"
)

// world is a Service on real parts with an encoder that ends at once.
type world struct {
	*transcode.Service
	store    *sqlstore.Store
	tasks    *sqlstoretest.Tasks
	encoder  *ffmpegtest.Encoder
	bucket   string
	pipeline transcode.PipelineID
	clock    *clock
}

// clock is the time of a world; it moves when it is told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Millisecond)
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func open(t *testing.T, change ...func(*transcode.Config)) *world {
	t.Helper()
	w := &world{encoder: &ffmpegtest.Encoder{}, clock: &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}
	w.store, w.tasks = sqlstoretest.Open(t)
	w.bucket = "test-" + strings.ToLower(rand.Text())
	if err := s3.CreateBucket(t.Context(), w.bucket); err != nil {
		t.Fatal(err)
	}
	w.Service = w.service(t, "node-a", change...)
	p, _, err := w.CreatePipeline(t.Context(), transcode.PipelineSpec{
		Name: "Audio Files", InputBucket: w.bucket, OutputBucket: w.bucket, Role: "arn:aws:iam::000000000000:role/r",
		Notifications: transcode.Notifications{Progressing: topic, Completed: topic, Error: topic},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.pipeline = p.ID
	return w
}

// service is one node's Service on the world's store.
func (w *world) service(t *testing.T, node string, change ...func(*transcode.Config)) *transcode.Service {
	t.Helper()
	cfg := transcode.Config{
		Store: w.store, Objects: s3, Encoder: w.encoder, Logger: slog.New(slog.DiscardHandler),
		Notification: func(j *transcode.Job, _ *transcode.Pipeline) (subject, message string) {
			return "about " + string(j.ID), string(j.Status)
		},
		HasTopic: func(_ context.Context, arn string) (bool, error) { return arn == topic, nil },
		Region:   "eu-west-1", Account: "000000000000", Node: node, Scratch: t.TempDir(), MaxInput: 1 << 20,
		Now: w.clock.Now,
	}
	for _, f := range change {
		f(&cfg)
	}
	s, err := transcode.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// put stores an object.
func (w *world) put(t *testing.T, key, content string) {
	t.Helper()
	_, err := s3.Put(t.Context(), transcode.ObjectRef{Bucket: w.bucket, Key: key}, strings.NewReader(content), 1<<20, "")
	if err != nil {
		t.Fatal(err)
	}
}

// leave stores an object as an attempt does.
func (w *world) leave(t *testing.T, key, origin string) {
	t.Helper()
	left := filepath.Join(t.TempDir(), "left")
	if err := os.WriteFile(left, []byte("left"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s3.Store(t.Context(), left, transcode.ObjectRef{Bucket: w.bucket, Key: key}, "", origin); err != nil {
		t.Fatal(err)
	}
}

// get reads an object, or returns "" if there is none.
func (w *world) get(t *testing.T, key string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "object")
	if _, err := s3.Fetch(t.Context(), transcode.ObjectRef{Bucket: w.bucket, Key: key}, path, 1<<20); err != nil {
		return ""
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// spec asks for outputs of in.mp3, one for each preset.
func (w *world) spec(presets ...transcode.PresetID) transcode.JobSpec {
	spec := transcode.JobSpec{
		Pipeline: w.pipeline, Owner: "ann", Inputs: []transcode.Input{{Key: "in.mp3"}}, OutputKeyPrefix: "out/",
	}
	for i, p := range presets {
		spec.Outputs = append(spec.Outputs, transcode.OutputSpec{Key: fmt.Sprint("o", i+1), PresetID: p})
	}
	return spec
}

func (w *world) create(t *testing.T, spec transcode.JobSpec) transcode.JobID {
	t.Helper()
	j, err := w.CreateJob(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return j.ID
}

// run works the tasks that are queued, and those that come of them, until there
// are none or turns are used up. It returns the tasks that it worked.
func (w *world) run(t *testing.T, turns int) (worked []transcode.RunJob) {
	t.Helper()
	for range turns {
		tasks := runTasks(w.tasks.Take())
		if len(tasks) == 0 {
			return worked
		}
		for _, task := range tasks {
			worked = append(worked, task)
			if err := w.RunJob(t.Context(), task); err != nil {
				t.Fatal(err)
			}
		}
	}
	return worked
}

func runTasks(tasks []any) (runs []transcode.RunJob) {
	for _, task := range tasks {
		if r, ok := task.(transcode.RunJob); ok {
			runs = append(runs, r)
		}
	}
	return runs
}

// messages returns the bodies of what was published, in order.
func (w *world) messages(t *testing.T) (bodies []string) {
	t.Helper()
	for _, task := range w.tasks.All() {
		if f, ok := task.(notify.FanOut); ok {
			m, err := w.store.Message(t.Context(), f.Message)
			if err != nil {
				t.Fatal(err)
			}
			bodies = append(bodies, m.Body)
		}
	}
	return bodies
}

func (w *world) job(t *testing.T, id transcode.JobID) *transcode.Job {
	t.Helper()
	j, err := w.ReadJob(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// line is a job in one line: its status, and each output's and playlist's with
// the code of its error.
func line(j *transcode.Job) string {
	var b strings.Builder
	fmt.Fprint(&b, j.Status, ":")
	part := func(s transcode.Status, f *transcode.Failure) {
		fmt.Fprint(&b, " ", s)
		if f != nil {
			fmt.Fprint(&b, "/", f.Code)
		}
	}
	for _, o := range j.Outputs {
		part(o.Status, o.Failure)
	}
	for _, p := range j.Playlists {
		part(p.Status, p.Failure)
	}
	return b.String()
}

func (w *world) wantLine(t *testing.T, id transcode.JobID, want string) {
	t.Helper()
	if got := line(w.job(t, id)); got != want {
		t.Errorf("job = %s, want %s", got, want)
	}
}
