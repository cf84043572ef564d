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
	since time.Time
	begun time.Time // of all but probing; zero before
	from  float64   // what was done then
	work  float64   // the cost of all but probing
	done  float64   // of that
}

// probeShare is the share of all progress that is done when the input was
// probed.
const probeShare = 0.02

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
	m.say(phase, done)
}

func (m *meter) say(phase transcode.Phase, done float64) {
	p := transcode.Progress{Phase: phase, Done: max(m.last.Done, min(done, 1))}
	now := time.Now()
	if p.Phase == m.last.Phase && (p.Done == m.last.Done || p.Done < 1 && now.Sub(m.since) < time.Second/10) {
		return
	}
	if m.begun.IsZero() && phase != transcode.Probing {
		m.begun, m.from = now, p.Done
	}
	// What is to come takes as long as what was, once there was enough of it.
	if took := now.Sub(m.begun); !m.begun.IsZero() && took > time.Second && p.Done-m.from > 0.02 {
		p.Left = time.Duration(float64(took) * (1 - p.Done) / (p.Done - m.from))
	}
	m.last, m.since = p, now
	m.tell(p)
}

// expect adds to the cost of what is to be done after probing.
func (m *meter) expect(cost float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.work += cost
}

// step returns how to say which share of a part of the work, of some cost, is
// done. It may be called at once with those of other parts; what falls is
// ignored.
func (m *meter) step(cost float64) func(phase transcode.Phase, done float64) {
	was := 0.0
	return func(phase transcode.Phase, done float64) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if done = min(done, 1); done > was {
			m.done += (done - was) * cost
			was = done
		}
		if m.tell == nil || m.work <= 0 {
			return
		}
		// Decoding is over when only verifying has a part to do.
		m.say(phase, probeShare+(1-probeShare)*min(m.done/m.work, 1))
	}
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
