package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// DeliveryID names a delivery. Later ones are greater.
type DeliveryID string

func newDeliveryID() DeliveryID { return DeliveryID(uuid.Must(uuid.NewV7()).String()) }

// DeliveryState says how far a delivery is.
type DeliveryState string

// The states of deliveries.
const (
	Pending   DeliveryState = "Pending"   // it is being tried, or will be
	Delivered DeliveryState = "Delivered" // the endpoint has it
	Dead      DeliveryState = "Dead"      // nobody tries any more; see Service.Replay
	Dropped   DeliveryState = "Dropped"   // it is of no more use: the subscription has ended, or is confirmed
)

// Delivery is what is left to do, or was done, to hand one message to one
// subscription.
type Delivery struct {
	ID           DeliveryID
	Message      MessageID
	Subscription SubscriptionARN
	Topic        TopicARN
	State        DeliveryState

	Tries       int       // also those to a dead-letter queue
	RoundTries  int       // since RoundTime
	RoundTime   time.Time // when it was made, replayed, or found dead
	Due         time.Time // for the next try, or until when Node has it to itself; zero if there is nothing to do
	Node        string    // which tries it; empty for none
	LastError   string    // of the last try; empty if it went well
	DeliverTime time.Time // zero until it went well

	// Of its subscription and message. The Store fills them in where it returns
	// deliveries outside of a transaction, and looks at them nowhere.
	Protocol Protocol
	Endpoint string
	Type     MessageType
	Subject  string
}

// CreateTime is when the delivery was made, to the millisecond; zero for those
// from before deliveries had times.
func (d *Delivery) CreateTime() time.Time {
	id, err := uuid.Parse(string(d.ID))
	if err != nil || id.Version() != 7 {
		return time.Time{}
	}
	return time.Unix(id.Time().UnixTime()).UTC()
}

// Try is one try to deliver.
type Try struct {
	Delivery DeliveryID
	Number   int // 1, 2, ...
	Node     string
	Target   string // the dead-letter queue it went to; empty for the endpoint
	Start    time.Time
	Duration time.Duration
	Status   int    // of HTTP or SMTP; 0 if there was none
	Error    string // empty if it went well
	Answer   string // its beginning; see MaxAnswer
}

// MaxAnswer is how many bytes of an answer are kept.
const MaxAnswer = 1024

// Parcel is what one try to deliver has to go by.
type Parcel struct {
	Message      Message
	Subscription Subscription
	Topic        Topic  // zero if it was deleted, or is AWS's
	Token        string // of confirmations
	Policy       Policy
	Number       int // of the try: 1, 2, ...
}

// DeliverFunc hands a message to the endpoint of a subscription, once. It
// returns nil when it has arrived, and an error that wraps ErrPermanent if there
// is no use in trying again. The context ends in time.
type DeliverFunc func(ctx context.Context, p Parcel) (Answer, error)

// RedriveFunc sends a message to a dead-letter queue, with the reason that it
// is dead.
type RedriveFunc func(ctx context.Context, p Parcel, queueARN, reason string) error

// Answer is what the endpoint answered.
type Answer struct {
	Status     int
	Body       string // its beginning; see MaxAnswer
	RetryAfter time.Duration
}

// Errors that a DeliverFunc may wrap. ErrGone is ErrPermanent, and says that the
// endpoint wants nothing more.
var (
	ErrPermanent = errors.New("the endpoint will not take the message")
	ErrGone      = fmt.Errorf("the endpoint is gone: %w", ErrPermanent)
)

// Elsewhere is the protocol that publishes to a topic of AWS's, which has no
// subscription here: it is its own endpoint.
const Elsewhere Protocol = "sns"

func elsewhere(topic TopicARN) Subscription {
	return Subscription{ARN: SubscriptionARN(topic), Topic: topic, Protocol: Elsewhere, Endpoint: string(topic), Confirmed: true}
}

func (s *Service) isElsewhere(topic TopicARN) bool {
	return s.IsElsewhere != nil && s.IsElsewhere(topic)
}

func (s *Service) parcel(m Message, topic Topic, sub Subscription) Parcel {
	p := Parcel{Message: m, Subscription: sub, Topic: topic, Policy: EffectivePolicy(topic.Attributes, sub.Attributes), Number: 1}
	if m.Type == SubscriptionConfirmation || m.Type == UnsubscribeConfirmation {
		p.Token = s.Token(&m)
	}
	return p
}

// readParcel returns ErrNotFound if the message or the subscription is not
// there any more.
func (s *Service) readParcel(ctx context.Context, d Delivery) (Parcel, error) {
	m, err := s.Store.Message(ctx, d.Message)
	if err != nil {
		return Parcel{}, err
	}
	sub := elsewhere(m.Topic)
	if d.Subscription != sub.ARN {
		if sub, err = s.Store.Subscription(ctx, d.Subscription); err != nil {
			return Parcel{}, err
		}
	}
	topic, err := s.Store.Topic(ctx, m.Topic)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Parcel{}, err
	}
	p := s.parcel(m, topic, sub)
	p.Number = d.Tries + 1
	return p, nil
}

// moot reports whether there is nobody left who waits for the message.
func (p *Parcel) moot(now time.Time) bool {
	sub := &p.Subscription
	switch p.Message.Type {
	case SubscriptionConfirmation:
		return sub.Confirmed || !sub.DeleteTime.IsZero() || now.After(p.Message.PublishTime.Add(tokenLife))
	case UnsubscribeConfirmation:
		return now.After(p.Message.PublishTime.Add(tokenLife))
	}
	return !sub.DeleteTime.IsZero()
}

// deadLetterQueue is the ARN of the subscription's, or empty.
func (s *Subscription) deadLetterQueue() string {
	var policy struct {
		Target string `json:"deadLetterTargetArn"`
	}
	if json.Unmarshal([]byte(s.Attributes[RedrivePolicy]), &policy) != nil {
		return "" // it was checked when it was set; none was set here
	}
	return policy.Target
}

// DeliveryFilter says which deliveries are meant; empty members fit all.
type DeliveryFilter struct {
	State        DeliveryState
	Topic        TopicARN
	Subscription SubscriptionARN
	Endpoint     string // of the subscription
}

// MaxDeliveries is the most that ListDeliveries returns at once.
const MaxDeliveries = 200

// ListDeliveries returns a page of the deliveries that f fits, the newest first
// and older than before, if that is not empty; and whether there are more.
func (s *Service) ListDeliveries(ctx context.Context, f DeliveryFilter, before DeliveryID, limit int) (all []Delivery, more bool, err error) {
	return s.Store.DeliveryPage(ctx, f, before, min(max(limit, 1), MaxDeliveries))
}

// ReadDelivery returns a delivery, its message, and its tries, oldest first. It
// returns an *Error of the kind NotFound if there is none.
func (s *Service) ReadDelivery(ctx context.Context, id DeliveryID) (Delivery, Message, []Try, error) {
	d, err := s.Store.Delivery(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return d, Message{}, nil, &Error{Kind: NotFound, Message: "There is no such delivery; it may have been pruned."}
	}
	if err != nil {
		return d, Message{}, nil, err
	}
	m, err := s.Store.Message(ctx, d.Message)
	if err != nil {
		return d, m, nil, err
	}
	tries, err := s.Store.Tries(ctx, id)
	return d, m, tries, err
}

// Replay has a delivery tried again from the beginning of its schedule, now,
// with the same MessageID, also one that has arrived.
func (s *Service) Replay(ctx context.Context, id DeliveryID) error {
	var sub SubscriptionARN
	err := s.Store.UpdateNotify(ctx, func(tx Tx) error {
		d, err := tx.Delivery(ctx, id)
		if errors.Is(err, ErrNotFound) {
			return &Error{Kind: NotFound, Message: "There is no such delivery; it may have been pruned."}
		}
		if err != nil {
			return err
		}
		sub = d.Subscription
		return s.replay(ctx, tx, d)
	})
	if err != nil {
		return fmt.Errorf("replay delivery %q: %w", id, err)
	}
	s.roads.look(sub)
	return nil
}

func (s *Service) replay(ctx context.Context, tx Tx, d Delivery) error {
	if d.State == Pending && d.Node != "" {
		return nil // it is being tried this moment
	}
	if d.Subscription != SubscriptionARN(d.Topic) {
		sub, err := tx.Subscription(ctx, d.Subscription)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err != nil || !sub.DeleteTime.IsZero() {
			return invalid("The subscription has ended; nobody waits for this delivery any more.")
		}
	}
	now := s.Now()
	d.State, d.Due, d.RoundTime, d.RoundTries, d.Node, d.DeliverTime = Pending, now, now, 0, "", time.Time{}
	return tx.UpdateDelivery(ctx, d)
}

// replayBatch is how many deliveries one transaction of ReplayAll changes.
const replayBatch = 100

// ReplayAll has all dead deliveries tried again that f fits, but those of
// subscriptions that have ended. It returns how many they are.
func (s *Service) ReplayAll(ctx context.Context, f DeliveryFilter) (n int, err error) {
	f.State = Dead
	var before DeliveryID
	for more := true; more; {
		var page []Delivery
		if page, more, err = s.Store.DeliveryPage(ctx, f, before, replayBatch); err != nil {
			return n, fmt.Errorf("replay deliveries: %w", err)
		}
		if len(page) == 0 {
			break
		}
		before = page[len(page)-1].ID
		replayed, err := s.replayPage(ctx, page)
		n += replayed
		if err != nil {
			return n, fmt.Errorf("replay deliveries: %w", err)
		}
	}
	return n, nil
}

func (s *Service) replayPage(ctx context.Context, page []Delivery) (n int, err error) {
	subs := map[SubscriptionARN]bool{}
	err = s.Store.UpdateNotify(ctx, func(tx Tx) error {
		n = 0
		for _, listed := range page {
			d, err := tx.Delivery(ctx, listed.ID)
			if errors.Is(err, ErrNotFound) || err == nil && d.State != Dead {
				continue
			}
			if err == nil {
				err = s.replay(ctx, tx, d)
			}
			if IsKind(err, Invalid) {
				continue
			}
			if err != nil {
				return err
			}
			subs[d.Subscription] = true
			n++
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for sub := range subs {
		s.roads.look(sub)
	}
	return n, nil
}

// pruneBatch is how many messages one transaction of Prune deletes.
const pruneBatch = 200

// Prune deletes messages that are older than KeepFor and need no more
// deliveries. Dead letters stay.
func (s *Service) Prune(ctx context.Context) error {
	if s.KeepFor == 0 {
		return nil
	}
	for total := 0; ; {
		n, err := s.Store.PruneMessages(ctx, s.Now().Add(-s.KeepFor), pruneBatch)
		if err != nil {
			return err
		}
		if total += n; n < pruneBatch {
			if total > 0 {
				s.Logger.Info("old messages deleted", "count", total)
			}
			return nil
		}
	}
}
