package web

import (
	"context"
	"sync"
)

// streams knows the open event streams, so that they can be ended: all when
// the server stops, and a session's when it does. The zero value is ready.
type streams struct {
	mu     sync.Mutex
	closed bool
	open   map[string]map[*stream]struct{} // by session token
}

// stream is one that is open; end ends its context.
type stream struct {
	end context.CancelFunc
}

// begin returns a context that ends with ctx, with the session or with the
// site, and the function that must be called when the stream is over. It
// returns false if the site is closed.
func (s *streams) begin(ctx context.Context, token string) (context.Context, func(), bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, false
	}
	ctx, cancel := context.WithCancel(ctx)
	one := &stream{end: cancel}
	if s.open == nil {
		s.open = map[string]map[*stream]struct{}{}
	}
	if s.open[token] == nil {
		s.open[token] = map[*stream]struct{}{}
	}
	s.open[token][one] = struct{}{}
	return ctx, func() { s.drop(token, one) }, true
}

func (s *streams) drop(token string, one *stream) {
	one.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open[token], one)
	if len(s.open[token]) == 0 {
		delete(s.open, token)
	}
}

// end ends the streams of a session.
func (s *streams) end(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for one := range s.open[token] {
		one.end()
	}
}

// close ends all streams for good.
func (s *streams) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, ofSession := range s.open {
		for one := range ofSession {
			one.end()
		}
	}
}
