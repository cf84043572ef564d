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
	mu      sync.Mutex
	tell    func(transcode.Progress) // nil when it is closed
	last    transcode.Progress
	since   time.Time
	all     work          // all but probing
	outputs map[int]*work // what of that each output takes, by its index
	names   []string
}

// work is some work that comes after probing.
type work struct {
	transcode.OutputProgress
	cost, spent float64
	begun       time.Time // zero before
	from        float64   // what was done then
}

// portion is what of some work an output takes.
type portion struct {
	output int // its index
	cost   float64
	makes  bool // the output is encoded when the work is done
}

// making and checking are the portions of a track's output: it is decoded for,
// which costs 1, and encoded; and a tenth of it is verifying, however little that
// costs: whoever looks at what waits for others is to see that it is nearly there.
func (t *track) making() portion   { return portion{t.Output, 9 * (1 + t.Cost), true} }
func (t *track) checking() portion { return portion{t.Output, 1 + t.Cost, false} }

// work is all portions of a plan's outputs.
func (p *plan) work() (all []portion) {
	for i := range p.Tracks {
		all = append(all, p.Tracks[i].making(), p.Tracks[i].checking())
	}
	return all
}

// decoding is the portions that the process has which decodes: what is not split.
func (p *plan) decoding() (all []portion) {
	for i := range p.Tracks {
		if p.Tracks[i].Split == nil {
			all = append(all, p.Tracks[i].making())
		}
	}
	return all
}

// checking is the portions of verifying those tracks that are in which.
func (p *plan) checking(which func(i int) bool) (all []portion) {
	for i := range p.Tracks {
		if which(i) {
			all = append(all, p.Tracks[i].checking())
		}
	}
	return all
}

// probeShare is the share of all progress that is done when the input was
// probed.
const probeShare = 0.02

// newMeter returns a meter for a function that may be nil, and for outputs of
// some names.
func newMeter(tell func(transcode.Progress), names ...string) *meter {
	return &meter{tell: tell, outputs: map[int]*work{}, names: names}
}

// report tells of progress, unless the last word is less than a tenth of a
// second old and of the same phase.
func (m *meter) report(phase transcode.Phase, done float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all.Phase = phase
	m.all.reach(done)
	m.say()
}

// reach takes note that some of the work is done. What is to come takes as long
// as what was, once there was enough of it.
func (w *work) reach(done float64) {
	w.Done = max(w.Done, min(done, 1))
	now := time.Now()
	if w.begun.IsZero() && w.Phase != transcode.Probing {
		w.begun, w.from = now, w.Done
	}
	w.Left = 0
	if took := now.Sub(w.begun); !w.begun.IsZero() && took > time.Second && w.Done-w.from > 0.02 {
		w.Left = time.Duration(float64(took) * (1 - w.Done) / (w.Done - w.from))
	}
}

// spend takes note of some of the cost.
func (w *work) spend(cost float64) {
	w.spent += cost
	if w.cost > 0 {
		w.reach(probeShare + (1-probeShare)*min(w.spent/w.cost, 1))
	}
}

func (m *meter) say() {
	now := time.Now()
	if m.tell == nil || m.all.Phase == m.last.Phase && (m.all.Done == m.last.Done || m.all.Done < 1 && now.Sub(m.since) < time.Second/10) {
		return
	}
	p := transcode.Progress{Phase: m.all.Phase, Done: m.all.Done, Left: m.all.Left}
	if len(m.outputs) > 0 {
		p.Outputs = make(map[string]transcode.OutputProgress, len(m.outputs))
	}
	for i, w := range m.outputs {
		o := w.OutputProgress
		// None is ready before all are verified, and none later than all.
		if o.Phase == transcode.Verifying || m.all.Left > 0 && o.Left > m.all.Left {
			o.Left = m.all.Left
		}
		p.Outputs[m.names[i]] = o
	}
	m.last, m.since = p, now
	m.tell(p)
}

// expect adds to the cost of what is to be done after probing, and of what that
// is for single outputs.
func (m *meter) expect(cost float64, of ...portion) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all.cost += cost
	for _, p := range of {
		w := m.outputs[p.output]
		if w == nil {
			w = &work{OutputProgress: transcode.OutputProgress{Phase: transcode.Probing, Done: probeShare}}
			m.outputs[p.output] = w
		}
		w.Phase = transcode.Probing
		w.cost += p.cost
	}
}

// restart forgets what was to be done and what was: all begins again. What was
// told stands until more is done.
func (m *meter) restart() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all.cost, m.all.spent = 0, 0
	for _, w := range m.outputs {
		w.cost, w.spent = 0, 0
	}
}

// step returns how to say which share of a part of the work, of some cost, is
// done, which has portions of single outputs. It may be called at once with those
// of other parts; what falls is ignored.
func (m *meter) step(cost float64, of ...portion) func(phase transcode.Phase, done float64) {
	was := 0.0
	return func(phase transcode.Phase, done float64) {
		m.mu.Lock()
		defer m.mu.Unlock()
		more := max(min(done, 1)-was, 0)
		was += more
		m.all.Phase = phase
		m.all.spend(more * cost)
		for _, p := range of {
			w := m.outputs[p.output]
			if w == nil {
				continue
			}
			w.move(phase)
			if p.makes && was == 1 {
				w.move(transcode.Verifying)
			}
			w.spend(more * p.cost)
		}
		m.say()
	}
}

// move goes on to a phase, and never back: an output is verified while it is
// encoded.
func (w *work) move(to transcode.Phase) {
	if w.Phase == transcode.Probing || to == transcode.Verifying {
		w.Phase = to
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
