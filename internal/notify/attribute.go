package notify

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"etude/internal/snsfilter"
)

// with returns a copy that has the attribute; an empty value takes it away.
func (a Attributes) with(name, value string) Attributes {
	b := maps.Clone(a)
	if b == nil {
		b = Attributes{}
	}
	if b[name] = value; value == "" {
		delete(b, name)
	}
	return b
}

// maxAttribute is the longest value of an attribute, in bytes: a filter policy
// may have that.
const maxAttribute = 256 << 10

// keptTopicAttributes are those of SNS that mean nothing here, and are only
// given back.
var keptTopicAttributes = []string{
	"ApplicationFailureFeedbackRoleArn", "ApplicationSuccessFeedbackRoleArn", "ApplicationSuccessFeedbackSampleRate",
	"FirehoseFailureFeedbackRoleArn", "FirehoseSuccessFeedbackRoleArn", "FirehoseSuccessFeedbackSampleRate",
	"HTTPFailureFeedbackRoleArn", "HTTPSuccessFeedbackRoleArn", "HTTPSuccessFeedbackSampleRate",
	"KmsMasterKeyId",
	"LambdaFailureFeedbackRoleArn", "LambdaSuccessFeedbackRoleArn", "LambdaSuccessFeedbackSampleRate",
	"SQSFailureFeedbackRoleArn", "SQSSuccessFeedbackRoleArn", "SQSSuccessFeedbackSampleRate",
}

// TopicPolicy is the attribute with an access policy. Here the roles of access
// keys say who may do what; the policy is only kept and given back.
const TopicPolicy = "Policy"

const (
	tracingConfig = "TracingConfig"
	fifoTopic     = "FifoTopic"
	contentDedup  = "ContentBasedDeduplication"
)

func isTopicAttribute(name string) bool {
	return slices.Contains([]string{DisplayName, DeliveryPolicy, SignatureVersion, TopicPolicy, tracingConfig, fifoTopic, contentDedup}, name) ||
		slices.Contains(keptTopicAttributes, name)
}

// checkTopicAttribute says what is wrong with an attribute, beginning with its
// name.
func checkTopicAttribute(name, value string) error {
	if !isTopicAttribute(name) {
		return worded("Unknown attribute %.64s", name)
	}
	if err := checkText(name, value); err != nil {
		return err
	}
	if value == "" {
		return nil
	}
	switch name {
	case DisplayName:
		if utf8.RuneCountInString(value) > 100 || strings.ContainsFunc(value, unicode.IsControl) {
			return errors.New("DisplayName: it may have 100 characters, and no control characters")
		}
	case DeliveryPolicy:
		if _, _, err := ParseTopicPolicy(value); err != nil {
			return fmt.Errorf("DeliveryPolicy: %w", err)
		}
	case SignatureVersion:
		return oneOf(name, value, "1", "2")
	case tracingConfig:
		return oneOf(name, value, "PassThrough", "Active")
	case TopicPolicy:
		if json.Unmarshal([]byte(value), new(map[string]any)) != nil {
			return errors.New("Policy: it is not the JSON of a policy")
		}
	case fifoTopic, contentDedup:
		if value != "false" {
			return fmt.Errorf("%s: this server has standard topics only", name)
		}
	}
	return nil
}

// worded is an error in SNS's words, which are not spelled as Go's are.
func worded(format string, args ...any) error { return fmt.Errorf(format, args...) }

// topicValue is what is kept of a value: nothing of what goes without saying.
func topicValue(name, value string) string {
	if name == fifoTopic || name == contentDedup {
		return ""
	}
	return value
}

// topicDefault is what a value comes to.
func topicDefault(name, value string) string {
	switch {
	case value == "" && name == SignatureVersion:
		return "1"
	case value == "" && name == tracingConfig:
		return "PassThrough"
	}
	return value
}

func checkText(name, value string) error {
	if len(value) > maxAttribute || !utf8.ValidString(value) {
		return fmt.Errorf("%s: it may have 256 KB of UTF-8", name)
	}
	return nil
}

func oneOf(name, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return worded("%s: Invalid value [%.64s]. Must be %s.", name, value, strings.Join(allowed, " or "))
}

var subscriptionAttributes = []string{DeliveryPolicy, FilterPolicy, FilterPolicyScope, RawMessageDelivery, RedrivePolicy, WebhookSecret}

// checkSubscription says what is wrong with a subscription's attribute, given
// all the others; the error begins with its name.
func (s *Service) checkSubscription(sub *Subscription, name string) error {
	value := sub.Attributes[name]
	if err := checkText(name, value); err != nil {
		return err
	}
	switch name {
	case RawMessageDelivery:
		if sub.Protocol != HTTP && sub.Protocol != HTTPS && sub.Protocol != SQS && value == "true" {
			return worded("Delivery protocol [%s] does not support raw message delivery.", sub.Protocol)
		}
		return oneOf(name, value, "true", "false")
	case FilterPolicyScope:
		if value != string(snsfilter.Attributes) && value != string(snsfilter.Body) {
			return fmt.Errorf("FilterPolicyScope: Invalid value [%.64s]. Please use either MessageBody or MessageAttributes", value)
		}
	case FilterPolicy:
		_, err := snsfilter.Parse(value, sub.filterScope())
		return err
	case DeliveryPolicy:
		if _, err := ParseSubscriptionPolicy(value, Policy{Retry: DefaultRetry}); err != nil {
			return fmt.Errorf("DeliveryPolicy: %w", err)
		}
	case RedrivePolicy:
		return s.checkRedrive(value)
	case WebhookSecret:
		return checkSecret(sub.Protocol, value)
	}
	return nil
}

func (s *Service) checkRedrive(value string) error {
	var policy struct {
		Target string `json:"deadLetterTargetArn"`
	}
	if err := json.Unmarshal([]byte(value), &policy); err != nil {
		return fmt.Errorf("RedrivePolicy: failed to parse JSON. %w", err)
	}
	switch {
	case !isQueueARN(policy.Target):
		return errors.New("RedrivePolicy: deadLetterTargetArn is an invalid arn")
	case s.Redrive == nil:
		return errors.New("RedrivePolicy: this server knows no queues: what could not be delivered is kept here, and can be delivered again from its pages")
	}
	return nil
}

// isQueueARN reports whether arn names a queue of SQS.
func isQueueARN(arn string) bool {
	parts := strings.Split(arn, ":")
	return len(parts) == 6 && parts[0] == "arn" && parts[2] == "sqs" && parts[3] != "" && parts[4] != "" && parts[5] != ""
}

// checkSecret holds that a secret has the form of Standard Webhooks, so that
// receivers' libraries take it.
func checkSecret(protocol Protocol, value string) error {
	if protocol == SQS || protocol == Email || protocol == EmailJSON {
		return errors.New("WebhookSecret: it is for the protocols http and https")
	}
	secrets := strings.Split(value, " ")
	for _, s := range secrets {
		encoded, ok := strings.CutPrefix(s, "whsec_")
		secret, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(secret) < 24 || len(secret) > 64 || len(secrets) > 2 {
			return errors.New("WebhookSecret: it must be whsec_ and the base64 of 24 to 64 random bytes; while one takes the place of another, both with a space between them")
		}
	}
	return nil
}
