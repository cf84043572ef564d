package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"etude/internal/account"
)

// InsertUser keeps a new user; see account.Store.
func (s *Store) InsertUser(ctx context.Context, u *account.User) error {
	admin := 0
	if u.Admin {
		admin = 1
	}
	n, err := s.write.exec(ctx, `INSERT INTO users (id, email, password_hash, admin, create_ms)
		VALUES (?, ?, ?, ?, ?) ON CONFLICT (email) DO NOTHING`, u.ID, u.Email, u.PasswordHash, admin, u.CreateTime.UnixMilli())
	if err == nil && n == 0 {
		err = account.ErrEmailTaken
	}
	if err != nil {
		return fmt.Errorf("insert user: %w", err)
	}
	return nil
}

func (s *Store) user(ctx context.Context, where string, args ...any) (*account.User, error) {
	u, err := first(ctx, s.read, account.ErrNotFound, func(row scanner) (*account.User, error) {
		var u account.User
		var admin int
		var created sql.NullInt64
		err := row.Scan(&u.ID, &u.Email, &u.PasswordHash, &admin, &created)
		u.Admin, u.CreateTime = admin == 1, moment(created)
		return &u, err
	}, "SELECT id, email, password_hash, admin, create_ms FROM users "+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read user: %w", err)
	}
	return u, nil
}

// User returns the user of that id; see account.Store.
func (s *Store) User(ctx context.Context, id account.UserID) (*account.User, error) {
	return s.user(ctx, "WHERE id = ?", id)
}

// UserByEmail returns the user of that address; see account.Store.
func (s *Store) UserByEmail(ctx context.Context, email string) (*account.User, error) {
	return s.user(ctx, "WHERE email = ?", email)
}

// FirstAdmin returns the administrator who was made first; see account.Store.
func (s *Store) FirstAdmin(ctx context.Context) (*account.User, error) {
	return s.user(ctx, "WHERE admin = 1 ORDER BY create_ms, id LIMIT 1")
}

// PutAccessKey keeps an access key or replaces it; see account.Store.
func (s *Store) PutAccessKey(ctx context.Context, k account.AccessKey) error {
	_, err := s.write.exec(ctx, `INSERT INTO access_keys (id, sealed, user_id, role, name, create_ms) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed, user_id = excluded.user_id, role = excluded.role,
		name = excluded.name, create_ms = excluded.create_ms`,
		k.ID, k.Sealed, k.User, k.Role, k.Name, k.CreateTime.UnixMilli())
	if err != nil {
		return fmt.Errorf("write access key: %w", err)
	}
	return nil
}

const selectAccessKeys = `SELECT k.id, k.sealed, k.user_id, COALESCE(u.email, ''), k.role, k.name, k.create_ms
	FROM access_keys k LEFT JOIN users u ON u.id = k.user_id `

func scanAccessKey(row scanner) (k account.AccessKey, err error) {
	var created sql.NullInt64
	err = row.Scan(&k.ID, &k.Sealed, &k.User, &k.Email, &k.Role, &k.Name, &created)
	k.CreateTime = moment(created)
	return k, err
}

// AccessKey returns the access key of that id; see account.Store.
func (s *Store) AccessKey(ctx context.Context, id string) (account.AccessKey, error) {
	k, err := first(ctx, s.read, account.ErrNotFound, scanAccessKey, selectAccessKeys+"WHERE k.id = ?", id)
	if err != nil {
		return account.AccessKey{}, fmt.Errorf("read access key: %w", err)
	}
	return k, nil
}

// AccessKeys returns all access keys, the oldest first; see account.Store.
func (s *Store) AccessKeys(ctx context.Context) ([]account.AccessKey, error) {
	all, err := list(ctx, s.read, scanAccessKey, selectAccessKeys+"ORDER BY k.create_ms, k.id")
	if err != nil {
		return nil, fmt.Errorf("list access keys: %w", err)
	}
	return all, nil
}

// DeleteAccessKey forgets an access key; see account.Store.
func (s *Store) DeleteAccessKey(ctx context.Context, id string) error {
	n, err := s.write.exec(ctx, "DELETE FROM access_keys WHERE id = ?", id)
	if err == nil && n == 0 {
		err = account.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("delete access key: %w", err)
	}
	return nil
}
