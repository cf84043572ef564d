package notify_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/notify"
	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
)

// world is a Service whose endpoints are in the test.
type world struct {
	*notify.Service
	store *sqlstore.Store
	tasks *sqlstoretest.Tasks
	stop  func() // ends Work; nil if it does not run

	mu      sync.Mutex
	got     []arrival
	answers map[string]answers // by endpoint; others take all
}

// answers is what an endpoint does.
type answers = func(ctx context.Context, p notify.Parcel) (notify.Answer, error)

// arrival is a try, as the endpoint saw it.
type arrival struct {
	Endpoint string
	Message  notify.MessageID
	Body     string
	At       time.Duration // since the world began
	OK       bool
}

var region = notify.Config{Region: "eu-west-1", Account: "000000000000"}

// play runs a test in a world whose clock jumps when there is nothing to do.
func play(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		w.start(t, notify.Config{})
		test(t, w)
	})
}

func open(t *testing.T) *world {
	store, tasks := sqlstoretest.Open(t)
	w := &world{store: store, tasks: tasks, answers: map[string]answers{}}
	w.configure(t, notify.Config{})
	return w
}

// configure makes the Service anew, as the next process does.
func (w *world) configure(t *testing.T, cfg notify.Config) {
	t.Helper()
	cfg.Store, cfg.Logger, cfg.Region, cfg.Account = w.store, slog.New(slog.NewTextHandler(t.Output(), nil)), region.Region, region.Account
	if cfg.Node == "" {
		cfg.Node = "node"
	}
	began := time.Now()
	receive := func(ctx context.Context, p notify.Parcel) (answer notify.Answer, err error) {
		at := time.Since(began)
		w.mu.Lock()
		does := w.answers[p.Subscription.Endpoint]
		w.mu.Unlock()
		if does != nil {
			answer, err = does(ctx, p)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.got = append(w.got, arrival{p.Subscription.Endpoint, p.Message.ID, p.Message.BodyFor(p.Subscription.Protocol), at, err == nil})
		return answer, err
	}
	cfg.Deliver = map[notify.Protocol]notify.DeliverFunc{notify.Site: receive, notify.HTTP: receive, notify.Elsewhere: receive}
	var err error
	if w.Service, err = notify.New(cfg); err != nil {
		t.Fatal(err)
	}
}

// start delivers from now on.
func (w *world) start(t *testing.T, cfg notify.Config) {
	t.Helper()
	w.configure(t, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := w.Work(ctx, time.Second); err != nil {
			t.Error(err)
		}
	}()
	stop := sync.OnceFunc(func() { cancel(); <-ended })
	w.stop = stop
	t.Cleanup(stop)
	synctest.Wait()
}

// work does every task that is queued, and what follows at once.
func (w *world) work(t *testing.T) {
	t.Helper()
	for tasks := w.tasks.Take(); len(tasks) > 0; tasks = w.tasks.Take() {
		for _, task := range tasks {
			if err := w.FanOut(t.Context(), task.(notify.FanOut).Message); err != nil {
				t.Fatal(err)
			}
		}
	}
	synctest.Wait()
}

// arrivals are the tries since they were last asked for.
func (w *world) arrivals() []arrival {
	w.mu.Lock()
	defer w.mu.Unlock()
	got := w.got
	w.got = nil
	return got
}

func (w *world) does(endpoint string, does answers) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[endpoint] = does
}

func (w *world) publish(t *testing.T, topic notify.TopicARN, bodies ...string) (ids []notify.MessageID) {
	t.Helper()
	for _, body := range bodies {
		id, err := w.Publish(t.Context(), topic, "Subject", body)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	w.work(t)
	return ids
}

// delivery returns the only delivery of a message.
func (w *world) delivery(t *testing.T, id notify.MessageID) notify.Delivery {
	t.Helper()
	all, err := w.Store.Deliveries(t.Context(), id)
	if err != nil || len(all) != 1 {
		t.Fatalf("got the deliveries %+v and the error %v, want one", all, err)
	}
	return all[0]
}

func (w *world) topic(t *testing.T, name string) notify.TopicARN {
	t.Helper()
	arn, err := w.CreateTopic(t.Context(), notify.TopicSpec{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return arn
}

func (w *world) subscribe(t *testing.T, topic notify.TopicARN, endpoint string) notify.SubscriptionARN {
	t.Helper()
	sub, err := w.Subscribe(t.Context(), notify.SubscriptionSpec{Topic: topic, Protocol: notify.Site, Endpoint: endpoint})
	if err != nil {
		t.Fatal(err)
	}
	return sub.ARN
}

func TestMessageReachesEverySubscriptionOnce(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		topic := w.topic(t, "jobs")
		w.subscribe(t, topic, "a")
		w.subscribe(t, topic, "b")
		w.subscribe(t, w.topic(t, "others"), "c")
		id, err := w.Publish(t.Context(), topic, "Subject", "Body")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]any{notify.FanOut{Message: id}}, w.tasks.All()); diff != "" {
			t.Errorf("tasks of publishing (-want +got):\n%s", diff)
		}
		w.work(t)
		// A task comes at least once, so it may come again.
		if err := w.FanOut(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		want := map[string]int{"a": 1, "b": 1}
		got := map[string]int{}
		for _, a := range w.arrivals() {
			if a.Message != id || a.Body != "Body" || a.At != 0 {
				t.Errorf("got %+v, want the message at once", a)
			}
			got[a.Endpoint]++
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("endpoints (-want +got):\n%s", diff)
		}
	})
}

func TestTopicsAndSubscriptionsAreMadeOnce(t *testing.T) {
	w := open(t)
	topic := w.topic(t, "jobs")
	if got, want := topic, notify.TopicARN("arn:aws:sns:eu-west-1:000000000000:jobs"); got != want {
		t.Errorf("ARN = %s, want %s", got, want)
	}
	for arn, want := range map[notify.TopicARN]bool{topic: true, topic + "2": false} {
		if got, err := w.HasTopic(t.Context(), arn); got != want || err != nil {
			t.Errorf("has topic %s = %v, %v, want %v", arn, got, err, want)
		}
	}
	if again := w.topic(t, "jobs"); again != topic {
		t.Errorf("the same name gave %s and %s", topic, again)
	}
	if a, b := w.subscribe(t, topic, "x"), w.subscribe(t, topic, "x"); a != b {
		t.Errorf("the same endpoint gave %s and %s", a, b)
	}
}

func TestBadTopicsAndSubscriptions(t *testing.T) {
	w := open(t)
	for _, name := range []string{"", "with space", "ü", "a/b", string(make([]byte, 257))} {
		if _, err := w.CreateTopic(t.Context(), notify.TopicSpec{Name: name}); err == nil {
			t.Errorf("topic %.20q was made", name)
		}
	}
	if _, err := w.Subscribe(t.Context(), notify.SubscriptionSpec{Topic: "arn:aws:sns:eu-west-1:000000000000:none", Protocol: notify.Site}); !errors.Is(err, notify.ErrNotFound) {
		t.Errorf("subscribe to no topic: %v, want ErrNotFound", err)
	}
	if _, err := w.Subscribe(t.Context(), notify.SubscriptionSpec{Topic: w.topic(t, "jobs"), Protocol: "carrier-pigeon", Endpoint: "x"}); err == nil {
		t.Error("subscribed by a protocol that there is not")
	}
}

func TestMessageToNobodyIsKept(t *testing.T) {
	w := open(t)
	id, err := w.Publish(t.Context(), w.topic(t, "jobs"), "", "Body")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range w.tasks.Take() {
		if err := w.FanOut(t.Context(), task.(notify.FanOut).Message); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := w.Store.Message(t.Context(), id); err != nil || m.Body != "Body" {
		t.Errorf("message = %+v, %v", m, err)
	}
}
