package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"testing"
	"testing/synctest"

	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"
)

func nothing() {}

// sums is a listener that keeps count and sum of what it hears.
type sums struct {
	n   int64
	sum float64
}

func (s *sums) Write(interleaved []float32) {
	for _, v := range interleaved {
		s.n++
		s.sum += float64(v) * float64(s.n%7)
	}
}

// sound makes samples that differ, and what sums makes of them.
func sound(n int) ([]byte, sums) {
	var b []byte
	var want sums
	for i := range n {
		v := float32(i%1000) / 1000
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		want.Write([]float32{v})
	}
	return b, want
}

// TestHub: whoever hears, from whatever position, hears all from there on, and
// no more is held than the limit where nobody lags behind.
func TestHub(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		channels := rapid.IntRange(1, 6).Draw(t, "channels")
		n := rapid.IntRange(0, 100000).Draw(t, "samples")
		raw, want := sound(n * channels)
		h := newHub(rapid.Int64Range(0, 1<<20).Draw(t, "limit"))
		w := h.newWindow(channels)
		var got sums
		all, late := w.hear(0), w.hear(int64(rapid.IntRange(0, n).Draw(t, "from")))
		from := late.at
		var group errgroup.Group
		group.Go(func() error { return w.fill(bytes.NewReader(raw), nothing, nothing) })
		group.Go(func() error { return all.tell(&got) })
		heard := bytes.Buffer{}
		group.Go(func() error {
			for {
				part, err := late.read()
				if errors.Is(err, io.EOF) {
					late.close()
					return nil
				}
				if err != nil {
					return err
				}
				heard.Write(part)
				late.move(late.at + int64(len(part))/w.frame)
			}
		})
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("heard %+v, want %+v", got, want)
		}
		if !bytes.Equal(heard.Bytes(), raw[from*w.frame:]) {
			t.Errorf("who hears from %d on has %d bytes, want %d", from, heard.Len(), len(raw)-int(from*w.frame))
		}
		if h.held > chunkBytes {
			t.Errorf("%d bytes are held for nobody", h.held)
		}
	})
}

// TestHubCopy: what is copied of a window is heard as the window itself is, up to
// where it was copied or the sound ends.
func TestHubCopy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		channels := rapid.IntRange(1, 2).Draw(t, "channels")
		n := rapid.IntRange(1, 100000).Draw(t, "samples")
		from := rapid.IntRange(0, n).Draw(t, "from")
		at := rapid.IntRange(from, n).Draw(t, "at")
		to := rapid.IntRange(at, n+n/2).Draw(t, "to")
		raw, _ := sound(n * channels)
		w := newHub(chunkBytes).newWindow(channels)
		r := w.hear(int64(from))
		var group errgroup.Group
		group.Go(func() error { return w.fill(bytes.NewReader(raw), nothing, nothing) })
		copied, err := r.copy(int64(to))
		if err != nil {
			t.Fatal(err)
		}
		r.close()
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		again, err := hearCopy(channels, copied, int64(from), int64(at))
		if err != nil {
			t.Fatal(err)
		}
		heard, err := again.copy(int64(2 * n))
		if err != nil {
			t.Fatal(err)
		}
		if want := raw[4*channels*at : 4*channels*min(to, n)]; !bytes.Equal(heard, want) {
			t.Errorf("of %d to %d, %d bytes are heard from %d on, want %d", from, to, len(heard), at, len(want))
		}
		if is, end := again.w.total(); is != int64(min(to, n)) || !end {
			t.Errorf("there are %d samples, ended is %t", is, end)
		}
	})
}

// TestHubWaits: a window that is full takes in nothing until a hearer moves, or
// another one is hungry.
func TestHubWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw, _ := sound(10 * chunkBytes / 4)
		h := newHub(2 * chunkBytes)
		w := h.newWindow(1)
		slow, quick := w.hear(0), w.hear(0)
		paused := 0
		done := make(chan error)
		go func() { done <- w.fill(bytes.NewReader(raw), func() { paused++ }, func() { paused-- }) }()
		synctest.Wait()
		if n, _ := w.total(); n != 2*w.per || paused != 1 {
			t.Errorf("%d samples were taken in, want %d; paused %d times", n, 2*w.per, paused)
		}
		quick.move(3 * w.per)
		if _, err := quick.read(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n, _ := w.total(); n != 4*w.per {
			t.Errorf("%d samples were taken in for the hungry one, want %d", n, 4*w.per)
		}
		slow.close()
		quick.close()
		if err := <-done; err != nil || paused != 0 {
			t.Errorf("fill: %v; paused %d times", err, paused)
		}
	})
}

// TestHubFails: nobody waits on when there is nothing to be had any more.
func TestHubFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		h := newHub(0)
		w := h.newWindow(2)
		r := w.hear(0)
		heard, filled := make(chan error, 1), make(chan error, 1)
		go func() { _, err := r.read(); heard <- err }()
		synctest.Wait()
		h.fail(broken)
		go func() { filled <- w.fill(bytes.NewReader(nil), nothing, nothing) }()
		for _, c := range []chan error{heard, filled} {
			if err := <-c; !errors.Is(err, broken) {
				t.Errorf("got %v, want %v", err, broken)
			}
		}
		if err := newHub(1).newWindow(2).fill(bytes.NewReader(make([]byte, 12)), nothing, nothing); err == nil {
			t.Error("half a sample was taken for a whole one")
		}
	})
}

// TestHubPatient: who listens beside a slow hearer does not have more held than
// the limit, however quick it is.
func TestHubPatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw, want := sound(20 * chunkBytes / 4)
		h := newHub(3 * chunkBytes)
		w := h.newWindow(1)
		slow, ear := w.hear(0), w.hear(0)
		var got sums
		done := make(chan error, 2)
		go func() { done <- w.fill(bytes.NewReader(raw), nothing, nothing) }()
		go func() { done <- ear.tell(&got) }()
		for at := int64(0); at < 20*w.per; at += w.per {
			synctest.Wait()
			h.mu.Lock()
			if h.held > h.limit {
				t.Errorf("%d bytes are held, at most %d may be", h.held, h.limit)
			}
			h.mu.Unlock()
			slow.move(at)
		}
		slow.close()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if got != want {
			t.Errorf("heard %+v, want %+v", got, want)
		}
	})
}
