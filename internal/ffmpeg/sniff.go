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
// that is needed: WAV, FLAC and MP3 of one or two channels without pictures or
// odd tags, whose headers are as they should be. It returns nil for anything else,
// which is then probed. What it finds is only believed until the decoder has said
// the same.
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
	if err != nil || f.Rate <= 0 || f.Bits != 16 && f.Bits != 24 {
		return nil
	}
	if n, err := audiofile.FLACHeads(file); err != nil || odd(file, n) {
		return nil
	}
	return sniffed("flac", stream{Codec: "flac", Rate: f.Rate, Channels: f.Channels, Bits: f.Bits}, f.Samples)
}

// odd reports whether there is a sign of a picture, or of odd tags, in the first
// bytes of a file, or whether these are too many to be looked at.
func odd(file io.ReaderAt, n int64) bool {
	if n > mostSniffed {
		return true
	}
	tags := make([]byte, n)
	m, err := file.ReadAt(tags, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return true
	}
	tags = bytes.ToUpper(tags[:m])
	for _, sign := range append([]string{"APIC", "PIC\x00", "IMAGE/", audiofile.PictureComment}, oddTags...) {
		if bytes.Contains(tags, []byte(sign)) {
			return true
		}
	}
	return false
}

// mostSniffed is how much of a file is looked at for pictures and tags, which
// come before the sound.
const mostSniffed = 1 << 18

// id3v1 is how many bytes an old tag has.
const id3v1 = 128

// sniffMP3 wants Xing's frame, and that the file is as long as that says, but
// for an old tag at its end.
func sniffMP3(file io.ReaderAt, size, at int64) *source {
	if odd(file, at) {
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
	if info.Frames <= 0 || size-at-info.Bytes != 0 && size-at-info.Bytes != id3v1 {
		return nil
	}
	sign := make([]byte, 3)
	if _, err := file.ReadAt(sign, at+info.Bytes); err == nil && string(sign) != "TAG" {
		return nil // APE's, as short
	}
	s := stream{Codec: "mp3", Rate: first.Rate, Channels: first.Channels}
	samples := info.Frames * int64(first.Samples)
	if d := length(samples, first.Rate); d > 0 {
		s.BitRate = int(float64(info.Bytes*8) / (float64(d) / float64(time.Second)))
	}
	return sniffed("mp3", s, samples)
}
