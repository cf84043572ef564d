package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"etude/internal/notify"
)

const selectSubscription = `SELECT arn, topic, protocol, endpoint, attributes, confirmed, authenticated, lock_unsubscribe, create_ms, delete_ms
	FROM subscriptions`

func readSubscription(row scanner) (s notify.Subscription, err error) {
	var created, deleted sql.NullInt64
	var attributes string
	err = row.Scan(&s.ARN, &s.Topic, &s.Protocol, &s.Endpoint, &attributes, &s.Confirmed, &s.Authenticated, &s.LockUnsubscribe, &created, &deleted)
	if err != nil {
		return s, err
	}
	s.CreateTime, s.DeleteTime = moment(created), moment(deleted)
	if s.Attributes, err = readMap[notify.Attributes](attributes); err != nil {
		return s, fmt.Errorf("read attributes of subscription %q: %w", s.ARN, err)
	}
	return s, nil
}

// EnsureSubscription makes a subscription unless one like it is here; see
// notify.Tx.
func (t *tx) EnsureSubscription(ctx context.Context, s notify.Subscription) (made notify.Subscription, fresh bool, err error) {
	n, err := t.exec(ctx, `INSERT INTO subscriptions
			(arn, topic, protocol, endpoint, attributes, confirmed, authenticated, lock_unsubscribe, create_ms)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (topic, protocol, endpoint) WHERE delete_ms IS NULL DO NOTHING`,
		s.ARN, s.Topic, s.Protocol, s.Endpoint, writeMap(s.Attributes), number(s.Confirmed), number(s.Authenticated), number(s.LockUnsubscribe), s.CreateTime.UnixMilli())
	if err == nil {
		made, err = first(ctx, t.conn, notify.ErrNotFound, readSubscription,
			selectSubscription+" WHERE topic = ? AND protocol = ? AND endpoint = ? AND "+live+t.lock(), s.Topic, s.Protocol, s.Endpoint)
	}
	if err != nil {
		return notify.Subscription{}, false, fmt.Errorf("insert subscription to %q: %w", s.Topic, err)
	}
	return made, n > 0, nil
}

// number is how a bool is stored.
func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// UpdateSubscription writes a subscription's attributes and status; see
// notify.Tx.
func (t *tx) UpdateSubscription(ctx context.Context, s notify.Subscription) error {
	n, err := t.exec(ctx, `UPDATE subscriptions SET attributes = ?, confirmed = ?, authenticated = ?, lock_unsubscribe = ?, delete_ms = ?
		WHERE arn = ?`,
		writeMap(s.Attributes), number(s.Confirmed), number(s.Authenticated), number(s.LockUnsubscribe), millis(s.DeleteTime), s.ARN)
	if err == nil && n == 0 {
		err = notify.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("update subscription %q: %w", s.ARN, err)
	}
	return nil
}

// Subscriptions returns a topic's subscriptions, oldest first; see notify.Tx.
func (t *tx) Subscriptions(ctx context.Context, topic notify.TopicARN) ([]notify.Subscription, error) {
	all, err := list(ctx, t.conn, readSubscription, selectSubscription+" WHERE topic = ? AND "+live+" ORDER BY create_ms, arn", topic)
	if err != nil {
		return nil, fmt.Errorf("list subscriptions to %q: %w", topic, err)
	}
	return all, nil
}

func (c conn) subscription(ctx context.Context, arn notify.SubscriptionARN, lock string) (notify.Subscription, error) {
	sub, err := first(ctx, c, notify.ErrNotFound, readSubscription, selectSubscription+" WHERE arn = ?"+lock, arn)
	if err != nil {
		return notify.Subscription{}, fmt.Errorf("read subscription %q: %w", arn, err)
	}
	return sub, nil
}

// Subscription returns a subscription; see notify.Store.
func (s *Store) Subscription(ctx context.Context, arn notify.SubscriptionARN) (notify.Subscription, error) {
	return s.read.subscription(ctx, arn, "")
}

// Subscription returns a subscription, and keeps others from changing it; see
// notify.Tx.
func (t *tx) Subscription(ctx context.Context, arn notify.SubscriptionARN) (notify.Subscription, error) {
	return t.subscription(ctx, arn, t.lock())
}

const (
	subscriptionsAfter   = selectSubscription + " WHERE arn > ? AND " + live + " ORDER BY arn LIMIT ?"
	subscriptionsOfAfter = selectSubscription + " WHERE topic = ? AND arn > ? AND " + live + " ORDER BY arn LIMIT ?"
)

// SubscriptionPage returns a page of the subscriptions; see notify.Store.
func (s *Store) SubscriptionPage(ctx context.Context, topic notify.TopicARN, after notify.SubscriptionARN, limit int) ([]notify.Subscription, bool, error) {
	query, args := subscriptionsAfter, []any{after, limit + 1}
	if topic != "" {
		query, args = subscriptionsOfAfter, []any{topic, after, limit + 1}
	}
	subs, err := list(ctx, s.read, readSubscription, query, args...)
	if err != nil {
		return nil, false, fmt.Errorf("list subscriptions: %w", err)
	}
	subs, more := cut(subs, limit)
	return subs, more, nil
}

// CountSubscriptions counts a topic's subscriptions; see notify.Store.
func (s *Store) CountSubscriptions(ctx context.Context, topic notify.Topic) (notify.SubscriptionCounts, error) {
	counts, err := first(ctx, s.read, notify.ErrNotFound, func(row scanner) (c notify.SubscriptionCounts, err error) {
		return c, row.Scan(&c.Confirmed, &c.Pending, &c.Deleted)
	}, `SELECT COALESCE(sum(CASE WHEN delete_ms IS NULL THEN confirmed ELSE 0 END), 0),
			COALESCE(sum(CASE WHEN delete_ms IS NULL THEN 1 - confirmed ELSE 0 END), 0),
			COALESCE(sum(CASE WHEN delete_ms IS NULL THEN 0 ELSE 1 END), 0)
		FROM subscriptions WHERE topic = ? AND (delete_ms IS NULL OR delete_ms >= ?)`, topic.ARN, topic.CreateTime.UnixMilli())
	if err != nil {
		return counts, fmt.Errorf("count subscriptions to %q: %w", topic.ARN, err)
	}
	return counts, nil
}

// InsertConfirmation keeps what a token is for; see notify.Tx.
func (t *tx) InsertConfirmation(ctx context.Context, c notify.Confirmation) error {
	_, err := t.exec(ctx, "INSERT INTO confirmations (hash, subscription_arn, expire_ms) VALUES (?, ?, ?)", c.Hash, c.Subscription, c.ExpireTime.UnixMilli())
	if err != nil {
		return fmt.Errorf("insert confirmation of %q: %w", c.Subscription, err)
	}
	return nil
}

// Confirmation returns what a token is for; see notify.Tx.
func (t *tx) Confirmation(ctx context.Context, hash string) (notify.Confirmation, error) {
	c, err := first(ctx, t.conn, notify.ErrNotFound, func(row scanner) (c notify.Confirmation, err error) {
		var expire sql.NullInt64
		err = row.Scan(&c.Hash, &c.Subscription, &expire)
		c.ExpireTime = moment(expire)
		return c, err
	}, "SELECT hash, subscription_arn, expire_ms FROM confirmations WHERE hash = ?"+t.lock(), hash)
	if err != nil {
		return notify.Confirmation{}, fmt.Errorf("read confirmation: %w", err)
	}
	return c, nil
}
