package queue

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"

	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

func migrateSQLite(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	m, err := rivermigrate.New(riversqlite.New(db), &rivermigrate.Config{Logger: log})
	if err != nil {
		return err
	}
	return migrate(ctx, m)
}

// advisoryLock is the number of the lock under which one node migrates while
// the others wait. It is not the one under which their own tables are migrated.
const advisoryLock = 0x7269766572 // "river"

func migratePostgres(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	m, err := rivermigrate.New(riverdatabasesql.New(db), &rivermigrate.Config{Logger: log})
	if err != nil {
		return err
	}
	if current, err := isCurrent(ctx, m); current || err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(advisoryLock)); err != nil {
		return fmt.Errorf("lock the queue's tables: %w", err)
	}
	if err := migrate(ctx, m); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", int64(advisoryLock)); err != nil {
		return fmt.Errorf("unlock the queue's tables: %w", err)
	}
	return nil
}

// migrate costs three queries if there is nothing to do.
func migrate(ctx context.Context, m *rivermigrate.Migrator[*sql.Tx]) error {
	if current, err := isCurrent(ctx, m); current || err != nil {
		return err
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate the queue's tables: %w", err)
	}
	return nil
}

// isCurrent reports whether all migrations that River has were run; one that
// was run and River does not know is an error.
func isCurrent(ctx context.Context, m *rivermigrate.Migrator[*sql.Tx]) (bool, error) {
	done, err := m.ExistingVersions(ctx)
	if err != nil {
		return false, fmt.Errorf("read the version of the queue's tables, which a newer version of Etude may have changed: %w", err)
	}
	return len(done) == len(m.AllVersions()), nil
}
