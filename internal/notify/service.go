package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	// subscription's endpoint.
	Deliver map[Protocol]DeliverFunc
	// Redrive sends what could not be delivered to a dead-letter queue, if there
	// are such; see RedrivePolicy.
	Redrive RedriveFunc
	// IsElsewhere reports whether a topic is one of AWS's, to which messages are
	// published by the protocol Elsewhere; nil means that there are none.
	IsElsewhere func(TopicARN) bool
	// Node names this process to the others that share the Store; it is the same
	// after a restart.
	Node string
	// RetryFor is how long after its first try a delivery is tried again, once
	// the retries of its policy are used up; 0 means not at all, as in SNS.
	RetryFor time.Duration
	// KeepFor is how long messages are kept that need no more deliveries; 0 means
	// for ever.
	KeepFor time.Duration
	// Poll is how often the Store is asked for deliveries that nobody here has
	// been told of: what other nodes have left behind; 0 means every 5 seconds.
	Poll time.Duration

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
type Service struct {
	Config
	roads *roads
}

// New returns a Service of cfg, or says what is missing.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Logger == nil || cfg.Region == "" || cfg.Account == "" {
		return nil, errors.New("configure notify: Store, Logger, Region and Account must be set")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Poll == 0 {
		cfg.Poll = 5 * time.Second
	}
	s := &Service{Config: cfg}
	s.roads = newRoads(s)
	return s, nil
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
	// Delivery and Tries read one delivery and its tries, oldest first; the former
	// returns ErrNotFound if there is none.
	Delivery(ctx context.Context, id DeliveryID) (Delivery, error)
	Tries(ctx context.Context, id DeliveryID) ([]Try, error)
	// DeliveryPage returns at most limit deliveries that f fits, the newest first
	// and older than before, if that is not empty; and whether there are more.
	DeliveryPage(ctx context.Context, f DeliveryFilter, before DeliveryID, limit int) (all []Delivery, more bool, err error)
	// NextDue says, for each subscription with deliveries that are due or will be,
	// when the first of them is.
	NextDue(ctx context.Context) (map[SubscriptionARN]time.Time, error)
	// ReleaseDeliveries makes due at now what a node has claimed.
	ReleaseDeliveries(ctx context.Context, node string, now time.Time) error
	// PruneMessages deletes at most limit messages that were published before a
	// time and have no delivery that is Pending or Dead, and all that belongs to
	// them. It returns how many it has deleted.
	PruneMessages(ctx context.Context, before time.Time, limit int) (n int, err error)
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
	// InsertDelivery reports whether it was new: whether its message and
	// subscription had none yet.
	InsertDelivery(ctx context.Context, d Delivery) (fresh bool, err error)
	Delivery(ctx context.Context, id DeliveryID) (Delivery, error)
	// UpdateDelivery writes all that can change.
	UpdateDelivery(ctx context.Context, d Delivery) error
	// ClaimDeliveries gives a node at most limit deliveries of a subscription that
	// are due at now, those first that are so for longest. Nobody else gets them
	// before the time until. If they are fewer than limit, then next is when there
	// may be more, or zero.
	ClaimDeliveries(ctx context.Context, sub SubscriptionARN, node string, now, until time.Time, limit int) (all []Delivery, next time.Time, err error)
	InsertTry(ctx context.Context, t Try) error
}

// FanOut is the task of making a message's deliveries; see Service.FanOut.
type FanOut struct{ Message MessageID }

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
// and that accepts it, and begins those that can be begun at once. It may be
// called any number of times.
func (s *Service) FanOut(ctx context.Context, id MessageID) error {
	m, err := s.Store.Message(ctx, id)
	if err != nil {
		return ignoreNotFound(err)
	}
	topic, err := s.Store.Topic(ctx, m.Topic)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	deliver := func(subs []Subscription) error {
		parcels := make([]Parcel, len(subs))
		for i, sub := range subs {
			parcels[i] = s.parcel(m, topic, sub)
		}
		return s.fanOut(ctx, parcels)
	}
	switch {
	case m.To != "":
		sub, err := s.Store.Subscription(ctx, m.To)
		if err != nil {
			return ignoreNotFound(err)
		}
		return deliver([]Subscription{sub})
	case s.isElsewhere(m.Topic):
		return deliver([]Subscription{elsewhere(m.Topic)})
	}
	var last SubscriptionARN
	for more := true; more; {
		var subs []Subscription
		if subs, more, err = s.Store.SubscriptionPage(ctx, m.Topic, last, fanOutBatch); err != nil || len(subs) == 0 {
			return err
		}
		last = subs[len(subs)-1].ARN
		subs = slices.DeleteFunc(subs, func(sub Subscription) bool { return !sub.Accepts(&m) })
		if err := deliver(subs); err != nil {
			return err
		}
	}
	return nil
}

// fanOutBatch is how many deliveries one transaction makes: others who write
// wait for no more than that.
const fanOutBatch = 200

// fanOut makes deliveries in one transaction, and begins those for which there
// is a lane.
func (s *Service) fanOut(ctx context.Context, parcels []Parcel) error {
	if len(parcels) == 0 {
		return nil
	}
	var begin []begun
	var later []SubscriptionARN
	release := func() {
		for _, b := range begin {
			s.roads.leave(b.road)
		}
		begin, later = nil, nil
	}
	err := s.Store.UpdateNotify(ctx, func(tx Tx) error {
		release() // what an earlier try of the transaction has taken
		for _, p := range parcels {
			b, lane := s.newDelivery(p)
			if lane {
				begin = append(begin, b)
			}
			fresh, err := tx.InsertDelivery(ctx, b.delivery)
			if err != nil {
				return err
			}
			switch {
			case fresh && !lane:
				later = append(later, b.delivery.Subscription)
			case !fresh && lane: // an earlier call has made it
				begin = begin[:len(begin)-1]
				s.roads.leave(b.road)
			}
		}
		return nil
	})
	if err != nil {
		release()
		return fmt.Errorf("make deliveries of message %s: %w", parcels[0].Message.ID, err)
	}
	for _, b := range begin {
		s.roads.drive(b)
	}
	for _, sub := range later {
		s.roads.look(sub)
	}
	return nil
}

// newDelivery is one that this node has claimed, if there is a lane for it.
func (s *Service) newDelivery(p Parcel) (b begun, lane bool) {
	now := s.Now()
	b = begun{parcel: p, delivery: Delivery{
		ID: newDeliveryID(), Message: p.Message.ID, Subscription: p.Subscription.ARN, Topic: p.Message.Topic,
		State: Pending, RoundTime: now, Due: now,
	}}
	if b.road, lane = s.roads.enter(p.Subscription.ARN, &p.Policy); lane {
		b.delivery.Node, b.delivery.Due = s.Node, now.Add(claimTime)
	}
	return b, lane
}
