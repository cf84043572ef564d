package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"etude/internal/inbox"
)

// InsertInboxMessage keeps a message unless the user was told already; see
// inbox.Store.
func (s *Store) InsertInboxMessage(ctx context.Context, m inbox.Message) (fresh bool, err error) {
	n, err := s.write.exec(ctx, `INSERT INTO inbox_messages (user_id, source, kind, text, job_id, create_ms)
		VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (user_id, source) DO NOTHING`,
		m.User, m.Source, m.Kind, m.Text, m.Job, m.CreateTime.UnixMilli())
	if err != nil {
		return false, fmt.Errorf("insert inbox message: %w", err)
	}
	return n == 1, nil
}

// PendingInboxMessages returns what the user has not dismissed, newest first;
// see inbox.Store.
func (s *Store) PendingInboxMessages(ctx context.Context, user string, limit int) ([]inbox.Message, error) {
	all, err := list(ctx, s.read, func(row scanner) (m inbox.Message, err error) {
		var created sql.NullInt64
		err = row.Scan(&m.ID, &m.User, &m.Source, &m.Kind, &m.Text, &m.Job, &created)
		m.CreateTime = moment(created)
		return m, err
	}, pendingInboxMessages, user, limit)
	if err != nil {
		return nil, fmt.Errorf("list inbox messages: %w", err)
	}
	return all, nil
}

const pendingInboxMessages = `SELECT id, user_id, source, kind, text, job_id, create_ms FROM inbox_messages
	WHERE user_id = ? AND dismissed_ms IS NULL ORDER BY id DESC LIMIT ?`

// DismissInboxMessage hides a message of the user's; see inbox.Store.
func (s *Store) DismissInboxMessage(ctx context.Context, user string, id int64, at time.Time) (found bool, err error) {
	n, err := s.write.exec(ctx, "UPDATE inbox_messages SET dismissed_ms = COALESCE(dismissed_ms, ?) WHERE id = ? AND user_id = ?",
		at.UnixMilli(), id, user)
	if err != nil {
		return false, fmt.Errorf("dismiss inbox message: %w", err)
	}
	return n == 1, nil
}

// DismissInboxMessages hides the user's messages up to one; see inbox.Store.
func (s *Store) DismissInboxMessages(ctx context.Context, user string, upTo int64, at time.Time) error {
	_, err := s.write.exec(ctx, "UPDATE inbox_messages SET dismissed_ms = ? WHERE user_id = ? AND id <= ? AND dismissed_ms IS NULL",
		at.UnixMilli(), user, upTo)
	if err != nil {
		return fmt.Errorf("dismiss inbox messages: %w", err)
	}
	return nil
}
