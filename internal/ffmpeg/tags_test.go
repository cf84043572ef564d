package ffmpeg_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/png"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/audiofile"
	"etude/internal/ffmpeg"
	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/transcode"
)

// allTags are tags of all kinds: words of many scripts, line breaks, several
// values, numbers of many, a long one; and, in another name for each container,
// the tempo.
var allTags = map[string]string{
	"title": "Lied ♫ 歌 שיר", "artist": "One; Two", "album": "Ä=ß\\#;[x]" + strings.Repeat("…long", 60), "album_artist": "Various", "track": "3/12", "disc": "1/2",
	"date": "2001-02-03", "genre": "Rock", "composer": "Comp", "comment": "a\nb", "copyright": "©", "lyrics": "la\nлю", "mood": "own", "tempo": "121",
}

// inINFO are the tags that the older list of a WAV has; the newer ID3 has all.
var inINFO = []string{"title", "artist", "album", "track", "date", "genre", "comment", "copyright"}

// Which tags are lost, and why.
var (
	lostFrom = map[string][]string{
		// ffmpeg 5.1 does not read the atom of the tempo, and writes no free
		// ones.
		"a.m4a": {"mood", "tempo"},
		// It writes nothing but the older list.
		"a.wav": {"album_artist", "disc", "composer", "lyrics", "mood", "tempo"},
	}
	lostIn = map[string][]string{
		// As above; that of a whole file is written by us.
		"a.fmp4": {"mood"},
		// These have no tags, but for what ffmpeg calls them.
		"a.mp2": slices.Collect(maps.Keys(allTags)),
		"a.ts":  slices.Collect(maps.Keys(allTags)),
	}
	holdNoCover = []string{"a.webm", "a.mp2", "a.ts", "a.fmp4"}
)

// tagNamesIn are what a container calls a tag that ffprobe does not translate.
var tagNamesIn = map[string]string{"tbpm": "tempo", "bpm": "tempo", "tmpo": "tempo", "lyrics-eng": "lyrics"}

// tagged makes a clip with all tags, under the names that its writer has for
// them.
func tagged(t *testing.T, spec ffmpegtest.Spec, tempo string) string {
	t.Helper()
	spec.Tags, spec.Samples = maps.Clone(allTags), 22050
	delete(spec.Tags, "tempo")
	spec.Tags[tempo] = allTags["tempo"]
	return ffmpegtest.Clip(t, spec)
}

// TestTags carries tags and pictures from every kind of file into every kind, and
// loses only what is in the tables above.
func TestTags(t *testing.T) {
	e := newEncoder(t, ffmpeg.Config{})
	bare := readFile(t, ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "bare.mp3", Samples: 22050, Args: []string{"-id3v2_version", "0", "-write_id3v1", "0"}}))
	inAPE := map[string]string{"Album Artist": allTags["album_artist"], "Year": allTags["date"], "BPM": allTags["tempo"], "Empty": "", "Lyrics": allTags["lyrics"]}
	for name, value := range allTags {
		if !slices.Contains([]string{"album_artist", "date", "tempo", "lyrics", "artist"}, name) {
			inAPE[strings.ToUpper(name[:1])+name[1:]] = value
		}
	}
	inAPE["Artist"] = "One\x00 Two"
	clip := func(spec ffmpegtest.Spec, tempo string) func(t *testing.T) string {
		return func(t *testing.T) string { return tagged(t, spec, tempo) }
	}
	written := func(content func(t *testing.T) []byte) func(t *testing.T) string {
		return func(t *testing.T) string { return writeFile(t, content(t)) }
	}
	sources := map[string]struct {
		make  func(t *testing.T) string
		cover bool
	}{
		"a.mp3":       {clip(ffmpegtest.Spec{Name: "a.mp3", Cover: true}, "TBPM"), true},
		"id3v2.4.mp3": {clip(ffmpegtest.Spec{Name: "a.mp3", Args: []string{"-id3v2_version", "4"}}, "TBPM"), false},
		"ape.mp3": {written(func(t *testing.T) []byte {
			return slices.Concat(bare, apeTag(inAPE, draw(t, "a.png", "red", "64x64")))
		}), true},
		"ape, id3v1.mp3": {written(func(t *testing.T) []byte {
			return slices.Concat(bare, apeTag(inAPE, ""), id3v1())
		}), false},
		"a.flac": {clip(ffmpegtest.Spec{Name: "a.flac", Cover: true}, "BPM"), true},
		"a.m4a":  {clip(ffmpegtest.Spec{Name: "a.m4a", Cover: true}, "tmpo"), true},
		"a.aiff": {clip(ffmpegtest.Spec{Name: "a.aiff", Cover: true, Args: []string{"-write_id3v2", "1"}}, "TBPM"), true},
		"a.ogg":  {clip(ffmpegtest.Spec{Name: "a.ogg", Codec: "libvorbis"}, "BPM"), false},
		"a.opus": {clip(ffmpegtest.Spec{Name: "a.opus", Codec: "libopus", Rate: 48000}, "BPM"), false},
		"a.wav":  {clip(ffmpegtest.Spec{Name: "a.wav"}, "BPM"), false},
		"id3.wav": {written(func(t *testing.T) []byte {
			path := ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "a.wav", Samples: 22050, Tags: map[string]string{"title": "another"}})
			return withChunk(t, path, "ID3 ", readFile(t, tagged(t, ffmpegtest.Spec{Name: "a.mp3", Cover: true}, "TBPM")))
		}), true},
		"a.mka": {clip(ffmpegtest.Spec{Name: "a.mka", Codec: "flac"}, "BPM"), false},
		"a.wma": {clip(ffmpegtest.Spec{Name: "a.wma"}, "WM/BeatsPerMinute"), false},
		"a.wv":  {clip(ffmpegtest.Spec{Name: "a.wv"}, "BPM"), false},
		"a.tta": {clip(ffmpegtest.Spec{Name: "a.tta"}, "BPM"), false},
	}
	outputs := []string{"a.mp3", "a.flac", "a.wav", "a.ogg", "a.oga", "a.webm", "a.m4a", "a.fmp4", "a.mp2", "a.ts"}
	for name, source := range sources {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := carry(t, e, source.make(t), outputs...)
			// The tag of a WAV is looked at besides its list.
			wav := slices.Index(outputs, "a.wav")
			found := readTags(t, append(files, asMP3(t, files[wav], bare))...)
			notInINFO := slices.DeleteFunc(slices.Collect(maps.Keys(allTags)), func(tag string) bool { return slices.Contains(inINFO, tag) })
			found[wav].check(t, "a.wav, list", source.cover, lostFrom[name], notInINFO)
			found[len(outputs)].check(t, "a.wav, ID3", source.cover, lostFrom[name])
			for i, output := range outputs {
				if i != wav {
					found[i].check(t, output, source.cover && !slices.Contains(holdNoCover, output), lostFrom[name], lostIn[output])
				}
			}
			if name != "a.mp3" {
				return
			}
			// Our own files are read as well as others.
			for i, lost := range map[int][]string{0: nil, 3: nil, 6: {"tempo"}, wav: nil} {
				again := readTags(t, carry(t, e, files[i], "a.flac")...)
				again[0].check(t, outputs[i]+" again", source.cover, lost)
			}
		})
	}
}

// carry makes files of one, and returns their paths.
func carry(t *testing.T, e *ffmpeg.Encoder, input string, names ...string) (paths []string) {
	t.Helper()
	var outputs []transcode.Rendition
	for _, name := range names {
		preset, err := ffmpeg.PresetFor(name)
		if err != nil {
			t.Fatal(err)
		}
		outputs = append(outputs, transcode.Rendition{Preset: preset})
	}
	for i, out := range mustEncodeAll(t, e, []transcode.Source{{Path: input}}, outputs...).Outputs {
		if out.Failure != nil || out.Remark != "" {
			t.Fatalf("%s: %+v", names[i], out)
		}
		paths = append(paths, out.Files[0].Path)
	}
	return paths
}

// inFile is what was read of a file.
type inFile struct {
	tags     map[string]string
	pictures int
}

// readTags has one ffmpeg read the tags of some files and of their sound, and the
// number of their pictures. What a file says of itself is left out.
func readTags(t *testing.T, paths ...string) []inFile {
	t.Helper()
	dir := t.TempDir()
	args := []string{"-hide_banner", "-nostdin"}
	for _, path := range paths {
		args = append(args, "-i", "file:"+path)
	}
	for i := range paths {
		args = append(args, "-map_metadata", strconv.Itoa(i), "-map_metadata:g", fmt.Sprint(i, ":s:0"), "-f", "ffmetadata", filepath.Join(dir, strconv.Itoa(i)))
	}
	words, err := exec.CommandContext(t.Context(), "ffmpeg", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, words)
	}
	var found []inFile
	for i, path := range paths {
		f := inFile{map[string]string{}, 0}
		for _, line := range strings.Split(string(words), "\n") {
			if strings.Contains(line, fmt.Sprintf("Stream #%d:", i)) && strings.HasSuffix(line, "(attached pic)") {
				f.pictures++
			}
		}
		_, said, _ := strings.Cut(string(readFile(t, filepath.Join(dir, strconv.Itoa(i)))), "\n")
		hidden := strings.NewReplacer(`\\`, "\x01", "\\\n", "\x02", `\=`, "\x03", `\;`, ";", `\#`, "#")
		shown := strings.NewReplacer("\x01", `\`, "\x02", "\n", "\x03", "=")
		for line := range strings.Lines(hidden.Replace(said)) {
			key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			key = strings.ToLower(key)
			switch key {
			case "encoder", "language", "handler_name", "vendor_id", "major_brand", "minor_version", "compatible_brands", "duration", "itunsmpb":
				continue
			}
			if own := tagNamesIn[key]; own != "" {
				key = own
			}
			f.tags[key] = shown.Replace(value)
		}
		// ffmpeg 5.1 does not read the atom of the tempo.
		if bytes.Contains(readFile(t, path), []byte("tmpo\x00\x00\x00\x12data\x00\x00\x00\x15\x00\x00\x00\x00\x00\x79")) {
			f.tags["tempo"] = "121"
		}
		found = append(found, f)
	}
	return found
}

// check wants all tags in a file but those that are lost, and a picture or
// none.
func (f *inFile) check(t *testing.T, name string, cover bool, lost ...[]string) {
	t.Helper()
	want := maps.Clone(allTags)
	for _, tag := range slices.Concat(lost...) {
		delete(want, tag)
	}
	if diff := cmp.Diff(want, f.tags); diff != "" {
		t.Errorf("%s: tags (-want +got):\n%s", name, diff)
	}
	pictures := 0
	if cover {
		pictures = 1
	}
	if f.pictures != pictures {
		t.Errorf("%s: %d pictures, want %d", name, f.pictures, pictures)
	}
}

// withChunk returns a WAV with one more chunk, of which the last byte may be
// missing.
func withChunk(t *testing.T, path, kind string, content []byte) []byte {
	t.Helper()
	wav := binary.LittleEndian.AppendUint32(append(readFile(t, path), kind...), uint32(len(content)))
	wav = append(wav, content...)
	binary.LittleEndian.PutUint32(wav[4:], uint32(len(wav)-8))
	return wav
}

// asMP3 makes an MP3 of the tag in a WAV, of which ffmpeg reads only the list
// where there are both.
func asMP3(t *testing.T, path string, sound []byte) string {
	t.Helper()
	wav := readFile(t, path)
	chunk, err := audiofile.FindChunk(bytes.NewReader(wav), int64(len(wav)), "id3 ")
	if err != nil || chunk == nil {
		t.Fatalf("its tag is %v, %v", chunk, err)
	}
	tag, err := io.ReadAll(chunk)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".mp3", slices.Concat(tag, sound), 0o600); err != nil {
		t.Fatal(err)
	}
	return path + ".mp3"
}

// apeTag is a tag of version 2, as it stands at the end of an MP3, with the picture
// of a file or without.
func apeTag(items map[string]string, picture string) []byte {
	le := binary.LittleEndian
	var body []byte
	count := uint32(len(items))
	if picture != "" {
		content, err := os.ReadFile(picture)
		if err != nil {
			panic(err)
		}
		count++
		content = append([]byte("cover.png\x00"), content...)
		body = le.AppendUint32(le.AppendUint32(body, uint32(len(content))), 2)
		body = append(append(body, "Cover Art (Front)\x00"...), content...)
	}
	for _, key := range slices.Sorted(maps.Keys(items)) {
		body = le.AppendUint32(le.AppendUint32(body, uint32(len(items[key]))), 0)
		body = append(append(append(body, key...), 0), items[key]...)
	}
	foot := func(flags uint32) []byte {
		b := []byte("APETAGEX")
		for _, v := range []uint32{2000, uint32(len(body) + 32), count, flags, 0, 0} {
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
		"ape":             {slices.Concat(mp3, apeTag(map[string]string{"Title": "Über", "Artist": "A"}, "")), "Über", 0, ""},
		"ape beside id3":  {slices.Concat(id3(title), mp3, apeTag(map[string]string{"Title": "Über"}, "")), "Title", 0, ""},
		"ape, no head":    {slices.Concat(mp3, apeTag(map[string]string{"Title": "Über"}, "")[20:]), "Über", 0, "?"},
		"cut ape":         {slices.Concat(mp3, apeTag(map[string]string{"Title": "Über"}, "")[60:]), "", 0, "?"},
		"lying ape":       {slices.Concat(mp3, bytes.Replace(apeTag(map[string]string{"Title": "Über"}, ""), []byte("\x05\x00\x00\x00"), []byte("\xff\xff\xff\x7f"), 1)), "", 0, ""},
		"cut tag":         {slices.Concat(id3(title, frame("TALB", "\x00x"))[:25], mp3), "?", 0, ""},
		"lying size":      {append([]byte("ID3\x03\x00\x00\x7f\x7f\x7f\x7f"), mp3...), "?", -1, ""},
		"huge":            {slices.Concat(id3(title, frame("TXXX", "\x00big\x00"+strings.Repeat("x", 40<<20))), mp3), "", 0, "The tags of this file take more than 15 MiB and were left out."},
		"large":           {slices.Concat(id3(title, frame("TXXX", "\x00big\x00"+strings.Repeat("x", 16<<20))), mp3), "", 0, "The tags of this file take more than 15 MiB and were left out."},
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
	none, own := &transcode.Art{MergePolicy: "Replace"}, &transcode.Art{MergePolicy: "Append"}
	given := &transcode.Art{MergePolicy: "Append", Pictures: []transcode.Picture{{Path: draw(t, "c.png", "lime", "40x40"), MaxWidth: 40, MaxHeight: 40}}}
	ogg, err := ffmpeg.PresetFor("a.ogg")
	if err != nil {
		t.Fatal(err)
	}
	oga, err := ffmpeg.PresetFor("a.oga")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var outputs []transcode.Rendition
	for i, r := range []transcode.Rendition{
		{Preset: system(t, "300110")}, {Preset: system(t, "300110"), Art: none}, {Preset: ogg}, {Preset: ogg, Art: none},
		{Preset: system(t, "300300")}, {Preset: system(t, "300300"), Art: none}, {Preset: oga, Art: own}, {Preset: system(t, "300300"), Art: given},
	} {
		r.Name = strconv.Itoa(i)
		outputs = append(outputs, r)
	}
	encoded, err := e.Encode(t.Context(), transcode.Encoding{Inputs: []transcode.Source{{Path: input}}, Dir: dir, Outputs: outputs}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{2, 0, 2, 0, 2, 0, 2, 0} {
		out := encoded.Outputs[i]
		if got := covers(t, out.Files[0].Path); len(got) != want || want > 0 && (!strings.HasPrefix(got[0], "png 64x64 r") || !strings.HasPrefix(got[1], "jpeg 32x32 b")) {
			t.Errorf("output %d has %q, want %d pictures", i+1, got, want)
		}
		if out.Remark != "" {
			t.Errorf("output %d: remark is %q", i+1, out.Remark)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != len(outputs) {
		t.Errorf("left are %q", left)
	}
}

// TestLargeTags has tags in a container without a limit that no other holds, and
// pictures that do not fit where others do.
func TestLargeTags(t *testing.T) {
	t.Parallel()
	e := newEncoder(t, ffmpeg.Config{})
	text := filepath.Join(t.TempDir(), "tags.txt")
	if err := os.WriteFile(text, []byte(";FFMETADATA1\ntitle=x\nbig="+strings.Repeat("x", 17<<20)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(t.TempDir(), "a.ogg")
	ffmpegtest.Run(t, "-f", "lavfi", "-i", "sine=d=0.5", "-i", text, "-map", "0", "-map_metadata", "1", "-c:a", "libvorbis", large)
	// 1700x1700 of noise are 8.7 MB in PNG, and 11.6 MB as text.
	noise := image.NewNRGBA(image.Rect(0, 0, 1700, 1700))
	copy(noise.Pix, random(len(noise.Pix)))
	for i := 3; i < len(noise.Pix); i += 4 {
		noise.Pix[i] = 255
	}
	var drawn bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.NoCompression}).Encode(&drawn, noise); err != nil {
		t.Fatal(err)
	}
	picture := filepath.Join(t.TempDir(), "a.png")
	if err := os.WriteFile(picture, drawn.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	pictures := withCovers(t, "a.mp3", picture, picture, draw(t, "a.png", "red", "64x64"))
	outputs := []string{"a.flac", "a.webm", "a.oga", "a.ogg", "a.m4a", "a.mp3", "a.wav"}
	const tooLarge, unfit = "The tags of this file take more than 15 MiB and were left out.", "One picture is too large beside the others for this kind of file, and was left out."
	for name, test := range map[string]struct {
		input, title string
		covers       map[string]int
		remarks      map[string]string
	}{
		"tags": {large, "", nil, map[string]string{"a.flac": tooLarge, "a.webm": tooLarge, "a.oga": tooLarge, "a.ogg": tooLarge, "a.m4a": tooLarge, "a.mp3": tooLarge, "a.wav": tooLarge}},
		"pictures": {
			pictures, "", map[string]int{"a.flac": 3, "a.oga": 2, "a.ogg": 2, "a.m4a": 3, "a.mp3": 3, "a.wav": 3},
			map[string]string{"a.oga": unfit, "a.ogg": unfit},
		},
	} {
		var renditions []transcode.Rendition
		for _, name := range outputs {
			preset, err := ffmpeg.PresetFor(name)
			if err != nil {
				t.Fatal(err)
			}
			renditions = append(renditions, transcode.Rendition{Preset: preset})
		}
		var paths []string
		for i, out := range mustEncodeAll(t, e, []transcode.Source{{Path: test.input}}, renditions...).Outputs {
			if out.Failure != nil || out.Remark != test.remarks[outputs[i]] {
				t.Fatalf("%s: %s: %+v, want remark %q", name, outputs[i], out, test.remarks[outputs[i]])
			}
			paths = append(paths, out.Files[0].Path)
		}
		for i, found := range readTags(t, paths...) {
			if found.pictures != test.covers[outputs[i]] || found.tags["title"] != test.title || found.tags["big"] != "" {
				t.Errorf("%s: %s has %d pictures, title %q", name, outputs[i], found.pictures, found.tags["title"])
			}
		}
	}
}
