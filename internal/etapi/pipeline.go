package etapi

import (
	"context"

	"etude/internal/transcode"
)

// pipelineJSON is a pipeline as the API spells it. Here and below, a pointer is
// a member that is written as null where it is not set.
type pipelineJSON struct {
	ID              string `json:"Id"`
	ARN             string `json:"Arn"`
	Name            string
	Status          string
	InputBucket     string
	OutputBucket    *string
	Role            string
	KMSKeyARN       *string `json:"AwsKmsKeyArn"`
	Notifications   notificationsJSON
	ContentConfig   outputConfigJSON
	ThumbnailConfig outputConfigJSON
}

// notificationsJSON always has its four members, empty where there is no topic.
type notificationsJSON struct {
	Progressing, Completed, Warning, Error string
}

type outputConfigJSON struct {
	Bucket       string
	StorageClass *string
	Permissions  []permissionJSON // never null
}

type permissionJSON struct {
	GranteeType, Grantee *string
	Access               []string // never null
}

func (a *api) pipelineJSON(p *transcode.Pipeline) pipelineJSON {
	return pipelineJSON{
		ID:              string(p.ID),
		ARN:             a.Service.ARN("pipeline", string(p.ID)),
		Name:            p.Name,
		Status:          string(p.Status),
		InputBucket:     p.InputBucket,
		OutputBucket:    orNull(p.OutputBucket),
		Role:            p.Role,
		KMSKeyARN:       orNull(p.KMSKeyARN),
		Notifications:   notificationsJSON(p.Notifications),
		ContentConfig:   newOutputConfigJSON(p.Content),
		ThumbnailConfig: newOutputConfigJSON(p.Thumbnails),
	}
}

func newOutputConfigJSON(c transcode.OutputConfig) outputConfigJSON {
	permissions := make([]permissionJSON, 0, len(c.Permissions))
	for _, p := range c.Permissions {
		access := append([]string{}, p.Access...)
		permissions = append(permissions, permissionJSON{orNull(p.GranteeType), orNull(p.Grantee), access})
	}
	return outputConfigJSON{Bucket: c.Bucket, StorageClass: orNull(c.StorageClass), Permissions: permissions}
}

func (a *api) listPipelines(ctx context.Context, in request) (any, error) {
	pipelines, next, err := a.Service.ListPipelines(ctx, in.page())
	if err != nil {
		return nil, err
	}
	out := struct {
		Pipelines     []pipelineJSON
		NextPageToken *string
	}{make([]pipelineJSON, 0, len(pipelines)), orNull(next)}
	for _, p := range pipelines {
		out.Pipelines = append(out.Pipelines, a.pipelineJSON(p))
	}
	return out, nil
}

// page is the part of a list that a request asks for. Without Ascending it is
// the oldest first: so AWS lists presets; of pipelines and jobs nothing is said.
func (in request) page() transcode.Page {
	return transcode.Page{Token: in.text("PageToken"), Descending: in.text("Ascending") == "false"}
}

// orNull returns nil, which becomes null, for an empty string.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
