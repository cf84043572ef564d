// Package snsmsg writes, signs and reads the messages that Amazon SNS sends to
// endpoints, in the bytes in which SNS sends them, and makes the keys and
// certificates that they are signed with.
//
// It sends nothing, fetches no certificate and trusts none: whether a
// certificate is one that may sign is for others to say.
package snsmsg

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The types of messages.
const (
	Notification             = "Notification"
	SubscriptionConfirmation = "SubscriptionConfirmation"
	UnsubscribeConfirmation  = "UnsubscribeConfirmation"
)

// The headers of a request that brings a message.
const (
	HeaderType         = "X-Amz-Sns-Message-Type"
	HeaderID           = "X-Amz-Sns-Message-Id"
	HeaderTopic        = "X-Amz-Sns-Topic-Arn"
	HeaderSubscription = "X-Amz-Sns-Subscription-Arn"
	HeaderRaw          = "X-Amz-Sns-Rawdelivery"
)

// ContentType is what SNS says of all of its bodies, although they are JSON.
const ContentType = "text/plain; charset=UTF-8"

// UserAgent is SNS's.
const UserAgent = "Amazon Simple Notification Service Agent"

// Message is a message as an endpoint gets it. An empty member is one that it
// does not have.
type Message struct {
	Type             string
	MessageID        string `json:"MessageId"`
	Token            string // of confirmations
	TopicARN         string `json:"TopicArn"`
	Subject          string
	Message          string
	SubscribeURL     string // of confirmations
	Timestamp        string // see Time
	SignatureVersion string // 1 or 2
	Signature        string
	SigningCertURL   string
	UnsubscribeURL   string
	Attributes       map[string]Attribute `json:"MessageAttributes"`
}

// Attribute is what a publisher says beside the message.
type Attribute struct{ Type, Value string }

// timeLayout is that of Timestamp.
const timeLayout = "2006-01-02T15:04:05.000Z"

// FormatTime writes a time as Timestamp has it.
func FormatTime(t time.Time) string { return t.UTC().Format(timeLayout) }

// Time is the moment that Timestamp names.
func (m *Message) Time() (time.Time, error) {
	t, err := time.Parse(time.RFC3339, m.Timestamp)
	if err != nil {
		return time.Time{}, fmt.Errorf("read Timestamp %.64q: it must look like %s", m.Timestamp, timeLayout)
	}
	return t.UTC(), nil
}

// Parse reads a body. It says nothing of who wrote it; see Verify.
func Parse(body []byte) (*Message, error) {
	var m Message
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, fmt.Errorf("read SNS message: %w", err)
	}
	switch m.Type {
	case Notification, SubscriptionConfirmation, UnsubscribeConfirmation:
	default:
		return nil, fmt.Errorf("read SNS message: there is no Type %.64q", m.Type)
	}
	if m.MessageID == "" || m.TopicARN == "" {
		return nil, errors.New("read SNS message: it has no MessageId or no TopicArn")
	}
	return &m, nil
}

// JSON returns the message in SNS's bytes: its order, spaces and line ends.
func (m *Message) JSON() []byte {
	var b bytes.Buffer
	between := "{\n"
	for _, f := range m.fields() {
		if f.value == "" && !f.always {
			continue
		}
		b.WriteString(between + "  \"" + f.key + "\" : ")
		b.Write(quote(f.value))
		between = ",\n"
	}
	if len(m.Attributes) > 0 {
		b.WriteString(between)
		m.writeAttributes(&b)
	}
	b.WriteString("\n}")
	return b.Bytes()
}

type field struct {
	key, value string
	always     bool
}

// fields are the members in SNS's order, but for the attributes, which are last.
func (m *Message) fields() []field {
	return []field{
		{"Type", m.Type, true},
		{"MessageId", m.MessageID, true},
		{"Token", m.Token, false},
		{"TopicArn", m.TopicARN, true},
		{"Subject", m.Subject, false},
		{"Message", m.Message, true},
		{"SubscribeURL", m.SubscribeURL, false},
		{"Timestamp", m.Timestamp, true},
		{"SignatureVersion", m.SignatureVersion, true},
		{"Signature", m.Signature, true},
		{"SigningCertURL", m.SigningCertURL, true},
		{"UnsubscribeURL", m.UnsubscribeURL, false},
	}
}

func (m *Message) writeAttributes(b *bytes.Buffer) {
	between := "  \"MessageAttributes\" : {\n"
	for _, name := range slices.Sorted(maps.Keys(m.Attributes)) {
		b.WriteString(between + "    ")
		b.Write(quote(name))
		b.WriteString(` : {"Type":`)
		b.Write(quote(m.Attributes[name].Type))
		b.WriteString(`,"Value":`)
		b.Write(quote(m.Attributes[name].Value))
		b.WriteString("}")
		between = ",\n"
	}
	b.WriteString("\n  }")
}

// quote writes a JSON string in which only what must be is escaped.
func quote(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(valid(s)) // a string can always be written
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// valid replaces what JSON cannot carry, before it is signed as well as after.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// Header returns the headers with which SNS sends the message to a subscription.
// A confirmation of a subscription does not name it.
func (m *Message) Header(subscription string) http.Header {
	h := http.Header{
		HeaderType: {m.Type}, HeaderID: {m.MessageID}, HeaderTopic: {m.TopicARN},
		"Content-Type": {ContentType}, "User-Agent": {UserAgent}, "Accept-Encoding": {"gzip,deflate"},
	}
	if m.Type != SubscriptionConfirmation {
		h.Set(HeaderSubscription, subscription)
	}
	return h
}

// SubscribeText is the Message of a SubscriptionConfirmation.
func SubscribeText(topicARN string) string {
	return "You have chosen to subscribe to the topic " + topicARN +
		".\nTo confirm the subscription, visit the SubscribeURL included in this message."
}

// UnsubscribeText is the Message of an UnsubscribeConfirmation.
func UnsubscribeText(subscriptionARN string) string {
	return "You have chosen to deactivate subscription " + subscriptionARN +
		".\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message."
}

// SubscribeURL is the link that confirms a subscription, below the base URL of
// the endpoint that speaks SNS. As at AWS, the ARN is not escaped.
func SubscribeURL(base, topicARN, token string) string {
	return strings.TrimSuffix(base, "/") + "/?Action=ConfirmSubscription&TopicArn=" + topicARN + "&Token=" + token
}

// UnsubscribeURL is the link that ends a subscription.
func UnsubscribeURL(base, subscriptionARN string) string {
	return strings.TrimSuffix(base, "/") + "/?Action=Unsubscribe&SubscriptionArn=" + subscriptionARN
}
