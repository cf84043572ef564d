package audiofile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/audiofile"
	"etude/internal/ffmpeg/ffmpegtest"
)

// TestID3 writes a tag, reads it again, and has ffmpeg read it too.
func TestID3(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("…", 300)
	tags := []audiofile.Tag{
		{"title", "Lied ♫ 😀"}, {"artist", "One;Two"}, {"album_artist", "Various"}, {"track", "3/12"}, {"disc", "1/2"}, {"genre", "Rock"},
		{"composer", "C"}, {"comment", "a\nb"}, {"lyrics", "la\nлю"}, {"bpm", "121"}, {"TKEY", "Am"}, {"mood", "ünder"}, {"long", long}, {"date", "2001-02-03"},
	}
	picture := bytes.Repeat([]byte{7}, 1000)
	tag := audiofile.ID3{Tags: append(slices.Clone(tags), audiofile.Tag{Name: "empty"}), Padding: 100}
	for range 2 {
		tag.Pictures = append(tag.Pictures, audiofile.Picture{MIME: "image/png", Size: int64(len(picture)), Data: bytes.NewReader(picture)})
	}
	var out bytes.Buffer
	if err := tag.Write(&out); err != nil {
		t.Fatal(err)
	}
	if n := audiofile.ID3Length(out.Bytes()); n != tag.Size() || n != int64(out.Len()) {
		t.Errorf("it says %d bytes, promised were %d, there are %d", n, tag.Size(), out.Len())
	}
	if n := bytes.Count(out.Bytes(), picture); n != 2 {
		t.Errorf("%d pictures are in it", n)
	}
	got, err := audiofile.ReadID3(bytes.NewReader(out.Bytes()))
	if diff := cmp.Diff(tags, got); err != nil || diff != "" {
		t.Errorf("read back (-want +got), %v:\n%s", err, diff)
	}
	sound, err := os.ReadFile(ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "a.mp3", Samples: 22050, Args: []string{"-id3v2_version", "0"}}))
	if err != nil {
		t.Fatal(err)
	}
	tag.Pictures = nil
	out.Reset()
	if err := tag.Write(&out); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.mp3")
	if err := os.WriteFile(path, append(out.Bytes(), sound...), 0o600); err != nil {
		t.Fatal(err)
	}
	there := ffmpegtest.Probe(t, path).Tags
	for _, want := range tags {
		name := map[string]string{"lyrics": "lyrics-eng", "bpm": "tbpm", "TKEY": "tkey"}[want.Name]
		if name == "" {
			name = want.Name
		}
		if there[name] != want.Value {
			t.Errorf("ffmpeg reads %s as %q, want %q", name, there[name], want.Value)
		}
	}
	out.Reset()
	private := audiofile.ID3{Tags: []audiofile.Tag{{"id3v2_priv.WM/Owner", `a\xff\x00\x5cb`}}}
	if err := private.Write(&out); err != nil || !bytes.HasSuffix(out.Bytes(), []byte("PRIV\x00\x00\x00\x0e\x00\x00WM/Owner\x00a\xff\x00\\b")) {
		t.Errorf("a private frame is %q, %v", out.Bytes(), err)
	}
	short := audiofile.ID3{Pictures: []audiofile.Picture{{MIME: "image/png", Size: 10, Data: strings.NewReader("x")}}}
	if err := short.Write(io.Discard); err == nil {
		t.Error("a picture was shorter than promised")
	}
	huge := audiofile.ID3{Padding: audiofile.MaxID3}
	if err := huge.Write(io.Discard); err == nil {
		t.Error("a tag of 256 MiB was written")
	}
}

// TestDates writes what dates there are, and loses nothing.
func TestDates(t *testing.T) {
	t.Parallel()
	for _, date := range []string{"2001", "2001-02-03", "2001-02-03T04:05", "2001-02", "in 2001", "2001-02-03/04", "20010203"} {
		var out bytes.Buffer
		tag := audiofile.ID3{Tags: []audiofile.Tag{{"date", date}}}
		if err := tag.Write(&out); err != nil {
			t.Fatal(err)
		}
		got, err := audiofile.ReadID3(bytes.NewReader(out.Bytes()))
		if want := tag.Tags; err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v", date, got, err)
		}
	}
}

// TestReadID3 reads what other programs write.
func TestReadID3(t *testing.T) {
	t.Parallel()
	frame := func(version byte, kind, flags, body string) string {
		n := uint32(len(body))
		if version == 4 {
			n = n&127 | n<<1&0x7f00
		}
		return kind + string(binary.BigEndian.AppendUint32(nil, n)) + flags + body
	}
	v3 := func(kind, body string) string { return frame(3, kind, "\x00\x00", body) }
	v4 := func(kind, body string) string { return frame(4, kind, "\x00\x00", body) }
	tag := func(version, flags byte, frames ...string) string {
		body := strings.Join(frames, "")
		n := len(body)
		return "ID3" + string([]byte{version, 0, flags, 0, 0, byte(n >> 7), byte(n & 127)}) + body
	}
	for name, test := range map[string]struct {
		raw  string
		want string // nil
	}{
		"latin1":            {tag(3, 0, v3("TIT2", "\x00\xdcber\x00")), "[{title Über}]"},
		"UTF-16":            {tag(3, 0, v3("TIT2", "\x01\xfe\xff\x00\xdc\x26\x6b\x00\x00")), "[{title Ü♫}]"},
		"UTF-8":             {tag(4, 0, v4("TIT2", "\x03Ü\xff")), "[{title Ü\ufffd}]"},
		"values":            {tag(4, 0, v4("TPE1", "\x03A\x00B")), "[{artist A;B}]"},
		"own":               {tag(3, 0, v3("TXXX", "\x00mood\x00dark"), v3("TKEY", "\x00Am")), "[{mood dark} {TKEY Am}]"},
		"described":         {tag(3, 0, v3("COMM", "\x00engiTunNORM\x00 00"), v3("COMM", "\x00deu\x00said")), "[{iTunNORM  00} {comment said}]"},
		"lyrics":            {tag(3, 0, v3("USLT", "\x00deu\x00la\nla")), "[{lyrics la\nla}]"},
		"genre":             {tag(3, 0, v3("TCON", "\x00(17)")), "[{genre Rock}]"},
		"refined":           {tag(3, 0, v3("TCON", "\x00(17)Krautrock")), "[{genre Krautrock}]"},
		"number":            {tag(4, 0, v4("TCON", "\x0317")), "[{genre Rock}]"},
		"no number":         {tag(4, 0, v4("TCON", "\x033rd wave")), "[{genre 3rd wave}]"},
		"date of 2.4":       {tag(4, 0, v4("TDRC", "\x032001-02")), "[{date 2001-02}]"},
		"unsynchronised":    {tag(3, 0x80, v3("TIT2", "\x00\xff\xe0")[:12]+"\x00\xe0"), "[{title ÿà}]"},
		"unsynchronised, 4": {tag(4, 0, frame(4, "TIT2", "\x00\x03", "\x00\x00\x00\x03\x00\xff\x00\xe0")), "[{title ÿà}]"},
		"extended":          {tag(3, 0x40, "\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00", v3("TIT2", "\x00x")), "[{title x}]"},
		"extended, 4":       {tag(4, 0x40, "\x00\x00\x00\x06\x01\x00", v4("TIT2", "\x00x")), "[{title x}]"},
		"packed":            {tag(3, 0, frame(3, "TIT2", "\x00\x80", "\x00\x00\x00\x01x"), v3("TALB", "\x00y")), "[{album y}]"},
		"twice, empty":      {tag(3, 0, v3("TIT2", "\x00"), v3("TIT2", "\x00x"), v3("TIT2", "\x00y")), "[{title x}]"},
		"cut":               {tag(3, 0, v3("TIT2", "\x00x"), v3("TALB", "\x00yyyy")[:12]), "[{title x}]"},
		"no text":           {tag(3, 0, v3("TIT2", ""), v3("COMM", "\x00e"), v3("TXXX", "\x05")), "[]"},
		"padding":           {tag(3, 0, v3("TIT2", "\x00x"), strings.Repeat("\x00", 50)), "[{title x}]"},
	} {
		got, err := audiofile.ReadID3(strings.NewReader(test.raw))
		if err != nil || fmt.Sprint(got) != test.want {
			t.Errorf("%s: got %v, %v; want %s", name, got, err, test.want)
		}
		for n := range test.raw { // whatever comes, it does not panic
			_, _ = audiofile.ReadID3(strings.NewReader(test.raw[:n]))
			broken := []byte(test.raw)
			broken[n] ^= 0xff
			_, _ = audiofile.ReadID3(bytes.NewReader(broken))
		}
	}
	for _, raw := range []string{"", "ID3", "TAG", tag(2, 0), tag(5, 0)} {
		if got, err := audiofile.ReadID3(strings.NewReader(raw)); err == nil {
			t.Errorf("%q was read as %v", raw, got)
		}
	}
	// What a head promises is not set aside before it is there.
	lie := "ID3\x03\x00\x80\x7f\x7f\x7f\x7fTIT2"
	if got, err := audiofile.ReadID3(strings.NewReader(lie)); err == nil {
		t.Errorf("a tag of 256 MiB was read as %v", got)
	}
}

// TestAppendChunk puts tags behind the sound of WAVs of all kinds, which stay as
// they were.
func TestAppendChunk(t *testing.T) {
	t.Parallel()
	tag := audiofile.ID3{Tags: []audiofile.Tag{{"title", "x"}}}
	odd := audiofile.ID3{Tags: []audiofile.Tag{{"title", "xy"}}}
	for name, test := range map[string]struct {
		spec ffmpegtest.Spec
		tag  audiofile.ID3
	}{
		"even":      {ffmpegtest.Spec{Samples: 5000}, tag},
		"odd":       {ffmpegtest.Spec{Samples: 5000}, odd},
		"odd sound": {ffmpegtest.Spec{Samples: 5001, Codec: "pcm_u8", Channels: 1}, tag},
		"list":      {ffmpegtest.Spec{Samples: 5000, Tags: map[string]string{"title": "odd", "artist": "y"}}, tag},
		"rf64":      {ffmpegtest.Spec{Samples: 5000, Args: []string{"-rf64", "always"}}, odd},
		"reserved":  {ffmpegtest.Spec{Samples: 5000, Args: []string{"-rf64", "auto"}}, tag},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := ffmpegtest.Clip(t, test.spec)
			before := ffmpegtest.Decode(t, path)
			file, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			_, size := open(t, path)
			if err := audiofile.AppendChunk(file, size, "id3 ", test.tag.Size(), test.tag.Write); err != nil {
				t.Fatal(err)
			}
			_, size = open(t, path)
			w, err := audiofile.ReadWAV(file, size)
			if err != nil || w.Samples != test.spec.Samples || !w.Extra {
				t.Errorf("read back %+v, %v", w, err)
			}
			chunk, err := audiofile.FindChunk(file, size, "ID3 ", "id3 ")
			if err != nil || chunk == nil {
				t.Fatalf("its chunk is %v, %v", chunk, err)
			}
			got, err := audiofile.ReadID3(chunk)
			if err != nil || !slices.Equal(got, test.tag.Tags) {
				t.Errorf("its tags are %v, %v", got, err)
			}
			if !bytes.Equal(before, ffmpegtest.Decode(t, path)) {
				t.Error("it sounds different")
			}
		})
	}
}

// sparse is a file that is zeros but for its beginning and its end.
type sparse struct {
	head []byte
	size int64
	tail bytes.Buffer
}

func (s *sparse) ReadAt(p []byte, at int64) (int, error) {
	clear(p)
	if at < int64(len(s.head)) {
		copy(p, s.head[at:])
	} else if at >= s.size {
		return copy(p, s.tail.Bytes()[at-s.size:]), nil
	}
	return len(p), nil
}

func (s *sparse) WriteAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) <= int64(len(s.head)) {
		return copy(s.head[at:], p), nil
	}
	if at != s.size+int64(s.tail.Len()) {
		return 0, errors.New("the sound is written to")
	}
	return s.tail.Write(p)
}

// TestAppendChunkLarge makes an RF64 of a RIFF that becomes larger than 4 GiB, or
// leaves it as it is where there is no room for that.
func TestAppendChunkLarge(t *testing.T) {
	t.Parallel()
	le := binary.LittleEndian
	make4GiB := func(reserve string) *sparse {
		head := []byte("RIFF\x00\x00\x00\x00WAVE" + reserve + "fmt \x10\x00\x00\x00\x01\x00\x02\x00\x44\xac\x00\x00\x10\xb1\x02\x00\x04\x00\x10\x00data")
		data := uint32(0xffffffff-len(head)) &^ 3
		head = le.AppendUint32(head, data)
		s := &sparse{head: head, size: int64(len(head)) + int64(data)}
		le.PutUint32(s.head[4:], uint32(s.size-8))
		return s
	}
	tag := audiofile.ID3{Tags: []audiofile.Tag{{"title", "x"}}}
	s := make4GiB("JUNK\x1c\x00\x00\x00" + strings.Repeat("\x00", 28))
	if err := audiofile.AppendChunk(s, s.size, "id3 ", tag.Size(), tag.Write); err != nil {
		t.Fatal(err)
	}
	size := s.size + int64(s.tail.Len())
	w, err := audiofile.ReadWAV(s, size)
	if err != nil || !w.Large || w.Samples != int64(le.Uint32(s.head[len(s.head)-4:]))/4 {
		t.Errorf("it is %+v, %v", w, err)
	}
	if chunk, err := audiofile.FindChunk(s, size, "id3 "); err != nil || chunk == nil || chunk.Size() != tag.Size() {
		t.Errorf("its chunk is %v, %v", chunk, err)
	}
	for _, reserve := range []string{"", "JUNK\x08\x00\x00\x00" + strings.Repeat("\x00", 8)} {
		s := make4GiB(reserve)
		was := bytes.Clone(s.head)
		err := audiofile.AppendChunk(s, s.size, "id3 ", tag.Size(), tag.Write)
		if !errors.Is(err, audiofile.ErrNoRoom) || !bytes.Equal(was, s.head) || s.tail.Len() > 0 {
			t.Errorf("error is %v", err)
		}
	}
}

// TestFindChunk looks into files that are none, or lie.
func TestFindChunk(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"": "", "RIFF": "", "RIFX\x00\x00\x00\x00WAVEid3 \x01\x00\x00\x00x": "",
		"RIFF\x00\x00\x00\x00WAVEid3 \x01\x00\x00\x00x":                                "x",
		"RIFF\x00\x00\x00\x00WAVEodd \x01\x00\x00\x00x\x00id3 \x02\x00\x00\x00ab":      "ab",
		"RIFF\x00\x00\x00\x00WAVEid3 \xff\xff\xff\xffrest":                             "rest",
		"RIFF\x00\x00\x00\x00WAVEdata\xff\xff\xff\xff....id3 \x01\x00\x00\x00x":        "",
		"RF64\x00\x00\x00\x00WAVEdata\xff\xff\xff\xff....id3 \x01\x00\x00\x00x":        "",
		"RIFF\x00\x00\x00\x00WAVE" + strings.Repeat("null\x00\x00\x00\x00", 1<<13):     "",
		"RIFF\x00\x00\x00\x00WAVEJUNK\x00\x00\x00\x00id3 \x00\x00\x00\x00id3 \x00\x00": "",
	} {
		chunk, err := audiofile.FindChunk(strings.NewReader(raw), int64(len(raw)), "id3 ")
		if err != nil {
			t.Errorf("%q: %v", raw, err)
			continue
		}
		got := []byte(nil)
		if chunk != nil {
			if got, err = io.ReadAll(chunk); err != nil {
				t.Error(err)
			}
		}
		if string(got) != want {
			t.Errorf("%.80q: found %q, want %q", raw, got, want)
		}
	}
}

// TestAPE reads tags that hold together, and no others.
func TestAPE(t *testing.T) {
	t.Parallel()
	le := binary.LittleEndian
	item := func(name, value string, flags uint32) string {
		return string(le.AppendUint32(le.AppendUint32(nil, uint32(len(value))), flags)) + name + "\x00" + value
	}
	foot := func(version, size, count uint32) string {
		b := []byte("APETAGEX")
		for _, v := range []uint32{version, size, count, 0x80000000, 0, 0} {
			b = le.AppendUint32(b, v)
		}
		return string(b)
	}
	tag := func(version uint32, items ...string) string {
		body := strings.Join(items, "")
		return body + foot(version, uint32(len(body)+32), uint32(len(items)))
	}
	sound := strings.Repeat("sound", 50)
	picture := item("Cover Art (Front)", "a.png\x00\x01\x02\x00\x03", 2)
	good := sound + tag(2000, item("Title", "Ü", 0), item("Artist", "A\x00B", 0), item("Empty", "", 0), item("title", "again", 0), item("Link", "http://x", 4), picture)
	for name, test := range map[string]struct {
		raw, want string
		pictures  int
	}{
		"good":         {good, "[{Title Ü} {Artist A;B}]", 1},
		"before ID3v1": {good + "TAG" + strings.Repeat(" ", 125), "[{Title Ü} {Artist A;B}]", 1},
		"version 1":    {sound + tag(1000, item("Title", "\xdc", 0)), "[{Title Ü}]", 0},
		"version 3":    {sound + tag(3000, item("Title", "x", 0)), "[]", 0},
		"none":         {sound, "[]", 0},
		"empty file":   {"", "[]", 0},
		"many":         {sound + item("Title", "x", 0) + foot(2000, 32+15, 1<<31), "[{Title x}]", 0},
		"short item":   {sound + strings.Replace(tag(2000, item("Title", "x", 0)), "\x01\x00\x00\x00", "\xff\xff\xff\xff", 1), "[]", 0},
		"too long":     {sound + foot(2000, 1<<20, 1), "[]", 0},
		"too short":    {sound + foot(2000, 31, 1), "[]", 0},
		"bad name":     {sound + tag(2000, item("T\nx", "x", 0), item("x", "x", 0), item("Title", "x", 0)), "[{Title x}]", 0},
	} {
		got, pictures, err := audiofile.APE(strings.NewReader(test.raw), int64(len(test.raw)))
		if err != nil || fmt.Sprint(got) != test.want || len(pictures) != test.pictures {
			t.Errorf("%s: got %v, %d pictures, %v; want %s", name, got, len(pictures), err, test.want)
		}
		if test.pictures == 1 && string(pictures[0]) != "\x01\x02\x00\x03" {
			t.Errorf("%s: picture is %q", name, pictures[0])
		}
	}
	for n := range good[len(sound):] {
		broken := []byte(good)
		broken[len(sound)+n] ^= 0xff
		_, _, _ = audiofile.APE(bytes.NewReader(broken), int64(len(broken)))
	}
}

// TestSplitPictures makes several comments of one, in Vorbis and in FLAC, and
// refuses what is no Ogg. That what it makes is Ogg, ffmpeg says in the engine's
// tests.
func TestSplitPictures(t *testing.T) {
	t.Parallel()
	for _, codec := range []string{"libvorbis", "flac"} {
		one := strings.Repeat("A", 70000) // more than a page
		path := ffmpegtest.Clip(t, ffmpegtest.Spec{Name: codec + ".ogg", Codec: codec, Samples: 22050, Tags: map[string]string{
			audiofile.PictureComment: one + audiofile.NextPicture + "BBBB" + audiofile.NextPicture + "CC", "title": "x",
		}})
		before, _ := open(t, path)
		raw, err := io.ReadAll(before)
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if err := audiofile.SplitPictures(file); err != nil {
			t.Fatal(err)
		}
		facts := ffmpegtest.Probe(t, path)
		if got := facts.Tags["title"]; got != "x" || facts.Samples < 22050-128 {
			t.Errorf("%s: title is %q, of %d samples", codec, got, facts.Samples)
		}
		after, _ := open(t, path)
		now, err := io.ReadAll(after)
		if err != nil || len(now) != len(raw) {
			t.Errorf("%s: %d bytes, were %d; %v", codec, len(now), len(raw), err)
		}
		for _, want := range []string{"\x1b\x00\x00\x00METADATA_BLOCK_PICTURE=BBBB", "\x19\x00\x00\x00METADATA_BLOCK_PICTURE=CC"} {
			if !bytes.Contains(now, []byte(want)) {
				t.Errorf("%s: %q is missing", codec, want)
			}
		}
		if err := audiofile.SplitPictures(file); err != nil { // what is split stays
			t.Error(err)
		}
		for n := range 3000 {
			broken := filepath.Join(t.TempDir(), "x")
			if n%100 > 0 {
				continue
			}
			if err := os.WriteFile(broken, raw[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(broken, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := audiofile.SplitPictures(f); err == nil {
				t.Errorf("%s: %d bytes are a file", codec, n)
			}
			f.Close()
		}
	}
}
