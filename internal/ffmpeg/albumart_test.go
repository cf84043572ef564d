package ffmpeg_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"image"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"etude/internal/ffmpeg"
	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/transcode"
)

// draw makes a picture of one colour; its name's ending says the kind.
func draw(t testing.TB, name, colour, size string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	ffmpegtest.Run(t, "-f", "lavfi", "-i", fmt.Sprintf("color=%s:s=%s:r=2:d=1,format=rgb24", colour, size), "-frames:v", "1", "-update", "1", path)
	return path
}

// withCovers makes a file of sound with pictures.
func withCovers(t testing.TB, name string, pictures ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	args := []string{"-f", "lavfi", "-i", "sine=d=0.5"}
	for _, p := range pictures {
		args = append(args, "-i", p)
	}
	for i := range len(pictures) + 1 {
		args = append(args, "-map", strconv.Itoa(i))
	}
	args = append(args, "-c:v", "copy", "-disposition:v", "attached_pic")
	for i := range pictures {
		args = append(args, fmt.Sprintf("-metadata:s:v:%d", i), fmt.Sprint("title=", i))
	}
	ffmpegtest.Run(t, append(args, path)...)
	return path
}

// covers describes the pictures in a file: kind, size, and colour of the middle
// and of the upper left corner.
func covers(t testing.TB, path string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-show_entries", "stream=index:stream_disposition=attached_pic", "-select_streams", "v", "-of", "json", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Streams []struct {
			Index       int
			Disposition struct {
				Picture int `json:"attached_pic"`
			}
		}
	}
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	args := []string{"-i", path}
	for i, s := range v.Streams {
		if s.Disposition.Picture != 1 {
			t.Errorf("stream %d is no cover", s.Index)
		}
		args = append(args, "-map", fmt.Sprintf("0:%d", s.Index), "-c", "copy", "-frames:v", "1", "-f", "image2pipe", fmt.Sprintf("file:%s/%d", dir, i))
	}
	if len(v.Streams) == 0 {
		return nil
	}
	ffmpegtest.Run(t, args...)
	var found []string
	for i := range v.Streams {
		found = append(found, describe(t, filepath.Join(dir, strconv.Itoa(i))))
	}
	return found
}

func describe(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, kind, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	b := m.Bounds()
	return fmt.Sprintf("%s %dx%d %s %s", kind, b.Dx(), b.Dy(), colour(m, b.Dx()/2, b.Dy()/2), colour(m, 0, 0))
}

// colour names what is near enough.
func colour(m image.Image, x, y int) string {
	r, g, b, _ := m.At(x, y).RGBA()
	name := ""
	for _, c := range []struct {
		name  string
		value uint32
	}{{"r", r}, {"g", g}, {"b", b}} {
		if c.value > 0xa000 {
			name += c.name
		} else if c.value > 0x4000 {
			return fmt.Sprint(r, g, b)
		}
	}
	return name
}

// TestEncodeArt puts pictures into every container that holds them.
func TestEncodeArt(t *testing.T) {
	t.Parallel()
	e := newEncoder(t, ffmpeg.Config{})
	red, blue, lime := draw(t, "r.png", "red", "200x100"), draw(t, "b.jpg", "blue", "100x200"), draw(t, "g.gif", "lime", "60x60")
	clear := filepath.Join(t.TempDir(), "clear.png")
	ffmpegtest.Run(t, "-f", "lavfi", "-i", "color=red@0:s=50x50:d=1,format=rgba", "-frames:v", "1", clear)
	piece := func(path, sizing, padding, format string) transcode.Picture {
		return transcode.Picture{Path: path, MaxWidth: 120, MaxHeight: 120, SizingPolicy: sizing, PaddingPolicy: padding, Format: format}
	}
	given := []transcode.Picture{
		piece(red, "Fit", "Pad", ""), piece(blue, "Fill", "NoPad", "png"), piece(lime, "Keep", "", ""), piece(red, "ShrinkToFit", "NoPad", "jpg"), piece(clear, "", "", "jpg"),
	}
	made := []string{"png 120x120 r rgb", "png 120x120 b b", "png 60x60 g g", "jpeg 120x60 r r", "jpeg 120x120 rgb rgb"}
	own := []string{"png 200x100 r r", "jpeg 100x200 b b"}
	input := withCovers(t, "a.mp3", red, blue)
	for _, test := range []struct {
		art  *transcode.Art
		want []string
	}{
		{nil, own},
		{&transcode.Art{MergePolicy: "Replace"}, nil},
		{&transcode.Art{MergePolicy: "Replace", Pictures: given}, made},
		{&transcode.Art{MergePolicy: "Prepend", Pictures: given[:1]}, append(slices.Clone(made[:1]), own...)},
		{&transcode.Art{MergePolicy: "Append", Pictures: given[:1]}, append(slices.Clone(own), made[:1]...)},
		{&transcode.Art{MergePolicy: "Append"}, own},
		{&transcode.Art{MergePolicy: "Fallback", Pictures: given}, own},
	} {
		var outputs []transcode.Rendition
		presets := []transcode.Preset{system(t, "300040"), system(t, "300110"), system(t, "100110"), system(t, "300300")}
		if len(test.want) != 3 {
			presets = presets[:1] // the rest goes the same way
		}
		for _, p := range presets {
			outputs = append(outputs, transcode.Rendition{Preset: p, Art: test.art})
		}
		dir := t.TempDir()
		for i := range outputs {
			outputs[i].Name = strconv.Itoa(i)
		}
		encoded, err := e.Encode(t.Context(), transcode.Encoding{Inputs: []transcode.Source{{Path: input}, {Path: input}}, Dir: dir, Outputs: outputs}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, out := range encoded.Outputs {
			want := test.want
			if i == 3 {
				want = nil // WAV holds none
			}
			if got := covers(t, out.Files[0].Path); !slices.Equal(got, want) {
				t.Errorf("%+v: output %d has %q, want %q", test.art, i+1, got, want)
			}
		}
		if files, _ := os.ReadDir(dir); len(files) != len(outputs) {
			t.Errorf("%+v: left are %v", test.art, files)
		}
	}
}

// TestEncodeArtFailures has an output fail for its pictures, and others be made.
func TestEncodeArtFailures(t *testing.T) {
	t.Parallel()
	e := newEncoder(t, ffmpeg.Config{})
	good := draw(t, "a.png", "red", "64x64")
	jpeg := readFile(t, draw(t, "a.jpg", "red", "640x480"))
	input := withCovers(t, "a.flac", good)
	write := func(name, content string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	one := func(path string) *transcode.Art {
		return &transcode.Art{MergePolicy: "Replace", Pictures: []transcode.Picture{{Path: path, MaxWidth: 600, MaxHeight: 600}}}
	}
	many := one(good)
	for len(many.Pictures) < 20 {
		many.Pictures = append(many.Pictures, many.Pictures[0])
	}
	many.MergePolicy = "Append"
	outputs := []transcode.Rendition{
		{Art: one(write("a.png", ""))}, {Art: one(write("a.png", "no picture"))},
		{Art: one(write("a.png", `<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>`))},
		{Art: one(write("a.jpg", string(jpeg[:len(jpeg)/2])))}, {Art: one(write("a.png", string(readFile(t, good)[:60])))},
		{Art: one(draw(t, "a.png", "red", "4097x32"))}, {Art: one(draw(t, "a.png", "red", "32x3073"))},
		{Art: many}, {Art: one(good)},
	}
	for i := range outputs {
		outputs[i].Preset = system(t, "300040")
	}
	encoded, err := encodeAll(t, e, []transcode.Source{{Path: input}}, outputs...)
	if err != nil {
		t.Fatal(err)
	}
	for i, code := range []int{4010, 4010, 4010, 4010, 4010, 4012, 4012, 4009, 0} {
		f := encoded.Outputs[i].Failure
		if code == 0 && f == nil || code != 0 && f != nil && f.Code == code && f.Reason != "" && f.Remedy != "" {
			continue
		}
		t.Errorf("output %d: %+v, want code %d", i+1, f, code)
	}
	if _, err = encodeAll(t, e, []transcode.Source{{Path: input}}, transcode.Rendition{Preset: system(t, "300040"), Art: one("/nowhere")}); err == nil || errors.As(err, new(*transcode.Failure)) {
		t.Errorf("without the file: %v", err)
	}
}

// TestEncodeOwnArtFailures has an input whose pictures cannot be kept.
func TestEncodeOwnArtFailures(t *testing.T) {
	t.Parallel()
	e := newEncoder(t, ffmpeg.Config{})
	broken := readFile(t, withCovers(t, "a.flac", draw(t, "a.png", "red", "640x480")))
	data := strings.Index(string(broken), "IDAT")
	copy(broken[data+20:data+40], random(20))
	path := filepath.Join(t.TempDir(), "a.flac")
	if err := os.WriteFile(path, broken, 0o600); err != nil {
		t.Fatal(err)
	}
	var two []string
	for range 21 {
		two = append(two, draw(t, "a.png", "red", "32x32"))
	}
	for name, test := range map[string]struct {
		input string
		code  int
	}{
		"broken":    {path, 4011},
		"too large": {withCovers(t, "a.mp3", draw(t, "a.png", "red", "4098x32")), 4013},
		"a bitmap":  {withCovers(t, "a.flac", draw(t, "a.bmp", "red", "32x32")), 4011},
		"too many":  {withCovers(t, "a.flac", two...), 4009},
	} {
		encoded, err := encodeAll(t, e, []transcode.Source{{Path: test.input}},
			transcode.Rendition{Preset: system(t, "100110"), Art: &transcode.Art{MergePolicy: "Append"}}, transcode.Rendition{Preset: system(t, "100110")})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if f := encoded.Outputs[0].Failure; f == nil || f.Code != test.code {
			t.Errorf("%s: %+v, want code %d", name, f, test.code)
		}
		if f := encoded.Outputs[1].Failure; f != nil {
			t.Errorf("%s: without pictures: %+v", name, f)
		}
	}
}
