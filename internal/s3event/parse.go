package s3event

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Item is one message of a batch, and the events in it.
type Item struct {
	// ID is the message's: SQS's messageId or SNS's MessageId. It is empty
	// where the batch is a single S3 event.
	ID string
	// Events is empty for a test event, which is no error: S3 sends one when a
	// notification is set up.
	Events []Event
	// Err says why the message is no S3 event; then it has no Events.
	Err error
}

// Parse returns the events in raw, whichever way they came: S3's own JSON, a
// test event (none), the envelope of an SNS message around these, or a batch of
// SQS or SNS messages as Lambda gets it. Anything else is an error, and so is a
// batch in which a single message is wrong; ParseBatch tells which.
func Parse(raw []byte) ([]Event, error) {
	items, err := ParseBatch(raw)
	if err != nil {
		return nil, err
	}
	var all []Event
	for _, item := range items {
		if item.Err != nil {
			return nil, item.Err
		}
		all = append(all, item.Events...)
	}
	return all, nil
}

// ParseBatch is Parse for those who answer for each message by itself. What is
// no batch is one Item without an ID, or an error.
func ParseBatch(raw []byte) ([]Item, error) {
	items, err := parse(raw, maxDepth)
	if err != nil {
		return nil, fmt.Errorf("read S3 event: %w", err)
	}
	return items, nil
}

// maxDepth is how many wrappings may lie around an event: a batch of SQS, and
// an SNS message in each.
const maxDepth = 3

// anyMessage has what tells the kinds of messages from each other.
type anyMessage struct {
	Event   string            `json:"Event"`   // a test event
	Records []json.RawMessage `json:"Records"` // S3, and batches
	Type    string            `json:"Type"`    // SNS
	Message *string           `json:"Message"`
	ID      string            `json:"MessageId"`
}

func parse(raw []byte, depth int) ([]Item, error) {
	if depth == 0 {
		return nil, fmt.Errorf("there are more than %d messages one within another", maxDepth)
	}
	var m anyMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("it is not the JSON of an event: %w", err)
	}
	switch {
	case m.Event == testEventName:
		return []Item{{}}, nil
	case m.Records != nil:
		return parseRecords(m.Records, depth)
	case m.Type == "Notification" && m.Message != nil:
		return parse([]byte(*m.Message), depth-1)
	case m.Type == "SubscriptionConfirmation" || m.Type == "UnsubscribeConfirmation":
		return nil, fmt.Errorf("it is the %s of an SNS topic, which has to be confirmed first", m.Type)
	}
	return nil, errors.New("it has neither Records, as an S3 event has, nor is it a Notification of SNS around one, nor an " + testEventName)
}

// anyRecord has what tells the kinds of records from each other.
type anyRecord struct {
	Source string  `json:"eventSource"`
	ID     string  `json:"messageId"`
	Body   *string `json:"body"` // SQS
	SNS    *struct {
		ID      string `json:"MessageId"`
		Message string `json:"Message"`
	} `json:"Sns"`
}

func parseRecords(records []json.RawMessage, depth int) ([]Item, error) {
	var s3 Item
	var batch []Item
	for i, raw := range records {
		var r anyRecord
		if err := json.Unmarshal(raw, &r); err != nil {
			return nil, fmt.Errorf("record %d: %w", i+1, err)
		}
		switch {
		case r.Source == "aws:sqs" && r.Body != nil:
			batch = append(batch, unwrap(r.ID, *r.Body, depth))
		case r.SNS != nil:
			batch = append(batch, unwrap(r.SNS.ID, r.SNS.Message, depth))
		default:
			e, err := parseRecord(raw)
			if err != nil {
				return nil, fmt.Errorf("record %d: %w", i+1, err)
			}
			s3.Events = append(s3.Events, e)
		}
	}
	switch {
	case batch == nil:
		return []Item{s3}, nil
	case s3.Events != nil:
		return nil, errors.New("it has records of S3 and of a queue, mixed")
	}
	return batch, nil
}

func parseRecord(raw json.RawMessage) (Event, error) {
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		return Event{}, err
	}
	return r.event()
}

func unwrap(id, body string, depth int) Item {
	inner, err := parse([]byte(body), depth-1)
	if err != nil {
		return Item{ID: id, Err: fmt.Errorf("read S3 event in message %.64q: %w", id, err)}
	}
	item := Item{ID: id}
	for _, in := range inner {
		if in.Err != nil {
			return Item{ID: id, Err: in.Err}
		}
		item.Events = append(item.Events, in.Events...)
	}
	return item
}
