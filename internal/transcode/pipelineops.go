package transcode

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// PipelineSpec is a request for a pipeline, its scalars checked for form. Either
// OutputBucket is given, or Content and Thumbnails are.
type PipelineSpec struct {
	Name          string
	InputBucket   string
	OutputBucket  string
	Role          string
	KMSKeyARN     string
	Notifications Notifications
	Content       *OutputConfig
	Thumbnails    *OutputConfig
}

// PipelineChange is what is to be changed of a pipeline; nil members stay as
// they are. Permissions of an OutputConfig that are nil stay too.
type PipelineChange struct {
	Name          *string
	InputBucket   *string
	Role          *string
	KMSKeyARN     *string
	Notifications NotificationsChange
	Content       *OutputConfig
	Thumbnails    *OutputConfig
}

// NotificationsChange is what is to be changed of a pipeline's topics; nil
// members stay, and "" is no topic any more.
type NotificationsChange struct {
	Progressing, Completed, Warning, Error *string
}

// Warning says what is odd about a pipeline that was made or changed all the
// same.
type Warning struct {
	Code    string
	Message string
}

var roleForm = regexp.MustCompile(`^arn:aws:iam::\w{12}:role/.+$`)

// check has AWS's texts where they are known.
func (spec *PipelineSpec) check() error {
	switch {
	case spec.Role == "":
		return invalid("Role cannot be blank")
	case !roleForm.MatchString(spec.Role):
		return invalid("Role ARN is invalid: %s", spec.Role)
	case spec.OutputBucket == "" && (spec.Content == nil || spec.Content.Bucket == ""):
		return invalid("[OutputBucket and ContentConfig:Bucket are not allowed to both be null.]")
	case spec.OutputBucket != "" && (spec.Content != nil || spec.Thumbnails != nil):
		return invalid("[OutputBucket and ContentConfig are mutually exclusive.]")
	case spec.OutputBucket == "" && (spec.Thumbnails == nil || spec.Thumbnails.Bucket == ""):
		return invalid("[ThumbnailConfig:Bucket is not allowed to be null if ContentConfig is specified.]")
	}
	return nil
}

// CreatePipeline makes a pipeline. Buckets that do not exist are warned of.
func (s *Service) CreatePipeline(ctx context.Context, spec PipelineSpec) (*Pipeline, []Warning, error) {
	if err := spec.check(); err != nil {
		return nil, nil, err
	}
	now := s.Now()
	p := &Pipeline{
		ID: PipelineID(newID(now)), Name: spec.Name, Status: PipelineActive,
		InputBucket: spec.InputBucket, OutputBucket: spec.OutputBucket, Role: spec.Role, KMSKeyARN: spec.KMSKeyARN,
		Notifications: spec.Notifications, CreateTime: now,
	}
	if spec.OutputBucket != "" {
		p.Content.Bucket, p.Thumbnails.Bucket = spec.OutputBucket, spec.OutputBucket
	} else {
		p.Content, p.Thumbnails = *spec.Content, *spec.Thumbnails
	}
	if err := s.insertPipeline(ctx, p); err != nil {
		return nil, nil, err
	}
	return p, s.PipelineWarnings(ctx, p), nil
}

func (s *Service) insertPipeline(ctx context.Context, p *Pipeline) error {
	return s.Store.Update(ctx, func(tx Tx) error {
		n, err := tx.CountPipelines(ctx)
		if err != nil {
			return err
		}
		if s.MaxPipelines > 0 && n >= s.MaxPipelines {
			return s.tooMany("pipelines", s.MaxPipelines)
		}
		return tx.InsertPipeline(ctx, p)
	})
}

// UpdatePipeline changes a pipeline, also for jobs that have not started.
func (s *Service) UpdatePipeline(ctx context.Context, id PipelineID, change PipelineChange) (*Pipeline, []Warning, error) {
	p, err := s.changePipeline(ctx, id, func(_ Tx, p *Pipeline) error { return change.apply(p) })
	if err != nil {
		return nil, nil, err
	}
	return p, s.PipelineWarnings(ctx, p), nil
}

func (c *PipelineChange) apply(p *Pipeline) error {
	if c.Role != nil && *c.Role == "" {
		return invalid("Role cannot be blank")
	}
	if c.Role != nil && !roleForm.MatchString(*c.Role) {
		return invalid("Role ARN is invalid: %s", *c.Role)
	}
	for _, s := range []struct{ to, from *string }{
		{&p.Name, c.Name}, {&p.InputBucket, c.InputBucket}, {&p.Role, c.Role}, {&p.KMSKeyARN, c.KMSKeyARN},
		{&p.Notifications.Progressing, c.Notifications.Progressing}, {&p.Notifications.Completed, c.Notifications.Completed},
		{&p.Notifications.Warning, c.Notifications.Warning}, {&p.Notifications.Error, c.Notifications.Error},
	} {
		if s.from != nil {
			*s.to = *s.from
		}
	}
	p.Content.change(c.Content)
	p.Thumbnails.change(c.Thumbnails)
	if p.Content.Bucket != p.OutputBucket || p.Thumbnails.Bucket != p.OutputBucket {
		p.OutputBucket = "" // they say more than it can
	}
	return nil
}

func (c *OutputConfig) change(to *OutputConfig) {
	if to == nil {
		return
	}
	if to.Bucket != "" {
		c.Bucket = to.Bucket
	}
	if to.StorageClass != "" {
		c.StorageClass = to.StorageClass
	}
	if to.Permissions != nil {
		c.Permissions = to.Permissions
	}
}

// UpdatePipelineNotifications replaces a pipeline's four topics, also for jobs
// that are queued.
func (s *Service) UpdatePipelineNotifications(ctx context.Context, id PipelineID, n Notifications) (*Pipeline, error) {
	return s.changePipeline(ctx, id, func(_ Tx, p *Pipeline) error {
		p.Notifications = n
		return nil
	})
}

// drainers is how many tasks are queued for jobs whose own tasks may have found
// their pipeline paused and are gone: these go on until no job waits. More than
// there are workers would only wait.
const drainers = 32

func enqueueDrainers(ctx context.Context, tx Tx) error {
	for range drainers {
		if err := tx.Enqueue(ctx, RunJob{Drain: true}); err != nil {
			return err
		}
	}
	return nil
}

// UpdatePipelineStatus pauses a pipeline, which then takes jobs and starts none,
// or resumes it. Running jobs go on.
func (s *Service) UpdatePipelineStatus(ctx context.Context, id PipelineID, status PipelineStatus) (*Pipeline, error) {
	return s.changePipeline(ctx, id, func(tx Tx, p *Pipeline) error {
		resumed := p.Status == PipelinePaused && status == PipelineActive
		p.Status = status
		if !resumed {
			return nil
		}
		return enqueueDrainers(ctx, tx)
	})
}

func (s *Service) changePipeline(ctx context.Context, id PipelineID, change func(Tx, *Pipeline) error) (p *Pipeline, err error) {
	err = s.Store.Update(ctx, func(tx Tx) error {
		if p, err = tx.Pipeline(ctx, id); err != nil {
			return err
		}
		if err := change(tx, p); err != nil {
			return err
		}
		return tx.UpdatePipeline(ctx, p)
	})
	if err != nil {
		return nil, s.orNotFound(err, "pipeline", string(id))
	}
	return p, nil
}

// DeletePipeline removes a pipeline that has no active job. Its finished jobs
// stay.
func (s *Service) DeletePipeline(ctx context.Context, id PipelineID) error {
	err := s.Store.Update(ctx, func(tx Tx) error {
		if _, err := tx.Pipeline(ctx, id); err != nil {
			return err
		}
		active, err := tx.HasActiveJobs(ctx, id)
		if err != nil {
			return err
		}
		if active {
			return &Error{
				Kind:    InUse,
				Message: fmt.Sprintf("The pipeline contains active jobs: account=%s, pipeline=%s", s.Account, id),
			}
		}
		return tx.DeletePipeline(ctx, id)
	})
	return s.orNotFound(err, "pipeline", string(id))
}

// PipelineWarnings looks whether the pipeline's buckets and topics are there.
// Elastic Transcoder's own warnings, each with its code, are of those in another
// region. A bucket has none here, so that its codes are for one that is missing;
// a topic has one in its ARN.
func (s *Service) PipelineWarnings(ctx context.Context, p *Pipeline) (all []Warning) {
	for _, b := range []struct{ code, what, bucket string }{
		{"6000", "input", p.InputBucket}, {"6001", "content", p.Content.Bucket}, {"6002", "thumbnail", p.Thumbnails.Bucket},
	} {
		if s.bucketFault(ctx, b.bucket) != nil {
			all = append(all, Warning{Code: b.code, Message: fmt.Sprintf("The %s bucket cannot be reached: bucket=%s.", b.what, b.bucket)})
		}
	}
	for _, n := range []struct{ code, event, topic string }{
		{"6003", "Progressing", p.Notifications.Progressing}, {"6004", "Warning", p.Notifications.Warning},
		{"6005", "Completed", p.Notifications.Completed}, {"6006", "Error", p.Notifications.Error},
	} {
		if message := s.topicFault(ctx, n.event, n.topic); message != "" {
			all = append(all, Warning{Code: n.code, Message: message})
		}
	}
	return all
}

// topicFault says what is odd about a pipeline's topic, or returns "". The text
// for another region is AWS's own.
func (s *Service) topicFault(ctx context.Context, event, topic string) string {
	if topic == "" {
		return ""
	}
	if part := strings.Split(topic, ":"); len(part) > 3 && part[3] != s.Region {
		return fmt.Sprintf("The SNS notification topic for %s events and the pipeline are in different regions, which increases processing time for jobs in the pipeline and can incur additional charges. "+
			"To decrease processing time and prevent cross-regional charges, use the same region for the SNS notification topic and the pipeline.", event)
	}
	if has, err := s.HasTopic(ctx, topic); err == nil && !has {
		return fmt.Sprintf("The SNS notification topic for %s events does not exist: topic=%s.", event, topic)
	}
	return ""
}

// bucketFault says why objects of a bucket cannot be read, or returns nil.
func (s *Service) bucketFault(ctx context.Context, bucket string) error {
	_, err := s.Objects.Head(ctx, ObjectRef{Bucket: bucket, Key: "etude-test"})
	if errors.Is(err, ErrNoObject) {
		return nil
	}
	return err
}

// TestRole checks what a pipeline with these members would need. Roles are not
// assumed here, so what counts is whether Etude itself reaches the buckets, and
// has the topics. messages has one sentence for each check that failed.
func (s *Service) TestRole(ctx context.Context, role, inputBucket, outputBucket string, topics []string) (messages []string, err error) {
	if !roleForm.MatchString(role) {
		return nil, invalid("Role ARN is invalid: %s", role)
	}
	for _, bucket := range []string{inputBucket, outputBucket} {
		if s.bucketFault(ctx, bucket) != nil {
			messages = append(messages, fmt.Sprintf("The role %s does not have access to the bucket: %s", role, bucket))
		}
	}
	for _, topic := range topics {
		if topic == "" {
			continue // a state that nobody is to be told of
		}
		has, err := s.HasTopic(ctx, topic)
		if err != nil {
			return nil, err
		}
		if !has {
			messages = append(messages, fmt.Sprintf("The role %s does not have access to the topic: %s", role, topic))
		}
	}
	return messages, nil
}

// CancelJob ends a job that has not started.
func (s *Service) CancelJob(ctx context.Context, id JobID) error {
	var job *Job
	err := s.Store.Update(ctx, func(tx Tx) (err error) {
		if job, err = tx.Job(ctx, id); err != nil {
			return err
		}
		if job.Status != Submitted {
			return &Error{
				Kind:    InUse,
				Message: fmt.Sprintf("The job was already in use: accountId=%s, resourceId=%s", s.Account, id),
			}
		}
		job.setStatus(Canceled)
		job.FinishTime = s.Now()
		return tx.UpdateJob(ctx, job)
	})
	if err != nil {
		return s.orNotFound(err, "job", string(id))
	}
	s.Logger.Info("job canceled", "job", id)
	s.jobs.Tell(job.Owner, id)
	return nil
}
