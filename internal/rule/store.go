package rule

import (
	"context"
	"time"

	"etude/internal/transcode"
)

// Store remembers rules and claims. All methods may be called at once from many
// goroutines, save that a Tx belongs to one. What it returns belongs to the
// caller.
type Store interface {
	// Rules returns all rules in the order of their names.
	Rules(ctx context.Context) ([]*Rule, error)
	// Rule returns ErrNotFound if there is none of that name.
	Rule(ctx context.Context, name string) (*Rule, error)
	// UpdateRules runs fn in one transaction that excludes others of its kind.
	// It commits if fn returns nil, else it leaves no trace and returns fn's
	// error. fn may run more than once, and must not use the Store itself.
	UpdateRules(ctx context.Context, fn func(Tx) error) error

	// PutClaim keeps a claim, in the place of an earlier one on the same object.
	PutClaim(ctx context.Context, c Claim) error
	// Claim returns the claim on an object, or ErrNotFound.
	Claim(ctx context.Context, ref transcode.ObjectRef) (*Claim, error)
	// Claims returns those of a node, and those of before the time, at most
	// limit.
	Claims(ctx context.Context, node string, before time.Time, limit int) ([]Claim, error)
	// DeleteClaim forgets a claim; one that is not there is no error.
	DeleteClaim(ctx context.Context, ref transcode.ObjectRef) error

	// Samples returns all samples in the order of their names.
	Samples(ctx context.Context) ([]Sample, error)
	// PutSample keeps a sample in the place of the one that has its name, and else
	// only if there are fewer than limit.
	PutSample(ctx context.Context, sample Sample, limit int) (kept bool, err error)
	// DeleteSample forgets a sample; one that is not there is no error.
	DeleteSample(ctx context.Context, name string) error
}

// Tx is one transaction on the rules of a Store.
type Tx interface {
	Rules(ctx context.Context) ([]*Rule, error)
	// PutRule keeps a rule, in the place of the one that has its name.
	PutRule(ctx context.Context, r *Rule) error
	// DeleteRule forgets a rule, or returns ErrNotFound.
	DeleteRule(ctx context.Context, name string) error
}

// Claim says that somebody is just uploading an object and will say what
// becomes of it, or has said it: no rule is to.
type Claim struct {
	transcode.ObjectRef
	Node  string // where the upload is taken
	Owner string // the user
	// Spec is the job that is wanted; nil as long as it is not known.
	Spec       *transcode.JobSpec
	CreateTime time.Time
}

// Jobs is what a Service needs of the domain of jobs.
type Jobs interface {
	CreateJobOnce(ctx context.Context, spec transcode.JobSpec) (job *transcode.Job, made bool, err error)
	// CheckJob returns what CreateJobOnce would refuse, and makes nothing.
	CheckJob(ctx context.Context, spec transcode.JobSpec) error
	// JobOfTrigger returns the job that stands for spec already, or nil.
	JobOfTrigger(ctx context.Context, spec transcode.JobSpec) (*transcode.Job, error)
	ReadPipeline(ctx context.Context, id transcode.PipelineID) (*transcode.Pipeline, error)
	ListPipelines(ctx context.Context, page transcode.Page) (pipelines []*transcode.Pipeline, next string, err error)
	ReadPreset(ctx context.Context, id transcode.PresetID) (*transcode.Preset, error)
}

// Objects is what a Service needs of a store of objects. Errors wrap
// transcode's ErrNoObject and so on.
type Objects interface {
	Head(ctx context.Context, ref transcode.ObjectRef) (transcode.ObjectInfo, error)
	// List returns at most limit keys of a bucket that begin with prefix and
	// follow after, in S3's order.
	List(ctx context.Context, bucket, prefix, after string, limit int) (keys []string, err error)
}
