package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"etude/internal/rule"
)

// Samples returns all samples; see rule.Store.
func (s *Store) Samples(ctx context.Context) ([]rule.Sample, error) {
	all, err := list(ctx, s.read, func(row scanner) (e rule.Sample, err error) {
		var saved sql.NullInt64
		err = row.Scan(&e.Name, &e.Body, &saved)
		e.SaveTime = moment(saved)
		return e, err
	}, "SELECT name, body, save_ms FROM rule_samples ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("list samples: %w", err)
	}
	return all, nil
}

// PutSample keeps a sample, if there is room; see rule.Store. Two who save at
// once on Postgres may together keep one more than limit.
func (s *Store) PutSample(ctx context.Context, e rule.Sample, limit int) (kept bool, err error) {
	n, err := s.write.exec(ctx, `INSERT INTO rule_samples (name, body, save_ms)
		SELECT v.name, v.body, v.save_ms FROM (SELECT CAST(? AS TEXT) AS name, CAST(? AS TEXT) AS body, CAST(? AS BIGINT) AS save_ms) AS v
		WHERE (SELECT count(*) FROM rule_samples WHERE name <> ?) < ?
		ON CONFLICT (name) DO UPDATE SET body = excluded.body, save_ms = excluded.save_ms`,
		e.Name, e.Body, e.SaveTime.UnixMilli(), e.Name, limit)
	if err != nil {
		return false, fmt.Errorf("save sample %q: %w", e.Name, err)
	}
	return n == 1, nil
}

// DeleteSample forgets a sample; see rule.Store.
func (s *Store) DeleteSample(ctx context.Context, name string) error {
	if _, err := s.write.exec(ctx, "DELETE FROM rule_samples WHERE name = ?", name); err != nil {
		return fmt.Errorf("delete sample %q: %w", name, err)
	}
	return nil
}
