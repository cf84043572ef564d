package ffmpeg

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/tune"
)

// BenchmarkJoints listens, by numbers, to an hour of AAC and of MP3 that was
// encoded in segments of ten seconds: how well it follows the input in the
// blocks where segments are joined, and in all others, in decibels more than
// what was encoded whole does. ETUDE_BENCH_SONG names a song to make the hour
// of. It is one turn whatever b.N is.
func BenchmarkJoints(b *testing.B) {
	ffmpegtest.Need(b)
	song := os.Getenv("ETUDE_BENCH_SONG")
	if song == "" {
		song = filepath.Join(b.TempDir(), "tune.wav")
		file, err := os.Create(song)
		if err != nil {
			b.Fatal(err)
		}
		if err := errors.Join(tune.Write(file), file.Close()); err != nil {
			b.Fatal(err)
		}
	}
	input := filepath.Join(b.TempDir(), "hour.wav")
	ffmpegtest.Run(b, "-stream_loop", "-1", "-i", song, "-map", "0:a:0", "-ar", "44100", "-ac", "2", "-c:a", "pcm_s16le", "-t", "3600", input)
	for _, name := range []string{"100110", "300040"} { // AAC 256k, MP3 128k
		b.Run(name, func(b *testing.B) {
			whole, _ := jointsOf(b, input, name, 1)
			split, sound := jointsOf(b, input, name, 2)
			at := map[int64]bool{}
			for _, packet := range sound.Joints {
				// The packet's sound begins a packet before it, in what is decoded
				// without the delay; the join is heard in two.
				sample := packet*sound.frame - sound.delay
				for _, s := range []int64{sample, sample + sound.frame - 1, sample + 2*sound.frame - 1} {
					at[max(s, 0)/jointBlock] = true
				}
			}
			joints, others := compareBlocks(b, input, split, whole, at)
			b.ReportMetric(float64(len(sound.Joints)), "joints")
			b.ReportMetric(float64(readPackets(b, split).illegal), "illegal")
			for where, all := range map[string][]float64{"joints": joints, "others": others} {
				slices.Sort(all)
				sum := 0.0
				for _, v := range all {
					sum += v
				}
				b.ReportMetric(all[len(all)/2], where+"-median-dB")
				b.ReportMetric(sum/float64(len(all)), where+"-mean-dB")
				b.ReportMetric(all[0], where+"-min-dB")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

const jointBlock = 1024 // samples

type jointSound struct {
	splitSound
	frame, delay int64
}

// jointsOf encodes a file, and returns where, and at which packets it was
// joined.
func jointsOf(b *testing.B, input, preset string, cores int) (string, *jointSound) {
	kept := &jointSound{}
	r := &encode{lanes: cores, joined: func(t *track, s *splitSound) { *kept = jointSound{*s, t.Split.Frame, t.Split.Delay} }}
	made := encodeSplit(b, r, input, systemPreset(b, preset))
	return made.Outputs[0].Files[0].Path, kept
}

// compareBlocks returns how much better a file follows the input than another
// one does, in dB, of each block that is not silent: those of at, and the rest.
func compareBlocks(b *testing.B, input, file, other string, at map[int64]bool) (these, rest []float64) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var sounds [3]*bufio.Reader
	for i, path := range []string{input, file, other} {
		cmd := exec.CommandContext(ctx, "ffmpeg", "-nostdin", "-v", "error", "-i", path, "-map", "0:a:0", "-f", "f32le", "pipe:1")
		out, err := cmd.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		defer func() { cancel(); _ = cmd.Wait() }()
		sounds[i] = bufio.NewReaderSize(out, 1<<18)
	}
	var blocks [3][jointBlock * 2 * 4]byte
	for n := int64(0); ; n++ {
		for i := range sounds {
			if _, err := io.ReadFull(sounds[i], blocks[i][:]); err != nil {
				return these, rest
			}
		}
		var signal float64
		var noise [2]float64
		for k := 0; k < len(blocks[0]); k += 4 {
			var v [3]float64
			for i := range v {
				v[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(blocks[i][k:])))
			}
			signal += v[0] * v[0]
			noise[0] += (v[1] - v[0]) * (v[1] - v[0])
			noise[1] += (v[2] - v[0]) * (v[2] - v[0])
		}
		if signal < 1e-3 || noise[0] == 0 || noise[1] == 0 {
			continue
		}
		better := 10 * math.Log10(noise[1]/noise[0])
		if at[n] {
			these = append(these, better)
		} else {
			rest = append(rest, better)
		}
	}
}
