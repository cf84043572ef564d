package e2e_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder/types"

	"etude/internal/ffmpeg/ffmpegtest"
)

// make asks for a job and returns it when it is Complete.
func (s *server) make(t *testing.T, in *elastictranscoder.CreateJobInput) *types.Job {
	t.Helper()
	in.PipelineId = aws.String(s.pipeline(t))
	out, err := s.et().CreateJob(testContext(t), in)
	if err != nil {
		t.Fatal(err)
	}
	job := s.await(t, *out.Job.Id)
	if *job.Status != "Complete" {
		t.Fatalf("job = %s: %s", statuses(job), aws.ToString(job.Output.StatusDetail))
	}
	return job
}

// fetchAll brings everything below a prefix into a directory, as a web server
// would have it.
func (s *server) fetchAll(t *testing.T, prefix string) string {
	t.Helper()
	dir := t.TempDir()
	for _, key := range s.keys(t, prefix) {
		path := filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(key, prefix)))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		s.get(t, key, path)
	}
	return dir
}

// played returns how many seconds of sound a player gets out of a playlist.
func played(t *testing.T, path string) float64 {
	t.Helper()
	cmd := exec.CommandContext(testContext(t), "ffmpeg", "-v", "error", "-allowed_extensions", "ALL", "-i", path, "-map", "0:a:0", "-f", "s16le", "-ac", "1", "-ar", "8000", "-")
	if strings.HasSuffix(path, ".mpd") {
		cmd.Args = append(cmd.Args[:3], cmd.Args[5:]...)
	}
	pcm, err := cmd.Output()
	if err != nil {
		t.Fatalf("play %s: %v\n%s", path, err, errorText(err))
	}
	return float64(len(pcm)) / 2 / 8000
}

func TestPlaylistsPlay(t *testing.T) {
	ffmpegtest.Need(t)
	s := shared(t)
	s.put(t, "media/hls/song.wav", song(t, 8))
	for _, c := range []struct{ format, preset, key, master string }{
		{"HLSv3", "1351620000001-200060", "audio", "main.m3u8"},
		{"HLSv4", "1351620000001-200071", "audio", "main.m3u8"},
		{"MPEG-DASH", "1351620000001-500060", "audio.mp4", "main.mpd"},
	} {
		t.Run(c.format, func(t *testing.T) {
			prefix := "transcoded/" + c.format + "/"
			job := s.make(t, &elastictranscoder.CreateJobInput{
				Input:           &types.JobInput{Key: aws.String("media/hls/song.wav")},
				OutputKeyPrefix: &prefix,
				Outputs:         []types.CreateJobOutput{{Key: &c.key, PresetId: &c.preset, SegmentDuration: aws.String("3")}},
				Playlists:       []types.CreateJobPlaylist{{Name: aws.String("main"), Format: &c.format, OutputKeys: []string{c.key}}},
			})
			if got := aws.ToString(job.Playlists[0].Status); got != "Complete" {
				t.Errorf("playlist = %s, want Complete", got)
			}
			if got := played(t, filepath.Join(s.fetchAll(t, prefix), c.master)); got < 7.9 || got > 8.1 {
				t.Errorf("the playlist plays for %.3f s, want 8", got)
			}
		})
	}
}

func TestInputsAreClippedAndJoined(t *testing.T) {
	ffmpegtest.Need(t)
	s := shared(t)
	s.put(t, "media/join/a.wav", song(t, 4))
	s.put(t, "media/join/b.mp3", ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "b.mp3", Rate: 44100, Samples: 3 * 44100}))
	s.make(t, &elastictranscoder.CreateJobInput{
		Inputs: []types.JobInput{
			{Key: aws.String("media/join/a.wav"), TimeSpan: &types.TimeSpan{StartTime: aws.String("00:00:01.500"), Duration: aws.String("2")}},
			{Key: aws.String("media/join/b.mp3")},
		},
		OutputKeyPrefix: aws.String("transcoded/join/"),
		Outputs:         []types.CreateJobOutput{{Key: aws.String("both.flac"), PresetId: aws.String("1351620000001-300110")}},
	})
	path := filepath.Join(t.TempDir(), "both.flac")
	s.get(t, "transcoded/join/both.flac", path)
	if got, want := ffmpegtest.Probe(t, path).Samples, int64(5*44100); got != want {
		t.Errorf("samples = %d, want %d", got, want)
	}
}

func TestArtworkIsInTheFile(t *testing.T) {
	ffmpegtest.Need(t)
	s := shared(t)
	picture := filepath.Join(t.TempDir(), "cover.png")
	ffmpegtest.Run(t, "-f", "lavfi", "-i", "color=blue:s=640x480", "-frames:v", "1", "file:"+picture)
	s.put(t, "media/art/cover.png", picture)
	s.put(t, "media/art/song.wav", song(t, 1))
	s.make(t, &elastictranscoder.CreateJobInput{
		Input:           &types.JobInput{Key: aws.String("media/art/song.wav")},
		OutputKeyPrefix: aws.String("transcoded/art/"),
		Outputs: []types.CreateJobOutput{{
			Key: aws.String("song.mp3"), PresetId: aws.String("1351620000001-300020"),
			AlbumArt: &types.JobAlbumArt{MergePolicy: aws.String("Replace"), Artwork: []types.Artwork{{
				InputKey: aws.String("media/art/cover.png"), MaxWidth: aws.String("300"), MaxHeight: aws.String("300"),
				SizingPolicy: aws.String("Fit"), PaddingPolicy: aws.String("Pad"), AlbumArtFormat: aws.String("jpg"),
			}}},
		}},
	})
	path := filepath.Join(t.TempDir(), "song.mp3")
	s.get(t, "transcoded/art/song.mp3", path)
	out, err := exec.CommandContext(testContext(t), "ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.TrimSpace(string(out)), "mjpeg,300,300"; got != want {
		t.Errorf("picture = %s, want %s", got, want)
	}
}

func errorText(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(exit.Stderr)
	}
	return ""
}

// TestPausedPipeline: jobs wait, one is canceled, and the others run when the
// pipeline is resumed.
func TestPausedPipeline(t *testing.T) {
	ffmpegtest.Need(t)
	s := shared(t)
	s.put(t, "media/pause/song.wav", song(t, 1))
	ctx, et := testContext(t), s.et()
	made, err := et.CreatePipeline(ctx, &elastictranscoder.CreatePipelineInput{
		Name: aws.String("paused"), InputBucket: aws.String("media"), OutputBucket: aws.String("media"),
		Role: aws.String("arn:aws:iam::000000000000:role/any"),
	})
	if err != nil {
		t.Fatal(err)
	}
	id := made.Pipeline.Id
	status := func(status string) {
		t.Helper()
		if _, err := et.UpdatePipelineStatus(ctx, &elastictranscoder.UpdatePipelineStatusInput{Id: id, Status: &status}); err != nil {
			t.Fatal(err)
		}
	}
	status("Paused")
	var jobs []string
	for i := range 3 {
		out, err := et.CreateJob(ctx, &elastictranscoder.CreateJobInput{
			PipelineId: id, Input: &types.JobInput{Key: aws.String("media/pause/song.wav")},
			Output: &types.CreateJobOutput{Key: aws.String("transcoded/pause/" + strconv.Itoa(i) + ".flac"), PresetId: aws.String("1351620000001-300110")},
		})
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, *out.Job.Id)
	}
	if _, err := et.CancelJob(ctx, &elastictranscoder.CancelJobInput{Id: &jobs[1]}); err != nil {
		t.Fatal(err)
	}
	if _, err := et.DeletePipeline(ctx, &elastictranscoder.DeletePipelineInput{Id: id}); err == nil {
		t.Error("a pipeline with jobs that wait was deleted")
	}
	status("Active")
	for i, want := range []string{"Complete: Complete", "Canceled: Canceled", "Complete: Complete"} {
		if got := statuses(s.await(t, jobs[i])); got != want {
			t.Errorf("job %d = %s, want %s", i+1, got, want)
		}
	}
	if _, err := et.DeletePipeline(ctx, &elastictranscoder.DeletePipelineInput{Id: id}); err != nil {
		t.Errorf("delete the pipeline: %v", err)
	}
}
