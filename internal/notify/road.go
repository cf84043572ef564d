package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// Deliveries wait in the Store, none of them in a worker. A subscription has a
// road to its endpoint, with lanes; a lane carries one delivery after the other.
// How many lanes a road has depends on how the endpoint does: more while it
// takes what comes, one while it fails, and none while it rests. So those that
// hang or refuse hold up nobody but themselves, however many messages wait for
// them.
const (
	firstLanes = 4  // of an endpoint that nothing is known of
	maxLanes   = 16 // of one that takes all
	// allLanes bounds what is under way in this process at once, and failingLanes
	// what of that may go to endpoints that fail.
	allLanes     = 512
	failingLanes = 128

	// tryTime ends a try, should what delivers not end it earlier, and claimTime
	// is how long a delivery belongs to a node: if that dies, another goes on.
	tryTime   = time.Minute
	claimTime = 2 * time.Minute
	// troubleTime is the rest after trouble with the Store.
	troubleTime = time.Second
	// maxRetryAfter is the longest rest that an endpoint may ask for.
	maxRetryAfter = time.Hour
)

// rests are how long an endpoint rests that has failed once, twice, ...; the
// last is for all further times. They are much shorter than what a delivery
// itself rests, and matter where many deliveries wait for the endpoint.
var rests = []time.Duration{0, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second}

// roads are those of all subscriptions that have something under way, or that
// something is known of.
type roads struct {
	s    *Service
	wake chan struct{} // has room for one

	mu      sync.Mutex
	open    bool // lanes may be entered
	all     map[SubscriptionARN]*road
	waiting map[*road]struct{} // those with a due
	running int                // lanes
	failing int                // of them, those of roads that fail
	lanes   sync.WaitGroup     // counts running
	work    context.Context    // of the trips; ends when they are cut off
}

// road is what is known of the way to one subscription's endpoint. It belongs to
// roads.mu.
type road struct {
	sub      SubscriptionARN
	running  int
	lanes    int
	failures int       // in a row
	rest     time.Time // before which nothing is begun
	pace     time.Duration
	known    bool      // pace is the policy's
	due      time.Time // when the Store may have something for it; zero for never
	used     time.Time
}

// begun is a delivery that this node has claimed, on a lane.
type begun struct {
	road     *road
	parcel   Parcel
	delivery Delivery
}

func newRoads(s *Service) *roads {
	return &roads{s: s, wake: make(chan struct{}, 1), all: map[SubscriptionARN]*road{}, waiting: map[*road]struct{}{}}
}

// road returns the road of a subscription.
func (r *roads) road(sub SubscriptionARN) *road {
	found := r.all[sub]
	if found == nil {
		found = &road{sub: sub, lanes: firstLanes}
		r.all[sub] = found
	}
	return found
}

// look has the Store asked soon for what is due of a subscription.
func (r *roads) look(sub SubscriptionARN) {
	r.mu.Lock()
	r.expect(r.road(sub), r.s.Now())
	r.mu.Unlock()
	r.ring()
}

// expect takes note that the Store may have something for w at a time.
func (r *roads) expect(w *road, at time.Time) {
	if !at.IsZero() {
		w.due = earliest(w.due, at)
		r.waiting[w] = struct{}{}
	}
}

// asked forgets what was expected of the Store: it is being asked. Who expects
// more from now on is not forgotten.
func (r *roads) asked(w *road) {
	w.due = time.Time{}
	delete(r.waiting, w)
}

func (r *roads) ring() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// earliest is the earlier of two times, of which the first may be none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// free is how many more lanes of w may be entered now.
func (r *roads) free(w *road, now time.Time) int {
	if !r.open || now.Before(w.rest) {
		return 0
	}
	n := min(w.lanes-w.running, allLanes-r.running)
	if w.failures > 0 {
		n = min(n, failingLanes-r.failing)
	}
	if w.pace > 0 || !w.known {
		n = min(n, 1)
	}
	return max(n, 0)
}

// enter takes a lane of a subscription's road, if one is free and nothing older
// waits for it. Where the policy is known, the road keeps to its pace.
func (r *roads) enter(sub SubscriptionARN, p *Policy) (w *road, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.s.Now()
	w = r.road(sub)
	w.learn(p)
	if r.free(w, now) == 0 || !w.due.IsZero() && !w.due.After(now) {
		return w, false
	}
	r.take(w, now)
	return w, true
}

// learn takes note of the policy.
func (w *road) learn(p *Policy) {
	w.pace, w.known = 0, true
	if p.MaxPerSecond > 0 {
		w.pace = time.Second / time.Duration(p.MaxPerSecond)
	}
}

// take takes a lane of w.
func (r *roads) take(w *road, now time.Time) {
	w.running++
	r.running++
	r.lanes.Add(1)
	if w.failures > 0 {
		r.failing++
	}
	w.used = now
	if w.pace > 0 {
		w.rest = now.Add(w.pace)
	}
}

// leave gives a lane back.
func (r *roads) leave(w *road) {
	r.mu.Lock()
	r.give(w)
	ring := len(r.waiting) > 0
	r.mu.Unlock()
	if ring {
		r.ring()
	}
}

func (r *roads) give(w *road) {
	w.running--
	r.running--
	r.lanes.Done()
	if w.failures > 0 {
		r.failing--
	}
}

// judge takes note of how a try went, and reports whether its lane may go on.
func (r *roads) judge(w *road, answer Answer, err error) (goOn bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.s.Now()
	switch {
	case err == nil:
		if w.failures > 0 {
			r.failing -= w.running
		}
		w.failures, w.lanes = 0, min(w.lanes+1, maxLanes)
	case errors.Is(err, ErrPermanent): // it answers, if not as one would like
	default:
		if w.failures == 0 {
			r.failing += w.running
		}
		w.failures++
		w.lanes = max(w.lanes/2, 1)
		w.rest = latest(w.rest, now.Add(rests[min(w.failures, len(rests))-1]))
	}
	if err != nil && answer.RetryAfter > 0 {
		w.rest = latest(w.rest, now.Add(min(answer.RetryAfter, maxRetryAfter)))
	}
	if w.running > w.lanes || now.Before(w.rest) || !r.open || w.due.IsZero() || w.due.After(now) {
		return false
	}
	if w.pace > 0 {
		w.rest = now.Add(w.pace)
	}
	r.asked(w) // in settle
	return true
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Work delivers what is due, until ctx ends. Then it lets tries that run go on
// for grace, cuts off those that do not end, and gives back what they tried. It
// may be called once.
func (s *Service) Work(ctx context.Context, grace time.Duration) error {
	if s.Node == "" {
		return errors.New("work deliveries: Node must be set")
	}
	// What an earlier process of this node was at, when it was killed.
	if err := s.Store.ReleaseDeliveries(ctx, s.Node, s.Now()); err != nil {
		return err
	}
	cutOff := s.roads.start(ctx)
	defer cutOff()
	s.roads.loop(ctx)
	s.roads.close()
	defer time.AfterFunc(grace, cutOff).Stop()
	s.roads.lanes.Wait()
	return nil
}

func (r *roads) start(ctx context.Context) (cutOff func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.work, r.open = work, true
	return cancel
}

func (r *roads) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = false
}

func (r *roads) loop(ctx context.Context) {
	poll := time.Time{} // at once
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		if now := r.s.Now(); !now.Before(poll) {
			poll = now.Add(r.s.Poll)
			if err := r.poll(ctx); err != nil && ctx.Err() == nil {
				r.s.Logger.Warn("deliveries that are due will be looked for again", "err", err)
				poll = now.Add(troubleTime)
			}
		}
		next := earliest(r.begin(ctx), poll)
		timer.Reset(max(next.Sub(r.s.Now()), 0))
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-timer.C:
		}
	}
}

// poll asks the Store for all that is due, and forgets roads that nothing is
// known of.
func (r *roads) poll(ctx context.Context) error {
	due, err := r.s.Store.NextDue(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for sub, at := range due {
		r.expect(r.road(sub), at)
	}
	idle := r.s.Now().Add(-time.Hour)
	maps.DeleteFunc(r.all, func(_ SubscriptionARN, w *road) bool {
		return w.running == 0 && w.due.IsZero() && w.used.Before(idle)
	})
	return nil
}

// wanted is what is to be claimed for a road.
type wanted struct {
	road  *road
	count int
}

// begin claims and begins what is due, as far as there are lanes. It returns
// when to come again if nothing happens before.
func (r *roads) begin(ctx context.Context) (next time.Time) {
	for {
		var some []wanted
		some, next = r.want()
		if len(some) == 0 {
			return next
		}
		if err := r.claim(ctx, some); err != nil {
			if ctx.Err() == nil {
				r.s.Logger.Warn("deliveries that are due will be claimed again", "err", err)
			}
			return r.s.Now().Add(troubleTime)
		}
	}
}

// claimBatch is for how many roads one transaction claims.
const claimBatch = 32

// want takes lanes for what is due.
func (r *roads) want() (some []wanted, next time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.s.Now()
	for w := range r.waiting {
		if at := latest(w.due, w.rest); at.After(now) {
			next = earliest(next, at)
			continue
		}
		n := r.free(w, now)
		if n == 0 {
			continue // whoever leaves a lane rings
		}
		if len(some) == claimBatch {
			return some, now
		}
		for range n {
			r.take(w, now)
		}
		r.asked(w)
		some = append(some, wanted{w, n})
	}
	return some, next
}

// claim gets deliveries for lanes that were taken, and begins them.
func (r *roads) claim(ctx context.Context, some []wanted) error {
	// A fixed order, so that nodes do not wait for each other in a circle.
	slices.SortFunc(some, func(a, b wanted) int { return strings.Compare(string(a.road.sub), string(b.road.sub)) })
	got, next := make([][]Delivery, len(some)), make([]time.Time, len(some))
	now := r.s.Now()
	err := r.s.Store.UpdateNotify(ctx, func(tx Tx) (err error) {
		for i, w := range some {
			got[i], next[i], err = tx.ClaimDeliveries(ctx, w.road.sub, r.s.Node, now, now.Add(claimTime), w.count)
			if err != nil {
				return err
			}
		}
		return nil
	})
	r.mu.Lock()
	for i, w := range some {
		if err != nil {
			got[i], next[i] = nil, now
		}
		for range w.count - len(got[i]) {
			r.give(w.road)
		}
		if len(got[i]) == w.count {
			next[i] = now
		}
		r.expect(w.road, next[i])
	}
	r.mu.Unlock()
	for i, w := range some {
		for _, d := range got[i] {
			r.drive(begun{road: w.road, delivery: d})
		}
	}
	return err
}

// drive carries a delivery, and what follows it on its lane.
func (r *roads) drive(b begun) {
	go func() {
		defer r.leave(b.road)
		for next := &b; next != nil; {
			next = r.trip(r.work, *next)
		}
	}()
}

// trip tries one delivery, and returns the next one for its lane, if there is.
func (r *roads) trip(ctx context.Context, b begun) (next *begun) {
	store := context.WithoutCancel(ctx) // what has happened is to be written down
	if b.parcel.Message.ID == "" {      // not at hand from fanning out
		p, err := r.s.readParcel(store, b.delivery)
		if err != nil && !errors.Is(err, ErrNotFound) {
			r.trouble(store, b, err)
			return nil
		}
		b.parcel = p
		r.mu.Lock()
		b.road.learn(&p.Policy)
		r.mu.Unlock()
	}
	t, answer, err := r.s.try(ctx, b)
	if ctx.Err() != nil && err != nil {
		r.trouble(store, b, nil)
		return nil
	}
	goOn := r.judge(b.road, answer, err)
	claimed, err := r.s.settle(store, b, t, answer, err, goOn)
	if err != nil {
		r.trouble(store, b, err)
		return nil
	}
	if claimed == nil {
		return nil
	}
	return &begun{road: b.road, delivery: *claimed}
}

// trouble gives back a delivery that was cut off, or of which it could not be
// written down how it went: another try follows, and this one does not count.
func (r *roads) trouble(ctx context.Context, b begun, cause error) {
	at := r.s.Now()
	if cause != nil {
		at = at.Add(troubleTime)
		r.s.Logger.Warn("delivery will be tried again", "delivery", b.delivery.ID, "subscription", b.delivery.Subscription, "err", cause)
	}
	err := r.s.Store.UpdateNotify(ctx, func(tx Tx) error {
		d, err := tx.Delivery(ctx, b.delivery.ID)
		if err != nil || d.Node != r.s.Node || d.Tries != b.delivery.Tries {
			return ignoreNotFound(err)
		}
		d.Node, d.Due = "", at
		return tx.UpdateDelivery(ctx, d)
	})
	if err != nil {
		// Its claim runs out by itself.
		r.s.Logger.Warn("delivery could not be given back", "delivery", b.delivery.ID, "err", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expect(b.road, at)
}

// try hands the parcel over, or a dead letter to its queue.
func (s *Service) try(ctx context.Context, b begun) (t Try, answer Answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	d, p := &b.delivery, &b.parcel
	start := s.Now()
	t = Try{Delivery: d.ID, Number: d.Tries + 1, Node: s.Node, Start: start}
	if p.Message.ID == "" || d.State == Pending && p.moot(start) {
		return t, answer, errMoot
	}
	if d.State == Dead {
		t.Target = p.Subscription.deadLetterQueue()
		if t.Target == "" || s.Redrive == nil {
			return t, answer, errMoot
		}
		err = s.Redrive(ctx, *p, t.Target, d.LastError)
	} else if deliver := s.Deliver[p.Subscription.Protocol]; deliver != nil {
		answer, err = deliver(ctx, *p)
	} else {
		err = fmt.Errorf("there is no protocol %q here", p.Subscription.Protocol)
	}
	t.Duration, t.Status, t.Answer = s.Now().Sub(start), answer.Status, answer.Body
	if err != nil {
		t.Error = err.Error()
	}
	return t, answer, err
}

// errMoot says that there was nothing to do.
var errMoot = fmt.Errorf("nobody waits for the message any more: %w", ErrPermanent)

// settle writes down how a try went and what follows. If goOn, it claims the
// next delivery for the lane.
func (s *Service) settle(ctx context.Context, b begun, t Try, answer Answer, failed error, goOn bool) (*Delivery, error) {
	var d Delivery
	var claimed []Delivery
	var next time.Time
	err := s.Store.UpdateNotify(ctx, func(tx Tx) (err error) {
		claimed, next = nil, time.Time{}
		if d, err = tx.Delivery(ctx, b.delivery.ID); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		// Should the claim have run out, then whoever has it now says how it goes.
		if err == nil && d.Node == s.Node && d.Tries == b.delivery.Tries {
			if !errors.Is(failed, errMoot) {
				d.Tries++
				d.RoundTries++
				if err := tx.InsertTry(ctx, t); err != nil {
					return err
				}
			}
			s.conclude(&d, &b.parcel, answer, failed)
			if err := tx.UpdateDelivery(ctx, d); err != nil {
				return err
			}
			if err := s.endGone(ctx, tx, &b.parcel, failed); err != nil {
				return err
			}
		}
		if goOn {
			now := s.Now()
			claimed, next, err = tx.ClaimDeliveries(ctx, b.delivery.Subscription, s.Node, now, now.Add(claimTime), 1)
			return err
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("write down how it went: %w", err)
	}
	s.tell(&d, &b.parcel, failed)
	s.roads.mu.Lock()
	defer s.roads.mu.Unlock()
	s.roads.expect(b.road, d.Due)
	if len(claimed) == 0 {
		s.roads.expect(b.road, next)
		return nil, nil
	}
	s.roads.expect(b.road, s.Now()) // there may be more
	return &claimed[0], nil
}

// conclude says what becomes of a delivery after a try.
func (s *Service) conclude(d *Delivery, p *Parcel, answer Answer, failed error) {
	now := s.Now()
	d.Node, d.Due = "", time.Time{}
	if d.State == Dead {
		s.concludeRedrive(d, now, failed)
		return
	}
	if errors.Is(failed, errMoot) {
		d.State = Dropped
		return
	}
	d.LastError = ""
	if failed == nil {
		d.State, d.DeliverTime = Delivered, now
		return
	}
	d.LastError = failed.Error()
	if !errors.Is(failed, ErrPermanent) {
		end := d.RoundTime.Add(s.RetryFor)
		if rest, again := p.Policy.Retry.rest(d.RoundTries, now, end); again {
			rest += rand.N(rest/10 + 1) // so that what failed together does not all come back together
			d.Due = now.Add(max(rest, min(answer.RetryAfter, maxRetryAfter)))
			return
		}
	}
	if p.Message.Type == UnsubscribeConfirmation || p.Message.Type == SubscriptionConfirmation && p.moot(now) {
		d.State = Dropped
		return
	}
	d.State, d.RoundTries, d.RoundTime = Dead, 0, now
	if s.Redrive != nil && p.Subscription.deadLetterQueue() != "" {
		d.Due = now
	}
}

// concludeRedrive goes on as after SNS's own retries: the queue may be away for
// longer than a minute, and the letter stays here in any case.
func (s *Service) concludeRedrive(d *Delivery, now time.Time, failed error) {
	if failed == nil || errors.Is(failed, ErrPermanent) {
		return
	}
	if rest, again := DefaultRetry.rest(d.RoundTries, now, d.RoundTime.Add(s.RetryFor)); again {
		d.Due = now.Add(rest)
	}
}

// endGone ends a subscription whose endpoint says that it is gone, as Standard
// Webhooks has it. SNS knows no such thing, so it takes a secret to mean it.
func (s *Service) endGone(ctx context.Context, tx Tx, p *Parcel, failed error) error {
	if !errors.Is(failed, ErrGone) || p.Subscription.Attributes[WebhookSecret] == "" {
		return nil
	}
	sub, err := tx.Subscription(ctx, p.Subscription.ARN)
	if err != nil || !sub.DeleteTime.IsZero() {
		return ignoreNotFound(err)
	}
	sub.DeleteTime = s.Now()
	return tx.UpdateSubscription(ctx, sub)
}

// tell logs what somebody may want to do something about.
func (s *Service) tell(d *Delivery, p *Parcel, failed error) {
	log := s.Logger.With(slog.String("delivery", string(d.ID)), slog.String("subscription", string(d.Subscription)), slog.Int("try", d.Tries))
	switch {
	case failed == nil || d.State == Dropped:
	case d.State == Dead && d.RoundTries == 0:
		log.Error("message not delivered; it is among the dead letters", "topic", d.Topic, "message", d.Message, "err", failed)
		if errors.Is(failed, ErrGone) && p.Subscription.Attributes[WebhookSecret] != "" {
			log.Warn("subscription ended: its endpoint is gone", "topic", d.Topic)
		}
	default:
		log.Debug("delivery failed", "due", d.Due, "err", failed)
	}
}

// ignoreNotFound is for what was deleted meanwhile.
func ignoreNotFound(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
