package sqlstore_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
	"etude/internal/transcode"
)

func TestUpdatePipeline(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		want := pipeline("1000000000000-aaaaaa")
		insert(t, store, want)
		want.Name, want.Status, want.InputBucket, want.Notifications = "new", transcode.PipelinePaused, "elsewhere", transcode.Notifications{}
		if err := updated(t, store, func(tx transcode.Tx) error { return tx.UpdatePipeline(t.Context(), want) }); err != nil {
			t.Fatal(err)
		}
		got, err := store.Pipeline(t.Context(), want.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("got (+) is not what was written (-):\n%s", diff)
		}
		err = updated(t, store, func(tx transcode.Tx) error { return tx.UpdatePipeline(t.Context(), pipeline("none")) })
		if !errors.Is(err, transcode.ErrNotFound) {
			t.Errorf("got the error %v, want %v", err, transcode.ErrNotFound)
		}
		err = updated(t, store, func(tx transcode.Tx) error { return tx.InsertPipeline(t.Context(), want) })
		if err == nil {
			t.Error("insert it twice: got no error")
		}
	})
}

// A pipeline that was deleted is hidden from everything but its jobs.
func TestDeletePipeline(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		p, other := pipeline("1000000000000-aaaaaa"), pipeline("1000000000000-bbbbbb")
		j := job("1000000000000-job001")
		j.Status = transcode.Complete
		insert(t, store, p, other, j)
		remove := func(tx transcode.Tx) error { return tx.DeletePipeline(t.Context(), p.ID) }
		if err := updated(t, store, remove); err != nil {
			t.Fatal(err)
		}
		_, readErr := store.Pipeline(t.Context(), p.ID)
		for name, err := range map[string]error{
			"read":                  readErr,
			"delete":                updated(t, store, remove),
			"update":                updated(t, store, func(tx transcode.Tx) error { return tx.UpdatePipeline(t.Context(), p) }),
			"read in a transaction": updated(t, store, func(tx transcode.Tx) error { _, err := tx.Pipeline(t.Context(), p.ID); return err }),
			"read by name":          updated(t, store, func(tx transcode.Tx) error { _, err := tx.PipelineByName(t.Context(), p.Name); return err }),
			"give it a job":         updated(t, store, func(tx transcode.Tx) error { return tx.InsertJob(t.Context(), job("1000000000000-job002")) }),
		} {
			if !errors.Is(err, transcode.ErrNotFound) {
				t.Errorf("%s: got the error %v, want %v", name, err, transcode.ErrNotFound)
			}
		}
		all, _, err := store.Pipelines(t.Context(), transcode.Page{Limit: 10})
		if err != nil || len(all) != 1 || all[0].ID != other.ID {
			t.Errorf("list: got %v and the error %v, want the other one", all, err)
		}
		if n := countPipelines(t, store); n != 1 {
			t.Errorf("count: got %d, want 1", n)
		}
		if _, err := store.Job(t.Context(), j.ID); err != nil {
			t.Errorf("its job: got the error %v", err)
		}
		if jobs, _, err := store.Jobs(t.Context(), transcode.JobFilter{Pipeline: p.ID}, transcode.Page{Limit: 10}); err != nil || len(jobs) != 1 {
			t.Errorf("its jobs: got %v and the error %v, want one", jobs, err)
		}

		p.Name = "come back"
		insert(t, store, p)
		got, err := store.Pipeline(t.Context(), p.ID)
		if err != nil || got.Name != p.Name {
			t.Errorf("made again: got %+v and the error %v", got, err)
		}
	})
}

func countPipelines(t *testing.T, store *sqlstore.Store) (n int) {
	t.Helper()
	err := updated(t, store, func(tx transcode.Tx) (err error) {
		n, err = tx.CountPipelines(t.Context())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestHasActiveJobs(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		j, other := job("1000000000000-job001"), job("1000000000000-job002")
		other.Pipeline = "1000000000000-bbbbbb"
		insert(t, store, pipeline(j.Pipeline), pipeline(other.Pipeline), j, other)
		for status, want := range map[transcode.Status]bool{
			transcode.Submitted: true, transcode.Progressing: true,
			transcode.Complete: false, transcode.Canceled: false, transcode.Failed: false,
		} {
			j.Status = status
			err := updated(t, store, func(tx transcode.Tx) error {
				if err := tx.UpdateJob(t.Context(), j); err != nil {
					return err
				}
				got, err := tx.HasActiveJobs(t.Context(), j.Pipeline)
				if got != want {
					t.Errorf("%s: got %t, want %t", status, got, want)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
}

// Who deletes a pipeline that has no active job, and who makes it a job, do not
// both succeed.
func TestDeletePipelineOrInsertJob(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		j := job("1000000000000-job001")
		insert(t, store, pipeline(j.Pipeline))
		inUse := errors.New("in use")
		var deleted, inserted error
		var wg sync.WaitGroup
		wg.Go(func() {
			deleted = store.Update(t.Context(), func(tx transcode.Tx) error { return deleteUnused(t.Context(), tx, j.Pipeline, inUse) })
		})
		wg.Go(func() {
			inserted = store.Update(t.Context(), func(tx transcode.Tx) error { return tx.InsertJob(t.Context(), j) })
		})
		wg.Wait()
		first, second := deleted == nil && errors.Is(inserted, transcode.ErrNotFound), errors.Is(deleted, inUse) && inserted == nil
		if !first && !second {
			t.Errorf("deleted with the error %v and inserted with %v, want one of them", deleted, inserted)
		}
	})
}

func deleteUnused(ctx context.Context, tx transcode.Tx, id transcode.PipelineID, inUse error) error {
	if _, err := tx.Pipeline(ctx, id); err != nil {
		return err
	}
	active, err := tx.HasActiveJobs(ctx, id)
	if err != nil {
		return err
	}
	if active {
		return inUse
	}
	return tx.DeletePipeline(ctx, id)
}

// No change of a pipeline is lost between those who read it, change it and write
// it.
func TestPipelineExcludesOthers(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		p := pipeline("1000000000000-aaaaaa")
		p.Name = ""
		insert(t, store, p)
		const writers = 10
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				err := store.Update(t.Context(), func(tx transcode.Tx) error {
					p, err := tx.Pipeline(t.Context(), p.ID)
					if err != nil {
						return err
					}
					p.Name += "x"
					return tx.UpdatePipeline(t.Context(), p)
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got, err := store.Pipeline(t.Context(), p.ID)
		if err != nil || len(got.Name) != writers {
			t.Errorf("got %d changes and the error %v, want %d: changes were lost", len(got.Name), err, writers)
		}
	})
}
