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

func TestDelivery(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, tasks *sqlstoretest.Tasks) {
		sub := notify.Subscription{ARN: topicARN + ":1", Topic: topicARN, Protocol: notify.Site, CreateTime: noon}
		m := notify.Message{ID: "m", Topic: topicARN, PublishTime: noon}
		change(t, store, func(tx notify.Tx) error {
			if _, _, err := tx.EnsureSubscription(t.Context(), sub); err != nil {
				return err
			}
			return tx.InsertMessage(t.Context(), m)
		})
		if diff := cmp.Diff([]any{notify.FanOut{Message: "m"}}, tasks.Take()); diff != "" {
			t.Errorf("tasks: want (-), got (+):\n%s", diff)
		}
		for _, want := range []bool{true, false} {
			change(t, store, func(tx notify.Tx) error {
				fresh, err := tx.InsertDelivery(t.Context(), notify.Delivery{Message: "m", Subscription: sub.ARN})
				if fresh != want {
					t.Errorf("insert delivery: got fresh %t, want %t", fresh, want)
				}
				return err
			})
		}
		if diff := cmp.Diff([]any{notify.Deliver{Message: "m", Subscription: sub.ARN}}, tasks.Take()); diff != "" {
			t.Errorf("tasks: want (-), got (+):\n%s", diff)
		}
		want := notify.Delivery{Message: "m", Subscription: sub.ARN, Tries: 2, LastError: "refused", DeliverTime: noon}
		change(t, store, func(tx notify.Tx) error {
			d, err := tx.Delivery(t.Context(), "m", sub.ARN)
			if err != nil {
				return err
			}
			if !d.DeliverTime.IsZero() || d.Tries != 0 {
				t.Errorf("got %+v, want one that was not tried", d)
			}
			return tx.UpdateDelivery(t.Context(), want)
		})
		got, err := store.Deliveries(t.Context(), "m")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]notify.Delivery{want}, got); diff != "" {
			t.Errorf("deliveries: want (-), got (+):\n%s", diff)
		}
		err = store.UpdateNotify(t.Context(), func(tx notify.Tx) error {
			if _, err := tx.Delivery(t.Context(), "m", "none"); !errors.Is(err, notify.ErrNotFound) {
				t.Errorf("read: got the error %v, want %v", err, notify.ErrNotFound)
			}
			return tx.UpdateDelivery(t.Context(), notify.Delivery{Message: "none"})
		})
		if !errors.Is(err, notify.ErrNotFound) {
			t.Errorf("update: got the error %v, want %v", err, notify.ErrNotFound)
		}
	})
}
