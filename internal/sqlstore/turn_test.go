package sqlstore_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
	"etude/internal/transcode"
)

// waiting inserts jobs that are named by their pipeline and their number, one
// after the other.
func waiting(t *testing.T, store *sqlstore.Store, pipeline string, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		j := job(transcode.JobID(fmt.Sprintf("%03d-%s", n, pipeline)))
		j.Pipeline = transcode.PipelineID(pipeline)
		insert(t, store, j)
	}
}

// start claims the next job, as transcode.Service does, and returns its id, or
// "" if there is none.
func start(t *testing.T, store *sqlstore.Store, perPipeline int) (id transcode.JobID) {
	t.Helper()
	err := updated(t, store, func(tx transcode.Tx) error {
		id = ""
		j, err := tx.NextJob(t.Context(), perPipeline)
		if errors.Is(err, transcode.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		id, j.Status = j.ID, transcode.Progressing
		return tx.UpdateJob(t.Context(), j)
	})
	if err != nil {
		t.Error(err)
	}
	return id
}

func end(t *testing.T, store *sqlstore.Store, id transcode.JobID) {
	t.Helper()
	err := updated(t, store, func(tx transcode.Tx) error {
		j, err := tx.Job(t.Context(), id)
		if err != nil {
			return err
		}
		j.Status = transcode.Complete
		return tx.UpdateJob(t.Context(), j)
	})
	if err != nil {
		t.Error(err)
	}
}

func wantNext(t *testing.T, store *sqlstore.Store, perPipeline int, want ...transcode.JobID) {
	t.Helper()
	var got []transcode.JobID
	for range want {
		got = append(got, start(t, store, perPipeline))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("next jobs: want (-), got (+):\n%s", diff)
	}
}

// With many workers, a pipeline with few jobs gets as many as one with many.
func TestNextJobIsOfTheLeastBusyPipeline(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		insert(t, store, pipeline("a"), pipeline("b"), pipeline("c"))
		waiting(t, store, "a", 1, 6)
		wantNext(t, store, 0, "001-a", "002-a")
		waiting(t, store, "b", 10, 13)
		wantNext(t, store, 0, "010-b", "011-b", "003-a", "012-b")
		end(t, store, "001-a")
		end(t, store, "002-a")
		wantNext(t, store, 0, "004-a", "005-a")
	})
}

// With one worker, nothing runs when it asks; pipelines then take turns.
func TestNextJobTakesTurns(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		insert(t, store, pipeline("a"), pipeline("b"), pipeline("c"))
		waiting(t, store, "a", 1, 6)
		waiting(t, store, "b", 10, 12)
		waiting(t, store, "c", 20, 21)
		for _, want := range []transcode.JobID{"001-a", "010-b", "020-c", "002-a", "011-b", "021-c", "003-a", "012-b", "004-a", "005-a", "006-a", ""} {
			wantNext(t, store, 0, want)
			if want != "" {
				end(t, store, want)
			}
		}
	})
}

func TestNextJobLimit(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		insert(t, store, pipeline("a"), pipeline("b"))
		waiting(t, store, "a", 1, 4)
		waiting(t, store, "b", 10, 10)
		wantNext(t, store, 2, "001-a", "010-b", "002-a", "", "")
		end(t, store, "001-a")
		wantNext(t, store, 2, "003-a", "")
		wantNext(t, store, 0, "004-a", "")
	})
}

func TestNextJobPause(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		a := pipeline("a")
		insert(t, store, a, pipeline("b"))
		waiting(t, store, "a", 1, 2)
		waiting(t, store, "b", 10, 10)
		for _, step := range []struct {
			status transcode.PipelineStatus
			want   []transcode.JobID
		}{
			{transcode.PipelinePaused, []transcode.JobID{"010-b", ""}},
			{transcode.PipelineActive, []transcode.JobID{"001-a", "002-a", ""}},
		} {
			a.Status = step.status
			if err := updated(t, store, func(tx transcode.Tx) error { return tx.UpdatePipeline(t.Context(), a) }); err != nil {
				t.Fatal(err)
			}
			wantNext(t, store, 0, step.want...)
		}
	})
}

// Of those who ask at once each gets a job of its own, nobody is told that there
// is none before there is, and no limit is exceeded.
func TestNextJobAtOnce(t *testing.T) {
	for _, limit := range []int{0, 1} {
		t.Run(fmt.Sprintf("limit %d", limit), func(t *testing.T) {
			eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
				const jobs, workers = 40, 8
				insert(t, store, pipeline("a"), pipeline("b"))
				waiting(t, store, "a", 1, jobs-1)
				waiting(t, store, "b", 1, 1)
				var mu sync.Mutex
				started, running := map[transcode.JobID]bool{}, map[transcode.JobID]int{}
				var wg sync.WaitGroup
				for range workers {
					wg.Go(func() {
						for id := start(t, store, limit); id != ""; id = start(t, store, limit) {
							of := id[4:]
							mu.Lock()
							if started[id] {
								t.Errorf("job %s was given twice", id)
							}
							started[id] = true
							running[of]++
							if limit > 0 && running[of] > limit {
								t.Errorf("%d jobs of pipeline %s are running, want %d at the most", running[of], of, limit)
							}
							mu.Unlock()
							runtime.Gosched()
							mu.Lock()
							running[of]-- // before others may see that it has ended
							mu.Unlock()
							end(t, store, id)
						}
					})
				}
				wg.Wait()
				if len(started) != jobs {
					t.Errorf("%d jobs were started, want %d", len(started), jobs)
				}
				if id := start(t, store, limit); id != "" {
					t.Errorf("job %s was left behind", id)
				}
			})
		})
	}
}

// What others have in hand and then leave is not left behind: who asks waits for
// them. This is about Postgres, since SQLite has one writer.
func TestNextJobWaitsForOthers(t *testing.T) {
	db := sqlstoretest.New(t, sqlstore.Postgres)
	store := sqlstore.New(db, nil)
	insert(t, store, pipeline("a"))
	waiting(t, store, "a", 1, 1)
	left := errors.New("left as it was")
	inHand := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		err := updated(t, store, func(tx transcode.Tx) error {
			if _, err := tx.Job(t.Context(), "001-a"); err != nil {
				return err
			}
			close(inHand)
			waitForLocked(t, db)
			return left
		})
		if !errors.Is(err, left) {
			t.Errorf("got the error %v, want %v", err, left)
		}
	})
	<-inHand
	wantNext(t, store, 0, "001-a", "")
	wg.Wait()
}

// waitForLocked returns when somebody waits for a lock.
func waitForLocked(t *testing.T, db *sqlstore.DB) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		var n int
		err := db.Write().QueryRowContext(t.Context(), "SELECT count(*) FROM pg_locks WHERE NOT granted").Scan(&n)
		if err != nil || n > 0 {
			if err != nil {
				t.Error(err)
			}
			return
		}
	}
	t.Error("nobody waits")
}
