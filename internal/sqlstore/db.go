package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

// Dialect is the kind of database.
type Dialect string

// The dialects.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// Config says which database to open: exactly one of Path and URL is set.
type Config struct {
	// Path is an SQLite file; it is made if it is missing, its directory is not.
	Path string
	// URL is that of a Postgres database: postgres://user@host/name.
	URL    string
	Logger *slog.Logger
}

// postgresConns bounds what one node takes of a Postgres server's connections,
// of which there are 100 if nobody has raised that.
const postgresConns = 16

// DB is an open database with the newest schema. Its methods may be called at
// once from many goroutines.
type DB struct {
	dialect Dialect
	write   *sql.DB
	read    *sql.DB // the same as write on Postgres
}

// Open opens the database and brings its schema up to date. It refuses one
// whose schema is newer than this program. The caller closes the DB.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	switch {
	case (cfg.Path == "") == (cfg.URL == ""):
		return nil, errors.New("open database: give either a path (SQLite) or a URL (Postgres)")
	case cfg.Logger == nil:
		return nil, errors.New("open database: there is no Logger")
	}
	db, where, err := open(cfg)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", where, err)
	}
	if err := db.migrate(ctx, cfg.Logger); err != nil {
		db.Close()
		return nil, fmt.Errorf("open database %s: %w", where, err)
	}
	return db, nil
}

func open(cfg Config) (db *DB, where string, err error) {
	if cfg.URL != "" {
		db, err = openPostgres(cfg.URL)
		return db, "of Postgres", err // the URL may have a password
	}
	db, err = openSQLite(cfg.Path)
	return db, fmt.Sprintf("%q", cfg.Path), err
}

func openPostgres(address string) (*DB, error) {
	if u, err := url.Parse(address); err == nil && u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, fmt.Errorf("its URL begins with %q, not with postgres://", u.Scheme)
	}
	pool, err := sql.Open("pgx", address)
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(postgresConns)
	pool.SetMaxIdleConns(postgresConns)
	return &DB{dialect: Postgres, write: pool, read: pool}, nil
}

// openSQLite opens two pools. SQLite has one writer at a time: with a single
// connection they wait for each other here, in order, rather than in the file's
// lock; those who only read are never kept waiting.
func openSQLite(path string) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	// SQLite would make a file that everybody may read.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	write, err := sql.Open("sqlite", sqliteName(path, url.Values{"_txlock": {"immediate"}}))
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	read, err := sql.Open("sqlite", sqliteName(path, url.Values{"_query_only": {"1"}}))
	if err != nil {
		write.Close()
		return nil, err
	}
	readers := max(4, runtime.NumCPU())
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	return &DB{dialect: SQLite, write: write, read: read}, nil
}

// sqliteName returns the driver's name of the file. synchronous=FULL makes a
// commit outlive a power cut, which in WAL mode NORMAL does not.
func sqliteName(path string, options url.Values) string {
	options["_pragma"] = []string{
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		"journal_size_limit(67108864)", "temp_store(MEMORY)",
	}
	options.Set("_error_rc", "1")
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: options.Encode()}
	return u.String()
}

// Dialect returns which kind of database it is.
func (db *DB) Dialect() Dialect { return db.dialect }

// Write returns the pool of connections that may write. On SQLite it is a
// single one: who asks for another while holding it waits for ever.
func (db *DB) Write() *sql.DB { return db.write }

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.read.PingContext(ctx); err != nil {
		return fmt.Errorf("reach the database: %w", explain(err))
	}
	return nil
}

// Close closes the database. What was committed is in its file.
func (db *DB) Close() error {
	err := db.write.Close()
	if db.read != db.write {
		err = errors.Join(db.read.Close(), err)
	}
	if err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	return nil
}
