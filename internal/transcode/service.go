package transcode

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"etude/internal/watch"
)

// pageSize is how many items a page of a list has. Elastic Transcoder never
// said; all its system presets fit into one page of this.
const pageSize = 100

// Config is what a Service needs. Fields without a word on their zero value
// must be set.
type Config struct {
	Store   Store
	Objects Objects
	Encoder Encoder
	// HasTopic reports whether there is a topic of that ARN.
	HasTopic func(ctx context.Context, arn string) (bool, error)
	// Notification words what a topic is told when job is in a status.
	Notification func(job *Job, pipeline *Pipeline) (subject, message string)
	// Warning words what a topic is told besides, of a job that is complete but
	// not quite as it was asked for; nil means that nobody is.
	Warning func(job *Job, pipeline *Pipeline) (subject, message string)
	Logger  *slog.Logger

	Region  string // in ARNs, for instance eu-west-1
	Account string // 12 digits, in ARNs and messages
	Node    string // names this process; the same again after a restart
	Scratch string // a directory for the files of running attempts

	// ByProductBucket is where waveforms and spectrograms are kept, below
	// etude/jobs/; empty keeps none.
	ByProductBucket string
	// MaxInput is the largest input in bytes.
	MaxInput int64
	// Lease is how long an attempt holds without renewal; 0 means 15 seconds.
	Lease time.Duration
	// PerPipeline is how many jobs of one pipeline run at once, on all nodes
	// together; 0 means no limit.
	PerPipeline int
	// MaxPipelines and MaxPresets are how many pipelines and custom presets there
	// may be; 0 means no limit.
	MaxPipelines, MaxPresets int
	// Tries is how many broken or lost attempts end a job; 0 means 3.
	Tries int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Service is Elastic Transcoder's operations and what runs its jobs. All
// methods may be called at once from many goroutines.
type Service struct {
	Config

	jobs watch.Hub[string, JobID] // by owner

	mu       sync.Mutex
	progress map[JobID]Progress // of the attempts that run here
	cancels  map[attemptID]context.CancelCauseFunc
}

// New checks cfg and returns a Service of it.
func New(cfg Config) (*Service, error) {
	var faults []error
	for name, missing := range map[string]bool{
		"Store": cfg.Store == nil, "Objects": cfg.Objects == nil, "Encoder": cfg.Encoder == nil,
		"HasTopic": cfg.HasTopic == nil, "Notification": cfg.Notification == nil, "Logger": cfg.Logger == nil, "Region": cfg.Region == "",
		"Account": cfg.Account == "", "Node": cfg.Node == "", "Scratch": cfg.Scratch == "", "MaxInput": cfg.MaxInput <= 0,
	} {
		if missing {
			faults = append(faults, fmt.Errorf("%s is not set", name))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("configure transcode: %w", err)
	}
	if cfg.Lease == 0 {
		cfg.Lease = 15 * time.Second
	}
	if cfg.Tries == 0 {
		cfg.Tries = 3
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{Config: cfg, progress: map[JobID]Progress{}, cancels: map[attemptID]context.CancelCauseFunc{}}, nil
}

// ARN returns the Amazon Resource Name of a resource, for instance
// ARN("job", "1533838012294-q7w8e9").
func (s *Service) ARN(kind, id string) string {
	return fmt.Sprintf("arn:aws:elastictranscoder:%s:%s:%s/%s", s.Region, s.Account, kind, id)
}

// WatchJobs tells of the jobs of an owner: whenever one changes, or its
// progress does. The end function must be called.
func (s *Service) WatchJobs(owner string) (w *watch.Watcher[JobID], end func()) {
	return s.jobs.Watch(owner)
}

// Progress returns how far a job's running attempt is; zero if it has none.
func (s *Service) Progress(ctx context.Context, id JobID) (Progress, error) {
	s.mu.Lock()
	p, here := s.progress[id]
	s.mu.Unlock()
	if here {
		return p, nil
	}
	attempts, err := s.Store.Attempts(ctx, id)
	if err != nil {
		return Progress{}, err
	}
	for _, a := range attempts {
		if a.Outcome == Running {
			return Progress{Phase: a.Phase, Done: a.Progress}, nil
		}
	}
	return Progress{}, nil
}

// EnsurePipeline returns the oldest pipeline of the given name, and makes one
// like p if there is none.
func (s *Service) EnsurePipeline(ctx context.Context, p Pipeline) (*Pipeline, error) {
	p.ID = PipelineID(newID(s.Now()))
	p.Status = PipelineActive
	p.CreateTime = s.Now()
	made := &p
	err := s.Store.Update(ctx, func(tx Tx) error {
		old, err := tx.PipelineByName(ctx, p.Name)
		if err == nil {
			made = old
			return nil
		}
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		return tx.InsertPipeline(ctx, &p)
	})
	if err != nil {
		return nil, fmt.Errorf("ensure pipeline %q: %w", p.Name, err)
	}
	return made, nil
}

// ReadPipeline returns a pipeline, or an *Error of kind NotFound.
func (s *Service) ReadPipeline(ctx context.Context, id PipelineID) (*Pipeline, error) {
	p, err := s.Store.Pipeline(ctx, id)
	return p, s.orNotFound(err, "pipeline", string(id))
}

// ListPipelines returns a page of the pipelines, oldest first unless the page
// asks otherwise, and the token of the next page or "". Page.Limit may be 0.
func (s *Service) ListPipelines(ctx context.Context, page Page) (pipelines []*Pipeline, next string, err error) {
	page = withLimit(page)
	pipelines, more, err := s.Store.Pipelines(ctx, page)
	if more && err == nil {
		next = string(pipelines[len(pipelines)-1].ID)
	}
	return pipelines, next, err
}

// ReadJob returns a job, or an *Error of kind NotFound.
func (s *Service) ReadJob(ctx context.Context, id JobID) (*Job, error) {
	j, err := s.Store.Job(ctx, id)
	return j, s.orNotFound(err, "job", string(id))
}

// ListJobs returns a page of the jobs that fit the filter, oldest first unless
// the page asks otherwise, and the token of the next page or "". Page.Limit may
// be 0.
func (s *Service) ListJobs(ctx context.Context, filter JobFilter, page Page) (jobs []*Job, next string, err error) {
	page = withLimit(page)
	jobs, more, err := s.Store.Jobs(ctx, filter, page)
	if more && err == nil {
		next = string(jobs[len(jobs)-1].ID)
	}
	return jobs, next, err
}

func withLimit(page Page) Page {
	if page.Limit <= 0 {
		page.Limit = pageSize
	}
	return page
}

func (s *Service) orNotFound(err error, what, id string) error {
	if errors.Is(err, ErrNotFound) {
		return s.notFound(what, id)
	}
	return err
}

// notFound words it as AWS does: "The specified job was not found: account=A,
// jobId=J."
func (s *Service) notFound(what, id string) error {
	return &Error{
		Kind:    NotFound,
		Message: fmt.Sprintf("The specified %s was not found: account=%s, %sId=%s.", what, s.Account, what, id),
	}
}
