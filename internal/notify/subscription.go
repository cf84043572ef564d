package notify

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"etude/internal/snsfilter"
)

// SubscriptionARN names a subscription: its topic's ARN, a colon and a UUID.
type SubscriptionARN string

// Protocol says how a subscription's messages are delivered.
type Protocol string

// The protocols. Which of them a server has is said by Config.Deliver.
const (
	// Site delivers into this server's own site, to the messages of its users.
	Site Protocol = "site"

	HTTP      Protocol = "http"
	HTTPS     Protocol = "https"
	SQS       Protocol = "sqs"
	Email     Protocol = "email"
	EmailJSON Protocol = "email-json"
)

// Subscription hands a topic's messages on to an endpoint.
type Subscription struct {
	ARN        SubscriptionARN
	Topic      TopicARN
	Protocol   Protocol
	Endpoint   string // what it means depends on Protocol; empty for Site
	Attributes Attributes

	// Confirmed is whether the endpoint's owner agreed; until then it gets
	// nothing but what asks for that.
	Confirmed bool
	// Authenticated is whether the confirmation was signed with an access key.
	Authenticated bool
	// LockUnsubscribe is whether only signed requests may end the subscription.
	LockUnsubscribe bool

	CreateTime time.Time
	// DeleteTime is zero while the subscription lives. A deleted one is kept for
	// those who read of its deliveries.
	DeleteTime time.Time
}

// The attributes of subscriptions, besides DeliveryPolicy.
const (
	FilterPolicy       = "FilterPolicy"       // JSON
	FilterPolicyScope  = "FilterPolicyScope"  // MessageAttributes, MessageBody; none is the former
	RawMessageDelivery = "RawMessageDelivery" // true or false
	RedrivePolicy      = "RedrivePolicy"      // JSON with the ARN of a dead-letter queue
	// WebhookSecret is Etude's own: with it, deliveries carry the headers of
	// Standard Webhooks. It has their form, whsec_ and base64.
	WebhookSecret = "WebhookSecret"
)

// SubscriptionSpec is a subscription as it is asked for.
type SubscriptionSpec struct {
	Topic      TopicARN
	Protocol   Protocol
	Endpoint   string
	Attributes Attributes
}

// Raw reports whether the endpoint gets the message's body alone.
func (s *Subscription) Raw() bool { return s.Attributes[RawMessageDelivery] == "true" }

// Accepts reports whether a subscription is to get a message that was published
// to its topic: it is confirmed, lives, and its filter policy lets the message
// pass. Policies were checked when they were set; one that cannot be read lets
// nothing pass.
func (s *Subscription) Accepts(m *Message) bool {
	if !s.Confirmed || !s.DeleteTime.IsZero() {
		return false
	}
	text := s.Attributes[FilterPolicy]
	if text == "" {
		return true
	}
	policy, err := snsfilter.Parse(text, s.filterScope())
	switch {
	case err != nil:
		return false
	case s.filterScope() == snsfilter.Body:
		return policy.MatchBody(m.BodyFor(s.Protocol))
	}
	return policy.MatchAttributes(func(name string) (dataType, value string, ok bool) {
		a, ok := m.Attributes[name]
		return a.Type, a.Value, ok
	})
}

func (s *Subscription) filterScope() snsfilter.Scope {
	return snsfilter.Scope(cmp.Or(s.Attributes[FilterPolicyScope], string(snsfilter.Attributes)))
}

// Subscribe returns the topic's subscription with that protocol and endpoint,
// and makes it if there is none, as in SNS. One that is not Confirmed waits for
// its endpoint's owner, who is asked by a message with a token.
func (s *Service) Subscribe(ctx context.Context, spec SubscriptionSpec) (Subscription, error) {
	if s.Deliver[spec.Protocol] == nil {
		return Subscription{}, invalid("Invalid parameter: Amazon SNS does not support this protocol string: %s", spec.Protocol)
	}
	var sub Subscription
	err := s.Store.UpdateNotify(ctx, func(tx Tx) (err error) {
		if _, err := tx.Topic(ctx, spec.Topic); err != nil {
			return err
		}
		sub, _, err = tx.EnsureSubscription(ctx, Subscription{
			ARN: SubscriptionARN(string(spec.Topic) + ":" + uuid.NewString()), Topic: spec.Topic,
			Protocol: spec.Protocol, Endpoint: spec.Endpoint, Attributes: spec.Attributes,
			Confirmed: true, CreateTime: s.Now(),
		})
		return err
	})
	if err != nil {
		return Subscription{}, fmt.Errorf("subscribe %s %q to %s: %w", spec.Protocol, spec.Endpoint, spec.Topic, err)
	}
	return sub, nil
}
