package etapi

import (
	"context"

	"etude/internal/transcode"
)

// pipelineReply is the answer of the operations that warn.
type pipelineReply struct {
	Pipeline pipelineJSON
	Warnings []warningJSON // never null
}

// warningJSON is a remark on a pipeline that is there all the same.
type warningJSON struct{ Code, Message string }

func (a *api) pipelineReply(p *transcode.Pipeline, warnings []transcode.Warning) pipelineReply {
	reply := pipelineReply{a.pipelineJSON(p), make([]warningJSON, 0, len(warnings))}
	for _, w := range warnings {
		reply.Warnings = append(reply.Warnings, warningJSON(w))
	}
	return reply
}

// onlyPipeline is the answer of those that do not.
type onlyPipeline struct{ Pipeline pipelineJSON }

// success is the body of an answer that has nothing to tell. AWS's model has an
// empty structure there; boto 2 needs an object, and its developer guide shows
// this one.
type success struct{ Success string }

func (a *api) createPipeline(ctx context.Context, in request) (any, error) {
	p, warnings, err := a.Service.CreatePipeline(ctx, pipelineSpec(in.document))
	if err != nil {
		return nil, err
	}
	return a.pipelineReply(p, warnings), nil
}

// pipelineSpec reads a CreatePipelineRequest whose shape was checked.
func pipelineSpec(d document) transcode.PipelineSpec {
	n := d.structure("Notifications")
	return transcode.PipelineSpec{
		Name:          d.text("Name"),
		InputBucket:   d.text("InputBucket"),
		OutputBucket:  d.text("OutputBucket"),
		Role:          d.text("Role"),
		KMSKeyARN:     d.text("AwsKmsKeyArn"),
		Notifications: notifications(n),
		Content:       outputConfig(d.structure("ContentConfig")),
		Thumbnails:    outputConfig(d.structure("ThumbnailConfig")),
	}
}

func notifications(d document) transcode.Notifications {
	return transcode.Notifications{
		Progressing: d.text("Progressing"), Completed: d.text("Completed"), Warning: d.text("Warning"), Error: d.text("Error"),
	}
}

// outputConfig tells no Permissions from an empty list of them.
func outputConfig(d document) *transcode.OutputConfig {
	if d == nil {
		return nil
	}
	c := &transcode.OutputConfig{Bucket: d.text("Bucket"), StorageClass: d.text("StorageClass")}
	if d.has("Permissions") {
		c.Permissions = []transcode.Permission{}
	}
	for _, p := range d.structures("Permissions") {
		c.Permissions = append(c.Permissions, transcode.Permission{
			GranteeType: p.text("GranteeType"), Grantee: p.text("Grantee"), Access: p.list("Access"),
		})
	}
	return c
}

// readPipeline answers as CreatePipeline did.
func (a *api) readPipeline(ctx context.Context, in request) (any, error) {
	p, err := a.Service.ReadPipeline(ctx, in.pipelineID())
	if err != nil {
		return nil, err
	}
	return a.pipelineReply(p, a.Service.PipelineWarnings(ctx, p)), nil
}

func (a *api) updatePipeline(ctx context.Context, in request) (any, error) {
	p, warnings, err := a.Service.UpdatePipeline(ctx, in.pipelineID(), pipelineChange(in.document))
	if err != nil {
		return nil, err
	}
	return a.pipelineReply(p, warnings), nil
}

// pipelineChange reads an UpdatePipelineRequest whose shape was checked: what is
// absent or null stays.
func pipelineChange(d document) transcode.PipelineChange {
	n := d.structure("Notifications")
	return transcode.PipelineChange{
		Name:        d.textOrNil("Name"),
		InputBucket: d.textOrNil("InputBucket"),
		Role:        d.textOrNil("Role"),
		KMSKeyARN:   d.textOrNil("AwsKmsKeyArn"),
		Notifications: transcode.NotificationsChange{
			Progressing: n.textOrNil("Progressing"), Completed: n.textOrNil("Completed"),
			Warning: n.textOrNil("Warning"), Error: n.textOrNil("Error"),
		},
		Content:    outputConfig(d.structure("ContentConfig")),
		Thumbnails: outputConfig(d.structure("ThumbnailConfig")),
	}
}

func (a *api) updatePipelineStatus(ctx context.Context, in request) (any, error) {
	p, err := a.Service.UpdatePipelineStatus(ctx, in.pipelineID(), transcode.PipelineStatus(in.text("Status")))
	if err != nil {
		return nil, err
	}
	return onlyPipeline{a.pipelineJSON(p)}, nil
}

// updatePipelineNotifications replaces all topics: one that is absent is none.
func (a *api) updatePipelineNotifications(ctx context.Context, in request) (any, error) {
	p, err := a.Service.UpdatePipelineNotifications(ctx, in.pipelineID(), notifications(in.structure("Notifications")))
	if err != nil {
		return nil, err
	}
	return onlyPipeline{a.pipelineJSON(p)}, nil
}

func (a *api) deletePipeline(ctx context.Context, in request) (any, error) {
	return success{"true"}, a.Service.DeletePipeline(ctx, in.pipelineID())
}

func (a *api) testRole(ctx context.Context, in request) (any, error) {
	messages, err := a.Service.TestRole(ctx, in.text("Role"), in.text("InputBucket"), in.text("OutputBucket"), in.list("Topics"))
	if err != nil {
		return nil, err
	}
	return newRoleReply(messages), nil
}

// roleReply is the answer of TestRole, which is 200 whatever it found.
type roleReply struct {
	Success  string
	Messages []string // never null
}

func newRoleReply(messages []string) roleReply {
	if len(messages) == 0 {
		return roleReply{"true", []string{}}
	}
	return roleReply{"false", messages}
}

func (in request) pipelineID() transcode.PipelineID { return transcode.PipelineID(in.text("Id")) }
