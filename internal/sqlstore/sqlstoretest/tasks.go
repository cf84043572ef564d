package sqlstoretest

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"testing"

	"etude/internal/event"
	"etude/internal/notify"
	"etude/internal/sqlstore"
	"etude/internal/transcode"
)

// Tasks are those that a store has queued. They stand in a table beside the
// store's own, so they are there if their transaction committed, and only then.
type Tasks struct {
	t  testing.TB
	db *sqlstore.DB
}

func newTasks(t testing.TB, db *sqlstore.DB) *Tasks {
	t.Helper()
	id := "id INTEGER PRIMARY KEY"
	if db.Dialect() == sqlstore.Postgres {
		id = "id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
	}
	_, err := db.Write().ExecContext(context.Background(), "CREATE TABLE test_tasks ("+id+", kind TEXT NOT NULL, task TEXT NOT NULL)")
	if err != nil {
		t.Fatal(err)
	}
	return &Tasks{t: t, db: db}
}

func (q *Tasks) enqueue(ctx context.Context, tx *sql.Tx, task any) error {
	text, err := json.Marshal(task)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO test_tasks (kind, task) VALUES ($1, $2)", fmt.Sprintf("%T", task), string(text))
	return err
}

// All returns the tasks of all committed transactions, first one first: values
// of transcode.RunJob, notify.FanOut and event.Deliver.
func (q *Tasks) All() (all []any) {
	q.t.Helper()
	rows, err := q.db.Write().QueryContext(context.Background(), "SELECT kind, task FROM test_tasks ORDER BY id")
	if err != nil {
		q.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var kind, text string
		if err := rows.Scan(&kind, &text); err != nil {
			q.t.Fatal(err)
		}
		all = append(all, q.decode(kind, text))
	}
	if err := rows.Err(); err != nil {
		q.t.Fatal(err)
	}
	return all
}

// Take returns what All returns, and forgets it.
func (q *Tasks) Take() []any {
	q.t.Helper()
	all := q.All()
	if _, err := q.db.Write().ExecContext(context.Background(), "DELETE FROM test_tasks"); err != nil {
		q.t.Fatal(err)
	}
	return all
}

func (q *Tasks) decode(kind, text string) any {
	q.t.Helper()
	switch kind {
	case "transcode.RunJob":
		return decode[transcode.RunJob](q.t, text)
	case "notify.FanOut":
		return decode[notify.FanOut](q.t, text)
	case "event.Deliver":
		return decode[event.Deliver](q.t, text)
	}
	q.t.Fatalf("a task of the kind %s was queued, which there is not", kind)
	return nil
}

func decode[T any](t testing.TB, text string) (task T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &task); err != nil {
		t.Fatal(err)
	}
	return task
}
