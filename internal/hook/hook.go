// Package hook is the domain of what topics of other publishers tell this
// server: it takes their messages once, keeps each until it was acted on, and
// agrees to the subscriptions that were asked for.
//
// It knows nothing of what a message means, nothing of SQL, and of HTTP only
// the headers that a message comes with.
package hook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"etude/internal/snsmsg"
	"etude/internal/snsmsg/verify"
)

// Message is a notification that came, and what became of it.
type Message struct {
	ID          string // a UUID, the same whenever the message is sent again
	Topic       string // ARN
	Subject     string // may be empty
	Body        string
	ReceiveTime time.Time

	Tries     int
	LastError string    // of the last try; empty if it went well
	NextTime  time.Time // of the next try
	DoneTime  time.Time // zero until nothing is left to do
}

// Store remembers messages. All methods may be called at once from many
// goroutines.
type Store interface {
	// InsertHookMessage reports whether m was new by its Topic and ID.
	InsertHookMessage(ctx context.Context, m Message) (fresh bool, err error)
	// UpdateHookMessage writes what became of m.
	UpdateHookMessage(ctx context.Context, m Message) error
	// DueHookMessages returns at most limit messages that are not done and whose
	// next try is due at t, the longest due first.
	DueHookMessages(ctx context.Context, t time.Time, limit int) ([]Message, error)
	// DeleteHookMessages forgets what was done before t.
	DeleteHookMessages(ctx context.Context, t time.Time) error
}

// Config is what a Service needs. All fields but Now must be set.
type Config struct {
	Store    Store
	Verifier *verify.Verifier
	Logger   *slog.Logger
	// Handle acts on a message. It may be called more than once for one, and is
	// called again later when it fails.
	Handle func(ctx context.Context, m Message) error
	// Confirm agrees to a subscription to topic, which is one of the Verifier's.
	Confirm func(ctx context.Context, topic verify.Topic, token string) error
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Service takes messages. All methods may be called at once from many
// goroutines.
type Service struct{ Config }

const (
	// patience is how long a publisher's request waits for the first try. SNS
	// waits for 15 seconds.
	patience = 8 * time.Second
	// giveUpAfter is how long a message is tried.
	giveUpAfter = 3 * 24 * time.Hour
	// keepFor is longer than a message is taken for after it was published, so
	// that no repeat is taken for new.
	keepFor = verify.MaxAge + 24*time.Hour
	// workAtOnce bounds one round of Work.
	workAtOnce = 100
)

// New returns a Service of cfg, or says what is missing.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Verifier == nil || cfg.Logger == nil || cfg.Handle == nil || cfg.Confirm == nil {
		return nil, errors.New("configure hook: Store, Verifier, Logger, Handle and Confirm must be set")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{cfg}, nil
}

// Receive takes what came in a request. A nil error means that nothing is left
// to do for the publisher: the message is kept, and was before if it is a
// repeat. An error is a *verify.Refusal for what is not to be believed, or
// trouble of ours after which the message should be sent again.
func (s *Service) Receive(ctx context.Context, header http.Header, body []byte) error {
	m, err := s.Verifier.Verify(ctx, header, body)
	if err != nil {
		return err
	}
	switch m.Type {
	case snsmsg.SubscriptionConfirmation:
		return s.confirm(ctx, m)
	case snsmsg.UnsubscribeConfirmation:
		s.Logger.Warn("subscription of a hook was ended by its publisher", "topic", m.Topic.ARN)
		return nil
	}
	return s.keep(ctx, m)
}

// confirm is for topics that are configured, which is how one asks for them. The
// SubscribeURL is not used: it leads wherever its writer wants.
func (s *Service) confirm(ctx context.Context, m verify.Message) error {
	if err := s.Confirm(ctx, m.Topic, m.Token); err != nil {
		return fmt.Errorf("confirm subscription to %s: %w", m.Topic.ARN, err)
	}
	s.Logger.Info("subscription of a hook confirmed", "topic", m.Topic.ARN)
	return nil
}

// keep writes the message down before anything is done about it. The first try
// belongs to this request, later ones to Work.
func (s *Service) keep(ctx context.Context, in verify.Message) error {
	now := s.Now()
	m := Message{
		ID: in.ID, Topic: in.Topic.ARN, Subject: in.Subject, Body: in.Text, ReceiveTime: now, NextTime: now.Add(time.Minute),
	}
	fresh, err := s.Store.InsertHookMessage(ctx, m)
	if err != nil || !fresh {
		return err
	}
	// The publisher may hang up; the message is ours now.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := s.try(ctx, m); err != nil {
		s.Logger.Error("received message could not be noted as done", "topic", m.Topic, "message", m.ID, "err", err)
	}
	return nil
}

// try acts on a message and writes down how that went.
func (s *Service) try(ctx context.Context, m Message) error {
	failed := s.Handle(ctx, m)
	now := s.Now()
	m.Tries++
	m.LastError = ""
	switch {
	case failed == nil:
		m.DoneTime = now
	case now.Sub(m.ReceiveTime) > giveUpAfter:
		m.LastError, m.DoneTime = failed.Error(), now
		s.Logger.Error("received message is given up", "topic", m.Topic, "message", m.ID, "err", failed)
	default:
		m.LastError, m.NextTime = failed.Error(), now.Add(rest(m.Tries))
		s.Logger.Warn("received message is tried again later", "topic", m.Topic, "message", m.ID, "err", failed)
	}
	return s.Store.UpdateHookMessage(context.WithoutCancel(ctx), m)
}

// rest is how long to wait after so many tries.
func rest(tries int) time.Duration {
	return min(10*time.Second<<min(tries, 12), time.Hour)
}

// Work tries what is due, and forgets what no repeat can come of any more. It is
// to be called every few seconds, on any number of nodes.
func (s *Service) Work(ctx context.Context) error {
	now := s.Now()
	due, err := s.Store.DueHookMessages(ctx, now, workAtOnce)
	if err != nil {
		return err
	}
	for _, m := range due {
		if err := s.try(ctx, m); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return s.Store.DeleteHookMessages(ctx, now.Add(-keepFor))
}
