package notify

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// TopicARN names a topic, for instance
// arn:aws:sns:eu-west-1:000000000000:etude-jobs.
type TopicARN string

// Topic is what messages are published to.
type Topic struct {
	ARN        TopicARN
	Attributes Attributes // those that were set
	Tags       map[string]string
	CreateTime time.Time
}

// Attributes are what was set of a topic or a subscription, by SNS's names and
// in its spelling.
type Attributes map[string]string

// The attributes of topics that Etude acts on.
const (
	DisplayName      = "DisplayName"      // the sender's name in e-mails
	DeliveryPolicy   = "DeliveryPolicy"   // JSON; of subscriptions too
	SignatureVersion = "SignatureVersion" // 1 or 2; none is 1
)

// Name is the last part of the topic's ARN.
func (t TopicARN) Name() string { return string(t)[strings.LastIndexByte(string(t), ':')+1:] }

// TopicSpec is a topic as it is asked for.
type TopicSpec struct {
	Name       string
	Attributes Attributes
	Tags       map[string]string
}

// SubscriptionCounts says how many subscriptions a topic has.
type SubscriptionCounts struct{ Confirmed, Pending, Deleted int }

var topicName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

// CreateTopic returns the ARN of the topic of that name, and makes it if there
// is none, as in SNS: what else spec asks for must be as it is already.
func (s *Service) CreateTopic(ctx context.Context, spec TopicSpec) (TopicARN, error) {
	t, err := s.newTopic(spec)
	if err != nil {
		return "", err
	}
	err = s.Store.UpdateNotify(ctx, func(tx Tx) error {
		is, err := tx.EnsureTopic(ctx, t)
		if err != nil {
			return err
		}
		for name, want := range t.Attributes {
			if topicDefault(name, is.Attributes[name]) != topicDefault(name, want) {
				return invalid("Invalid parameter: Attributes Reason: Topic already exists with different attributes")
			}
		}
		for key, want := range t.Tags {
			if got, ok := is.Tags[key]; !ok || got != want {
				return invalid("Invalid parameter: Tags Reason: Topic already exists with different tags")
			}
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("create topic %q: %w", spec.Name, err)
	}
	return t.ARN, nil
}

func (s *Service) newTopic(spec TopicSpec) (Topic, error) {
	if !topicName.MatchString(spec.Name) {
		return Topic{}, invalid("Invalid parameter: Topic Name")
	}
	attributes := Attributes{}
	for name, value := range spec.Attributes {
		if err := checkTopicAttribute(name, value); err != nil {
			return Topic{}, invalid("Invalid parameter: Attributes Reason: %w", err)
		}
		if value = topicValue(name, value); value != "" {
			attributes[name] = value
		}
	}
	if err := checkTags(spec.Tags); err != nil {
		return Topic{}, err
	}
	return Topic{ARN: TopicARN(s.topicPrefix() + spec.Name), Attributes: attributes, Tags: spec.Tags, CreateTime: s.Now()}, nil
}

// topicPrefix begins the ARNs of all topics here.
func (s *Service) topicPrefix() string { return "arn:aws:sns:" + s.Region + ":" + s.Account + ":" }

// DeleteTopic deletes a topic and its subscriptions. It is no error if there is
// none.
func (s *Service) DeleteTopic(ctx context.Context, arn TopicARN) error {
	if err := s.checkTopicARN(arn); err != nil {
		return err
	}
	err := s.Store.UpdateNotify(ctx, func(tx Tx) error {
		err := tx.DeleteTopic(ctx, arn, s.Now())
		return ignoreNotFound(err)
	})
	if err != nil {
		return fmt.Errorf("delete topic %s: %w", arn, err)
	}
	return nil
}

// checkTopicARN refuses what is no ARN of a topic that could be here.
func (s *Service) checkTopicARN(arn TopicARN) error {
	if err := checkARN("TopicArn", string(arn)); err != nil {
		return err
	}
	name, here := strings.CutPrefix(string(arn), s.topicPrefix())
	if !here || !topicName.MatchString(name) {
		return invalid("Invalid parameter: TopicArn Reason: the topics of this server begin with %s", s.topicPrefix())
	}
	return nil
}

// checkARN has SNS's words for a parameter that is no ARN at all.
func checkARN(parameter, arn string) error {
	if n := 1 + strings.Count(arn, ":"); n < 6 {
		return invalid("Invalid parameter: %s Reason: An ARN must have at least 6 elements, not %d", parameter, n)
	}
	return nil
}

var errNoTopic = &Error{Kind: NotFound, Message: "Topic does not exist", Err: ErrNotFound}

// Topic returns a topic and how many subscriptions it has.
func (s *Service) Topic(ctx context.Context, arn TopicARN) (Topic, SubscriptionCounts, error) {
	if err := s.checkTopicARN(arn); err != nil {
		return Topic{}, SubscriptionCounts{}, err
	}
	t, err := s.Store.Topic(ctx, arn)
	if errors.Is(err, ErrNotFound) {
		return Topic{}, SubscriptionCounts{}, errNoTopic
	}
	if err != nil {
		return Topic{}, SubscriptionCounts{}, err
	}
	counts, err := s.Store.CountSubscriptions(ctx, t)
	return t, counts, err
}

// PageSize is how many topics or subscriptions a list returns at once, as in
// SNS.
const PageSize = 100

// ListTopics returns the topics after one, and whether there are more.
func (s *Service) ListTopics(ctx context.Context, after TopicARN) (topics []Topic, more bool, err error) {
	return s.Store.Topics(ctx, after, PageSize)
}

// SetTopicAttribute sets an attribute of a topic; an empty value takes it away.
func (s *Service) SetTopicAttribute(ctx context.Context, arn TopicARN, name, value string) error {
	if err := s.checkTopicARN(arn); err != nil {
		return err
	}
	if !isTopicAttribute(name) {
		return invalid("Invalid parameter: AttributeName")
	}
	if err := checkTopicAttribute(name, value); err != nil {
		return invalid("Invalid parameter: %w", err)
	}
	return s.changeTopic(ctx, arn, errNoTopic, func(t *Topic) error {
		t.Attributes = t.Attributes.with(name, topicValue(name, value))
		return nil
	})
}

func (s *Service) changeTopic(ctx context.Context, arn TopicARN, none error, change func(*Topic) error) error {
	err := s.Store.UpdateNotify(ctx, func(tx Tx) error {
		t, err := tx.Topic(ctx, arn)
		if errors.Is(err, ErrNotFound) {
			return none
		}
		if err == nil {
			err = change(&t)
		}
		if err != nil {
			return err
		}
		return tx.UpdateTopic(ctx, t)
	})
	if err != nil {
		return fmt.Errorf("change topic %s: %w", arn, err)
	}
	return nil
}

// HasTopic reports whether there is a topic of that ARN, here or at AWS.
func (s *Service) HasTopic(ctx context.Context, arn TopicARN) (bool, error) {
	if s.isElsewhere(arn) {
		return true, nil
	}
	_, err := s.Store.Topic(ctx, arn)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
