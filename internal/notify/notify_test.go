package notify_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/notify"
	"etude/internal/sqlstore/sqlstoretest"
)

// world is a Service whose site receives into got, or fails.
type world struct {
	*notify.Service
	tasks *sqlstoretest.Tasks
	got   []notify.Message
	fail  error
}

func open(t *testing.T) *world {
	store, tasks := sqlstoretest.Open(t)
	w := &world{tasks: tasks}
	var err error
	w.Service, err = notify.New(notify.Config{
		Store: store, Logger: slog.New(slog.DiscardHandler), Region: "eu-west-1", Account: "000000000000",
		Deliver: map[notify.Protocol]func(context.Context, notify.Message, string) error{
			notify.Site: func(_ context.Context, m notify.Message, _ string) error {
				if w.fail == nil {
					w.got = append(w.got, m)
				}
				return w.fail
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// work does every task that is queued, and returns the errors of those that
// would be tried again.
func (w *world) work(t *testing.T) (failed []error) {
	t.Helper()
	for tasks := w.tasks.Take(); len(tasks) > 0; tasks = w.tasks.Take() {
		for _, task := range tasks {
			var err error
			switch task := task.(type) {
			case notify.FanOut:
				err = w.FanOut(t.Context(), task.Message)
			case notify.Deliver:
				err = w.DeliverMessage(t.Context(), task.Message, task.Subscription)
			}
			if err != nil {
				failed = append(failed, err)
			}
		}
	}
	return failed
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
	w := open(t)
	topic := w.topic(t, "jobs")
	w.subscribe(t, topic, "a")
	w.subscribe(t, topic, "b")
	w.subscribe(t, w.topic(t, "others"), "c")
	id, err := w.Publish(t.Context(), topic, "Subject", "Body")
	if err != nil {
		t.Fatal(err)
	}
	tasks := w.tasks.All()
	if failed := w.work(t); failed != nil {
		t.Fatal(failed)
	}
	// A task comes at least once, so it may come again.
	if err := w.FanOut(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if again := w.tasks.All(); len(again) != 0 {
		t.Errorf("fanning out again queued %v", again)
	}
	if diff := cmp.Diff([]any{notify.FanOut{Message: id}}, tasks); diff != "" {
		t.Errorf("tasks of publishing (-want +got):\n%s", diff)
	}
	if len(w.got) != 2 || w.got[0].ID != id || w.got[0].Subject != "Subject" || w.got[0].Body != "Body" {
		t.Errorf("delivered %+v, want the message twice", w.got)
	}
}

func TestFailedDeliveryIsTriedAgainWithTheSameID(t *testing.T) {
	w := open(t)
	topic := w.topic(t, "jobs")
	sub := w.subscribe(t, topic, "")
	id, err := w.Publish(t.Context(), topic, "", "Body")
	if err != nil {
		t.Fatal(err)
	}
	w.fail = errors.New("nobody is in")
	if failed := w.work(t); len(failed) != 1 || !errors.Is(failed[0], w.fail) {
		t.Fatalf("failed = %v, want the delivery's error, so that it is tried again", failed)
	}
	w.fail = nil
	for range 2 { // the second is a repeat of one that went well
		if err := w.DeliverMessage(t.Context(), id, sub); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.got) != 1 || w.got[0].ID != id {
		t.Errorf("delivered %+v, want the message once", w.got)
	}
	ds, err := w.Store.Deliveries(t.Context(), id)
	if err != nil || len(ds) != 1 || ds[0].Tries != 2 || ds[0].LastError != "" || ds[0].DeliverTime.IsZero() {
		t.Errorf("deliveries = %+v, %v, want one that took two tries", ds, err)
	}
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
	if failed := w.work(t); failed != nil {
		t.Fatal(failed)
	}
	if m, err := w.Store.Message(t.Context(), id); err != nil || m.Body != "Body" {
		t.Errorf("message = %+v, %v", m, err)
	}
}
