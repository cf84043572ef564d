package account

import (
	"sync"
	"time"
)

// How many failed sign-ins are borne in how long.
const (
	limitTries = 10
	limitTime  = 5 * time.Minute
	limitNames = 10000 // more are not remembered: the oldest window goes
)

// limiter counts failures by name in windows of limitTime. It lives in memory:
// a restart forgives, which a guesser cannot bring about.
type limiter struct {
	mu       sync.Mutex
	failures map[string]*window
}

type window struct {
	start time.Time
	count int
}

// allow reports whether none of the names has used up its tries.
func (l *limiter) allow(names ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range names {
		if w := l.failures[name]; w != nil && time.Since(w.start) < limitTime && w.count >= limitTries {
			return false
		}
	}
	return true
}

func (l *limiter) failed(names ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failures == nil {
		l.failures = map[string]*window{}
	}
	for _, name := range names {
		w := l.failures[name]
		if w == nil || time.Since(w.start) >= limitTime {
			l.makeRoom()
			w = &window{start: time.Now()}
			l.failures[name] = w
		}
		w.count++
	}
}

// makeRoom drops the windows that are over, and the oldest if none is.
func (l *limiter) makeRoom() {
	if len(l.failures) < limitNames {
		return
	}
	oldest, name := time.Now(), ""
	for n, w := range l.failures {
		if time.Since(w.start) >= limitTime {
			delete(l.failures, n)
		} else if w.start.Before(oldest) {
			oldest, name = w.start, n
		}
	}
	if len(l.failures) >= limitNames {
		delete(l.failures, name)
	}
}

func (l *limiter) forget(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.failures, name)
}
