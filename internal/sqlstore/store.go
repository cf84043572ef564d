package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"time"

	"etude/internal/account"
	"etude/internal/hook"
	"etude/internal/inbox"
	"etude/internal/notify"
	"etude/internal/rule"
	"etude/internal/signkey"
	"etude/internal/transcode"
)

var (
	_ transcode.Store = (*Store)(nil)
	_ notify.Store    = (*Store)(nil)
	_ signkey.Store   = (*Store)(nil)
	_ hook.Store      = (*Store)(nil)
	_ inbox.Store     = (*Store)(nil)
	_ account.Store   = (*Store)(nil)
	_ rule.Store      = (*Store)(nil)

	_ transcode.Tx = (*tx)(nil)
	_ notify.Tx    = (*tx)(nil)
)

// Store is what the domains remember. All methods may be called at once from
// many goroutines. Times are kept to the millisecond.
type Store struct {
	db      *DB
	enqueue enqueueFunc
	read    conn
	write   writer
}

type enqueueFunc = func(ctx context.Context, tx *sql.Tx, task any) error

// New returns the Store in db. It calls enqueue to put a task, which is a
// transcode.RunJob, notify.FanOut or event.Deliver, into the transaction that
// it belongs to: the task is worked if that commits, and never was if not.
func New(db *DB, enqueue enqueueFunc) *Store {
	s := &Store{db: db, enqueue: enqueue, read: conn{db.dialect, db.read}, write: writer{conn: conn{db.dialect, db.write}}}
	if db.dialect == SQLite {
		s.write.batches = &batches{pool: db.write}
	}
	return s
}

// writer is a conn that writes, on SQLite in batches, which elsewhere are nil.
type writer struct {
	conn
	batches *batches
}

// exec returns how many rows it has changed.
func (w writer) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	if w.batches == nil {
		return w.conn.exec(ctx, query, args...)
	}
	err = w.batches.run(ctx, func(b *batch) error {
		n, err = conn{w.dialect, b}.exec(ctx, query, args...)
		return err
	})
	return n, err
}

// tx is one transaction, for whichever domain began it.
type tx struct {
	conn
	enqueue func(ctx context.Context, task any) error
	hasJob  bool // a job was read
}

// Update runs fn in one transaction; see transcode.Store.
func (s *Store) Update(ctx context.Context, fn func(transcode.Tx) error) error {
	return s.update(ctx, func(t *tx) error { return fn(t) })
}

// UpdateNotify runs fn in one transaction; see notify.Store.
func (s *Store) UpdateNotify(ctx context.Context, fn func(notify.Tx) error) error {
	return s.update(ctx, func(t *tx) error { return fn(t) })
}

// conflictTries is how often a transaction is run that others stand in the way
// of, which only happens on Postgres.
const conflictTries = 10

func (s *Store) update(ctx context.Context, fn func(*tx) error) error {
	for try := 1; ; try++ {
		err := s.updateOnce(ctx, fn)
		if !conflict(err) || try == conflictTries {
			return err
		}
		// Those who collided must not start again together.
		wait := time.NewTimer(rand.N(time.Duration(try) * 10 * time.Millisecond))
		select {
		case <-ctx.Done():
			wait.Stop()
			return context.Cause(ctx)
		case <-wait.C:
		}
	}
}

func (s *Store) updateOnce(ctx context.Context, fn func(*tx) error) error {
	if s.write.batches != nil {
		return s.write.batches.run(ctx, func(b *batch) error { return fn(s.txInBatch(b)) })
	}
	began, err := s.db.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", explain(err))
	}
	defer began.Rollback()
	t := &tx{conn: conn{s.db.dialect, began}, enqueue: func(ctx context.Context, task any) error {
		return s.enqueue(ctx, began, task)
	}}
	if err := fn(t); err != nil {
		return err
	}
	if err := began.Commit(); err != nil {
		return fmt.Errorf("commit: %w", explain(err))
	}
	return nil
}

func (s *Store) txInBatch(b *batch) *tx {
	return &tx{conn: conn{s.db.dialect, b}, enqueue: func(ctx context.Context, task any) error {
		return b.try(ctx, func(ctx context.Context) error { return s.enqueue(ctx, b.tx, task) })
	}}
}

// put queues a task in the transaction.
func (t *tx) put(ctx context.Context, task any) error {
	if err := t.enqueue(ctx, task); err != nil {
		return fmt.Errorf("queue %T: %w", task, explain(err))
	}
	return nil
}
