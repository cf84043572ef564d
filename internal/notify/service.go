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

	// CheckURL says early what would come of posting to a URL; nil checks nothing.
	// It is to be asked again before each try, since names change.
	CheckURL func(ctx context.Context, url string) error

	// TokenKey is a secret from which the tokens in confirmations are made; it is
	// kept outside of the Store.
	TokenKey [32]byte

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
	// have. A subscription that was deleted is still had.
	Topic(ctx context.Context, arn TopicARN) (Topic, error)
	Message(ctx context.Context, id MessageID) (Message, error)
	Subscription(ctx context.Context, arn SubscriptionARN) (Subscription, error)
	// Topics returns at most limit topics after one, in the order of their ARNs,
	// and whether there are more.
	Topics(ctx context.Context, after TopicARN, limit int) (topics []Topic, more bool, err error)
	// SubscriptionPage does the same for the subscriptions that live, of one topic
	// or, if that is empty, of all.
	SubscriptionPage(ctx context.Context, topic TopicARN, after SubscriptionARN, limit int) (subs []Subscription, more bool, err error)
	// CountSubscriptions counts a topic's since that was made.
	CountSubscriptions(ctx context.Context, topic Topic) (SubscriptionCounts, error)
	// Deliveries returns the deliveries of a message, by subscription.
	Deliveries(ctx context.Context, id MessageID) ([]Delivery, error)
}

// Tx is one transaction on a Store. What it reads of topics, subscriptions,
// confirmations and deliveries, nobody else changes until it ends.
type Tx interface {
	// EnsureTopic returns the one that is there of t's ARN, else makes t.
	EnsureTopic(ctx context.Context, t Topic) (Topic, error)
	// Topic returns ErrNotFound if there is none, and so do UpdateTopic and
	// DeleteTopic. Updates leave times as they are.
	Topic(ctx context.Context, arn TopicARN) (Topic, error)
	UpdateTopic(ctx context.Context, t Topic) error
	// DeleteTopic deletes its subscriptions too.
	DeleteTopic(ctx context.Context, arn TopicARN, now time.Time) error

	// EnsureSubscription returns the one that lives with s's topic, protocol and
	// endpoint, else makes s and says that it is fresh. The topic is to be there.
	EnsureSubscription(ctx context.Context, s Subscription) (made Subscription, fresh bool, err error)
	// Subscription returns ErrNotFound if there is none, and so does
	// UpdateSubscription.
	Subscription(ctx context.Context, arn SubscriptionARN) (Subscription, error)
	// UpdateSubscription writes Attributes, what became of the confirmation, and
	// DeleteTime.
	UpdateSubscription(ctx context.Context, s Subscription) error
	// Subscriptions returns those of a topic that live, the oldest first.
	Subscriptions(ctx context.Context, topic TopicARN) ([]Subscription, error)

	InsertConfirmation(ctx context.Context, c Confirmation) error
	// Confirmation returns ErrNotFound for a token that was never given out.
	Confirmation(ctx context.Context, hash string) (Confirmation, error)

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
	m := Message{ID: MessageID(uuid.NewString()), Topic: topic, Type: Notification, Subject: subject, Body: body, PublishTime: s.Now()}
	err := s.Store.UpdateNotify(ctx, func(tx Tx) error { return tx.InsertMessage(ctx, m) })
	if err != nil {
		return "", fmt.Errorf("publish to %s: %w", topic, err)
	}
	return m.ID, nil
}

// FanOut makes a delivery for each subscription that a message's topic has now
// and that accepts it. It may be called any number of times.
func (s *Service) FanOut(ctx context.Context, id MessageID) error {
	return s.Store.UpdateNotify(ctx, func(tx Tx) error {
		m, err := tx.Message(ctx, id)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if m.To != "" {
			_, err := tx.InsertDelivery(ctx, Delivery{Message: id, Subscription: m.To})
			return err
		}
		subs, err := tx.Subscriptions(ctx, m.Topic)
		if err != nil {
			return err
		}
		for _, sub := range subs {
			if !sub.Accepts(&m) {
				continue
			}
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
