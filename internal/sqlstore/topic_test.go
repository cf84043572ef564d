package sqlstore_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/notify"
	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
)

func TestTopics(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		first := notify.Topic{
			ARN: topicARN, Attributes: notify.Attributes{notify.DisplayName: "Jobs \x00 ü"},
			Tags: map[string]string{"team": "audio"}, CreateTime: noon,
		}
		again := notify.Topic{ARN: topicARN, CreateTime: noon.Add(time.Hour)}
		change(t, store, func(tx notify.Tx) error {
			for _, give := range []notify.Topic{first, again} {
				got, err := tx.EnsureTopic(t.Context(), give)
				if err != nil {
					return err
				}
				if diff := cmp.Diff(first, got); diff != "" {
					t.Errorf("ensure: want (-), got (+):\n%s", diff)
				}
			}
			return nil
		})
		changed := first
		changed.Attributes, changed.Tags = notify.Attributes{notify.SignatureVersion: "2"}, nil
		change(t, store, func(tx notify.Tx) error { return tx.UpdateTopic(t.Context(), changed) })
		got, err := store.Topic(t.Context(), topicARN)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(changed, got); diff != "" {
			t.Errorf("updated: want (-), got (+):\n%s", diff)
		}
		change(t, store, func(tx notify.Tx) error { return tx.DeleteTopic(t.Context(), topicARN, noon) })
		for name, do := range map[string]func(tx notify.Tx) error{
			"read":   func(tx notify.Tx) error { _, err := tx.Topic(t.Context(), topicARN); return err },
			"update": func(tx notify.Tx) error { return tx.UpdateTopic(t.Context(), changed) },
			"delete": func(tx notify.Tx) error { return tx.DeleteTopic(t.Context(), topicARN, noon) },
		} {
			if err := store.UpdateNotify(t.Context(), do); !errors.Is(err, notify.ErrNotFound) {
				t.Errorf("%s what was deleted: got the error %v, want %v", name, err, notify.ErrNotFound)
			}
		}
	})
}

func TestTopicPages(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		var want []notify.TopicARN
		change(t, store, func(tx notify.Tx) error {
			for i := range 5 {
				arn := notify.TopicARN(fmt.Sprint(topicARN, i))
				want = append(want, arn)
				if _, err := tx.EnsureTopic(t.Context(), notify.Topic{ARN: arn, CreateTime: noon}); err != nil {
					return err
				}
			}
			return nil
		})
		var got []notify.TopicARN
		for after, more := notify.TopicARN(""), true; more; {
			var page []notify.Topic
			var err error
			if page, more, err = store.Topics(t.Context(), after, 2); err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 || len(page) > 2 {
				t.Fatalf("a page has %d topics, want 1 or 2", len(page))
			}
			for _, topic := range page {
				got, after = append(got, topic.ARN), topic.ARN
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages: want (-), got (+):\n%s", diff)
		}
	})
}

func TestSubscriptions(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		first := notify.Subscription{ARN: topicARN + ":1", Topic: topicARN, Protocol: notify.Site, Confirmed: true, CreateTime: noon}
		again, other := first, first
		again.ARN, again.Attributes = topicARN+":2", notify.Attributes{notify.RawMessageDelivery: "true"}
		other.ARN, other.Endpoint, other.Protocol, other.Confirmed = topicARN+":3", "https://example.com", notify.HTTPS, false
		other.Attributes = notify.Attributes{notify.FilterPolicy: `{"a":["b"]}`}
		change(t, store, func(tx notify.Tx) error {
			for _, tt := range []struct {
				give, want notify.Subscription
				fresh      bool
			}{{first, first, true}, {again, first, false}, {other, other, true}} {
				got, fresh, err := tx.EnsureSubscription(t.Context(), tt.give)
				if err != nil {
					return err
				}
				if diff := cmp.Diff(tt.want, got); diff != "" || fresh != tt.fresh {
					t.Errorf("fresh %t, want %t; want (-), got (+):\n%s", fresh, tt.fresh, diff)
				}
			}
			all, err := tx.Subscriptions(t.Context(), topicARN)
			if diff := cmp.Diff([]notify.Subscription{first, other}, all); diff != "" {
				t.Errorf("list: want (-), got (+):\n%s", diff)
			}
			return err
		})
		if _, err := store.Subscription(t.Context(), again.ARN); !errors.Is(err, notify.ErrNotFound) {
			t.Errorf("got the error %v, want %v", err, notify.ErrNotFound)
		}

		other.Confirmed, other.Authenticated, other.LockUnsubscribe, other.Attributes = true, true, true, nil
		change(t, store, func(tx notify.Tx) error { return tx.UpdateSubscription(t.Context(), other) })
		wantSubscription(t, store, other)

		// Deleted, it is still read by its ARN, and its endpoint may come again.
		first.DeleteTime = noon.Add(time.Hour)
		change(t, store, func(tx notify.Tx) error {
			if err := tx.UpdateSubscription(t.Context(), first); err != nil {
				return err
			}
			made, fresh, err := tx.EnsureSubscription(t.Context(), again)
			if diff := cmp.Diff(again, made); diff != "" || !fresh {
				t.Errorf("again: fresh %t, want (-), got (+):\n%s", fresh, diff)
			}
			return err
		})
		wantSubscription(t, store, first)
		wantCounts(t, store, notify.Topic{ARN: topicARN, CreateTime: noon}, notify.SubscriptionCounts{Confirmed: 2, Deleted: 1})
		wantCounts(t, store, notify.Topic{ARN: topicARN, CreateTime: noon.Add(2 * time.Hour)}, notify.SubscriptionCounts{Confirmed: 2})
	})
}

func wantSubscription(t *testing.T, store *sqlstore.Store, want notify.Subscription) {
	t.Helper()
	got, err := store.Subscription(t.Context(), want.ARN)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func wantCounts(t *testing.T, store *sqlstore.Store, topic notify.Topic, want notify.SubscriptionCounts) {
	t.Helper()
	got, err := store.CountSubscriptions(t.Context(), topic)
	if err != nil || got != want {
		t.Errorf("counts = %+v, %v, want %+v", got, err, want)
	}
}

func TestDeletedTopicHidesItsSubscriptions(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		var all []notify.SubscriptionARN
		change(t, store, func(tx notify.Tx) error {
			for _, topic := range []notify.TopicARN{topicARN, topicARN + "z"} {
				if _, err := tx.EnsureTopic(t.Context(), notify.Topic{ARN: topic, CreateTime: noon}); err != nil {
					return err
				}
				for i := range 3 {
					s := notify.Subscription{ARN: notify.SubscriptionARN(fmt.Sprint(topic, ":", i)), Topic: topic, Protocol: notify.Site, Endpoint: strconv.Itoa(i), CreateTime: noon}
					all = append(all, s.ARN)
					if _, _, err := tx.EnsureSubscription(t.Context(), s); err != nil {
						return err
					}
				}
			}
			return nil
		})
		wantPages(t, store, "", all...)
		wantPages(t, store, topicARN, all[:3]...)
		wantCounts(t, store, notify.Topic{ARN: topicARN, CreateTime: noon}, notify.SubscriptionCounts{Pending: 3})
		change(t, store, func(tx notify.Tx) error { return tx.DeleteTopic(t.Context(), topicARN, noon) })
		wantPages(t, store, topicARN)
		wantPages(t, store, "", all[3:]...)
		sub, err := store.Subscription(t.Context(), all[0])
		if err != nil || !sub.DeleteTime.Equal(noon) {
			t.Errorf("got %+v, %v, want it deleted at %v", sub, err, noon)
		}
	})
}

// wantPages reads the list two at a time.
func wantPages(t *testing.T, store *sqlstore.Store, topic notify.TopicARN, want ...notify.SubscriptionARN) {
	t.Helper()
	var got []notify.SubscriptionARN
	for after, more := notify.SubscriptionARN(""), true; more; {
		page, next, err := store.SubscriptionPage(t.Context(), topic, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page {
			got, after = append(got, s.ARN), s.ARN
		}
		more = next
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pages of %q: want (-), got (+):\n%s", topic, diff)
	}
}

func TestConfirmations(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		sub := notify.Subscription{ARN: topicARN + ":1", Topic: topicARN, Protocol: notify.HTTP, CreateTime: noon}
		want := notify.Confirmation{Hash: "h", Subscription: sub.ARN, ExpireTime: noon}
		change(t, store, func(tx notify.Tx) error {
			if _, _, err := tx.EnsureSubscription(t.Context(), sub); err != nil {
				return err
			}
			if err := tx.InsertConfirmation(t.Context(), want); err != nil {
				return err
			}
			got, err := tx.Confirmation(t.Context(), "h")
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if _, err := tx.Confirmation(t.Context(), "x"); !errors.Is(err, notify.ErrNotFound) {
				t.Errorf("got the error %v, want %v", err, notify.ErrNotFound)
			}
			return err
		})
	})
}

func TestMessageWithAllItHas(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		want := notify.Message{
			ID: "m", Topic: topicARN, Type: notify.SubscriptionConfirmation, To: topicARN + ":1", Subject: "s", Body: "b", PublishTime: noon,
			Bodies:     map[notify.Protocol]string{notify.Email: "for people"},
			Attributes: map[string]notify.MessageAttribute{"n": {Type: "Number.int", Value: "1e3"}, "b": {Type: "Binary", Value: "AP8="}},
		}
		change(t, store, func(tx notify.Tx) error { return tx.InsertMessage(t.Context(), want) })
		got, err := store.Message(t.Context(), "m")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("want (-), got (+):\n%s", diff)
		}
	})
}
