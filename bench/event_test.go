package bench_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"etude/internal/etapi"
	"etude/internal/event"
	"etude/internal/notify"
	"etude/internal/objectstore"
	"etude/internal/queue"
	"etude/internal/rule"
	"etude/internal/s3event"
	"etude/internal/sqlstore"
	"etude/internal/transcode"
)

// uploads is the way from an upload to a job, all of it: the embedded S3, the
// events, a rule, the queue and SQLite, with commits as durable as in earnest.
// Its pipeline is paused.
type uploads struct {
	url string

	mu   sync.Mutex
	done map[string]chan time.Time // when the job of a key was there
}

func newUploads(b *testing.B) *uploads {
	b.Helper()
	u := &uploads{done: map[string]chan time.Time{}}
	log := slog.New(slog.DiscardHandler)
	ctx := context.Background()
	dir := b.TempDir()
	db := must[*sqlstore.DB](b)(sqlstore.Open(ctx, sqlstore.Config{Path: filepath.Join(dir, "etude.db"), Logger: log}))
	b.Cleanup(func() { check(b, db.Close()) })
	q := must[*queue.Queue](b)(queue.Open(ctx, queue.Config{SQLite: db.Write(), Workers: 2, Logger: log}))
	store := sqlstore.New(db, q.Enqueue)

	var rules *rule.Service
	events := must[*event.Service](b)(event.Open(ctx, event.Config{
		Store: store, Logger: log, Node: "bench",
		HandleRules: func(ctx context.Context, e s3event.Event) error {
			out, err := rules.Handle(ctx, e)
			if err == nil && out.Job == nil {
				err = errors.New(out.Why)
			}
			if err == nil {
				u.of(e.Key) <- time.Now()
			}
			return err
		},
		MayMatch: func(bucket, key string) bool {
			return rules.MayMatch(ctx, transcode.ObjectRef{Bucket: bucket, Key: key})
		},
	}))
	server := must[*objectstore.Server](b)(objectstore.OpenServer(ctx, objectstore.ServerConfig{
		Dir: filepath.Join(dir, "s3"), Region: "eu-west-1", RootAccessKeyID: keyID, RootSecret: secret, Events: events, Logger: log,
	}))
	b.Cleanup(func() { check(b, server.Close(ctx)) })
	objects := must[*objectstore.Client](b)(objectstore.NewClient(ctx, objectstore.ClientConfig{Server: server}))
	check(b, objects.CreateBucket(ctx, "media"))
	jobs := must[*transcode.Service](b)(transcode.New(transcode.Config{
		Store: store, Objects: objects, Encoder: noEncoder{}, Notification: etapi.Notification, Logger: log,
		HasTopic: func(context.Context, string) (bool, error) { return true, nil },
		Region:   "eu-west-1", Account: "123456789012", Node: "bench", Scratch: filepath.Join(dir, "scratch"), MaxInput: 1 << 30,
	}))
	s := &stack{store: store, queue: q, service: jobs}
	pipeline := s.newPipeline(b, "bench")
	check(b, errorOf(jobs.UpdatePipelineStatus(ctx, pipeline.ID, transcode.PipelinePaused)))
	rules = must[*rule.Service](b)(rule.New(rule.Config{Store: store, Jobs: jobs, Objects: objects, Logger: log, Node: "bench"}))
	check(b, errorOf(rules.Create(ctx, rule.Rule{
		Name: "media", Bucket: "media", Prefix: "media/", Pipeline: string(pipeline.ID), OutputKeyPrefix: "transcoded/", Enabled: true,
		Outputs: []rule.Output{
			{PresetID: "1351620000001-300300", KeyPattern: "{dir}/{id}/{name}.wav"},
			{PresetID: "1351620000001-300110", KeyPattern: "{dir}/{id}/{name}.flac"},
			{PresetID: "1351620000001-100110", KeyPattern: "{dir}/{id}/{name}.m4a"},
		},
	})))
	check(b, q.Start(ctx, queue.Handlers{
		RunJob:       func(context.Context, transcode.RunJob) error { return nil },
		FanOut:       func(context.Context, notify.MessageID) error { return nil },
		DeliverEvent: events.DeliverEvent,
	}))
	b.Cleanup(func() { check(b, q.Stop(ctx)) })
	front := httptest.NewServer(server.Handler())
	b.Cleanup(front.Close)
	u.url = front.URL
	return u
}

func errorOf[T any](_ T, err error) error { return err }

// of is where it is told that the job of a key is there.
func (u *uploads) of(key string) chan time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.done[key] == nil {
		u.done[key] = make(chan time.Time, 8)
	}
	return u.done[key]
}

func (u *uploads) client(b *testing.B) *s3.Client {
	b.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	b.Cleanup(transport.CloseIdleConnections)
	return s3.New(s3.Options{
		Region: "eu-west-1", BaseEndpoint: &u.url, UsePathStyle: true, HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider(keyID, secret, ""),
	})
}

// upload puts an object and waits for its job.
func (u *uploads) upload(b *testing.B, c *s3.Client, n int64) (request, toJob time.Duration) {
	key := fmt.Sprintf("media/%03d/%06d.wav", n/1000, n)
	begin := time.Now()
	_, err := c.PutObject(b.Context(), &s3.PutObjectInput{
		Bucket: aws.String("media"), Key: &key, Body: strings.NewReader(fmt.Sprintf("object %d%2000s", n, "")),
	})
	if err != nil {
		b.Error(err)
		return 0, 0
	}
	replied := time.Now()
	return replied.Sub(begin), max(0, (<-u.of(key)).Sub(replied))
}

// BenchmarkUploadToJob is 50 uploads a second for 20 seconds, each time, however
// long the last ones take: the times from an upload's reply to the commit of
// its job, and of the upload itself.
func BenchmarkUploadToJob(b *testing.B) {
	const rate, seconds = 50, 20
	u := newUploads(b)
	c := u.client(b)
	u.upload(b, c, 999_999) // so that connections are there
	var mu sync.Mutex
	var requests, jobs []time.Duration
	b.ResetTimer()
	for i := range int64(b.N) {
		requests, jobs = nil, nil
		var wg sync.WaitGroup
		tick := time.NewTicker(time.Second / rate)
		for n := range int64(rate * seconds) {
			<-tick.C
			wg.Go(func() {
				request, job := u.upload(b, c, i*rate*seconds+n)
				mu.Lock()
				defer mu.Unlock()
				requests, jobs = append(requests, request), append(jobs, job)
			})
		}
		tick.Stop()
		wg.Wait()
	}
	b.StopTimer()
	report := func(name string, all []time.Duration) {
		slices.Sort(all)
		b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, name+"-p50-ms")
		b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, name+"-p99-ms")
	}
	report("upload", requests)
	report("to-job", jobs)
}

// BenchmarkUploads is 16 clients that upload as fast as they are answered, until
// the last job is there. Clients and server are one process.
func BenchmarkUploads(b *testing.B) {
	u := newUploads(b)
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range clients {
		c := u.client(b)
		wg.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				u.upload(b, c, n)
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "uploads/s")
}
