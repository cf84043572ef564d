package event

import (
	"context"
	"errors"
	"fmt"
	"time"

	"etude/internal/s3event"
)

// Kind says who is told of an event.
type Kind string

// The kinds. Topics are none: their messages are published with the event.
const (
	Rules Kind = "rules" // all that match
	Rule  Kind = "rule"  // the one that a configuration names
	Queue Kind = "queue" // of SQS
)

// Delivery is an event that somebody is still to be told of. It is gone when
// that is done.
type Delivery struct {
	ID         int64
	Event      s3event.Event
	Kind       Kind
	Target     string // a rule's name or a queue's ARN; empty for Rules
	CreateTime time.Time
	Tries      int    // that failed
	LastError  string // of the last try
}

// Deliver is the task of a Delivery; see Service.DeliverEvent.
type Deliver struct {
	Delivery int64
	// Remote says that it goes to another machine, which may take its time.
	Remote bool
}

// Task returns the task of d.
func (d Delivery) Task() Deliver { return Deliver{Delivery: d.ID, Remote: d.Kind == Queue} }

// DeliverEvent hands an event to whom it is for; an error means that it is to
// be tried again later. It is tried until it succeeds, or until the bucket's
// configuration does not name the queue any more.
func (s *Service) DeliverEvent(ctx context.Context, id int64) error {
	d, err := s.Store.EventDelivery(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if failed := s.hand(ctx, d); failed != nil {
		failed = fmt.Errorf("tell %s %s of %s %q: %w", d.Kind, d.Target, d.Event.Name, d.Event.Bucket+"/"+d.Event.Key, failed)
		d.Tries++
		d.LastError = failed.Error()
		return errors.Join(failed, s.Store.UpdateEvents(ctx, func(tx Tx) error { return tx.UpdateEventDelivery(ctx, d) }))
	}
	return s.Store.UpdateEvents(ctx, func(tx Tx) error { return tx.DeleteEventDelivery(ctx, id) })
}

func (s *Service) hand(ctx context.Context, d Delivery) error {
	switch {
	case d.Kind == Rules && s.HandleRules != nil:
		return s.HandleRules(ctx, d.Event)
	case d.Kind == Rule && s.HandleRule != nil:
		return s.HandleRule(ctx, d.Event, d.Target)
	case d.Kind == Queue && s.SendToQueue != nil:
		if !s.names(d.Event.Bucket, d.Target) {
			s.Logger.Warn("event is given up: the bucket's notification configuration does not name its queue any more",
				"bucket", d.Event.Bucket, "key", d.Event.Key, "queue", d.Target)
			return nil
		}
		return s.SendToQueue(ctx, d.Target, string(body(d.Event)))
	}
	return fmt.Errorf("this server has nothing that handles it")
}

func (s *Service) names(bucket, arn string) bool {
	for _, t := range s.configuration(bucket).Targets {
		if t.ARN == arn {
			return true
		}
	}
	return false
}

// testEvent is the name of the event that a configuration is tested with.
const testEvent = "TestEvent"

// body is what a topic or queue gets.
func body(e s3event.Event) []byte {
	if e.Name == testEvent {
		return s3event.EncodeTest(e.Bucket, e.RequestID, e.HostID, e.Time)
	}
	return s3event.Encode(e)
}
