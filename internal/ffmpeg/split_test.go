package ffmpeg_test

import (
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"

	"etude/internal/audiofile"
	"etude/internal/ffmpeg"
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

var splitCases = rapid.Custom(func(t *rapid.T) splitCase {
	rate := rapid.SampledFrom([]int{22050, 32000, 44100, 48000}).Draw(t, "rate")
	return splitCase{
		samples:  rapid.Int64Range(3*int64(rate), 8*int64(rate)).Draw(t, "samples"),
		rate:     rate,
		channels: rapid.IntRange(1, 2).Draw(t, "channels"),
		out:      rapid.SampledFrom([]string{"auto", "44100", "48000"}).Draw(t, "out"),
		cores:    rapid.IntRange(2, 4).Draw(t, "cores"),
		segment:  time.Duration(rapid.Int64Range(700, 2000).Draw(t, "segment")) * time.Millisecond,
	}
})

// TestSplit: what is encoded in segments is as long as what is encoded whole,
// says so, has as many packets, windows that may follow each other, and differs
// from the input by as much.
func TestSplit(t *testing.T) {
	for seed := range 6 {
		c := splitCases.Example(seed + 1)
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			t.Parallel()
			input := ffmpegtest.Clip(t, ffmpegtest.Spec{Samples: c.samples, Rate: c.rate, Channels: c.channels, Sound: ffmpegtest.Beats})
			presets := []transcode.Preset{
				custom("mp4", transcode.Audio{Codec: "AAC", SampleRate: c.out, BitRate: "160", Channels: "auto"}),
				custom("mp3", transcode.Audio{Codec: "mp3", SampleRate: c.out, BitRate: "128", Channels: "auto"}),
				custom("wav", transcode.Audio{Codec: "pcm", SampleRate: c.out, Channels: "auto", CodecOptions: &transcode.AudioOptions{BitDepth: "32"}}),
			}
			whole := mustEncode(t, newEncoder(t, ffmpeg.Config{Cores: 1}), input, presets...)
			split := mustEncode(t, newEncoder(t, ffmpeg.Config{Cores: c.cores, Segment: c.segment}), input, presets...)
			original := ffmpegtest.Decode(t, whole.Outputs[2].Files[0].Path)
			for i, out := range split.Outputs[:2] {
				single := whole.Outputs[i]
				rate := int64(out.Made.SampleRate)
				want := (2*c.samples*rate + int64(c.rate)) / (2 * int64(c.rate))
				if out.Made.Samples != want || single.Made.Samples != want {
					t.Errorf("%s: %d samples, as a whole %d, want %d", out.Made.Codec, out.Made.Samples, single.Made.Samples, want)
				}
				if out.Made.SHA256 != fileSum(t, out.Files[0].Path) || out.Made.SHA256 == single.Made.SHA256 {
					t.Errorf("%s: the checksum is wrong, or nothing was split", out.Made.Codec)
				}
				got, ref := ffmpegtest.Decode(t, out.Files[0].Path), ffmpegtest.Decode(t, single.Files[0].Path)
				if len(got) != len(ref) {
					t.Fatalf("%s: it decodes to %d bytes, as a whole to %d", out.Made.Codec, len(got), len(ref))
				}
				if s, w := ffmpegtest.SNR(original, got), ffmpegtest.SNR(original, ref); s < w-0.5 {
					t.Errorf("%s: signal to noise is %.2f dB, as a whole %.2f", out.Made.Codec, s, w)
				}
			}
			if split.Outputs[2].Made.SHA256 != whole.Outputs[2].Made.SHA256 {
				t.Error("the WAV differs")
			}
			s, w := readAAC(t, split.Outputs[0].Files[0].Path), readAAC(t, whole.Outputs[0].Files[0].Path)
			if s.packets != w.packets || s.illegal > 0 || s.delay != w.delay || s.samples != w.samples {
				t.Errorf("AAC: got %+v, as a whole %+v", s, w)
			}
			if s.packets != (s.samples+1023)/1024+1 {
				t.Errorf("AAC: %d packets for %d samples", s.packets, s.samples)
			}
		})
	}
}

// aacFacts is what an MP4 says, and its packets.
type aacFacts struct {
	packets, delay, samples int64
	illegal                 int // transitions between windows that AAC does not have
}

func readAAC(t testing.TB, path string) (f aacFacts) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	m, err := audiofile.ReadMP4(file, fileSize(t, path))
	if err != nil {
		t.Fatal(err)
	}
	f = aacFacts{packets: int64(len(m.Sizes)), delay: m.Delay, samples: m.Samples}
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
