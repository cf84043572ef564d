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
// is none, as in SNS.
func (s *Service) CreateTopic(ctx context.Context, spec TopicSpec) (TopicARN, error) {
	if !topicName.MatchString(spec.Name) {
		return "", invalid("Invalid parameter: Topic Name")
	}
	arn := TopicARN(fmt.Sprintf("arn:aws:sns:%s:%s:%s", s.Region, s.Account, spec.Name))
	t := Topic{ARN: arn, Attributes: spec.Attributes, Tags: spec.Tags, CreateTime: s.Now()}
	err := s.Store.UpdateNotify(ctx, func(tx Tx) error {
		_, err := tx.EnsureTopic(ctx, t)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("create topic %q: %w", spec.Name, err)
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
