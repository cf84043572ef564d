package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/tune"
)

// song writes the demo's piece of music, cut off after some seconds.
func song(t *testing.T, seconds int) string {
	t.Helper()
	var b bytes.Buffer
	if err := tune.Write(&b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "song.wav")
	size := min(b.Len(), 44+seconds*tune.SampleRate*tune.Channels*tune.BitDepth/8)
	wav := b.Bytes()[:size]
	data := uint32(size - 44)
	copy(wav[40:], []byte{byte(data), byte(data >> 8), byte(data >> 16), byte(data >> 24)})
	if err := os.WriteFile(path, wav, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s *server) put(t *testing.T, key, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = s.s3().PutObject(testContext(t), &s3.PutObjectInput{Bucket: aws.String("media"), Key: &key, Body: f})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *server) pipeline(t *testing.T) string {
	t.Helper()
	for pages := elastictranscoder.NewListPipelinesPaginator(s.et(), nil); pages.HasMorePages(); {
		page, err := pages.NextPage(testContext(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Pipelines {
			if *p.Name == "Audio Files" {
				return *p.Id
			}
		}
	}
	t.Fatal("there is no pipeline \"Audio Files\"")
	return ""
}

// createJob asks for WAV, FLAC and AAC of an input.
func (s *server) createJob(t *testing.T, key, prefix string) *types.Job {
	t.Helper()
	auto := aws.String("auto")
	out, err := s.et().CreateJob(testContext(t), &elastictranscoder.CreateJobInput{
		PipelineId:      aws.String(s.pipeline(t)),
		Input:           &types.JobInput{Key: &key, FrameRate: auto, Resolution: auto, AspectRatio: auto, Interlaced: auto, Container: auto},
		OutputKeyPrefix: &prefix,
		Outputs: []types.CreateJobOutput{
			{Key: aws.String("song.wav"), PresetId: aws.String("1351620000001-300300")},
			{Key: aws.String("song.flac"), PresetId: aws.String("1351620000001-300110")},
			{Key: aws.String("song.m4a"), PresetId: aws.String("1351620000001-100110")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Job
}

// await returns the job when it has ended, which the site's stream of events
// tells.
func (s *server) await(t *testing.T, id string) *types.Job {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b := s.signIn(t)
	events := b.events(t, ctx)
	for {
		out, err := s.et().ReadJob(ctx, &elastictranscoder.ReadJobInput{Id: &id})
		if err != nil {
			t.Fatal(err)
		}
		switch *out.Job.Status {
		case "Complete", "Error", "Canceled":
			return out.Job
		}
		if err := events.next(); err != nil {
			t.Fatalf("wait for job %s: %v\n%s", id, err, s.log)
		}
	}
}

func (s *server) get(t *testing.T, key, path string) {
	t.Helper()
	out, err := s.s3().GetObject(testContext(t), &s3.GetObjectInput{Bucket: aws.String("media"), Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(f, out.Body); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// keys lists what is in the bucket below a prefix.
func (s *server) keys(t *testing.T, prefix string) (keys []string) {
	t.Helper()
	out, err := s.s3().ListObjectsV2(testContext(t), &s3.ListObjectsV2Input{Bucket: aws.String("media"), Prefix: &prefix})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out.Contents {
		keys = append(keys, *o.Key)
	}
	return keys
}

// statuses is a job in one line, for comparison.
func statuses(job *types.Job) string {
	var b strings.Builder
	fmt.Fprint(&b, *job.Status, ":")
	for _, o := range job.Outputs {
		fmt.Fprint(&b, " ", *o.Status)
		if code, _, ok := strings.Cut(aws.ToString(o.StatusDetail), " "); ok && *o.Status == "Error" {
			fmt.Fprint(&b, "/", code)
		}
	}
	return b.String()
}

func TestSongBecomesThreeFiles(t *testing.T) {
	ffmpegtest.Need(t)
	s := shared(t)
	s.put(t, "media/three/song.wav", song(t, 5))
	job := s.await(t, *s.createJob(t, "media/three/song.wav", "transcoded/three/").Id)
	if got, want := statuses(job), "Complete: Complete Complete Complete"; got != want {
		t.Fatalf("job = %s, want %s", got, want)
	}
	for _, o := range job.Outputs {
		if got, want := aws.ToInt64(o.DurationMillis), int64(5000); got < want || got > want+50 {
			t.Errorf("%s: DurationMillis = %d, want about %d", *o.Key, got, want)
		}
	}
	type facts struct {
		Codec          string
		Rate, Channels int
	}
	for file, want := range map[string]facts{
		"song.wav":  {"pcm_s16le", 44100, 2},
		"song.flac": {"flac", 44100, 2},
		"song.m4a":  {"aac", 44100, 2},
	} {
		path := filepath.Join(t.TempDir(), file)
		s.get(t, "transcoded/three/"+file, path)
		f := ffmpegtest.Probe(t, path)
		if diff := cmp.Diff(want, facts{f.Codec, f.Rate, f.Channels}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
	if m := s.signIn(t).page(t, "/messages"); !strings.Contains(m, "Your file song.wav has been processed.") {
		t.Error("the owner is not told that the file has been processed")
	}
}

func TestSecondJobDoesNotOverwrite(t *testing.T) {
	ffmpegtest.Need(t)
	s := shared(t)
	s.put(t, "media/over/song.wav", song(t, 1))
	s.await(t, *s.createJob(t, "media/over/song.wav", "transcoded/over/").Id)
	job := s.await(t, *s.createJob(t, "media/over/song.wav", "transcoded/over/").Id)
	if got, want := statuses(job), "Error: Error/3002 Error/3002 Error/3002"; got != want {
		t.Errorf("second job = %s, want %s", got, want)
	}
}

func TestOnlyStaticIsPublic(t *testing.T) {
	s := shared(t)
	path := song(t, 1)
	s.put(t, "static/css/site.css", path)
	s.put(t, "media/private.wav", path)
	for key, want := range map[string]int{"static/css/site.css": 200, "media/private.wav": 403, "static": 403} {
		if got := s.anonymous(t, s.edge+"/media/"+key); got != want {
			t.Errorf("anonymous GET of %s = %d, want %d", key, got, want)
		}
	}
	var denied *s3types.NotFound
	_, err := s.s3().HeadObject(testContext(t), &s3.HeadObjectInput{Bucket: aws.String("media"), Key: aws.String("none")})
	if !errors.As(err, &denied) {
		t.Errorf("signed HEAD of nothing = %v, want NotFound", err)
	}
}
