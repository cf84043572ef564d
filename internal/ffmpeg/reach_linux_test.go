package ffmpeg_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"etude/internal/ffmpeg"
	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/transcode"
)

// bait is what hostile inputs name: a file of sound, and an address. It tells
// whether anybody has opened the one or called at the other.
type bait struct {
	file  string // absolute path; the same sound is in file.mp3 beside it
	url   string // without a file's name
	watch int    // an inotify instance on both files
	calls atomic.Int64
}

func layBait(t *testing.T) *bait {
	t.Helper()
	b := &bait{file: ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "secret.ts", Codec: "aac"})}
	mp3 := filepath.Join(filepath.Dir(b.file), "secret.mp3")
	ffmpegtest.Run(t, "-i", b.file, mp3)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.calls.Add(1)
			c.Close()
		}
	}()
	b.url = "http://" + l.Addr().String() + "/"
	if b.watch, err = syscall.InotifyInit1(syscall.IN_NONBLOCK | syscall.IN_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{b.file, mp3} {
		if _, err := syscall.InotifyAddWatch(b.watch, path, syscall.IN_OPEN|syscall.IN_ACCESS); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		l.Close()
		<-ended
		syscall.Close(b.watch)
	})
	return b
}

// taken says what happened to the bait since it was last asked.
func (b *bait) taken() (opened bool, calls int64) {
	n, err := syscall.Read(b.watch, make([]byte, 4096))
	for more := n; err == nil && more > 0; {
		more, err = syscall.Read(b.watch, make([]byte, 4096))
	}
	return n > 0, b.calls.Swap(0)
}

// hostile are inputs that name other files and addresses, by the names that their
// files have, since some demuxers go by those.
func (b *bait) hostile(t *testing.T) map[string][]byte {
	relative := filepath.Base(b.file)
	m3u := "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:5\n"
	mpd := `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" mediaPresentationDuration="PT5S"><Period>` +
		`<AdaptationSet mimeType="audio/mp4"><Representation id="a" bandwidth="1"><BaseURL>%s</BaseURL></Representation></AdaptationSet></Period></MPD>`
	all := map[string]string{
		"hls/list":                  m3u + "#EXTINF:5,\nfile://" + b.file + "\n#EXT-X-ENDLIST\n",
		"hls/list.m3u8":             m3u + "#EXTINF:5,\n" + b.file + "\n#EXT-X-ENDLIST\n",
		"hls relative/list.m3u8":    m3u + "#EXTINF:5,\n" + relative + "\n#EXT-X-ENDLIST\n",
		"hls named ts/list.ts":      m3u + "#EXTINF:5,\nfile://" + b.file + "\n#EXT-X-ENDLIST\n",
		"hls named mp3/list.mp3":    m3u + "#EXTINF:5,\nfile://" + b.file + "\n#EXT-X-ENDLIST\n",
		"hls web/list":              m3u + "#EXTINF:5,\n" + b.url + "a.ts\n#EXT-X-ENDLIST\n",
		"hls web/list.m3u8":         m3u + "#EXTINF:5,\n" + b.url + "a.ts\n#EXT-X-ENDLIST\n",
		"hls key/list.m3u8":         m3u + "#EXT-X-KEY:METHOD=AES-128,URI=\"" + b.url + "key\"\n#EXTINF:5,\n" + relative + "\n#EXT-X-ENDLIST\n",
		"hls map/list.m3u8":         m3u + "#EXT-X-MAP:URI=\"" + b.url + "init.mp4\"\n#EXTINF:5,\n" + relative + "\n#EXT-X-ENDLIST\n",
		"hls variants/list.m3u8":    "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n" + b.url + "a.m3u8\n",
		"concat/list":               "ffconcat version 1.0\nfile '" + b.file + "'\n",
		"concat relative/list.txt":  "ffconcat version 1.0\nfile " + relative + "\n",
		"concat web/list.ffconcat":  "ffconcat version 1.0\nfile '" + b.url + "a.mp3'\n",
		"dash/list.mpd":             fmt.Sprintf(mpd, "file://"+b.file),
		"dash web/list.mpd":         fmt.Sprintf(mpd, b.url+"a.mp4"),
		"sdp/list.sdp":              "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\na=control:" + b.url + "\n",
		"imf/list.xml":              `<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"><Id>urn:uuid:00000000-0000-0000-0000-000000000000</Id><ContentTitle>` + b.url + `</ContentTitle><EditRate>24 1</EditRate><SegmentList/></CompositionPlaylist>`,
		"m3u/list.m3u":              b.file + "\n" + b.url + "a.mp3\n",
		"pls/list.pls":              "[playlist]\nFile1=" + b.url + "a.mp3\nNumberOfEntries=1\n",
		"asx/list.asx":              `<asx version="3.0"><entry><ref href="` + b.url + `a.wma"/></entry></asx>`,
		"asf reference/list.asf":    "[Reference]\nRef1=" + b.url + "a.asf\n",
		"ram/list.ram":              b.url + "a.rm\n",
		"rtsp text/list":            "rtsptext\n" + b.url + "\n",
		"smil/list.smil":            `<smil><body><audio src="` + b.url + `a.mp3"/></body></smil>`,
		"svg/picture.svg":           b.svg(),
		"ffmetadata/list":           ";FFMETADATA1\ntitle=file://" + b.file + "\n",
		"vobsub/list.idx":           "# VobSub index file, v7 (do not modify this line!)\nsize: 720x576\nid: en, index: 0\ntimestamp: 00:00:01:000, filepos: 000000000\n",
		"text of a filter/list.txt": "amovie=" + b.file + "\n",
	}
	made := map[string][]byte{
		"alias/list.mov":           b.dref(t, "alis"),
		"external url/list.m4a":    b.dref(t, "url "),
		"reference movie/list.mov": b.referenceMovie(),
	}
	for name, content := range all {
		made[name] = []byte(content)
	}
	return made
}

func (b *bait) svg() string {
	return `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file://` + b.file + `">]><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="64" height="64">` +
		`<image xlink:href="` + b.url + `a.png" width="64" height="64"/><image xlink:href="file://` + b.file + `" width="64" height="64"/><text>&x;</text></svg>`
}

func box(kind string, content ...[]byte) []byte {
	all := bytes.Join(content, nil)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(all))), kind...), all...)
}

// dref returns an MP4 whose sound is said to lie in another file.
func (b *bait) dref(t *testing.T, kind string) []byte {
	content := readFile(t, ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "own.m4a", Samples: 22050}))
	var entry []byte
	if kind == "url " {
		entry = box(kind, []byte{0, 0, 0, 0}, []byte(b.url+"a.m4a\x00"))
	} else {
		alias := make([]byte, 150) // as QuickTime writes it, as far as ffmpeg reads it
		binary.BigEndian.PutUint16(alias[4:], 150)
		alias[10] = 6
		copy(alias[11:], "volume")
		path := "/" + b.file
		alias = append(alias, 0, 2, byte(len(path)>>8), byte(len(path)))
		alias = append(alias, path...)
		if len(path)%2 == 1 {
			alias = append(alias, 0)
		}
		alias = append(alias, 0xff, 0xff, 0, 0)
		entry = box(kind, []byte{0, 0, 0, 0}, alias)
	}
	fresh := box("dref", []byte{0, 0, 0, 0, 0, 0, 0, 1}, entry)
	at := bytes.Index(content, []byte("dref")) - 4
	if at < 0 {
		t.Fatal("there is no dref")
	}
	old := int(binary.BigEndian.Uint32(content[at:]))
	grown := len(fresh) - old
	for _, parent := range []string{"moov", "trak", "mdia", "minf", "dinf"} {
		p := bytes.LastIndex(content[:at], []byte(parent)) - 4
		if p < 0 {
			t.Fatalf("there is no %s", parent)
		}
		binary.BigEndian.PutUint32(content[p:], binary.BigEndian.Uint32(content[p:])+uint32(grown))
	}
	return append(append(append([]byte(nil), content[:at]...), fresh...), content[at+old:]...)
}

func (b *bait) referenceMovie() []byte {
	url := b.url + "a.mov\x00"
	rdrf := box("rdrf", []byte{0, 0, 0, 0}, []byte("url "), binary.BigEndian.AppendUint32(nil, uint32(len(url))), []byte(url))
	return append(box("ftyp", []byte("qt  \x00\x00\x00\x00qt  ")), box("moov", box("rmra", box("rmda", rdrf)))...)
}

// fewModes are the strongest sandbox that there is here, and the weakest, in which
// ffmpeg could open and call all that this test can.
var fewModes = []ffmpeg.Mode{ffmpeg.Auto, ffmpeg.Limits}

// TestReachesNothing gives hostile inputs to the engine, and wants no file to be opened and no address to be called. That the bait works
// is shown by an ffmpeg that is let loose on the same inputs.
func TestReachesNothing(t *testing.T) {
	t.Parallel()
	b := layBait(t)
	loose := map[string]bool{} // by what ffmpeg did without the engine
	var encoders []*ffmpeg.Encoder
	for _, mode := range fewModes {
		encoders = append(encoders, newEncoder(t, ffmpeg.Config{Sandbox: mode}))
	}
	dir := filepath.Dir(b.file)
	for name, content := range b.hostile(t) {
		kind, file, _ := strings.Cut(name, "/")
		input := filepath.Join(dir, file)
		if err := os.WriteFile(input, content, 0o600); err != nil {
			t.Fatal(err)
		}
		b.taken()
		for _, e := range encoders {
			_, err := encode(t, e, input, system(t, "300300"))
			if opened, calls := b.taken(); opened || calls > 0 {
				t.Errorf("%s, %s: another file was opened: %v; %d calls", name, e.Sandbox(), opened, calls)
			}
			var f *transcode.Failure
			if err != nil && !errors.As(err, &f) {
				t.Errorf("%s: %v", name, err) // that of an MP4 may well be made of what is in it
			}
		}
		cmd := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-loglevel", "quiet", "-enable_drefs", "1", "-use_absolute_path", "1", "-i", input, "-t", "1", "-f", "null", "-")
		if strings.HasPrefix(kind, "concat") {
			cmd.Args = append(cmd.Args[:4], "-f", "concat", "-safe", "0", "-protocol_whitelist", "file,http,tcp", "-i", input, "-t", "1", "-f", "null", "-")
		} else if !strings.HasSuffix(file, ".mov") {
			cmd.Args = append(cmd.Args[:4], "-protocol_whitelist", "file,http,tcp,crypto,data", "-i", input, "-t", "1", "-f", "null", "-")
		}
		_ = cmd.Run() // it is what it does meanwhile that counts
		if opened, calls := b.taken(); opened || calls > 0 {
			loose[kind] = true
		}
		if err := os.Remove(input); err != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range []string{"hls", "hls relative", "hls web", "hls key", "hls map", "hls variants", "concat", "concat relative", "concat web", "dash web", "alias"} {
		if !loose[kind] {
			t.Errorf("%s: not even an ffmpeg that is let loose takes the bait", kind)
		}
	}
}

// TestReachesNothingForPictures has pictures name other things: as artwork, in
// the input, and by a link in the place of a picture; ffmpeg is not locked in.
func TestReachesNothingForPictures(t *testing.T) {
	t.Parallel()
	b := layBait(t)
	dir := t.TempDir()
	svg := filepath.Join(dir, "art.png")
	if err := os.WriteFile(svg, []byte(b.svg()), 0o600); err != nil {
		t.Fatal(err)
	}
	song := ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "a.mp3", Samples: 4410})
	inputs := map[string]string{"artwork": song}
	for mime, picture := range map[string]string{"image/svg+xml": b.svg(), "-->": b.url + "a.png", "image/png": b.svg()} {
		content := append(id3(frame("APIC", "\x00"+mime+"\x00\x03\x00"+picture)), readFile(t, song)...)
		inputs["id3 "+mime] = writeFile(t, content)
		inputs["flac "+mime] = writeFile(t, flacPicture(t, mime, []byte(picture)))
	}
	b.taken()
	for _, mode := range fewModes[1:] {
		e := newEncoder(t, ffmpeg.Config{Sandbox: mode})
		for name, input := range inputs {
			for _, art := range []*transcode.Art{nil, {MergePolicy: "Append"}, {MergePolicy: "Replace", Pictures: []transcode.Picture{{Path: svg, MaxWidth: 64, MaxHeight: 64}}}} {
				if (art != nil && len(art.Pictures) > 0) != (name == "artwork") {
					continue
				}
				if _, err := encodeAll(t, e, []transcode.Source{{Path: input}}, transcode.Rendition{Preset: system(t, "300110"), Art: art}); err != nil && !errors.As(err, new(*transcode.Failure)) && mode == ffmpeg.Limits {
					t.Errorf("%s: %v", name, err)
				}
				if opened, calls := b.taken(); opened || calls > 0 {
					t.Errorf("%s, %s: another file was opened: %v; %d calls", name, mode, opened, calls)
				}
			}
		}
	}
}

// id3 returns a tag of version 2.3 with some frames.
func id3(frames ...[]byte) []byte {
	all := bytes.Join(frames, nil)
	n := len(all)
	return append([]byte{'I', 'D', '3', 3, 0, 0, byte(n >> 21 & 127), byte(n >> 14 & 127), byte(n >> 7 & 127), byte(n & 127)}, all...)
}

func frame(kind, content string) []byte {
	return append(append(binary.BigEndian.AppendUint32([]byte(kind), uint32(len(content))), 0, 0), content...)
}

// pictureBlock is what FLAC and Ogg keep a picture in.
func pictureBlock(mime string, picture []byte) []byte {
	n := func(v int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(v)) }
	return bytes.Join([][]byte{n(3), n(len(mime)), []byte(mime), n(0), n(64), n(64), n(24), n(0), n(len(picture)), picture}, nil)
}

// flacPicture makes a FLAC file with a picture, or what is said to be one.
func flacPicture(t *testing.T, mime string, picture []byte) []byte {
	content := readFile(t, ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "a.flac", Samples: 4410}))
	block := pictureBlock(mime, picture)
	head := []byte{6, byte(len(block) >> 16), byte(len(block) >> 8), byte(len(block))}
	// After the first block, which is STREAMINFO.
	at := 4 + 4 + 34
	content[4] &^= 0x80
	return bytes.Join([][]byte{content[:at], head, block, content[at:]}, nil)
}

// TestReachesNothingByNames has files with names that mean something to ffmpeg or
// a shell; ffmpeg is not locked in.
func TestReachesNothingByNames(t *testing.T) {
	t.Parallel()
	b := layBait(t)
	content := readFile(t, ffmpegtest.Clip(t, ffmpegtest.Spec{Samples: 441}))
	for _, mode := range fewModes[1:] {
		e := newEncoder(t, ffmpeg.Config{Sandbox: mode})
		for _, name := range []string{
			"-i", "-y", "concat:secret.ts|secret.mp3", "pipe:0", "http:", "data:audio", "%03d.wav", "a:b|c", "$(touch made)", "a\nb.wav", "--", "ü ♫.wav", "INPUT1", "file:INPUT1",
		} {
			input := filepath.Join(filepath.Dir(b.file), name)
			if err := os.WriteFile(input, content, 0o600); err != nil {
				t.Fatal(err)
			}
			b.taken()
			encoded := mustEncode(t, e, input, system(t, "300300"))
			if got := encoded.Outputs[0].Made.Samples; got != 441 {
				t.Errorf("%q: %d samples", name, got)
			}
			if opened, calls := b.taken(); opened || calls > 0 {
				t.Errorf("%q, %s: another file was opened: %v; %d calls", name, mode, opened, calls)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(b.file), "made")); err == nil {
		t.Error("a shell was asked")
	}
}

// TestSymlinkInScratch has a link lie where an output is to be written.
func TestSymlinkInScratch(t *testing.T) {
	for _, mode := range []ffmpeg.Mode{ffmpeg.Bubblewrap, ffmpeg.Landlock} {
		e := newEncoder(t, ffmpeg.Config{Sandbox: mode})
		if p := system(t, "300300"); e.Check(&p) != "" {
			t.Log(e.Check(&p))
			continue
		}
		dir := t.TempDir()
		kept := writeFile(t, []byte("keep"))
		if err := os.Symlink(kept, filepath.Join(dir, "1.wav")); err != nil {
			t.Fatal(err)
		}
		enc := transcode.Encoding{
			Inputs: []transcode.Source{{Path: ffmpegtest.Clip(t, ffmpegtest.Spec{Samples: 441})}}, Dir: dir,
			Outputs: []transcode.Rendition{{Name: "1", Preset: system(t, "300300")}},
		}
		if _, err := e.Encode(t.Context(), enc, nil); err == nil {
			t.Errorf("%s: it was made", mode)
		}
		if got := readFile(t, kept); string(got) != "keep" {
			t.Errorf("%s: what the link names is now %.20q", mode, got)
		}
	}
}
