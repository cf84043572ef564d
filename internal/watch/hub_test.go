package watch_test

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/watch"
)

func TestWatcherIsToldOfItsKeyOnly(t *testing.T) {
	var hub watch.Hub[string, int]
	w, end := hub.Watch("ann")
	defer end()
	hub.Tell("bob", 7)
	hub.Tell("ann", 1)
	hub.Tell("ann", 2)
	hub.Tell("ann", 1)
	<-w.C()
	if diff := cmp.Diff([]int{1, 2}, w.Changed()); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	if got := w.Changed(); got != nil {
		t.Errorf("changed again = %v, want nothing", got)
	}
	select {
	case <-w.C():
		t.Error("rang although nothing changed")
	default:
	}
}

func TestEndedWatcherIsNotTold(t *testing.T) {
	var hub watch.Hub[string, int]
	w, end := hub.Watch("ann")
	end()
	end()
	hub.Tell("ann", 1)
	if got := w.Changed(); got != nil {
		t.Errorf("changed = %v after the end, want nothing", got)
	}
}

func TestNoChangeIsLostToASlowWatcher(t *testing.T) {
	var hub watch.Hub[string, int]
	w, end := hub.Watch("ann")
	defer end()
	var tellers sync.WaitGroup
	for i := range 50 {
		tellers.Go(func() { hub.Tell("ann", i) })
	}
	seen := map[int]bool{}
	for len(seen) < 50 {
		<-w.C()
		for _, v := range w.Changed() {
			seen[v] = true
		}
	}
	tellers.Wait()
}
