package transcode

import "time"

// PipelineStatus says whether a pipeline starts jobs.
type PipelineStatus string

// A paused pipeline takes jobs and starts none.
const (
	PipelineActive PipelineStatus = "Active"
	PipelinePaused PipelineStatus = "Paused"
)

// Pipeline says where jobs read and write, and who is told of them.
type Pipeline struct {
	ID          PipelineID
	Name        string
	Status      PipelineStatus
	InputBucket string
	// OutputBucket is empty where the pipeline was made with Content and
	// Thumbnails instead.
	OutputBucket  string
	Role          string // an IAM role's ARN; kept and shown, not assumed
	KMSKeyARN     string
	Notifications Notifications
	Content       OutputConfig
	Thumbnails    OutputConfig
	CreateTime    time.Time
}

// Notifications names the topic, an SNS ARN, for each state; empty for none.
type Notifications struct {
	Progressing, Completed, Warning, Error string
}

// OutputConfig says where a kind of output goes and who may read it there.
type OutputConfig struct {
	Bucket       string
	StorageClass string
	Permissions  []Permission
}

// Permission grants access to what a pipeline writes.
type Permission struct {
	GranteeType string
	Grantee     string
	Access      []string
}

// topic returns the topic that is told when a job is in status; empty for none.
func (p *Pipeline) topic(status Status) string {
	switch status {
	case Progressing:
		return p.Notifications.Progressing
	case Complete:
		return p.Notifications.Completed
	case Failed:
		return p.Notifications.Error
	}
	return ""
}
