// Package sqlstoretest gives a test a fresh, migrated store of its own, in
// either dialect. It knows nothing of what the test is about.
//
// SQLite needs nothing. Postgres is the server that the environment variable
// ETUDE_TEST_POSTGRES names by its URL, for instance
// postgres://etude@/postgres?host=/tmp/pg; schemas are made there and dropped
// again. Without it the Postgres tests are skipped, or fail where CI is true.
package sqlstoretest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"etude/internal/sqlstore"
)

// Each runs test once for each dialect.
func Each(t *testing.T, test func(t *testing.T, d sqlstore.Dialect)) {
	t.Helper()
	for _, d := range []sqlstore.Dialect{sqlstore.SQLite, sqlstore.Postgres} {
		t.Run(string(d), func(t *testing.T) { test(t, d) })
	}
}

// Config returns what opens a database that is empty as yet. It is gone when
// the test ends.
func Config(t testing.TB, d sqlstore.Dialect) sqlstore.Config {
	t.Helper()
	cfg := sqlstore.Config{Logger: slog.New(slog.DiscardHandler)}
	if d == sqlstore.SQLite {
		cfg.Path = filepath.Join(t.TempDir(), "etude.db")
	} else {
		cfg.URL = postgres(t)
	}
	return cfg
}

// New returns a database with the newest schema, which is closed and gone when
// the test ends.
func New(t testing.TB, d sqlstore.Dialect) *sqlstore.DB {
	t.Helper()
	return open(t, Config(t, d))
}

func open(t testing.TB, cfg sqlstore.Config) *sqlstore.DB {
	t.Helper()
	db, err := sqlstore.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// Open returns a store on SQLite, and the tasks that it queues.
func Open(t testing.TB) (*sqlstore.Store, *Tasks) {
	t.Helper()
	return OpenDialect(t, sqlstore.SQLite)
}

// OpenDialect is Open for either dialect.
func OpenDialect(t testing.TB, d sqlstore.Dialect) (*sqlstore.Store, *Tasks) {
	t.Helper()
	db := New(t, d)
	tasks := newTasks(t, db)
	return sqlstore.New(db, tasks.enqueue), tasks
}

// postgres makes a schema, which is much quicker than a database, and returns a
// URL whose connections see only that.
func postgres(t testing.TB) string {
	t.Helper()
	server := os.Getenv("ETUDE_TEST_POSTGRES")
	if server == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("ETUDE_TEST_POSTGRES names no Postgres server, and CI may not do without")
		}
		t.Skip("ETUDE_TEST_POSTGRES names no Postgres server; scripts/with-postgres starts one")
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("ETUDE_TEST_POSTGRES: %v", err)
	}
	id := make([]byte, 8)
	_, _ = rand.Read(id) // never fails, see crypto/rand
	name := "etude_test_" + hex.EncodeToString(id)
	administer(t, server, "CREATE SCHEMA "+name)
	t.Cleanup(func() { administer(t, server, "DROP SCHEMA "+name+" CASCADE") })
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}

// administer runs a statement on the server itself.
func administer(t testing.TB, server, statement string) {
	t.Helper()
	db, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(context.Background(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
