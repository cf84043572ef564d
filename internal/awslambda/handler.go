// Package awslambda is rules as a function of AWS Lambda: it takes the events
// that S3 sends, itself or over SNS or SQS, and asks an Elastic Transcoder API
// for the jobs, that of a server of Etude's or another. It keeps nothing: a
// request that it repeats has the same key, by which the server knows it again.
//
// It knows nothing of how Lambda calls it, nor of where its rules came from.
package awslambda

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder/types"

	"etude/internal/rule"
	"etude/internal/s3event"
	"etude/internal/transcode"
)

// DedupeMetadata is the key of UserMetadata by whose value a server of Etude's
// knows a repeated request; others keep it and no more.
const DedupeMetadata = "etude:dedupe"

// API is what a Handler needs of Elastic Transcoder: a client of AWS's SDK.
type API interface {
	elastictranscoder.ListPipelinesAPIClient
	ReadPipeline(context.Context, *elastictranscoder.ReadPipelineInput, ...func(*elastictranscoder.Options)) (*elastictranscoder.ReadPipelineOutput, error)
	ReadPreset(context.Context, *elastictranscoder.ReadPresetInput, ...func(*elastictranscoder.Options)) (*elastictranscoder.ReadPresetOutput, error)
	CreateJob(context.Context, *elastictranscoder.CreateJobInput, ...func(*elastictranscoder.Options)) (*elastictranscoder.CreateJobOutput, error)
}

// Handler makes jobs of events. Handle may be called at once from many
// goroutines.
type Handler struct {
	rules []rule.Rule
	api   API
	log   *slog.Logger

	mu        sync.Mutex
	pipelines map[string]*types.Pipeline // by what rules call them
	endings   map[transcode.PresetID]string
	checked   bool // all rules together hold
}

// New checks the rules, each for itself, and returns a Handler of them.
func New(rules []rule.Rule, api API, log *slog.Logger) (*Handler, error) {
	if len(rules) == 0 {
		return nil, errors.New("there are no rules")
	}
	for _, r := range rules {
		if err := r.Check(); err != nil {
			return nil, fmt.Errorf("rule %q: %w", r.Name, err)
		}
		if r.Bucket == "" {
			return nil, fmt.Errorf("rule %q: bucket: name the one that sends its events here", r.Name)
		}
	}
	h := &Handler{rules: rules, api: api, log: log, pipelines: map[string]*types.Pipeline{}, endings: map[transcode.PresetID]string{}}
	for _, p := range transcode.SystemPresets() {
		h.endings[p.ID] = rule.Ending(&p)
	}
	return h, nil
}

// Handle takes one event as Lambda has it. Of a batch of SQS it says which
// messages are to come again, so that one that is bad does not hold up the
// others: the mapping needs ReportBatchItemFailures. Anything else that goes
// wrong is an error, after which Lambda tries the event again.
func (h *Handler) Handle(ctx context.Context, raw json.RawMessage) (any, error) {
	items, err := s3event.ParseBatch(raw)
	if err != nil {
		return nil, err
	}
	if err := h.check(ctx); err != nil {
		return nil, err
	}
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	var failures []error
	for _, item := range items {
		err := item.Err
		for _, e := range item.Events {
			err = errors.Join(err, h.handle(ctx, e))
		}
		if err == nil {
			continue
		}
		h.log.Error("event is to come again", "message", item.ID, "err", err)
		failures = append(failures, err)
		answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: item.ID})
	}
	if isQueue(raw) {
		return answer, nil
	}
	return nil, errors.Join(failures...)
}

// isQueue tells a batch of SQS from the events that Lambda answers for as a
// whole.
func isQueue(raw json.RawMessage) bool {
	var batch struct {
		Records []struct {
			Source string `json:"eventSource"`
		}
	}
	return json.Unmarshal(raw, &batch) == nil && len(batch.Records) > 0 && batch.Records[0].Source == "aws:sqs"
}

func (h *Handler) handle(ctx context.Context, e s3event.Event) error {
	if !e.Created() {
		return nil
	}
	o := rule.Object{ObjectRef: transcode.ObjectRef{Bucket: e.Bucket, Key: e.Key}, VersionID: e.VersionID, ETag: e.ETag}
	for i := range h.rules {
		r := &h.rules[i]
		if !r.Enabled || r.Refusal(o.ObjectRef) != "" {
			continue
		}
		job, err := h.create(ctx, r, o, e)
		if err != nil {
			return fmt.Errorf("make the job of rule %s of %s: %w", r.Name, o, err)
		}
		h.log.Info("job is asked for", "rule", r.Name, "job", job, "bucket", e.Bucket, "key", e.Key)
		return nil
	}
	h.log.Info("no rule takes the object", "bucket", e.Bucket, "key", e.Key)
	return nil
}

// create asks for the job. However often it is asked for, there is one.
func (h *Handler) create(ctx context.Context, r *rule.Rule, o rule.Object, e s3event.Event) (id string, err error) {
	pipeline, err := h.pipeline(ctx, r.Pipeline)
	if err != nil {
		return "", err
	}
	if in := aws.ToString(pipeline.InputBucket); in != o.Bucket {
		return "", fmt.Errorf("pipeline %q reads from the bucket %q, not from %q", r.Pipeline, in, o.Bucket)
	}
	spec, err := r.Request(transcode.PipelineID(aws.ToString(pipeline.Id)), o, func(id transcode.PresetID) (string, error) { return h.ending(ctx, id) })
	if err != nil {
		return "", err
	}
	made, err := h.api.CreateJob(ctx, request(spec, token(e)))
	if err != nil {
		return "", err
	}
	return aws.ToString(made.Job.Id), nil
}

// token is the same for events of the same write of an object.
func token(e s3event.Event) string {
	h := sha256.New()
	for _, part := range []string{e.Bucket, e.Key, e.VersionID, e.ETag, e.Sequencer} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return "s3-" + hex.EncodeToString(h.Sum(nil))
}

// request spells a rule's request for AWS's SDK.
func request(spec transcode.JobSpec, token string) *elastictranscoder.CreateJobInput {
	in := &elastictranscoder.CreateJobInput{PipelineId: aws.String(string(spec.Pipeline)), UserMetadata: map[string]string{DedupeMetadata: token}}
	for k, v := range spec.UserMetadata {
		in.UserMetadata[k] = v
	}
	if spec.OutputKeyPrefix != "" {
		in.OutputKeyPrefix = &spec.OutputKeyPrefix
	}
	for _, i := range spec.Inputs {
		in.Inputs = append(in.Inputs, types.JobInput{
			Key: &i.Key, FrameRate: &i.FrameRate, Resolution: &i.Resolution, AspectRatio: &i.AspectRatio, Interlaced: &i.Interlaced, Container: &i.Container,
		})
	}
	for _, o := range spec.Outputs {
		in.Outputs = append(in.Outputs, types.CreateJobOutput{Key: &o.Key, PresetId: aws.String(string(o.PresetID))})
	}
	return in
}

// pipeline finds a pipeline by its id or its name, once.
func (h *Handler) pipeline(ctx context.Context, name string) (*types.Pipeline, error) {
	h.mu.Lock()
	known := h.pipelines[name]
	h.mu.Unlock()
	if known != nil {
		return known, nil
	}
	found, err := h.findPipeline(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("find pipeline %q: %w", name, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pipelines[name] = found
	return found, nil
}

func (h *Handler) findPipeline(ctx context.Context, name string) (*types.Pipeline, error) {
	if transcode.ValidID(name) {
		out, err := h.api.ReadPipeline(ctx, &elastictranscoder.ReadPipelineInput{Id: &name})
		if err != nil {
			return nil, err
		}
		return out.Pipeline, nil
	}
	var found []types.Pipeline
	for pages := elastictranscoder.NewListPipelinesPaginator(h.api, nil); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range page.Pipelines {
			if aws.ToString(p.Name) == name {
				found = append(found, p)
			}
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("there are %d pipelines of that name; name it by its id", len(found))
	}
	return &found[0], nil
}

// ending is the usual ending of the files of a preset.
func (h *Handler) ending(ctx context.Context, id transcode.PresetID) (string, error) {
	h.mu.Lock()
	ext, known := h.endings[id]
	h.mu.Unlock()
	if known {
		return ext, nil
	}
	out, err := h.api.ReadPreset(ctx, &elastictranscoder.ReadPresetInput{Id: aws.String(string(id))})
	if err != nil {
		return "", fmt.Errorf("read preset %s: %w", id, err)
	}
	p := transcode.Preset{Container: aws.ToString(out.Preset.Container)}
	if out.Preset.Video != nil {
		p.Video = &transcode.Video{}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.endings[id] = rule.Ending(&p)
	return h.endings[id], nil
}

// check holds, once, that the rules start neither themselves nor each other: what
// a function of Lambda does that starts itself is paid for.
func (h *Handler) check(ctx context.Context) error {
	h.mu.Lock()
	checked := h.checked
	h.mu.Unlock()
	if checked {
		return nil
	}
	buckets := map[string]string{}
	for _, r := range h.rules {
		p, err := h.pipeline(ctx, r.Pipeline)
		if err != nil {
			return err
		}
		buckets[r.Name] = aws.ToString(p.OutputBucket)
		if p.ContentConfig != nil && aws.ToString(p.ContentConfig.Bucket) != "" {
			buckets[r.Name] = aws.ToString(p.ContentConfig.Bucket)
		}
	}
	err := rule.CheckTogether(h.rules, func(r *rule.Rule) string { return buckets[r.Name] },
		func(id transcode.PresetID) (string, error) { return h.ending(ctx, id) })
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checked = true
	return nil
}
