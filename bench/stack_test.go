// Package bench_test measures Etude's own parts at work together: what a job
// costs to create, to list and to pick up. It measures no encoder and knows
// nothing of media. `make bench` runs it; on a machine that does other things
// too, figures are worth little.
package bench_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder"

	"etude/internal/account"
	"etude/internal/edge"
	"etude/internal/etapi"
	"etude/internal/notify"
	"etude/internal/queue"
	"etude/internal/sqlstore"
	"etude/internal/transcode"
)

const (
	keyID  = "ETUDEXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

// stack is Etude on an SQLite file, with commits as durable as in earnest, from
// the edge down to the queue. Only the objects and the encoder are missing: no
// job is run unless work is called.
type stack struct {
	store    *sqlstore.Store
	queue    *queue.Queue
	service  *transcode.Service
	edge     *httptest.Server
	pipeline *transcode.Pipeline
}

func newStack(b *testing.B) *stack {
	b.Helper()
	log := slog.New(slog.DiscardHandler)
	db := must[*sqlstore.DB](b)(sqlstore.Open(b.Context(), sqlstore.Config{Path: filepath.Join(b.TempDir(), "etude.db"), Logger: log}))
	b.Cleanup(func() { check(b, db.Close()) })
	s := &stack{queue: must[*queue.Queue](b)(queue.Open(b.Context(), queue.Config{SQLite: db.Write(), Workers: 2, Logger: log}))}
	s.store = sqlstore.New(db, s.queue.Enqueue)
	accounts := account.New(s.store, account.MasterKey{1})
	check(b, accounts.SetRootKey(keyID, secret, "1"))
	s.service = must[*transcode.Service](b)(transcode.New(transcode.Config{
		Store: s.store, Objects: noObjects{}, Encoder: noEncoder{}, Notification: etapi.Notification, Logger: log,
		HasTopic: func(context.Context, string) (bool, error) { return true, nil },
		Region:   "eu-west-1", Account: "123456789012", Node: "bench", Scratch: b.TempDir(), MaxInput: 1 << 30,
	}))
	s.pipeline = s.newPipeline(b, "bench")
	s.edge = httptest.NewServer(edge.New(edge.Config{Services: map[string]http.Handler{
		"elastictranscoder": etapi.New(etapi.Config{Service: s.service, Accounts: accounts, Logger: log}),
	}}))
	b.Cleanup(s.edge.Close)
	return s
}

func (s *stack) newPipeline(b *testing.B, name string) *transcode.Pipeline {
	b.Helper()
	config := transcode.OutputConfig{Bucket: "media"}
	return must[*transcode.Pipeline](b)(s.service.EnsurePipeline(b.Context(), transcode.Pipeline{
		Name: name, InputBucket: "media", OutputBucket: "media", Content: config, Thumbnails: config,
		Role: "arn:aws:iam::123456789012:role/Elastic_Transcoder_Default_Role",
	}))
}

// work has the queue's tasks worked by run, until the benchmark's end.
func (s *stack) work(b *testing.B, run func(context.Context, transcode.RunJob) error) {
	b.Helper()
	check(b, s.queue.Start(b.Context(), queue.Handlers{
		RunJob: run,
		FanOut: func(context.Context, notify.MessageID) error { return nil },
	}))
	b.Cleanup(func() { check(b, s.queue.Stop(context.Background())) })
}

// client is one client of AWS's SDK, with connections of its own.
func (s *stack) client(b *testing.B) *elastictranscoder.Client {
	b.Helper()
	transport := &http.Transport{}
	b.Cleanup(transport.CloseIdleConnections)
	return elastictranscoder.New(elastictranscoder.Options{
		Region:       "eu-west-1",
		BaseEndpoint: aws.String(s.edge.URL),
		Credentials:  credentials.NewStaticCredentialsProvider(keyID, secret, ""),
		HTTPClient:   &http.Client{Transport: transport},
	})
}

// fill stores n jobs that are done.
func (s *stack) fill(b *testing.B, n int) {
	b.Helper()
	for from := 0; from < n; from += 1000 {
		check(b, s.store.Update(b.Context(), func(tx transcode.Tx) error {
			for i := from; i < min(n, from+1000); i++ {
				if err := tx.InsertJob(b.Context(), s.doneJob(i)); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

func (s *stack) doneJob(n int) *transcode.Job {
	mp3, flac := transcode.PresetID("1351620000001-300040"), transcode.PresetID("1351620000001-300110")
	j := &transcode.Job{
		ID: transcode.JobID(fmt.Sprintf("%013d-abc%03d", 1700000000000+n, n%1000)), Pipeline: s.pipeline.ID, Owner: "1",
		Inputs: []transcode.Input{{Key: "media/song.wav"}}, OutputKeyPrefix: "transcoded/",
		Status: transcode.Complete, SubmitTime: s.pipeline.CreateTime, StartTime: s.pipeline.CreateTime, FinishTime: s.pipeline.CreateTime,
	}
	for i, preset := range []transcode.PresetID{mp3, flac} {
		for _, p := range transcode.SystemPresets() {
			if p.ID == preset {
				j.Outputs = append(j.Outputs, transcode.Output{
					ID: strconv.Itoa(i + 1), Key: fmt.Sprintf("song.%d", i), PresetID: preset, Preset: p, Status: transcode.Complete,
					Made: &transcode.Made{Codec: "mp3", SampleRate: 44100, Channels: 2, Size: 1 << 20},
				})
			}
		}
	}
	return j
}

// noObjects and noEncoder are for jobs that are never run.
type (
	noObjects struct{ transcode.Objects }
	noEncoder struct{ transcode.Encoder }
)

func (noEncoder) Check(*transcode.Preset) string { return "" }

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// must returns a function that returns v, or ends the benchmark if there is an
// error.
func must[T any](b *testing.B) func(v T, err error) T {
	return func(v T, err error) T {
		b.Helper()
		check(b, err)
		return v
	}
}
