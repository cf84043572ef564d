package ffmpeg

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"etude/internal/audiofile"
	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/transcode"
)

// splitCase is a file and how it is encoded in segments.
type splitCase struct {
	samples  int64
	rate     int
	channels int
	out      string // sample rate of the outputs, or auto
	cores    int
	segment  time.Duration
}

// borders are where a file may end, so that the last segment is ...
var borders = []string{"a sample less than full", "full", "a sample more than full", "shorter than the warm-up", "as it comes"}

// splitCases returns cases of one sample rate. Those that end at a border end at
// one of the segments of a container.
func splitCases(rate int, border, container string) *rapid.Generator[splitCase] {
	return rapid.Custom(func(t *rapid.T) splitCase {
		c := splitCase{
			rate: rate, out: auto,
			samples:  rapid.Int64Range(3*int64(rate), 6*int64(rate)).Draw(t, "samples"),
			channels: rapid.IntRange(1, 2).Draw(t, "channels"),
			cores:    rapid.IntRange(2, 4).Draw(t, "cores"),
			segment:  time.Duration(rapid.Int64Range(700, 2000).Draw(t, "segment")) * time.Millisecond,
		}
		if border == "as it comes" {
			c.out = rapid.SampledFrom([]string{auto, "8000", "44100", "48000"}).Draw(t, "out")
			return c
		}
		s := splitting(transcode.Made{Codec: map[string]string{"mp4": "aac", "mp3": "mp3"}[container], SampleRate: rate, Channels: c.channels})
		for packets := s.packets(c.samples); ; packets++ {
			n := packets*s.Frame - s.Delay
			s.divide(n, samples(c.segment, rate), c.channels, c.cores)
			last := packets - s.begin(s.Count-1)
			switch {
			case border == "shorter than the warm-up" && last < s.Warm:
				c.samples = n
				return c
			case border != "shorter than the warm-up" && last == s.Length:
				c.samples = n + map[string]int64{"full": 0, "a sample less than full": -1, "a sample more than full": 1}[border]
				return c
			}
		}
	})
}

// splitting is how segments of something are joined.
func splitting(m transcode.Made) *split {
	t := &track{target: findTarget("mp3", "mp3"), Encoder: "libmp3lame", Rate: m.SampleRate, Channels: m.Channels}
	if m.Codec == "aac" {
		t.target, t.Encoder = findTarget("mp4", "AAC"), "aac"
	}
	return t.splitting()
}

// TestSplit: what is encoded in segments is as long as what is encoded whole,
// says so, has as many packets, windows that may follow each other, and differs
// from the input by as much, at all sample rates, wherever the last segment ends.
func TestSplit(t *testing.T) {
	t.Parallel()
	for i, rate := range mpegRates {
		border, container := borders[i%len(borders)], []string{"mp4", "mp3"}[i%2]
		c := splitCases(rate, border, container).Example(i)
		t.Run(fmt.Sprintf("%s: %s, %+v", container, border, c), func(t *testing.T) {
			t.Parallel()
			c.check(t)
		})
	}
}

// TestSplitTail: the last segments are shorter, for all cores to be done at once.
func TestSplitTail(t *testing.T) {
	t.Parallel()
	c := splitCase{samples: 40*44100 + 77, rate: 44100, channels: 1, out: auto, cores: 2, segment: 9 * time.Second}
	for _, codec := range []string{"aac", "mp3"} {
		s := splitting(transcode.Made{Codec: codec, SampleRate: c.rate, Channels: c.channels})
		if s.divide(c.samples, samples(c.segment, c.rate), c.channels, c.cores); s.Tail < 4 || s.Short >= s.Length/2 {
			t.Fatalf("%s: got %+v", codec, s)
		}
	}
	c.check(t)
}

func (c *splitCase) check(t *testing.T) {
	input := ffmpegtest.Clip(t, ffmpegtest.Spec{Samples: c.samples, Rate: c.rate, Channels: c.channels, Sound: ffmpegtest.Beats})
	var presets []transcode.Preset
	for _, p := range []struct {
		container string
		audio     transcode.Audio
	}{
		{"mp4", transcode.Audio{Codec: "AAC", BitRate: "160"}},
		{"mp3", transcode.Audio{Codec: "mp3", BitRate: "128"}},
		{"wav", transcode.Audio{Codec: "pcm", CodecOptions: &transcode.AudioOptions{BitDepth: "32"}}},
	} {
		p.audio.SampleRate, p.audio.Channels = c.out, auto
		presets = append(presets, transcode.Preset{Container: p.container, Audio: &p.audio})
	}
	whole := encodeSplit(t, &encode{lanes: 1}, input, presets...)
	split := encodeSplit(t, &encode{lanes: c.cores, cfg: Config{Segment: c.segment}}, input, presets...)
	original := ffmpegtest.Decode(t, whole.Outputs[2].Files[0].Path)
	for i, out := range split.Outputs[:2] {
		single := whole.Outputs[i]
		rate := int64(out.Made.SampleRate)
		want := (2*c.samples*rate + int64(c.rate)) / (2 * int64(c.rate))
		if out.Made.Samples != want || single.Made.Samples != want {
			t.Errorf("%s: %d samples, as a whole %d, want %d", out.Made.Codec, out.Made.Samples, single.Made.Samples, want)
		}
		content, err := os.ReadFile(out.Files[0].Path)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(content); out.Made.SHA256 != hex.EncodeToString(sum[:]) || out.Made.SHA256 == single.Made.SHA256 {
			t.Errorf("%s: the checksum is wrong, or nothing was split", out.Made.Codec)
		}
		got, ref := ffmpegtest.Decode(t, out.Files[0].Path), ffmpegtest.Decode(t, single.Files[0].Path)
		if len(got) != len(ref) {
			t.Fatalf("%s: it decodes to %d bytes, as a whole to %d", out.Made.Codec, len(got), len(ref))
		}
		// One bad join would be ten and more. So short segments make AAC's rate
		// control begin anew all the time, which is heard in numbers.
		if s, w := ffmpegtest.SNR(original, got), ffmpegtest.SNR(original, ref); s < w-2 {
			t.Errorf("%s: signal to noise is %.2f dB, as a whole %.2f", out.Made.Codec, s, w)
		}
		says, saysWhole := readPackets(t, out.Files[0].Path), readPackets(t, single.Files[0].Path)
		if says.illegal > 0 || says.delay != saysWhole.delay || says.samples != want || saysWhole.samples != want {
			t.Errorf("%s: got %+v, as a whole %+v", out.Made.Codec, says, saysWhole)
		}
		// LAME alone may add a packet of nothing.
		plan := splitting(out.Made)
		if n := plan.packets(want); says.packets != n || saysWhole.packets != n && (out.Made.Codec == "aac" || saysWhole.packets != n+1) {
			t.Errorf("%s: %d packets for %d samples, as a whole %d; want %d", out.Made.Codec, says.packets, want, saysWhole.packets, n)
		}
	}
	if split.Outputs[2].Made.SHA256 != whole.Outputs[2].Made.SHA256 {
		t.Error("the WAV differs")
	}
}

// packetFacts is what an MP4 or an MP3 says, and its packets.
type packetFacts struct {
	packets, delay, samples int64
	illegal                 int // transitions between windows that AAC does not have
}

func readPackets(t testing.TB, path string) (f packetFacts) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if filepath.Ext(path) == ".mp3" {
		head := make([]byte, 1<<16)
		if _, err := io.ReadAtLeast(file, head, 10); err != nil {
			t.Fatal(err)
		}
		frame := head[audiofile.ID3Length(head):]
		info, err := audiofile.ReadInfo(frame)
		if err != nil {
			t.Fatal(err)
		}
		h, err := audiofile.ReadMPEG(frame)
		if err != nil {
			t.Fatal(err)
		}
		return packetFacts{packets: info.Frames, delay: info.Delay, samples: info.Frames*int64(h.Samples) - info.Delay - info.Padding}
	}
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	m, err := audiofile.ReadMP4(file, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	f = packetFacts{packets: int64(len(m.Sizes)), delay: m.Delay, samples: m.Samples}
	data := io.NewSectionReader(file, m.Data, m.Bytes())
	var last []audiofile.Window
	for i, n := range m.Sizes {
		packet := make([]byte, n)
		if _, err := io.ReadFull(data, packet); err != nil {
			t.Fatal(err)
		}
		windows, _, err := audiofile.Windows(packet)
		if err != nil {
			t.Fatalf("packet %d: %v", i, err)
		}
		if last != nil && !windows[0].Follows(last[0]) {
			f.illegal++
		}
		last = windows
	}
	return f
}

// encodeSplit has an encode, of which lanes and whatever is special are set,
// make presets of an input.
func encodeSplit(t testing.TB, r *encode, input string, presets ...transcode.Preset) *transcode.Encoded {
	t.Helper()
	r.toolchain, r.pool, r.meter, r.checkers = boxed(t, Auto), &pool{cores: r.lanes}, newMeter(nil), &checkers{}
	defer r.checkers.close()
	setDefault(&r.cfg.Stall, time.Minute)
	setDefault(&r.cfg.MaxDuration, 2*time.Hour)
	setDefault(&r.cfg.Segment, 10*time.Second)
	setDefault(&r.cfg.CPU, time.Hour)
	enc := transcode.Encoding{Inputs: []transcode.Source{{Path: input}}, Dir: t.TempDir()}
	for i, p := range presets {
		enc.Outputs = append(enc.Outputs, transcode.Rendition{Name: strconv.Itoa(i + 1), Preset: p})
	}
	r.sources = enc.Inputs
	if err := r.open(enc); err != nil {
		t.Fatal(err)
	}
	encoded, err := r.run(t.Context(), enc)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}
