package ffmpeg

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"

	"etude/internal/audiofile"
)

// sniff finds out what an input is by its first bytes alone, where these say all
// that is needed: WAV, FLAC and MP3 of one or two channels without pictures,
// whose headers are as they should be. It returns nil for anything else, which is then probed. What
// it finds is only believed until the decoder has said the same.
func sniff(path string, size int64) *source {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	head := make([]byte, 64)
	if _, err := file.ReadAt(head, 0); err != nil {
		return nil
	}
	var src *source
	switch {
	case string(head[:4]) == "RIFF":
		src = sniffWAV(file, size)
	case string(head[:4]) == "fLaC":
		src = sniffFLAC(file, head)
	case head[0] == 0xff || string(head[:3]) == "ID3":
		src = sniffMP3(file, size, audiofile.ID3Length(head))
	}
	if src == nil || src.Duration <= 0 || src.Streams[0].Channels > 2 {
		return nil
	}
	return src
}

func sniffed(format string, s stream, samples int64) *source {
	s.Type = "audio"
	s.Duration = length(samples, s.Rate)
	return &source{Format: format, Duration: s.Duration, Streams: []stream{s}, Sniffed: true}
}

func sniffWAV(file io.ReaderAt, size int64) *source {
	w, err := audiofile.ReadWAV(file, size)
	if err != nil || w.Rate <= 0 || w.Large || w.Extra {
		return nil
	}
	codecs := map[[2]int]string{{1, 8}: "pcm_u8", {1, 16}: "pcm_s16le", {1, 24}: "pcm_s24le", {1, 32}: "pcm_s32le", {3, 32}: "pcm_f32le"}
	codec := codecs[[2]int{w.Format, w.Bits}]
	if codec == "" {
		return nil
	}
	return sniffed("wav", stream{Codec: codec, Rate: w.Rate, Channels: w.Channels, Bits: w.Bits, BitRate: w.Rate * w.Channels * w.Bits}, w.Samples)
}

func sniffFLAC(file io.ReaderAt, head []byte) *source {
	f, err := audiofile.ReadFLAC(head)
	if err != nil || pictured(file, 0, flacHeads) || f.Rate <= 0 || f.Bits != 16 && f.Bits != 24 {
		return nil
	}
	return sniffed("flac", stream{Codec: "flac", Rate: f.Rate, Channels: f.Channels, Bits: f.Bits}, f.Samples)
}

// pictured reports whether there is a sign of a picture in some bytes of a file,
// or whether these are too many to be looked at.
func pictured(file io.ReaderAt, at, n int64) bool {
	if n > flacHeads {
		return true
	}
	tags := make([]byte, n)
	m, err := file.ReadAt(tags, at)
	if err != nil && !errors.Is(err, io.EOF) {
		return true
	}
	for _, sign := range []string{"APIC", "PIC\x00", "image/", "METADATA_BLOCK_PICTURE", "metadata_block_picture"} {
		if bytes.Contains(tags[:m], []byte(sign)) {
			return true
		}
	}
	return false
}

// flacHeads is how much of a file is looked at for pictures. FLAC's come before
// the sound, and are larger than all that is before them.
const flacHeads = 1 << 18

// sniffMP3 wants Xing's frame, and that the file is as long as that says, but
// for an old tag at its end.
func sniffMP3(file io.ReaderAt, size, at int64) *source {
	if pictured(file, 0, at) {
		return nil
	}
	frame := make([]byte, 4096)
	n, err := file.ReadAt(frame, at)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	info, err := audiofile.ReadInfo(frame[:n])
	if err != nil {
		return nil
	}
	first, err := audiofile.ReadMPEG(frame[:n])
	if err != nil || first.Length+4 > n {
		return nil
	}
	second, err := audiofile.ReadMPEG(frame[first.Length:n])
	if err != nil || second.Rate != first.Rate || second.Channels != first.Channels || second.Samples != first.Samples {
		return nil
	}
	const oldTag = 128
	if rest := size - at - info.Bytes; info.Frames <= 0 || rest < 0 || rest > oldTag {
		return nil
	}
	s := stream{Codec: "mp3", Rate: first.Rate, Channels: first.Channels}
	samples := info.Frames * int64(first.Samples)
	if d := length(samples, first.Rate); d > 0 {
		s.BitRate = int(float64(info.Bytes*8) / (float64(d) / float64(time.Second)))
	}
	return sniffed("mp3", s, samples)
}
