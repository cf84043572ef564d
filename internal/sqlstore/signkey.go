package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"etude/internal/signkey"
)

// SigningKeys returns all signing keys, the newest first; see signkey.Store.
func (s *Store) SigningKeys(ctx context.Context) ([]signkey.Stored, error) {
	all, err := list(ctx, s.read, func(row scanner) (k signkey.Stored, err error) {
		var created sql.NullInt64
		err = row.Scan(&k.Number, &k.Hash, &k.Certificate, &k.Sealed, &created)
		k.CreateTime = moment(created)
		return k, err
	}, "SELECT number, hash, certificate, sealed, create_ms FROM signing_keys ORDER BY number DESC")
	if err != nil {
		return nil, fmt.Errorf("read signing keys: %w", err)
	}
	return all, nil
}

// InsertSigningKey keeps a signing key unless there is one of its number; see
// signkey.Store.
func (s *Store) InsertSigningKey(ctx context.Context, k signkey.Stored) (bool, error) {
	n, err := s.write.exec(ctx, `INSERT INTO signing_keys (number, hash, certificate, sealed, create_ms) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (number) DO NOTHING`, k.Number, k.Hash, k.Certificate, k.Sealed, k.CreateTime.UnixMilli())
	if err != nil {
		return false, fmt.Errorf("insert signing key %d: %w", k.Number, err)
	}
	return n > 0, nil
}

// SigningCertificate returns a certificate by its hash; see signkey.Store.
func (s *Store) SigningCertificate(ctx context.Context, hash string) (string, error) {
	pem, err := first(ctx, s.read, signkey.ErrNotFound, func(row scanner) (pem string, err error) {
		return pem, row.Scan(&pem)
	}, "SELECT certificate FROM signing_keys WHERE hash = ?", hash)
	if err != nil {
		return "", fmt.Errorf("read signing certificate %.64q: %w", hash, err)
	}
	return pem, nil
}
