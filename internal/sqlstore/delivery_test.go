package sqlstore_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/notify"
	"etude/internal/signkey"
	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
)

// deliver makes a message and a delivery of it.
func deliver(t *testing.T, store *sqlstore.Store, d notify.Delivery) notify.Delivery {
	t.Helper()
	d.Message = notify.MessageID("m" + d.ID)
	if d.State == "" {
		d.State = notify.Pending
	}
	if d.RoundTime.IsZero() {
		d.RoundTime = noon
	}
	change(t, store, func(tx notify.Tx) error {
		err := tx.InsertMessage(t.Context(), notify.Message{ID: d.Message, Topic: d.Topic, Type: notify.Notification, Subject: "s", PublishTime: d.RoundTime})
		if err != nil {
			return err
		}
		fresh, err := tx.InsertDelivery(t.Context(), d)
		if !fresh {
			t.Errorf("insert delivery %s: it is not new", d.ID)
		}
		return err
	})
	return d
}

func subscribe(t *testing.T, store *sqlstore.Store, sub notify.SubscriptionARN, endpoint string) {
	t.Helper()
	change(t, store, func(tx notify.Tx) error {
		_, _, err := tx.EnsureSubscription(t.Context(), notify.Subscription{
			ARN: sub, Topic: topicARN, Protocol: notify.HTTP, Endpoint: endpoint, Confirmed: true, CreateTime: noon,
		})
		return err
	})
}

func TestDelivery(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, tasks *sqlstoretest.Tasks) {
		subscribe(t, store, topicARN+":1", "http://a")
		d := deliver(t, store, notify.Delivery{ID: "d", Subscription: topicARN + ":1", Topic: topicARN, Due: noon})
		if diff := cmp.Diff([]any{notify.FanOut{Message: d.Message}}, tasks.Take()); diff != "" {
			t.Errorf("tasks: want (-), got (+):\n%s", diff)
		}
		change(t, store, func(tx notify.Tx) error {
			again := d
			again.ID = "e"
			fresh, err := tx.InsertDelivery(t.Context(), again)
			if fresh {
				t.Error("the same message and subscription have two deliveries")
			}
			return err
		})
		want := d
		want.State, want.Tries, want.RoundTries, want.RoundTime, want.Node, want.Due = notify.Dead, 7, 3, noon.Add(time.Hour), "n", noon.Add(time.Minute)
		want.LastError, want.DeliverTime = "refused", noon.Add(time.Second)
		change(t, store, func(tx notify.Tx) error {
			got, err := tx.Delivery(t.Context(), "d")
			if err != nil {
				return err
			}
			if diff := cmp.Diff(d, got); diff != "" {
				t.Errorf("inserted (-), got (+):\n%s", diff)
			}
			return tx.UpdateDelivery(t.Context(), want)
		})
		want.Protocol, want.Endpoint, want.Type, want.Subject = notify.HTTP, "http://a", notify.Notification, "s"
		got, err := store.Delivery(t.Context(), "d")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("updated (-), got (+):\n%s", diff)
		}
		all, err := store.Deliveries(t.Context(), d.Message)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]notify.Delivery{want}, all); diff != "" {
			t.Errorf("of the message: want (-), got (+):\n%s", diff)
		}
		if _, err := store.Delivery(t.Context(), "none"); !errors.Is(err, notify.ErrNotFound) {
			t.Errorf("read: got the error %v, want %v", err, notify.ErrNotFound)
		}
		err = store.UpdateNotify(t.Context(), func(tx notify.Tx) error {
			if _, err := tx.Delivery(t.Context(), "none"); !errors.Is(err, notify.ErrNotFound) {
				t.Errorf("read: got the error %v, want %v", err, notify.ErrNotFound)
			}
			return tx.UpdateDelivery(t.Context(), notify.Delivery{ID: "none"})
		})
		if !errors.Is(err, notify.ErrNotFound) {
			t.Errorf("update: got the error %v, want %v", err, notify.ErrNotFound)
		}
	})
}

func TestTries(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		deliver(t, store, notify.Delivery{ID: "d", Subscription: topicARN, Topic: topicARN})
		want := []notify.Try{
			{Delivery: "d", Number: 1, Node: "n", Start: noon, Duration: 15 * time.Second, Error: "no answer"},
			{Delivery: "d", Number: 2, Node: "n", Target: "arn", Start: noon, Status: 500, Error: "e", Answer: "a\uFFFDb"},
		}
		change(t, store, func(tx notify.Tx) error {
			second := want[1]
			second.Answer = "a\x00b" // of an endpoint that answers with anything
			return errors.Join(tx.InsertTry(t.Context(), second), tx.InsertTry(t.Context(), want[0]))
		})
		got, err := store.Tries(t.Context(), "d")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("want (-), got (+):\n%s", diff)
		}
	})
}

func claim(t *testing.T, store *sqlstore.Store, sub notify.SubscriptionARN, node string, now time.Time, limit int) (ids []notify.DeliveryID, next time.Time) {
	t.Helper()
	change(t, store, func(tx notify.Tx) (err error) {
		var all []notify.Delivery
		all, next, err = tx.ClaimDeliveries(t.Context(), sub, node, now, now.Add(time.Minute), limit)
		ids = nil
		for _, d := range all {
			if d.Node != node || !d.Due.Equal(now.Add(time.Minute)) {
				t.Errorf("claimed %+v", d)
			}
			ids = append(ids, d.ID)
		}
		return err
	})
	return ids, next
}

func TestClaim(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		const a, b = topicARN + ":a", topicARN + ":b"
		deliver(t, store, notify.Delivery{ID: "1", Subscription: a, Topic: topicARN, Due: noon.Add(3 * time.Second)})
		deliver(t, store, notify.Delivery{ID: "2", Subscription: a, Topic: topicARN, Due: noon.Add(time.Second)})
		deliver(t, store, notify.Delivery{ID: "3", Subscription: a, Topic: topicARN, Due: noon.Add(2 * time.Second)})
		deliver(t, store, notify.Delivery{ID: "4", Subscription: a, Topic: topicARN, State: notify.Delivered})
		deliver(t, store, notify.Delivery{ID: "5", Subscription: b, Topic: topicARN, Due: noon.Add(9 * time.Second)})
		due := func() map[notify.SubscriptionARN]time.Time {
			next, err := store.NextDue(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return next
		}
		if diff := cmp.Diff(map[notify.SubscriptionARN]time.Time{a: noon.Add(time.Second), b: noon.Add(9 * time.Second)}, due()); diff != "" {
			t.Errorf("due: want (-), got (+):\n%s", diff)
		}
		for _, tt := range []struct {
			sub   notify.SubscriptionARN
			at    time.Duration
			limit int
			want  []notify.DeliveryID
			next  time.Time
		}{
			{a, 0, 5, nil, noon.Add(time.Second)},
			{"none", 0, 5, nil, time.Time{}},
			{a, 2 * time.Second, 1, []notify.DeliveryID{"2"}, time.Time{}},
			{a, 2 * time.Second, 5, []notify.DeliveryID{"3"}, noon.Add(3 * time.Second)},
			{a, 3 * time.Second, 5, []notify.DeliveryID{"1"}, noon.Add(62 * time.Second)},
			{a, 62 * time.Second, 5, []notify.DeliveryID{"2", "3"}, noon.Add(63 * time.Second)}, // as if their node had died
		} {
			ids, next := claim(t, store, tt.sub, "n", noon.Add(tt.at), tt.limit)
			if diff := cmp.Diff(tt.want, ids); diff != "" || !next.Equal(tt.next) {
				t.Errorf("claimed after %s: next %s, want %s; want (-), got (+):\n%s", tt.at, next, tt.next, diff)
			}
		}
		claim(t, store, b, "m", noon.Add(time.Hour), 1)
		if err := store.ReleaseDeliveries(t.Context(), "n", noon); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[notify.SubscriptionARN]time.Time{a: noon, b: noon.Add(time.Hour + time.Minute)}, due()); diff != "" {
			t.Errorf("due after the release of one node: want (-), got (+):\n%s", diff)
		}
	})
}

// TestClaimAtOnce has many claim at once: nobody gets what another one has.
func TestClaimAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		const n = 60
		for i := range n {
			deliver(t, store, notify.Delivery{ID: notify.DeliveryID(fmt.Sprintf("%02d", i)), Subscription: topicARN, Topic: topicARN, Due: noon})
		}
		var mu sync.Mutex
		var got []notify.DeliveryID
		var wg sync.WaitGroup
		for node := range 6 {
			wg.Go(func() {
				for {
					ids, _ := claim(t, store, topicARN, strconv.Itoa(node), noon, 3)
					if len(ids) == 0 {
						return
					}
					mu.Lock()
					got = append(got, ids...)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		slices.Sort(got)
		if len(got) != n || len(slices.Compact(got)) != n {
			t.Errorf("%d deliveries were claimed, want each of %d once: %v", len(got), n, got)
		}
	})
}

func TestDeliveryPage(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		const a, b, other = topicARN + ":a", topicARN + ":b", "arn:aws:sns:us-east-1:123456789012:theirs"
		subscribe(t, store, a, "http://a")
		subscribe(t, store, b, "http://b")
		for _, d := range []notify.Delivery{
			{ID: "1", Subscription: a, Topic: topicARN, State: notify.Delivered},
			{ID: "2", Subscription: b, Topic: topicARN, State: notify.Dead},
			{ID: "3", Subscription: a, Topic: topicARN, State: notify.Dead},
			{ID: "4", Subscription: other, Topic: other, State: notify.Dead},
			{ID: "5", Subscription: a, Topic: topicARN, State: notify.Pending},
		} {
			deliver(t, store, d)
		}
		for _, tt := range []struct {
			f      notify.DeliveryFilter
			before notify.DeliveryID
			limit  int
			want   string
			more   bool
		}{
			{notify.DeliveryFilter{}, "", 9, "54321", false},
			{notify.DeliveryFilter{}, "", 2, "54", true},
			{notify.DeliveryFilter{}, "4", 2, "32", true},
			{notify.DeliveryFilter{}, "2", 2, "1", false},
			{notify.DeliveryFilter{State: notify.Dead}, "", 9, "432", false},
			{notify.DeliveryFilter{State: notify.Dead}, "4", 1, "3", true},
			{notify.DeliveryFilter{Topic: topicARN}, "", 9, "5321", false},
			{notify.DeliveryFilter{Topic: topicARN, State: notify.Dead}, "", 9, "32", false},
			{notify.DeliveryFilter{Topic: topicARN, State: notify.Pending}, "", 9, "5", false},
			{notify.DeliveryFilter{Subscription: a}, "", 9, "531", false},
			{notify.DeliveryFilter{Subscription: a, State: notify.Dead}, "", 9, "3", false},
			{notify.DeliveryFilter{Subscription: a, Topic: other}, "", 9, "", false},
			{notify.DeliveryFilter{Endpoint: "http://b"}, "", 9, "2", false},
			{notify.DeliveryFilter{Endpoint: "http://a", State: notify.Dead}, "", 9, "3", false},
			{notify.DeliveryFilter{State: "none"}, "", 9, "", false},
		} {
			page, more, err := store.DeliveryPage(t.Context(), tt.f, tt.before, tt.limit)
			if err != nil {
				t.Fatal(err)
			}
			var ids strings.Builder
			for _, d := range page {
				ids.WriteString(string(d.ID))
				want := map[notify.SubscriptionARN]string{a: "http://a", b: "http://b", other: other}[d.Subscription]
				if d.Endpoint != want || d.Subject != "s" {
					t.Errorf("got %+v, want the endpoint %s", d, want)
				}
			}
			if got := ids.String(); got != tt.want || more != tt.more {
				t.Errorf("%+v before %q, %d: got %s, more %t, want %s, %t", tt.f, tt.before, tt.limit, got, more, tt.want, tt.more)
			}
		}
	})
}

func TestPruneMessages(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		old, young := noon.Add(-time.Hour), noon.Add(time.Hour)
		for _, d := range []notify.Delivery{
			{ID: "old", State: notify.Delivered, RoundTime: old}, {ID: "dropped", State: notify.Dropped, RoundTime: old},
			{ID: "dead", State: notify.Dead, RoundTime: old}, {ID: "pending", State: notify.Pending, RoundTime: old},
			{ID: "young", State: notify.Delivered, RoundTime: young},
		} {
			d.Subscription, d.Topic = topicARN, topicARN
			deliver(t, store, d)
			change(t, store, func(tx notify.Tx) error {
				return tx.InsertTry(t.Context(), notify.Try{Delivery: d.ID, Number: 1, Start: noon})
			})
		}
		for _, want := range []int{1, 1, 0} {
			if n, err := store.PruneMessages(t.Context(), noon, 1); n != want || err != nil {
				t.Errorf("pruned %d, error %v, want %d", n, err, want)
			}
		}
		page, _, err := store.DeliveryPage(t.Context(), notify.DeliveryFilter{}, "", 9)
		if err != nil {
			t.Fatal(err)
		}
		var left []string
		for _, d := range page {
			left = append(left, string(d.ID))
		}
		if diff := cmp.Diff([]string{"young", "pending", "dead"}, left); diff != "" {
			t.Errorf("left: want (-), got (+):\n%s", diff)
		}
	})
}

func TestSigningKeys(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		one := signkey.Stored{Number: 1, Hash: "a", Certificate: "pem a", Sealed: []byte{0, 1, 255}, CreateTime: noon}
		two := signkey.Stored{Number: 2, Hash: "b", Certificate: "pem b", Sealed: []byte{2}, CreateTime: noon}
		late := signkey.Stored{Number: 2, Hash: "c", Certificate: "pem c", Sealed: []byte{3}, CreateTime: noon}
		for _, tt := range []struct {
			k    signkey.Stored
			want bool
		}{{one, true}, {two, true}, {late, false}} {
			if first, err := store.InsertSigningKey(t.Context(), tt.k); first != tt.want || err != nil {
				t.Errorf("insert %s: got %t and the error %v, want %t", tt.k.Hash, first, err, tt.want)
			}
		}
		all, err := store.SigningKeys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]signkey.Stored{two, one}, all); diff != "" {
			t.Errorf("want (-), got (+):\n%s", diff)
		}
		if pem, err := store.SigningCertificate(t.Context(), "a"); pem != "pem a" || err != nil {
			t.Errorf("got the certificate %q and the error %v", pem, err)
		}
		if _, err := store.SigningCertificate(t.Context(), "c"); !errors.Is(err, signkey.ErrNotFound) {
			t.Errorf("got the error %v, want %v", err, signkey.ErrNotFound)
		}
	})
}
