// Package inbox is the domain of what users are told: the messages that the
// site shows to a user until they dismiss them. It knows nothing of why a
// message was written, and nothing of SQL or pages.
package inbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"etude/internal/watch"
)

// Kind says how a message is to be shown.
type Kind string

// The kinds of message.
const (
	Good Kind = "good" // something went as it was meant to
	Bad  Kind = "bad"  // something failed
)

// Message is something a user is told.
type Message struct {
	ID   int64  // given by the Store, ascending; 0 until then
	User string // the only one who may see it
	// Source makes a second message with the same Source for the same user a
	// repeat of the first.
	Source     string
	Kind       Kind
	Text       string // one or two sentences
	Job        string // the id of the job it is about; may be empty
	CreateTime time.Time
}

// Store remembers messages. All methods may be called at once from many
// goroutines.
type Store interface {
	// InsertInboxMessage reports whether m was new by its User and Source.
	InsertInboxMessage(ctx context.Context, m Message) (fresh bool, err error)
	// PendingInboxMessages returns at most limit of the user's messages that
	// are not dismissed, newest first.
	PendingInboxMessages(ctx context.Context, user string, limit int) ([]Message, error)
	// DismissInboxMessage reports whether there was such a message of that user.
	DismissInboxMessage(ctx context.Context, user string, id int64, at time.Time) (found bool, err error)
	// DismissInboxMessages dismisses all of the user's with an ID up to upTo.
	DismissInboxMessages(ctx context.Context, user string, upTo int64, at time.Time) error
}

// MaxPending is how many messages Pending returns at the most.
const MaxPending = 100

// ErrNotFound is the answer to the dismissal of a message that the user does
// not have.
var ErrNotFound = errors.New("no such message")

// Service is the messages of all users. All methods may be called at once from
// many goroutines.
type Service struct {
	store Store
	users watch.Hub[string, string]
}

// New returns a Service of the messages in store.
func New(store Store) *Service { return &Service{store: store} }

// Watch tells when the user's messages change; what it says has changed is the
// user. The end function must be called.
func (s *Service) Watch(user string) (w *watch.Watcher[string], end func()) {
	return s.users.Watch(user)
}

// Tell gives m to its user, once for each Source.
func (s *Service) Tell(ctx context.Context, m Message) error {
	m.CreateTime = time.Now()
	fresh, err := s.store.InsertInboxMessage(ctx, m)
	if err != nil {
		return fmt.Errorf("tell user %s: %w", m.User, err)
	}
	if fresh {
		s.users.Tell(m.User, m.User)
	}
	return nil
}

// Pending returns the user's messages that are not dismissed, newest first.
func (s *Service) Pending(ctx context.Context, user string) ([]Message, error) {
	return s.store.PendingInboxMessages(ctx, user, MaxPending)
}

// Dismiss hides a message of the user's for good. A message that the user does
// not have, or that is somebody else's, is ErrNotFound; one that is dismissed
// already is not.
func (s *Service) Dismiss(ctx context.Context, user string, id int64) error {
	found, err := s.store.DismissInboxMessage(ctx, user, id, time.Now())
	switch {
	case err != nil:
		return fmt.Errorf("dismiss message %d: %w", id, err)
	case !found:
		return fmt.Errorf("dismiss message %d: %w", id, ErrNotFound)
	}
	s.users.Tell(user, user)
	return nil
}

// DismissAll hides the user's messages up to the one with the ID upTo, so that
// none is hidden that the user has not seen.
func (s *Service) DismissAll(ctx context.Context, user string, upTo int64) error {
	if err := s.store.DismissInboxMessages(ctx, user, upTo, time.Now()); err != nil {
		return fmt.Errorf("dismiss messages: %w", err)
	}
	s.users.Tell(user, user)
	return nil
}
