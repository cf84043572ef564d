package ffmpeg

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"etude/internal/transcode"
)

// TestMeterTellsOfEachOutput has a dear output and a cheap one: the cheap one is
// encoded first, and then waits for the other to be verified.
func TestMeterTellsOfEachOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last transcode.Progress
		m := newMeter(func(p transcode.Progress) { last = p }, "cheap", "dear")
		cheap, dear := &track{target: &target{Cost: 1}}, &track{target: &target{Cost: 7}, Output: 1}
		want := func(when string, phase transcode.Phase, done float64, left time.Duration, cheap, dear transcode.OutputProgress) {
			t.Helper()
			want := transcode.Progress{Phase: phase, Done: done, Left: left, Outputs: map[string]transcode.OutputProgress{"cheap": cheap, "dear": dear}}
			near := cmpopts.EquateApprox(0, 0.001)
			about := cmp.Comparer(func(a, b time.Duration) bool { return (a - b).Abs() < time.Second/2 })
			if diff := cmp.Diff(want, last, near, about); diff != "" {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
		}
		m.report(transcode.Probing, 0)
		if last.Phase != transcode.Probing || last.Outputs != nil {
			t.Errorf("before anything is known, it is %+v", last)
		}
		m.expect(14, cheap.making(), cheap.checking(), dear.making(), dear.checking())
		decode, segments, verify := m.step(2, cheap.making()), m.step(8, dear.making()), m.step(4, cheap.checking(), dear.checking())

		decode(transcode.Transcoding, 0)
		time.Sleep(10 * time.Second)
		decode(transcode.Transcoding, 0.5)
		want("half of one is decoded", transcode.Transcoding, 0.02+0.98/14, 130*time.Second,
			transcode.OutputProgress{Phase: transcode.Transcoding, Done: 0.02 + 0.98*0.45, Left: 12 * time.Second},
			transcode.OutputProgress{Phase: transcode.Probing, Done: 0.02})
		decode(transcode.Transcoding, 0.4)
		time.Sleep(10 * time.Second)
		segments(transcode.Transcoding, 0)
		decode(transcode.Transcoding, 1)
		time.Sleep(20 * time.Second)
		segments(transcode.Transcoding, 0.5)
		want("one is encoded, and half of the other", transcode.Transcoding, 0.02+0.98*6/14, 53*time.Second,
			transcode.OutputProgress{Phase: transcode.Verifying, Done: 0.02 + 0.98*0.9, Left: 53 * time.Second},
			transcode.OutputProgress{Phase: transcode.Transcoding, Done: 0.02 + 0.98*0.45, Left: 24 * time.Second})
		segments(transcode.Transcoding, 1)
		time.Sleep(4 * time.Second)
		verify(transcode.Verifying, 0.5)
		want("both are being verified", transcode.Verifying, 0.02+0.98*12/14, 7*time.Second,
			transcode.OutputProgress{Phase: transcode.Verifying, Done: 0.02 + 0.98*0.95, Left: 7 * time.Second},
			transcode.OutputProgress{Phase: transcode.Verifying, Done: 0.02 + 0.98*0.95, Left: 7 * time.Second})

		// One is to be made again: it has more to do, and does not fall.
		m.expect(11, dear.making(), dear.checking())
		time.Sleep(time.Second)
		m.step(10, dear.making())(transcode.Transcoding, 0.1)
		if got := last.Outputs["dear"]; got.Phase != transcode.Transcoding || got.Done < 0.95 {
			t.Errorf("an output that is made again is %+v", got)
		}
		verify(transcode.Verifying, 1)
		m.report(transcode.Verifying, 1)
		if last.Done != 1 || last.Left != 0 {
			t.Errorf("in the end it is %+v", last)
		}
		m.close()
		m.report(transcode.Probing, 1)
		if last.Phase != transcode.Verifying {
			t.Error("a meter that was closed tells")
		}
	})
}

// TestMeterRestarts has inputs turn out to be something else after a while.
func TestMeterRestarts(t *testing.T) {
	var last transcode.Progress
	m := newMeter(func(p transcode.Progress) { last = p }, "1")
	one := &track{target: &target{}}
	for _, until := range []float64{0.5, 1} {
		m.restart()
		m.expect(2, one.making(), one.checking())
		m.step(1, one.making())(transcode.Transcoding, until)
		m.step(1, one.checking())(transcode.Verifying, max(2*until-1, 0))
	}
	if o := last.Outputs["1"]; last.Done != 1 || o.Done < 0.999 {
		t.Errorf("in the end it is %+v", last)
	}
}
