package account

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// UserID names a user; it never changes and says nothing of them.
type UserID string

// User is a person who may sign in to the site.
type User struct {
	ID           UserID
	Email        string // lower case; unique
	PasswordHash string // argon2id in PHC form
	Admin        bool
	CreateTime   time.Time
}

// What the Service answers besides faults of its own; the texts are fit for
// the people who caused them.
var (
	ErrNotFound    = errors.New("not found")
	ErrEmailTaken  = errors.New("there is an account with this e-mail address already")
	ErrBadEmail    = errors.New("this is not an e-mail address")
	ErrBadPassword = fmt.Errorf("a password has %d to %d characters", MinPassword, MaxPassword)
	ErrNoMatch     = errors.New("e-mail address and password do not match")
	ErrTooMany     = errors.New("too many failed tries; wait a few minutes")
	ErrBadRole     = fmt.Errorf("the roles are %s, %s and %s", ReadOnly, Submitter, Admin)
	ErrBadKeyName  = fmt.Errorf("the name of an access key has at most %d characters, all of them printable", MaxKeyName)
)

// Lengths of a password in characters. The upper one only keeps a request from
// making the server hash megabytes.
const (
	MinPassword = 10
	MaxPassword = 256
)

// maxEmail is the longest address in bytes: RFC 3696, erratum 1690.
const maxEmail = 254

// CreateUser makes an account. Errors that wrap ErrBadEmail, ErrBadPassword or
// ErrEmailTaken are the caller's fault.
func (s *Service) CreateUser(ctx context.Context, email, password string, admin bool) (*User, error) {
	email, err := normalEmail(email)
	if err != nil {
		return nil, err
	}
	if n := utf8.RuneCountInString(password); n < MinPassword || n > MaxPassword {
		return nil, ErrBadPassword
	}
	u := &User{
		ID: UserID(uuid.NewString()), Email: email, PasswordHash: hashPassword(password),
		Admin: admin, CreateTime: time.Now(),
	}
	if err := s.store.InsertUser(ctx, u); err != nil {
		return nil, fmt.Errorf("create user %q: %w", email, err)
	}
	return u, nil
}

// normalEmail accepts what net/mail parses as a bare address, and one without a
// domain's dot, such as admin@localhost.
func normalEmail(s string) (string, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || len(s) > maxEmail {
		return "", ErrBadEmail
	}
	return s, nil
}

// User returns the user, or ErrNotFound.
func (s *Service) User(ctx context.Context, id UserID) (*User, error) {
	return s.store.User(ctx, id)
}

// UserByEmail returns the user with that e-mail address, or ErrNotFound.
func (s *Service) UserByEmail(ctx context.Context, email string) (*User, error) {
	return s.store.UserByEmail(ctx, strings.ToLower(strings.TrimSpace(email)))
}

// FirstAdmin returns the administrator who was made first, or ErrNotFound.
func (s *Service) FirstAdmin(ctx context.Context) (*User, error) {
	return s.store.FirstAdmin(ctx)
}

// SignIn returns the user whom e-mail and password name, else ErrNoMatch, or
// ErrTooMany after ten failed tries in five minutes for that address or from
// that client. Whether the address exists makes no difference in the answer or
// in the time it takes.
func (s *Service) SignIn(ctx context.Context, email, password, client string) (*User, error) {
	email = strings.ToLower(strings.TrimSpace(email))
	email = email[:min(len(email), maxEmail+1)] // what is longer is nobody's, and the limiter keeps it
	if !s.limit.allow("email "+email, "client "+client) {
		return nil, ErrTooMany
	}
	u, err := s.store.UserByEmail(ctx, email)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	hash := nobodysHash()
	if u != nil {
		hash = u.PasswordHash
	}
	if utf8.RuneCountInString(password) > MaxPassword || !matchPassword(hash, password) || u == nil {
		s.limit.failed("email "+email, "client "+client)
		return nil, ErrNoMatch
	}
	s.limit.forget("email " + email)
	return u, nil
}
