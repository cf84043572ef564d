package sqlstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/event"
	"etude/internal/s3event"
	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
)

func TestEvents(t *testing.T) {
	sqlstoretest.Each(t, func(t *testing.T, d sqlstore.Dialect) {
		store, tasks := sqlstoretest.OpenDialect(t, d)
		update := func(fn func(event.Tx) error) {
			t.Helper()
			if err := store.UpdateEvents(t.Context(), fn); err != nil {
				t.Fatal(err)
			}
		}
		e := s3event.Event{Name: s3event.CreatedPut, Bucket: "bbb", Key: "é \u2028<&>\"'\x7f", Size: 1 << 40, Own: true, Time: noon}
		intents := []event.Intent{{ID: 1, Event: e, BeginTime: noon}, {ID: 1 << 60, Event: e, BeginTime: noon.Add(time.Millisecond)}, {ID: 3, Event: e, BeginTime: noon}}
		update(func(tx event.Tx) error {
			return errors.Join(tx.InsertIntents(t.Context(), "n1", intents[:2]), tx.InsertIntents(t.Context(), "n2", intents[2:]))
		})
		got, err := store.Intents(t.Context(), "n1")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(intents[:2], got); diff != "" {
			t.Errorf("intents (-want +got):\n%s", diff)
		}
		update(func(tx event.Tx) error { return tx.DeleteIntents(t.Context(), []int64{1, 3, 99}) })
		if got, err := store.Intents(t.Context(), "n1"); err != nil || len(got) != 1 || got[0].ID != 1<<60 {
			t.Errorf("intents are %v and %v, want the second only", got, err)
		}

		want := event.Delivery{ID: 7, Event: e, Kind: event.Queue, Target: "arn", CreateTime: noon}
		update(func(tx event.Tx) error { return tx.InsertEventDelivery(t.Context(), want) })
		if diff := cmp.Diff([]any{event.Deliver{Delivery: 7, Remote: true}}, tasks.Take()); diff != "" {
			t.Errorf("tasks (-want +got):\n%s", diff)
		}
		want.Tries, want.LastError = 2, "refused"
		update(func(tx event.Tx) error { return tx.UpdateEventDelivery(t.Context(), want) })
		if got, err := store.EventDelivery(t.Context(), 7); err != nil || got != want {
			t.Errorf("delivery is %+v and %v, want %+v", got, err, want)
		}
		if got, err := store.EventDeliveries(t.Context(), 1); err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("deliveries are %+v and %v, want %+v", got, err, want)
		}
		if n, err := store.CountEventDeliveries(t.Context()); n != 1 || err != nil {
			t.Errorf("%d deliveries wait, %v; want 1", n, err)
		}
		update(func(tx event.Tx) error { return tx.DeleteEventDelivery(t.Context(), 7) })
		if _, err := store.EventDelivery(t.Context(), 7); !errors.Is(err, event.ErrNotFound) {
			t.Errorf("deleted delivery: %v, want ErrNotFound", err)
		}
	})
}

func TestEventNumbersAreGivenOnce(t *testing.T) {
	sqlstoretest.Each(t, func(t *testing.T, d sqlstore.Dialect) {
		store, _ := sqlstoretest.OpenDialect(t, d)
		var last int64
		for _, n := range []int64{1, 100, 5} {
			var first int64
			err := store.UpdateEvents(t.Context(), func(tx event.Tx) (err error) {
				first, err = tx.ReserveNumbers(t.Context(), n)
				return err
			})
			if err != nil || first <= last {
				t.Errorf("after %d came %d and %v", last, first, err)
			}
			last = first + n - 1
		}
	})
}

func TestNotificationsOfBuckets(t *testing.T) {
	sqlstoretest.Each(t, func(t *testing.T, d sqlstore.Dialect) {
		store, _ := sqlstoretest.OpenDialect(t, d)
		set := func(bucket string, c s3event.Configuration) {
			t.Helper()
			err := store.UpdateEvents(t.Context(), func(tx event.Tx) error { return tx.SetNotification(t.Context(), bucket, c) })
			if err != nil {
				t.Fatal(err)
			}
		}
		one := s3event.Configuration{Targets: []s3event.Target{{ID: "1", Kind: s3event.Queue, ARN: "a:b", Events: []string{"s3:ObjectCreated:*"}, Prefix: "é<"}}}
		two := s3event.Configuration{Targets: append(one.Targets, s3event.Target{ID: "2", Kind: s3event.Function, ARN: "c", Events: []string{"x", "y"}, Suffix: "&"})}
		set("aaa", one)
		set("bbb", one)
		set("bbb", two)
		set("ccc", two)
		set("ccc", s3event.Configuration{})
		got, err := store.Notifications(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]s3event.Configuration{"aaa": one, "bbb": two}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
