package ffmpeg

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"etude/internal/transcode"
)

// meter reports progress: never falling, not too often, and never after it was
// closed.
type meter struct {
	mu    sync.Mutex
	tell  func(transcode.Progress) // nil when it is closed
	last  transcode.Progress
	from  float64 // what is reported is from here on,
	span  float64 // over so much; 0 for all
	since time.Time
}

// newMeter returns a meter for a function that may be nil.
func newMeter(tell func(transcode.Progress)) *meter { return &meter{tell: tell} }

// report tells of progress, unless the last word is less than a tenth of a
// second old and of the same phase.
func (m *meter) report(phase transcode.Phase, done float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tell == nil {
		return
	}
	if m.span > 0 {
		done = m.from + m.span*min(done, 1)
	}
	p := transcode.Progress{Phase: phase, Done: max(m.last.Done, min(done, 1))}
	now := time.Now()
	if p == m.last || p.Phase == m.last.Phase && p.Done < 1 && now.Sub(m.since) < time.Second/10 {
		return
	}
	m.last, m.since = p, now
	m.tell(p)
}

// scale says that what is reported from now on is a part of all the work.
func (m *meter) scale(from, to float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.from, m.span = from, to-from
}

func (m *meter) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tell = nil
}

// share is how far a time is into a duration. Into one that is not known it
// grows ever slower.
func share(at, duration time.Duration) float64 {
	if duration <= 0 {
		return at.Seconds() / (at.Seconds() + 60)
	}
	return min(at.Seconds()/duration.Seconds(), 1)
}

// newClock returns a reader of -progress that calls tell with the time that was
// reached whenever something moved.
func newClock(tell func(time.Duration)) *clock { return &clock{tell: tell} }

type clock struct {
	tell func(time.Duration)
	at   time.Duration
	size string
}

func (c *clock) line(line string) {
	key, value, _ := strings.Cut(line, "=")
	switch key {
	case "total_size":
		if value != c.size {
			c.size = value
			c.tell(c.at)
		}
	case "out_time_us":
		us, err := strconv.ParseInt(value, 10, 64)
		if at := time.Duration(us) * time.Microsecond; err == nil && at > c.at {
			c.at = at
			c.tell(at)
		}
	}
}
