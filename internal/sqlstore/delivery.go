package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"etude/internal/notify"
	"etude/internal/transcode"
)

const deliveryColumns = "id, message_id, subscription_arn, topic, state, tries, round_tries, round_ms, due_ms, node, last_error, deliver_ms"

func readDelivery(row scanner) (d notify.Delivery, err error) {
	return d, scanDelivery(row, &d)
}

func scanDelivery(row scanner, d *notify.Delivery, more ...any) error {
	var round, due, delivered sql.NullInt64
	err := row.Scan(append([]any{
		&d.ID, &d.Message, &d.Subscription, &d.Topic, &d.State, &d.Tries, &d.RoundTries, &round, &due, &d.Node, &d.LastError, &delivered,
	}, more...)...)
	d.RoundTime, d.Due, d.DeliverTime = moment(round), moment(due), moment(delivered)
	return err
}

// readListed reads what listed finds.
func readListed(row scanner) (d notify.Delivery, err error) {
	return d, scanDelivery(row, &d, &d.Type, &d.Subject, &d.Protocol, &d.Endpoint)
}

// listed is a query for deliveries and what belongs to them, of which query
// finds the rows. A real AWS topic is its own subscription.
func listed(query string) string {
	return "SELECT d." + strings.ReplaceAll(deliveryColumns, ", ", ", d.") + `, m.type, m.subject,
			COALESCE(s.protocol, '` + string(notify.Elsewhere) + `'), COALESCE(s.endpoint, d.subscription_arn)
		FROM (` + query + `) d JOIN messages m ON m.id = d.message_id LEFT JOIN subscriptions s ON s.arn = d.subscription_arn`
}

// Deliveries returns the deliveries of a message; see notify.Store.
func (s *Store) Deliveries(ctx context.Context, id notify.MessageID) ([]notify.Delivery, error) {
	all, err := list(ctx, s.read, readListed, listed("SELECT * FROM deliveries WHERE message_id = ?")+" ORDER BY d.subscription_arn", id)
	if err != nil {
		return nil, fmt.Errorf("read deliveries of message %q: %w", id, err)
	}
	return all, nil
}

// Delivery returns a delivery; see notify.Store.
func (s *Store) Delivery(ctx context.Context, id notify.DeliveryID) (notify.Delivery, error) {
	d, err := first(ctx, s.read, notify.ErrNotFound, readListed, listed("SELECT * FROM deliveries WHERE id = ?"), id)
	if err != nil {
		return notify.Delivery{}, fmt.Errorf("read delivery %q: %w", id, err)
	}
	return d, nil
}

// Delivery returns a delivery, and keeps others from changing it; see notify.Tx.
func (t *tx) Delivery(ctx context.Context, id notify.DeliveryID) (notify.Delivery, error) {
	d, err := first(ctx, t.conn, notify.ErrNotFound, readDelivery, "SELECT "+deliveryColumns+" FROM deliveries WHERE id = ?"+t.lock(), id)
	if err != nil {
		return notify.Delivery{}, fmt.Errorf("read delivery %q: %w", id, err)
	}
	return d, nil
}

// DeliveryPage returns a page of the deliveries that a filter fits; see
// notify.Store.
func (s *Store) DeliveryPage(ctx context.Context, f notify.DeliveryFilter, before notify.DeliveryID, limit int) ([]notify.Delivery, bool, error) {
	query, args := deliveryListing(f).page(transcode.Page{Token: string(before), Descending: true, Limit: limit})
	all, err := list(ctx, s.read, readListed, listed(query)+" ORDER BY d.id DESC", args...)
	if err != nil {
		return nil, false, fmt.Errorf("list deliveries: %w", err)
	}
	all, more := cut(all, limit)
	return all, more, nil
}

// deliveryListing chooses the index that narrows the list the most. The state
// is written out where an index is only for the dead.
func deliveryListing(f notify.DeliveryFilter) listing {
	l := listing{query: "SELECT * FROM deliveries"}
	switch {
	case f.Subscription != "":
		l.within = []equal{{"subscription_arn", f.Subscription}}
	case f.Topic != "":
		l.within = []equal{{"topic", f.Topic}}
	case f.State != "":
		l.within = []equal{{"state", f.State}}
	}
	if f.Subscription != "" && f.Topic != "" {
		l.also = append(l.also, condition{"topic = ?", []any{f.Topic}})
	}
	if f.State == notify.Dead {
		l.also = append(l.also, condition{"state = 'Dead'", nil})
	} else if f.State != "" && (f.Subscription != "" || f.Topic != "") {
		l.also = append(l.also, condition{"state = ?", []any{f.State}})
	}
	if f.Endpoint != "" {
		l.also = append(l.also, condition{"subscription_arn IN (SELECT arn FROM subscriptions WHERE endpoint = ?)", []any{f.Endpoint}})
	}
	return l
}

// Tries returns the tries of a delivery; see notify.Store.
func (s *Store) Tries(ctx context.Context, id notify.DeliveryID) ([]notify.Try, error) {
	all, err := list(ctx, s.read, func(row scanner) (t notify.Try, err error) {
		var start sql.NullInt64
		var took int64
		err = row.Scan(&t.Delivery, &t.Number, &t.Node, &t.Target, &start, &took, &t.Status, &t.Error, &t.Answer)
		t.Start, t.Duration = moment(start), time.Duration(took)*time.Millisecond
		return t, err
	}, `SELECT delivery_id, number, node, target, start_ms, duration_ms, status, error, answer FROM tries
		WHERE delivery_id = ? ORDER BY number`, id)
	if err != nil {
		return nil, fmt.Errorf("read tries of delivery %q: %w", id, err)
	}
	return all, nil
}

// InsertTry keeps a try; see notify.Tx.
func (t *tx) InsertTry(ctx context.Context, try notify.Try) error {
	_, err := t.exec(ctx, `INSERT INTO tries (delivery_id, number, node, target, start_ms, duration_ms, status, error, answer)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		try.Delivery, try.Number, try.Node, try.Target, try.Start.UnixMilli(), try.Duration.Milliseconds(), try.Status, try.Error, try.Answer)
	if err != nil {
		return fmt.Errorf("insert try %d of delivery %s: %w", try.Number, try.Delivery, err)
	}
	return nil
}

// InsertDelivery keeps a delivery, if it is new; see notify.Tx.
func (t *tx) InsertDelivery(ctx context.Context, d notify.Delivery) (fresh bool, err error) {
	n, err := t.exec(ctx, "INSERT INTO deliveries ("+deliveryColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
		d.ID, d.Message, d.Subscription, d.Topic, d.State, d.Tries, d.RoundTries, d.RoundTime.UnixMilli(), millis(d.Due), d.Node, d.LastError, millis(d.DeliverTime))
	if err != nil {
		return false, fmt.Errorf("insert delivery of message %s to %s: %w", d.Message, d.Subscription, err)
	}
	return n > 0, nil
}

// UpdateDelivery writes how a delivery stands; see notify.Tx. It returns
// ErrNotFound if there is no such delivery.
func (t *tx) UpdateDelivery(ctx context.Context, d notify.Delivery) error {
	n, err := t.exec(ctx, `UPDATE deliveries SET state = ?, tries = ?, round_tries = ?, round_ms = ?, due_ms = ?, node = ?, last_error = ?, deliver_ms = ?
		WHERE id = ?`,
		d.State, d.Tries, d.RoundTries, d.RoundTime.UnixMilli(), millis(d.Due), d.Node, d.LastError, millis(d.DeliverTime), d.ID)
	if err == nil && n == 0 {
		err = notify.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("update delivery %s: %w", d.ID, err)
	}
	return nil
}

// claimDeliveries goes along the index of what is due, past what another node
// is just claiming.
func (c conn) claimDeliveries() string {
	skip := ""
	if c.dialect == Postgres {
		skip = " FOR UPDATE SKIP LOCKED"
	}
	return `UPDATE deliveries SET due_ms = ?, node = ? WHERE id IN (
			SELECT id FROM deliveries WHERE subscription_arn = ? AND due_ms <= ? ORDER BY due_ms LIMIT ?` + skip + `
		) RETURNING ` + deliveryColumns
}

const nextDue = "SELECT min(due_ms) FROM deliveries WHERE subscription_arn = ? AND due_ms IS NOT NULL"

// ClaimDeliveries gives due deliveries to a node; see notify.Tx.
func (t *tx) ClaimDeliveries(ctx context.Context, sub notify.SubscriptionARN, node string, now, until time.Time, limit int) (all []notify.Delivery, next time.Time, err error) {
	all, err = list(ctx, t.conn, readDelivery, t.claimDeliveries(), until.UnixMilli(), node, sub, now.UnixMilli(), limit)
	if err == nil && len(all) < limit {
		next, err = first(ctx, t.conn, sql.ErrNoRows, func(row scanner) (time.Time, error) {
			var due sql.NullInt64
			err := row.Scan(&due)
			return moment(due), err
		}, nextDue, sub)
	}
	if err != nil {
		return nil, next, fmt.Errorf("claim deliveries to %q: %w", sub, err)
	}
	slices.SortFunc(all, func(a, b notify.Delivery) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return all, next, nil
}

// allDue jumps from subscription to subscription along the index of what is
// due, however much that is.
const allDue = `WITH RECURSIVE subs(arn) AS (
		SELECT (SELECT min(subscription_arn) FROM deliveries WHERE due_ms IS NOT NULL)
		UNION ALL
		SELECT (SELECT min(d.subscription_arn) FROM deliveries d WHERE d.due_ms IS NOT NULL AND d.subscription_arn > subs.arn)
			FROM subs WHERE subs.arn IS NOT NULL
	)
	SELECT arn, (SELECT min(d.due_ms) FROM deliveries d WHERE d.subscription_arn = subs.arn AND d.due_ms IS NOT NULL) FROM subs WHERE arn IS NOT NULL`

// NextDue says when each subscription has a delivery due; see notify.Store.
func (s *Store) NextDue(ctx context.Context) (map[notify.SubscriptionARN]time.Time, error) {
	type due struct {
		sub notify.SubscriptionARN
		at  sql.NullInt64
	}
	all, err := list(ctx, s.read, func(row scanner) (d due, err error) {
		return d, row.Scan(&d.sub, &d.at)
	}, allDue)
	if err != nil {
		return nil, fmt.Errorf("find deliveries that are due: %w", err)
	}
	next := make(map[notify.SubscriptionARN]time.Time, len(all))
	for _, d := range all {
		if d.at.Valid {
			next[d.sub] = moment(d.at)
		}
	}
	return next, nil
}

// ReleaseDeliveries gives back what a node has claimed; see notify.Store.
func (s *Store) ReleaseDeliveries(ctx context.Context, node string, now time.Time) error {
	_, err := s.write.exec(ctx, "UPDATE deliveries SET due_ms = ?, node = '' WHERE node = ? AND node <> ''", now.UnixMilli(), node)
	if err != nil {
		return fmt.Errorf("release deliveries of node %q: %w", node, err)
	}
	return nil
}

const oldMessages = `SELECT id FROM messages m WHERE publish_ms < ?
	AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.message_id = m.id AND d.state IN ('Pending', 'Dead'))
	ORDER BY publish_ms, id LIMIT ?`

// PruneMessages deletes old messages; see notify.Store.
func (s *Store) PruneMessages(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = s.update(ctx, func(t *tx) error {
		old, err := list(ctx, t.conn, func(row scanner) (id any, err error) {
			var text string
			err = row.Scan(&text)
			return text, err
		}, oldMessages, before.UnixMilli(), limit)
		if n = len(old); err != nil || n == 0 {
			return err
		}
		marks := "(?" + strings.Repeat(", ?", n-1) + ")"
		for _, query := range []string{
			"DELETE FROM tries WHERE delivery_id IN (SELECT id FROM deliveries WHERE message_id IN " + marks + ")",
			"DELETE FROM deliveries WHERE message_id IN " + marks,
			"DELETE FROM messages WHERE id IN " + marks,
		} {
			if _, err := t.exec(ctx, query, old...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("delete old messages: %w", err)
	}
	return n, nil
}
