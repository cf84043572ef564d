package event_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/event"
	"etude/internal/notify"
	"etude/internal/s3event"
	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
)

const (
	topicARN    = "arn:aws:sns:eu-west-1:000000000000:uploads"
	queueARN    = "arn:aws:sqs:eu-west-1:000000000000:uploads"
	functionARN = "arn:aws:lambda:eu-west-1:000000000000:function:to-flac"
)

// world is a Service whose rules and queues take note of what they get, or fail.
type world struct {
	*event.Service
	store *sqlstore.Store
	tasks *sqlstoretest.Tasks
	got   []string // "rules KEY", "rule NAME KEY", "queue ARN BODY"
	fail  error
}

func open(t *testing.T) *world {
	store, tasks := sqlstoretest.Open(t)
	w := &world{store: store, tasks: tasks}
	w.reopen(t)
	return w
}

// reopen is what a crash and a new start are.
func (w *world) reopen(t *testing.T) {
	t.Helper()
	note := func(words ...string) error {
		if w.fail == nil {
			w.got = append(w.got, strings.Join(words, " "))
		}
		return w.fail
	}
	var err error
	w.Service, err = event.Open(t.Context(), event.Config{
		Store: w.store, Logger: slog.New(slog.DiscardHandler), Node: "node-1", Owner: "000000000000",
		HandleRules: func(_ context.Context, e s3event.Event) error { return note("rules", e.Key) },
		MayMatch:    func(bucket, _ string) bool { return bucket == "ruled" },
		HandleRule:  func(_ context.Context, e s3event.Event, rule string) error { return note("rule", rule, e.Key) },
		HasRule:     func(_ context.Context, rule string) (bool, error) { return rule == "to-flac", nil },
		HasTopic:    func(_ context.Context, arn string) (bool, error) { return arn == topicARN, nil },
		SendToQueue: func(_ context.Context, arn, body string) error { return note("queue", arn, body) },
	})
	if err != nil {
		t.Fatal(err)
	}
}

// happen has events begin and end.
func (w *world) happen(t *testing.T, events ...s3event.Event) {
	t.Helper()
	intents, err := w.Begin(t.Context(), events...)
	if err == nil {
		err = w.End(t.Context(), intents)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// work does every task that is queued, and returns what was published, by topic
// and body, and the errors of those that would be tried again.
func (w *world) work(t *testing.T) (published []string, failed []error) {
	t.Helper()
	for _, task := range w.tasks.Take() {
		switch task := task.(type) {
		case event.Deliver:
			if err := w.DeliverEvent(t.Context(), task.Delivery); err != nil {
				failed = append(failed, err)
			}
		case notify.FanOut:
			m, err := w.store.Message(t.Context(), task.Message)
			if err != nil || m.Subject != "Amazon S3 Notification" || m.Type != notify.Notification {
				t.Fatalf("message is %+v and %v", m, err)
			}
			published = append(published, string(m.Topic)+" "+m.Body)
		}
	}
	return published, failed
}

func created(bucket, key string) s3event.Event {
	return s3event.Event{Name: s3event.CreatedPut, Bucket: bucket, Key: key, ETag: "e", Size: 1}
}

func (w *world) configure(t *testing.T, bucket string, targets ...s3event.Target) error {
	t.Helper()
	return w.SetNotification(t.Context(), bucket, s3event.Configuration{Targets: targets}, event.SetNotificationOptions{RequestID: "R"})
}

var all = []string{"s3:ObjectCreated:*", "s3:ObjectRemoved:*"}

func TestRulesAreToldOfNewObjects(t *testing.T) {
	w := open(t)
	removed := created("ruled", "gone")
	removed.Name = s3event.RemovedDelete
	own := created("ruled", "output")
	own.Own = true
	for _, tt := range []struct {
		event s3event.Event
		want  bool
	}{{created("ruled", "new"), true}, {created("other", "new"), false}, {removed, false}, {own, false}} {
		if got := w.Wants(tt.event); got != tt.want {
			t.Errorf("wants %+v: %t, want %t", tt.event, got, tt.want)
		}
		w.happen(t, tt.event)
	}
	if published, failed := w.work(t); published != nil || failed != nil {
		t.Errorf("published %v, failed %v", published, failed)
	}
	if diff := cmp.Diff([]string{"rules new"}, w.got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if left, err := w.Pending(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("pending: %v and %v, want none", left, err)
	}
	if left, err := w.store.EventDeliveries(t.Context(), 10); err != nil || len(left) != 0 {
		t.Errorf("deliveries: %v and %v, want none", left, err)
	}
}

func TestCrashLeavesIntents(t *testing.T) {
	w := open(t)
	intents, err := w.Begin(t.Context(), created("ruled", "a"), created("ruled", "b"))
	if err != nil {
		t.Fatal(err)
	}
	w.reopen(t)
	left, err := w.Pending(t.Context())
	if err != nil || len(left) != 2 || left[0].ID != intents[0].ID || left[1].Event != intents[1].Event || left[0].BeginTime.IsZero() {
		t.Fatalf("pending: %+v and %v, want %+v", left, err, intents)
	}
	if err := w.End(t.Context(), left[:1], left[1]); err != nil {
		t.Fatal(err)
	}
	w.work(t)
	if diff := cmp.Diff([]string{"rules a"}, w.got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if left, err := w.Pending(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("pending: %v and %v, want none", left, err)
	}
}

func TestSequencersRiseOverRestarts(t *testing.T) {
	w := open(t)
	last := ""
	for range 3 {
		for range 3 {
			w.happen(t, created("ruled", "a"))
			waiting, err := w.store.EventDeliveries(t.Context(), 100)
			if err != nil {
				t.Fatal(err)
			}
			got := waiting[len(waiting)-1].Event
			if s3event.CompareSequencers(last, got.Sequencer) >= 0 || len(got.Sequencer) != 16 || got.Time.IsZero() || got.Owner != "000000000000" {
				t.Fatalf("after the sequencer %q came %+v", last, got)
			}
			last = got.Sequencer
		}
		w.reopen(t)
	}
}

func TestFailedDeliveryIsKeptAndTriedAgain(t *testing.T) {
	w := open(t)
	w.fail = errors.New("database is away")
	w.happen(t, created("ruled", "a"))
	if _, failed := w.work(t); len(failed) != 1 || !errors.Is(failed[0], w.fail) {
		t.Fatalf("failed = %v, want the rule's error, so that it is tried again", failed)
	}
	waiting, err := w.store.EventDeliveries(t.Context(), 10)
	if err != nil || len(waiting) != 1 || waiting[0].Tries != 1 || !strings.Contains(waiting[0].LastError, "database is away") {
		t.Fatalf("deliveries are %+v and %v, want one that failed once", waiting, err)
	}
	w.fail = nil
	for range 2 { // the second is a task that comes again
		if err := w.DeliverEvent(t.Context(), waiting[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"rules a"}, w.got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestConfigurationDecidesWhoIsTold(t *testing.T) {
	w := open(t)
	err := w.configure(t, "bbb",
		s3event.Target{ID: "t", Kind: s3event.Topic, ARN: topicARN, Events: all, Prefix: "t/"},
		s3event.Target{ID: "q", Kind: s3event.Queue, ARN: queueARN, Events: all, Prefix: "q/"},
		s3event.Target{ID: "f", Kind: s3event.Function, ARN: functionARN, Events: all, Prefix: "f/"})
	if err != nil {
		t.Fatal(err)
	}
	published, _ := w.work(t)
	if len(published) != 1 || !strings.Contains(published[0], `"s3:TestEvent"`) || !strings.Contains(published[0], `"RequestId":"R"`) {
		t.Errorf("published %q, want a test event", published)
	}
	if len(w.got) != 1 || !strings.HasPrefix(w.got[0], "queue "+queueARN) || !strings.Contains(w.got[0], `"s3:TestEvent"`) {
		t.Errorf("told %q, want the queue of a test event", w.got)
	}

	w.got = nil
	w.reopen(t) // the configuration stays
	own := func(key string) s3event.Event {
		e := created("bbb", key)
		e.Own = true
		return e
	}
	w.happen(t, created("bbb", "t/1"), own("t/2"), created("bbb", "q/1"), created("bbb", "f/1"), own("f/2"), created("bbb", "other"))
	published, failed := w.work(t)
	if failed != nil {
		t.Error(failed)
	}
	for i, want := range []string{`"key":"t/1"`, `"key":"t/2"`} {
		if len(published) != 2 || !strings.Contains(published[i], want) || !strings.Contains(published[i], `"configurationId":"t"`) {
			t.Errorf("published %q, want %s in message %d", published, want, i)
		}
	}
	if len(w.got) != 2 || !strings.Contains(w.got[0], `"key":"q/1"`) || w.got[1] != "rule to-flac f/1" {
		t.Errorf("told %q, want the queue and the rule", w.got)
	}
}

func TestQueueThatIsNotNamedAnyMoreIsGivenUp(t *testing.T) {
	w := open(t)
	target := s3event.Target{ID: "q", Kind: s3event.Queue, ARN: queueARN, Events: all}
	if err := w.configure(t, "bbb", target); err != nil {
		t.Fatal(err)
	}
	w.got = nil
	w.happen(t, created("bbb", "a"))
	w.fail = errors.New("queue is away")
	id := w.tasks.All()[0].(event.Deliver)
	if !id.Remote {
		t.Errorf("task is %+v, want it to be remote", id)
	}
	if _, failed := w.work(t); len(failed) != 1 {
		t.Fatalf("failed: %v, want one", failed)
	}
	w.fail = nil
	if err := w.ForgetBucket(t.Context(), "bbb"); err != nil {
		t.Fatal(err)
	}
	if err := w.DeliverEvent(t.Context(), id.Delivery); err != nil {
		t.Fatal(err)
	}
	if len(w.got) != 0 {
		t.Errorf("told %q, want nobody", w.got)
	}
	if left, err := w.store.EventDeliveries(t.Context(), 10); err != nil || len(left) != 0 {
		t.Errorf("deliveries: %v and %v, want none", left, err)
	}
	if got := w.Notification("bbb"); len(got.Targets) != 0 || w.Wants(created("bbb", "a")) {
		t.Errorf("configuration is %+v, want none", got)
	}
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	w := open(t)
	good := s3event.Target{ID: "q", Kind: s3event.Queue, ARN: queueARN, Events: all}
	if err := w.configure(t, "bbb", good); err != nil {
		t.Fatal(err)
	}
	noTopic := s3event.Target{ID: "t", Kind: s3event.Topic, ARN: topicARN + "2", Events: all, Prefix: "t/"}
	noRule := s3event.Target{ID: "f", Kind: s3event.Function, ARN: functionARN + "2", Events: all, Prefix: "f/"}
	noQueue := s3event.Target{ID: "q", Kind: s3event.Queue, ARN: queueARN + "2", Events: all, Prefix: "q/"}
	w.fail = errors.New("no such queue")
	var fault *s3event.Error
	err := w.configure(t, "bbb", noTopic, noRule, noQueue)
	if !errors.As(err, &fault) || fault.Message != "Unable to validate the following destination configurations" || len(fault.Arguments) != 3 ||
		fault.Arguments[0].Name != noTopic.ARN {
		t.Errorf("targets that are not there: %v, want each named", err)
	}
	err = w.SetNotification(t.Context(), "bbb", s3event.Configuration{EventBridge: true}, event.SetNotificationOptions{})
	if !errors.As(err, &fault) || !strings.Contains(fault.Message, "EventBridge") {
		t.Errorf("EventBridge: %v", err)
	}
	twice := good
	twice.ID = "2"
	if err := w.configure(t, "bbb", good, twice); !errors.As(err, &fault) || !strings.Contains(fault.Message, "ambiguously") {
		t.Errorf("overlap: %v", err)
	}
	if diff := cmp.Diff([]s3event.Target{good}, w.Notification("bbb").Targets); diff != "" {
		t.Errorf("after refusals (-want +got):\n%s", diff)
	}

	// Without validation they are kept, and tested when they can be.
	w.tasks.Take()
	c := s3event.Configuration{Targets: []s3event.Target{noTopic, noRule, noQueue}}
	if err := w.SetNotification(t.Context(), "bbb", c, event.SetNotificationOptions{SkipValidation: true}); err != nil {
		t.Fatal(err)
	}
	w.fail, w.got = nil, nil
	if published, failed := w.work(t); len(published) != 1 || failed != nil || len(w.got) != 1 || !strings.Contains(w.got[0], "s3:TestEvent") {
		t.Errorf("published %q, failed %v, told %q; want a test event each for topic and queue", published, failed, w.got)
	}
}

func TestEventsFromElsewhereAreKeptForRules(t *testing.T) {
	w := open(t)
	removed := created("far", "gone")
	removed.Name = s3event.RemovedDelete
	if err := w.Receive(t.Context(), created("far", "a"), removed); err != nil {
		t.Fatal(err)
	}
	if err := w.Receive(t.Context(), removed); err != nil {
		t.Fatal(err)
	}
	w.work(t)
	if diff := cmp.Diff([]string{"rules a"}, w.got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}
