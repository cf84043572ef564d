// Package ffmpegtest helps tests that have to do with media: it makes clips on
// the fly and reads files back with ffmpeg, independently of the engine, and it
// has a stand-in for the engine itself. It knows nothing of how the engine
// works.
package ffmpegtest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Need skips a test where ffmpeg or ffprobe is missing, and fails it where the
// environment has CI=true: there, nothing may be left out.
func Need(t testing.TB) {
	t.Helper()
	NeedProgram(t, "ffmpeg")
	NeedProgram(t, "ffprobe")
}

// NeedProgram does the same for any program.
func NeedProgram(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing, and CI is to have it", name)
		}
		t.Skipf("%s is missing", name)
	}
}

// Spec is what a clip is to be. The zero value is a second of stereo, 16 bits at
// 44.1 kHz in WAV.
type Spec struct {
	// Name is the file's; its ending says the container. Empty for clip.wav.
	Name string
	// Codec is ffmpeg's name of an encoder; empty for the container's usual one.
	Codec    string
	Rate     int // Hz; 0 for 44100
	Channels int // 0 for 2
	// Samples is how many there are for each channel; 0 for a second of them.
	Samples int64
	// Sound is an expression for ffmpeg's aevalsrc, of the time t and a random
	// number; empty for a sweep that differs between channels. "0" is silence.
	Sound string
	Tags  map[string]string
	Cover bool // with a picture
	// Args are more arguments for the output.
	Args []string
}

// Beats is a Sound of which AAC makes windows of all kinds: tones that change,
// and beats.
const Beats = "0.3*sin(2*PI*(300+200*t)*t)+0.4*sin(9000*t)*exp(-60*(t-floor(3.3*t)/3.3))+0.05*(random(0)-0.5)"

// Clip makes a clip and returns its path. The file is gone after the test,
// unless it runs with -artifacts.
func Clip(t testing.TB, spec Spec) string {
	t.Helper()
	Need(t)
	path := filepath.Join(t.ArtifactDir(), or(spec.Name, "clip.wav"))
	rate, channels := or(spec.Rate, 44100), or(spec.Channels, 2)
	sounds := make([]string, channels)
	for i := range sounds {
		sounds[i] = or(spec.Sound, fmt.Sprintf("0.4*sin(2*PI*(%d+300*t)*t)+0.02*(random(0)-0.5)", 200+110*i))
	}
	args := []string{"-f", "lavfi", "-i", fmt.Sprintf("aevalsrc=%s:s=%d,atrim=end_sample=%d,aformat=channel_layouts=%s",
		strings.Join(sounds, "|"), rate, or(spec.Samples, int64(rate)), layout(channels))}
	if spec.Cover {
		args = append(args, "-f", "lavfi", "-i", "color=red:s=32x32:d=0.04", "-map", "0:a", "-map", "1:v",
			"-frames:v", "1", "-c:v", "mjpeg", "-disposition:v", "attached_pic")
	}
	if spec.Codec != "" {
		args = append(args, "-c:a", spec.Codec)
	}
	for key, value := range spec.Tags {
		args = append(args, "-metadata", key+"="+value)
	}
	args = append(args, spec.Args...)
	key := strings.Join(append(args, filepath.Base(path)), "\x00")
	if content, found := clips.Load(key); found {
		if err := os.WriteFile(path, content.([]byte), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	Run(t, append(args, "file:"+path)...)
	if content, err := os.ReadFile(path); err == nil && len(content) < 4<<20 {
		clips.Store(key, content)
	}
	return path
}

// clips are those that were made, by how: to make one costs more than to encode it.
var clips sync.Map

// layout is ffmpeg's usual one for a number of channels.
func layout(channels int) string {
	return []string{"", "mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1"}[channels]
}

// Run runs ffmpeg with arguments of a test's own.
func Run(t testing.TB, args ...string) {
	t.Helper()
	output(t, "ffmpeg", append([]string{"-hide_banner", "-nostdin", "-y", "-loglevel", "error"}, args...)...)
}

// Facts is what a file is. Members that ffprobe does not know are zero.
type Facts struct {
	Format   string // ffmpeg's name of the demuxer
	Codec    string // ffmpeg's name
	Profile  string
	Rate     int // Hz
	Channels int
	Bits     int           // of a sample; 0 for a lossy codec
	BitRate  int           // bit/s
	Duration time.Duration // as the container says
	Samples  int64         // per channel, found by decoding the file
	Streams  int           // of any type
	Tags     map[string]string
}

// Probe reads a file back with ffprobe and decodes it to its end. It fails the
// test if that makes an error.
func Probe(t testing.TB, path string) Facts {
	t.Helper()
	Need(t)
	var v struct {
		Streams []struct {
			Type     string            `json:"codec_type"`
			Codec    string            `json:"codec_name"`
			Rate     string            `json:"sample_rate"`
			BitRate  string            `json:"bit_rate"`
			RawBits  string            `json:"bits_per_raw_sample"`
			Bits     int               `json:"bits_per_sample"`
			Profile  string            `json:"profile"`
			Tags     map[string]string `json:"tags"`
			Channels int               `json:"channels"`
		}
		Format struct {
			Name     string `json:"format_name"`
			Duration string
			Tags     map[string]string
		}
	}
	found := output(t, "ffprobe", "-loglevel", "error", "-show_format", "-show_streams", "-print_format", "json", "file:"+path)
	if err := json.Unmarshal(found, &v); err != nil {
		t.Fatal(err)
	}
	f := Facts{Format: v.Format.Name, Streams: len(v.Streams), Tags: map[string]string{}}
	seconds, _ := strconv.ParseFloat(v.Format.Duration, 64)
	f.Duration = time.Duration(seconds * float64(time.Second))
	for _, s := range v.Streams {
		if s.Type != "audio" {
			continue
		}
		f.Codec, f.Channels, f.Profile = s.Codec, s.Channels, s.Profile
		f.Rate, _ = strconv.Atoi(s.Rate)
		f.BitRate, _ = strconv.Atoi(s.BitRate)
		f.Bits = s.Bits
		if f.Bits == 0 {
			f.Bits, _ = strconv.Atoi(s.RawBits)
		}
		lowerKeys(f.Tags, s.Tags)
	}
	lowerKeys(f.Tags, v.Format.Tags)
	f.Samples = int64(len(Decode(t, path)) / 4 / max(f.Channels, 1))
	return f
}

// lowerKeys adds tags under lower-case names: containers spell them their own way.
func lowerKeys(to, from map[string]string) {
	for key, value := range from {
		to[strings.ToLower(key)] = value
	}
}

// Decode returns a file's samples as 32-bit integers, interleaved, as bytes in
// little-endian order. It fails the test if decoding makes an error.
func Decode(t testing.TB, path string) []byte {
	t.Helper()
	return output(t, "ffmpeg", "-nostdin", "-loglevel", "error", "-xerror", "-i", "file:"+path,
		"-map", "0:a:0", "-c:a", "pcm_s32le", "-f", "s32le", "pipe:1")
}

// SNR is the ratio of signal to noise, in dB, of samples as Decode returns them,
// as far as both have them.
func SNR(want, got []byte) float64 {
	var signal, differs float64
	for i := 0; i+4 <= min(len(want), len(got)); i += 4 {
		a, b := float64(int32(binary.LittleEndian.Uint32(want[i:]))), float64(int32(binary.LittleEndian.Uint32(got[i:])))
		signal, differs = signal+a*a, differs+(a-b)*(a-b)
	}
	return 10 * math.Log10(signal/max(differs, 1))
}

func output(t testing.TB, program string, args ...string) []byte {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, &stderr)
	}
	return stdout.Bytes()
}

func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}
