package event

import (
	"context"
	"fmt"
	"time"

	"etude/internal/s3event"
)

// Intent is an event that is about to happen, or has, of which nobody was told
// yet.
type Intent struct {
	ID        int64
	Event     s3event.Event // as far as it is known beforehand
	BeginTime time.Time
}

// Wants reports whether somebody is to be told of an event, of which only name,
// bucket, key and Own need be set. It asks nobody and is quick.
func (s *Service) Wants(e s3event.Event) bool {
	return s.rulesWant(e) || len(s.configuration(e.Bucket).Match(e)) > 0
}

func (s *Service) rulesWant(e s3event.Event) bool {
	return s.HandleRules != nil && e.Created() && !e.Own && (s.MayMatch == nil || s.MayMatch(e.Bucket, e.Key))
}

// Begin keeps that events are about to happen. Each of the intents that it
// returns must be given to End; those that a crash keeps from it are returned
// by Pending.
func (s *Service) Begin(ctx context.Context, events ...s3event.Event) ([]Intent, error) {
	first, err := s.counter.take(ctx, len(events))
	if err != nil {
		return nil, fmt.Errorf("begin event: %w", err)
	}
	all := make([]Intent, len(events))
	for i, e := range events {
		all[i] = Intent{ID: first + int64(i), Event: e, BeginTime: s.Now()}
	}
	if err := s.Store.UpdateEvents(ctx, func(tx Tx) error { return tx.InsertIntents(ctx, s.Node, all) }); err != nil {
		return nil, fmt.Errorf("begin event: %w", err)
	}
	return all, nil
}

// End tells of the intents that have come true, whose events are complete but
// for sequencer and time, and forgets the others: both in one transaction.
func (s *Service) End(ctx context.Context, happened []Intent, others ...Intent) error {
	ids := make([]int64, 0, len(happened)+len(others))
	for _, i := range others {
		ids = append(ids, i.ID)
	}
	events := make([]s3event.Event, 0, len(happened))
	for _, i := range happened {
		ids = append(ids, i.ID)
		events = append(events, i.Event)
	}
	if len(ids) == 0 {
		return nil
	}
	told, err := s.tell(ctx, events)
	if err != nil {
		return fmt.Errorf("tell of event: %w", err)
	}
	err = s.Store.UpdateEvents(ctx, func(tx Tx) error {
		if err := tx.DeleteIntents(ctx, ids); err != nil {
			return err
		}
		return told.write(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("tell of event: %w", err)
	}
	return nil
}

// Pending returns the intents of this node that were not given to End, oldest
// first: those that are at hand, and those that a crash has left.
func (s *Service) Pending(ctx context.Context) ([]Intent, error) {
	return s.Store.Intents(ctx, s.Node)
}

// Receive keeps events that came from elsewhere, for instance out of a queue,
// for the rules. When it returns nil they are safe.
func (s *Service) Receive(ctx context.Context, events ...s3event.Event) error {
	var t telling
	first, err := s.counter.take(ctx, len(events))
	if err != nil {
		return fmt.Errorf("receive event: %w", err)
	}
	for i, e := range events {
		if e.Created() {
			t.deliveries = append(t.deliveries, Delivery{ID: first + int64(i), Event: e, Kind: Rules, CreateTime: s.Now()})
		}
	}
	if t.deliveries == nil {
		return nil
	}
	if err := s.Store.UpdateEvents(ctx, func(tx Tx) error { return t.write(ctx, tx) }); err != nil {
		return fmt.Errorf("receive event: %w", err)
	}
	return nil
}

// topicSubject is that of S3's messages.
const topicSubject = "Amazon S3 Notification"

// telling is who is told what.
type telling struct {
	deliveries []Delivery
	messages   []message
}

type message struct{ topic, body string }

// tell numbers and dates events, and finds out who is told of them.
func (s *Service) tell(ctx context.Context, events []s3event.Event) (t telling, err error) {
	now := s.Now().UTC().Truncate(time.Millisecond)
	for _, e := range events {
		n, err := s.counter.take(ctx, 1)
		if err != nil {
			return telling{}, err
		}
		e.Sequencer, e.Time, e.Owner = fmt.Sprintf("%016X", n), now, s.Owner
		if s.rulesWant(e) {
			t.deliveries = append(t.deliveries, Delivery{Event: e, Kind: Rules})
		}
		for _, target := range s.configuration(e.Bucket).Match(e) {
			e.ConfigurationID = target.ID
			t.add(e, target)
		}
	}
	first, err := s.counter.take(ctx, len(t.deliveries))
	if err != nil {
		return telling{}, err
	}
	for i := range t.deliveries {
		t.deliveries[i].ID, t.deliveries[i].CreateTime = first+int64(i), now
	}
	return t, nil
}

func (t *telling) add(e s3event.Event, target s3event.Target) {
	switch target.Kind {
	case s3event.Topic:
		t.messages = append(t.messages, message{target.ARN, string(body(e))})
	case s3event.Queue:
		t.deliveries = append(t.deliveries, Delivery{Event: e, Kind: Queue, Target: target.ARN})
	case s3event.Function:
		if !e.Own {
			t.deliveries = append(t.deliveries, Delivery{Event: e, Kind: Rule, Target: target.FunctionName()})
		}
	}
}

func (t telling) write(ctx context.Context, tx Tx) error {
	for _, m := range t.messages {
		if err := tx.PublishEvent(ctx, m.topic, topicSubject, m.body); err != nil {
			return err
		}
	}
	for _, d := range t.deliveries {
		if err := tx.InsertEventDelivery(ctx, d); err != nil {
			return err
		}
	}
	return nil
}
