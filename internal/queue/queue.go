// Package queue puts tasks into transactions and works them: a task is worked
// at least once if its transaction commits, and never if not. It is an adapter
// of River, on the database that the tasks' subjects are in, SQLite or Postgres.
//
// It knows nothing of what a task does, nor of the tables beside River's own.
package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"

	"etude/internal/notify"
	"etude/internal/transcode"
)

// Config says where the queue is: either SQLite is set, or Postgres and URL.
type Config struct {
	// SQLite is the pool of the one connection that writes.
	SQLite *sql.DB
	// Postgres is a pool of pgx's driver for database/sql, for putting tasks.
	Postgres *sql.DB
	// URL is that of the same Postgres database, for working tasks: only a
	// connection of pgx itself can listen for new ones. A node that works none
	// may leave it empty.
	URL string
	// Workers is how many RunJob tasks are worked at once; 0 means 1. Other
	// tasks have workers of their own, so that no long job delays a message.
	Workers int
	// Grace is how long running tasks may go on after Stop was called; 0 means
	// 2 seconds. It is for the short ones: a job seldom ends in that time, and
	// is given back.
	Grace  time.Duration
	Logger *slog.Logger
}

// Handlers are what works the tasks. A nil error means that the task is done,
// any other that it is to be tried again later. A handler may be called more
// than once for a task, in rare cases at once. Its context ends with the cause
// transcode.ErrShutdown when the queue stops; an error it returns then does not
// count, and the task is worked again soon, here or by another node.
type Handlers struct {
	RunJob func(ctx context.Context, task transcode.RunJob) error // with no Delay
	FanOut func(ctx context.Context, id notify.MessageID) error
	// DeliverEvent may be nil where no event is ever put.
	DeliverEvent func(ctx context.Context, id int64) error
	// Every is what this node does now and then, from Start to Stop.
	Every []Periodic
}

// Queue is an open queue. Enqueue may be called at once from many goroutines,
// before Start and after Stop too.
type Queue struct {
	cfg    Config
	insert *river.Client[*sql.Tx]
	bell   *bell // wakes the workers of this process; nil on Postgres

	running running
	work    worker // what Start has started; nil before
	pool    *pgxpool.Pool

	stopping context.Context // ends with ErrShutdown when tasks are to end
	shutDown context.CancelCauseFunc

	ticking    sync.WaitGroup
	stopTicker context.CancelFunc
}

// worker is a river.Client that works tasks.
type worker interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}

// Open opens the queue and brings River's own tables up to date. It works no
// tasks before Start.
func Open(ctx context.Context, cfg Config) (*Queue, error) {
	switch {
	case (cfg.SQLite == nil) == (cfg.Postgres == nil):
		return nil, errors.New("open queue: give either SQLite or Postgres")
	case cfg.Logger == nil:
		return nil, errors.New("open queue: there is no Logger")
	case cfg.SQLite != nil && cfg.SQLite.Stats().MaxOpenConnections != 1:
		return nil, errors.New("open queue: the SQLite pool must have one connection, since its transactions are what wakes the workers in time")
	case cfg.Workers < 0:
		return nil, fmt.Errorf("open queue: there cannot be %d workers", cfg.Workers)
	}
	cfg.Workers = max(cfg.Workers, 1)
	if cfg.Grace == 0 {
		cfg.Grace = 2 * time.Second
	}
	q := &Queue{cfg: cfg, running: running{ids: map[int64]struct{}{}}}
	q.stopping, q.shutDown = context.WithCancelCause(context.Background())
	if err := q.open(ctx); err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	return q, nil
}

func (q *Queue) open(ctx context.Context) (err error) {
	// On Postgres, River announces no task that is put within this time of
	// another one.
	putOnly := &river.Config{
		FetchCooldown: river.FetchCooldownMin,
		Hooks:         []rivertype.Hook{river.HookInsertBeginFunc(findWhenDue)},
		Logger:        q.riverLogger(),
	}
	if q.cfg.SQLite != nil {
		q.bell = newBell()
		if err := migrateSQLite(ctx, q.cfg.SQLite, q.riverLogger()); err != nil {
			return err
		}
		q.insert, err = river.NewClient(riversqlite.New(q.cfg.SQLite), putOnly)
		return err
	}
	if err := migratePostgres(ctx, q.cfg.Postgres, q.riverLogger()); err != nil {
		return err
	}
	q.insert, err = river.NewClient(riverdatabasesql.New(q.cfg.Postgres), putOnly)
	return err
}

// Enqueue puts a task (a transcode.RunJob, notify.FanOut or event.Deliver) into
// a transaction of the database.
func (q *Queue) Enqueue(ctx context.Context, tx *sql.Tx, task any) error {
	args, err := argsOf(task)
	if err != nil {
		return err
	}
	// This way of River's does not read back what it has written.
	if _, err := q.insert.InsertManyFastTx(ctx, tx, []river.InsertManyParams{{Args: args}}); err != nil {
		return fmt.Errorf("insert task %s: %w", args.Kind(), err)
	}
	if q.bell != nil {
		// Not too early: the worker that looks needs the connection that the
		// transaction holds until its end.
		q.bell.ring(args.InsertOpts().Queue)
	}
	return nil
}

// Start begins to work tasks. The end of ctx does not stop it, Stop does. It is
// called once at most.
func (q *Queue) Start(ctx context.Context, h Handlers) error {
	if h.RunJob == nil || h.FanOut == nil {
		return errors.New("start queue: RunJob and FanOut must be set")
	}
	ctx = context.WithoutCancel(ctx)
	if err := q.startWork(ctx, q.config(h)); err != nil {
		if q.pool != nil {
			q.pool.Close()
		}
		q.work = nil
		return fmt.Errorf("start queue: %w", err)
	}
	q.startTicking(ctx, append(h.Every, Periodic{Name: "touch tasks", Interval: touchInterval, Run: q.touch}))
	return nil
}

func (q *Queue) startWork(ctx context.Context, cfg *river.Config) (err error) {
	if q.cfg.SQLite != nil {
		if err := q.releaseAll(ctx); err != nil {
			return err
		}
		q.work, err = river.NewClient(ringingDriver{riversqlite.New(q.cfg.SQLite), q.bell}, cfg)
	} else {
		if q.cfg.URL == "" {
			return errors.New("there is no URL of the Postgres database")
		}
		if q.pool, err = newPool(ctx, q.cfg.URL); err != nil {
			return err
		}
		q.work, err = river.NewClient(riverpgxv5.New(q.pool), cfg)
	}
	if err != nil {
		return err
	}
	return q.work.Start(ctx)
}

// poolConns is enough for one that listens, and for looking, completing and
// electing at once. Handlers have none of them.
const poolConns = 8

func newPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = poolConns
	return pgxpool.NewWithConfig(ctx, cfg)
}

// Stop takes no more tasks, lets those that run go on for Config.Grace, then
// ends their contexts with the cause transcode.ErrShutdown, and waits for the
// handlers' end. If ctx ends first, it ends the contexts at once and returns
// with handlers still running.
func (q *Queue) Stop(ctx context.Context) error {
	if q.work == nil {
		return nil
	}
	q.stopTicker()
	grace := time.AfterFunc(q.cfg.Grace, func() { q.shutDown(transcode.ErrShutdown) })
	defer grace.Stop()
	err := q.work.Stop(ctx)
	q.shutDown(transcode.ErrShutdown)
	if err != nil {
		return fmt.Errorf("stop queue: tasks are still running: %w", err)
	}
	q.ticking.Wait()
	if q.pool != nil {
		q.pool.Close()
	}
	return nil
}
