package transcode_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/transcode"
)

func TestPausedPipelineTakesJobsAndStartsNone(t *testing.T) {
	w := open(t)
	w.put(t, "in.mp3", "music")
	if _, err := w.UpdatePipelineStatus(t.Context(), w.pipeline, transcode.PipelinePaused); err != nil {
		t.Fatal(err)
	}
	var ids []transcode.JobID
	for _, prefix := range []string{"a/", "b/", "c/"} {
		spec := w.spec(wav)
		spec.OutputKeyPrefix = prefix
		ids = append(ids, w.create(t, spec))
	}
	w.run(t, 1)
	for _, id := range ids {
		w.wantLine(t, id, "Submitted: Submitted")
	}
	if _, err := w.UpdatePipelineStatus(t.Context(), w.pipeline, transcode.PipelineActive); err != nil {
		t.Fatal(err)
	}
	w.run(t, 1)
	for _, id := range ids {
		w.wantLine(t, id, "Complete: Complete")
	}
}

func TestOnePipelinesJobsDoNotStarveAnothers(t *testing.T) {
	w := open(t)
	w.put(t, "in.mp3", "music")
	started, hold := make(chan string, 10), make(chan struct{})
	w.encoder.Started, w.encoder.Hold = started, hold
	for range 5 {
		w.create(t, w.spec(wav))
	}
	other, _, err := w.CreatePipeline(t.Context(), transcode.PipelineSpec{
		Name: "other", InputBucket: w.bucket, OutputBucket: w.bucket, Role: "arn:aws:iam::000000000000:role/r",
	})
	if err != nil {
		t.Fatal(err)
	}
	spec := w.spec(wav)
	spec.Pipeline, spec.OutputKeyPrefix = other.ID, "other/"
	id := w.create(t, spec)
	ended := make(chan error)
	for range 2 {
		go func() { ended <- w.RunJob(t.Context(), transcode.RunJob{}) }()
		<-started
	}
	w.wantLine(t, id, "Progressing: Progressing")
	close(hold)
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestCancel(t *testing.T) {
	w := open(t)
	w.put(t, "in.mp3", "music")
	id := w.create(t, w.spec(wav, flac))
	if err := w.CancelJob(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	w.wantLine(t, id, "Canceled: Canceled Canceled")
	j := w.job(t, id)
	if !j.StartTime.IsZero() || j.FinishTime.IsZero() {
		t.Errorf("times = %v %v, want a finish and no start", j.StartTime, j.FinishTime)
	}
	w.run(t, 1)
	w.wantLine(t, id, "Canceled: Canceled Canceled")
	if err := w.CancelJob(t.Context(), id); !transcode.IsKind(err, transcode.InUse) {
		t.Errorf("cancel again: %v, want InUse", err)
	}
	if err := w.CancelJob(t.Context(), "1351620000001-000000"); !transcode.IsKind(err, transcode.NotFound) {
		t.Errorf("cancel no job: %v, want NotFound", err)
	}
}

func TestDeletePipeline(t *testing.T) {
	w := open(t)
	w.put(t, "in.mp3", "music")
	id := w.create(t, w.spec(wav))
	if err := w.DeletePipeline(t.Context(), w.pipeline); !transcode.IsKind(err, transcode.InUse) {
		t.Errorf("delete with a job that waits: %v, want InUse", err)
	}
	w.run(t, 1)
	if err := w.DeletePipeline(t.Context(), w.pipeline); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ReadPipeline(t.Context(), w.pipeline); !transcode.IsKind(err, transcode.NotFound) {
		t.Errorf("read the deleted: %v, want NotFound", err)
	}
	w.wantLine(t, id, "Complete: Complete")
	if _, err := w.CreateJob(t.Context(), w.spec(wav)); !transcode.IsKind(err, transcode.NotFound) {
		t.Errorf("create a job on the deleted: %v, want NotFound", err)
	}
}

func TestUpdatePipelineChangesWhatIsGiven(t *testing.T) {
	w := open(t)
	name, none := "Renamed", []transcode.Permission{}
	p, warnings, err := w.UpdatePipeline(t.Context(), w.pipeline, transcode.PipelineChange{
		Name: &name, Content: &transcode.OutputConfig{Bucket: "nowhere-at-all", Permissions: none},
	})
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != name || p.InputBucket != w.bucket || p.Content.Bucket != "nowhere-at-all" || p.OutputBucket != "" {
		t.Errorf("pipeline = %+v", p)
	}
	if len(warnings) != 1 || warnings[0].Code != "6001" || !strings.Contains(warnings[0].Message, "nowhere-at-all") {
		t.Errorf("warnings = %+v, want one of the bucket that is not there", warnings)
	}
}

func TestBadPipelines(t *testing.T) {
	w := open(t)
	const role = "arn:aws:iam::000000000000:role/r"
	bucket := &transcode.OutputConfig{Bucket: "b"}
	for want, spec := range map[string]transcode.PipelineSpec{
		"Role cannot be blank":          {OutputBucket: "b"},
		"Role ARN is invalid: nonsense": {OutputBucket: "b", Role: "nonsense"},
		"[OutputBucket and ContentConfig:Bucket are not allowed to both be null.]":          {Role: role},
		"[OutputBucket and ContentConfig are mutually exclusive.]":                          {Role: role, OutputBucket: "b", Content: bucket, Thumbnails: bucket},
		"[ThumbnailConfig:Bucket is not allowed to be null if ContentConfig is specified.]": {Role: role, Content: bucket},
	} {
		_, _, err := w.CreatePipeline(t.Context(), spec)
		if !transcode.IsKind(err, transcode.Invalid) || err.Error() != want {
			t.Errorf("create %+v: %v, want %q", spec, err, want)
		}
	}
}

func TestLimits(t *testing.T) {
	w := open(t)
	w.MaxPipelines, w.MaxPresets = 1, 1
	_, _, err := w.CreatePipeline(t.Context(), transcode.PipelineSpec{Name: "x", OutputBucket: "b", Role: "arn:aws:iam::000000000000:role/r"})
	if !transcode.IsKind(err, transcode.LimitExceeded) {
		t.Errorf("one pipeline too many: %v, want LimitExceeded", err)
	}
	p := transcode.Preset{Name: "x", Container: "wav", Audio: &transcode.Audio{Codec: "pcm"}}
	if _, err := w.CreatePreset(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if _, err := w.CreatePreset(t.Context(), p); !transcode.IsKind(err, transcode.LimitExceeded) {
		t.Errorf("one preset too many: %v, want LimitExceeded", err)
	}
}

func TestTestRole(t *testing.T) {
	w := open(t)
	got, err := w.TestRole(t.Context(), "arn:aws:iam::000000000000:role/r", w.bucket, "nowhere-at-all", []string{topic, topic + "2"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"The role arn:aws:iam::000000000000:role/r does not have access to the bucket: nowhere-at-all",
		"The role arn:aws:iam::000000000000:role/r does not have access to the topic: " + topic + "2",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}
