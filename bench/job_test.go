package bench_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder/types"

	"etude/internal/transcode"
)

const clients = 16

// BenchmarkCreateJob is 16 clients of AWS's SDK that create jobs as fast as they
// are answered, over HTTP on the loopback, each commit durable. Another client
// reads a job all the while. No worker runs. Clients and server are one process:
// what the clients cost is in the figures.
func BenchmarkCreateJob(b *testing.B) {
	s := newStack(b)
	input := &elastictranscoder.CreateJobInput{
		PipelineId: aws.String(string(s.pipeline.ID)),
		Input:      &types.JobInput{Key: aws.String("media/song.wav")},
		Outputs: []types.CreateJobOutput{
			{Key: aws.String("song.mp3"), PresetId: aws.String("1351620000001-300040")},
			{Key: aws.String("song.flac"), PresetId: aws.String("1351620000001-300110")},
		},
		OutputKeyPrefix: aws.String("transcoded/"),
		UserMetadata:    map[string]string{"user": "7"},
	}
	first := must[*elastictranscoder.CreateJobOutput](b)(s.client(b).CreateJob(b.Context(), input))

	stopReading := s.readMeanwhile(b, first.Job.Id)
	b.ResetTimer()
	create(b, func() func() error {
		c := s.client(b)
		return func() error {
			_, err := c.CreateJob(b.Context(), input)
			return err
		}
	})
	b.StopTimer()
	p99 := stopReading()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
	b.ReportMetric(float64(p99.Microseconds())/1000, "read-p99-ms")
}

// BenchmarkCreateJobService is the same without HTTP, JSON and signatures.
func BenchmarkCreateJobService(b *testing.B) {
	s := newStack(b)
	spec := transcode.JobSpec{
		Pipeline: s.pipeline.ID,
		Inputs:   []transcode.Input{{Key: "media/song.wav"}},
		Outputs: []transcode.OutputSpec{
			{Key: "song.mp3", PresetID: "1351620000001-300040"},
			{Key: "song.flac", PresetID: "1351620000001-300110"},
		},
		OutputKeyPrefix: "transcoded/",
	}
	b.ResetTimer()
	create(b, func() func() error {
		return func() error {
			_, err := s.service.CreateJob(b.Context(), spec)
			return err
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}

// create has one be called b.N times in all by clients that do not wait for each
// other; each client gets its own.
func create(b *testing.B, client func() (one func() error)) {
	b.Helper()
	var made atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		one := client()
		wg.Go(func() {
			for made.Add(1) <= int64(b.N) {
				if err := one(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// readMeanwhile reads a job again and again until end is called, which returns
// how long 99 of 100 took at the most.
func (s *stack) readMeanwhile(b *testing.B, id *string) (end func() time.Duration) {
	b.Helper()
	c := s.client(b)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	var took []time.Duration
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			start := time.Now()
			if _, err := c.ReadJob(ctx, &elastictranscoder.ReadJobInput{Id: id}); err != nil && ctx.Err() == nil {
				b.Error(err)
				return
			}
			took = append(took, time.Since(start))
		}
	}()
	return func() time.Duration {
		cancel()
		<-done
		slices.Sort(took)
		return took[(len(took)-1)*99/100]
	}
}

// BenchmarkListJobsByStatus is one page of 100 jobs, decoded, however many there
// are.
func BenchmarkListJobsByStatus(b *testing.B) {
	for _, stored := range []int{100, 100_000} {
		b.Run(fmt.Sprintf("stored=%d", stored), func(b *testing.B) {
			s := newStack(b)
			s.fill(b, stored)
			for b.Loop() {
				jobs, _, err := s.service.ListJobs(b.Context(), transcode.JobFilter{Status: transcode.Complete}, transcode.Page{Limit: 100})
				if err != nil || len(jobs) != 100 {
					b.Fatalf("got %d jobs and the error %v, want 100", len(jobs), err)
				}
			}
		})
	}
}

// BenchmarkPickUp is from the commit of a job to the call of its handler, with
// idle workers. Its time for one is that of the whole round: create, commit,
// pick up.
func BenchmarkPickUp(b *testing.B) {
	s := newStack(b)
	picked := make(chan time.Time, 1)
	s.work(b, func(context.Context, transcode.RunJob) error { picked <- time.Now(); return nil })
	var took []time.Duration
	for b.Loop() {
		check(b, s.store.Update(b.Context(), func(tx transcode.Tx) error { return tx.Enqueue(b.Context(), transcode.RunJob{}) }))
		committed := time.Now()
		took = append(took, (<-picked).Sub(committed))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(float64(took[(len(took)-1)*99/100].Microseconds())/1000, "p99-ms")
}
