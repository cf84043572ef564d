// Package watch tells goroutines of this process that something they watch has
// changed: which thing, never what it became. It knows nothing of what the
// keys mean, keeps nothing, and reaches no other process; who is told reads the
// new state where it is kept.
package watch

import "sync"

// Hub passes changes of things V to those who watch under a key K, for
// instance the jobs of one owner. The zero Hub is ready. All methods may be
// called at once from many goroutines.
type Hub[K, V comparable] struct {
	mu       sync.Mutex
	watchers map[K]map[*Watcher[V]]struct{}
}

// Watcher collects what has changed since it last looked. Many changes of one
// thing are one, so a slow watcher is late but never behind, and never holds
// up the teller.
type Watcher[V comparable] struct {
	mu      sync.Mutex
	changed []V
	ring    chan struct{}
}

// Watch returns a watcher of what is told under key, and the function that ends
// it; the end may be called more than once.
func (h *Hub[K, V]) Watch(key K) (w *Watcher[V], end func()) {
	w = &Watcher[V]{ring: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers == nil {
		h.watchers = map[K]map[*Watcher[V]]struct{}{}
	}
	if h.watchers[key] == nil {
		h.watchers[key] = map[*Watcher[V]]struct{}{}
	}
	h.watchers[key][w] = struct{}{}
	return w, func() { h.drop(key, w) }
}

func (h *Hub[K, V]) drop(key K, w *Watcher[V]) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.watchers[key], w)
	if len(h.watchers[key]) == 0 {
		delete(h.watchers, key)
	}
}

// Tell says to all who watch key that thing has changed. It never blocks.
func (h *Hub[K, V]) Tell(key K, thing V) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers[key] {
		w.add(thing)
	}
}

func (w *Watcher[V]) add(thing V) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, v := range w.changed {
		if v == thing {
			return
		}
	}
	w.changed = append(w.changed, thing)
	select {
	case w.ring <- struct{}{}:
	default:
	}
}

// C receives when something has changed; Changed then says what.
func (w *Watcher[V]) C() <-chan struct{} { return w.ring }

// Changed returns what has changed since the last call, in the order of the
// first change of each; nil for nothing.
func (w *Watcher[V]) Changed() []V {
	w.mu.Lock()
	defer w.mu.Unlock()
	changed := w.changed
	w.changed = nil
	return changed
}
