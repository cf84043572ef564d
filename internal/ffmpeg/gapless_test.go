package ffmpeg_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"testing"
	"time"

	"etude/internal/audiofile"
	"etude/internal/ffmpeg"
	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/transcode"
)

// TestGapless cuts a sound that goes on into two files, encodes each, plays what
// their headers say is to be heard, one after the other, and finds the sound
// again: as many samples, and where they meet no more of a jump than a codec
// makes anyway.
func TestGapless(t *testing.T) {
	t.Parallel()
	const samples, meet = 3*44100 + 501, 1370 * 441 / 10
	input := ffmpegtest.Clip(t, ffmpegtest.Spec{Samples: samples, Sound: "0.5*sin(2*PI*(700+110*t)*t)"})
	original := monoOf(ffmpegtest.Decode(t, input))
	for _, cores := range []int{1, 2} {
		e := newEncoder(t, ffmpeg.Config{Cores: cores, Segment: 600 * time.Millisecond})
		for container, play := range map[string]func(testing.TB, string) []byte{"mp4": playMP4, "mp3": playMP3} {
			t.Run(fmt.Sprintf("%s on %d cores", container, cores), func(t *testing.T) {
				t.Parallel()
				// With less, ffmpeg's AAC takes some milliseconds to get into a sound
				// that is loud from its beginning.
				codec := map[string]string{"mp4": "AAC", "mp3": "mp3"}[container]
				preset := custom(container, transcode.Audio{Codec: codec, SampleRate: "44100", BitRate: "320", Channels: "2"})
				encoded := mustEncodeAll(t, e, []transcode.Source{{Path: input}},
					transcode.Rendition{Preset: preset, Span: span(0, 1370)}, transcode.Rendition{Preset: preset, Span: span(1370, 0)})
				var got []float64
				for _, out := range encoded.Outputs {
					got = append(got, monoOf(play(t, out.Files[0].Path))...)
				}
				if len(got) != samples || encoded.Outputs[0].Made.Samples != meet {
					t.Fatalf("%d samples, the first %d; want %d, %d", len(got), encoded.Outputs[0].Made.Samples, samples, meet)
				}
				// A sample too few or too many would be noise of 0.03 around there; from
				// one sample to the next, the sound itself goes up to 0.07.
				sum := 0.0
				for i := meet - 1000; i < meet+1000; i++ {
					sum += (got[i] - original[i]) * (got[i] - original[i])
				}
				step := math.Abs(got[meet] - got[meet-1] - original[meet] + original[meet-1])
				if noise := math.Sqrt(sum / 2000); noise > 0.008 || step > 0.07 {
					t.Errorf("around where they meet, noise is %.4f, and there is a step of %.4f", noise, step)
				}
			})
		}
	}
}

// monoOf returns the first channel of stereo samples as ffmpegtest.Decode returns
// them, 1 being the loudest.
func monoOf(pcm []byte) (samples []float64) {
	for ; len(pcm) >= 8; pcm = pcm[8:] {
		samples = append(samples, float64(int32(binary.LittleEndian.Uint32(pcm)))/(1<<31))
	}
	return samples
}

// playMP4 decodes all packets, and returns what the edit list says of them.
func playMP4(t testing.TB, path string) []byte {
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
	return decodeAll(t, path, "-ignore_editlist", "1")[8*m.Delay : 8*(m.Delay+m.Samples)]
}

// playMP3 does the same with what LAME's frame says.
func playMP3(t testing.TB, path string) []byte {
	t.Helper()
	content := readFile(t, path)
	info, err := audiofile.ReadInfo(content[audiofile.ID3Length(content):])
	if err != nil {
		t.Fatal(err)
	}
	pcm := decodeAll(t, path)
	return pcm[8*info.Delay : int64(len(pcm))-8*info.Padding]
}

// decodeAll decodes a file and leaves nothing off; options are the demuxer's.
func decodeAll(t testing.TB, path string, options ...string) []byte {
	t.Helper()
	pcm, err := exec.CommandContext(t.Context(), "ffmpeg", append(append([]string{"-v", "error", "-xerror", "-flags2", "+skip_manual"}, options...), "-i", "file:"+path, "-f", "s32le", "pipe:1")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return pcm
}
