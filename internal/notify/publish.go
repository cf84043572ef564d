package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Publication is a message as it is asked to be published.
type Publication struct {
	Topic      TopicARN
	Subject    *string // nil for none
	Message    string
	Structure  string // "json" if Message has a body for each protocol, or empty
	Attributes map[string]MessageAttribute
}

// MaxMessage is how long a message may be with its attributes, in bytes; and how
// long those of a batch may be together.
const MaxMessage = 256 << 10

// maxSubject is how many characters a subject may have.
const maxSubject = 100

// PublishMessage keeps a message for all who subscribe to its topic.
func (s *Service) PublishMessage(ctx context.Context, p Publication) (MessageID, error) {
	if err := s.checkTopicARN(p.Topic); err != nil {
		return "", err
	}
	m, err := s.newMessage(p)
	if err != nil {
		return "", err
	}
	if p.size() > MaxMessage {
		return "", invalid("Invalid parameter: Message too long")
	}
	if err := s.keep(ctx, p.Topic, m); err != nil {
		return "", err
	}
	return m.ID, nil
}

// keep puts messages of a topic that is there into the store, all or none.
func (s *Service) keep(ctx context.Context, topic TopicARN, messages ...Message) error {
	err := s.Store.UpdateNotify(ctx, func(tx Tx) error {
		if _, err := tx.Topic(ctx, topic); errors.Is(err, ErrNotFound) {
			return errNoTopic
		} else if err != nil {
			return err
		}
		for _, m := range messages {
			if err := tx.InsertMessage(ctx, m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("publish to %s: %w", topic, err)
	}
	return nil
}

func (s *Service) newMessage(p Publication) (Message, error) {
	m := Message{
		ID: MessageID(uuid.NewString()), Topic: p.Topic, Type: Notification, Body: p.Message,
		Attributes: p.Attributes, PublishTime: s.Now(),
	}
	if p.Message == "" {
		return m, invalid("Invalid parameter: Empty message")
	}
	if !utf8.ValidString(p.Message) {
		return m, invalid("Invalid parameter: Message Reason: it is not UTF-8")
	}
	if p.Subject != nil {
		if !goodSubject(*p.Subject) {
			return m, invalid("Invalid parameter: Subject")
		}
		m.Subject = *p.Subject
	}
	switch p.Structure {
	case "":
	case "json":
		if err := m.readBodies(p.Message); err != nil {
			return m, err
		}
	default:
		return m, invalid("Invalid parameter: MessageStructure")
	}
	for name, a := range p.Attributes {
		if err := a.check(name); err != nil {
			return m, err
		}
	}
	return m, nil
}

func goodSubject(text string) bool {
	return text != "" && utf8.ValidString(text) && utf8.RuneCountInString(text) <= maxSubject && !strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
	})
}

// readBodies reads a message that has a body for each protocol. Members that are
// no texts do not count.
func (m *Message) readBodies(text string) error {
	var all map[string]any
	if json.Unmarshal([]byte(text), &all) != nil {
		return invalid("Invalid parameter: Message Structure - JSON message body failed to parse")
	}
	body, ok := all["default"].(string)
	if !ok {
		return invalid("Invalid parameter: Message Structure - No default entry in JSON message body")
	}
	m.Body, m.Bodies = body, map[Protocol]string{}
	for _, p := range []Protocol{HTTP, HTTPS, SQS, Email, EmailJSON} {
		if body, ok := all[string(p)].(string); ok {
			m.Bodies[p] = body
		}
	}
	return nil
}

// size is what counts towards MaxMessage.
func (p *Publication) size() int {
	n := len(p.Message)
	for name, a := range p.Attributes {
		n += len(name) + len(a.Type) + a.size()
	}
	return n
}

var (
	attributeType = regexp.MustCompile(`^(String|Number|Binary)(\.[A-Za-z0-9_.-]*)?$`)
	attributeByte = regexp.MustCompile(`[^A-Za-z0-9_.-]`)
)

// maxAttributeName is how many bytes a message attribute's name and type may
// have.
const maxAttributeName = 256

func invalidValue(format string, args ...any) error {
	return &Error{Kind: InvalidValue, Message: fmt.Sprintf(format, args...)}
}

// check has SNS's words, which say nothing of Number that are no numbers.
func (a *MessageAttribute) check(name string) error {
	switch bad := attributeByte.FindStringIndex(name); {
	case name == "":
		return invalidValue("The request must contain non-empty message attribute names.")
	case len(name) >= maxAttributeName:
		return invalidValue("Length of message attribute name must be less than 256 bytes.")
	case bad != nil:
		r, _ := utf8.DecodeRuneInString(name[bad[0]:])
		return invalidValue("Invalid non-alphanumeric character '#x%X' was found in the message attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots.", r)
	case name[0] == '.':
		return invalidValue("Invalid message attribute name starting with character '.' was found.")
	case name[len(name)-1] == '.':
		return invalidValue("Invalid message attribute name ending with character '.' was found.")
	case strings.Contains(name, ".."):
		return invalidValue("Message attribute name can not have successive '.' character.")
	case !attributeType.MatchString(a.Type) || len(a.Type) >= maxAttributeName:
		return invalidValue("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
	case a.Value == "":
		return invalidValue("The message attribute '%s' must contain non-empty message attribute value for message attribute type '%s'.", name, a.Type)
	case !utf8.ValidString(a.Value):
		return invalidValue("The message attribute '%s' contains characters that are not UTF-8.", name)
	}
	if base, _, _ := strings.Cut(a.Type, "."); base == "Number" && !isNumber(a.Value) {
		return invalidValue("Could not cast message attribute '%s' value to number.", name)
	}
	return nil
}

var number = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$`)

func isNumber(text string) bool { return number.MatchString(text) }

// size is the value's length in bytes.
func (a *MessageAttribute) size() int {
	if strings.HasPrefix(a.Type, "Binary") {
		padding := len(a.Value) - len(strings.TrimRight(a.Value, "="))
		return len(a.Value)/4*3 - padding
	}
	return len(a.Value)
}

// BatchEntry is one message of a batch, whose Topic is the batch's.
type BatchEntry struct {
	ID string
	Publication
}

// BatchResult says which message an entry became.
type BatchResult struct {
	ID      string
	Message MessageID
}

var entryID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// maxBatch is how many entries a batch may have.
const maxBatch = 10

// PublishBatch publishes messages to one topic, all or, if there is something
// wrong with any of them, none.
func (s *Service) PublishBatch(ctx context.Context, topic TopicARN, entries []BatchEntry) ([]BatchResult, error) {
	if err := s.checkTopicARN(topic); err != nil {
		return nil, err
	}
	if err := checkBatch(entries); err != nil {
		return nil, err
	}
	results := make([]BatchResult, len(entries))
	messages := make([]Message, len(entries))
	for i, e := range entries {
		e.Topic = topic
		m, err := s.newMessage(e.Publication)
		if err != nil {
			return nil, err
		}
		messages[i], results[i] = m, BatchResult{ID: e.ID, Message: m.ID}
	}
	return results, s.keep(ctx, topic, messages...)
}

func checkBatch(entries []BatchEntry) error {
	if len(entries) == 0 {
		return &Error{Kind: EmptyBatch, Message: "The batch request doesn't contain any entries."}
	}
	if len(entries) > maxBatch {
		return &Error{Kind: TooManyEntries, Message: "The batch request contains more entries than permissible."}
	}
	seen, size := map[string]bool{}, 0
	for _, e := range entries {
		if !entryID.MatchString(e.ID) {
			return &Error{Kind: InvalidEntryID, Message: "The Id of a batch entry in a batch request doesn't abide by the specification."}
		}
		if seen[e.ID] {
			return &Error{Kind: EntryIDsNotDistinct, Message: "Two or more batch entries in the request have the same Id."}
		}
		seen[e.ID] = true
		size += e.size()
	}
	if size > MaxMessage {
		return &Error{Kind: BatchTooLong, Message: "The length of all the messages put together is more than the limit."}
	}
	return nil
}
