package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed migrations/*/*.sql
var migrationFiles embed.FS

// migration is one step of the schema. Those that were released never change.
type migration struct {
	number int // from 1, without gaps
	name   string
	sql    string
}

// migrationsOf returns a dialect's migrations in their order. The files are
// embedded, so a name that does not fit is a fault of the build.
func migrationsOf(d Dialect) []migration {
	dir := path.Join("migrations", string(d))
	files, err := fs.ReadDir(migrationFiles, dir)
	if err != nil {
		panic(err)
	}
	var all []migration
	for i, f := range files {
		digits, name, _ := strings.Cut(strings.TrimSuffix(f.Name(), ".sql"), "_")
		number, err := strconv.Atoi(digits)
		if err != nil || number != i+1 || name == "" {
			panic(fmt.Sprintf("migration %s of %s is not number %d with a name", f.Name(), d, i+1))
		}
		text, err := migrationFiles.ReadFile(path.Join(dir, f.Name()))
		if err != nil {
			panic(err)
		}
		all = append(all, migration{number: number, name: name, sql: string(text)})
	}
	return all
}

// advisoryLock is the number of the lock under which one node migrates while
// the others wait. Any would do that nobody else uses in this database.
const advisoryLock = 0x6574756465 // "etude"

// migrate runs what is missing. A database that is up to date costs two
// queries.
func (db *DB) migrate(ctx context.Context, log *slog.Logger) error {
	steps := migrationsOf(db.dialect)
	at, err := db.schemaAt(ctx, conn{db.dialect, db.write})
	if err != nil {
		return err
	}
	for at < len(steps) {
		if at, err = db.migrateOnce(ctx, steps, log); err != nil {
			return err
		}
	}
	if at > len(steps) {
		return fmt.Errorf("its schema has %d migrations, this version of Etude knows %d: run the newer version, or restore a backup made before it ran", at, len(steps))
	}
	return nil
}

// migrateOnce runs the first migration that is missing, and returns the number
// of the last that was run. Another node may be at it too, so what is missing
// is found out again under the lock.
func (db *DB) migrateOnce(ctx context.Context, steps []migration, log *slog.Logger) (at int, err error) {
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return 0, explain(err)
	}
	defer tx.Rollback()
	c := conn{db.dialect, tx}
	if db.dialect == Postgres {
		if _, err := c.exec(ctx, "SELECT pg_advisory_xact_lock(?)", int64(advisoryLock)); err != nil {
			return 0, fmt.Errorf("lock the schema: %w", err)
		}
	}
	if at, err = db.schemaAt(ctx, c); err != nil || at >= len(steps) {
		return at, err
	}
	step := steps[at]
	if err := step.run(ctx, c); err != nil {
		return 0, fmt.Errorf("migrate to %04d_%s: %w", step.number, step.name, err)
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("migrate to %04d_%s: %w", step.number, step.name, explain(err))
	}
	log.Info("schema migrated", "migration", step.number, "name", step.name)
	return step.number, nil
}

func (m migration) run(ctx context.Context, c conn) error {
	if m.number == 1 {
		_, err := c.exec(ctx, "CREATE TABLE migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL, run_ms BIGINT NOT NULL)")
		if err != nil {
			return err
		}
	}
	// Not by exec: a file may have question marks in its comments.
	if _, err := c.on.ExecContext(ctx, m.sql); err != nil {
		return explain(err)
	}
	_, err := c.exec(ctx, "INSERT INTO migrations (number, name, run_ms) VALUES (?, ?, ?)", m.number, m.name, millis(time.Now()))
	return err
}

// schemaAt returns the number of the last migration that was run; 0 for none.
func (db *DB) schemaAt(ctx context.Context, c conn) (int, error) {
	exists := "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'"
	if db.dialect == Postgres {
		// Not to_regclass: it may remember from before the lock was waited for.
		exists = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'migrations'"
	}
	n, err := c.number(ctx, exists)
	if err != nil || n == 0 {
		return 0, err
	}
	return c.number(ctx, "SELECT max(number) FROM migrations")
}

// number returns the only value of a query; 0 for NULL.
func (c conn) number(ctx context.Context, query string, args ...any) (int, error) {
	return first(ctx, c, sql.ErrNoRows, func(row scanner) (int, error) {
		var n sql.NullInt64
		err := row.Scan(&n)
		return int(n.Int64), err
	}, query, args...)
}
