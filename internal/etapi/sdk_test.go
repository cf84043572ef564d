package etapi_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awscredentials "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder/types"
	"github.com/google/go-cmp/cmp"

	"etude/internal/transcode"
)

// sdk is AWS's Go client; retries counts what it sends again.
func (s *server) sdk(retries *int) *elastictranscoder.Client {
	return elastictranscoder.New(elastictranscoder.Options{
		Region:       "us-east-1", // not the server's
		BaseEndpoint: aws.String(s.URL),
		Credentials:  awscredentials.NewStaticCredentialsProvider(keyID, secret, ""),
		HTTPClient:   s.Client(),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { *retries++; return 0, nil })
		}),
	})
}

func TestGoSDK(t *testing.T) {
	s := newServer(t)
	retries := 0
	c, ctx := s.sdk(&retries), t.Context()
	music, speech := s.pipeline(t, "music"), s.pipeline(t, "speech")

	pipelines, err := c.ListPipelines(ctx, &elastictranscoder.ListPipelinesInput{Ascending: aws.String("false")})
	if err != nil {
		t.Fatal(err)
	}
	if len(pipelines.Pipelines) != 2 || *pipelines.Pipelines[0].Id != string(speech.ID) || pipelines.NextPageToken != nil {
		t.Errorf("pipelines: got %d, the first %s, next %v", len(pipelines.Pipelines), *pipelines.Pipelines[0].Name, pipelines.NextPageToken)
	}
	read, err := c.ReadPipeline(ctx, &elastictranscoder.ReadPipelineInput{Id: aws.String(string(music.ID))})
	if err != nil {
		t.Fatal(err)
	}
	if p := read.Pipeline; *p.Name != "music" || *p.Notifications.Completed == "" || *p.ContentConfig.Bucket != "media" || p.AwsKmsKeyArn != nil || len(read.Warnings) != 0 {
		t.Errorf("pipeline: got %+v", p)
	}
	preset, err := c.ReadPreset(ctx, &elastictranscoder.ReadPresetInput{Id: aws.String("1351620000001-300040")})
	if err != nil {
		t.Fatal(err)
	}
	if p := preset.Preset; *p.Container != "mp3" || *p.Audio.BitRate != "128" || p.Video != nil || *p.Type != "System" {
		t.Errorf("preset: got %+v", p)
	}

	created, err := c.CreateJob(ctx, &elastictranscoder.CreateJobInput{
		PipelineId: aws.String(string(music.ID)),
		Inputs:     []types.JobInput{{Key: aws.String("media/a.wav"), Container: aws.String("wav")}},
		Outputs: []types.CreateJobOutput{
			{Key: aws.String("a.mp3"), PresetId: aws.String("1351620000001-300040")},
			{Key: aws.String("a.flac"), PresetId: aws.String("1351620000001-300110")},
		},
		OutputKeyPrefix: aws.String("transcoded/"),
		UserMetadata:    map[string]string{"user": "7"},
	})
	if err != nil {
		t.Fatal(err)
	}
	job := created.Job
	if len(job.Outputs) != 2 || *job.Output.Id != "1" || *job.Outputs[1].Id != "2" || *job.Input.Container != "wav" || job.Input.FrameRate != nil || *job.Timing.SubmitTimeMillis == 0 || job.Timing.StartTimeMillis != nil {
		t.Errorf("job: got %+v", job)
	}
	s.complete(t, transcode.JobID(*job.Id))
	done, err := elastictranscoder.NewJobCompleteWaiter(c).WaitForOutput(ctx, &elastictranscoder.ReadJobInput{Id: job.Id}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	out, in := done.Job.Outputs[0], done.Job.Input
	if *out.Duration != 118 || *out.DurationMillis != 117353 || *out.FileSize != 1877652 || out.Width != nil || *in.DetectedProperties.FileSize != 20_701_112 {
		t.Errorf("output: got %+v of %+v", out, in.DetectedProperties)
	}

	byPipeline, err := c.ListJobsByPipeline(ctx, &elastictranscoder.ListJobsByPipelineInput{PipelineId: job.PipelineId})
	if err != nil || len(byPipeline.Jobs) != 1 {
		t.Errorf("jobs of music: got %d, %v", len(byPipeline.Jobs), err)
	}
	for status, want := range map[string]int{"Complete": 1, "Submitted": 0} {
		byStatus, err := c.ListJobsByStatus(ctx, &elastictranscoder.ListJobsByStatusInput{Status: aws.String(status)})
		if err != nil || len(byStatus.Jobs) != want {
			t.Errorf("jobs %s: got %d, %v, want %d", status, len(byStatus.Jobs), err, want)
		}
	}
	if retries != 0 {
		t.Errorf("the SDK tried %d times more than it should have", retries)
	}
}

// A list of several pages has each job once, in order, either way.
func TestPages(t *testing.T) {
	s := newServer(t)
	retries := 0
	c, p := s.sdk(&retries), s.pipeline(t, "music")
	var want []string
	for range 101 {
		job, err := s.service.CreateJob(t.Context(), transcode.JobSpec{
			Pipeline: p.ID,
			Inputs:   []transcode.Input{{Key: "a.wav"}},
			Outputs:  []transcode.OutputSpec{{Key: "a.mp3", PresetID: "1351620000001-300040"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, string(job.ID))
	}
	slices.Sort(want)
	for _, ascending := range []string{"true", "false"} {
		pages := elastictranscoder.NewListJobsByPipelinePaginator(c, &elastictranscoder.ListJobsByPipelineInput{
			PipelineId: aws.String(string(p.ID)), Ascending: aws.String(ascending),
		})
		var got []string
		n := 0
		for ; pages.HasMorePages(); n++ {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, job := range page.Jobs {
				got = append(got, *job.Id)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || n != 2 {
			t.Errorf("ascending %s, in %d pages (-want +got):\n%s", ascending, n, diff)
		}
		slices.Reverse(want)
	}
}

// complete ends a job as a worker would.
func (s *server) complete(t *testing.T, id transcode.JobID) {
	t.Helper()
	const played = 117353 * time.Millisecond
	err := s.store.Update(t.Context(), func(tx transcode.Tx) error {
		j, err := tx.Job(t.Context(), id)
		if err != nil {
			return err
		}
		j.Status, j.StartTime, j.FinishTime = transcode.Complete, time.Now(), time.Now()
		j.Inputs[0].Detected = &transcode.Detected{FileSize: 20_701_112, Duration: played}
		for i := range j.Outputs {
			j.Outputs[i].Status = transcode.Complete
			j.Outputs[i].Made = &transcode.Made{Duration: played, Size: 1_877_652}
		}
		return tx.UpdateJob(t.Context(), j)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The SDK knows each error by its type, and reports it at once.
func TestGoSDKErrors(t *testing.T) {
	s := newServer(t)
	retries := 0
	c, ctx := s.sdk(&retries), t.Context()
	p := s.pipeline(t, "music")

	_, err := c.ReadJob(ctx, &elastictranscoder.ReadJobInput{Id: aws.String("3333333333333-abcde3")})
	var notFound *types.ResourceNotFoundException
	if !errors.As(err, &notFound) || !strings.Contains(notFound.ErrorMessage(), "jobId=3333333333333-abcde3") {
		t.Errorf("ReadJob of none: got %v", err)
	}
	_, err = c.CreateJob(ctx, &elastictranscoder.CreateJobInput{
		PipelineId: aws.String(string(p.ID)),
		Input:      &types.JobInput{Key: aws.String("a.wav")},
		Output:     &types.CreateJobOutput{Key: aws.String("a.ts"), PresetId: aws.String("1351620000001-300040"), SegmentDuration: aws.String("10")},
	})
	var invalid *types.ValidationException
	if !errors.As(err, &invalid) || !strings.HasPrefix(invalid.ErrorMessage(), "Output 1 has a SegmentDuration, which is only for presets with the container ts or fmp4") {
		t.Errorf("CreateJob with segments: got %v", err)
	}
	_, err = c.CreateJob(ctx, &elastictranscoder.CreateJobInput{
		PipelineId: aws.String(string(p.ID)),
		Input:      &types.JobInput{Key: aws.String("a.mp4")},
		Output:     &types.CreateJobOutput{Key: aws.String("b.mp4"), PresetId: aws.String("1351620000001-000010")},
	})
	if !errors.As(err, &invalid) || !strings.Contains(invalid.ErrorMessage(), "video") {
		t.Errorf("CreateJob of a video: got %v", err)
	}
	_, err = c.DeletePreset(ctx, &elastictranscoder.DeletePresetInput{Id: aws.String("1351620000001-300040")})
	var denied *types.AccessDeniedException
	if !errors.As(err, &denied) {
		t.Errorf("DeletePreset of a system preset: got %v", err)
	}
	if retries != 0 {
		t.Errorf("the SDK tried %d times more than it should have", retries)
	}
}

// TestBoto3 runs testdata/client.py, which is what a Python application does,
// with the boto3 of Debian.
func TestBoto3(t *testing.T) {
	const python = "/usr/bin/python3"
	check := exec.CommandContext(t.Context(), python, "-c", `import boto3; boto3.client("elastictranscoder", region_name="eu-west-1")`)
	if out, err := check.CombinedOutput(); err != nil {
		missing := t.Skipf
		if os.Getenv("CI") == "true" {
			missing = t.Fatalf
		}
		missing("there is no boto3 with Elastic Transcoder for %s: %v\n%s", python, err, out)
	}
	s := newServer(t)
	for _, name := range []string{"speech", "music", "video"} {
		s.pipeline(t, name)
	}
	cmd := exec.CommandContext(t.Context(), python, "testdata/client.py", s.URL)
	cmd.Env = []string{
		"HOME=" + t.TempDir(), "AWS_ACCESS_KEY_ID=" + keyID, "AWS_SECRET_ACCESS_KEY=" + secret,
		"AWS_EC2_METADATA_DISABLED=true", "NO_PROXY=*",
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("client.py: %v\n%s", err, out.String())
	}
	if n := len(s.tasks.All()); n != 1 {
		t.Errorf("%d tasks were queued, want 1", n)
	}
}
