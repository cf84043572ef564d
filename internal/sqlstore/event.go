package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"etude/internal/event"
	"etude/internal/notify"
	"etude/internal/s3event"
)

var (
	_ event.Store = (*Store)(nil)
	_ event.Tx    = (*tx)(nil)
)

// UpdateEvents runs fn in one transaction; see event.Store.
func (s *Store) UpdateEvents(ctx context.Context, fn func(event.Tx) error) error {
	return s.update(ctx, func(t *tx) error { return fn(t) })
}

// Intents returns a node's intents, oldest first; see event.Store.
func (s *Store) Intents(ctx context.Context, node string) ([]event.Intent, error) {
	all, err := list(ctx, s.read, func(row scanner) (i event.Intent, err error) {
		var text string
		var begun sql.NullInt64
		if err := row.Scan(&i.ID, &text, &begun); err != nil {
			return i, err
		}
		i.BeginTime = moment(begun)
		return i, json.Unmarshal([]byte(text), &i.Event)
	}, "SELECT id, event, begin_ms FROM event_intents WHERE node = ? ORDER BY id", node)
	if err != nil {
		return nil, fmt.Errorf("list event intents: %w", err)
	}
	return all, nil
}

// InsertIntents keeps intents; see event.Tx.
func (t *tx) InsertIntents(ctx context.Context, node string, all []event.Intent) error {
	for _, i := range all {
		text, err := json.Marshal(i.Event)
		if err == nil {
			_, err = t.exec(ctx, "INSERT INTO event_intents (id, node, event, begin_ms) VALUES (?, ?, ?, ?)",
				i.ID, node, string(text), i.BeginTime.UnixMilli())
		}
		if err != nil {
			return fmt.Errorf("insert event intent %d: %w", i.ID, err)
		}
	}
	return nil
}

// DeleteIntents removes intents; see event.Tx.
func (t *tx) DeleteIntents(ctx context.Context, ids []int64) error {
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(ids)), ", ")
	if _, err := t.exec(ctx, "DELETE FROM event_intents WHERE id IN ("+marks+")", args...); err != nil {
		return fmt.Errorf("delete event intents: %w", err)
	}
	return nil
}

const selectEventDelivery = "SELECT id, event, kind, target, create_ms, tries, last_error FROM event_deliveries"

func readEventDelivery(row scanner) (d event.Delivery, err error) {
	var text string
	var created sql.NullInt64
	if err := row.Scan(&d.ID, &text, &d.Kind, &d.Target, &created, &d.Tries, &d.LastError); err != nil {
		return d, err
	}
	d.CreateTime = moment(created)
	return d, json.Unmarshal([]byte(text), &d.Event)
}

// EventDelivery returns a delivery; see event.Store.
func (s *Store) EventDelivery(ctx context.Context, id int64) (event.Delivery, error) {
	d, err := first(ctx, s.read, event.ErrNotFound, readEventDelivery, selectEventDelivery+" WHERE id = ?", id)
	if err != nil {
		return event.Delivery{}, fmt.Errorf("read event delivery %d: %w", id, err)
	}
	return d, nil
}

// EventDeliveries returns deliveries that wait, oldest first; see event.Store.
func (s *Store) EventDeliveries(ctx context.Context, max int) ([]event.Delivery, error) {
	all, err := list(ctx, s.read, readEventDelivery, selectEventDelivery+" ORDER BY id LIMIT ?", max)
	if err != nil {
		return nil, fmt.Errorf("list event deliveries: %w", err)
	}
	return all, nil
}

// CountEventDeliveries returns how many deliveries wait; see event.Store.
func (s *Store) CountEventDeliveries(ctx context.Context) (int, error) {
	n, err := first(ctx, s.read, event.ErrNotFound, func(row scanner) (n int, err error) {
		return n, row.Scan(&n)
	}, "SELECT count(*) FROM event_deliveries")
	if err != nil {
		return 0, fmt.Errorf("count event deliveries: %w", err)
	}
	return n, nil
}

// InsertEventDelivery keeps a delivery and queues it; see event.Tx.
func (t *tx) InsertEventDelivery(ctx context.Context, d event.Delivery) error {
	text, err := json.Marshal(d.Event)
	if err == nil {
		_, err = t.exec(ctx, "INSERT INTO event_deliveries (id, event, kind, target, create_ms, tries, last_error) VALUES (?, ?, ?, ?, ?, ?, ?)",
			d.ID, string(text), d.Kind, d.Target, d.CreateTime.UnixMilli(), d.Tries, d.LastError)
	}
	if err != nil {
		return fmt.Errorf("insert event delivery %d: %w", d.ID, err)
	}
	return t.put(ctx, d.Task())
}

// UpdateEventDelivery writes how a delivery stands; see event.Tx.
func (t *tx) UpdateEventDelivery(ctx context.Context, d event.Delivery) error {
	if _, err := t.exec(ctx, "UPDATE event_deliveries SET tries = ?, last_error = ? WHERE id = ?", d.Tries, d.LastError, d.ID); err != nil {
		return fmt.Errorf("update event delivery %d: %w", d.ID, err)
	}
	return nil
}

// DeleteEventDelivery removes a delivery; see event.Tx.
func (t *tx) DeleteEventDelivery(ctx context.Context, id int64) error {
	if _, err := t.exec(ctx, "DELETE FROM event_deliveries WHERE id = ?", id); err != nil {
		return fmt.Errorf("delete event delivery %d: %w", id, err)
	}
	return nil
}

// PublishEvent publishes a message to a topic; see event.Tx. The topic need not
// be here any more.
func (t *tx) PublishEvent(ctx context.Context, topic, subject, body string) error {
	return t.InsertMessage(ctx, notify.Message{
		ID: notify.MessageID(uuid.NewString()), Topic: notify.TopicARN(topic), Type: notify.Notification,
		Subject: subject, Body: body, PublishTime: time.Now(),
	})
}

// ReserveNumbers returns the first of n numbers that nobody gets again; see
// event.Tx.
func (t *tx) ReserveNumbers(ctx context.Context, n int64) (int64, error) {
	next, err := first(ctx, t.conn, event.ErrNotFound, func(row scanner) (next int64, err error) {
		return next, row.Scan(&next)
	}, "UPDATE event_numbers SET next = next + ? RETURNING next", n)
	if err != nil {
		return 0, fmt.Errorf("reserve event numbers: %w", err)
	}
	return next - n, nil
}

// SetNotification keeps a bucket's configuration; see event.Tx.
func (t *tx) SetNotification(ctx context.Context, bucket string, c s3event.Configuration) error {
	var err error
	if len(c.Targets) == 0 {
		_, err = t.exec(ctx, "DELETE FROM bucket_notifications WHERE bucket = ?", bucket)
	} else {
		_, err = t.exec(ctx, `INSERT INTO bucket_notifications (bucket, configuration) VALUES (?, ?)
			ON CONFLICT (bucket) DO UPDATE SET configuration = excluded.configuration`, bucket, string(c.XML()))
	}
	if err != nil {
		return fmt.Errorf("write notification of bucket %q: %w", bucket, err)
	}
	return nil
}

// Notifications returns all buckets' configurations; see event.Store.
func (s *Store) Notifications(ctx context.Context) (map[string]s3event.Configuration, error) {
	all := map[string]s3event.Configuration{}
	_, err := list(ctx, s.read, func(row scanner) (bucket string, err error) {
		var text string
		if err := row.Scan(&bucket, &text); err != nil {
			return "", err
		}
		all[bucket], err = s3event.ParseConfiguration([]byte(text))
		return bucket, err
	}, "SELECT bucket, configuration FROM bucket_notifications")
	if err != nil {
		return nil, fmt.Errorf("read bucket notifications: %w", err)
	}
	return all, nil
}
