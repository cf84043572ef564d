package sqlstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// openCounter opens a database with a table of numbers.
func openCounter(t *testing.T, file string) (*DB, *batches) {
	t.Helper()
	db, err := Open(t.Context(), Config{Path: file, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.write.ExecContext(t.Context(), "CREATE TABLE IF NOT EXISTS numbers (n INTEGER PRIMARY KEY) STRICT"); err != nil {
		t.Fatal(err)
	}
	return db, &batches{pool: db.write}
}

func put(ctx context.Context, b *batch, n int64) error {
	_, err := b.ExecContext(ctx, "INSERT INTO numbers (n) VALUES (?)", n)
	return err
}

func stored(t *testing.T, db *DB) map[int64]bool {
	t.Helper()
	all, err := list(t.Context(), conn{SQLite, db.read}, func(row scanner) (n int64, err error) { return n, row.Scan(&n) }, "SELECT n FROM numbers")
	if err != nil {
		t.Fatal(err)
	}
	set := map[int64]bool{}
	for _, n := range all {
		set[n] = true
	}
	return set
}

// Whatever becomes of some writers, each number is there if its writer was told
// so, and only then.
func TestBatchesAreExact(t *testing.T) {
	db, g := openCounter(t, filepath.Join(t.TempDir(), "etude.db"))
	const writers, writes = 16, 100
	var mu sync.Mutex
	told := map[int64]bool{}
	var fails [5]atomic.Int64
	var wg sync.WaitGroup
	for w := range writers {
		seed := rand.Uint64()
		wg.Go(func() {
			dice := rand.New(rand.NewPCG(seed, uint64(w)))
			for i := range writes {
				n, kind := int64(w*writes+i), dice.IntN(8)
				if err := writeSomehow(t, g, n, kind); err == nil {
					mu.Lock()
					told[n] = true
					mu.Unlock()
				} else {
					fails[min(kind, 4)].Add(1)
				}
			}
		})
	}
	wg.Wait()
	got := stored(t, db)
	for n := range int64(writers * writes) {
		if got[n] != told[n] {
			t.Errorf("number %d: stored %t, its writer was told %t", n, got[n], told[n])
		}
	}
	if n := fails[4].Load(); n != 0 {
		t.Errorf("%d writers failed whom nothing befell", n)
	}
	t.Logf("of %d writes %d failed, %d panicked, %d were canceled", writers*writes, fails[0].Load(), fails[1].Load(), fails[2].Load()+fails[3].Load())
}

var errSome = errors.New("some fault")

// writeSomehow writes n, and what happens to it by the way is the kind's affair.
func writeSomehow(t *testing.T, g *batches, n int64, kind int) (err error) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	defer func() {
		if p := recover(); p != nil {
			err = p.(error)
		}
		if err != nil && !errors.Is(err, errSome) {
			t.Errorf("number %d: got the error %v, want %v", n, err, errSome)
		}
	}()
	if kind == 3 {
		go cancel(errSome) // at any moment: while it waits, while it writes, or after
	}
	return g.run(ctx, func(b *batch) error {
		if err := put(ctx, b, n); err != nil {
			return err
		}
		switch kind {
		case 0:
			return errSome
		case 1:
			panic(errSome)
		case 2:
			cancel(errSome)
		}
		return nil
	})
}

// hold begins a batch and keeps it until release, so that the writers to come
// wait for each other.
func hold(t *testing.T, g *batches) (release func()) {
	t.Helper()
	b, err := g.turn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return func() { g.pass(b) }
}

// waitFor returns when n writers wait for their turn.
func (g *batches) waitFor(n int) {
	for {
		g.mu.Lock()
		got := len(g.waiting)
		g.mu.Unlock()
		if got == n {
			return
		}
		runtime.Gosched()
	}
}

// Those who come meanwhile share one commit.
func TestBatchIsShared(t *testing.T) {
	db, g := openCounter(t, filepath.Join(t.TempDir(), "etude.db"))
	var commits sync.Map
	release := hold(t, g)
	var wg sync.WaitGroup
	const writers = 10
	for n := range int64(writers) {
		wg.Go(func() {
			err := g.run(t.Context(), func(b *batch) error {
				b.until = time.Now().Add(time.Hour) // however slow the machine is
				commits.Store(b, true)
				return put(t.Context(), b, n)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	g.waitFor(writers)
	release()
	wg.Wait()
	n := 0
	commits.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("got %d commits, want 1", n)
	}
	if got := len(stored(t, db)); got != writers {
		t.Errorf("got %d numbers, want %d", got, writers)
	}
}

// Who goes away while he waits leaves no trace, and the next one gets his turn.
func TestBatchCanceledWaiting(t *testing.T) {
	db, g := openCounter(t, filepath.Join(t.TempDir(), "etude.db"))
	release := hold(t, g)
	ctx, cancel := context.WithCancelCause(t.Context())
	gone, done := make(chan error, 1), make(chan error, 1)
	go func() { gone <- g.run(ctx, func(b *batch) error { return put(ctx, b, 1) }) }()
	g.waitFor(1)
	go func() { done <- g.run(t.Context(), func(b *batch) error { return put(t.Context(), b, 2) }) }()
	g.waitFor(2)
	cancel(errSome)
	if err := <-gone; !errors.Is(err, errSome) {
		t.Errorf("got the error %v, want %v", err, errSome)
	}
	release()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := stored(t, db); len(got) != 1 || !got[2] {
		t.Errorf("got the numbers %v, want 2", got)
	}
}

// Nobody is told of success before the commit, and if that fails, nobody at all.
func TestBatchCommitFails(t *testing.T) {
	db, g := openCounter(t, filepath.Join(t.TempDir(), "etude.db"))
	// A constraint that is only looked at when all is done makes COMMIT fail.
	if _, err := db.write.ExecContext(t.Context(), "CREATE TABLE bad (n INTEGER REFERENCES numbers (n) DEFERRABLE INITIALLY DEFERRED)"); err != nil {
		t.Fatal(err)
	}
	release := hold(t, g)
	results := make(chan error, 3)
	for n := range int64(3) {
		go func() {
			results <- g.run(t.Context(), func(b *batch) error {
				b.until = time.Now().Add(time.Hour)
				if n != 1 {
					return put(t.Context(), b, n)
				}
				_, err := b.ExecContext(t.Context(), "INSERT INTO bad (n) VALUES (99)")
				return err
			})
		}()
		g.waitFor(int(n) + 1)
	}
	release()
	for range 3 {
		if err := <-results; err == nil || !strings.HasPrefix(err.Error(), "commit: ") {
			t.Errorf("got the error %v, want that of the commit", err)
		}
	}
	if got := stored(t, db); len(got) != 0 {
		t.Errorf("got the numbers %v, want none", got)
	}
	if err := g.run(t.Context(), func(b *batch) error { return put(t.Context(), b, 7) }); err != nil {
		t.Errorf("the next batch: %v", err)
	}
}

// A fault that undoes the whole transaction ends the batch: what came before it
// and what comes after it in the same turn leaves no trace. Who has not had his
// turn yet gets it in the next batch.
func TestBatchLost(t *testing.T) {
	db, g := openCounter(t, filepath.Join(t.TempDir(), "etude.db"))
	full := func(b *batch) error {
		ctx := t.Context()
		if _, err := b.ExecContext(ctx, "PRAGMA max_page_count = 1"); err != nil {
			return err
		}
		_, err := b.ExecContext(ctx, "CREATE TABLE big AS SELECT zeroblob(100000)")
		if err == nil {
			t.Error("the disk is not full")
		}
		if putErr := put(ctx, b, 100); putErr == nil { // as a careless writer would
			t.Error("the writer may go on")
		}
		return err
	}
	release := hold(t, g)
	var results []chan error
	for i, fn := range []func(b *batch) error{
		func(b *batch) error { b.until = time.Now().Add(time.Hour); return put(t.Context(), b, 1) },
		full,
		func(b *batch) error {
			if _, err := b.ExecContext(t.Context(), "PRAGMA max_page_count = 100000"); err != nil {
				return err
			}
			return put(t.Context(), b, 3)
		},
	} {
		result := make(chan error, 1)
		results = append(results, result)
		go func() { result <- g.run(t.Context(), fn) }()
		g.waitFor(i + 1)
	}
	release()
	for i, want := range []string{"share a transaction: the disk that has the database is full", "database or disk is full", ""} {
		err := <-results[i]
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("writer %d: got the error %v, want %q", i+1, err, want)
		}
	}
	if got := stored(t, db); len(got) != 1 || !got[3] {
		t.Errorf("got the numbers %v, want 3", got)
	}
}

// A writer that waits is kept waiting by no more others than a batch has.
func TestBatchIsBounded(t *testing.T) {
	b := &batch{until: time.Now().Add(time.Hour), writers: batchWriters}
	if b.open() {
		t.Errorf("a batch of %d writers takes in one more", b.writers)
	}
	if b = (&batch{until: time.Now().Add(-time.Millisecond)}); b.open() {
		t.Error("a batch takes in writers after its time")
	}
}

// TestKilled kills a process that writes, and looks whether everything is there
// that it was told is.
func TestKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "etude.db")
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWriteUntilKilled$")
	cmd.Env = append(os.Environ(), "ETUDE_TEST_WRITE="+file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var told []int64
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var n int64
		if _, err := fmt.Sscanf(lines.Text(), "stored %d", &n); err != nil {
			continue
		}
		if told = append(told, n); len(told) == 500 {
			_ = cmd.Process.Kill() // in the middle of it; what it has said by then counts too
		}
	}
	if err := cmd.Wait(); err == nil || len(told) < 500 {
		t.Fatalf("the writer ended by itself with the error %v after %d numbers", err, len(told))
	}
	db, _ := openCounter(t, file)
	got := stored(t, db)
	for _, n := range told {
		if !got[n] {
			t.Errorf("number %d is lost", n)
		}
	}
	var result string
	if err := db.read.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&result); err != nil || result != "ok" {
		t.Errorf("integrity check: got %q and the error %v", result, err)
	}
	t.Logf("%d numbers were acknowledged, %d are stored", len(told), len(got))
}

// TestWriteUntilKilled is the process of TestKilled.
func TestWriteUntilKilled(t *testing.T) {
	file := os.Getenv("ETUDE_TEST_WRITE")
	if file == "" {
		t.Skip("TestKilled runs this")
	}
	_, g := openCounter(t, file)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				n := next.Add(1)
				if err := g.run(t.Context(), func(b *batch) error { return put(t.Context(), b, n) }); err != nil {
					t.Error(err)
					return
				}
				if _, err := io.WriteString(os.Stdout, fmt.Sprintf("stored %d\n", n)); err != nil {
					return // nobody is there to kill us
				}
			}
		})
	}
	wg.Wait()
}

// A commit is durable: what a power cut spares is decided by these.
func TestPragmas(t *testing.T) {
	_, g := openCounter(t, filepath.Join(t.TempDir(), "etude.db"))
	err := g.run(t.Context(), func(b *batch) error {
		for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "foreign_keys": "1"} {
			var got string
			if err := b.tx.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil {
				return err
			}
			if got != want {
				t.Errorf("%s: got %s, want %s", pragma, got, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
