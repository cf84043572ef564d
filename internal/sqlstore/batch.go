package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// A batch takes in no more writers than these, nor any after this time: the
// first of them waits for the last.
const (
	batchWriters = 64
	batchTime    = 10 * time.Millisecond
)

// batches lets writers share transactions on SQLite, which has one writer at a
// time and for whom the dear part is to make a commit durable. Writers have
// turns, first come first served. A batch is one transaction in which those who
// came while the one before was committed have their turns, each within a
// savepoint; the last of them commits for all. Nobody waits for company.
type batches struct {
	pool *sql.DB

	mu      sync.Mutex
	taken   bool          // it is somebody's turn
	waiting []chan *batch // each is given its turn once: in a batch, or nil to begin one
}

// batch is one transaction. But for done it belongs to the writer whose turn it
// is.
type batch struct {
	conn    *sql.Conn
	tx      *sql.Tx
	until   time.Time
	writers int
	lost    error // why nothing of the batch can be committed; nil if it can

	done chan struct{} // closed after the end
	err  error         // of the commit, once done is closed
}

// run calls fn in a batch and returns when that is committed. If fn fails or
// panics, or ctx has ended when fn returns, what fn did is undone and the others
// in the batch do not notice. If the commit fails, all of them get its error,
// also those whose fn failed, perhaps because of what another one had done.
//
// While it waits for its turn, and before each of its statements, fn's writer
// gives up when ctx ends, and leaves no trace. Once fn has returned, the end of
// ctx changes nothing: run waits for the commit and tells how it went.
func (g *batches) run(ctx context.Context, fn func(*batch) error) error {
	b, err := g.turn(ctx)
	if err != nil {
		return err
	}
	err = func() error {
		defer g.pass(b) // also if fn panics
		return b.write(ctx, fn)
	}()
	<-b.done
	if b.err != nil && !undoesAll(err) {
		return b.err
	}
	return err
}

// turn waits until it is the caller's turn, and returns the batch to write in.
func (g *batches) turn(ctx context.Context) (*batch, error) {
	g.mu.Lock()
	if !g.taken {
		g.taken = true
		g.mu.Unlock()
		return g.begin(ctx)
	}
	turn := make(chan *batch, 1)
	g.waiting = append(g.waiting, turn)
	g.mu.Unlock()
	select {
	case b := <-turn:
		if b == nil {
			return g.begin(ctx)
		}
		return b, nil
	case <-ctx.Done():
		if !g.withdraw(turn) {
			g.pass(<-turn)
		}
		return nil, context.Cause(ctx)
	}
}

// withdraw reports false if the turn was given already.
func (g *batches) withdraw(turn chan *batch) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, turn)
	if i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
	return i >= 0
}

// pass gives the turn to the writer who has waited longest, in b if it may still
// take one in. Otherwise it ends b before. b is nil if there is none.
func (g *batches) pass(b *batch) {
	for {
		g.mu.Lock()
		if len(g.waiting) > 0 && (b == nil || b.open()) {
			next := g.waiting[0]
			g.waiting = slices.Delete(g.waiting, 0, 1)
			g.mu.Unlock()
			next <- b
			return
		}
		if b == nil {
			g.taken = false
			g.mu.Unlock()
			return
		}
		g.mu.Unlock()
		b.end()
		b = nil
	}
}

// begin begins a batch, or passes the turn on.
func (g *batches) begin(ctx context.Context) (*batch, error) {
	b, err := newBatch(ctx, g.pool)
	if err == nil {
		return b, nil
	}
	g.pass(nil)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, fmt.Errorf("begin transaction: %w", explain(err))
}

// newBatch waits for the connection for as long as ctx allows. The transaction
// is not bound to ctx, which is that of the first writer only.
func newBatch(ctx context.Context, pool *sql.DB) (*batch, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := conn.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &batch{conn: conn, tx: tx, until: time.Now().Add(batchTime), done: make(chan struct{})}, nil
}

func (b *batch) open() bool {
	return b.lost == nil && b.writers < batchWriters && time.Now().Before(b.until)
}

// end commits and tells all writers.
func (b *batch) end() {
	if b.lost != nil {
		b.tx.Rollback()
		b.err = fmt.Errorf("share a transaction: %w", explain(b.lost))
	} else if err := b.tx.Commit(); err != nil {
		b.err = fmt.Errorf("commit: %w", explain(err))
	}
	// An error would be of a connection that is of no use any more, which the
	// pool finds out by itself.
	_ = b.conn.Close()
	close(b.done)
}

// write is one writer's turn.
func (b *batch) write(ctx context.Context, fn func(*batch) error) error {
	b.writers++
	if b.savepoint("SAVEPOINT writer"); b.lost != nil {
		return b.lost
	}
	good := false
	defer func() {
		if !good {
			b.savepoint("ROLLBACK TO writer")
		}
		b.savepoint("RELEASE writer")
	}()
	if err := fn(b); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	good = true
	return nil
}

// savepoint runs a statement without which the batch cannot go on.
func (b *batch) savepoint(statement string) {
	if b.lost != nil {
		return
	}
	if _, err := b.tx.ExecContext(context.Background(), statement); err != nil {
		b.lost = fmt.Errorf("%s: %w", statement, err)
	}
}

// try runs a statement that belongs to a writer's turn. The statement gets a
// context that does not end: SQLite would undo the whole transaction.
func (b *batch) try(ctx context.Context, statement func(context.Context) error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case b.lost != nil:
		return b.lost
	}
	err := statement(context.WithoutCancel(ctx))
	if undoesAll(err) {
		b.lost = err
	}
	return err
}

// ExecContext runs a statement in the turn of a writer.
func (b *batch) ExecContext(ctx context.Context, query string, args ...any) (res sql.Result, err error) {
	err = b.try(ctx, func(ctx context.Context) error {
		res, err = b.tx.ExecContext(ctx, query, args...)
		return err
	})
	return res, err
}

// QueryContext runs a query in the turn of a writer.
func (b *batch) QueryContext(ctx context.Context, query string, args ...any) (rows *sql.Rows, err error) {
	err = b.try(ctx, func(ctx context.Context) error {
		rows, err = b.tx.QueryContext(ctx, query, args...) //nolint:rowserrcheck,sqlclosecheck // the caller's affair
		return err
	})
	return rows, err
}

// undoesAll reports whether after err SQLite may have rolled back not just the
// statement but the whole transaction: what is written then would be committed
// at once. See https://sqlite.org/lang_transaction.html, section 3.
func undoesAll(err error) bool {
	var lite *sqlite.Error
	if !errors.As(err, &lite) {
		return false
	}
	switch lite.Code() & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_BUSY,
		sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ABORT:
		return true
	}
	return false
}
