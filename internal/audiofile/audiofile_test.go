package audiofile_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"etude/internal/audiofile"
	"etude/internal/ffmpeg/ffmpegtest"
)

func open(t *testing.T, path string) (*os.File, int64) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return file, info.Size()
}

// TestMP4 rewrites ffmpeg's own files so that they end where they should.
func TestMP4(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]ffmpegtest.Spec{
		"plain":  {Name: "a.m4a", Samples: 50001},
		"tagged": {Name: "b.m4a", Samples: 123457, Rate: 48000, Channels: 1, Cover: true, Tags: map[string]string{"title": "Été", "artist": "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, size := open(t, ffmpegtest.Clip(t, spec))
			m, err := audiofile.ReadMP4(file, size)
			if err != nil {
				t.Fatal(err)
			}
			if m.Delay != 1024 || m.Frame != 1024 || m.Decoded() < spec.Samples {
				t.Errorf("read delay %d, frame %d, %d samples", m.Delay, m.Frame, m.Decoded())
			}
			m.Samples = spec.Samples
			var out bytes.Buffer
			if err := m.Write(&out, io.NewSectionReader(file, m.Data, m.Bytes())); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.ArtifactDir(), "out.m4a")
			if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := audiofile.ReadMP4(bytes.NewReader(out.Bytes()), int64(out.Len()))
			if err != nil {
				t.Fatal(err)
			}
			if got.Samples != spec.Samples || got.Delay != 1024 || fmt.Sprint(got.Sizes) != fmt.Sprint(m.Sizes) {
				t.Errorf("read back %d samples after %d, %d packets", got.Samples, got.Delay, len(got.Sizes))
			}
			before, after := ffmpegtest.Probe(t, file.Name()), ffmpegtest.Probe(t, path)
			if !bytes.Equal(ffmpegtest.Decode(t, file.Name())[:4*spec.Samples], ffmpegtest.Decode(t, path)[:4*spec.Samples]) {
				t.Error("it sounds different")
			}
			want := fmt.Sprintf("00000000 00000400 %08X %016X 0", m.Decoded()-spec.Samples, spec.Samples)
			if gapless := after.Tags["itunsmpb"]; !strings.Contains(gapless, want) {
				t.Errorf("iTunSMPB is %q, want %q in it", gapless, want)
			}
			for _, tag := range []string{"title", "artist"} {
				if before.Tags[tag] != after.Tags[tag] {
					t.Errorf("%s is %q, was %q", tag, after.Tags[tag], before.Tags[tag])
				}
			}
			if before.Streams != after.Streams {
				t.Errorf("%d streams, were %d", after.Streams, before.Streams)
			}
			if i, j := bytes.Index(out.Bytes(), []byte("moov")), bytes.Index(out.Bytes(), []byte("mdat")); i > j {
				t.Error("the index does not come first")
			}
			m.Samples = m.Decoded() + 1
			if err := m.Write(io.Discard, file); err == nil {
				t.Error("more was promised than there is")
			}
		})
	}
}

// TestMP4Broken cuts a file off everywhere: no cut makes anything worse than an
// error.
func TestMP4Broken(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "a.m4a", Samples: 3000, Tags: map[string]string{"title": "x"}}))
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		if _, err := audiofile.ReadMP4(bytes.NewReader(raw[:i]), int64(i)); err == nil && i < len(raw)-1000 {
			t.Errorf("the first %d of %d bytes were taken for a file", i, len(raw))
		}
		for _, b := range []byte{0, 0xff} {
			broken := bytes.Clone(raw)
			broken[i] = b
			if m, err := audiofile.ReadMP4(bytes.NewReader(broken), int64(len(broken))); err == nil {
				m.Samples = min(1, m.Decoded())
				_ = m.Write(io.Discard, bytes.NewReader(broken))
			}
		}
	}
}

func TestWAV(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spec ffmpegtest.Spec
		want audiofile.WAV
	}{
		"cd":    {ffmpegtest.Spec{Samples: 5001}, audiofile.WAV{Format: 1, Rate: 44100, Channels: 2, Bits: 16, Samples: 5001}},
		"bytes": {ffmpegtest.Spec{Samples: 5001, Codec: "pcm_u8", Channels: 1}, audiofile.WAV{Format: 1, Rate: 44100, Channels: 1, Bits: 8, Samples: 5001}},
		"wide":  {ffmpegtest.Spec{Samples: 5001, Codec: "pcm_s24le", Channels: 6, Rate: 96000}, audiofile.WAV{Format: 1, Rate: 96000, Channels: 6, Bits: 24, Samples: 5001}},
		"rf64":  {ffmpegtest.Spec{Samples: 5001, Args: []string{"-rf64", "always"}}, audiofile.WAV{Format: 1, Rate: 44100, Channels: 2, Bits: 16, Samples: 5001, Large: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, size := open(t, ffmpegtest.Clip(t, test.spec))
			got, err := audiofile.ReadWAV(file, size)
			if err != nil || *got != test.want {
				t.Errorf("got %+v, %v; want %+v", got, err, test.want)
			}
			for _, n := range []int64{0, 11, 12, 30, size - 2} {
				if _, err := audiofile.ReadWAV(file, n); err == nil {
					t.Errorf("%d of %d bytes are a whole file", n, size)
				}
			}
		})
	}
}

// TestWAVSizes has headers on both sides of what 32 bits can say, before sound
// that is a hole in a file.
func TestWAVSizes(t *testing.T) {
	t.Parallel()
	const most = 1<<32 - 1
	for name, test := range map[string]struct {
		id         string
		data       int64 // bytes of sound
		riff, says int64 // what the 32 bits say of all and of the sound; 0 for what is so
		want       bool
	}{
		"the most of RIFF":    {id: "RIFF", data: most - 72 - 3, want: true}, // whole samples of 4 bytes
		"RF64 of that":        {id: "RF64", data: most - 72 - 3, riff: most, says: most, want: true},
		"the least over that": {id: "RF64", data: most + 1, riff: most, says: most, want: true},
		"three times that":    {id: "RF64", data: 3 * (most + 1), riff: most, says: most, want: true},
		"wrapped around":      {id: "RIFF", data: most + 5, riff: 72 + 4, says: 4},
		"no larger size":      {id: "RIFF", data: most + 1, riff: most, says: most},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			le := binary.LittleEndian
			size := 80 + test.data
			kind := map[string]string{"RIFF": "JUNK", "RF64": "ds64"}[test.id]
			head := append(le.AppendUint32([]byte(test.id), uint32(cmp.Or(test.riff, size-8))), "WAVE"+kind...)
			head = le.AppendUint64(le.AppendUint64(le.AppendUint32(head, 28), uint64(size-8)), uint64(test.data))
			head = le.AppendUint32(le.AppendUint64(head, uint64(test.data/4)), 0)
			head = append(head, "fmt \x10\x00\x00\x00\x01\x00\x02\x00\x44\xac\x00\x00\x10\xb1\x02\x00\x04\x00\x10\x00data"...)
			head = le.AppendUint32(head, uint32(cmp.Or(test.says, test.data)))
			path := filepath.Join(t.TempDir(), "large.wav")
			if err := os.WriteFile(path, head, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, size); err != nil {
				t.Fatal(err)
			}
			file, size := open(t, path)
			got, err := audiofile.ReadWAV(file, size)
			if !test.want {
				if err == nil {
					t.Errorf("got %+v", got)
				}
				return
			}
			want := audiofile.WAV{Format: 1, Rate: 44100, Channels: 2, Bits: 16, Samples: test.data / 4, Large: test.id == "RF64"}
			if err != nil || *got != want {
				t.Errorf("got %+v, %v; want %+v", got, err, want)
			}
			if _, err := audiofile.ReadWAV(file, size-4); err == nil {
				t.Error("it may end early")
			}
		})
	}
}

func TestFLAC(t *testing.T) {
	t.Parallel()
	file, _ := open(t, ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "a.flac", Samples: 5001, Rate: 96000, Channels: 1, Args: []string{"-sample_fmt", "s32"}}))
	head := make([]byte, audiofile.FLACHead)
	if _, err := io.ReadFull(file, head); err != nil {
		t.Fatal(err)
	}
	got, err := audiofile.ReadFLAC(head)
	if err != nil || got.Rate != 96000 || got.Channels != 1 || got.Bits != 24 || got.Samples != 5001 || got.MD5 == [16]byte{} {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestMPEG walks through LAME's frames, and says again what ffmpeg says of them.
func TestMPEG(t *testing.T) {
	t.Parallel()
	for _, spec := range []ffmpegtest.Spec{
		{Name: "a.mp3", Samples: 50000, Args: []string{"-b:a", "128k"}}, {Name: "b.mp3", Samples: 50000, Rate: 22050, Channels: 1},
		{Name: "c.mp3", Samples: 50000, Rate: 48000, Channels: 1}, {Name: "d.mp3", Samples: 50000, Rate: 24000}, {Name: "e.mp3", Samples: 30000, Rate: 8000},
	} {
		raw, err := os.ReadFile(ffmpegtest.Clip(t, spec))
		if err != nil {
			t.Fatal(err)
		}
		raw = raw[audiofile.ID3Length(raw):]
		info, err := audiofile.ReadInfo(raw)
		if err != nil {
			t.Fatal(err)
		}
		var frames, bytesOfAll, room int64
		var crc uint16
		for at := 0; at < len(raw); {
			h, err := audiofile.ReadMPEG(raw[at:])
			if err != nil {
				t.Fatalf("%s: byte %d: %v", spec.Name, at, err)
			}
			frame := raw[at : at+h.Length]
			at += h.Length
			bytesOfAll += int64(h.Length)
			if bytesOfAll == int64(h.Length) {
				continue // Xing's
			}
			frames++
			crc = audiofile.CRC16(crc, frame)
			side, err := h.ReadSide(frame)
			if err != nil {
				t.Fatal(err)
			}
			if int64(side.Back) > room {
				t.Errorf("%s: frame %d begins %d bytes back, of %d", spec.Name, frames, side.Back, room)
			}
			room += int64(h.Length - h.Head())
			if wrong := side.Blocks[0]&3 == 0 && side.Blocks[0] != 0; wrong {
				t.Errorf("%s: frame %d has blocks %v", spec.Name, frames, side.Blocks)
			}
		}
		per := int64(1152)
		if spec.Rate > 0 && spec.Rate < 32000 {
			per = 576
		}
		if info.Frames != frames || info.Bytes != bytesOfAll || info.CRC != crc || info.Delay != 1105 || info.Delay+spec.Samples+info.Padding != frames*per {
			t.Errorf("%s: info is %+v; %d frames, %d bytes, CRC %x", spec.Name, info, frames, bytesOfAll, crc)
		}
		again := bytes.Clone(raw)
		clear(again[180:200])
		copy(again, raw[:60])
		if err := audiofile.WriteInfo(again, info); err != nil {
			t.Fatal(err)
		}
	}
}

// TestADTS finds the windows of every frame of the native encoder, and that they
// follow each other as they may.
func TestADTS(t *testing.T) {
	t.Parallel()
	for _, channels := range []int{1, 2} {
		raw, err := os.ReadFile(ffmpegtest.Clip(t, ffmpegtest.Spec{
			Name: "a.aac", Samples: 100000, Channels: channels,
			Sound: "0.5*sin(3000*t)*exp(-40*(t-floor(5*t)/5))", // beats, for short windows
		}))
		if err != nil {
			t.Fatal(err)
		}
		var last []audiofile.Window
		short := 0
		for at := 0; at < len(raw); {
			n, err := audiofile.ADTSLength(raw[at:])
			if err != nil {
				t.Fatal(err)
			}
			if rate, c := audiofile.ADTSFormat(raw[at:]); rate != 44100 || c != channels {
				t.Fatalf("%d Hz, %d channels", rate, c)
			}
			windows, all, err := audiofile.Windows(raw[at+audiofile.ADTSHeader : at+n])
			if err != nil {
				t.Fatal(err)
			}
			if all && len(windows) != channels {
				t.Errorf("%d windows for %d channels", len(windows), channels)
			}
			if last != nil && !windows[0].Follows(last[0]) {
				t.Errorf("byte %d: %v follows %v", at, windows, last)
			}
			if windows[0].Sequence == audiofile.EightShort {
				short++
			}
			last, at = windows, at+n
		}
		if short == 0 {
			t.Error("there is no short window")
		}
	}
}

// TestSilentADTS has ffmpeg decode silence in each format.
func TestSilentADTS(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{8000, 44100, 96000} {
		for _, channels := range []int{1, 2} {
			frame, err := audiofile.SilentADTS(rate, channels)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := audiofile.ADTSLength(frame); n != len(frame) || err != nil {
				t.Errorf("its length is %d of %d, %v", n, len(frame), err)
			}
			if r, c := audiofile.ADTSFormat(frame); r != rate || c != channels {
				t.Errorf("got %d Hz and %d channels, want %d and %d", r, c, rate, channels)
			}
			path := filepath.Join(t.TempDir(), "a.aac")
			if err := os.WriteFile(path, bytes.Repeat(frame, 5), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := ffmpegtest.Decode(t, path); len(got) != 5*1024*channels*4 || len(bytes.Trim(got, "\x00")) > 0 {
				t.Errorf("%d Hz, %d channels: it decodes to %d bytes, or not to silence", rate, channels, len(got))
			}
		}
	}
	for _, c := range []struct{ rate, channels, size int }{{44101, 2, 10}, {44100, 3, 10}, {44100, 0, 10}, {44100, 2, 1 << 13}, {44100, 2, -1}} {
		if head, err := audiofile.AppendADTS(nil, c.rate, c.channels, c.size); err == nil {
			t.Errorf("%+v: got % x", c, head)
		}
	}
}
