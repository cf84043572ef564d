package manifest_test

import (
	"bytes"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/manifest"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata/ours")

// TestSeen holds what we write against what Elastic Transcoder wrote; only the
// names of files are changed, and long lists cut.
func TestSeen(t *testing.T) {
	video := []manifest.Segment{
		{Name: "out/clip_200035.ts", Duration: 3.0000000000000004, Size: 381076},
		{Name: "out/clip_200035.ts", Duration: 2.2799999999999994, Size: 342912, Offset: 381076},
	}
	song := []manifest.Segment{
		{Name: "song.ts", Duration: 10.0078, Size: 182924},
		{Name: "song.ts", Duration: 10.100689000000001, Size: 183864, Offset: 182924},
		{Name: "song.ts", Duration: 10.054233, Size: 182548, Offset: 366788},
		{Name: "song.ts", Duration: 10.077466999999999, Size: 183112, Offset: 549336},
		{Name: "song.ts", Duration: 10.007800000000003, Size: 181608, Offset: 732448},
	}
	master := func(version manifest.HLSVersion, renditions ...manifest.Rendition) func(io.Writer) error {
		return func(w io.Writer) error {
			return manifest.WriteHLSMaster(w, manifest.HLSMaster{Name: "out/list.m3u8", Version: version, Renditions: renditions})
		}
	}
	media := func(m manifest.HLSMedia) func(io.Writer) error {
		return func(w io.Writer) error { return manifest.WriteHLSMedia(w, m) }
	}
	dash := func(d manifest.DASH) func(io.Writer) error {
		return func(w io.Writer) error { return manifest.WriteDASH(w, d) }
	}
	for file, write := range map[string]func(io.Writer) error{
		"hlsv3-master.m3u8": master(manifest.HLSv3,
			manifest.Rendition{Name: "out/clip_2M.m3u8", Codecs: []string{"avc1.4d001f", manifest.AACLC}, Bandwidth: 8674000, Width: 1024, Height: 576},
			manifest.Rendition{Name: "out/clip_600k.m3u8", Codecs: []string{"avc1.42001e", manifest.AACLC}, Bandwidth: 2624999, Width: 480, Height: 270}),
		"hlsv3.m3u8": media(manifest.HLSMedia{Name: "a/clip_600k.m3u8", Version: manifest.HLSv3, Segments: []manifest.Segment{
			{Name: "a/clip_600k00000.ts", Duration: 12.046444},
			{Name: "a/clip_600k00001.ts", Duration: 9},
			{Name: "a/clip_600k00002.ts", Duration: 10.13333333},
		}}),
		"hlsv4-video-master.m3u8": master(manifest.HLSv4,
			manifest.Rendition{Name: "out/clip_200045_v4.m3u8", Codecs: []string{"avc1.42001e"}, Bandwidth: 646000, Width: 480, Height: 270,
				IFrames: &manifest.IFrames{Name: "out/clip_200045_iframe.m3u8", Bandwidth: 8948000}},
			manifest.Rendition{Name: "out/clip_200035_v4.m3u8", Codecs: []string{"avc1.4d001e"}, Bandwidth: 1202000, Width: 640, Height: 360,
				IFrames: &manifest.IFrames{Name: "out/clip_200035_iframe.m3u8", Bandwidth: 17784000}}),
		"hlsv4-video.m3u8": media(manifest.HLSMedia{Name: "out/clip_200035_v4.m3u8", Version: manifest.HLSv4, Segments: video}),
		"hlsv4-video-iframe.m3u8": media(manifest.HLSMedia{Name: "out/clip_200035_iframe.m3u8", Version: manifest.HLSv4, IFrames: true, Segments: []manifest.Segment{
			{Name: "out/clip_200035.ts", Duration: 3.0000000000000004, Size: 77644, Offset: 564},
			{Name: "out/clip_200035.ts", Duration: 2.2799999999999994, Size: 88736, Offset: 381076},
		}}),
		"hlsv4-audio-master.m3u8": master(manifest.HLSv4,
			manifest.Rendition{Name: "out/song_v4.m3u8", Codecs: []string{manifest.AACLC}, Segments: song}),
		"hlsv4-audio.m3u8": media(manifest.HLSMedia{Name: "song_v4.m3u8", Version: manifest.HLSv4, Segments: song}),
		"dash-video.mpd": dash(manifest.DASH{Name: "out/dash.mpd", Duration: 5.2667, Renditions: []manifest.Rendition{
			{Name: "out/clip_500050.fmp4", Codecs: []string{"avc1.4d401e"}, Bandwidth: 614658, Width: 426, Height: 240, FrameRate: "30",
				Init: manifest.Range{First: 0, Last: 914}, Index: manifest.Range{First: 915, Last: 982}},
			{Name: "out/clip_500040.fmp4", Codecs: []string{"avc1.4d401e"}, Bandwidth: 1213532, Width: 640, Height: 360, FrameRate: "30",
				Init: manifest.Range{First: 0, Last: 913}, Index: manifest.Range{First: 914, Last: 981}},
		}}),
		"dash-audio.mpd": dash(manifest.DASH{Name: "dash.mpd", Duration: 24.534, Renditions: []manifest.Rendition{
			{Name: "song.fmp4", Codecs: []string{manifest.AACLC}, Bandwidth: 130322, SampleRate: 48000, Channels: 2,
				Init: manifest.Range{First: 0, Last: 891}, Index: manifest.Range{First: 892, Last: 983}},
		}}),
	} {
		t.Run(file, func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join("testdata", "seen", file))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), written(t, write)); diff != "" {
				t.Errorf("(-Elastic Transcoder +ours):\n%s", diff)
			}
		})
	}
}

// TestOurs holds what Elastic Transcoder must have written too, but nobody has
// shown.
func TestOurs(t *testing.T) {
	segments := func(sizes ...int64) []manifest.Segment {
		var list []manifest.Segment
		for _, size := range sizes {
			list = append(list, manifest.Segment{Duration: 3, Size: size})
		}
		return list
	}
	rng := func(first, last int64) manifest.Range { return manifest.Range{First: first, Last: last} }
	high := manifest.Rendition{Name: "o/a160_v4.m3u8", Codecs: []string{manifest.AACLC}, Segments: segments(60000, 66000, 61000)}
	low := manifest.Rendition{Name: "o/a64_v4.m3u8", Codecs: []string{manifest.HEAAC}, Segments: segments(24000, 25000, 24000)}
	film := manifest.Rendition{Name: "o/v1_v4.m3u8", Codecs: []string{"avc1.4d001f"}, Bandwidth: 1_000_400, Width: 640, Height: 360}
	muxed := manifest.Rendition{Name: "o/v2_v4.m3u8", Codecs: []string{"avc1.42001e", manifest.AACLC}, Bandwidth: 600_000, Width: 480, Height: 270}
	songs := []manifest.Rendition{
		{Name: "o/a&b <c>'\".fmp4", Codecs: []string{manifest.AACLC}, Segments: segments(48000, 48100), SampleRate: 44100, Channels: 2, Init: rng(0, 732), Index: rng(733, 832)},
		{Name: "o/größe 64%.fmp4", Codecs: []string{manifest.HEAACv2}, Segments: segments(24000, 24000), SampleRate: 44100, Channels: 1, Init: rng(0, 732), Index: rng(733, 832)},
	}
	dash := func(renditions ...manifest.Rendition) func(io.Writer) error {
		return func(w io.Writer) error {
			return manifest.WriteDASH(w, manifest.DASH{Name: "o/songs.mpd", Renditions: renditions})
		}
	}
	skewed := songs[1]
	skewed.Segments = []manifest.Segment{{Duration: 2, Size: 16000}, {Duration: 4, Size: 32000}}

	master := func(version manifest.HLSVersion, renditions ...manifest.Rendition) func(io.Writer) error {
		return func(w io.Writer) error {
			return manifest.WriteHLSMaster(w, manifest.HLSMaster{Name: "o/songs.m3u8", Version: version, Renditions: renditions})
		}
	}
	for file, write := range map[string]func(io.Writer) error{
		"hlsv3-audio-master.m3u8":  master(manifest.HLSv3, high, low),
		"hlsv4-audios-master.m3u8": master(manifest.HLSv4, high, low),
		"hlsv4-pairs-master.m3u8":  master(manifest.HLSv4, high, film, muxed, low),
		"dash-audios.mpd":          dash(songs...),
		"dash-skewed.mpd":          dash(songs[0], skewed),
	} {
		t.Run(file, func(t *testing.T) {
			golden := filepath.Join("testdata", "ours", file)
			got := written(t, write)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-golden +got):\n%s", diff)
			}
		})
	}
}

func written(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestBandwidth has a tail of 20 ms, whose rate by itself would be absurd.
func TestBandwidth(t *testing.T) {
	segment := func(seconds float64, size int64) manifest.Segment {
		return manifest.Segment{Duration: seconds, Size: size}
	}
	tests := []struct {
		name     string
		segments []manifest.Segment
		want     string
	}{
		{"peak in the middle", []manifest.Segment{segment(4, 40_000), segment(4, 80_000), segment(4, 40_000)}, "160000"},
		{"tail counts with its neighbor", []manifest.Segment{segment(4, 64_000), segment(4, 64_000), segment(.02, 6_000)}, "139000"},
		{"short as a whole", []manifest.Segment{segment(.1, 1_880)}, "150000"},
		{"hardly anything", []manifest.Segment{segment(10, 1)}, "1000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := written(t, func(w io.Writer) error {
				return manifest.WriteHLSMaster(w, manifest.HLSMaster{Version: manifest.HLSv3, Renditions: []manifest.Rendition{{Name: "a.m3u8", Segments: tt.segments}}})
			})
			want := "#EXTM3U\n#EXT-X-STREAM-INF:PROGRAM-ID=1,BANDWIDTH=" + tt.want + "\na.m3u8\n"
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	media := func(change func(*manifest.HLSMedia)) func(io.Writer) error {
		m := manifest.HLSMedia{Name: "o/a_v4.m3u8", Version: manifest.HLSv4, Segments: []manifest.Segment{{Name: "o/a.ts", Duration: 3, Size: 188}}}
		change(&m)
		return func(w io.Writer) error { return manifest.WriteHLSMedia(w, m) }
	}
	good := manifest.Rendition{
		Name: "o/a", Codecs: []string{manifest.MP3}, Bandwidth: 128000,
		Init: manifest.Range{First: 0, Last: 9}, Index: manifest.Range{First: 10, Last: 19},
	}
	master := func(change func(*manifest.HLSMaster, *manifest.Rendition)) func(io.Writer) error {
		r := good
		m := manifest.HLSMaster{Name: "o/list.m3u8", Version: manifest.HLSv4}
		change(&m, &r)
		m.Renditions = append(m.Renditions, r)
		return func(w io.Writer) error { return manifest.WriteHLSMaster(w, m) }
	}
	dash := func(change func(*manifest.DASH, *manifest.Rendition)) func(io.Writer) error {
		r := good
		d := manifest.DASH{Name: "o/list.mpd", Duration: 3}
		change(&d, &r)
		d.Renditions = append(d.Renditions, r)
		return func(w io.Writer) error { return manifest.WriteDASH(w, d) }
	}
	tests := []struct {
		name  string
		write func(io.Writer) error
		want  string // in the error
	}{
		{"no segments", media(func(m *manifest.HLSMedia) { m.Segments = nil }), "there is no segment"},
		{"version", media(func(m *manifest.HLSMedia) { m.Version = 7 }), "version 7"},
		{"version of a master", master(func(m *manifest.HLSMaster, _ *manifest.Rendition) { m.Version = 0 }), "version 0"},
		{"key frames in v3", media(func(m *manifest.HLSMedia) { m.Version, m.IFrames = manifest.HLSv3, true }), "cannot have version 3"},
		{"no size", media(func(m *manifest.HLSMedia) { m.Segments[0].Size = 0 }), "segment 0 has no size"},
		{"negative size", media(func(m *manifest.HLSMedia) { m.Segments[0].Size = -1 }), "negative"},
		{"negative offset", media(func(m *manifest.HLSMedia) { m.Segments[0].Offset = -1 }), "negative"},
		{"no duration", media(func(m *manifest.HLSMedia) { m.Segments[0].Duration = 0 }), "duration of 0 s"},
		{"NaN", media(func(m *manifest.HLSMedia) { m.Segments[0].Duration = math.NaN() }), "duration of NaN s"},
		{"infinity", media(func(m *manifest.HLSMedia) { m.Segments[0].Duration = math.Inf(1) }), "duration of +Inf s"},
		{"no name", media(func(m *manifest.HLSMedia) { m.Segments[0].Name = "" }), "segment 0: a file has no name"},
		{"elsewhere", media(func(m *manifest.HLSMedia) { m.Segments[0].Name = "other/a.ts" }), `"other/a.ts" is not in or below "o/"`},
		{"the folder itself", media(func(m *manifest.HLSMedia) { m.Segments[0].Name = "o/" }), `"o/" is not in or below`},
		{"dots", media(func(m *manifest.HLSMedia) { m.Segments[0].Name = "o/x/../a.ts" }), "a URI cannot name"},

		{"no rendition", func(w io.Writer) error {
			return manifest.WriteHLSMaster(w, manifest.HLSMaster{Version: manifest.HLSv3})
		}, "there is no rendition"},
		{"codec", master(func(_ *manifest.HLSMaster, r *manifest.Rendition) { r.Codecs = []string{"a\",B=\"c"} }), `rendition "o/a": codec`},
		{"no bandwidth", master(func(_ *manifest.HLSMaster, r *manifest.Rendition) { r.Bandwidth = 0 }), "neither a bandwidth nor segments"},
		{"negative bandwidth", master(func(_ *manifest.HLSMaster, r *manifest.Rendition) { r.Bandwidth = -1 }), "bandwidth -1"},
		{"half a size", master(func(_ *manifest.HLSMaster, r *manifest.Rendition) { r.Width = 640 }), "width 640 and height 0"},
		{"rendition elsewhere", master(func(_ *manifest.HLSMaster, r *manifest.Rendition) { r.Name = "a" }), `"a" is not in or below "o/"`},
		{"key frames without bandwidth", master(func(_ *manifest.HLSMaster, r *manifest.Rendition) { r.IFrames = &manifest.IFrames{Name: "o/i"} }), "bandwidth 0"},

		{"no codecs", dash(func(_ *manifest.DASH, r *manifest.Rendition) { r.Codecs = nil }), "no codecs"},
		{"no index", dash(func(_ *manifest.DASH, r *manifest.Rendition) { r.Index = manifest.Range{} }), "bytes 0-0 are no range"},
		{"nothing to tell the length by", dash(func(d *manifest.DASH, _ *manifest.Rendition) { d.Duration = 0 }), "duration of 0 s"},
		{"endless", dash(func(d *manifest.DASH, _ *manifest.Rendition) { d.Duration = math.Inf(1) }), "duration of +Inf s"},
		{"no length", dash(func(d *manifest.DASH, _ *manifest.Rendition) { d.Duration = math.NaN() }), "duration of NaN s"},
		{"no rendition of DASH", func(w io.Writer) error { return manifest.WriteDASH(w, manifest.DASH{Duration: 1}) }, "there is no rendition"},
		{"no bandwidth of DASH", dash(func(_ *manifest.DASH, r *manifest.Rendition) { r.Bandwidth = 0 }), "neither a bandwidth nor segments"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			err := tt.write(&b)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one that says %q", err, tt.want)
			}
			if b.Len() > 0 {
				t.Errorf("wrote %q in spite of the error", &b)
			}
		})
	}
	for name, write := range map[string]func(io.Writer) error{
		"media":  media(func(*manifest.HLSMedia) {}),
		"master": master(func(*manifest.HLSMaster, *manifest.Rendition) {}),
		"DASH":   dash(func(*manifest.DASH, *manifest.Rendition) {}),
	} {
		if err := write(io.Discard); err != nil {
			t.Errorf("%s as it should be: %v", name, err)
		}
		err := write(full{})
		if err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("%s on a full disk: got error %v", name, err)
		}
	}
}

// full is a disk that is.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }
