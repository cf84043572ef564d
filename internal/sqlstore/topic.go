package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"etude/internal/notify"
)

// EnsureTopic makes a topic unless it is here; see notify.Tx.
func (t *tx) EnsureTopic(ctx context.Context, topic notify.Topic) error {
	_, err := t.exec(ctx, "INSERT INTO topics (arn, create_ms) VALUES (?, ?) ON CONFLICT DO NOTHING",
		topic.ARN, topic.CreateTime.UnixMilli())
	if err != nil {
		return fmt.Errorf("insert topic %q: %w", topic.ARN, err)
	}
	return nil
}

// Topic returns a topic; see notify.Store.
func (s *Store) Topic(ctx context.Context, arn notify.TopicARN) (notify.Topic, error) {
	topic, err := first(ctx, s.read, notify.ErrNotFound, func(row scanner) (t notify.Topic, err error) {
		var created sql.NullInt64
		err = row.Scan(&t.ARN, &created)
		t.CreateTime = moment(created)
		return t, err
	}, "SELECT arn, create_ms FROM topics WHERE arn = ?", arn)
	if err != nil {
		return notify.Topic{}, fmt.Errorf("read topic %q: %w", arn, err)
	}
	return topic, nil
}

const selectSubscription = "SELECT arn, topic, protocol, endpoint, create_ms FROM subscriptions"

func readSubscription(row scanner) (s notify.Subscription, err error) {
	var created sql.NullInt64
	err = row.Scan(&s.ARN, &s.Topic, &s.Protocol, &s.Endpoint, &created)
	s.CreateTime = moment(created)
	return s, err
}

// EnsureSubscription makes a subscription unless one like it is here; see
// notify.Tx.
func (t *tx) EnsureSubscription(ctx context.Context, s notify.Subscription) (notify.Subscription, error) {
	made, err := t.ensureSubscription(ctx, s)
	if err != nil {
		return notify.Subscription{}, fmt.Errorf("insert subscription to %q: %w", s.Topic, err)
	}
	return made, nil
}

func (t *tx) ensureSubscription(ctx context.Context, s notify.Subscription) (made notify.Subscription, err error) {
	_, err = first(ctx, t.conn, notify.ErrNotFound, func(row scanner) (n int, err error) {
		return n, row.Scan(&n)
	}, "SELECT 1 FROM topics WHERE arn = ?", s.Topic)
	if err != nil {
		return made, err
	}
	_, err = t.exec(ctx, `INSERT INTO subscriptions (arn, topic, protocol, endpoint, create_ms)
		VALUES (?, ?, ?, ?, ?) ON CONFLICT (topic, protocol, endpoint) DO NOTHING`,
		s.ARN, s.Topic, s.Protocol, s.Endpoint, s.CreateTime.UnixMilli())
	if err != nil {
		return made, err
	}
	return first(ctx, t.conn, notify.ErrNotFound, readSubscription,
		selectSubscription+" WHERE topic = ? AND protocol = ? AND endpoint = ?", s.Topic, s.Protocol, s.Endpoint)
}

// Subscriptions returns a topic's subscriptions, oldest first; see notify.Tx.
func (t *tx) Subscriptions(ctx context.Context, topic notify.TopicARN) ([]notify.Subscription, error) {
	all, err := list(ctx, t.conn, readSubscription, selectSubscription+" WHERE topic = ? ORDER BY create_ms, arn", topic)
	if err != nil {
		return nil, fmt.Errorf("list subscriptions to %q: %w", topic, err)
	}
	return all, nil
}

// Subscription returns a subscription; see notify.Store.
func (s *Store) Subscription(ctx context.Context, arn notify.SubscriptionARN) (notify.Subscription, error) {
	sub, err := first(ctx, s.read, notify.ErrNotFound, readSubscription, selectSubscription+" WHERE arn = ?", arn)
	if err != nil {
		return notify.Subscription{}, fmt.Errorf("read subscription %q: %w", arn, err)
	}
	return sub, nil
}
