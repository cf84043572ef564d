package transcode_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/transcode"
)

func TestJobRunsToItsEnd(t *testing.T) {
	w := open(t)
	w.put(t, "in.mp3", "music")
	id := w.create(t, w.spec(wav, flac))
	if diff := cmp.Diff([]any{transcode.RunJob{}}, w.tasks.All()); diff != "" {
		t.Fatalf("tasks of creating a job (-want +got):\n%s", diff)
	}
	w.wantLine(t, id, "Submitted: Submitted Submitted")
	if err := w.RunJob(t.Context(), transcode.RunJob{}); err != nil {
		t.Fatal(err)
	}
	w.wantLine(t, id, "Complete: Complete Complete")
	if diff := cmp.Diff([]string{"Progressing", "Complete"}, w.messages(t)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if got := w.get(t, "out/o1"); !strings.Contains(got, string(wav)) {
		t.Errorf("object out/o1 = %q, want what the encoder made", got)
	}
	j := w.job(t, id)
	if j.StartTime.IsZero() || j.FinishTime.Before(j.StartTime) || j.Inputs[0].Detected.FileSize != 5 || j.Outputs[0].Made.Duration != time.Second {
		t.Errorf("job = %+v, want times and facts", j)
	}
	if left, _ := os.ReadDir(w.Scratch); len(left) > 0 {
		t.Errorf("scratch has %v left", left)
	}
	// Tasks come at least once.
	for _, again := range []transcode.RunJob{{}, {Job: id}} {
		if err := w.RunJob(t.Context(), again); err != nil {
			t.Errorf("run again: %v", err)
		}
	}
	if n := len(w.encoder.Calls()); n != 1 {
		t.Errorf("encoded %d times, want once", n)
	}
}

// remarking is an encoder whose outputs are all shorter than they should be.
type remarking struct{ *ffmpegtest.Encoder }

func (e remarking) Encode(ctx context.Context, enc transcode.Encoding, progress func(transcode.Progress)) (*transcode.Encoded, error) {
	encoded, err := e.Encoder.Encode(ctx, enc, progress)
	for i := range encoded.Outputs {
		encoded.Outputs[i].Remark = "It is shorter."
	}
	return encoded, err
}

func TestRemarksAreToldToTheTopicForWarnings(t *testing.T) {
	w := open(t, func(cfg *transcode.Config) {
		cfg.Encoder = remarking{&ffmpegtest.Encoder{}}
		cfg.Warning = func(*transcode.Job, *transcode.Pipeline) (subject, message string) { return "s", "Warning" }
	})
	w.put(t, "in.mp3", "music")
	run := func(spec transcode.JobSpec) []string {
		t.Helper()
		w.tasks.Take()
		id := w.create(t, spec)
		if err := w.RunJob(t.Context(), transcode.RunJob{}); err != nil {
			t.Fatal(err)
		}
		w.wantLine(t, id, "Complete: Complete")
		return w.messages(t)
	}
	if diff := cmp.Diff([]string{"Progressing", "Complete"}, run(w.spec(wav))); diff != "" {
		t.Errorf("without a topic for warnings (-want +got):\n%s", diff)
	}
	warn := topic
	if _, _, err := w.UpdatePipeline(t.Context(), w.pipeline, transcode.PipelineChange{Notifications: transcode.NotificationsChange{Warning: &warn}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Progressing", "Warning", "Complete"}, run(w.prefixed("again/"))); diff != "" {
		t.Errorf("with one (-want +got):\n%s", diff)
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	w := open(t)
	w.put(t, "in.mp3", "music")
	w.put(t, "out/o1", "somebody's")
	id := w.create(t, w.spec(wav, flac))
	w.run(t, 1)
	w.wantLine(t, id, "Error: Error/3002 Complete")
	if got := w.get(t, "out/o1"); got != "somebody's" {
		t.Errorf("object out/o1 = %q, want it as it was", got)
	}
}

// TestLeftoverOfALostAttemptIsReplaced: an attempt stored an output and died
// before it could say so.
func TestLeftoverOfALostAttemptIsReplaced(t *testing.T) {
	w := open(t)
	w.put(t, "in.mp3", "music")
	id := w.create(t, w.spec(wav))
	w.leave(t, "out/o1", string(id)+"/1")
	w.run(t, 1)
	w.wantLine(t, id, "Complete: Complete")
	if got := w.get(t, "out/o1"); got == "left" {
		t.Error("the leftover is still there")
	}
}

func TestOurFaultIsTriedAgainThreeTimes(t *testing.T) {
	w := open(t)
	w.put(t, "in.mp3", "music")
	w.encoder.Fail = func(transcode.Encoding) error { return errors.New("the encoder is broken") }
	id := w.create(t, w.spec(wav))
	worked := w.run(t, 10)
	want := []transcode.RunJob{{}, {Job: id, Delay: time.Second}, {Job: id, Delay: 4 * time.Second}, {Job: id, Delay: 9 * time.Second}}
	if diff := cmp.Diff(want, worked); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
	w.wantLine(t, id, "Error: Error/4007")
	if n := len(w.encoder.Calls()); n != 3 {
		t.Errorf("encoded %d times, want 3", n)
	}
	attempts, err := w.store.Attempts(t.Context(), id)
	if err != nil || len(attempts) != 3 || attempts[2].Log != "the encoder is broken" || attempts[2].Outcome != transcode.Broken {
		t.Errorf("attempts = %+v, %v", attempts, err)
	}
}

func TestBrokenOnceAndThenWell(t *testing.T) {
	w := open(t)
	w.put(t, "in.mp3", "music")
	w.encoder.Fail = func(transcode.Encoding) error {
		if len(w.encoder.Calls()) == 1 {
			return errors.New("just once")
		}
		return nil
	}
	id := w.create(t, w.spec(wav))
	w.run(t, 3)
	w.wantLine(t, id, "Complete: Complete")
}

func TestShutdownGivesTheJobBack(t *testing.T) {
	w := open(t)
	w.put(t, "in.mp3", "music")
	started := make(chan string, 1)
	w.encoder.Started, w.encoder.Hold = started, make(chan struct{})
	id := w.create(t, w.spec(wav))
	w.tasks.Take()
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.RunJob(ctx, transcode.RunJob{}) }()
	<-started
	cancel(transcode.ErrShutdown)
	if err := <-ended; err != nil {
		t.Errorf("RunJob = %v, want nil: the job was given back", err)
	}
	w.wantLine(t, id, "Progressing: Progressing")
	if diff := cmp.Diff([]transcode.RunJob{{Job: id}}, runTasks(w.tasks.All())); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
	attempts, err := w.store.Attempts(t.Context(), id)
	if err != nil || len(attempts) != 1 || attempts[0].Outcome != transcode.Interrupted {
		t.Errorf("attempts = %+v, %v, want one that was interrupted", attempts, err)
	}
	w.encoder.Started, w.encoder.Hold = nil, nil
	w.run(t, 1)
	w.wantLine(t, id, "Complete: Complete")
}

// TestWhoLostTheLeaseWritesNothing: a node hangs, another takes its job over and
// ends it, and then the first comes back.
func TestWhoLostTheLeaseWritesNothing(t *testing.T) {
	w := open(t)
	w.put(t, "in.mp3", "music")
	started, hold := make(chan string, 1), make(chan struct{})
	w.encoder.Started, w.encoder.Hold = started, hold
	id := w.create(t, w.spec(wav))
	w.tasks.Take()
	ended := make(chan error, 1)
	go func() { ended <- w.RunJob(t.Context(), transcode.RunJob{}) }()
	<-started
	other := w.service(t, "node-b", func(c *transcode.Config) { c.Encoder = &quick{} })
	if err := other.TakeOver(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if tasks := runTasks(w.tasks.All()); len(tasks) != 0 {
		t.Errorf("another node's restart took %v over, whose lease holds", tasks)
	}
	w.clock.advance(time.Minute)
	if err := other.TakeOver(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if err := other.RunJob(t.Context(), transcode.RunJob{Job: id}); err != nil {
		t.Fatal(err)
	}
	w.wantLine(t, id, "Error: Error/4000")
	close(hold)
	if err := <-ended; err != nil {
		t.Errorf("the first node's RunJob = %v, want nil", err)
	}
	w.wantLine(t, id, "Error: Error/4000")
	if got := w.get(t, "out/o1"); got != "" {
		t.Errorf("the first node stored %q after it had lost the lease", got)
	}
	if diff := cmp.Diff([]string{"Progressing", "Error"}, w.messages(t)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

// quick is an encoder that says at once that the media is at fault.
type quick struct{}

func (quick) Encode(context.Context, transcode.Encoding, func(transcode.Progress)) (*transcode.Encoded, error) {
	return nil, &transcode.Failure{Code: 4000, Detail: "cannot"}
}

func (quick) Check(*transcode.Preset) string { return "" }

func TestRestartedNodeTakesItsOwnJobsAtOnce(t *testing.T) {
	w := open(t)
	w.put(t, "in.mp3", "music")
	id := w.create(t, w.spec(wav))
	w.tasks.Take()
	started, hold := make(chan string, 1), make(chan struct{})
	w.encoder.Started, w.encoder.Hold = started, hold
	ended := make(chan error, 1)
	go func() { ended <- w.RunJob(t.Context(), transcode.RunJob{}) }()
	<-started
	again := w.service(t, "node-a")
	if err := again.TakeOver(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]transcode.RunJob{{Job: id}}, runTasks(w.tasks.All())); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
	close(hold)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// staggering is an encoder that takes its outputs for as good as done before it
// begins.
type staggering struct{ *ffmpegtest.Encoder }

func (e staggering) Encode(ctx context.Context, enc transcode.Encoding, progress func(transcode.Progress)) (*transcode.Encoded, error) {
	p := transcode.Progress{Phase: transcode.Transcoding, Done: 0.9, Outputs: map[string]transcode.OutputProgress{}}
	for _, o := range enc.Outputs {
		p.Outputs[o.Name] = transcode.OutputProgress{Phase: transcode.Transcoding, Done: 0.9}
		progress(p)
		p.Outputs = maps.Clone(p.Outputs)
	}
	return e.Encoder.Encode(ctx, enc, progress)
}

func TestProgressNeverFalls(t *testing.T) {
	w := open(t)
	w.put(t, "in.mp3", "music")
	id := w.create(t, w.spec(wav, flac))
	started, hold := make(chan string, 1), make(chan struct{})
	w.Encoder, w.encoder.Started, w.encoder.Hold = staggering{w.encoder}, started, hold
	watcher, end := w.WatchJobs("ann")
	defer end()
	progress := func() transcode.Progress {
		t.Helper()
		p, err := w.Progress(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	done := make(chan struct{})
	go func() { defer close(done); w.run(t, 1) }()
	<-started
	last := progress()
	for _, output := range []string{"1", "2"} {
		if o := last.Output(output); o.Phase != transcode.Probing || o.Done < 0.8 || last.Done < 0.8 {
			t.Errorf("progress fell to %+v in all, and output %s to %+v", last, output, o)
		}
	}
	close(hold)
	for running := true; running; {
		select {
		case <-watcher.C():
			watcher.Changed()
			p := progress()
			if p.Phase != "" && (p.Done < last.Done || p.Output("1").Done < last.Output("1").Done || p.Output("2").Done < last.Output("2").Done) {
				t.Errorf("progress fell from %+v to %+v", last, p)
			}
			last = p
		case <-done:
			running = false
		}
	}
	if p := progress(); !cmp.Equal(p, transcode.Progress{}) {
		t.Errorf("progress of a job that ended = %+v, want none", p)
	}
}
