package hook_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/hook"
	"etude/internal/snsmsg/verify"
	"etude/internal/snsmsg/verify/verifytest"
	"etude/internal/sqlstore/sqlstoretest"
)

const arn = "arn:aws:sns:eu-west-1:123456789012:jobs"

// world is a service on SQLite with a publisher that it listens to.
type world struct {
	*hook.Service
	*verifytest.Publisher
	t *testing.T

	mu        sync.Mutex
	handled   []string // the messages' bodies
	confirmed []string
	fault     error // of what handles and confirms
	now       time.Time
}

func open(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, Publisher: verifytest.New(t, "eu-west-1", "sns.amazonaws.com"), now: time.Now()}
	topic, err := verify.ParseTopic(arn)
	if err != nil {
		t.Fatal(err)
	}
	v, err := verify.New(verify.Config{Topics: []verify.Topic{topic}, Dial: w.Dial, Roots: w.Roots()})
	if err != nil {
		t.Fatal(err)
	}
	store, _ := sqlstoretest.Open(t)
	w.Service, err = hook.New(hook.Config{
		Store: store, Verifier: v, Logger: slog.New(slog.DiscardHandler),
		Handle: func(_ context.Context, m hook.Message) error { return w.note(&w.handled, m.Body) },
		Confirm: func(_ context.Context, topic verify.Topic, token string) error {
			return w.note(&w.confirmed, topic.ARN+" "+token)
		},
		Now: func() time.Time { return w.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) note(in *[]string, what string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	*in = append(*in, what)
	return w.fault
}

func (w *world) receive(m verifytest.Message) error {
	w.t.Helper()
	return w.Receive(w.t.Context(), m.Header(), m.Body(w.t))
}

func (w *world) work(after time.Duration) {
	w.t.Helper()
	w.now = w.now.Add(after)
	if err := w.Work(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func TestMessageIsHandledOnceHoweverOftenItComes(t *testing.T) {
	t.Parallel()
	w := open(t)
	m := w.Sign(t, w.Notification(arn, "text"))
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if err := w.receive(m); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	w.work(time.Hour)
	if diff := cmp.Diff([]string{"text"}, w.handled); diff != "" {
		t.Errorf("handled (-want +got):\n%s", diff)
	}
}

// TestOurFaultIsNotThePublishers: what is kept is the server's to try again.
func TestOurFaultIsNotThePublishers(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.fault = errors.New("the disk is full")
	if err := w.receive(w.Sign(t, w.Notification(arn, "text"))); err != nil {
		t.Fatal(err)
	}
	w.work(time.Second) // not due yet
	w.work(30 * time.Second)
	if len(w.handled) != 2 {
		t.Fatalf("tried %d times after half a minute, want 2", len(w.handled))
	}
	w.fault = nil
	w.work(2 * time.Minute)
	w.work(24 * time.Hour)
	if len(w.handled) != 3 {
		t.Errorf("tried %d times, want 3 and no more", len(w.handled))
	}
}

func TestMessageIsGivenUp(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.fault = errors.New("never works")
	if err := w.receive(w.Sign(t, w.Notification(arn, "text"))); err != nil {
		t.Fatal(err)
	}
	for range 80 {
		w.work(2 * time.Hour)
	}
	tried := len(w.handled)
	w.work(24 * time.Hour)
	if tried < 30 || len(w.handled) != tried {
		t.Errorf("tried %d times in 3 days, and then %d", tried, len(w.handled)-tried)
	}
}

func TestConfirmation(t *testing.T) {
	t.Parallel()
	w := open(t)
	m := w.Sign(t, w.Confirmation(arn, "secret"))
	w.fault = errors.New("SNS is away")
	if err := w.receive(m); err == nil {
		t.Error("a confirmation that failed was taken, so it will not come again")
	}
	w.fault = nil
	for range 2 {
		if err := w.receive(m); err != nil {
			t.Error(err)
		}
	}
	if want := []string{arn + " secret", arn + " secret", arn + " secret"}; !cmp.Equal(w.confirmed, want) {
		t.Errorf("confirmed %q, want %q", w.confirmed, want)
	}
	ended := w.Confirmation(arn, "secret")
	ended["Type"] = "UnsubscribeConfirmation"
	if err := w.receive(w.Sign(t, ended)); err != nil || len(w.confirmed) != 3 {
		t.Errorf("an end was answered by %v and %q", err, w.confirmed)
	}
}

func TestForgeryLeavesNoTrace(t *testing.T) {
	t.Parallel()
	w := open(t)
	forged := w.Sign(t, w.Notification(arn, "text"))
	forged["Message"] = "other"
	if err := w.receive(forged); !verify.IsFault(err, verify.Forged) {
		t.Errorf("got %v", err)
	}
	// The forged one has taken the true one's ID, which must not count.
	forged["Message"] = "text"
	if err := w.receive(forged); err != nil || len(w.handled) != 1 {
		t.Errorf("the true message: %v, handled %q", err, w.handled)
	}
}
