package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"etude/internal/snsfilter"
	"etude/internal/snsmsg"
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
// and makes it if there is none, as in SNS: the attributes that spec has must be
// as they are already. One that is not Confirmed waits for its endpoint's owner,
// who is asked, each time, by a message with a token.
func (s *Service) Subscribe(ctx context.Context, spec SubscriptionSpec) (Subscription, error) {
	want, err := s.newSubscription(ctx, spec)
	if err != nil {
		return Subscription{}, err
	}
	var sub Subscription
	err = s.Store.UpdateNotify(ctx, func(tx Tx) error {
		if _, err := tx.Topic(ctx, spec.Topic); errors.Is(err, ErrNotFound) {
			return errNoTopic
		} else if err != nil {
			return err
		}
		var fresh bool
		if sub, fresh, err = tx.EnsureSubscription(ctx, want); err != nil {
			return err
		}
		if !fresh && !sub.has(want.Attributes) {
			return invalid("Invalid parameter: Attributes Reason: Subscription already exists with different attributes")
		}
		if sub.Confirmed {
			return nil
		}
		return s.ask(ctx, tx, &sub, SubscriptionConfirmation, snsmsg.SubscribeText(string(sub.Topic)))
	})
	if err != nil {
		return Subscription{}, fmt.Errorf("subscribe %s %q to %s: %w", spec.Protocol, spec.Endpoint, spec.Topic, err)
	}
	return sub, nil
}

// asking are the protocols whose endpoints have owners of their own, who are to
// agree first.
func (p Protocol) asking() bool {
	return p == HTTP || p == HTTPS || p == Email || p == EmailJSON
}

func (s *Service) newSubscription(ctx context.Context, spec SubscriptionSpec) (Subscription, error) {
	if err := s.checkTopicARN(spec.Topic); err != nil {
		return Subscription{}, err
	}
	if err := s.checkEndpoint(ctx, spec.Protocol, spec.Endpoint); err != nil {
		return Subscription{}, err
	}
	sub := Subscription{
		ARN: SubscriptionARN(string(spec.Topic) + ":" + uuid.NewString()), Topic: spec.Topic,
		Protocol: spec.Protocol, Endpoint: spec.Endpoint, Attributes: spec.Attributes,
		Confirmed: !spec.Protocol.asking(), Authenticated: !spec.Protocol.asking(), LockUnsubscribe: !spec.Protocol.asking(),
		CreateTime: s.Now(),
	}
	for name, value := range spec.Attributes {
		if !slices.Contains(subscriptionAttributes, name) {
			return Subscription{}, invalid("Invalid parameter: Attributes Reason: Unknown attribute %.64s", name)
		}
		if value == "" && name != RawMessageDelivery {
			sub.Attributes = sub.Attributes.with(name, "")
		}
	}
	for name := range sub.Attributes {
		if err := s.checkSubscription(&sub, name); err != nil {
			return Subscription{}, invalid("Invalid parameter: Attributes Reason: %w", err)
		}
	}
	return sub, nil
}

// has reports whether a subscription has these attributes.
func (s *Subscription) has(wanted Attributes) bool {
	for name, want := range wanted {
		got := s.Attributes[name]
		switch {
		case name == RawMessageDelivery && got == "":
			got = "false"
		case name == FilterPolicyScope && got == "":
			got = string(snsfilter.Attributes)
		}
		if got != want {
			return false
		}
	}
	return true
}

// awsProtocols are those of SNS that are not here.
var awsProtocols = []Protocol{"lambda", "sms", "application", "firehose", HTTP, HTTPS, SQS, Email, EmailJSON}

// maxEndpoint is the longest endpoint, in bytes.
const maxEndpoint = 2048

func (s *Service) checkEndpoint(ctx context.Context, protocol Protocol, endpoint string) error {
	if s.Deliver[protocol] == nil || protocol == Elsewhere {
		if !slices.Contains(awsProtocols, protocol) {
			return invalid("Invalid parameter: Amazon SNS does not support this protocol string: %.64s", protocol)
		}
		var here []string
		for p := range s.Deliver {
			if slices.Contains(awsProtocols, p) {
				here = append(here, string(p))
			}
		}
		slices.Sort(here)
		return invalid("Invalid parameter: Protocol Reason: this server does not deliver by %s, but by %s", protocol, cmp.Or(strings.Join(here, ", "), "none of SNS's protocols"))
	}
	if len(endpoint) > maxEndpoint || !utf8.ValidString(endpoint) || strings.ContainsFunc(endpoint, unicode.IsControl) {
		return invalid("Invalid parameter: Endpoint Reason: it may have %d bytes, and no control characters", maxEndpoint)
	}
	switch protocol {
	case HTTP, HTTPS:
		return s.checkURL(ctx, protocol, endpoint)
	case SQS:
		switch {
		case !isQueueARN(endpoint):
			return invalid("Invalid parameter: SQS endpoint ARN")
		case strings.HasSuffix(endpoint, ".fifo"):
			return invalid("Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")
		}
	case Email, EmailJSON:
		if a, err := mail.ParseAddress(endpoint); err != nil || a.Address != endpoint {
			return invalid("Invalid parameter: Email address")
		}
	}
	return nil
}

func (s *Service) checkURL(ctx context.Context, protocol Protocol, endpoint string) error {
	u, err := url.Parse(endpoint)
	switch {
	case !strings.HasPrefix(strings.ToLower(endpoint), string(protocol)+"://"):
		return invalid("Invalid parameter: Endpoint must match the specified protocol")
	case err != nil:
		return invalid("Invalid parameter: Endpoint Reason: it is not a URL")
	case u.Hostname() == "":
		return invalid("Invalid parameter: Endpoint Reason: it names no host")
	case u.Fragment != "":
		return invalid("Invalid parameter: Endpoint Reason: a URL that is posted to has no fragment (#)")
	case s.CheckURL == nil:
		return nil
	}
	if err := s.CheckURL(ctx, endpoint); err != nil {
		return invalid("Invalid parameter: Endpoint Reason: %w", err)
	}
	return nil
}

var errNoSubscription = &Error{Kind: NotFound, Message: "Subscription does not exist", Err: ErrNotFound}

// checkSubscriptionARN refuses what is no ARN of a subscription.
func checkSubscriptionARN(arn SubscriptionARN) error {
	if arn == "" {
		return invalid("Invalid parameter: SubscriptionArn Reason: no value for required parameter")
	}
	if err := checkARN("SubscriptionArn", string(arn)); err != nil {
		return err
	}
	id := string(arn)[strings.LastIndexByte(string(arn), ':')+1:]
	if strings.Count(string(arn), ":") != 6 || uuid.Validate(id) != nil {
		return invalid("Invalid parameter: SubscriptionId")
	}
	return nil
}

// Subscription returns a subscription that lives, and the delivery policy that
// holds for it.
func (s *Service) Subscription(ctx context.Context, arn SubscriptionARN) (Subscription, Policy, error) {
	if err := checkSubscriptionARN(arn); err != nil {
		return Subscription{}, Policy{}, err
	}
	sub, err := s.Store.Subscription(ctx, arn)
	if errors.Is(err, ErrNotFound) || err == nil && !sub.DeleteTime.IsZero() {
		return Subscription{}, Policy{}, errNoSubscription
	}
	if err != nil {
		return Subscription{}, Policy{}, err
	}
	topic, err := s.Store.Topic(ctx, sub.Topic)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Subscription{}, Policy{}, err
	}
	return sub, EffectivePolicy(topic.Attributes, sub.Attributes), nil
}

// ListSubscriptions returns the subscriptions after one, of a topic or, if that
// is empty, of all; and whether there are more.
func (s *Service) ListSubscriptions(ctx context.Context, topic TopicARN, after SubscriptionARN) (subs []Subscription, more bool, err error) {
	if topic != "" {
		if err := s.checkTopicARN(topic); err != nil {
			return nil, false, err
		}
		if _, err := s.Store.Topic(ctx, topic); errors.Is(err, ErrNotFound) {
			return nil, false, errNoTopic
		} else if err != nil {
			return nil, false, err
		}
	}
	return s.Store.SubscriptionPage(ctx, topic, after, PageSize)
}

// SetSubscriptionAttribute sets an attribute of a subscription; an empty value
// takes it away.
func (s *Service) SetSubscriptionAttribute(ctx context.Context, arn SubscriptionARN, name, value string) error {
	if err := checkSubscriptionARN(arn); err != nil {
		return err
	}
	if !slices.Contains(subscriptionAttributes, name) {
		return invalid("Invalid parameter: AttributeName")
	}
	err := s.Store.UpdateNotify(ctx, func(tx Tx) error {
		sub, err := tx.Subscription(ctx, arn)
		if errors.Is(err, ErrNotFound) || err == nil && !sub.DeleteTime.IsZero() {
			return errNoSubscription
		}
		if err != nil {
			return err
		}
		sub.Attributes = sub.Attributes.with(name, value)
		if err := s.checkChange(&sub, name, value); err != nil {
			return invalid("Invalid parameter: %w", err)
		}
		return tx.UpdateSubscription(ctx, sub)
	})
	if err != nil {
		return fmt.Errorf("change subscription %s: %w", arn, err)
	}
	return nil
}

// checkChange checks an attribute that was changed, and a filter policy under a
// scope that was.
func (s *Service) checkChange(sub *Subscription, name, value string) error {
	if value != "" || name == RawMessageDelivery {
		if err := s.checkSubscription(sub, name); err != nil {
			return err
		}
	}
	if name == FilterPolicyScope && sub.Attributes[FilterPolicy] != "" {
		return s.checkSubscription(sub, FilterPolicy)
	}
	return nil
}

// Unsubscribe ends a subscription. It is no error if there is none. A request
// that nobody has signed may not end all: not what needs no confirmation, nor
// what was confirmed so; and the endpoint is told how to restore the
// subscription.
func (s *Service) Unsubscribe(ctx context.Context, arn SubscriptionARN, signed bool) error {
	if err := checkSubscriptionARN(arn); err != nil {
		return err
	}
	err := s.Store.UpdateNotify(ctx, func(tx Tx) error {
		sub, err := tx.Subscription(ctx, arn)
		if err != nil || !sub.DeleteTime.IsZero() {
			return ignoreNotFound(err)
		}
		if !signed && (sub.LockUnsubscribe || !sub.Protocol.asking()) {
			return &Error{Kind: Denied, Message: "This subscription can be ended by a signed request only."}
		}
		sub.DeleteTime = s.Now()
		if err := tx.UpdateSubscription(ctx, sub); err != nil {
			return err
		}
		if signed || !sub.Confirmed {
			return nil
		}
		return s.ask(ctx, tx, &sub, UnsubscribeConfirmation, snsmsg.UnsubscribeText(string(sub.ARN)))
	})
	if err != nil {
		return fmt.Errorf("end subscription %s: %w", arn, err)
	}
	return nil
}
