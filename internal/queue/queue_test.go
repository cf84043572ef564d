package queue_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"etude/internal/notify"
	"etude/internal/queue"
	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
	"etude/internal/transcode"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what should come in milliseconds.
const patience = 20 * time.Second

// opened is a queue on a database of its own.
type opened struct {
	*queue.Queue
	db  *sql.DB
	cfg queue.Config
}

func open(t *testing.T, d sqlstore.Dialect) *opened {
	t.Helper()
	o := database(t, d)
	o.reopen(t)
	return o
}

// database is one where no queue was opened yet.
func database(t *testing.T, d sqlstore.Dialect) *opened {
	t.Helper()
	cfg := sqlstoretest.Config(t, d)
	store, err := sqlstore.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	q := queue.Config{Workers: 2, Grace: time.Millisecond, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if d == sqlstore.SQLite {
		q.SQLite = store.Write()
	} else {
		q.Postgres, q.URL = store.Write(), cfg.URL
	}
	return &opened{db: store.Write(), cfg: q}
}

// reopen is what the next process does.
func (o *opened) reopen(t *testing.T) {
	t.Helper()
	q, err := queue.Open(t.Context(), o.cfg)
	if err != nil {
		t.Fatal(err)
	}
	o.Queue = q
}

func (o *opened) start(t *testing.T, h queue.Handlers) {
	t.Helper()
	if h.RunJob == nil {
		h.RunJob = func(context.Context, transcode.RunJob) error { return nil }
	}
	if h.FanOut == nil {
		h.FanOut = func(context.Context, notify.MessageID) error { return nil }
	}
	if err := o.Start(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.stop(t) })
}

func (o *opened) stop(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := o.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// put enqueues tasks in a transaction, and commits it or not.
func (o *opened) put(t *testing.T, commit bool, tasks ...any) {
	t.Helper()
	// A handler may still be told of its commit when the test has ended, because
	// what it put was worked already.
	ctx := context.WithoutCancel(t.Context())
	tx, err := o.db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for _, task := range tasks {
		if err := o.Enqueue(ctx, tx, task); err != nil {
			t.Fatal(err)
		}
	}
	if !commit {
		return
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// receive waits for what a handler sends.
func receive[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	return v
}

func TestTasks(t *testing.T) {
	sqlstoretest.Each(t, func(t *testing.T, d sqlstore.Dialect) {
		o := open(t, d)
		got := make(chan any, 100)
		want := []any{
			transcode.RunJob{Job: "j"}, notify.FanOut{Message: "m"}, notify.FanOut{Message: "n"},
		}
		o.put(t, false, transcode.RunJob{Job: "rolled back"}, notify.FanOut{Message: "rolled back"})
		o.put(t, true, want[0]) // before the start
		o.start(t, queue.Handlers{
			RunJob: func(_ context.Context, task transcode.RunJob) error { got <- task; return nil },
			FanOut: func(_ context.Context, id notify.MessageID) error { got <- notify.FanOut{Message: id}; return nil },
		})
		o.put(t, false, transcode.RunJob{Job: "rolled back"}, notify.FanOut{Message: "rolled back"})
		first := []any{receive(t, got)}
		o.put(t, true, want[1])
		first = append(first, receive(t, got))
		o.put(t, true, want[2])
		first = append(first, receive(t, got))
		if diff := cmp.Diff(want, first); diff != "" {
			t.Errorf("tasks: want (-), got (+):\n%s", diff)
		}
		o.stop(t)
		if n := len(got); n != 0 {
			t.Errorf("%d more tasks were worked, the first is %v", n, <-got)
		}
	})
}

func TestRetry(t *testing.T) {
	sqlstoretest.Each(t, func(t *testing.T, d sqlstore.Dialect) {
		o := open(t, d)
		var once sync.Once
		done := make(chan struct{})
		o.start(t, queue.Handlers{RunJob: func(context.Context, transcode.RunJob) (err error) {
			failed := false
			once.Do(func() { failed = true })
			if failed {
				return errors.New("the bucket cannot be reached")
			}
			close(done)
			return nil
		}})
		o.put(t, true, transcode.RunJob{Job: "j"})
		receive(t, done)
	})
}

// Tasks for whichever job's turn it is are all alike, and each is worked.
func TestRunJobIsNotUnique(t *testing.T) {
	sqlstoretest.Each(t, func(t *testing.T, d sqlstore.Dialect) {
		o := open(t, d)
		got := make(chan transcode.RunJob, 10)
		o.start(t, queue.Handlers{RunJob: func(_ context.Context, task transcode.RunJob) error { got <- task; return nil }})
		o.put(t, true, transcode.RunJob{}, transcode.RunJob{}, transcode.RunJob{Drain: true})
		counts := map[transcode.RunJob]int{}
		for range 3 {
			counts[receive(t, got)]++
		}
		if diff := cmp.Diff(map[transcode.RunJob]int{{}: 2, {Drain: true}: 1}, counts); diff != "" {
			t.Errorf("tasks: want (-), got (+):\n%s", diff)
		}
	})
}

// A task with a delay is worked after it, and not much later.
func TestDelay(t *testing.T) {
	sqlstoretest.Each(t, func(t *testing.T, d sqlstore.Dialect) {
		o := open(t, d)
		got := make(chan transcode.RunJob, 10)
		o.start(t, queue.Handlers{RunJob: func(_ context.Context, task transcode.RunJob) error { got <- task; return nil }})
		const delay = time.Second
		put := time.Now()
		o.put(t, true, transcode.RunJob{Job: "late", Delay: delay}, transcode.RunJob{Job: "soon"})
		if task := receive(t, got); task.Job != "soon" {
			t.Errorf("got the job %s first, want soon", task.Job)
		}
		task := receive(t, got)
		if took := time.Since(put); took < delay || took > delay+3*time.Second {
			t.Errorf("it came after %s, want %s and at most half a second more", took, delay)
		}
		if diff := cmp.Diff(transcode.RunJob{Job: "late"}, task); diff != "" {
			t.Errorf("task: want (-), got (+):\n%s", diff)
		}
	})
}

// A handler that panics is like one that fails.
func TestPanic(t *testing.T) {
	sqlstoretest.Each(t, func(t *testing.T, d sqlstore.Dialect) {
		o := open(t, d)
		var once sync.Once
		done := make(chan struct{})
		o.start(t, queue.Handlers{FanOut: func(context.Context, notify.MessageID) error {
			once.Do(func() { panic("a fault in the domain") })
			close(done)
			return nil
		}})
		o.put(t, true, notify.FanOut{Message: "m"})
		receive(t, done)
	})
}

func TestStop(t *testing.T) {
	sqlstoretest.Each(t, func(t *testing.T, d sqlstore.Dialect) {
		o := open(t, d)
		began, cause := make(chan struct{}), make(chan error, 1)
		o.start(t, queue.Handlers{RunJob: func(ctx context.Context, _ transcode.RunJob) error {
			close(began)
			<-ctx.Done()
			cause <- context.Cause(ctx)
			return ctx.Err()
		}})
		o.put(t, true, transcode.RunJob{Job: "j"})
		receive(t, began)
		o.stop(t)
		if got := receive(t, cause); !errors.Is(got, transcode.ErrShutdown) {
			t.Errorf("got the cause %v, want %v", got, transcode.ErrShutdown)
		}

		// The next process works it again, and at once.
		o.put(t, true, transcode.RunJob{Job: "put after the stop"})
		o.reopen(t)
		again := make(chan transcode.JobID, 10)
		o.start(t, queue.Handlers{RunJob: func(_ context.Context, task transcode.RunJob) error { again <- task.Job; return nil }})
		got := []transcode.JobID{receive(t, again), receive(t, again)}
		slices.Sort(got)
		if diff := cmp.Diff([]transcode.JobID{"j", "put after the stop"}, got); diff != "" {
			t.Errorf("tasks: want (-), got (+):\n%s", diff)
		}
	})
}

// The end of Start's context is not the end of the queue: a handler would take
// it for a fault.
func TestStartContextEnds(t *testing.T) {
	o := open(t, sqlstore.SQLite)
	ctx, cancel := context.WithCancel(t.Context())
	worked := make(chan error, 1)
	err := o.Start(ctx, queue.Handlers{
		RunJob: func(ctx context.Context, _ transcode.RunJob) error { worked <- ctx.Err(); return nil },
		FanOut: func(context.Context, notify.MessageID) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	o.put(t, true, transcode.RunJob{Job: "j"})
	if err := receive(t, worked); err != nil {
		t.Errorf("got the handler's context with %v, want it to go on", err)
	}
	o.stop(t)
}

func TestStopRunsOutOfTime(t *testing.T) {
	o := open(t, sqlstore.SQLite)
	began, end := make(chan struct{}), make(chan struct{})
	o.start(t, queue.Handlers{RunJob: func(context.Context, transcode.RunJob) error { close(began); <-end; return nil }})
	o.put(t, true, transcode.RunJob{Job: "j"})
	receive(t, began)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got the error %v, want %v", err, context.Canceled)
	}
	close(end)
	o.stop(t)
}

// Jobs that fill all workers do not hold up messages.
func TestJobsDoNotDelayMessages(t *testing.T) {
	sqlstoretest.Each(t, func(t *testing.T, d sqlstore.Dialect) {
		o := open(t, d)
		began, delivered := make(chan struct{}, 10), make(chan struct{})
		o.start(t, queue.Handlers{
			RunJob: func(ctx context.Context, _ transcode.RunJob) error {
				began <- struct{}{}
				<-ctx.Done()
				return ctx.Err()
			},
			FanOut: func(context.Context, notify.MessageID) error { close(delivered); return nil },
		})
		o.put(t, true, transcode.RunJob{Job: "1"}, transcode.RunJob{Job: "2"}, transcode.RunJob{Job: "3"})
		receive(t, began)
		receive(t, began)
		o.put(t, true, notify.FanOut{Message: "m"})
		receive(t, delivered)
	})
}

// A handler's own transactions share the connection with River's.
func TestHandlerUsesTheDatabase(t *testing.T) {
	sqlstoretest.Each(t, func(t *testing.T, d sqlstore.Dialect) {
		o := open(t, d)
		const n = 50
		done := make(chan struct{}, n)
		o.start(t, queue.Handlers{
			RunJob: func(_ context.Context, task transcode.RunJob) error {
				o.put(t, true, notify.FanOut{Message: notify.MessageID(task.Job)})
				return nil
			},
			FanOut: func(context.Context, notify.MessageID) error { done <- struct{}{}; return nil },
		})
		for range n {
			o.put(t, true, transcode.RunJob{Job: "j"})
		}
		for range n {
			receive(t, done)
		}
	})
}

func TestPickUp(t *testing.T) {
	sqlstoretest.Each(t, func(t *testing.T, d sqlstore.Dialect) {
		o := open(t, d)
		picked := make(chan time.Time, 1)
		o.start(t, queue.Handlers{RunJob: func(context.Context, transcode.RunJob) error { picked <- time.Now(); return nil }})
		var took []time.Duration
		for range 21 {
			o.put(t, true, transcode.RunJob{Job: "j"})
			start := time.Now()
			took = append(took, receive(t, picked).Sub(start))
		}
		slices.Sort(took)
		t.Logf("from commit to handler: median %s, slowest %s", took[len(took)/2], took[len(took)-1])
		// River looks for itself twice a second.
		if median := took[len(took)/2]; median > 150*time.Millisecond {
			t.Errorf("got a median of %s: the workers are not woken", median)
		}
	})
}

// What a dead process was working on is worked by the next, on SQLite at once.
func TestReleaseAfterDeath(t *testing.T) {
	o := open(t, sqlstore.SQLite)
	o.put(t, true, transcode.RunJob{Job: "j"})
	if _, err := o.db.ExecContext(t.Context(), "UPDATE river_job SET state = 'running', attempted_at = datetime('now')"); err != nil {
		t.Fatal(err)
	}
	worked := make(chan struct{})
	o.start(t, queue.Handlers{RunJob: func(context.Context, transcode.RunJob) error { close(worked); return nil }})
	receive(t, worked)
}

func TestPeriodic(t *testing.T) {
	o := open(t, sqlstore.SQLite)
	runs := make(chan struct{}, 100)
	o.start(t, queue.Handlers{Every: []queue.Periodic{{Name: "test", Interval: time.Millisecond, Run: func(context.Context) error {
		select {
		case runs <- struct{}{}:
		default:
		}
		return errors.New("it is tried again")
	}}}})
	receive(t, runs)
	receive(t, runs)
}

// Nodes that start together on an empty database all get to work.
func TestOpenAtOnce(t *testing.T) {
	o := database(t, sqlstore.Postgres) // SQLite is for one process
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := queue.Open(t.Context(), o.cfg); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestFaults(t *testing.T) {
	db := sqlstoretest.New(t, sqlstore.SQLite).Write()
	log := slog.New(slog.DiscardHandler)
	for name, cfg := range map[string]queue.Config{
		"nothing":   {Logger: log},
		"both":      {SQLite: db, Postgres: db, Logger: log},
		"no logger": {SQLite: db},
		"workers":   {SQLite: db, Logger: log, Workers: -1},
	} {
		if _, err := queue.Open(t.Context(), cfg); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	q, err := queue.Open(t.Context(), queue.Config{SQLite: db, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Start(t.Context(), queue.Handlers{}); err == nil {
		t.Error("start without handlers: got no error")
	}
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if err := q.Enqueue(t.Context(), tx, "something"); err == nil {
		t.Error("enqueue something: got no error")
	}
	if err := q.Stop(t.Context()); err != nil {
		t.Errorf("stop what was not started: %v", err)
	}
}
