package manifest_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"etude/internal/manifest"
)

const (
	rate    = 44100
	seconds = 12.3
	// slack in seconds: the encoder's first frame and what fills its last one.
	slack = 2 * 1024.0 / rate
)

func TestFFmpegReadsHLSv3(t *testing.T) {
	s := serve(t)
	segments := s.segment("a/song")
	s.write("a/song.m3u8", func(w io.Writer) error {
		return manifest.WriteHLSMedia(w, manifest.HLSMedia{Name: "a/song.m3u8", Version: manifest.HLSv3, Segments: segments})
	})
	s.write("a/list.m3u8", func(w io.Writer) error {
		return manifest.WriteHLSMaster(w, manifest.HLSMaster{Name: "a/list.m3u8", Version: manifest.HLSv3, Renditions: []manifest.Rendition{
			{Name: "a/song.m3u8", Codecs: []string{manifest.AACLC}, Segments: segments},
		}})
	})
	s.plays("a/song.m3u8", 1)
	s.plays("a/list.m3u8", 1)
}

// TestFFmpegReadsHLSv4 has names that need care, and two renditions.
func TestFFmpegReadsHLSv4(t *testing.T) {
	s := serve(t)
	master := manifest.HLSMaster{Name: "a b/all.m3u8", Version: manifest.HLSv4}
	for _, name := range []string{`a b/50% "größe" #1?&+`, "a b/sub/it's: 2"} {
		segments := s.join(s.segment(name), name+".ts")
		playlist := name + "_v4.m3u8"
		s.write(playlist, func(w io.Writer) error {
			return manifest.WriteHLSMedia(w, manifest.HLSMedia{Name: playlist, Version: manifest.HLSv4, Segments: segments})
		})
		s.plays(playlist, 1)
		master.Renditions = append(master.Renditions, manifest.Rendition{Name: playlist, Codecs: []string{manifest.AACLC}, Segments: segments})
	}
	s.write(master.Name, func(w io.Writer) error { return manifest.WriteHLSMaster(w, master) })
	// ffmpeg lists what is both a variant and a member of a group twice.
	s.plays(master.Name, 4)
}

func TestFFmpegReadsDASH(t *testing.T) {
	s := serve(t)
	dash := manifest.DASH{Name: "x/list.mpd"}
	for i, name := range []string{"x/plain.fmp4", `x/a&b <ü> '"%.fmp4`} {
		file := s.fragments(name)
		dash.Renditions = append(dash.Renditions, manifest.Rendition{
			Name: name, Codecs: []string{manifest.AACLC}, SampleRate: rate, Channels: 2,
			Segments: file.Segments, Init: file.Init, Index: file.Index,
		})
		s.write(dash.Name, func(w io.Writer) error { return manifest.WriteDASH(w, dash) })
		s.plays(dash.Name, i+1)
	}
}

// TestReadFragmentsOfFFmpeg reads what ffmpeg writes, with one index and with
// one for each fragment.
func TestReadFragmentsOfFFmpeg(t *testing.T) {
	s := serve(t)
	f := s.fragments("song.fmp4")
	if len(f.Segments) != 5 || math.Abs(f.Duration-seconds) > slack {
		t.Errorf("got %d segments of %v s, want 5 of %v s", len(f.Segments), f.Duration, seconds)
	}
	if f.Index.First != f.Init.Last+1 || f.Segments[0].Offset != f.Index.Last+1 {
		t.Errorf("initialization %v, index %v and segments from %d do not follow each other", f.Init, f.Index, f.Segments[0].Offset)
	}
	if _, err := s.read("parts.fmp4", "+dash"); err == nil || !strings.Contains(err.Error(), "one for the whole file") {
		t.Errorf("an index for each fragment: got error %v", err)
	}
	if _, err := s.read("whole.mp4", "+faststart"); err == nil || !strings.Contains(err.Error(), "no index") {
		t.Errorf("an MP4 without fragments: got error %v", err)
	}
}

// server serves a folder that the tests write to.
type server struct {
	*testing.T
	dir string
	url string
}

func serve(t *testing.T) *server {
	need(t, "ffmpeg", "ffprobe")
	t.Parallel() // the most of it is waiting for ffmpeg
	dir := t.TempDir()
	h := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(h.Close)
	return &server{t, dir, h.URL}
}

func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("CI must have %s: %v", program, err)
			}
			t.Skipf("there is no %s here: %v", program, err)
		}
	}
}

func (s *server) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

func (s *server) write(name string, write func(io.Writer) error) {
	s.Helper()
	if err := os.WriteFile(s.path(name), []byte(written(s.T, write)), 0o600); err != nil {
		s.Fatal(err)
	}
}

// encode makes stereo AAC and hands the rest of the arguments to ffmpeg, which
// runs in the folder.
func (s *server) encode(args ...string) {
	s.Helper()
	args = append([]string{
		"-v", "error", "-f", "lavfi", "-i", fmt.Sprintf("sine=f=440:r=%d:d=%v", rate, seconds), "-ac", "2", "-c:a", "aac", "-b:a", "128k",
	}, args...)
	s.run("ffmpeg", args...)
}

func (s *server) run(program string, args ...string) []byte {
	s.Helper()
	cmd := exec.CommandContext(s.Context(), program, args...)
	cmd.Dir = s.dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		s.Fatalf("%s %q: %v\n%s", program, args, err, &stderr)
	}
	return out
}

// segment makes MPEG-TS files of about 3 seconds whose names begin with name.
func (s *server) segment(name string) []manifest.Segment {
	s.Helper()
	if err := os.MkdirAll(path.Dir(s.path(name)), 0o700); err != nil {
		s.Fatal(err)
	}
	s.encode("-f", "segment", "-segment_time", "3", "-segment_format", "mpegts", "-segment_list", "list.csv", "part%05d.ts")
	f, err := os.Open(s.path("list.csv"))
	if err != nil {
		s.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		s.Fatal(err)
	}
	var segments []manifest.Segment
	for i, row := range rows {
		file := fmt.Sprintf("%s%05d.ts", name, i)
		if err := os.Rename(s.path(row[0]), s.path(file)); err != nil {
			s.Fatal(err)
		}
		info, err := os.Stat(s.path(file))
		if err != nil {
			s.Fatal(err)
		}
		segments = append(segments, manifest.Segment{Name: file, Duration: s.float(row[2]) - s.float(row[1]), Size: info.Size()})
	}
	return segments
}

func (s *server) float(text string) float64 {
	s.Helper()
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		s.Fatal(err)
	}
	return f
}

// join makes one file of many.
func (s *server) join(segments []manifest.Segment, name string) []manifest.Segment {
	s.Helper()
	var whole []byte
	for i := range segments {
		part, err := os.ReadFile(s.path(segments[i].Name))
		if err != nil {
			s.Fatal(err)
		}
		segments[i].Name, segments[i].Offset = name, int64(len(whole))
		whole = append(whole, part...)
	}
	if err := os.WriteFile(s.path(name), whole, 0o600); err != nil {
		s.Fatal(err)
	}
	return segments
}

// fragments makes a fragmented MP4 with an index, and reads it.
func (s *server) fragments(name string) *manifest.Fragments {
	s.Helper()
	f, err := s.read(name, "+dash+global_sidx+skip_trailer")
	if err != nil {
		s.Fatal(err)
	}
	return f
}

func (s *server) read(name, flags string) (*manifest.Fragments, error) {
	s.Helper()
	if err := os.MkdirAll(path.Dir(s.path(name)), 0o700); err != nil {
		s.Fatal(err)
	}
	args := []string{"-movflags", flags, "-f", "mp4", s.path(name)}
	if strings.Contains(flags, "dash") {
		args = append([]string{"-frag_duration", "3000000"}, args...)
	}
	s.encode(args...)
	f, err := os.Open(s.path(name))
	if err != nil {
		s.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		s.Fatal(err)
	}
	return manifest.ReadFragments(f, info.Size())
}

// plays fetches a manifest as a player does, and wants so many audio streams,
// the right duration, and each stream decoded to its end.
func (s *server) plays(name string, streams int) {
	s.Helper()
	link := s.url + (&url.URL{Path: "/" + name}).EscapedPath()
	var probed struct {
		Streams []struct {
			CodecName string `json:"codec_name"`
		}
		Format struct{ Duration string }
	}
	out := s.run("ffprobe", "-v", "error", "-show_entries", "stream=codec_name:format=duration", "-of", "json", link)
	if err := json.Unmarshal(out, &probed); err != nil {
		s.Fatal(err)
	}
	want := seconds
	if strings.HasSuffix(name, ".mpd") {
		want = math.Floor(want) // ffmpeg leaves off the fraction
	}
	if got := s.float(probed.Format.Duration); math.Abs(got-want) > slack {
		s.Errorf("%s lasts %v s, want %v", name, got, want)
	}
	if len(probed.Streams) != streams {
		s.Errorf("%s has streams %v, want %d", name, probed.Streams, streams)
	}
	for i, stream := range probed.Streams {
		if stream.CodecName != "aac" {
			s.Errorf("stream %d of %s is %q", i, name, stream.CodecName)
		}
		pcm := s.run("ffmpeg", "-v", "error", "-i", link, "-map", fmt.Sprintf("0:%d", i), "-ac", "1", "-f", "s16le", "-")
		if got := float64(len(pcm)) / 2 / rate; math.Abs(got-seconds) > slack {
			s.Errorf("stream %d of %s decodes to %v s, want %v", i, name, got, seconds)
		}
	}
}
