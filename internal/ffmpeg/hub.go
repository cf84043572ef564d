package ffmpeg

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
)

// hub holds the sound of one decode on its way to those who hear it: of each
// feed a window, from the hindmost hearer to the foremost. Together the windows
// hold no more bytes than limit, unless somebody waits for what is not decoded
// yet: then they hold as much as the others lag behind. Its methods and those
// of its windows may be called at once.
type hub struct {
	limit int64

	mu      sync.Mutex
	moved   sync.Cond // anything below changed
	windows []*window
	held    int64    // bytes, in all windows
	err     error    // nothing is to be had any more
	free    [][]byte // for chunks, of chunkBytes
}

// chunk is how many bytes a window takes in at once.
const chunkBytes = 1 << 17

func newHub(limit int64) *hub {
	h := &hub{limit: limit}
	h.moved.L = &h.mu
	return h
}

// fail has all who wait, now or later, return an error.
func (h *hub) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.err = err
	}
	h.moved.Broadcast()
}

// window is the part of one feed that is held. Positions are samples, each of
// all channels.
type window struct {
	*hub
	frame   int64    // bytes of a sample of all channels
	per     int64    // samples in a chunk
	chunks  [][]byte // those from base on
	base    int64    // position of the first chunk
	end     int64    // position of what comes next
	wanted  int64    // position that somebody waits, or waited, for
	ended   bool
	hearers []*hearer
}

// newWindow returns the window of a feed with some channels. Its hearers are to
// be added before it is filled.
func (h *hub) newWindow(channels int) *window {
	frame := int64(4 * channels)
	w := &window{hub: h, frame: frame, per: chunkBytes / frame}
	h.windows = append(h.windows, w)
	return w
}

// hearer is one who hears a window. What is before its position is not held for
// it any more. A hearer is used by one goroutine at a time.
type hearer struct {
	w       *window
	at      int64
	patient bool // it waits for what the others want, and has nothing decoded for itself
}

// hear adds a hearer from some position on.
func (w *window) hear(at int64) *hearer {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := &hearer{w: w, at: at}
	w.hearers = append(w.hearers, r)
	return r
}

// fill takes in what r gives until it ends. pause is called before it waits for
// the hearers, and goes on after.
func (w *window) fill(r io.Reader, pause, resume func()) error {
	for {
		buffer, err := w.room(pause, resume)
		if err != nil {
			return err
		}
		n, err := io.ReadFull(r, buffer[:w.per*w.frame])
		if err := w.add(buffer, int64(n), err != nil); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read decoded sound: %w", err)
		}
	}
}

// room waits until something may be taken in, and returns where to put it.
func (w *window) room(pause, resume func()) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.full() {
		pause()
		defer resume()
	}
	for w.full() {
		w.moved.Wait()
	}
	if w.err != nil {
		return nil, w.err
	}
	if n := len(w.free); n > 0 {
		buffer := w.free[n-1]
		w.free = w.free[:n-1]
		return buffer, nil
	}
	return make([]byte, chunkBytes), nil
}

// full reports whether to wait for the hearers. Those of any window count: a
// decode feeds all windows in step.
func (h *hub) full() bool {
	return h.held >= h.limit && h.err == nil && !slices.ContainsFunc(h.windows, (*window).hungry)
}

// hungry reports whether somebody waits.
func (w *window) hungry() bool { return w.end < w.wanted && !w.ended }

// add adds a chunk of n bytes.
func (w *window) add(chunk []byte, n int64, last bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.chunks = append(w.chunks, chunk[:n])
	w.held += chunkBytes
	w.end += n / w.frame
	w.ended = last
	w.drop()
	w.moved.Broadcast()
	if n%w.frame != 0 && w.err == nil {
		w.err = fmt.Errorf("read decoded sound: the last sample has %d bytes of %d", n%w.frame, w.frame)
	}
	return w.err
}

// drop drops the chunks that all hearers are past.
func (w *window) drop() {
	least := int64(math.MaxInt64)
	for _, r := range w.hearers {
		least = min(least, r.at)
	}
	n := 0
	for n < len(w.chunks) && w.base+w.per <= least {
		w.free = append(w.free, w.chunks[n][:chunkBytes])
		w.chunks[n] = nil
		w.base += w.per
		n++
	}
	w.chunks = w.chunks[n:]
	w.held -= int64(n) * chunkBytes
}

// length waits until the feed has n samples at least or has ended, and returns
// how many it has had until now.
func (w *window) length(n int64) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.await(n)
	return w.end, w.err
}

// total returns how many samples there were; ok is false while there may be
// more.
func (w *window) total() (n int64, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.end, w.ended
}

// await waits until the feed has n samples, or has ended.
func (w *window) await(n int64) {
	if n > w.wanted {
		w.wanted = n
		w.moved.Broadcast()
	}
	w.until(n)
}

// until does so, and has nobody hurry.
func (w *window) until(n int64) {
	for w.end < n && !w.ended && w.err == nil {
		w.moved.Wait()
	}
}

// read waits for what is at the hearer's position, and returns it or the first
// part of it, to be used until the hearer moves. It returns io.EOF at the end.
func (r *hearer) read() ([]byte, error) {
	w := r.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.patient {
		w.until(r.at + 1)
	} else {
		w.await(r.at + 1)
	}
	if w.err != nil {
		return nil, w.err
	}
	if r.at >= w.end {
		return nil, io.EOF
	}
	offset := r.at - w.base
	return w.chunks[offset/w.per][offset%w.per*w.frame:], nil
}

// move moves the hearer forward to a position.
func (r *hearer) move(at int64) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	r.at = at
	r.w.drop()
	r.w.moved.Broadcast()
}

// close lets go of what is held for the hearer.
func (r *hearer) close() {
	r.move(math.MaxInt64)
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	r.w.hearers = slices.DeleteFunc(r.w.hearers, func(other *hearer) bool { return other == r })
}

// copy waits for what is between the hearer's position and another one, and
// returns it, or as much of it as there is. The hearer is to be closed.
func (r *hearer) copy(to int64) (sound []byte, err error) {
	for r.at < to {
		part, err := r.read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		part = part[:min(int64(len(part)), (to-r.at)*r.w.frame)]
		sound = slices.Grow(sound, int((to-r.at)*r.w.frame))
		sound = append(sound, part...)
		r.move(r.at + int64(len(part))/r.w.frame)
	}
	return sound, nil
}

// hearCopy returns who hears, from a position on, sound of some channels that
// was copied at another one before that.
func hearCopy(channels int, sound []byte, copied, at int64) (*hearer, error) {
	w := newHub(math.MaxInt64).newWindow(channels)
	w.base, w.end = copied, copied
	r := w.hear(at)
	return r, w.fill(bytes.NewReader(sound), func() {}, func() {})
}
