package listen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"etude/internal/account"
	"etude/internal/notify"
)

// Protocol is that of the subscriptions.
const Protocol notify.Protocol = "listen"

const (
	// patience is how long a delivery waits for a listener to come back. A try
	// may take a minute.
	patience = 40 * time.Second
	// answerTime is how long a listener may take to say how it went: what it
	// forwards to has 15 seconds.
	answerTime = 18 * time.Second
	heartbeat  = 15 * time.Second
	// keepFor is how long a subscription outlives its listener.
	keepFor = 10 * time.Minute
)

// Store remembers when a listener was last there. All methods may be called at
// once from many goroutines.
type Store interface {
	TouchListener(ctx context.Context, sub notify.SubscriptionARN, now time.Time) error
	// StaleListeners are those that were not there since before.
	StaleListeners(ctx context.Context, before time.Time) ([]notify.SubscriptionARN, error)
	DeleteListener(ctx context.Context, sub notify.SubscriptionARN) error
}

// Topics is what a Service needs of the domain.
type Topics interface {
	Subscribe(ctx context.Context, spec notify.SubscriptionSpec) (notify.Subscription, error)
	Unsubscribe(ctx context.Context, arn notify.SubscriptionARN, signed bool) error
}

// Config is what a Service needs. All fields but Now must be set.
type Config struct {
	Topics Topics
	Store  Store
	// Authenticate returns who has signed a request for ServiceName, and its body.
	Authenticate func(r *http.Request) (account.Identity, []byte, error)
	// Request returns the headers and the body with which a parcel is posted.
	Request func(p *notify.Parcel) (http.Header, []byte, error)
	// ARN is that of the topic of a name; the empty name is the server's own.
	ARN    func(name string) notify.TopicARN
	Logger *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Service is the server's end. All methods may be called at once from many
// goroutines.
type Service struct {
	Config

	mu       sync.Mutex
	closed   bool
	sessions map[string]*session // by endpoint
	arrivals map[string]*arrival // by endpoint
}

// New returns a Service of cfg, or says what is missing.
func New(cfg Config) (*Service, error) {
	if cfg.Topics == nil || cfg.Store == nil || cfg.Authenticate == nil || cfg.Request == nil || cfg.ARN == nil || cfg.Logger == nil {
		return nil, errors.New("configure listen: Topics, Store, Authenticate, Request, ARN and Logger must be set")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{Config: cfg, sessions: map[string]*session{}, arrivals: map[string]*arrival{}}, nil
}

// session is a listener that is connected.
type session struct {
	offers chan *offer
	gone   chan struct{} // closed when it is not any more
	leave  func()        // closes gone; may be called again

	mu      sync.Mutex
	pending map[string]*offer // by ID
}

// offer is a delivery that a listener is to take.
type offer struct {
	delivery
	taken chan report // has room for one
}

func newSession() *session {
	gone := make(chan struct{})
	return &session{offers: make(chan *offer), gone: gone, leave: sync.OnceFunc(func() { close(gone) }), pending: map[string]*offer{}}
}

// enter makes a session the one of an endpoint; an older one, whose connection
// may be dead without anybody's having noticed, is left. It returns nil if the
// service is closed.
func (s *Service) enter(endpoint string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	if old := s.sessions[endpoint]; old != nil {
		old.leave()
	}
	fresh := newSession()
	s.sessions[endpoint] = fresh
	if waiting := s.arrivals[endpoint]; waiting != nil {
		close(waiting.came)
		delete(s.arrivals, endpoint)
	}
	return fresh
}

func (s *Service) exit(endpoint string, one *session) {
	one.leave()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[endpoint] == one {
		delete(s.sessions, endpoint)
	}
}

// Close ends the connections, which would otherwise keep a server from shutting
// down, and lets no new one begin. Listeners come back by themselves.
func (s *Service) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, one := range s.sessions {
		one.leave()
	}
}

// arrival is waited for by those who have something for a listener.
type arrival struct {
	came    chan struct{} // closed when it comes
	waiters int
}

// await returns the endpoint's session, once there is one.
func (s *Service) await(ctx context.Context, endpoint string) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		found, a := s.session(endpoint)
		if found != nil {
			return found, nil
		}
		select {
		case <-a.came:
		case <-ctx.Done():
			s.giveUp(endpoint, a)
			return nil, errors.New("nobody listens, on this node")
		}
	}
}

// session returns the endpoint's, or what to wait for.
func (s *Service) session(endpoint string) (*session, *arrival) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.sessions[endpoint]; found != nil {
		return found, nil
	}
	a := s.arrivals[endpoint]
	if a == nil {
		a = &arrival{came: make(chan struct{})}
		s.arrivals[endpoint] = a
	}
	a.waiters++
	return nil, a
}

func (s *Service) giveUp(endpoint string, a *arrival) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.waiters--; a.waiters == 0 && s.arrivals[endpoint] == a {
		delete(s.arrivals, endpoint)
	}
}

// Deliver is a notify.DeliverFunc: it hands the parcel to the listener, and
// waits until that says how it was taken.
func (s *Service) Deliver(ctx context.Context, p notify.Parcel) (notify.Answer, error) {
	header, body, err := s.Request(&p)
	if err != nil {
		return notify.Answer{}, err
	}
	one, err := s.await(ctx, p.Subscription.Endpoint)
	if err != nil {
		return notify.Answer{}, err
	}
	o := &offer{delivery: delivery{ID: uuid.NewString(), Header: header, Body: string(body)}, taken: make(chan report, 1)}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	one.expect(o)
	defer one.forget(o)
	select {
	case one.offers <- o:
	case <-one.gone:
		return notify.Answer{}, errGone
	case <-ctx.Done():
		return notify.Answer{}, errors.New("the listener takes nothing")
	}
	select {
	case r := <-o.taken:
		return judge(r)
	case <-one.gone:
		return notify.Answer{}, errGone
	case <-ctx.Done():
		return notify.Answer{}, fmt.Errorf("the listener did not say within %s how it went", answerTime)
	}
}

var errGone = errors.New("the listener went away before it said how it went")

// judge says what an answer means. Whatever is wrong with a program that is
// under work, it is mended in a moment: so all is tried again that SNS would
// not.
func judge(r report) (notify.Answer, error) {
	a := notify.Answer{Status: r.Status, Body: r.Body}
	switch {
	case r.Status >= 200 && r.Status < 300:
		return a, nil
	case r.Status != 0:
		return a, fmt.Errorf("it answered %d", r.Status)
	}
	return a, fmt.Errorf("it could not be forwarded: %.300s", r.Error)
}

func (one *session) expect(o *offer) {
	one.mu.Lock()
	defer one.mu.Unlock()
	one.pending[o.ID] = o
}

func (one *session) forget(o *offer) {
	one.mu.Lock()
	defer one.mu.Unlock()
	delete(one.pending, o.ID)
}

// report passes on how a delivery was taken. It reports whether somebody waits
// to hear it.
func (s *Service) report(endpoint string, r report) bool {
	s.mu.Lock()
	one := s.sessions[endpoint]
	s.mu.Unlock()
	if one == nil {
		return false
	}
	one.mu.Lock()
	o := one.pending[r.ID]
	one.mu.Unlock()
	if o == nil {
		return false
	}
	select {
	case o.taken <- r:
	default: // it was said before
	}
	return true
}

// Sweep ends the subscriptions of listeners that have not been there for ten
// minutes. It is to be called every minute, on any number of nodes.
func (s *Service) Sweep(ctx context.Context) error {
	stale, err := s.Store.StaleListeners(ctx, s.Now().Add(-keepFor))
	if err != nil {
		return err
	}
	for _, sub := range stale {
		if err := s.end(ctx, sub); err != nil {
			return err
		}
		s.Logger.Info("subscription ended, since nobody listens any more", "subscription", sub)
	}
	return nil
}

func (s *Service) end(ctx context.Context, sub notify.SubscriptionARN) error {
	if err := s.Topics.Unsubscribe(ctx, sub, true); err != nil && !notify.IsKind(err, notify.NotFound) {
		return err
	}
	return s.Store.DeleteListener(ctx, sub)
}
