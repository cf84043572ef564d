package account

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"etude/internal/seal"
)

// AccessKey lets a program act for a user. The secret is sealed: Signature
// Version 4 needs it itself, a hash would not do.
type AccessKey struct {
	ID         string
	Sealed     []byte
	User       UserID
	Email      string // of the user; the store fills it in, and keeps it with the user
	Role       Role
	Name       string // what its holders know it by; may be empty
	CreateTime time.Time
}

// Identity is whom a checked request comes from.
type Identity struct {
	AccessKeyID string
	User        UserID
	Email       string // empty for the root access key, and where there is no such user
	Role        Role
	Root        bool // it is the root access key, and so the whole account
}

// MaxKeyName is the longest name of an access key, in characters.
const MaxKeyName = 128

// MasterKey seals secrets in the store. It is kept outside of it.
type MasterKey = seal.Key

// NewSecret returns a random access key id and secret in the form of AWS's.
func NewSecret() (id, secret string) {
	b := make([]byte, 10+30)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return "ETUD" + base32.StdEncoding.EncodeToString(b[:10]), base64.StdEncoding.EncodeToString(b[10:])
}

// rootKey is the access key that the configuration fixes. It is not in the
// store, so a start with another one leaves no old one behind.
type rootKey struct {
	id, secret string
	user       UserID
}

// SetRootKey makes id the root access key, which may do everything and acts for
// the given user. It is to be called before the Service is shared.
func (s *Service) SetRootKey(id, secret string, user UserID) error {
	if err := checkKey(id, secret); err != nil {
		return fmt.Errorf("set root access key: %w", err)
	}
	s.root = rootKey{id: id, secret: secret, user: user}
	return nil
}

func checkKey(id, secret string) error {
	if len(id) < 3 || len(id) > 128 {
		return fmt.Errorf("access key id %q: it must have 3 to 128 characters", id)
	}
	if len(secret) < 8 || len(secret) > 256 {
		return fmt.Errorf("secret of access key %q: it must have 8 to 256 characters", id)
	}
	return nil
}

// AddAccessKey makes a new access key for the user with that e-mail address,
// and returns it with its secret, which nobody is told again. Errors that wrap
// ErrNotFound, ErrBadRole or ErrBadKeyName are the caller's fault.
func (s *Service) AddAccessKey(ctx context.Context, email string, role Role, name string) (AccessKey, string, error) {
	if _, err := ParseRole(string(role)); err != nil {
		return AccessKey{}, "", fmt.Errorf("add access key: %w", err)
	}
	if err := checkKeyName(name); err != nil {
		return AccessKey{}, "", fmt.Errorf("add access key: %w", err)
	}
	u, err := s.store.UserByEmail(ctx, strings.ToLower(strings.TrimSpace(email)))
	if err != nil {
		return AccessKey{}, "", fmt.Errorf("add access key for user %.254q: %w", email, err)
	}
	id, secret := NewSecret()
	k := AccessKey{
		ID: id, Sealed: s.seal(id, secret), User: u.ID, Email: u.Email, Role: role, Name: name, CreateTime: time.Now(),
	}
	if err := s.store.PutAccessKey(ctx, k); err != nil {
		return AccessKey{}, "", fmt.Errorf("add access key: %w", err)
	}
	return k, secret, nil
}

// checkKeyName keeps names to one line of text that a terminal may show.
func checkKeyName(name string) error {
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > MaxKeyName || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("name %.64q: %w", name, ErrBadKeyName)
	}
	return nil
}

// AccessKeys returns all access keys but the root one, the oldest first. Their
// secrets stay sealed.
func (s *Service) AccessKeys(ctx context.Context) ([]AccessKey, error) {
	return s.store.AccessKeys(ctx)
}

// RemoveAccessKey ends an access key: the next request that is signed with it
// is refused. It returns ErrNotFound if there is none; the root access key is
// not among those that can be removed.
func (s *Service) RemoveAccessKey(ctx context.Context, id string) error {
	if err := s.store.DeleteAccessKey(ctx, id); err != nil {
		return fmt.Errorf("remove access key %.128q: %w", id, err)
	}
	return nil
}

// PutAccessKey makes id an access key of the user with the given secret and
// role, also if it was one with others or of another user.
func (s *Service) PutAccessKey(ctx context.Context, id, secret string, user UserID, role Role) error {
	if err := checkKey(id, secret); err != nil {
		return fmt.Errorf("put access key: %w", err)
	}
	if _, err := ParseRole(string(role)); err != nil {
		return fmt.Errorf("put access key %q: %w", id, err)
	}
	k := AccessKey{ID: id, Sealed: s.seal(id, secret), User: user, Role: role, CreateTime: time.Now()}
	if err := s.store.PutAccessKey(ctx, k); err != nil {
		return fmt.Errorf("put access key %q: %w", id, err)
	}
	return nil
}

// AccessKey returns who has the access key, and its secret; ErrNotFound if
// nobody has.
func (s *Service) AccessKey(ctx context.Context, id string) (who Identity, secret string, err error) {
	if id != "" && id == s.root.id {
		return Identity{AccessKeyID: id, User: s.root.user, Role: Admin, Root: true}, s.root.secret, nil
	}
	k, err := s.store.AccessKey(ctx, id)
	if err != nil {
		return Identity{}, "", fmt.Errorf("access key %q: %w", id, err)
	}
	secret, err = s.open(id, k.Sealed)
	if err != nil {
		return Identity{}, "", fmt.Errorf("access key %q: %w", id, err)
	}
	return Identity{AccessKeyID: id, User: k.User, Email: k.Email, Role: k.Role}, secret, nil
}

func (s *Service) seal(id, secret string) []byte { return s.master.Seal(id, []byte(secret)) }

func (s *Service) open(id string, sealed []byte) (string, error) {
	secret, err := s.master.Open(id, sealed)
	return string(secret), err
}
