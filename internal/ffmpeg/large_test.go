package ffmpeg_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"etude/internal/ffmpeg"
	"etude/internal/transcode"
)

// TestLarge makes a WAV of more than 4 GiB, of silence that is a hole in a file.
// It takes that much of the disk, and too long to be run always.
func TestLarge(t *testing.T) {
	if os.Getenv("ETUDE_TEST_LARGE") == "" {
		t.Skip("ETUDE_TEST_LARGE is not set")
	}
	const rate, channels, width = 192000, 8, 4
	const samples = 1<<32/(channels*width) + 1
	le := binary.LittleEndian
	head := append(le.AppendUint32([]byte("RIFF"), 36+samples*channels), "WAVEfmt \x10\x00\x00\x00\x01\x00\x08\x00"...)
	head = le.AppendUint32(le.AppendUint32(head, rate), rate*channels)
	head = le.AppendUint32(append(head, "\x08\x00\x08\x00data"...), samples*channels)
	input := filepath.Join(t.TempDir(), "silence.wav")
	if err := os.WriteFile(input, head, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(input, int64(len(head)+samples*channels)); err != nil {
		t.Fatal(err)
	}
	e := newEncoder(t, ffmpeg.Config{})
	out := mustEncode(t, e, input, custom("wav", transcode.Audio{Codec: "pcm", SampleRate: "auto", Channels: "auto", CodecOptions: &transcode.AudioOptions{BitDepth: "32"}})).Outputs[0]
	file, err := os.Open(out.Files[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	size := info.Size()
	if out.Made.Samples != samples || out.Made.Size != size || out.Made.Channels != channels || out.Made.SampleRate != rate || size <= 1<<32 {
		t.Errorf("made %+v; the file has %d bytes", out.Made, size)
	}
	start := make([]byte, 512)
	if _, err := io.ReadFull(file, start); err != nil {
		t.Fatal(err)
	}
	if string(start[:4]) != "RF64" || le.Uint32(start[4:]) != math.MaxUint32 || string(start[8:16]) != "WAVEds64" {
		t.Fatalf("it begins with %q", start[:16])
	}
	data := bytes.Index(start, []byte("data"))
	for what, v := range map[string][2]uint64{
		"all":     {le.Uint64(start[20:]), uint64(size - 8)},
		"sound":   {le.Uint64(start[28:]), samples * channels * width},
		"samples": {le.Uint64(start[36:]), samples},
		"data":    {uint64(le.Uint32(start[data+4:])), math.MaxUint32},
	} {
		if v[0] != v[1] {
			t.Errorf("%s: the header says %d, want %d", what, v[0], v[1])
		}
	}
	found, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-show_entries", "format=duration", "-print_format", "json", "file:"+out.Files[0].Path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var probed struct{ Format struct{ Duration string } }
	if err := json.Unmarshal(found, &probed); err != nil {
		t.Fatal(err)
	}
	if got, err := strconv.ParseFloat(probed.Format.Duration, 64); err != nil || math.Abs(got-float64(samples)/rate) > 1e-5 {
		t.Errorf("ffprobe finds %v s, want %v", got, float64(samples)/rate)
	}
}
