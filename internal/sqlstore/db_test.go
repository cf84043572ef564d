package sqlstore_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"etude/internal/account"
	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOpenAgain(t *testing.T) {
	sqlstoretest.Each(t, func(t *testing.T, d sqlstore.Dialect) {
		cfg := sqlstoretest.Config(t, d)
		for range 2 {
			start := time.Now()
			db, err := sqlstore.Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("opened in %s", time.Since(start))
			if err := db.Ping(t.Context()); err != nil {
				t.Error(err)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// Nodes that start together on an empty database all get to work.
func TestOpenAtOnce(t *testing.T) {
	sqlstoretest.Each(t, func(t *testing.T, d sqlstore.Dialect) {
		cfg := sqlstoretest.Config(t, d)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				db, err := sqlstore.Open(t.Context(), cfg)
				if err != nil {
					t.Error(err)
					return
				}
				db.Close()
			})
		}
		wg.Wait()
	})
}

func TestOpenRefusesNewerSchema(t *testing.T) {
	sqlstoretest.Each(t, func(t *testing.T, d sqlstore.Dialect) {
		cfg := sqlstoretest.Config(t, d)
		db, err := sqlstore.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.Write().ExecContext(t.Context(), "INSERT INTO migrations (number, name, run_ms) VALUES (9999, 'of_tomorrow', 0)")
		if err != nil {
			t.Fatal(err)
		}
		db.Close()
		_, err = sqlstore.Open(t.Context(), cfg)
		wantError(t, err, "its schema has 9999 migrations", "run the newer version")
	})
}

func TestOpenFaults(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		cfg  sqlstore.Config
		want string
	}{
		{"nothing", sqlstore.Config{}, "give either a path"},
		{"both", sqlstore.Config{Path: "a", URL: "postgres://b"}, "give either a path"},
		{"no directory", sqlstore.Config{Path: filepath.Join(dir, "missing", "etude.db")}, "no such file or directory"},
		{"no database", sqlstore.Config{Path: text}, "the file is not an SQLite database"},
		{"a directory", sqlstore.Config{Path: dir}, "is a directory"},
		{"another URL", sqlstore.Config{URL: "mysql://host/name"}, `"mysql"`},
		{"nobody there", sqlstore.Config{URL: "postgres://nobody:secret@127.0.0.1:1/none"}, "connect"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Logger = slog.New(slog.DiscardHandler)
			_, err := sqlstore.Open(t.Context(), tt.cfg)
			wantError(t, err, "open database", tt.want)
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("got %q, which tells the password", err)
			}
		})
	}
}

// A path is a name and no URL: what would mean something there is part of it.
func TestOpenOddPath(t *testing.T) {
	cfg := sqlstore.Config{Path: filepath.Join(t.TempDir(), "a b?mode=memory&x=%41#ü.db"), Logger: slog.New(slog.DiscardHandler)}
	db, err := sqlstore.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	info, err := os.Stat(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("got the mode %o, want 600: the file has secrets", got)
	}
	if info.Size() == 0 {
		t.Error("the file is empty: the database is elsewhere")
	}
}

func TestFullDisk(t *testing.T) {
	db := sqlstoretest.New(t, sqlstore.SQLite)
	if _, err := db.Write().ExecContext(t.Context(), "PRAGMA max_page_count = 1"); err != nil {
		t.Fatal(err)
	}
	store := sqlstore.New(db, nil)
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		err = store.Sessions().CommitCtx(t.Context(), strings.Repeat("t", i), make([]byte, 4096), time.Now().Add(time.Hour))
	}
	wantError(t, err, "write session: the disk that has the database is full")
}

func TestReadOnly(t *testing.T) {
	db := sqlstoretest.New(t, sqlstore.SQLite)
	if _, err := db.Write().ExecContext(t.Context(), "PRAGMA query_only = 1"); err != nil {
		t.Fatal(err)
	}
	err := sqlstore.New(db, nil).InsertUser(t.Context(), &account.User{ID: "1", Email: "a@b"})
	wantError(t, err, "insert user: ", "the database may only be read")
}

func TestLocked(t *testing.T) {
	cfg := sqlstoretest.Config(t, sqlstore.SQLite)
	var stores []*sqlstore.DB
	for range 2 {
		db, err := sqlstore.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Write().ExecContext(t.Context(), "PRAGMA busy_timeout = 1"); err != nil {
			t.Fatal(err)
		}
		stores = append(stores, db)
	}
	tx, err := stores[0].Write().BeginTx(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	err = sqlstore.New(stores[1], nil).InsertUser(t.Context(), &account.User{ID: "1", Email: "a@b"})
	wantError(t, err, "insert user: ", "another process holds the database")
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Fatalf("got the error %v, want one with %q", err, part)
		}
	}
}
