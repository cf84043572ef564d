package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"etude/internal/event"
	"etude/internal/notify"
	"etude/internal/transcode"
)

// The queues of River's that there are, and how many message tasks are worked
// at once.
const (
	jobQueue       = "jobs"
	messageQueue   = "messages"
	messageWorkers = 16

	// Events that make jobs wait for none that go to another machine.
	eventQueue       = "events"
	remoteEventQueue = "remote_events"
	eventWorkers     = 16
)

const (
	// fetchCooldown is the shortest time between two looks for tasks.
	fetchCooldown = 5 * time.Millisecond
	// fetchInterval is the longest. New tasks are announced; this finds those
	// whose time for another try has come, and announcements that were missed.
	fetchInterval = 500 * time.Millisecond
	// messageTimeout ends a try to hand on a message.
	messageTimeout = time.Minute
)

// taskArgs are a task's arguments, which River stores as JSON: rows that were
// written before a member's name or a kind changes must still be read after.
type taskArgs interface {
	river.JobArgs
	river.JobArgsWithInsertOpts
}

type runJob struct {
	Job   transcode.JobID `json:"job,omitempty"`
	Drain bool            `json:"drain,omitempty"`

	delay time.Duration // is in the row, not in the arguments
}

func (runJob) Kind() string { return "run_job" }
func (r runJob) InsertOpts() river.InsertOpts {
	opts := river.InsertOpts{Queue: jobQueue, MaxAttempts: jobTries}
	if r.delay > 0 {
		opts.ScheduledAt = time.Now().Add(r.delay)
	}
	return opts
}

// findWhenDue has delayed tasks found by the workers, who look for them twice a
// second, as River itself does with those that are tried again soon. River would
// have them wait for its scheduler, who comes every five seconds.
func findWhenDue(_ context.Context, task *rivertype.JobInsertParams) error {
	if task.State == rivertype.JobStateScheduled {
		task.State = rivertype.JobStateAvailable
	}
	return nil
}

type fanOut struct {
	Message notify.MessageID `json:"message"`
}

func (fanOut) Kind() string { return "fan_out" }
func (fanOut) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: messageQueue, MaxAttempts: messageTries}
}

// deliver is a task that older versions have left behind: deliveries were tasks.
// Now they wait in a table of their own, where these are too.
type deliver struct{}

func (deliver) Kind() string { return "deliver" }

type deliverEvent struct {
	Delivery int64 `json:"delivery"`

	remote bool // is in the row, not in the arguments
}

func (deliverEvent) Kind() string { return "deliver_event" }
func (d deliverEvent) InsertOpts() river.InsertOpts {
	opts := river.InsertOpts{Queue: eventQueue, MaxAttempts: eventTries}
	if d.remote {
		opts.Queue = remoteEventQueue
	}
	return opts
}

func argsOf(task any) (taskArgs, error) {
	switch t := task.(type) {
	case transcode.RunJob:
		return runJob{Job: t.Job, Drain: t.Drain, delay: t.Delay}, nil
	case notify.FanOut:
		return fanOut{Message: t.Message}, nil
	case event.Deliver:
		return deliverEvent{Delivery: t.Delivery, remote: t.Remote}, nil
	}
	return nil, fmt.Errorf("there is no task %T", task)
}

// jobTries and jobGap add up to three days. They have nothing to do with jobs
// that fail, which transcode.Service counts and queues again itself: what comes
// back here was stopped by trouble with the database.
const jobTries = 2170

func jobGap(n int) time.Duration {
	return gap(n, time.Second, 2*time.Second, 5*time.Second, 15*time.Second, time.Minute, 2*time.Minute)
}

// messageTries and messageGap add up to three days, then the task rests.
const messageTries = 22

func messageGap(n int) time.Duration {
	return gap(n, time.Second, 5*time.Second, 20*time.Second, time.Minute, 3*time.Minute, 10*time.Minute,
		30*time.Minute, time.Hour, 2*time.Hour, 4*time.Hour, 6*time.Hour)
}

// eventTries is as many as River can count: an event is not given up. Its
// Service ends what nobody wants any more.
const eventTries = 32767

func eventGap(n int) time.Duration {
	return gap(n, time.Second, 2*time.Second, 5*time.Second, 15*time.Second, time.Minute, 2*time.Minute, 5*time.Minute,
		10*time.Minute, 30*time.Minute, time.Hour)
}

// gap is the nth of gaps, or the last.
func gap(n int, gaps ...time.Duration) time.Duration {
	return gaps[min(max(n, 1), len(gaps))-1]
}

// handler is the river.Worker of one kind of task.
type handler[T river.JobArgs] struct {
	river.WorkerDefaults[T]
	queue   *Queue
	work    func(ctx context.Context, args T) error
	gap     func(n int) time.Duration
	timeout time.Duration // -1 for none
}

func (h *handler[T]) Timeout(*river.Job[T]) time.Duration { return h.timeout }

// NextRetry spreads tries by a tenth, so that tasks which failed together do
// not all come back together.
func (h *handler[T]) NextRetry(task *river.Job[T]) time.Time {
	gap := h.gap(len(task.Errors) + 1)
	return time.Now().Add(gap + rand.N(gap/10))
}

// Work works a task. Its context ends with our own cause: River's would be one
// that nobody outside knows.
func (h *handler[T]) Work(ctx context.Context, task *river.Job[T]) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(h.queue.stopping, func() { cancel(context.Cause(h.queue.stopping)) })()
	defer h.queue.running.add(task.ID)()

	err := h.work(ctx, task.Args)
	if err != nil && errors.Is(context.Cause(ctx), transcode.ErrShutdown) {
		return river.JobSnooze(0) // again at once, and not counted as a try
	}
	return err
}

// config is that of River's client which works.
func (q *Queue) config(h Handlers) *river.Config {
	workers := river.NewWorkers()
	river.AddWorker(workers, &handler[runJob]{queue: q, gap: jobGap, timeout: -1,
		work: func(ctx context.Context, args runJob) error {
			return h.RunJob(ctx, transcode.RunJob{Job: args.Job, Drain: args.Drain})
		}})
	river.AddWorker(workers, &handler[fanOut]{queue: q, gap: messageGap, timeout: messageTimeout,
		work: func(ctx context.Context, args fanOut) error { return h.FanOut(ctx, args.Message) }})
	river.AddWorker(workers, &handler[deliver]{queue: q, gap: messageGap, timeout: messageTimeout,
		work: func(context.Context, deliver) error { return nil }})
	river.AddWorker(workers, &handler[deliverEvent]{queue: q, gap: eventGap, timeout: messageTimeout,
		work: func(ctx context.Context, args deliverEvent) error {
			if h.DeliverEvent == nil {
				return errors.New("this server delivers no events")
			}
			return h.DeliverEvent(ctx, args.Delivery)
		}})
	return &river.Config{
		Logger:                      q.riverLogger(),
		FetchCooldown:               fetchCooldown,
		FetchPollInterval:           fetchInterval,
		JobTimeout:                  -1,
		RescueStuckJobsAfter:        rescueAfter,
		CompletedJobRetentionPeriod: time.Hour,
		Workers:                     workers,
		Queues: map[string]river.QueueConfig{
			jobQueue:         {MaxWorkers: q.cfg.Workers},
			messageQueue:     {MaxWorkers: messageWorkers},
			eventQueue:       {MaxWorkers: eventWorkers},
			remoteEventQueue: {MaxWorkers: eventWorkers},
		},
	}
}
