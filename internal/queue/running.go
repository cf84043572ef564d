package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// A node that dies leaves its tasks marked as running. River gives back those
// that have run for longer than rescueAfter; so that this can be short, and
// still hits no task that runs for hours, living nodes touch theirs.
const (
	rescueAfter   = time.Minute
	touchInterval = 10 * time.Second
)

// running are River's ids of the tasks that are worked here now.
type running struct {
	mu  sync.Mutex
	ids map[int64]struct{}
}

// add returns the function that removes id again.
func (r *running) add(id int64) (remove func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids[id] = struct{}{}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.ids, id)
	}
}

func (r *running) list() []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.ids))
}

// touch tells the other nodes that the tasks which run here do.
func (q *Queue) touch(ctx context.Context) error {
	ids := q.running.list()
	if len(ids) == 0 {
		return nil
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	db, query := q.cfg.SQLite, `UPDATE river_job SET attempted_at = datetime('now', 'subsec')
		WHERE state = 'running' AND id IN (SELECT value FROM json_each(?))`
	if db == nil {
		db, query = q.cfg.Postgres, `UPDATE river_job SET attempted_at = now()
			WHERE state = 'running' AND id IN (SELECT value::bigint FROM json_array_elements_text($1::json))`
	}
	if _, err := db.ExecContext(ctx, query, string(list)); err != nil {
		return fmt.Errorf("touch running tasks: %w", err)
	}
	return nil
}

// releaseAll gives back at once what an earlier process was working on. It is
// for SQLite only, where no other process can be.
func (q *Queue) releaseAll(ctx context.Context) error {
	tx, err := q.cfg.SQLite.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("release tasks: %w", err)
	}
	defer tx.Rollback()
	for _, query := range []string{
		"UPDATE river_job SET state = 'available' WHERE state = 'running'",
		"DELETE FROM river_leader", // or nobody looks for tries that are due until it has run out
	} {
		if _, err := tx.ExecContext(ctx, query); err != nil {
			return fmt.Errorf("release tasks: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("release tasks: %w", err)
	}
	return nil
}
