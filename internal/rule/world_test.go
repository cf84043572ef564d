package rule_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/objectstore"
	"etude/internal/objectstore/objectstoretest"
	"etude/internal/rule"
	"etude/internal/s3event"
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
	m4a  transcode.PresetID = "1351620000001-100110"
)

// world is a Service on real parts with an encoder that ends at once.
type world struct {
	*rule.Service
	jobs     *transcode.Service
	store    *sqlstore.Store
	bucket   string
	other    string // a second bucket
	pipeline *transcode.Pipeline
	clock    *clock
	triggers []rule.Trigger
}

// clock moves on by a millisecond whenever it is read.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { return c.after(time.Millisecond) }

func (c *clock) after(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

func open(t *testing.T) *world { return openDialect(t, sqlstore.SQLite) }

func openDialect(t *testing.T, d sqlstore.Dialect) *world {
	t.Helper()
	w := &world{clock: &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}
	w.store, _ = sqlstoretest.OpenDialect(t, d)
	id := strings.ToLower(rand.Text())
	w.bucket, w.other = "in-"+id, "out-"+id
	for _, b := range []string{w.bucket, w.other} {
		if err := s3.CreateBucket(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	w.jobs, err = transcode.New(transcode.Config{
		Store: w.store, Objects: s3, Encoder: &ffmpegtest.Encoder{}, Logger: slog.New(slog.DiscardHandler),
		Notification: func(*transcode.Job, *transcode.Pipeline) (string, string) { return "", "" },
		HasTopic:     func(context.Context, string) (bool, error) { return true, nil },
		Region:       "eu-west-1", Account: "000000000000", Node: "node", Scratch: t.TempDir(), MaxInput: 1 << 20, Now: w.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.pipeline = w.newPipeline(t, "Audio Files", w.bucket, w.bucket)
	w.Service, err = rule.New(rule.Config{
		Store: w.store, Jobs: w.jobs, Objects: s3, Logger: slog.New(slog.DiscardHandler), Node: "node", Now: w.clock.Now,
		Triggers: func(context.Context) ([]rule.Trigger, error) { return w.triggers, nil },
		UserOf: func(_ context.Context, principal string) (string, error) {
			if principal == "trouble" {
				return "", errors.New("the database is away")
			}
			return strings.TrimPrefix(principal, "key of "), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) newPipeline(t *testing.T, name, in, out string) *transcode.Pipeline {
	t.Helper()
	p, _, err := w.jobs.CreatePipeline(t.Context(), transcode.PipelineSpec{
		Name: name, InputBucket: in, OutputBucket: out, Role: "arn:aws:iam::000000000000:role/r",
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// media is a rule from media/ to transcoded/.
func (w *world) media(change ...func(*rule.Rule)) rule.Rule {
	r := rule.Rule{
		Name: "media", Bucket: w.bucket, Prefix: "media/", Pipeline: "Audio Files", OutputKeyPrefix: "transcoded/", Owner: "owner", Enabled: true,
		Outputs: []rule.Output{{wav, "{dir}/{name}.{ext}"}, {flac, "{dir}/{name}.{ext}"}, {m4a, "{dir}/{name}.{ext}"}},
	}
	for _, f := range change {
		f(&r)
	}
	return r
}

func (w *world) create(t *testing.T, r rule.Rule) {
	t.Helper()
	if _, err := w.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func (w *world) put(t *testing.T, key, content string) s3event.Event {
	t.Helper()
	info, err := s3.Put(t.Context(), transcode.ObjectRef{Bucket: w.bucket, Key: key}, strings.NewReader(content), 1<<20, "")
	if err != nil {
		t.Fatal(err)
	}
	now := w.clock.after(time.Second)
	return s3event.Event{
		Name: s3event.CreatedPut, Bucket: w.bucket, Key: key, ETag: info.ETag, Size: info.Size,
		Sequencer: fmt.Sprintf("%016X", now.UnixMilli()), Time: now,
	}
}

func (w *world) handle(t *testing.T, e s3event.Event) rule.Outcome {
	t.Helper()
	out, err := w.Handle(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *world) countJobs(t *testing.T) int {
	t.Helper()
	jobs, _, err := w.jobs.ListJobs(t.Context(), transcode.JobFilter{}, transcode.Page{})
	if err != nil {
		t.Fatal(err)
	}
	return len(jobs)
}

// run runs all jobs that wait.
func (w *world) run(t *testing.T) {
	t.Helper()
	for {
		waiting, _, err := w.jobs.ListJobs(t.Context(), transcode.JobFilter{Status: transcode.Submitted}, transcode.Page{})
		if err != nil {
			t.Fatal(err)
		}
		if len(waiting) == 0 {
			return
		}
		if err := w.jobs.RunJob(t.Context(), transcode.RunJob{}); err != nil {
			t.Fatal(err)
		}
	}
}
