package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/uuid"
)

// demoPrograms does what a user's programs do, with AWS's SDK for Go.
type demoPrograms struct {
	song string
	s3   *s3.Client
	et   *elastictranscoder.Client
}

func newDemoPrograms(d *demo) (*demoPrograms, error) {
	cfg := aws.Config{
		Region:       "eu-west-1",
		BaseEndpoint: aws.String(d.where.Edge),
		Credentials:  credentials.NewStaticCredentialsProvider(d.cred.AccessKeyID, d.cred.SecretAccessKey, ""),
	}
	return &demoPrograms{
		song: d.song,
		s3:   s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }),
		et:   elastictranscoder.NewFromConfig(cfg),
	}, nil
}

// upload puts the song under a key that is new.
func (p *demoPrograms) upload(ctx context.Context) (key string, err error) {
	f, err := os.Open(p.song)
	if err != nil {
		return "", err
	}
	defer f.Close()
	key = "media/" + uuid.NewString() + "/" + filepath.Base(p.song)
	_, err = transfermanager.New(p.s3).UploadObject(ctx, &transfermanager.UploadObjectInput{
		Bucket: aws.String("media"), Key: aws.String(key), Body: f,
	})
	return key, err
}

// createJob finds the pipeline by its name and asks it for all renditions.
func (p *demoPrograms) createJob(ctx context.Context, input string) (job string, err error) {
	pipeline, err := p.findPipeline(ctx)
	if err != nil {
		return "", err
	}
	auto := aws.String("auto")
	folder, file := path.Split(strings.TrimPrefix(input, "media/"))
	request := &elastictranscoder.CreateJobInput{
		PipelineId:      pipeline,
		Input:           &types.JobInput{Key: &input, FrameRate: auto, Resolution: auto, AspectRatio: auto, Interlaced: auto, Container: auto},
		OutputKeyPrefix: aws.String("transcoded/" + folder),
	}
	for _, r := range renditions {
		name := strings.TrimSuffix(file, path.Ext(file)) + r.suffix
		request.Outputs = append(request.Outputs, types.CreateJobOutput{Key: &name, PresetId: aws.String(r.preset)})
	}
	made, err := p.et.CreateJob(ctx, request)
	if err != nil {
		return "", err
	}
	return aws.ToString(made.Job.Id), nil
}

func (p *demoPrograms) findPipeline(ctx context.Context) (*string, error) {
	for pages := elastictranscoder.NewListPipelinesPaginator(p.et, nil); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, pipeline := range page.Pipelines {
			if aws.ToString(pipeline.Name) == pipelineName {
				return pipeline.Id, nil
			}
		}
	}
	return nil, fmt.Errorf("there is no pipeline %q", pipelineName)
}

// checkComplete asks the API how the job has ended.
func (p *demoPrograms) checkComplete(ctx context.Context, id string) error {
	read, err := p.et.ReadJob(ctx, &elastictranscoder.ReadJobInput{Id: &id})
	if err != nil {
		return fmt.Errorf("read job: %w", err)
	}
	if status := aws.ToString(read.Job.Status); status != "Complete" {
		var details []string
		for _, o := range read.Job.Outputs {
			details = append(details, aws.ToString(o.StatusDetail))
		}
		return fmt.Errorf("job %s has ended as %s: %s", id, status, strings.Join(details, "; "))
	}
	return nil
}
