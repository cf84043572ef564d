package notify

import "time"

// MessageID is a UUID. A message keeps its ID through every try to deliver it,
// so receivers can tell repeats by it.
type MessageID string

// MessageType is what a message is to the endpoint, in SNS's words.
type MessageType string

// The types of messages. The latter two are for one subscription alone, and
// tell its endpoint a token; see Service.Token.
const (
	Notification             MessageType = "Notification"
	SubscriptionConfirmation MessageType = "SubscriptionConfirmation"
	UnsubscribeConfirmation  MessageType = "UnsubscribeConfirmation"
)

// Message is what was published to a topic, or what its subscription's endpoint
// is asked.
type Message struct {
	ID          MessageID
	Topic       TopicARN
	Type        MessageType
	To          SubscriptionARN     // the only one to get it; empty for all of the topic
	Subject     string              // may be empty
	Body        string              // SNS calls it Message
	Bodies      map[Protocol]string // where they differ from Body
	Attributes  map[string]MessageAttribute
	PublishTime time.Time
}

// MessageAttribute is what a publisher says beside the body.
type MessageAttribute struct {
	// Type is String, String.Array, Number or Binary; each may go on after a
	// dot, with whatever that means to the publisher.
	Type string
	// Value is the bytes of a Binary in base64, and else the text.
	Value string
}

// BodyFor returns the body for the endpoints of a protocol.
func (m *Message) BodyFor(p Protocol) string {
	if body, ok := m.Bodies[p]; ok {
		return body
	}
	return m.Body
}
