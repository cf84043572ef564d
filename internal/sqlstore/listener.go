package sqlstore

import (
	"context"
	"fmt"
	"time"

	"etude/internal/notify"
)

// TouchListener takes note that a listener is there; see listen.Store.
func (s *Store) TouchListener(ctx context.Context, sub notify.SubscriptionARN, now time.Time) error {
	_, err := s.write.exec(ctx, `INSERT INTO listeners (subscription_arn, seen_ms) VALUES (?, ?)
		ON CONFLICT (subscription_arn) DO UPDATE SET seen_ms = excluded.seen_ms`, sub, now.UnixMilli())
	if err != nil {
		return fmt.Errorf("note listener %s: %w", sub, err)
	}
	return nil
}

// StaleListeners returns who was not there for long; see listen.Store.
func (s *Store) StaleListeners(ctx context.Context, before time.Time) ([]notify.SubscriptionARN, error) {
	all, err := list(ctx, s.read, func(row scanner) (arn notify.SubscriptionARN, err error) {
		err = row.Scan(&arn)
		return arn, err
	}, "SELECT subscription_arn FROM listeners WHERE seen_ms < ? ORDER BY subscription_arn LIMIT 100", before.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("list listeners: %w", err)
	}
	return all, nil
}

// DeleteListener forgets a listener; see listen.Store.
func (s *Store) DeleteListener(ctx context.Context, sub notify.SubscriptionARN) error {
	if _, err := s.write.exec(ctx, "DELETE FROM listeners WHERE subscription_arn = ?", sub); err != nil {
		return fmt.Errorf("forget listener %s: %w", sub, err)
	}
	return nil
}
