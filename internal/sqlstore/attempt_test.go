package sqlstore_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
	"etude/internal/transcode"
)

func attempt(id transcode.JobID, number int, node string, lease time.Time) *transcode.Attempt {
	return &transcode.Attempt{Job: id, Number: number, Node: node, StartTime: noon, LeaseUntil: lease, Phase: transcode.Fetching}
}

func TestAttempt(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		j := job("1000000000000-job001")
		a := attempt(j.ID, 1, "node", noon.Add(time.Minute))
		insert(t, store, pipeline(j.Pipeline), j, a)
		change := func(fn func(tx transcode.Tx) error) error { t.Helper(); return store.Update(t.Context(), fn) }
		check := func(want ...*transcode.Attempt) {
			t.Helper()
			got, err := store.Attempts(t.Context(), j.ID)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("got (+) is not what was written (-):\n%s", diff)
			}
		}
		check(a)

		a.LeaseUntil, a.Phase, a.Progress = noon.Add(time.Hour), transcode.Transcoding, 0.25
		if err := change(func(tx transcode.Tx) error { return tx.RenewLease(t.Context(), a) }); err != nil {
			t.Fatal(err)
		}
		check(a)

		a.Outcome, a.EndTime, a.Progress = transcode.Broken, noon.Add(time.Hour), 0.5
		a.Log = "ffmpeg: \x00\xff!" // what it prints is not always text
		if err := change(func(tx transcode.Tx) error { return tx.EndAttempt(t.Context(), a) }); err != nil {
			t.Fatal(err)
		}
		a.Log = "ffmpeg: \uFFFD\uFFFD!"
		second := attempt(j.ID, 2, "node", noon)
		insert(t, store, second)
		check(a, second)

		for name, fn := range map[string]func(transcode.Tx) error{
			"renew": func(tx transcode.Tx) error { return tx.RenewLease(t.Context(), a) },
			"end":   func(tx transcode.Tx) error { return tx.EndAttempt(t.Context(), a) },
			"none":  func(tx transcode.Tx) error { return tx.RenewLease(t.Context(), attempt(j.ID, 3, "node", noon)) },
		} {
			if err := change(fn); !errors.Is(err, transcode.ErrLeaseLost) {
				t.Errorf("%s: got the error %v, want %v", name, err, transcode.ErrLeaseLost)
			}
		}
		check(a, second)
	})
}

// Of those who end an attempt at once, one does.
func TestEndAttemptAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, tasks *sqlstoretest.Tasks) {
		j := job("1000000000000-job001")
		insert(t, store, pipeline(j.Pipeline), j, attempt(j.ID, 1, "node", noon))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				a := attempt(j.ID, 1, "node", noon)
				a.Outcome, a.EndTime = transcode.Lost, noon
				err := store.Update(t.Context(), func(tx transcode.Tx) error {
					if err := tx.EndAttempt(t.Context(), a); err != nil {
						return err
					}
					return tx.Enqueue(t.Context(), transcode.RunJob{Job: j.ID})
				})
				if err != nil && !errors.Is(err, transcode.ErrLeaseLost) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if diff := cmp.Diff([]any{transcode.RunJob{Job: j.ID}}, tasks.All()); diff != "" {
			t.Errorf("tasks: want (-), got (+):\n%s", diff)
		}
	})
}

func TestOpenAttempts(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		j := job("1000000000000-job001")
		insert(t, store, pipeline(j.Pipeline), j)
		ended := attempt(j.ID, 1, "a", noon.Add(-time.Hour))
		ended.Outcome, ended.EndTime = transcode.Lost, noon
		insert(t, store, ended,
			attempt(j.ID, 2, "a", noon.Add(-2*time.Minute)), attempt(j.ID, 3, "b", noon.Add(-time.Minute)),
			attempt(j.ID, 4, "a", noon.Add(time.Minute)), attempt(j.ID, 5, "b", noon.Add(time.Minute)))
		for _, tt := range []struct {
			node  string
			limit int
			want  []int
		}{
			{"", 10, []int{2, 3}},
			{"", 1, []int{2}},
			{"a", 10, []int{2, 3, 4}},
			{"c", 10, []int{2, 3}},
		} {
			all, err := store.OpenAttempts(t.Context(), noon, tt.node, tt.limit)
			if err != nil {
				t.Fatal(err)
			}
			var got []int
			for _, a := range all {
				got = append(got, a.Number)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("node %q, limit %d: want (-), got (+):\n%s", tt.node, tt.limit, diff)
			}
		}
	})
}
