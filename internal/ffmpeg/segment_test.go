package ffmpeg_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"etude/internal/ffmpeg"
	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/manifest"
	"etude/internal/transcode"
)

// TestEncodeSegments makes every layout at once, writes manifests over them, and
// has ffmpeg play those from a server.
func TestEncodeSegments(t *testing.T) {
	t.Parallel()
	e := newEncoder(t, ffmpeg.Config{})
	input := ffmpegtest.Clip(t, ffmpegtest.Spec{Samples: 7*44100 + 1234})
	const seconds = 7 + 1234.0/44100
	mp3 := custom("ts", transcode.Audio{Codec: "mp3", SampleRate: "22050", BitRate: "64", Channels: "1"})
	encoded := mustEncodeAll(t, e, []transcode.Source{{Path: input}},
		transcode.Rendition{Preset: system(t, "200060"), Layout: transcode.SegmentFiles, SegmentLength: 2 * time.Second, Name: "%03d é"},
		transcode.Rendition{Preset: system(t, "200071"), Layout: transcode.ByteRanges, SegmentLength: 2500 * time.Millisecond},
		transcode.Rendition{Preset: system(t, "500060"), Layout: transcode.Fragmented, SegmentLength: 2 * time.Second},
		transcode.Rendition{Preset: mp3, Layout: transcode.ByteRanges, SegmentLength: 3 * time.Second},
		transcode.Rendition{Preset: system(t, "200060")},
		transcode.Rendition{Preset: system(t, "500060"), Layout: transcode.Fragmented},
		transcode.Rendition{Preset: mp3, Layout: transcode.SegmentFiles, SegmentLength: time.Minute},
	)
	for i, want := range []struct {
		files, segments, rate int
		contentType, codec    string
	}{
		{4, 4, 44100, "video/MP2T", "aac"}, {1, 3, 44100, "video/MP2T", "aac"}, {1, 4, 48000, "audio/mp4", "aac"}, {1, 3, 22050, "video/MP2T", "mp3"},
		{1, 0, 44100, "video/MP2T", "aac"}, {1, 2, 48000, "audio/mp4", "aac"}, {1, 1, 22050, "video/MP2T", "mp3"},
	} {
		out := encoded.Outputs[i]
		m := out.Made
		if len(out.Files) != want.files || out.Files[0].ContentType != want.contentType || m.Codec != want.codec || m.SampleRate != want.rate {
			t.Errorf("output %d is %+v, %+v; want %+v", i+1, out.Files, m, want)
		}
		if profile := map[string]string{"aac": "LC"}[m.Codec]; m.Profile != profile {
			t.Errorf("output %d has the profile %q, want %q", i+1, m.Profile, profile)
		}
		if (m.SHA256 == "") != (i == 0 || i == 6) {
			t.Errorf("output %d: SHA-256 is %q", i+1, m.SHA256)
		}
		if want.segments == 0 {
			if m.Media != nil {
				t.Errorf("output %d has %+v", i+1, m.Media)
			}
			continue
		}
		if len(m.Media.Segments) != want.segments {
			t.Fatalf("output %d has %d segments, want %d", i+1, len(m.Media.Segments), want.segments)
		}
		checkSegments(t, &out)
	}
	for i, s := range encoded.Outputs[0].Made.Media.Segments {
		if got := float64(ffmpegtest.Probe(t, encoded.Outputs[0].Files[i].Path).Samples) / 44100; math.Abs(got-s.Duration) > 1e-9 {
			t.Errorf("segment %d decodes to %v s, and is said to last %v s", i, got, s.Duration)
		}
	}
	p := serve(t, encoded)
	p.publish("a/1", 0, transcode.SegmentFiles)
	p.publish("a/2", 1, transcode.ByteRanges)
	p.publish("a/3", 2, transcode.Fragmented)
	p.publish("a/4", 3, transcode.ByteRanges)
	for name, n := range map[string]int{"a/1.m3u8": 0, "a/2.m3u8": 1, "a/3.mpd": 2, "a/4.m3u8": 3} {
		p.plays(name, encoded.Outputs[n].Made, seconds)
	}
}

// checkSegments wants segments to be of whole packets, to add up to all and to
// be those of the files. One of MPEG-TS begins with its tables and goes on with
// the counters of the one before.
func checkSegments(t *testing.T, out *transcode.EncodedOutput) {
	t.Helper()
	frame := map[string]float64{"aac": 1024, "mp3": 576}[out.Made.Codec]
	rate := float64(out.Made.SampleRate)
	sum, size := 0.0, int64(0)
	counters := map[int]byte{}
	fragmented := strings.HasSuffix(out.Files[0].Path, ".fmp4")
	for i, s := range out.Made.Media.Segments {
		frames := s.Duration * rate / frame
		// The edit list takes off some of the first, and there may be less in the last.
		parted := fragmented && (i == 0 || i == len(out.Made.Media.Segments)-1)
		if !parted && math.Abs(frames-math.Round(frames)) > 1e-6 {
			t.Errorf("segment %d has %v frames", i, frames)
		}
		sum += s.Duration
		file := out.Files[min(i, len(out.Files)-1)]
		content := readFile(t, file.Path)
		if file.Suffix != s.Name {
			t.Errorf("segment %d is in %q, want %q", i, s.Name, file.Suffix)
		}
		if len(out.Files) > 1 {
			if s.Name != fmt.Sprintf("%05d.ts", i) || s.Offset != 0 || s.Size != int64(len(content)) {
				t.Errorf("segment %d is %+v", i, s)
			}
		} else if i == len(out.Made.Media.Segments)-1 && s.Offset+s.Size != int64(len(content)) {
			t.Errorf("the segments end at %d of %d", s.Offset+s.Size, len(content))
		}
		size += s.Size
		if !fragmented {
			checkPackets(t, content[s.Offset:s.Offset+s.Size], counters)
		}
	}
	whole := out.Made.Duration.Seconds()
	if fragmented {
		// ffmpeg hears the encoder's delay, which the index leaves out.
		if delay := float64(out.Made.Samples) - sum*rate; delay < 1023 || delay > 2048 || math.Abs(sum-whole) > 1e-6 {
			t.Errorf("the segments last %v s, what is decoded %d samples", sum, out.Made.Samples)
		}
	} else if math.Abs(sum-whole) > 1e-6 || size != out.Made.Size {
		t.Errorf("the segments last %v s and have %d bytes, want %v and %d", sum, size, whole, out.Made.Size)
	}
}

// checkPackets looks at the packets of MPEG-TS: ISO/IEC 13818-1, 2.4.3.2.
func checkPackets(t *testing.T, b []byte, counters map[int]byte) {
	t.Helper()
	var ids []int
	for ; len(b) >= 188; b = b[188:] {
		id := int(binary.BigEndian.Uint16(b[1:])) & 0x1fff
		ids = append(ids, id)
		if b[0] != 0x47 {
			t.Fatal("a packet does not begin with 0x47")
		}
		if b[3]&0x10 == 0 {
			continue
		}
		count := b[3] & 15
		if last, seen := counters[id]; seen && (last+1)&15 != count {
			t.Errorf("packet %d of %d has the counter %d after %d", len(ids), id, count, last)
		}
		counters[id] = count
	}
	if len(b) > 0 || len(ids) < 4 || ids[0] != 17 && ids[0] != 0 || ids[1] != 0 && ids[1] != 4096 {
		t.Errorf("a segment begins with packets of %v and ends with %d bytes", ids[:min(len(ids), 4)], len(b))
	}
}

// published is a server of what was encoded.
type published struct {
	*testing.T
	encoded  *transcode.Encoded
	dir, url string
}

func serve(t *testing.T, encoded *transcode.Encoded) *published {
	dir := t.TempDir()
	h := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(func() {
		h.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return &published{t, encoded, dir, h.URL}
}

// publish puts an output's files under a key, and writes its manifest.
func (p *published) publish(key string, n int, layout transcode.Layout) {
	p.Helper()
	out := p.encoded.Outputs[n]
	if err := os.MkdirAll(filepath.Join(p.dir, filepath.Dir(key)), 0o700); err != nil {
		p.Fatal(err)
	}
	for _, f := range out.Files {
		if err := os.WriteFile(filepath.Join(p.dir, key+f.Suffix), readFile(p, f.Path), 0o600); err != nil {
			p.Fatal(err)
		}
	}
	var segments []manifest.Segment
	for _, s := range out.Made.Media.Segments {
		s.Name = key + s.Name
		segments = append(segments, s)
	}
	name := key + ".m3u8"
	if layout == transcode.Fragmented {
		name = key + ".mpd"
	}
	f, err := os.Create(filepath.Join(p.dir, name))
	if err != nil {
		p.Fatal(err)
	}
	switch layout {
	case transcode.Fragmented:
		err = manifest.WriteDASH(f, manifest.DASH{Name: name, Renditions: []manifest.Rendition{{
			Name: key, Codecs: []string{manifest.AACLC}, SampleRate: out.Made.SampleRate, Channels: out.Made.Channels,
			Segments: out.Made.Media.Segments, Init: out.Made.Media.Init, Index: out.Made.Media.Index,
		}}})
	case transcode.ByteRanges:
		err = manifest.WriteHLSMedia(f, manifest.HLSMedia{Name: name, Version: manifest.HLSv4, Segments: segments})
	default:
		err = manifest.WriteHLSMedia(f, manifest.HLSMedia{Name: name, Version: manifest.HLSv3, Segments: segments})
	}
	if err := errors.Join(err, f.Close()); err != nil {
		p.Fatal(err)
	}
}

// plays wants a manifest to have the right length and to decode to its end
// without a word.
func (p *published) plays(name string, made transcode.Made, seconds float64) {
	p.Helper()
	var probed struct{ Format struct{ Duration string } }
	if err := json.Unmarshal(p.run("ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "json", p.url+"/"+name), &probed); err != nil {
		p.Fatal(err)
	}
	got, err := strconv.ParseFloat(probed.Format.Duration, 64)
	want := seconds
	if strings.HasSuffix(name, ".mpd") {
		want = math.Floor(seconds) // ffmpeg leaves off the fraction
	}
	// An encoder's delay and what fills its last frame.
	slack := 4000 / float64(made.SampleRate)
	if err != nil || math.Abs(got-want) > slack {
		p.Errorf("%s lasts %v s, want %v: %v", name, got, want, err)
	}
	pcm := p.run("ffmpeg", "-v", "warning", "-i", p.url+"/"+name, "-map", "0:a:0", "-ac", "1", "-f", "s16le", "-")
	if got := float64(len(pcm)) / 2 / float64(made.SampleRate); math.Abs(got-seconds) > slack {
		p.Errorf("%s decodes to %v s, want %v", name, got, seconds)
	}
}

func (p *published) run(program string, args ...string) []byte {
	p.Helper()
	cmd := exec.CommandContext(p.Context(), program, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		p.Fatalf("%s %q: %v\n%s", program, args, err, &stderr)
	}
	return out
}

// TestEncodeSegmentsShort has less than a segment, at every rate.
func TestEncodeSegmentsShort(t *testing.T) {
	t.Parallel()
	e := newEncoder(t, ffmpeg.Config{})
	for _, samples := range []int64{2, 700, 1024, 3000} {
		input := ffmpegtest.Clip(t, ffmpegtest.Spec{Samples: samples})
		var outputs []transcode.Rendition
		for _, rate := range []string{"22050", "44100"} {
			for _, codec := range []string{"AAC", "mp3"} {
				p := custom("ts", transcode.Audio{Codec: codec, SampleRate: rate, BitRate: "64", Channels: "2"})
				outputs = append(outputs, transcode.Rendition{Preset: p, Layout: transcode.SegmentFiles, SegmentLength: time.Second}, transcode.Rendition{Preset: p})
			}
			outputs = append(outputs, transcode.Rendition{
				Preset: custom("fmp4", transcode.Audio{Codec: "AAC", SampleRate: rate, BitRate: "64", Channels: "1"}), Layout: transcode.Fragmented,
			})
		}
		encoded, err := encodeAll(t, e, []transcode.Source{{Path: input}}, outputs...)
		if err != nil {
			t.Fatalf("%d samples: %v", samples, err)
		}
		for i, out := range encoded.Outputs {
			if out.Failure == nil && outputs[i].Layout != transcode.Whole {
				checkSegments(t, &out)
			} else if out.Failure != nil && samples > 2 {
				t.Errorf("%d samples: output %d failed: %v", samples, i+1, out.Failure.Reason)
			}
		}
	}
}

// TestEncodeSegmentsOf refuses what has none.
func TestEncodeSegmentsOf(t *testing.T) {
	t.Parallel()
	e := newEncoder(t, ffmpeg.Config{})
	encoded, err := encodeAll(t, e, []transcode.Source{{Path: ffmpegtest.Clip(t, ffmpegtest.Spec{})}},
		transcode.Rendition{Preset: same(), Layout: transcode.SegmentFiles, SegmentLength: time.Second},
		transcode.Rendition{Preset: system(t, "200060"), Layout: transcode.Fragmented},
		transcode.Rendition{Preset: system(t, "200060"), Layout: transcode.ByteRanges},
	)
	if err != nil {
		t.Fatal(err)
	}
	for i, out := range encoded.Outputs {
		if out.Failure == nil || out.Failure.Code != 1000 {
			t.Errorf("output %d: %+v", i+1, out)
		}
	}
}

// TestEncodeContainers makes what is neither in a system preset nor in another
// test.
func TestEncodeContainers(t *testing.T) {
	t.Parallel()
	e := newEncoder(t, ffmpeg.Config{})
	input := ffmpegtest.Clip(t, ffmpegtest.Spec{Samples: 30011, Tags: map[string]string{"title": "Étude"}})
	var outputs []transcode.Rendition
	for _, rate := range []string{"auto", "22050", "48000"} {
		for container, codec := range map[string]string{"mp4": "mp3", "webm": "vorbis"} {
			outputs = append(outputs, transcode.Rendition{Preset: custom(container, transcode.Audio{Codec: codec, SampleRate: rate, BitRate: "auto", Channels: "auto"})})
		}
	}
	for _, out := range mustEncodeAll(t, e, []transcode.Source{{Path: input}}, outputs...).Outputs {
		f := ffmpegtest.Probe(t, out.Files[0].Path)
		if want := time.Duration(30011) * time.Second / 44100; f.Duration < want-5*time.Millisecond || f.Duration > want+120*time.Millisecond {
			t.Errorf("%s %s: the header says %v, want %v", f.Format, f.Codec, f.Duration, want)
		}
		if f.Tags["title"] != "Étude" || f.Channels != 2 {
			t.Errorf("%s: %+v", out.Files[0].Path, f)
		}
	}
}
