package notify_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/notify"
)

const days = 24 * time.Hour

func refuse(context.Context, notify.Parcel) (notify.Answer, error) {
	return notify.Answer{Status: 500, Body: "no"}, errors.New("it answered 500")
}

// hang takes as long as a try may take.
func hang(ctx context.Context, _ notify.Parcel) (notify.Answer, error) {
	<-ctx.Done()
	return notify.Answer{}, ctx.Err()
}

// near reports whether a moment is at a time, or up to a tenth of the rest
// before it later.
func near(at, want, rest time.Duration) bool {
	return at >= want && at <= want+rest/10+time.Millisecond
}

// checkRests holds the times between tries against the rests that are wanted.
func checkRests(t *testing.T, got []arrival, want ...time.Duration) {
	t.Helper()
	if len(got) != len(want)+1 {
		t.Fatalf("got %d tries, want %d: %+v", len(got), len(want)+1, got)
	}
	for i, rest := range want {
		if gap := got[i+1].At - got[i].At; !near(gap, rest, rest) {
			t.Errorf("try %d came after %s, want %s and up to a tenth", i+2, gap, rest)
		}
	}
}

func TestScheduleIsSNSsAndThenGoesOn(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.stop()
		w.start(t, notify.Config{RetryFor: 3 * days, Poll: time.Hour})
		topic := w.topic(t, "jobs")
		w.subscribe(t, topic, "down")
		w.does("down", refuse)
		id := w.publish(t, topic, "Body")[0]
		time.Sleep(61*time.Second + 6*time.Second)
		synctest.Wait()
		got := w.arrivals()
		checkRests(t, got, 20*time.Second, 20*time.Second, 20*time.Second)
		if d := w.delivery(t, id); d.State != notify.Pending || d.Tries != 4 || d.LastError != "it answered 500" {
			t.Errorf("got %+v, want it still pending", d)
		}
		time.Sleep(4 * days)
		synctest.Wait()
		want := []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour}
		more := w.arrivals()
		for len(want) < len(more) {
			want = append(want, 6*time.Hour)
		}
		checkRests(t, append(got[3:4:4], more...), want...)
		if last := more[len(more)-1].At; last > 3*days+40*time.Minute || last < 3*days-7*time.Hour {
			t.Errorf("the last try was after %s, want it near the end of 3 days", last)
		}
		d := w.delivery(t, id)
		if d.State != notify.Dead || !d.Due.IsZero() || d.Tries != 4+len(more) {
			t.Errorf("got %+v, want it dead", d)
		}
		for _, a := range more {
			if a.Message != id {
				t.Errorf("the message has become %s, want %s", a.Message, id)
			}
		}
	})
}

func TestPolicyOfTheSubscription(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		topic := w.topic(t, "jobs")
		_, err := w.Subscribe(t.Context(), notify.SubscriptionSpec{Topic: topic, Protocol: notify.Site, Endpoint: "down", Attributes: notify.Attributes{
			notify.DeliveryPolicy: `{"healthyRetryPolicy":{"minDelayTarget":10,"maxDelayTarget":40,"numRetries":6,"numMinDelayRetries":1,"numMaxDelayRetries":2,"backoffFunction":"geometric"}}`,
		}})
		if err != nil {
			t.Fatal(err)
		}
		w.does("down", refuse)
		id := w.publish(t, topic, "Body")[0]
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		second := time.Second
		checkRests(t, w.arrivals(), 10*second, 10*second, 20*second, 40*second, 40*second, 40*second)
		if d := w.delivery(t, id); d.State != notify.Dead {
			t.Errorf("got %+v, want it dead: RetryFor is 0", d)
		}
	})
}

func TestPermanentFailure(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		topic := w.topic(t, "jobs")
		w.subscribe(t, topic, "no")
		w.does("no", func(context.Context, notify.Parcel) (notify.Answer, error) {
			return notify.Answer{Status: 404, Body: "not here"}, fmt.Errorf("it answered 404: %w", notify.ErrPermanent)
		})
		id := w.publish(t, topic, "Body")[0]
		time.Sleep(5 * time.Minute)
		d := w.delivery(t, id)
		if n := len(w.arrivals()); n != 1 || d.State != notify.Dead {
			t.Errorf("got %d tries and %+v, want one, and the delivery dead", n, d)
		}
		_, m, tries, err := w.ReadDelivery(t.Context(), d.ID)
		if err != nil || m.Body != "Body" {
			t.Errorf("read the message %+v and the error %v", m, err)
		}
		want := []notify.Try{{Delivery: d.ID, Number: 1, Node: "node", Start: tries[0].Start, Status: 404, Answer: "not here", Error: "it answered 404: the endpoint will not take the message"}}
		if diff := cmp.Diff(want, tries); diff != "" {
			t.Errorf("tries (-want +got):\n%s", diff)
		}

		// Mended, it is replayed; once is enough.
		w.does("no", nil)
		for range 2 {
			if n, err := w.ReplayAll(t.Context(), notify.DeliveryFilter{Topic: topic}); err != nil || n > 1 {
				t.Fatalf("replayed %d, error %v", n, err)
			}
			synctest.Wait()
		}
		if got := w.arrivals(); len(got) != 1 || got[0].Message != id || !got[0].OK {
			t.Errorf("got %+v, want the message once more", got)
		}
		if d := w.delivery(t, id); d.State != notify.Delivered || d.Tries != 2 || d.DeliverTime.IsZero() {
			t.Errorf("got %+v, want it delivered", d)
		}
		if err := w.Replay(t.Context(), d.ID); err != nil { // also what has arrived
			t.Fatal(err)
		}
		synctest.Wait()
		if got := w.arrivals(); len(got) != 1 {
			t.Errorf("got %+v, want the message again", got)
		}
		if err := w.Replay(t.Context(), "none"); !notify.IsKind(err, notify.NotFound) {
			t.Errorf("got the error %v, want NotFound", err)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		topic := w.topic(t, "jobs")
		w.subscribe(t, topic, "busy")
		w.does("busy", func(context.Context, notify.Parcel) (notify.Answer, error) {
			return notify.Answer{Status: 429, RetryAfter: 5 * time.Minute}, errors.New("busy")
		})
		w.publish(t, topic, "1")
		time.Sleep(time.Minute)
		w.publish(t, topic, "2") // waits as well
		w.does("busy", nil)
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		got := w.arrivals()
		if len(got) != 3 || got[0].Body != "1" || got[0].OK || !got[1].OK || !got[2].OK {
			t.Fatalf("got %+v, want three tries", got)
		}
		for _, a := range got[1:] {
			if !near(a.At, 5*time.Minute, 0) && !near(a.At, 5*time.Minute, 5*time.Second) {
				t.Errorf("got %+v, want it after 5 minutes", a)
			}
		}
	})
}

func TestPace(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		topic := w.topic(t, "jobs")
		_, err := w.Subscribe(t.Context(), notify.SubscriptionSpec{Topic: topic, Protocol: notify.Site, Endpoint: "slow", Attributes: notify.Attributes{
			notify.DeliveryPolicy: `{"throttlePolicy":{"maxReceivesPerSecond":4}}`,
		}})
		if err != nil {
			t.Fatal(err)
		}
		w.publish(t, topic, strings.Split("abcdefghijkl", "")...)
		time.Sleep(time.Minute)
		got := w.arrivals()
		if len(got) != 12 {
			t.Fatalf("got %d tries, want 12", len(got))
		}
		for i := range got[1:] {
			if gap := got[i+1].At - got[i].At; gap < 250*time.Millisecond || gap > 300*time.Millisecond {
				t.Errorf("message %d came %s after the one before, want 250 ms", i+1, gap)
			}
		}
	})
}

// TestDeadDelayNobody has far more for endpoints that hang and refuse than
// there are lanes in all.
func TestDeadDelayNobody(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		topic, good := w.topic(t, "bad"), w.topic(t, "good")
		w.does("hangs", hang)
		w.does("refuses", refuse)
		for i := range 20 {
			name := fmt.Sprintf("hangs %d", i)
			w.does(name, hang)
			w.subscribe(t, topic, name)
		}
		w.subscribe(t, topic, "refuses")
		w.subscribe(t, good, "healthy")
		bodies := make([]string, 50)
		w.publish(t, topic, bodies...)
		for range 20 {
			began := time.Now()
			w.publish(t, good, "x", "y", "z")
			if took := time.Since(began); took > 0 {
				t.Errorf("publishing took %s", took)
			}
			n := 0
			for _, a := range w.arrivals() {
				if a.Endpoint == "healthy" {
					n++
				}
			}
			if n != 3 {
				t.Fatalf("%d of 3 messages have arrived at once", n)
			}
			time.Sleep(3 * time.Second)
		}
		// While it hangs, an endpoint gets one message at a time.
		time.Sleep(10 * time.Minute)
		w.arrivals()
		time.Sleep(10*time.Minute + time.Second)
		per := map[string]int{}
		for _, a := range w.arrivals() {
			per[a.Endpoint]++
		}
		if n := per["hangs 1"]; n < 8 || n > 11 {
			t.Errorf("the endpoint that hangs got %d tries in 10 minutes, want one at a time", n)
		}
		if n := per["refuses"]; n < 40 || n > 125 {
			t.Errorf("the endpoint that refuses got %d tries in 10 minutes, want at most one in 5 seconds", n)
		}

		// Mended, it gets all soon.
		w.does("hangs 1", nil)
		time.Sleep(time.Minute + 10*time.Second)
		left := 0
		page, _, err := w.ListDeliveries(t.Context(), notify.DeliveryFilter{State: notify.Pending, Endpoint: "hangs 1"}, "", 200)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page {
			if d.Due.Before(time.Now()) {
				left++
			}
		}
		if left > 0 {
			t.Errorf("%d messages still wait for an endpoint that was mended", left)
		}
	})
}

// TestRestart kills a node in the middle of a schedule and of a try.
func TestRestart(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		topic := w.topic(t, "jobs")
		w.subscribe(t, topic, "down")
		w.subscribe(t, topic, "hangs")
		w.does("down", refuse)
		w.does("hangs", hang)
		id := w.publish(t, topic, "Body")[0]
		time.Sleep(23 * time.Second)
		synctest.Wait()
		w.stop()
		if n := len(w.arrivals()); n < 2 || n > 3 {
			t.Errorf("got %d tries before the restart, want two, and perhaps the one that was cut off", n)
		}
		time.Sleep(5 * time.Second)
		w.does("hangs", nil)
		w.start(t, notify.Config{})
		got := w.arrivals()
		if len(got) != 1 || got[0].Endpoint != "hangs" || got[0].Message != id {
			t.Errorf("after the restart came %+v, want what was cut off, at once", got)
		}
		w.does("down", nil)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if got := w.arrivals(); len(got) != 1 || got[0].Endpoint != "down" || got[0].At > 19*time.Second {
			t.Errorf("then came %+v, want what was due", got)
		}
		all, err := w.Store.Deliveries(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range all {
			if want := map[string]int{"down": 3, "hangs": 1}[d.Endpoint]; d.State != notify.Delivered || d.Tries != want {
				t.Errorf("got %+v, want it delivered after %d tries", d, want)
			}
		}
	})
}

// TestOtherNode has a node die for good: another one goes on.
func TestOtherNode(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		topic := w.topic(t, "jobs")
		sub := w.subscribe(t, topic, "a")
		w.stop()
		now := time.Now()
		if err := w.Store.UpdateNotify(t.Context(), func(tx notify.Tx) error {
			if err := tx.InsertMessage(t.Context(), notify.Message{ID: "m", Topic: topic, PublishTime: now}); err != nil {
				return err
			}
			_, err := tx.InsertDelivery(t.Context(), notify.Delivery{
				ID: "d", Message: "m", Subscription: sub, Topic: topic, State: notify.Pending, RoundTime: now, Node: "dead node", Due: now.Add(2 * time.Minute),
			})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		w.start(t, notify.Config{Node: "other"})
		time.Sleep(time.Minute)
		if got := w.arrivals(); got != nil {
			t.Errorf("got %+v while the other node may live", got)
		}
		time.Sleep(time.Minute + 5*time.Second)
		synctest.Wait()
		if got := w.arrivals(); len(got) != 1 || got[0].Message != "m" {
			t.Errorf("got %+v, want the message", got)
		}
	})
}

// confirmed makes a subscription whose endpoint has agreed.
func (w *world) confirmed(t *testing.T, topic notify.TopicARN, endpoint string, attributes notify.Attributes) notify.SubscriptionARN {
	t.Helper()
	sub := notify.Subscription{
		ARN: notify.SubscriptionARN(string(topic) + ":" + endpoint), Topic: topic, Protocol: notify.HTTP, Endpoint: endpoint, Attributes: attributes,
		Confirmed: true, CreateTime: time.Now(),
	}
	if err := w.Store.UpdateNotify(t.Context(), func(tx notify.Tx) error {
		_, _, err := tx.EnsureSubscription(t.Context(), sub)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return sub.ARN
}

func TestRedrive(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.stop()
		type redriven struct{ Body, Queue, Reason string }
		var got []redriven
		var up atomic.Bool
		w.start(t, notify.Config{RetryFor: days, Poll: time.Hour, Redrive: func(_ context.Context, p notify.Parcel, queue, reason string) error {
			if !up.Load() {
				return errors.New("SQS is away")
			}
			got = append(got, redriven{p.Message.Body, queue, reason})
			return nil
		}})
		topic := w.topic(t, "jobs")
		w.confirmed(t, topic, "no", notify.Attributes{notify.RedrivePolicy: `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:000000000000:dlq"}`})
		w.does("no", func(context.Context, notify.Parcel) (notify.Answer, error) {
			return notify.Answer{Status: 400}, fmt.Errorf("it answered 400: %w", notify.ErrPermanent)
		})
		id := w.publish(t, topic, "Body")[0]
		time.Sleep(30 * time.Second)
		up.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		want := []redriven{{"Body", "arn:aws:sqs:eu-west-1:000000000000:dlq", "it answered 400: the endpoint will not take the message"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("redriven (-want +got):\n%s", diff)
		}
		d := w.delivery(t, id)
		_, _, tries, err := w.ReadDelivery(t.Context(), d.ID)
		if d.State != notify.Dead || !d.Due.IsZero() || err != nil || len(tries) != 4 || tries[3].Target != want[0].Queue || tries[3].Error != "" {
			t.Errorf("got %+v with the tries %+v, want it dead, and sent to the queue at the third try", d, tries)
		}
	})
}

func TestSubscriptionEnds(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		topic := w.topic(t, "jobs")
		sub := w.subscribe(t, topic, "down")
		w.does("down", refuse)
		id := w.publish(t, topic, "Body")[0]
		if err := w.Store.UpdateNotify(t.Context(), func(tx notify.Tx) error {
			s, err := tx.Subscription(t.Context(), sub)
			s.DeleteTime = time.Now()
			return errors.Join(err, tx.UpdateSubscription(t.Context(), s))
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := w.arrivals(); len(got) != 1 {
			t.Errorf("got %+v, want one try", got)
		}
		d := w.delivery(t, id)
		if d.State != notify.Dropped || !d.Due.IsZero() {
			t.Errorf("got %+v, want it dropped", d)
		}
		if err := w.Replay(t.Context(), d.ID); !notify.IsKind(err, notify.Invalid) {
			t.Errorf("replay: got the error %v, want Invalid", err)
		}
	})
}

func TestGoneEndsAWebhook(t *testing.T) {
	for secret, ends := range map[string]bool{"": false, "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz": true} {
		play(t, func(t *testing.T, w *world) {
			topic := w.topic(t, "jobs")
			arn := w.confirmed(t, topic, "gone", notify.Attributes{notify.WebhookSecret: secret})
			w.does("gone", func(context.Context, notify.Parcel) (notify.Answer, error) {
				return notify.Answer{Status: 410}, notify.ErrGone
			})
			id := w.publish(t, topic, "Body")[0]
			if d := w.delivery(t, id); d.State != notify.Dead {
				t.Errorf("got %+v, want it dead", d)
			}
			if sub, err := w.Store.Subscription(t.Context(), arn); err != nil || sub.DeleteTime.IsZero() == ends {
				t.Errorf("got %+v and the error %v, want it ended: %t", sub, err, ends)
			}
		})
	}
}

func TestElsewhere(t *testing.T) {
	const topic = "arn:aws:sns:us-east-1:123456789012:theirs"
	play(t, func(t *testing.T, w *world) {
		w.stop()
		w.start(t, notify.Config{IsElsewhere: func(arn notify.TopicARN) bool { return arn == topic }})
		if has, err := w.HasTopic(t.Context(), topic); !has || err != nil {
			t.Errorf("got has %t and the error %v", has, err)
		}
		id := w.publish(t, topic, "Body")[0]
		if got := w.arrivals(); len(got) != 1 || got[0].Endpoint != topic || got[0].Body != "Body" {
			t.Errorf("got %+v, want the message published there", got)
		}
		if d := w.delivery(t, id); d.State != notify.Delivered || d.Protocol != notify.Elsewhere || d.Endpoint != topic {
			t.Errorf("got %+v, want it delivered", d)
		}
	})
}

func TestConfirmation(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		topic := w.topic(t, "jobs")
		sub := notify.Subscription{ARN: notify.SubscriptionARN(topic + ":1"), Topic: topic, Protocol: notify.HTTP, Endpoint: "pending", CreateTime: time.Now()}
		ask := func(id notify.MessageID, kind notify.MessageType) {
			if err := w.Store.UpdateNotify(t.Context(), func(tx notify.Tx) error {
				if _, _, err := tx.EnsureSubscription(t.Context(), sub); err != nil {
					return err
				}
				return tx.InsertMessage(t.Context(), notify.Message{ID: id, Topic: topic, Type: kind, To: sub.ARN, PublishTime: time.Now()})
			}); err != nil {
				t.Fatal(err)
			}
			w.work(t)
		}
		var tokens []string
		w.does("pending", func(_ context.Context, p notify.Parcel) (notify.Answer, error) {
			tokens = append(tokens, p.Token)
			return notify.Answer{}, errors.New("down")
		})
		ask("m", notify.SubscriptionConfirmation)
		w.publish(t, topic, "for those who are confirmed")
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if len(tokens) != 2 || len(tokens[0]) != 64 || tokens[0] != tokens[1] {
			t.Errorf("got the tokens %q, want the same twice", tokens)
		}
		// Nobody is left to be asked once it is confirmed.
		if err := w.Store.UpdateNotify(t.Context(), func(tx notify.Tx) error {
			sub.Confirmed = true
			return tx.UpdateSubscription(t.Context(), sub)
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		if d := w.delivery(t, "m"); d.State != notify.Dropped || d.Tries != 2 {
			t.Errorf("got %+v, want it dropped", d)
		}
		// A failed UnsubscribeConfirmation is no dead letter.
		w.arrivals()
		ask("n", notify.UnsubscribeConfirmation)
		time.Sleep(5 * time.Minute)
		if d := w.delivery(t, "n"); d.State != notify.Dropped || d.Tries != 4 {
			t.Errorf("got %+v, want it dropped after all tries", d)
		}
	})
}

func TestPrune(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.stop()
		w.start(t, notify.Config{KeepFor: 7 * days, RetryFor: 10 * days, Poll: time.Hour})
		topic := w.topic(t, "jobs")
		good, lonely := w.topic(t, "good"), w.topic(t, "lonely")
		w.subscribe(t, topic, "bad")
		w.subscribe(t, good, "good")
		w.does("bad", func(context.Context, notify.Parcel) (notify.Answer, error) {
			return notify.Answer{}, notify.ErrPermanent
		})
		old := append(w.publish(t, good, "a", "b"), w.publish(t, lonely, "c")...)
		dead := w.publish(t, topic, "d")[0]
		w.does("bad", refuse)
		pending := w.publish(t, topic, "e")[0]
		time.Sleep(8 * days)
		young := w.publish(t, good, "f")[0]
		if err := w.Prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, id := range old {
			if _, err := w.Store.Message(t.Context(), id); !errors.Is(err, notify.ErrNotFound) {
				t.Errorf("old message: got the error %v, want %v", err, notify.ErrNotFound)
			}
		}
		for _, id := range []notify.MessageID{dead, pending, young} {
			w.delivery(t, id)
			if _, err := w.Store.Message(t.Context(), id); err != nil {
				t.Error(err)
			}
		}
	})
}
