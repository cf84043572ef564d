package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"

	"etude/internal/notify"
	"etude/internal/transcode"
)

// Publish keeps a notification as a message and queues its fan-out; see
// transcode.Tx. The topic need not be here.
func (t *tx) Publish(ctx context.Context, n transcode.Notification) error {
	return t.InsertMessage(ctx, notify.Message{
		ID: notify.MessageID(uuid.NewString()), Topic: notify.TopicARN(n.Topic), Type: notify.Notification,
		Subject: n.Subject, Body: n.Message, PublishTime: time.Now(),
	})
}

// InsertMessage keeps a message and queues its fan-out; see notify.Tx.
func (t *tx) InsertMessage(ctx context.Context, m notify.Message) error {
	_, err := t.exec(ctx, `INSERT INTO messages (id, topic, type, only_to, subject, body, bodies, attributes, publish_ms)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		m.ID, m.Topic, m.Type, m.To, m.Subject, m.Body, writeMap(m.Bodies), writeMap(m.Attributes), m.PublishTime.UnixMilli())
	if err != nil {
		return fmt.Errorf("insert message %s: %w", m.ID, err)
	}
	return t.put(ctx, notify.FanOut{Message: m.ID})
}

func (c conn) message(ctx context.Context, id notify.MessageID) (notify.Message, error) {
	m, err := first(ctx, c, notify.ErrNotFound, readMessage,
		"SELECT id, topic, type, only_to, subject, body, bodies, attributes, publish_ms FROM messages WHERE id = ?", id)
	if err != nil {
		return notify.Message{}, fmt.Errorf("read message %q: %w", id, err)
	}
	return m, nil
}

func readMessage(row scanner) (m notify.Message, err error) {
	var published sql.NullInt64
	var bodies, attributes string
	if err := row.Scan(&m.ID, &m.Topic, &m.Type, &m.To, &m.Subject, &m.Body, &bodies, &attributes, &published); err != nil {
		return m, err
	}
	m.PublishTime = moment(published)
	if m.Bodies, err = readMap[map[notify.Protocol]string](bodies); err != nil {
		return m, fmt.Errorf("read bodies: %w", err)
	}
	if m.Attributes, err = readMap[map[string]notify.MessageAttribute](attributes); err != nil {
		return m, fmt.Errorf("read attributes: %w", err)
	}
	return m, nil
}

// Message returns a message; see notify.Store.
func (s *Store) Message(ctx context.Context, id notify.MessageID) (notify.Message, error) {
	return s.read.message(ctx, id)
}

// Message returns a message; see notify.Tx.
func (t *tx) Message(ctx context.Context, id notify.MessageID) (notify.Message, error) {
	return t.message(ctx, id)
}

const selectDelivery = "SELECT message_id, subscription_arn, tries, last_error, deliver_ms FROM deliveries WHERE message_id = ?"

func readDelivery(row scanner) (d notify.Delivery, err error) {
	var delivered sql.NullInt64
	err = row.Scan(&d.Message, &d.Subscription, &d.Tries, &d.LastError, &delivered)
	d.DeliverTime = moment(delivered)
	return d, err
}

// Deliveries returns the deliveries of a message; see notify.Store.
func (s *Store) Deliveries(ctx context.Context, id notify.MessageID) ([]notify.Delivery, error) {
	all, err := list(ctx, s.read, readDelivery, selectDelivery+" ORDER BY subscription_arn", id)
	if err != nil {
		return nil, fmt.Errorf("read deliveries of message %q: %w", id, err)
	}
	return all, nil
}

// Delivery returns a delivery, and keeps others from changing it; see notify.Tx.
func (t *tx) Delivery(ctx context.Context, m notify.MessageID, s notify.SubscriptionARN) (notify.Delivery, error) {
	d, err := first(ctx, t.conn, notify.ErrNotFound, readDelivery, selectDelivery+" AND subscription_arn = ?"+t.lock(), m, s)
	if err != nil {
		return notify.Delivery{}, fmt.Errorf("read delivery of message %q to %q: %w", m, s, err)
	}
	return d, nil
}

// InsertDelivery keeps a delivery and queues it, if it is new; see notify.Tx.
func (t *tx) InsertDelivery(ctx context.Context, d notify.Delivery) (fresh bool, err error) {
	n, err := t.exec(ctx, `INSERT INTO deliveries (message_id, subscription_arn, tries, last_error, deliver_ms)
		VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, d.Message, d.Subscription, d.Tries, d.LastError, millis(d.DeliverTime))
	if err != nil {
		return false, fmt.Errorf("insert delivery of message %s to %s: %w", d.Message, d.Subscription, err)
	}
	if n == 0 {
		return false, nil
	}
	return true, t.put(ctx, notify.Deliver{Message: d.Message, Subscription: d.Subscription})
}

// UpdateDelivery writes how a delivery stands; see notify.Tx. It returns
// ErrNotFound if there is no such delivery.
func (t *tx) UpdateDelivery(ctx context.Context, d notify.Delivery) error {
	n, err := t.exec(ctx, "UPDATE deliveries SET tries = ?, last_error = ?, deliver_ms = ? WHERE message_id = ? AND subscription_arn = ?",
		d.Tries, d.LastError, millis(d.DeliverTime), d.Message, d.Subscription)
	if err == nil && n == 0 {
		err = notify.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("update delivery of message %s to %s: %w", d.Message, d.Subscription, err)
	}
	return nil
}
