package e2e_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder/types"
	"github.com/google/go-cmp/cmp"

	"etude/internal/ffmpeg/ffmpegtest"
)

// TestCompatibilityPage holds docs/compatibility.md to what the server does: the
// system presets that it lists are those that CreateJob takes, and no operation
// is missing.
func TestCompatibilityPage(t *testing.T) {
	ffmpegtest.Need(t)
	text, err := os.ReadFile("../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, operation := range operations {
		if !strings.Contains(page, operation) {
			t.Errorf("the page does not have %s", operation)
		}
	}

	s := shared(t)
	c, ctx := s.et(), testContext(t)
	pipeline, err := c.CreatePipeline(ctx, &elastictranscoder.CreatePipelineInput{
		Name: aws.String("presets"), InputBucket: aws.String("media"), OutputBucket: aws.String("media"), Role: aws.String(clientRole),
	})
	if err != nil {
		t.Fatal(err)
	}
	id := pipeline.Pipeline.Id
	if _, err := c.UpdatePipelineStatus(ctx, &elastictranscoder.UpdatePipelineStatusInput{Id: id, Status: aws.String("Paused")}); err != nil {
		t.Fatal(err)
	}
	presets, err := c.ListPresets(ctx, &elastictranscoder.ListPresetsInput{})
	if err != nil {
		t.Fatal(err)
	}
	var taken, listed []string
	for _, p := range presets.Presets {
		if *p.Type != "System" {
			continue
		}
		if strings.Contains(page, "| "+*p.Id+" | "+strings.TrimPrefix(*p.Name, "System preset: ")+" |") {
			listed = append(listed, *p.Id)
		}
		made, err := c.CreateJob(ctx, &elastictranscoder.CreateJobInput{
			PipelineId: id, Input: &types.JobInput{Key: aws.String("media/a.wav")},
			Output: &types.CreateJobOutput{Key: aws.String("a"), PresetId: p.Id},
		})
		var refused *types.ValidationException
		switch {
		case errors.As(err, &refused):
			continue
		case err != nil:
			t.Fatal(err)
		}
		taken = append(taken, *p.Id)
		if _, err := c.CancelJob(ctx, &elastictranscoder.CancelJobInput{Id: made.Job.Id}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.DeletePipeline(ctx, &elastictranscoder.DeletePipelineInput{Id: id}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(taken)
	if diff := cmp.Diff(taken, listed); diff != "" {
		t.Errorf("system presets (-taken +listed):\n%s", diff)
	}
}
