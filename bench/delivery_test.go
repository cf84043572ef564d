package bench_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"etude/internal/courier"
	"etude/internal/notify"
	"etude/internal/outbound"
	"etude/internal/queue"
	"etude/internal/seal"
	"etude/internal/signkey"
	"etude/internal/snsmsg"
	"etude/internal/sqlstore"
	"etude/internal/transcode"
)

// What BenchmarkDelivery publishes: messages to endpoints that are healthy, at a
// rate that two cores keep up with (signing, sending and receiving are all in
// this process), and one more to a dead endpoint for every ten.
const (
	deliveryMessages = 10_000
	healthyEndpoints = 100
	deadEndpoints    = 10
	publishRate      = 200 // a second, to healthy endpoints
)

// BenchmarkDelivery publishes 10,000 messages to 100 endpoints on the loopback,
// each of them to one, over SQLite with commits as durable as in earnest; then
// again with 10 endpoints beside that hang, refuse or answer 500. The delay is
// from the commit of the publisher to the arrival at the endpoint.
func BenchmarkDelivery(b *testing.B) {
	for _, tt := range []struct {
		name string
		dead int
	}{{"healthy", 0}, {"beside10dead", deadEndpoints}} {
		b.Run(tt.name, func(b *testing.B) {
			for range b.N {
				measureDelivery(b, tt.dead)
			}
		})
	}
}

// arrivals are when messages came.
type arrivals struct {
	mu   sync.Mutex
	at   map[string]time.Time // first time, by MessageId
	more chan struct{}
}

func (a *arrivals) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	now := time.Now()
	_, _ = io.Copy(io.Discard, r.Body)
	a.mu.Lock()
	id := r.Header.Get(snsmsg.HeaderID)
	_, again := a.at[id]
	if !again {
		a.at[id] = now
	}
	a.mu.Unlock()
	if !again {
		a.more <- struct{}{}
	}
}

func measureDelivery(b *testing.B, dead int) {
	b.Helper()
	s := newPostOffice(b)
	got := &arrivals{at: map[string]time.Time{}, more: make(chan struct{}, deliveryMessages)}
	var healthy, ill []notify.TopicARN
	for i := range healthyEndpoints {
		srv := httptest.NewServer(got)
		b.Cleanup(srv.Close)
		healthy = append(healthy, s.topic(b, fmt.Sprintf("healthy-%d", i), srv.URL))
	}
	for i := range dead {
		ill = append(ill, s.topic(b, fmt.Sprintf("dead-%d", i), deadEndpoint(b, i)))
	}

	cpu := cpuTime(b)
	b.ResetTimer()
	began := time.Now()
	committed := make([]time.Time, deliveryMessages)
	ids := make([]string, deliveryMessages)
	var publishing sync.WaitGroup
	for i := range deliveryMessages {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / publishRate)))
		publishing.Go(func() {
			ids[i] = s.publish(b, healthy[i%len(healthy)])
			committed[i] = time.Now()
		})
		if len(ill) > 0 && i%10 == 0 {
			publishing.Go(func() { s.publish(b, ill[i/10%len(ill)]) })
		}
	}
	publishing.Wait()
	rate := deliveryMessages / time.Since(began).Seconds()
	for n := 0; n < deliveryMessages; n++ {
		select {
		case <-got.more:
		case <-time.After(30 * time.Second):
			b.Errorf("%d messages have not arrived", deliveryMessages-n)
			n = deliveryMessages
		}
	}
	b.StopTimer()
	cpu = cpuTime(b) - cpu

	var delays []time.Duration
	got.mu.Lock()
	defer got.mu.Unlock()
	for i, id := range ids {
		if at, ok := got.at[id]; ok {
			delays = append(delays, max(at.Sub(committed[i]), 0))
		}
	}
	slices.Sort(delays)
	if len(delays) == 0 {
		b.Fatal("nothing has arrived")
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(float64(len(delays)), "served")
	b.ReportMetric(deliveryMessages, "published")
	b.ReportMetric(ms(cpu)/deliveryMessages, "cpu-ms/message")
	b.ReportMetric(rate, "published/s")
	b.ReportMetric(ms(delays[len(delays)/2]), "median-ms")
	b.ReportMetric(ms(delays[len(delays)*99/100]), "p99-ms")
	b.ReportMetric(ms(delays[len(delays)-1]), "max-ms")
}

// cpuTime is what this process has used of the processors, which other programs
// on the machine do not change.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	check(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// postOffice is all that has to do with messages.
type postOffice struct {
	store  *sqlstore.Store
	notify *notify.Service
}

func newPostOffice(b *testing.B) *postOffice {
	b.Helper()
	log := slog.New(slog.DiscardHandler)
	db := must[*sqlstore.DB](b)(sqlstore.Open(b.Context(), sqlstore.Config{Path: filepath.Join(b.TempDir(), "etude.db"), Logger: log}))
	b.Cleanup(func() { check(b, db.Close()) })
	q := must[*queue.Queue](b)(queue.Open(b.Context(), queue.Config{SQLite: db.Write(), Logger: log}))
	s := &postOffice{store: sqlstore.New(db, q.Enqueue)}
	keys := must[*signkey.Keys](b)(signkey.Open(b.Context(), signkey.Config{Store: s.store, Master: seal.Key{1}, Logger: log}))
	c := must[*courier.Courier](b)(courier.New(courier.Config{
		Sign: keys.Sign, Base: func() string { return "https://aws.example.org" }, Guard: outbound.New(outbound.Loopback), Logger: log,
	}))
	b.Cleanup(c.Close)
	s.notify = must[*notify.Service](b)(notify.New(notify.Config{
		Store: s.store, Logger: log, Region: "eu-west-1", Account: "123456789012", Node: "bench", Deliver: c.Deliver(), RetryFor: time.Hour,
	}))
	ctx, cancel := context.WithCancel(context.Background())
	worked := make(chan error, 1)
	go func() { worked <- s.notify.Work(ctx, 0) }()
	b.Cleanup(func() { cancel(); check(b, <-worked) })
	check(b, q.Start(b.Context(), queue.Handlers{
		RunJob: func(context.Context, transcode.RunJob) error { return nil }, FanOut: s.notify.FanOut,
	}))
	b.Cleanup(func() { check(b, q.Stop(context.Background())) })
	return s
}

// topic makes a topic with an endpoint that has agreed.
func (s *postOffice) topic(b *testing.B, name, endpoint string) notify.TopicARN {
	b.Helper()
	arn := must[notify.TopicARN](b)(s.notify.CreateTopic(b.Context(), notify.TopicSpec{Name: name}))
	check(b, s.store.UpdateNotify(b.Context(), func(tx notify.Tx) error {
		_, _, err := tx.EnsureSubscription(b.Context(), notify.Subscription{
			ARN: notify.SubscriptionARN(arn + ":1"), Topic: arn, Protocol: notify.HTTP, Endpoint: endpoint, Confirmed: true, CreateTime: time.Now(),
		})
		return err
	}))
	return arn
}

func (s *postOffice) publish(b *testing.B, topic notify.TopicARN) string {
	b.Helper()
	id := notify.MessageID(uuid.NewString())
	err := s.store.UpdateNotify(context.Background(), func(tx notify.Tx) error {
		return tx.InsertMessage(context.Background(), notify.Message{
			ID: id, Topic: topic, Type: notify.Notification, Subject: "Done", Body: `{"state":"COMPLETED"}`, PublishTime: time.Now(),
		})
	})
	if err != nil {
		b.Error(err)
	}
	return string(id)
}

// deadEndpoint hangs, refuses or answers 500.
func deadEndpoint(b *testing.B, i int) string {
	b.Helper()
	ln := must[net.Listener](b)((&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0"))
	url := "http://" + ln.Addr().String()
	switch i % 3 {
	case 0: // nobody accepts, so nobody answers
		b.Cleanup(func() { ln.Close() })
	case 1:
		check(b, ln.Close())
	case 2:
		srv := &http.Server{
			Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }),
			ReadHeaderTimeout: time.Minute,
		}
		go func() { _ = srv.Serve(ln) }()
		b.Cleanup(func() { srv.Close() })
	}
	return url
}
