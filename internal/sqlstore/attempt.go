package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"etude/internal/transcode"
)

const selectAttempt = "SELECT job_id, number, node, start_ms, end_ms, lease_ms, outcome, phase, progress, log FROM attempts"

func readAttempt(row scanner) (*transcode.Attempt, error) {
	var a transcode.Attempt
	var start, end, lease sql.NullInt64
	err := row.Scan(&a.Job, &a.Number, &a.Node, &start, &end, &lease, &a.Outcome, &a.Phase, &a.Progress, &a.Log)
	a.StartTime, a.EndTime, a.LeaseUntil = moment(start), moment(end), moment(lease)
	return &a, err
}

func (c conn) attempts(ctx context.Context, id transcode.JobID) ([]*transcode.Attempt, error) {
	all, err := list(ctx, c, readAttempt, selectAttempt+" WHERE job_id = ? ORDER BY number", id)
	if err != nil {
		return nil, fmt.Errorf("read attempts at job %q: %w", id, err)
	}
	return all, nil
}

// Attempts returns a job's attempts; see transcode.Store.
func (s *Store) Attempts(ctx context.Context, id transcode.JobID) ([]*transcode.Attempt, error) {
	return s.read.attempts(ctx, id)
}

// Attempts returns a job's attempts; see transcode.Tx.
func (t *tx) Attempts(ctx context.Context, id transcode.JobID) ([]*transcode.Attempt, error) {
	return t.attempts(ctx, id)
}

// OpenAttempts returns attempts whose lease ran out, or of a node; see
// transcode.Store. Those that have waited longest come first.
func (s *Store) OpenAttempts(ctx context.Context, t time.Time, node string, limit int) ([]*transcode.Attempt, error) {
	query, args := openAttemptsQuery(t, node, limit)
	all, err := list(ctx, s.read, readAttempt, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list open attempts: %w", err)
	}
	return all, nil
}

// openAttemptsQuery has outcome = ” in so many words, since only that says to
// the planner that the index of the open attempts will do.
func openAttemptsQuery(t time.Time, node string, limit int) (string, []any) {
	which, args := "lease_ms < ?", []any{t.UnixMilli()}
	if node != "" {
		which, args = "(lease_ms < ? OR node = ?)", append(args, node)
	}
	return selectAttempt + " WHERE outcome = '' AND " + which + " ORDER BY lease_ms LIMIT ?", append(args, limit)
}

// InsertAttempt keeps a new attempt.
func (t *tx) InsertAttempt(ctx context.Context, a *transcode.Attempt) error {
	_, err := t.exec(ctx, `INSERT INTO attempts (job_id, number, node, start_ms, end_ms, lease_ms, outcome, phase, progress, log)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		a.Job, a.Number, a.Node, a.StartTime.UnixMilli(), millis(a.EndTime), a.LeaseUntil.UnixMilli(), a.Outcome, a.Phase, a.Progress, a.Log)
	if err != nil {
		return fmt.Errorf("insert attempt %d at job %s: %w", a.Number, a.Job, err)
	}
	return nil
}

// RenewLease moves a running attempt on; see transcode.Tx.
func (t *tx) RenewLease(ctx context.Context, a *transcode.Attempt) error {
	return t.updateAttempt(ctx, "renew lease of", a, "lease_ms = ?, phase = ?, progress = ?",
		a.LeaseUntil.UnixMilli(), a.Phase, a.Progress)
}

// EndAttempt ends a running attempt; see transcode.Tx.
func (t *tx) EndAttempt(ctx context.Context, a *transcode.Attempt) error {
	return t.updateAttempt(ctx, "end", a, "outcome = ?, end_ms = ?, progress = ?, log = ?",
		a.Outcome, millis(a.EndTime), a.Progress, a.Log)
}

// updateAttempt changes an attempt that has not ended, or returns ErrLeaseLost.
func (t *tx) updateAttempt(ctx context.Context, verb string, a *transcode.Attempt, set string, args ...any) error {
	n, err := t.exec(ctx, "UPDATE attempts SET "+set+" WHERE job_id = ? AND number = ? AND outcome = ''",
		append(args, a.Job, a.Number)...)
	if err == nil && n == 0 {
		err = transcode.ErrLeaseLost
	}
	if err != nil {
		return fmt.Errorf("%s attempt %d at job %s: %w", verb, a.Number, a.Job, err)
	}
	return nil
}
