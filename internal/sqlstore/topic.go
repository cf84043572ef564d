package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"etude/internal/notify"
)

const selectTopic = "SELECT arn, attributes, tags, create_ms FROM topics"

func readTopic(row scanner) (t notify.Topic, err error) {
	var created sql.NullInt64
	var attributes, tags string
	if err := row.Scan(&t.ARN, &attributes, &tags, &created); err != nil {
		return t, err
	}
	t.CreateTime = moment(created)
	if t.Attributes, err = readMap[notify.Attributes](attributes); err != nil {
		return t, fmt.Errorf("read attributes of topic %q: %w", t.ARN, err)
	}
	if t.Tags, err = readMap[map[string]string](tags); err != nil {
		return t, fmt.Errorf("read tags of topic %q: %w", t.ARN, err)
	}
	return t, nil
}

// readMap reads a column with a JSON object; an empty one is a nil map.
func readMap[M ~map[K]V, K comparable, V any](text string) (m M, err error) {
	if text == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil || len(m) == 0 {
		return nil, err
	}
	return m, nil
}

// writeMap writes what readMap reads.
func writeMap[M ~map[K]V, K comparable, V any](m M) string {
	if len(m) == 0 {
		return "{}"
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // of strings, which cannot fail
	}
	return string(text)
}

// EnsureTopic makes a topic unless it is here; see notify.Tx.
func (t *tx) EnsureTopic(ctx context.Context, topic notify.Topic) (notify.Topic, error) {
	_, err := t.exec(ctx, "INSERT INTO topics (arn, attributes, tags, create_ms) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
		topic.ARN, writeMap(topic.Attributes), writeMap(topic.Tags), topic.CreateTime.UnixMilli())
	if err != nil {
		return notify.Topic{}, fmt.Errorf("insert topic %q: %w", topic.ARN, err)
	}
	return t.Topic(ctx, topic.ARN)
}

func (c conn) topic(ctx context.Context, arn notify.TopicARN, lock string) (notify.Topic, error) {
	topic, err := first(ctx, c, notify.ErrNotFound, readTopic, selectTopic+" WHERE arn = ?"+lock, arn)
	if err != nil {
		return notify.Topic{}, fmt.Errorf("read topic %q: %w", arn, err)
	}
	return topic, nil
}

// Topic returns a topic; see notify.Store.
func (s *Store) Topic(ctx context.Context, arn notify.TopicARN) (notify.Topic, error) {
	return s.read.topic(ctx, arn, "")
}

// Topic returns a topic, and keeps others from changing it; see notify.Tx.
func (t *tx) Topic(ctx context.Context, arn notify.TopicARN) (notify.Topic, error) {
	return t.topic(ctx, arn, t.lock())
}

const topicsAfter = selectTopic + " WHERE arn > ? ORDER BY arn LIMIT ?"

// Topics returns a page of the topics; see notify.Store.
func (s *Store) Topics(ctx context.Context, after notify.TopicARN, limit int) ([]notify.Topic, bool, error) {
	topics, err := list(ctx, s.read, readTopic, topicsAfter, after, limit+1)
	if err != nil {
		return nil, false, fmt.Errorf("list topics: %w", err)
	}
	topics, more := cut(topics, limit)
	return topics, more, nil
}

// cut returns the first limit items, and whether there were more.
func cut[T any](items []T, limit int) ([]T, bool) {
	if len(items) > limit {
		return items[:limit], true
	}
	return items, false
}

// UpdateTopic writes a topic's attributes and tags; see notify.Tx.
func (t *tx) UpdateTopic(ctx context.Context, topic notify.Topic) error {
	n, err := t.exec(ctx, "UPDATE topics SET attributes = ?, tags = ? WHERE arn = ?", writeMap(topic.Attributes), writeMap(topic.Tags), topic.ARN)
	if err == nil && n == 0 {
		err = notify.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("update topic %q: %w", topic.ARN, err)
	}
	return nil
}

// DeleteTopic removes a topic and hides its subscriptions; see notify.Tx.
func (t *tx) DeleteTopic(ctx context.Context, arn notify.TopicARN, now time.Time) error {
	n, err := t.exec(ctx, "DELETE FROM topics WHERE arn = ?", arn)
	if err == nil && n == 0 {
		err = notify.ErrNotFound
	}
	if err == nil {
		_, err = t.exec(ctx, "UPDATE subscriptions SET delete_ms = ? WHERE topic = ? AND "+live, now.UnixMilli(), arn)
	}
	if err != nil {
		return fmt.Errorf("delete topic %q: %w", arn, err)
	}
	return nil
}
