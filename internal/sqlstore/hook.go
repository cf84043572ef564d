package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"etude/internal/hook"
)

// InsertHookMessage keeps a message unless it came before; see hook.Store.
func (s *Store) InsertHookMessage(ctx context.Context, m hook.Message) (fresh bool, err error) {
	n, err := s.write.exec(ctx, `INSERT INTO hook_messages (topic, id, subject, body, receive_ms, tries, last_error, next_ms, done_ms)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (topic, id) DO NOTHING`,
		m.Topic, m.ID, m.Subject, m.Body, m.ReceiveTime.UnixMilli(), m.Tries, m.LastError, m.NextTime.UnixMilli(), millis(m.DoneTime))
	if err != nil {
		return false, fmt.Errorf("insert received message %s: %w", m.ID, err)
	}
	return n == 1, nil
}

// UpdateHookMessage writes what became of a message; see hook.Store. One that is
// done stays done.
func (s *Store) UpdateHookMessage(ctx context.Context, m hook.Message) error {
	_, err := s.write.exec(ctx, `UPDATE hook_messages SET tries = ?, last_error = ?, next_ms = ?, done_ms = ?
		WHERE topic = ? AND id = ? AND done_ms IS NULL`,
		m.Tries, m.LastError, m.NextTime.UnixMilli(), millis(m.DoneTime), m.Topic, m.ID)
	if err != nil {
		return fmt.Errorf("update received message %s: %w", m.ID, err)
	}
	return nil
}

// dueHookMessages says in so many words that the index of what is not done will
// do.
const dueHookMessages = `SELECT topic, id, subject, body, receive_ms, tries, last_error, next_ms, done_ms FROM hook_messages
	WHERE done_ms IS NULL AND next_ms <= ? ORDER BY next_ms LIMIT ?`

// DueHookMessages returns what is to be tried; see hook.Store.
func (s *Store) DueHookMessages(ctx context.Context, t time.Time, limit int) ([]hook.Message, error) {
	all, err := list(ctx, s.read, func(row scanner) (m hook.Message, err error) {
		var received, next, done sql.NullInt64
		err = row.Scan(&m.Topic, &m.ID, &m.Subject, &m.Body, &received, &m.Tries, &m.LastError, &next, &done)
		m.ReceiveTime, m.NextTime, m.DoneTime = moment(received), moment(next), moment(done)
		return m, err
	}, dueHookMessages, t.UnixMilli(), limit)
	if err != nil {
		return nil, fmt.Errorf("list received messages: %w", err)
	}
	return all, nil
}

// DeleteHookMessages forgets what was done before t; see hook.Store.
func (s *Store) DeleteHookMessages(ctx context.Context, t time.Time) error {
	if _, err := s.write.exec(ctx, "DELETE FROM hook_messages WHERE done_ms < ?", t.UnixMilli()); err != nil {
		return fmt.Errorf("delete received messages: %w", err)
	}
	return nil
}
