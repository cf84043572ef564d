package transcode_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/transcode"
)

// TestLimitOfAPipeline: whoever makes room sees to the next job, whose own task
// has found none.
func TestLimitOfAPipeline(t *testing.T) {
	broken := errors.New("the encoder is broken")
	for name, fail := range map[string]error{
		"a job that ends": nil, "a job that is given up": broken, "a job that is given back": transcode.ErrShutdown,
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, func(c *transcode.Config) { c.PerPipeline = 1 })
			w.put(t, "in.mp3", "music")
			first := w.create(t, w.spec(wav))
			w.encoder.Fail = func(e transcode.Encoding) error {
				if len(w.encoder.Calls()) > 3 {
					return nil
				}
				if len(w.encoder.Calls()) == 1 { // a job comes whose task finds no room
					w.create(t, w.prefixed("second/"))
					w.create(t, w.prefixed("third/"))
				}
				return fail
			}
			w.run(t, 20)
			for _, job := range w.waiting(t) {
				t.Errorf("job %s waits, and there is no task", job.OutputKeyPrefix)
			}
			if !w.job(t, first).Status.Final() {
				t.Error("the first job has not ended")
			}
		})
	}
}

// TestTasksOfAResumedPipelineSurviveAShutdown: a task that is to go on until no
// job waits does so also if its node is stopped, or loses its lease.
func TestTasksOfAResumedPipelineSurviveAShutdown(t *testing.T) {
	w := open(t)
	w.put(t, "in.mp3", "music")
	w.create(t, w.prefixed("a/"))
	w.create(t, w.prefixed("b/"))
	w.tasks.Take() // they have found the pipeline paused
	ctx, stop := context.WithCancelCause(t.Context())
	w.encoder.Fail = func(transcode.Encoding) error {
		switch len(w.encoder.Calls()) {
		case 1:
			stop(transcode.ErrShutdown)
		case 2:
			return transcode.ErrLeaseLost
		}
		return nil
	}
	if err := w.RunJob(ctx, transcode.RunJob{Drain: true}); err != nil {
		t.Fatal(err)
	}
	w.run(t, 20)
	if waiting := w.waiting(t); len(waiting) > 0 {
		t.Errorf("%d jobs wait, and there is no task", len(waiting))
	}
}

// TestJobsThatWereStartedComeFirst: a long queue does not keep the workers from
// what is tried again.
func TestJobsThatWereStartedComeFirst(t *testing.T) {
	w := open(t)
	w.put(t, "in.mp3", "music")
	for _, prefix := range []string{"a/", "b/", "c/"} {
		w.create(t, w.prefixed(prefix))
	}
	w.tasks.Take()
	if err := w.RunJob(t.Context(), transcode.RunJob{Drain: true}); err != nil {
		t.Fatal(err)
	}
	if n := len(w.encoder.Calls()); n != 1 {
		t.Errorf("one task ran %d jobs, want one: other tasks wait for the worker", n)
	}
	if diff := cmp.Diff([]transcode.RunJob{{Drain: true}}, runTasks(w.tasks.All())); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
}

// TestRestartFindsJobsWithoutTasks: the node comes back with another limit.
func TestRestartFindsJobsWithoutTasks(t *testing.T) {
	w := open(t)
	w.put(t, "in.mp3", "music")
	id := w.create(t, w.spec(wav))
	w.tasks.Take() // it has found no room
	if err := w.TakeOver(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	w.run(t, 2)
	w.wantLine(t, id, "Complete: Complete")
	if err := w.TakeOver(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if tasks := runTasks(w.tasks.All()); len(tasks) > 0 {
		t.Errorf("tasks where no job waits: %v", tasks)
	}
}

func (w *world) prefixed(prefix string) transcode.JobSpec {
	spec := w.spec(wav)
	spec.OutputKeyPrefix = prefix
	return spec
}

func (w *world) waiting(t *testing.T) []*transcode.Job {
	t.Helper()
	jobs, _, err := w.ListJobs(t.Context(), transcode.JobFilter{Status: transcode.Submitted}, transcode.Page{})
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}
