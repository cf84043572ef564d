package ffmpeg_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/ffmpeg"
	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/transcode"
)

// allTags are tags of all kinds: words of many scripts, a line break, several
// values, numbers of many.
var allTags = map[string]string{
	"title": "Lied ♫ 歌 שיר", "artist": "One; Two", "album": "Ä=ß\\#;", "album_artist": "Various", "track": "3/12", "disc": "1/2",
	"date": "2001-02-03", "genre": "Rock", "composer": "Comp", "comment": "a\nb", "copyright": "©", "lyrics": "la", "mood": "own",
}

// What containers cannot hold, as ffmpeg 5.1 writes and reads them. AIFF has an
// ID3 tag only where ffmpeg is asked for one.
var (
	notInWAV = []string{"album_artist", "disc", "composer", "lyrics", "mood"}
	notInMP4 = []string{"mood"}
)

// TestTags carries tags and pictures from every kind of file into every kind that
// can hold them.
func TestTags(t *testing.T) {
	e := newEncoder(t, ffmpeg.Config{})
	sources := []struct {
		spec    ffmpegtest.Spec
		without []string
		cover   bool
	}{
		{spec: ffmpegtest.Spec{Name: "a.mp3"}, cover: true},
		{spec: ffmpegtest.Spec{Name: "id3v2.4.mp3", Args: []string{"-id3v2_version", "4"}}, cover: true},
		{spec: ffmpegtest.Spec{Name: "a.flac"}, cover: true},
		{spec: ffmpegtest.Spec{Name: "a.m4a"}, cover: true, without: notInMP4},
		{spec: ffmpegtest.Spec{Name: "a.aiff", Args: []string{"-write_id3v2", "1"}}, cover: true},
		{spec: ffmpegtest.Spec{Name: "a.ogg", Codec: "libvorbis"}},
		{spec: ffmpegtest.Spec{Name: "a.opus", Codec: "libopus", Rate: 48000}},
		{spec: ffmpegtest.Spec{Name: "a.wav"}, without: notInWAV},
		{spec: ffmpegtest.Spec{Name: "a.mka", Codec: "flac"}},
		{spec: ffmpegtest.Spec{Name: "a.wma"}},
		{spec: ffmpegtest.Spec{Name: "ape.wv"}},
	}
	for _, source := range sources {
		t.Run(source.spec.Name, func(t *testing.T) {
			t.Parallel()
			spec := source.spec
			spec.Tags, spec.Cover, spec.Samples = allTags, source.cover, 22050
			input := ffmpegtest.Clip(t, spec)
			var outputs []transcode.Rendition
			names := []string{"a.mp3", "a.flac", "a.wav", "a.ogg", "a.oga", "a.webm", "a.m4a"}
			for _, name := range names {
				preset, err := ffmpeg.PresetFor(name)
				if err != nil {
					t.Fatal(err)
				}
				outputs = append(outputs, transcode.Rendition{Preset: preset})
			}
			encoded, err := encodeAll(t, e, []transcode.Source{{Path: input}}, outputs...)
			if err != nil {
				t.Fatal(err)
			}
			for i, name := range names {
				want := maps.Clone(allTags)
				without := slices.Clone(source.without)
				switch name {
				case "a.wav":
					without = append(without, notInWAV...)
				case "a.m4a":
					without = append(without, notInMP4...)
				}
				for _, tag := range without {
					delete(want, tag)
				}
				out := encoded.Outputs[i]
				if out.Failure != nil || out.Remark != "" {
					t.Fatalf("%s: %+v", name, out)
				}
				tags, pictures := readTags(t, out.Files[0].Path)
				got := map[string]string{}
				for key, value := range tags {
					switch key {
					case "encoder", "language", "handler_name", "vendor_id", "major_brand", "minor_version", "compatible_brands", "duration", "itunsmpb":
						if name == "a.m4a" || name == "a.webm" || key == "encoder" {
							continue // the file's own
						}
					}
					got[key] = value
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: tags (-want +got):\n%s", name, diff)
				}
				wantCovers := 0
				if source.cover && name != "a.wav" && name != "a.webm" {
					wantCovers = 1
				}
				if pictures != wantCovers {
					t.Errorf("%s: %d pictures, want %d", name, pictures, wantCovers)
				}
			}
		})
	}
}

// readTags reads the tags of a file and of its sound, under lower-case names, and
// the number of its pictures.
func readTags(t *testing.T, path string) (tags map[string]string, pictures int) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-show_entries", "format_tags:stream=codec_type:stream_tags", "-of", "json", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	type tagged struct {
		Type string `json:"codec_type"`
		Tags map[string]string
	}
	var v struct {
		Streams []tagged
		Format  tagged
	}
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatal(err)
	}
	tags = map[string]string{}
	for _, part := range append(v.Streams, v.Format) {
		if part.Type == "video" {
			pictures++
			continue
		}
		for key, value := range part.Tags {
			tags[strings.ToLower(key)] = value
		}
	}
	return tags, pictures
}

// apeTag is a tag of version 2, as it stands at the end of an MP3.
func apeTag(items map[string]string) []byte {
	le := binary.LittleEndian
	var body []byte
	for _, key := range slices.Sorted(maps.Keys(items)) {
		body = le.AppendUint32(le.AppendUint32(body, uint32(len(items[key]))), 0)
		body = append(append(append(body, key...), 0), items[key]...)
	}
	foot := func(flags uint32) []byte {
		b := []byte("APETAGEX")
		for _, v := range []uint32{2000, uint32(len(body) + 32), uint32(len(items)), flags, 0, 0} {
			b = le.AppendUint32(b, v)
		}
		return b
	}
	return slices.Concat(foot(0xa0000000), body, foot(0x80000000))
}

// TestOddTags has tags and pictures that are broken, or far too large: the music
// is made all the same.
func TestOddTags(t *testing.T) {
	e := newEncoder(t, ffmpeg.Config{})
	mp3 := readFile(t, ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "a.mp3", Samples: 22050, Args: []string{"-id3v2_version", "0", "-write_id3v1", "0"}}))
	png := readFile(t, draw(t, "a.png", "red", "64x64"))
	apic := func(mime, picture string) []byte { return frame("APIC", "\x00"+mime+"\x00\x03\x00"+picture) }
	title := frame("TIT2", "\x00Title")
	broken := append(slices.Clone(png[:60]), bytes.Repeat([]byte{7}, 200)...)
	one := "A picture in this file is none that can be kept, and was left out."
	tests := map[string]struct {
		content []byte
		title   string
		covers  int
		remark  string
	}{
		"plain":           {slices.Concat(id3(title, apic("image/png", string(png))), mp3), "Title", 1, ""},
		"no picture":      {slices.Concat(id3(title, apic("image/png", "this is none")), mp3), "Title", 0, one},
		"broken picture":  {slices.Concat(id3(title, apic("image/png", string(broken))), mp3), "Title", 0, one},
		"empty picture":   {slices.Concat(id3(title, apic("image/png", "")), mp3), "Title", 0, "?"},
		"svg":             {slices.Concat(id3(title, apic("image/svg+xml", "<svg/>")), mp3), "Title", 0, "?"},
		"wrong mime":      {slices.Concat(id3(title, apic("image/jpeg", string(png))), mp3), "Title", 1, "?"},
		"one good of two": {slices.Concat(id3(title, apic("image/png", string(png)), frame("APIC", "\x00image/png\x00\x04\x00none")), mp3), "Title", 1, one},
		"ape":             {slices.Concat(mp3, apeTag(map[string]string{"Title": "Über", "Artist": "A"})), "", 0, ""}, // which ffmpeg does not read in MP3
		"cut tag":         {slices.Concat(id3(title, frame("TALB", "\x00x"))[:25], mp3), "?", 0, ""},
		"lying size":      {append([]byte("ID3\x03\x00\x00\x7f\x7f\x7f\x7f"), mp3...), "?", -1, ""},
		"huge":            {slices.Concat(id3(title, frame("TXXX", "\x00big\x00"+strings.Repeat("x", 100<<20))), mp3), "", 0, "The tags of this file take 100 MiB and were left out."},
		"many frames":     {slices.Concat(id3(bytes.Repeat(frame("TXXX", "\x00k\x00v"), 20000), title), mp3), "Title", 0, ""},
		"nul and bytes":   {slices.Concat(id3(frame("TIT2", "\x00a\xff\xfe\x01"), frame("TPE1", "\x01\xff")), mp3), "?", 0, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			encoded, err := encodeAll(t, e, []transcode.Source{{Path: writeFile(t, test.content)}}, transcode.Rendition{Preset: system(t, "300110")}, transcode.Rendition{Preset: system(t, "100110")})
			if test.covers < 0 {
				wantFailure(t, err, 4000, "")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for i, out := range encoded.Outputs {
				if out.Failure != nil {
					t.Fatalf("output %d: %+v", i+1, out.Failure)
				}
				facts := ffmpegtest.Probe(t, out.Files[0].Path)
				if n := facts.Samples; n < 22050 || n > 22050+3*1152 {
					t.Errorf("output %d has %d samples", i+1, n)
				}
				if got := facts.Tags["title"]; got != test.title && test.title != "?" {
					t.Errorf("output %d: title is %q, want %q", i+1, got, test.title)
				}
				got, n := out.Remark, facts.Streams-1
				if n != test.covers || got != test.remark && test.remark != "?" {
					t.Errorf("output %d: %d pictures, want %d; remark is %q, want %q", i+1, n, test.covers, got, test.remark)
				}
			}
		})
	}
}

// TestKeepArt keeps pictures where nothing is said, and not where AlbumArt says
// that there are to be none.
func TestKeepArt(t *testing.T) {
	t.Parallel()
	e := newEncoder(t, ffmpeg.Config{})
	input := withCovers(t, "a.flac", draw(t, "a.png", "red", "64x64"), draw(t, "b.jpg", "blue", "32x32"))
	none := &transcode.Art{MergePolicy: "Replace"}
	ogg, err := ffmpeg.PresetFor("a.ogg")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var outputs []transcode.Rendition
	for i, r := range []transcode.Rendition{
		{Preset: system(t, "300110")}, {Preset: system(t, "300110"), Art: none}, {Preset: ogg}, {Preset: ogg, Art: none}, {Preset: system(t, "300300")},
	} {
		r.Name = strconv.Itoa(i)
		outputs = append(outputs, r)
	}
	encoded, err := e.Encode(t.Context(), transcode.Encoding{Inputs: []transcode.Source{{Path: input}}, Dir: dir, Outputs: outputs}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{2, 0, 1, 0, 0} {
		out := encoded.Outputs[i]
		if got := covers(t, out.Files[0].Path); len(got) != want {
			t.Errorf("output %d has %q, want %d pictures", i+1, got, want)
		}
		remark := ""
		if i == 2 {
			remark = "Only the first of the file's pictures was kept."
		}
		if out.Remark != remark {
			t.Errorf("output %d: remark is %q, want %q", i+1, out.Remark, remark)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != len(outputs) {
		t.Errorf("left are %q", left)
	}
}
