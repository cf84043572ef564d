package queue

import (
	"context"
	"math/rand/v2"
	"time"
)

// Periodic is what a node does now and then. Each node does it by itself, so it
// goes on whichever of them dies, and Run must bear others doing the same.
type Periodic struct {
	Name     string // for the log
	Interval time.Duration
	// Run is first called one interval after the start. Its error is logged,
	// and Run is called again at its time. Its context ends when the queue
	// stops.
	Run func(ctx context.Context) error
}

func (q *Queue) startTicking(ctx context.Context, all []Periodic) {
	ctx, q.stopTicker = context.WithCancel(ctx)
	for _, p := range all {
		q.ticking.Go(func() { q.tick(ctx, p) })
	}
}

// tick varies the interval by a tenth, so that nodes which started together
// part.
func (q *Queue) tick(ctx context.Context, p Periodic) {
	timer := time.NewTimer(0)
	<-timer.C
	defer timer.Stop()
	for {
		timer.Reset(p.Interval + rand.N(p.Interval/10+1))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := p.Run(ctx); err != nil && ctx.Err() == nil {
			q.cfg.Logger.Warn("periodic task will be tried again", "task", p.Name, "err", err)
		}
	}
}
