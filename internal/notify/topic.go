package notify

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/google/uuid"
)

// TopicARN names a topic, for instance
// arn:aws:sns:eu-west-1:000000000000:etude-jobs.
type TopicARN string

// SubscriptionARN names a subscription: its topic's ARN, a colon and a UUID.
type SubscriptionARN string

// MessageID is a UUID. A message keeps its ID through every try to deliver it,
// so receivers can tell repeats by it.
type MessageID string

// Topic is what messages are published to.
type Topic struct {
	ARN        TopicARN
	CreateTime time.Time
}

// Protocol says how a subscription's messages are delivered.
type Protocol string

// Site delivers into this server's own site, to the messages of its users.
const Site Protocol = "site"

// Subscription hands a topic's messages on to an endpoint.
type Subscription struct {
	ARN        SubscriptionARN
	Topic      TopicARN
	Protocol   Protocol
	Endpoint   string // what it means depends on Protocol; empty for Site
	CreateTime time.Time
}

// Message is what was published to a topic.
type Message struct {
	ID          MessageID
	Topic       TopicARN
	Subject     string // may be empty
	Body        string // SNS calls it Message
	PublishTime time.Time
}

// Delivery is what is left to do, or was done, to hand one message to one
// subscription.
type Delivery struct {
	Message      MessageID
	Subscription SubscriptionARN
	Tries        int
	LastError    string    // of the last try; empty if it went well
	DeliverTime  time.Time // zero until it went well
}

// ErrNotFound is a Store's answer for what it does not have.
var ErrNotFound = errors.New("not found")

var topicName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

// CreateTopic returns the ARN of the topic of that name, and makes it if there
// is none, as in SNS.
func (s *Service) CreateTopic(ctx context.Context, name string) (TopicARN, error) {
	if !topicName.MatchString(name) {
		return "", fmt.Errorf("create topic %q: a name has 1 to 256 letters, digits, hyphens and underscores", name)
	}
	arn := TopicARN(fmt.Sprintf("arn:aws:sns:%s:%s:%s", s.Region, s.Account, name))
	err := s.Store.UpdateNotify(ctx, func(tx Tx) error {
		return tx.EnsureTopic(ctx, Topic{ARN: arn, CreateTime: s.Now()})
	})
	if err != nil {
		return "", fmt.Errorf("create topic %q: %w", name, err)
	}
	return arn, nil
}

// HasTopic reports whether there is a topic of that ARN.
func (s *Service) HasTopic(ctx context.Context, arn TopicARN) (bool, error) {
	_, err := s.Store.Topic(ctx, arn)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Subscribe returns the ARN of the topic's subscription with that protocol and
// endpoint, and makes it if there is none, as in SNS.
func (s *Service) Subscribe(ctx context.Context, topic TopicARN, protocol Protocol, endpoint string) (SubscriptionARN, error) {
	if s.Deliver[protocol] == nil {
		return "", fmt.Errorf("subscribe to %s: there is no protocol %q here", topic, protocol)
	}
	var sub Subscription
	err := s.Store.UpdateNotify(ctx, func(tx Tx) (err error) {
		sub, err = tx.EnsureSubscription(ctx, Subscription{
			ARN: SubscriptionARN(string(topic) + ":" + uuid.NewString()), Topic: topic,
			Protocol: protocol, Endpoint: endpoint, CreateTime: s.Now(),
		})
		return err
	})
	if err != nil {
		return "", fmt.Errorf("subscribe %s %q to %s: %w", protocol, endpoint, topic, err)
	}
	return sub.ARN, nil
}
