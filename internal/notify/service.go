package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
)

// Config is what a Service needs.
type Config struct {
	Store   Store
	Logger  *slog.Logger
	Region  string // in ARNs
	Account string // 12 digits, in ARNs

	// Deliver has, for each protocol there is, what hands a message to a
	// subscription's endpoint. It is called at least once for each, and more
	// often with the same MessageID when it fails or the node dies.
	Deliver map[Protocol]func(ctx context.Context, m Message, endpoint string) error

	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Service is topics and what becomes of their messages. All methods may be
// called at once from many goroutines.
type Service struct{ Config }

// New returns a Service of cfg, or says what is missing.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Logger == nil || cfg.Region == "" || cfg.Account == "" {
		return nil, errors.New("configure notify: Store, Logger, Region and Account must be set")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{cfg}, nil
}

// Store remembers topics, subscriptions, messages and deliveries. All methods
// may be called at once from many goroutines.
type Store interface {
	// UpdateNotify runs fn in one transaction; see transcode.Store.Update.
	UpdateNotify(ctx context.Context, fn func(Tx) error) error
	// Topic, Message and Subscription return ErrNotFound for what they do not
	// have.
	Topic(ctx context.Context, arn TopicARN) (Topic, error)
	Message(ctx context.Context, id MessageID) (Message, error)
	Subscription(ctx context.Context, arn SubscriptionARN) (Subscription, error)
	// Deliveries returns the deliveries of a message, by subscription.
	Deliveries(ctx context.Context, id MessageID) ([]Delivery, error)
}

// Tx is one transaction on a Store.
type Tx interface {
	EnsureTopic(ctx context.Context, t Topic) error
	// EnsureSubscription returns the one that is there with s's topic, protocol
	// and endpoint, else makes s. It returns ErrNotFound if there is no topic.
	EnsureSubscription(ctx context.Context, s Subscription) (Subscription, error)
	Subscriptions(ctx context.Context, topic TopicARN) ([]Subscription, error)

	// InsertMessage keeps m, and queues the task FanOut for it.
	InsertMessage(ctx context.Context, m Message) error
	Message(ctx context.Context, id MessageID) (Message, error)
	// InsertDelivery reports whether it was new; then it queued the task
	// Deliver for it.
	InsertDelivery(ctx context.Context, d Delivery) (fresh bool, err error)
	Delivery(ctx context.Context, m MessageID, s SubscriptionARN) (Delivery, error)
	UpdateDelivery(ctx context.Context, d Delivery) error
}

// FanOut is the task of making a message's deliveries; see Service.FanOut.
type FanOut struct{ Message MessageID }

// Deliver is the task of one delivery; see Service.DeliverMessage.
type Deliver struct {
	Message      MessageID
	Subscription SubscriptionARN
}

// Publish keeps a message for all who subscribe to its topic.
func (s *Service) Publish(ctx context.Context, topic TopicARN, subject, body string) (MessageID, error) {
	m := Message{ID: MessageID(uuid.NewString()), Topic: topic, Subject: subject, Body: body, PublishTime: s.Now()}
	err := s.Store.UpdateNotify(ctx, func(tx Tx) error { return tx.InsertMessage(ctx, m) })
	if err != nil {
		return "", fmt.Errorf("publish to %s: %w", topic, err)
	}
	return m.ID, nil
}

// FanOut makes a delivery for each subscription that a message's topic has now.
// It may be called any number of times.
func (s *Service) FanOut(ctx context.Context, id MessageID) error {
	return s.Store.UpdateNotify(ctx, func(tx Tx) error {
		m, err := tx.Message(ctx, id)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		subs, err := tx.Subscriptions(ctx, m.Topic)
		if err != nil {
			return err
		}
		for _, sub := range subs {
			if _, err := tx.InsertDelivery(ctx, Delivery{Message: id, Subscription: sub.ARN}); err != nil {
				return err
			}
		}
		return nil
	})
}

// DeliverMessage tries to hand a message to a subscription, unless that has
// been done; an error means that it should be tried again later.
func (s *Service) DeliverMessage(ctx context.Context, id MessageID, arn SubscriptionARN) error {
	m, err := s.Store.Message(ctx, id)
	if err != nil {
		return ignoreNotFound(err)
	}
	sub, err := s.Store.Subscription(ctx, arn)
	if err != nil {
		return ignoreNotFound(err)
	}
	if done, err := s.delivered(ctx, id, arn); done || err != nil {
		return err
	}
	deliver := s.Deliver[sub.Protocol]
	if deliver == nil {
		return fmt.Errorf("deliver message %s to %s: there is no protocol %q here", id, arn, sub.Protocol)
	}
	failed := deliver(ctx, m, sub.Endpoint)
	if err := s.record(ctx, id, arn, failed); err != nil {
		return err
	}
	if failed != nil {
		return fmt.Errorf("deliver message %s to %s: %w", id, arn, failed)
	}
	return nil
}

func (s *Service) delivered(ctx context.Context, id MessageID, arn SubscriptionARN) (done bool, err error) {
	deliveries, err := s.Store.Deliveries(ctx, id)
	for _, d := range deliveries {
		done = done || d.Subscription == arn && !d.DeliverTime.IsZero()
	}
	return done, err
}

// record takes note of a try and of how it went.
func (s *Service) record(ctx context.Context, id MessageID, arn SubscriptionARN, failed error) error {
	return s.Store.UpdateNotify(ctx, func(tx Tx) error {
		d, err := tx.Delivery(ctx, id, arn)
		if err != nil {
			return err
		}
		d.Tries++
		d.LastError = ""
		if failed == nil {
			d.DeliverTime = s.Now()
		} else {
			d.LastError = failed.Error()
		}
		return tx.UpdateDelivery(ctx, d)
	})
}

// ignoreNotFound makes a task for what was deleted meanwhile one that is done.
func ignoreNotFound(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
