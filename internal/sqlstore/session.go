package sqlstore

import (
	"context"
	"fmt"
	"time"
)

// Sessions keeps the site's sessions. It has the methods of a CtxStore of
// github.com/alexedwards/scs, and all may be called at once from many
// goroutines. A session whose time is over is not found; DeleteExpired removes
// what is left of it.
type Sessions struct {
	read  conn
	write writer
}

// Sessions returns the site's sessions.
func (s *Store) Sessions() *Sessions { return &Sessions{read: s.read, write: s.write} }

// FindCtx returns a session's data, and whether there is such a session.
func (s *Sessions) FindCtx(ctx context.Context, token string) (data []byte, found bool, err error) {
	all, err := list(ctx, s.read, func(row scanner) (data []byte, err error) {
		return data, row.Scan(&data)
	}, "SELECT data FROM sessions WHERE token = ? AND expiry_ms > ?", token, time.Now().UnixMilli())
	if err != nil {
		return nil, false, fmt.Errorf("read session: %w", err)
	}
	if len(all) == 0 {
		return nil, false, nil
	}
	return all[0], true, nil
}

// CommitCtx keeps a session, or replaces its data and expiry.
func (s *Sessions) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	_, err := s.write.exec(ctx, `INSERT INTO sessions (token, data, expiry_ms) VALUES (?, ?, ?)
		ON CONFLICT (token) DO UPDATE SET data = excluded.data, expiry_ms = excluded.expiry_ms`,
		token, append([]byte{}, data...), expiry.UnixMilli())
	if err != nil {
		return fmt.Errorf("write session: %w", err)
	}
	return nil
}

// DeleteCtx removes a session, if it is there.
func (s *Sessions) DeleteCtx(ctx context.Context, token string) error {
	if _, err := s.write.exec(ctx, "DELETE FROM sessions WHERE token = ?", token); err != nil {
		return fmt.Errorf("delete session: %w", err)
	}
	return nil
}

// DeleteExpired removes the sessions whose time is over. It is to be called now
// and then.
func (s *Sessions) DeleteExpired(ctx context.Context) error {
	if _, err := s.write.exec(ctx, "DELETE FROM sessions WHERE expiry_ms <= ?", time.Now().UnixMilli()); err != nil {
		return fmt.Errorf("delete expired sessions: %w", err)
	}
	return nil
}

// Find is FindCtx without a context.
func (s *Sessions) Find(token string) (data []byte, found bool, err error) {
	return s.FindCtx(context.Background(), token)
}

// Commit is CommitCtx without a context.
func (s *Sessions) Commit(token string, data []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expiry)
}

// Delete is DeleteCtx without a context.
func (s *Sessions) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }
