package sqlstore_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/hook"
	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
)

func TestHookMessages(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		ctx := t.Context()
		m := hook.Message{ID: "1", Topic: topicARN, Subject: "s", Body: "b", ReceiveTime: noon, NextTime: noon.Add(time.Minute)}
		other := m
		other.Topic, other.NextTime = topicARN+"2", noon
		for i, in := range []hook.Message{m, m, other} {
			fresh, err := store.InsertHookMessage(ctx, in)
			if want := i != 1; err != nil || fresh != want {
				t.Errorf("insert %d: fresh %t, %v; want %t", i, fresh, err, want)
			}
		}
		due := func(at time.Time) []hook.Message {
			t.Helper()
			all, err := store.DueHookMessages(ctx, at, 10)
			if err != nil {
				t.Fatal(err)
			}
			return all
		}
		if diff := cmp.Diff([]hook.Message{other}, due(noon)); diff != "" {
			t.Errorf("due at noon (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]hook.Message{other, m}, due(noon.Add(time.Hour))); diff != "" {
			t.Errorf("due later (-want +got):\n%s", diff)
		}

		m.Tries, m.DoneTime = 1, noon
		if err := store.UpdateHookMessage(ctx, m); err != nil {
			t.Fatal(err)
		}
		late := m
		late.DoneTime, late.LastError = time.Time{}, "a try that ended later"
		if err := store.UpdateHookMessage(ctx, late); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]hook.Message{other}, due(noon.Add(time.Hour))); diff != "" {
			t.Errorf("after one is done (-want +got):\n%s", diff)
		}
		if err := store.DeleteHookMessages(ctx, noon.Add(time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if fresh, err := store.InsertHookMessage(ctx, m); err != nil || !fresh {
			t.Errorf("a forgotten message is fresh: %t, %v", fresh, err)
		}
	})
}
