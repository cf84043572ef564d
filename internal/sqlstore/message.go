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
