package ffmpeg_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"etude/internal/ffmpeg"
	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/transcode"
	"etude/internal/transcode/transcodetest"
)

// wantFailure wants an input to be refused with a code, in words for a person.
func wantFailure(t testing.TB, err error, code int, reason string) {
	t.Helper()
	var f *transcode.Failure
	if !errors.As(err, &f) {
		t.Fatalf("error is %v, want a failure %d", err, code)
	}
	if f.Code != code || !strings.Contains(f.Reason, reason) {
		t.Errorf("failure is %+v, want %d with %q", f, code, reason)
	}
	transcodetest.CheckFailure(t, f)
	if code == 4000 && f.Detail != "Amazon Elastic Transcoder could not interpret the media file." {
		t.Errorf("detail is %q", f.Detail)
	}
}

// TestEncodeNotMedia refuses what is no sound.
func TestEncodeNotMedia(t *testing.T) {
	e := newEncoder(t, ffmpeg.Config{})
	noise := random(1 << 20)
	mp3 := append([]byte("ID3\x04\x00\x00\x00\x00\x00\x00\xff\xfb\x90\x64"), noise[:100]...)
	tests := map[string]struct {
		content []byte
		reason  string
	}{
		"empty":     {nil, "This file is empty."},
		"text":      {[]byte("This is no music.\nAt all.\n"), "not a sound file"},
		"byte":      {[]byte{0}, "not a sound file"},
		"noise":     {noise, ""},
		"tag":       {[]byte("ID3"), "not a sound file"},
		"mp3 start": {mp3, ""},
		"subtitles": {[]byte("1\n00:00:01,000 --> 00:00:02,000\nHi\n\n"), "is not accepted"},
		"wav head":  {wavFile(2, 44100, 0), "No sound could be decoded"},
		"picture":   {readFile(t, picture(t)), "picture"},
		"playlist":  {[]byte("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/passwd\n"), "playlist"},
		"concat":    {[]byte("ffconcat version 1.0\nfile input\n"), "playlist"},
		"sdp":       {[]byte("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"), "playlist"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := encode(t, e, writeFile(t, test.content), system(t, "300300"), system(t, "100110"))
			wantFailure(t, err, 4000, test.reason)
		})
	}
}

func picture(t testing.TB) string {
	path := filepath.Join(t.TempDir(), "a.png")
	ffmpegtest.Run(t, "-f", "lavfi", "-i", "color=red:s=32x32:d=0.04", "-frames:v", "1", path)
	return path
}

// wavFile is a header of a WAV file with 16 bits, and some frames of noise.
func wavFile(channels uint16, rate uint32, frames int) []byte {
	var b bytes.Buffer
	size := uint32(2 * frames * int(channels))
	b.WriteString("RIFF")
	for _, v := range []any{36 + size, []byte("WAVEfmt "), uint32(16), uint16(1), channels, rate, 2 * rate * uint32(channels), 2 * channels, uint16(16), []byte("data"), size} {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			panic(err)
		}
	}
	b.Write(random(int(size)))
	return b.Bytes()
}

// random returns some bytes, the same ones in every run.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // cannot fail
	return b
}

// TestEncodeOpensNothing has playlists name things on this machine: none of them
// may be opened, in no sandbox.
func TestEncodeOpensNothing(t *testing.T) {
	secret := ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "secret.ts", Codec: "aac"})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	calls := make(chan struct{}, 100)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
			calls <- struct{}{}
		}
	}()
	for _, mode := range []ffmpeg.Mode{ffmpeg.Auto, ffmpeg.Limits} {
		e := newEncoder(t, ffmpeg.Config{Sandbox: mode})
		for _, target := range []string{
			"file://" + secret, secret, "http://" + l.Addr().String() + "/a.ts", "tcp://" + l.Addr().String(),
			"concat:" + secret, "subfile,,start,0,end,0,,:" + secret, "data:audio/x;base64,AAAA",
		} {
			for _, list := range []string{
				"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n" + target + "\n#EXT-X-ENDLIST\n",
				"ffconcat version 1.0\nfile '" + target + "'\n",
				`<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" mediaPresentationDuration="PT5S"><Period><AdaptationSet mimeType="audio/mp4"><Representation id="a"><BaseURL>` + target + "</BaseURL></Representation></AdaptationSet></Period></MPD>",
			} {
				_, err := encode(t, e, writeFile(t, []byte(list)), system(t, "300300"))
				wantFailure(t, err, 4000, "")
			}
		}
	}
	l.Close()
	<-ended
	if n := len(calls); n > 0 {
		t.Errorf("%d connections were made", n)
	}
}

// TestEncodeTruncated cuts files short: what is there is made, and what is
// missing is told.
func TestEncodeTruncated(t *testing.T) {
	e := newEncoder(t, ffmpeg.Config{})
	for _, spec := range []ffmpegtest.Spec{
		{Name: "a.mp3", Samples: 10 * 44100}, {Name: "a.flac", Samples: 10 * 44100},
		{Name: "a.m4a", Samples: 10 * 44100, Args: []string{"-movflags", "+faststart"}},
	} {
		t.Run(spec.Name, func(t *testing.T) {
			t.Parallel()
			whole := readFile(t, ffmpegtest.Clip(t, spec))
			for _, percent := range []int{10, 50, 90} {
				encoded := mustEncode(t, e, writeFile(t, whole[:len(whole)*percent/100]), five(t)...)
				is := encoded.Outputs[0].Made.Duration
				if is < time.Duration(percent-8)*time.Second/10 || is > time.Duration(percent+8)*time.Second/10 {
					t.Errorf("%d %% of 10 seconds are %v", percent, is)
				}
				for _, out := range encoded.Outputs {
					if !strings.HasPrefix(out.Remark, "This file ends after ") || !strings.HasSuffix(out.Remark, "; its header promises 10 seconds.") {
						t.Errorf("%d %%: remark is %q", percent, out.Remark)
					}
				}
			}
		})
	}
}

// TestEncodeChanging joins files that differ, as recordings of radio do.
func TestEncodeChanging(t *testing.T) {
	e := newEncoder(t, ffmpeg.Config{})
	first := readFile(t, ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "1.mp3", Samples: 88200}))
	for name, spec := range map[string]ffmpegtest.Spec{
		"rate": {Name: "2.mp3", Rate: 48000, Samples: 96000}, "channels": {Name: "2.mp3", Channels: 1, Samples: 88200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			second := readFile(t, ffmpegtest.Clip(t, spec))
			input := writeFile(t, append(slices.Clone(first), second...))
			for _, out := range mustEncode(t, e, input, five(t)...).Outputs {
				if d := out.Made.Duration - 4*time.Second; d < -200*time.Millisecond || d > 200*time.Millisecond {
					t.Errorf("%s plays for %v, want 4s", out.Made.Codec, out.Made.Duration)
				}
				if !strings.Contains(out.Remark, "change in the middle") {
					t.Errorf("%s: remark is %q", out.Made.Codec, out.Remark)
				}
			}
		})
	}
}

// TestEncodeDamaged overwrites some of the middle.
func TestEncodeDamaged(t *testing.T) {
	t.Parallel()
	e := newEncoder(t, ffmpeg.Config{})
	content := readFile(t, ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "a.flac", Samples: 5 * 44100}))
	copy(content[len(content)/2:], random(5000))
	out := mustEncode(t, e, writeFile(t, content), system(t, "300300")).Outputs[0]
	if out.Remark == "" || out.Made.Duration < 4*time.Second {
		t.Errorf("remark is %q, duration %v", out.Remark, out.Made.Duration)
	}
}

func TestEncodeNoAudio(t *testing.T) {
	t.Parallel()
	e := newEncoder(t, ffmpeg.Config{})
	path := filepath.Join(t.TempDir(), "a.mp4")
	ffmpegtest.Run(t, "-f", "lavfi", "-i", "testsrc=s=64x64:d=0.2", "-c:v", "mpeg4", path)
	_, err := encode(t, e, path, five(t)...)
	wantFailure(t, err, 4008, "no sound")
}

// TestEncodeVideoInput takes the sound of a file that has pictures too, and of
// several tracks the one that is the file's default.
func TestEncodeVideoInput(t *testing.T) {
	t.Parallel()
	e := newEncoder(t, ffmpeg.Config{})
	path := filepath.Join(t.TempDir(), "a.mkv")
	ffmpegtest.Run(t, "-f", "lavfi", "-i", "testsrc=s=64x64:d=2", "-f", "lavfi", "-i", "sine=d=1", "-f", "lavfi", "-i", "sine=r=48000:d=2",
		"-map", "0", "-map", "1", "-map", "2", "-c:v", "mpeg4", "-c:a", "flac", "-disposition:a:0", "0", "-disposition:a:1", "default", path)
	out := mustEncode(t, e, path, custom("flac", transcode.Audio{Codec: "flac", SampleRate: "auto"})).Outputs[0]
	if out.Made.SampleRate != 48000 || out.Made.Samples != 96000 {
		t.Errorf("made %+v", out.Made)
	}
	if want := "Only one of the file's 2 audio tracks was used."; out.Remark != want {
		t.Errorf("remark is %q, want %q", out.Remark, want)
	}
}

func TestEncodeAbsurd(t *testing.T) {
	e := newEncoder(t, ffmpeg.Config{MaxDuration: 3 * time.Second})
	for name, test := range map[string]struct {
		content []byte
		code    int
		reason  string
	}{
		"channels": {wavFile(208, 44100, 100), 4006, "208 channels"},
		"rate":     {wavFile(2, 705600, 1000), 4006, "705600 Hz"},
		"long":     {wavFile(1, 8000, 5*8000), 4002, "plays for 5 seconds, and at most 3 seconds"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := encode(t, e, writeFile(t, test.content), five(t)...)
			wantFailure(t, err, test.code, test.reason)
		})
	}
	t.Run("long unsaid", func(t *testing.T) {
		t.Parallel()
		// AAC frames without a container say nothing of their sum.
		input := ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "a.aac", Samples: 20 * 44100})
		_, err := encode(t, e, input, system(t, "300300"))
		wantFailure(t, err, 4002, "at most 3 seconds")
	})
}

// TestEncodeLimits has each of the limits bite.
func TestEncodeLimits(t *testing.T) {
	ffmpegtest.NeedProgram(t, "prlimit")
	input := ffmpegtest.Clip(t, ffmpegtest.Spec{Samples: 400 * 44100, Sound: "0"})
	for name, test := range map[string]struct {
		cfg    ffmpeg.Config
		reason string
	}{
		"file": {ffmpeg.Config{FileSize: 100_000}, "larger than"},
		"cpu":  {ffmpeg.Config{CPU: time.Second, Cores: 1}, "longer than"},
	} {
		for _, mode := range []ffmpeg.Mode{ffmpeg.Auto, ffmpeg.Limits} {
			t.Run(name+" "+string(mode), func(t *testing.T) {
				t.Parallel()
				cfg := test.cfg
				cfg.Sandbox = mode
				_, err := encode(t, newEncoder(t, cfg), input, system(t, "300300"), system(t, "100110"))
				wantFailure(t, err, 4007, test.reason)
			})
		}
	}
}

// TestEncodeOurFault wants a plain error, to be tried again.
func TestEncodeOurFault(t *testing.T) {
	e := newEncoder(t, ffmpeg.Config{})
	input := ffmpegtest.Clip(t, ffmpegtest.Spec{Samples: 1000})
	for name, enc := range map[string]transcode.Encoding{
		"no input":    {Inputs: []transcode.Source{{Path: filepath.Join(t.TempDir(), "nothing")}}, Dir: t.TempDir()},
		"a directory": {Inputs: []transcode.Source{{Path: t.TempDir()}}, Dir: t.TempDir()},
		"no room":     {Inputs: []transcode.Source{{Path: input}}, Dir: filepath.Join(t.TempDir(), "nothing")},
	} {
		enc.Outputs = []transcode.Rendition{{Name: "1", Preset: system(t, "300300")}}
		_, err := e.Encode(t.Context(), enc, nil)
		var f *transcode.Failure
		if err == nil || errors.As(err, &f) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

// TestEncodeFullDisk writes where there is no room.
func TestEncodeFullDisk(t *testing.T) {
	e := newEncoder(t, ffmpeg.Config{Sandbox: ffmpeg.Limits})
	input := ffmpegtest.Clip(t, ffmpegtest.Spec{Samples: 1000})
	dir := t.TempDir()
	if err := os.Symlink("/dev/full", filepath.Join(dir, "1.wav")); err != nil {
		t.Fatal(err)
	}
	enc := transcode.Encoding{Inputs: []transcode.Source{{Path: input}}, Dir: dir, Outputs: []transcode.Rendition{{Name: "1", Preset: system(t, "300300")}}}
	_, err := e.Encode(t.Context(), enc, nil)
	var f *transcode.Failure
	if err == nil || errors.As(err, &f) || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("error is %v", err)
	}
}
