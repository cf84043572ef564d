package transcode_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/transcode"
)

// shaky is the world's store with a database that can go away.
type shaky struct {
	transcode.Store
	// end, if it is set, says how EndAttempt fails.
	end atomic.Pointer[error]
	// lost has transactions committed whose answer then gets lost.
	lost atomic.Bool
	// hangs has transactions wait for as long as they may.
	hangs atomic.Bool
}

var errAway = errors.New("the database is away")

func (s *shaky) Update(ctx context.Context, fn func(transcode.Tx) error) error {
	if s.hangs.Load() {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	ended := false
	err := s.Store.Update(ctx, func(tx transcode.Tx) error { return fn(&shakyTx{tx, s, &ended}) })
	if err == nil && ended && s.lost.Load() {
		return errAway
	}
	return err
}

type shakyTx struct {
	transcode.Tx
	store *shaky
	ended *bool
}

func (t *shakyTx) EndAttempt(ctx context.Context, a *transcode.Attempt) error {
	if err := t.store.end.Load(); err != nil {
		return *err
	}
	*t.ended = true
	return t.Tx.EndAttempt(ctx, a)
}

func openShaky(t *testing.T) (*world, *shaky) {
	t.Helper()
	w := open(t)
	s := &shaky{Store: w.store}
	w.Store = s
	return w, s
}

// hls asks for an output with a playlist.
func (w *world) hls() transcode.JobSpec {
	spec := w.spec(ts)
	spec.Outputs[0].SegmentDuration = "1"
	spec.Playlists = []transcode.PlaylistSpec{{Name: "all", Format: "HLSv3", OutputKeys: []string{"o1"}}}
	return spec
}

// TestEndThatCannotBeWritten: the database goes away when all is stored, for
// longer than the lease. The input is not there any more when it comes back.
func TestEndThatCannotBeWritten(t *testing.T) {
	w, store := openShaky(t)
	w.put(t, "in.mp3", "music")
	id := w.create(t, w.hls())
	w.tasks.Take()
	store.end.Store(&errAway)
	if err := w.RunJob(t.Context(), transcode.RunJob{}); !errors.Is(err, errAway) {
		t.Fatalf("RunJob = %v, want that the database is away", err)
	}
	store.end.Store(nil)
	w.wantLine(t, id, "Progressing: Complete Progressing")
	// The queue works the task again. It is not this job's any more.
	if err := w.RunJob(t.Context(), transcode.RunJob{}); err != nil {
		t.Fatal(err)
	}
	if err := s3.Delete(t.Context(), transcode.ObjectRef{Bucket: w.bucket, Key: "in.mp3"}); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Minute)
	for range 2 { // of two nodes one is late
		if err := w.TakeOver(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]transcode.RunJob{{Job: id}}, w.run(t, 2)); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
	w.wantLine(t, id, "Complete: Complete Complete")
	if n := len(w.encoder.Calls()); n != 1 {
		t.Errorf("encoded %d times, want once", n)
	}
}

// TestEndThatWasWrittenUnheard: the transaction was committed, the answer lost.
func TestEndThatWasWrittenUnheard(t *testing.T) {
	w, store := openShaky(t)
	w.put(t, "in.mp3", "music")
	id := w.create(t, w.spec(wav))
	store.lost.Store(true)
	if err := w.RunJob(t.Context(), transcode.RunJob{}); !errors.Is(err, errAway) {
		t.Fatalf("RunJob = %v, want that the database is away", err)
	}
	store.lost.Store(false)
	w.clock.advance(time.Minute)
	if err := w.TakeOver(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if err := w.RunJob(t.Context(), transcode.RunJob{}); err != nil {
		t.Fatal(err)
	}
	w.wantLine(t, id, "Complete: Complete")
	if diff := cmp.Diff([]string{"Progressing", "Complete"}, w.messages(t)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if n := len(w.encoder.Calls()); n != 1 {
		t.Errorf("encoded %d times, want once", n)
	}
}

// TestLeaseThatCannotBeRenewed: a database that neither answers nor refuses must
// not keep an attempt alive when others may have taken its job over.
func TestLeaseThatCannotBeRenewed(t *testing.T) {
	w, store := openShaky(t)
	w.Lease = 300 * time.Millisecond
	w.put(t, "in.mp3", "music")
	w.encoder.Hold = make(chan struct{})
	w.create(t, w.spec(wav))
	ended := make(chan error, 1)
	w.Objects = &watched{Objects: s3, fetched: func() { store.hangs.Store(true) }}
	go func() { ended <- w.RunJob(t.Context(), transcode.RunJob{}) }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("RunJob = %v, want nil: the job may be in other hands", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the attempt goes on without a lease")
	}
}

// watched is a store of objects that tells when an input was fetched.
type watched struct {
	transcode.Objects
	fetched func()
}

func (o *watched) Fetch(ctx context.Context, ref transcode.ObjectRef, path string, max int64) (transcode.ObjectInfo, error) {
	defer o.fetched()
	return o.Objects.Fetch(ctx, ref, path, max)
}

// TestRestsAreCountedByTries: attempts that were interrupted are no tries.
func TestRestsAreCountedByTries(t *testing.T) {
	w := open(t)
	w.put(t, "in.mp3", "music")
	id := w.create(t, w.spec(wav))
	w.encoder.Fail = func(transcode.Encoding) error {
		if len(w.encoder.Calls()) <= 5 {
			return transcode.ErrShutdown
		}
		return errors.New("the encoder is broken")
	}
	w.run(t, 6)
	if diff := cmp.Diff([]transcode.RunJob{{Job: id, Delay: time.Second}}, runTasks(w.tasks.All())); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
}

// forgetful is a store of objects that does not answer some Heads.
type forgetful struct {
	transcode.Objects
	heads atomic.Int32
	fails int32 // which one
}

func (o *forgetful) Head(ctx context.Context, ref transcode.ObjectRef) (transcode.ObjectInfo, error) {
	if o.heads.Add(1) == o.fails {
		return transcode.ObjectInfo{}, errors.New("the store of objects does not answer")
	}
	return o.Objects.Head(ctx, ref)
}

// TestUnknownOriginIsNoFailure: whose object it is that is in the way cannot be
// found out now, so the output has not failed.
func TestUnknownOriginIsNoFailure(t *testing.T) {
	w := open(t)
	w.Objects = &forgetful{Objects: s3, fails: 2}
	w.put(t, "in.mp3", "music")
	id := w.create(t, w.spec(wav))
	w.encoder.Fail = func(transcode.Encoding) error {
		if len(w.encoder.Calls()) == 1 { // the output was not there when it was looked for
			w.leave(t, "out/o1", string(id)+"/1")
		}
		return nil
	}
	w.run(t, 2)
	w.wantLine(t, id, "Complete: Complete")
}
