package verify

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"etude/internal/snsmsg"
)

// Message is what was signed, and nothing else of what came: who changes a
// message on its way may put anything into the rest.
type Message struct {
	Type      string // see snsmsg
	ID        string // a UUID, the same whenever the message is sent again
	Topic     Topic
	Subject   string // may be empty
	Text      string // SNS calls it Message; words for people in confirmations
	Token     string // of confirmations
	Published time.Time
}

// envelope is a message as it came: the members of a JSON object that are
// strings, by their exact names.
type envelope map[string]string

// parse reads a message. Its members but for Message have one line each: in
// the text that is signed they stand one below the other, and one that had line
// breaks could pass for several.
func parse(body []byte) (envelope, error) {
	if !utf8.Valid(body) {
		return nil, refuse(Malformed, "it is not UTF-8")
	}
	var all map[string]json.RawMessage // exact names, where a struct takes any case
	if err := json.Unmarshal(body, &all); err != nil || all == nil {
		return nil, refuse(Malformed, "it is no JSON object")
	}
	e := envelope{}
	for name, raw := range all {
		var text string
		if len(raw) == 0 || raw[0] != '"' {
			continue // MessageAttributes, which nobody signs
		}
		if err := json.Unmarshal(raw, &text); err != nil {
			return nil, refuse(Malformed, "its %.40q is no string", name)
		}
		e[name] = text
	}
	for _, name := range []string{"Type", "MessageId", "TopicArn", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL", "Message"} {
		if _, ok := e[name]; !ok {
			return nil, refuse(Malformed, "it has no %s", name)
		}
	}
	for name, text := range e {
		if name != "Message" && strings.ContainsAny(text, "\n\r") {
			return nil, refuse(Malformed, "its %.40q has more than one line", name)
		}
	}
	return e, e.check()
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func (e envelope) check() error {
	if !uuid.MatchString(e["MessageId"]) {
		return refuse(Malformed, "its MessageId is no UUID")
	}
	switch e["Type"] {
	case snsmsg.Notification:
	case snsmsg.SubscriptionConfirmation, snsmsg.UnsubscribeConfirmation:
		if e["Token"] == "" || e["SubscribeURL"] == "" {
			return refuse(Malformed, "a %s has a Token and a SubscribeURL", e["Type"])
		}
	default:
		return refuse(Malformed, "its Type %.40q is none of SNS's", e["Type"])
	}
	if _, err := e.written().Time(); err != nil {
		return refuse(Malformed, "its Timestamp %.40q is none", e["Timestamp"])
	}
	return nil
}

// written is the message as its signature is of it.
func (e envelope) written() *snsmsg.Message {
	return &snsmsg.Message{
		Type: e["Type"], MessageID: e["MessageId"], Token: e["Token"], TopicARN: e["TopicArn"], Subject: e["Subject"], Message: e["Message"],
		SubscribeURL: e["SubscribeURL"], Timestamp: e["Timestamp"], SignatureVersion: e["SignatureVersion"], Signature: e["Signature"],
	}
}

func (e envelope) message(topic Topic) Message {
	m := Message{Type: e["Type"], ID: e["MessageId"], Topic: topic, Text: e["Message"]}
	if m.Type == snsmsg.Notification {
		m.Subject = e["Subject"]
	} else {
		m.Token = e["Token"]
	}
	m.Published, _ = e.written().Time() // parse has checked it
	return m
}
