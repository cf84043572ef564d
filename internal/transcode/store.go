package transcode

import (
	"context"
	"time"
)

// Store remembers pipelines, custom presets, jobs and attempts. All methods may
// be called at once from many goroutines, save that a Tx belongs to one. What
// it returns belongs to the caller.
type Store interface {
	// Update runs fn in one transaction that sees the newest state and excludes
	// other writers of what it touches. It commits if fn returns nil, else
	// it leaves no trace and returns fn's error. fn may run more than once,
	// and must not use the Store itself.
	Update(ctx context.Context, fn func(Tx) error) error

	// Pipeline, of those that are not deleted, and Job return ErrNotFound for an id they do not have.
	Pipeline(ctx context.Context, id PipelineID) (*Pipeline, error)
	Job(ctx context.Context, id JobID) (*Job, error)

	// Pipelines returns a page in the order of the ids, and whether more follow.
	Pipelines(ctx context.Context, page Page) (pipelines []*Pipeline, more bool, err error)

	// Jobs returns a page of the jobs that fit the filter in the order of their
	// ids, and whether more follow.
	Jobs(ctx context.Context, filter JobFilter, page Page) (jobs []*Job, more bool, err error)

	// CountJobs counts the jobs that fit the filter, limit of them at the most.
	CountJobs(ctx context.Context, filter JobFilter, limit int) (int, error)

	// Preset returns a custom preset, or ErrNotFound.
	Preset(ctx context.Context, id PresetID) (*Preset, error)
	// Presets returns a page of the custom presets in the order of their ids,
	// and whether more follow.
	Presets(ctx context.Context, page Page) (presets []*Preset, more bool, err error)

	// Attempts returns a job's attempts, first one first.
	Attempts(ctx context.Context, id JobID) ([]*Attempt, error)

	// OpenAttempts returns at most limit attempts that have not ended and whose
	// lease ran out before t, or that belong to node (if it is not empty).
	OpenAttempts(ctx context.Context, t time.Time, node string, limit int) ([]*Attempt, error)
}

// Tx is one transaction on a Store.
type Tx interface {
	Pipeline(ctx context.Context, id PipelineID) (*Pipeline, error)
	// PipelineByName returns the oldest of that name, or ErrNotFound.
	PipelineByName(ctx context.Context, name string) (*Pipeline, error)
	InsertPipeline(ctx context.Context, p *Pipeline) error
	// UpdatePipeline writes all of a pipeline but its CreateTime.
	UpdatePipeline(ctx context.Context, p *Pipeline) error
	// DeletePipeline hides a pipeline from everything but its jobs, which stay.
	DeletePipeline(ctx context.Context, id PipelineID) error
	CountPipelines(ctx context.Context) (int, error)
	// HasActiveJobs reports whether a job of the pipeline is Submitted or
	// Progressing.
	HasActiveJobs(ctx context.Context, id PipelineID) (bool, error)

	InsertPreset(ctx context.Context, p *Preset) error
	// DeletePreset returns ErrNotFound if there is no such custom preset.
	DeletePreset(ctx context.Context, id PresetID) error
	CountPresets(ctx context.Context) (int, error)

	// InsertJob returns ErrDuplicate if the job has a DedupeKey that is taken,
	// and ErrNotFound if its pipeline is not there.
	InsertJob(ctx context.Context, j *Job) error
	// JobByDedupeKey returns ErrNotFound if there is none.
	JobByDedupeKey(ctx context.Context, key string) (*Job, error)
	// NewestJob returns the newest job with that mark of an Object, or
	// ErrNotFound. Until the transaction ends, no other one that asked with
	// alone set inserts a job of that mark, nor any other one at all if this one
	// did.
	NewestJob(ctx context.Context, object string, alone bool) (*Job, error)
	// ReplaceJob writes all of a job but its DedupeKey.
	ReplaceJob(ctx context.Context, j *Job) error
	// Job returns the job and keeps other transactions from changing it.
	Job(ctx context.Context, id JobID) (*Job, error)
	// NextJob returns the job whose turn it is, and keeps other transactions
	// from returning it too: the oldest Submitted job of the active pipeline
	// that has the fewest jobs Progressing. Pipelines with perPipeline of them
	// or more are passed over, unless it is 0. It returns ErrNotFound if there
	// is none.
	NextJob(ctx context.Context, perPipeline int) (*Job, error)
	// UpdateJob writes what changes in a job's life: its status, times, inputs'
	// detected properties and outputs.
	UpdateJob(ctx context.Context, j *Job) error

	Attempts(ctx context.Context, id JobID) ([]*Attempt, error)
	InsertAttempt(ctx context.Context, a *Attempt) error
	// RenewLease moves an attempt's lease, phase and progress on. It returns
	// ErrLeaseLost if the attempt has ended.
	RenewLease(ctx context.Context, a *Attempt) error
	// EndAttempt writes an attempt's outcome, end time, progress and log. It
	// returns ErrLeaseLost if the attempt has ended before.
	EndAttempt(ctx context.Context, a *Attempt) error

	// Enqueue queues a task that will be worked, at least once, after the
	// commit.
	Enqueue(ctx context.Context, task RunJob) error
	// Publish hands a notification to its topic after the commit, at least
	// once.
	Publish(ctx context.Context, n Notification) error
}

// RunJob is the task of running a job once; see Service.RunJob. It comes from a
// queue that knows no pipelines, so most tasks name no job: that the task is
// there says that one waits, and whose turn it is is found out when it is worked.
type RunJob struct {
	Job   JobID         // empty for the one whose turn it is
	Delay time.Duration // not to be worked before this has passed
	Drain bool          // to be followed by another one, until no job waits
}

// Notification is what a topic is told of a job.
type Notification struct {
	Topic   string // ARN
	Subject string
	Message string
}

// Page asks for a part of a list.
type Page struct {
	// Token is the last id of the page before, or empty for the first page.
	// An id, not an offset: what is added meanwhile moves nothing.
	Token string
	// Descending asks for the newest first.
	Descending bool
	// Limit is how many at the most; it is above 0.
	Limit int
}

// follows reports whether id comes after the page's token.
func (p Page) follows(id string) bool {
	if p.Descending {
		return id < p.Token
	}
	return id > p.Token
}

// JobFilter chooses jobs; an empty member chooses all.
type JobFilter struct {
	Pipeline PipelineID
	Status   Status
	Owner    string
}
