package sqlstore_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/notify"
	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
	"etude/internal/transcode"
)

const topicARN = "arn:aws:sns:eu-west-1:000000000000:etude-jobs"

func change(t *testing.T, store *sqlstore.Store, fn func(tx notify.Tx) error) {
	t.Helper()
	if err := store.UpdateNotify(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func TestPublish(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, tasks *sqlstoretest.Tasks) {
		err := store.Update(t.Context(), func(tx transcode.Tx) error {
			return tx.Publish(t.Context(), transcode.Notification{Topic: topicARN, Subject: "s", Message: "m"})
		})
		if err != nil {
			t.Fatal(err)
		}
		queued := tasks.All()
		if len(queued) != 1 {
			t.Fatalf("got the tasks %v, want one", queued)
		}
		task, ok := queued[0].(notify.FanOut)
		if !ok {
			t.Fatalf("got the task %#v, want a FanOut", queued[0])
		}
		m, err := store.Message(t.Context(), task.Message)
		if err != nil {
			t.Fatal(err)
		}
		if m.PublishTime.IsZero() {
			t.Error("the message has no time")
		}
		want := notify.Message{ID: task.Message, Topic: topicARN, Type: notify.Notification, Subject: "s", Body: "m", PublishTime: m.PublishTime}
		if diff := cmp.Diff(want, m); diff != "" {
			t.Errorf("message: want (-), got (+):\n%s", diff)
		}
		if _, err := store.Message(t.Context(), "none"); !errors.Is(err, notify.ErrNotFound) {
			t.Errorf("got the error %v, want %v", err, notify.ErrNotFound)
		}
	})
}
