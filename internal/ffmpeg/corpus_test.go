package ffmpeg_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"etude/internal/ffmpeg"
	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/transcode"
)

// odd is a file that somebody may upload, and what is to come of it: samples, or
// a failure's code.
type odd struct {
	content []byte
	preset  string // the name of a file that says what is made; empty for a.wav
	code    int    // of the failure; 0 for none
	samples int64  // per channel
	off     int64  // by how many there may be more or fewer
	remark  string // an expression that the remark matches; empty for no remark
}

// made is a clip of ffmpeg's making.
func made(t *testing.T, spec ffmpegtest.Spec) []byte {
	return readFile(t, ffmpegtest.Clip(t, spec))
}

// corpus returns odd files by what is odd about them.
func corpus(t *testing.T) map[string]odd {
	const second = 44100
	mp3 := made(t, ffmpegtest.Spec{Name: "a.mp3", Samples: second})
	bare := made(t, ffmpegtest.Spec{Name: "bare.mp3", Samples: second, Args: []string{"-write_xing", "0", "-id3v2_version", "0"}})
	vbr := made(t, ffmpegtest.Spec{Name: "vbr.mp3", Samples: second, Args: []string{"-write_xing", "0", "-id3v2_version", "0", "-q:a", "5"}})
	flac := made(t, ffmpegtest.Spec{Name: "a.flac", Samples: second, Args: []string{"-sample_fmt", "s16"}})
	wav := made(t, ffmpegtest.Spec{Samples: second})
	all := map[string]odd{
		"0 bytes":    {content: nil, code: 4000},
		"1 byte":     {content: []byte{0xff}, code: 4000},
		"garbage":    {content: random(100_000), code: 4000},
		"zeros":      {content: make([]byte, 100_000), code: 4000},
		"text":       {content: []byte(strings.Repeat("All work and no play. ", 1000)), code: 4000},
		"html":       {content: []byte("<!DOCTYPE html><html><body>404 Not Found</body></html>"), code: 4000},
		"zip":        {content: append([]byte("PK\x03\x04"), random(5000)...), code: 4000},
		"pdf":        {content: append([]byte("%PDF-1.7\n"), random(5000)...), code: 4000},
		"cover only": {content: readFile(t, draw(t, "a.jpg", "red", "64x64")), code: 4000},

		"tag without music":   {content: id3(frame("TIT2", "\x00x")), code: 4000},
		"mp3 in garbage":      {content: slices.Concat(random(3000), mp3), samples: second, off: 3 * 1152, remark: ".*"},
		"garbage after mp3":   {content: slices.Concat(mp3, random(3000)), samples: second, off: 3 * 1152, remark: ".*"},
		"mp3 twice":           {content: slices.Concat(bare, bare), samples: 2 * second, off: 6 * 1152},
		"vbr without header":  {content: vbr, samples: second, off: 3 * 1152},
		"xing promises more":  {content: lyingXing(t, mp3), samples: second, off: 3 * 1152, remark: "^This file ends after 1 second; its header promises "},
		"id3v1":               {content: slices.Concat(bare, id3v1()), samples: second, off: 3 * 1152},
		"wav header alone":    {content: wav[:44], code: 4000},
		"wav promises more":   {content: lyingWAV(wav, 100<<20), samples: second, remark: "^This file ends after 1 second; its header promises 9 minutes"},
		"wav without size":    {content: lyingWAV(wav, 0xffffffff), samples: second, remark: ".*"},
		"wav odd byte":        {content: wav[:len(wav)-1], samples: second - 1, off: 1, remark: ".*"},
		"flac without length": {content: flacWithout(flac), samples: second},
		"flac flipped bits":   {content: flipped(flac), samples: second, off: 8192, remark: "damaged"},
		"mp3 flipped bits":    {content: flipped(mp3), samples: second, off: 4 * 1152, remark: ".*"},
	}
	for name, spec := range map[string]ffmpegtest.Spec{
		"8 kHz mono":       {Rate: 8000, Channels: 1},
		"192 kHz":          {Name: "a.flac", Rate: 192000},
		"8 bit":            {Codec: "pcm_u8"},
		"24 bit":           {Codec: "pcm_s24le"},
		"32 bit":           {Codec: "pcm_s32le"},
		"float":            {Codec: "pcm_f32le"},
		"double":           {Codec: "pcm_f64le"},
		"5.1":              {Name: "a.flac", Channels: 6},
		"7.1":              {Name: "a.flac", Channels: 8},
		"mono in stereo":   {Sound: "0.3*sin(2000*t)"},
		"silence":          {Name: "a.flac", Sound: "0"},
		"clipping":         {Sound: "3*sin(2000*t)"},
		"30 ms":            {Samples: 1323},
		"1 sample":         {Samples: 1},
		"alaw":             {Codec: "pcm_alaw", Rate: 8000, Channels: 1},
		"adpcm":            {Codec: "adpcm_ima_wav", Samples: 1017 * 40},
		"aiff":             {Name: "a.aiff"},
		"au":               {Name: "a.au"},
		"caf":              {Name: "a.caf", Codec: "alac"},
		"w64":              {Name: "a.w64"},
		"wavpack":          {Name: "a.wv"},
		"tta":              {Name: "a.tta"},
		"alac":             {Name: "a.m4a", Codec: "alac"},
		"wrong extension":  {Name: "a.mp3", Codec: "pcm_s16le", Args: []string{"-f", "wav"}},
		"no extension":     {Name: "a", Args: []string{"-f", "flac"}},
		"unicode tags":     {Name: "a.flac", Tags: map[string]string{"title": "歌 \U0001F3B5 שיר \u202e", "artist": strings.Repeat("長", 5000)}},
		"matroska, vorbis": {Name: "a.mka", Codec: "libvorbis"},
		"opus":             {Name: "a.opus", Codec: "libopus", Rate: 48000},
		"adts":             {Name: "a.aac"},
		"mp2":              {Name: "a.mp2"},
		"ac3":              {Name: "a.ac3", Channels: 6},
	} {
		o := odd{samples: spec.Samples}
		if o.samples == 0 {
			o.samples = int64(max(spec.Rate, 44100))
			if spec.Rate > 0 {
				o.samples = int64(spec.Rate)
			}
		}
		switch name {
		case "matroska, vorbis", "opus", "adts", "mp2", "ac3":
			o.off, o.remark = 3*1536, "^$|.*"
		}
		o.content = made(t, spec)
		all[name] = o
	}
	film := filepath.Join(t.TempDir(), "film.mp4")
	chapters := filepath.Join(t.TempDir(), "chapters.m4a")
	meta := filepath.Join(t.TempDir(), "meta.txt")
	text := ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=500\nEND=1000\ntitle=Two\n"
	writeTo(t, meta, []byte(text))
	ffmpegtest.Run(t, "-f", "lavfi", "-i", "testsrc=s=64x64:d=1", "-f", "lavfi", "-i", "sine=d=1", "-c:v", "mpeg4", "-c:a", "aac", film)
	ffmpegtest.Run(t, "-f", "lavfi", "-i", "sine=d=1", "-i", meta, "-map_metadata", "1", "-c:a", "aac", chapters)
	all["video with audio"] = odd{content: readFile(t, film), samples: second, off: 2048}
	all["chapters"] = odd{content: readFile(t, chapters), samples: second, off: 2048}
	all["cut off at 0 %"] = odd{content: wav[:10], code: 4000}
	all["6 hours"] = odd{
		content: made(t, ffmpegtest.Spec{Name: "long.flac", Rate: 8000, Channels: 1, Samples: 6 * 3600 * 8000, Sound: "0"}),
		preset:  "a.flac", samples: 6 * 3600 * 8000,
	}
	truncated(t, all)
	return all
}

// truncated adds files of six seconds that end after each tenth of their
// bytes. Those whose head says how long they are promise more than there is.
func truncated(t *testing.T, all map[string]odd) {
	const samples = 6 * 44100
	promises := "^This file ends after .*; its header promises 6 seconds\\.$"
	for _, kind := range []struct {
		spec   ffmpegtest.Spec
		remark string
		never  int // up to so many tenths, nothing can be decoded
	}{
		{ffmpegtest.Spec{Name: "a.mp3", Args: []string{"-b:a", "128k"}}, promises, 0},
		{ffmpegtest.Spec{Name: "a.flac"}, promises, 0},
		{ffmpegtest.Spec{Name: "a.wav"}, promises, 0},
		{ffmpegtest.Spec{Name: "a.ogg", Codec: "libvorbis"}, "^$|damaged", 2},
		{ffmpegtest.Spec{Name: "fast.m4a", Args: []string{"-movflags", "+faststart"}}, promises, 0},
		{ffmpegtest.Spec{Name: "a.m4a"}, "", 9},
	} {
		spec := kind.spec
		spec.Samples = samples
		whole := made(t, spec)
		for tenth := 1; tenth < 10; tenth++ {
			o := odd{content: whole[:len(whole)*tenth/10], samples: int64(samples * tenth / 10), off: samples / 4, remark: kind.remark}
			if tenth <= kind.never {
				o = odd{content: o.content, code: 4000}
			}
			all[fmt.Sprintf("%s, %d0 %%", spec.Name, tenth)] = o
		}
	}
}

func writeTo(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// lyingXing has a header promise ten times the frames that there are.
func lyingXing(t *testing.T, mp3 []byte) []byte {
	lying := slices.Clone(mp3)
	at := bytes.Index(lying, []byte("Xing"))
	if at < 0 {
		at = bytes.Index(lying, []byte("Info"))
	}
	if at < 0 {
		t.Fatal("there is no Xing header")
	}
	frames := lying[at+8 : at+12]
	binary.BigEndian.PutUint32(frames, 10*binary.BigEndian.Uint32(frames))
	return lying
}

// lyingWAV has the chunk of samples have another size than it has.
func lyingWAV(wav []byte, size uint32) []byte {
	lying := slices.Clone(wav)
	at := bytes.Index(lying, []byte("data"))
	binary.LittleEndian.PutUint32(lying[at+4:], size)
	binary.LittleEndian.PutUint32(lying[4:], size)
	return lying
}

// flacWithout has a FLAC not say how many samples there are.
func flacWithout(flac []byte) []byte {
	without := slices.Clone(flac)
	without[21] &= 0xf0
	copy(without[22:26], []byte{0, 0, 0, 0})
	return without
}

// flipped flips a bit in each of some bytes after the head.
func flipped(content []byte) []byte {
	bad := slices.Clone(content)
	for at := len(bad) / 3; at < len(bad); at += len(bad) / 7 {
		bad[at] ^= 0x10
	}
	return bad
}

func id3v1() []byte {
	tag := make([]byte, 128)
	copy(tag, "TAG"+"Title")
	return tag
}

// TestCorpus makes something of every odd file, or says why not.
func TestCorpus(t *testing.T) {
	e := newEncoder(t, ffmpeg.Config{})
	for name, o := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			preset, err := ffmpeg.PresetFor(cmp.Or(o.preset, "a.wav"))
			if err != nil {
				t.Fatal(err)
			}
			encoded, err := encode(t, e, writeFile(t, o.content), preset)
			if o.code != 0 {
				wantFailure(t, err, o.code, "")
				return
			}
			var f *transcode.Failure
			if errors.As(err, &f) {
				t.Fatalf("failure is %+v", f)
			}
			if err != nil {
				t.Fatal(err)
			}
			out := encoded.Outputs[0]
			if n := out.Made.Samples; out.Failure != nil || n < o.samples-o.off || n > o.samples+o.off {
				t.Errorf("%d samples, want %d within %d; %+v", n, o.samples, o.off, out.Failure)
			}
			remark := o.remark
			if remark == "" {
				remark = "^$"
			}
			if !regexp.MustCompile(remark).MatchString(out.Remark) {
				t.Errorf("remark is %q, want %s", out.Remark, remark)
			}
		})
	}
}
