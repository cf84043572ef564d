package ffmpeg

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// TestPool: a job alone is split, as many as there are cores are not, and cores
// go to those who asked first.
func TestPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pool{cores: 2}
		first, leaveFirst := p.enter()
		second, leaveSecond := p.enter()
		if !first || second {
			t.Errorf("the first is split: %t, the second: %t; want true, false", first, second)
		}
		// The second takes a core: one is left for segments.
		release, err := p.core(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var order []int
		for i := range 3 {
			go func() {
				release, err := p.core(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, i)
				release()
			}()
			synctest.Wait()
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("gone")
		failed := make(chan error)
		go func() { _, err := p.core(ctx); failed <- err }()
		synctest.Wait()
		cancel(gone)
		if err := <-failed; !errors.Is(err, gone) {
			t.Errorf("who does not wait any more gets %v", err)
		}
		if len(order) > 0 {
			t.Errorf("%v have cores that there are not", order)
		}
		leaveSecond()
		synctest.Wait()
		release()
		synctest.Wait()
		if len(order) != 3 || order[0] != 0 || order[1] != 1 || order[2] != 2 {
			t.Errorf("cores were given in the order %v", order)
		}
		leaveFirst()
		if p.busy != 0 || p.jobs != 0 || p.whole != 0 || len(p.waiting) != 0 {
			t.Errorf("it is not empty: %+v", p)
		}
	})
	one := &pool{cores: 1}
	if split, _ := one.enter(); split {
		t.Error("a job is split over one core")
	}
}
