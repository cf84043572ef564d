package ffmpeg

import (
	"context"
	"slices"
	"sync"
)

// pool shares the cores among all that one Encoder does. A job that is alone is
// split over the cores, and asks for one for each of its segments. With as many
// jobs as cores, none is split: each is quickest as a whole, and all together
// are. Its methods may be called at once.
type pool struct {
	cores int

	mu      sync.Mutex
	jobs    int // that are running
	whole   int // of them, that are not split
	busy    int // cores that segments have
	waiting []chan struct{}
}

// enter begins a job, and says whether it may be split. leave ends it.
func (p *pool) enter() (split bool, leave func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	split = p.jobs+1 < p.cores || p.cores > 1 && p.jobs == 0
	p.jobs++
	if !split {
		p.whole++
	}
	return split, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.jobs--
		if !split {
			p.whole--
		}
		p.grant()
	}
}

// core waits for a core, in the order of those who ask, and returns how to give
// it back. There is always one for segments, however many jobs are whole.
func (p *pool) core(ctx context.Context) (release func(), err error) {
	p.mu.Lock()
	turn := make(chan struct{})
	p.waiting = append(p.waiting, turn)
	p.grant()
	p.mu.Unlock()
	release = func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.busy--
		p.grant()
	}
	select {
	case <-turn:
		return release, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, turn); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	} else { // it was our turn just now
		p.busy--
		p.grant()
	}
	return nil, context.Cause(ctx)
}

// grant gives what is free to those who have waited for longest.
func (p *pool) grant() {
	for len(p.waiting) > 0 && p.busy < max(p.cores-p.whole, 1) {
		p.busy++
		close(p.waiting[0])
		p.waiting = p.waiting[1:]
	}
}
