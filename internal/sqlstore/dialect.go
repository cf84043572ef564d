package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// conn runs queries on a pool or in a transaction. They are written with ? for
// each argument, whatever the dialect.
type conn struct {
	dialect Dialect
	on      interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	}
}

// exec returns how many rows it has changed.
func (c conn) exec(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := c.on.ExecContext(ctx, c.rebind(query), texts(args)...)
	if err != nil {
		return 0, explain(err)
	}
	return res.RowsAffected()
}

// scanner is a row that a query found.
type scanner interface{ Scan(dest ...any) error }

// list returns what read makes of each row.
func list[T any](ctx context.Context, c conn, read func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := c.on.QueryContext(ctx, c.rebind(query), texts(args)...)
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		item, err := read(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, item)
	}
	return all, explain(rows.Err())
}

// first returns what read makes of the first row, or none if there is no row.
func first[T any](ctx context.Context, c conn, none error, read func(scanner) (T, error), query string, args ...any) (T, error) {
	var zero T
	all, err := list(ctx, c, read, query, args...)
	if err != nil {
		return zero, err
	}
	if len(all) == 0 {
		return zero, none
	}
	return all[0], nil
}

// rebind writes $1, $2, ... for each ?, where that is the dialect's way. No
// query has a question mark in a literal.
func (c conn) rebind(query string) string {
	if c.dialect != Postgres {
		return query
	}
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("$" + strconv.Itoa(n))
		query = after
	}
}

// lock is the end of a query whose rows others are kept from changing until the
// transaction ends. On SQLite the transaction excludes all other writers.
func (c conn) lock() string {
	if c.dialect == Postgres {
		return " FOR UPDATE"
	}
	return ""
}

// texts makes strings of all arguments that are some kind of string, and
// replaces in them what Postgres takes in no text: NUL, and bytes that are not
// UTF-8. An encoder's log may have both, and so may a guessed token.
func texts(args []any) []any {
	clean := make([]any, len(args))
	for i, a := range args {
		if v := reflect.ValueOf(a); v.Kind() == reflect.String {
			a = strings.ToValidUTF8(strings.ReplaceAll(v.String(), "\x00", "\uFFFD"), "\uFFFD")
		}
		clean[i] = a
	}
	return clean
}

// millis is how a time is stored: milliseconds since 1970, NULL for the zero
// time.
func millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// moment reads what millis has written.
func moment(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return time.UnixMilli(ms.Int64).UTC()
}

// conflict reports whether Postgres ended a transaction only because another
// one stood in its way: it may succeed when it is run again.
func conflict(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01") // serialization failure, deadlock
}

// sqliteRemedies say what is the matter in words, by SQLite's primary result
// code.
var sqliteRemedies = map[int]string{
	sqlite3.SQLITE_BUSY:     "another process holds the database",
	sqlite3.SQLITE_CANTOPEN: "the database file cannot be opened; look at its directory's permissions",
	sqlite3.SQLITE_CORRUPT:  "the database file is damaged; restore a backup",
	sqlite3.SQLITE_FULL:     "the disk that has the database is full",
	sqlite3.SQLITE_IOERR:    "the disk that has the database fails or is full",
	sqlite3.SQLITE_NOTADB:   "the file is not an SQLite database",
	sqlite3.SQLITE_READONLY: "the database may only be read; look at the permissions of its file and directory",
}

// explain puts words before those errors that somebody must act on.
func explain(err error) error {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		if remedy, ok := sqliteRemedies[lite.Code()&0xff]; ok {
			return fmt.Errorf("%s: %w", remedy, err)
		}
	}
	return err
}
