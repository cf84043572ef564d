package ffmpeg

import (
	"bufio"
	"context"
	"crypto/md5" // #nosec G501 -- it is FLAC's own checksum
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/frame"
	"github.com/mewkiz/flac/meta"
)

// goFLAC reports whether a track is a FLAC that decodeFLAC is quicker with than
// a process. The decoder logs that it was never tested with some sample rates.
func (p *plan) goFLAC(t *track) bool {
	plays := p.plays(t)
	return t.container == "flac" && (t.Rate == 44100 || t.Rate == 48000) && plays > 0 && plays < 30*time.Second
}

// decodeFLAC decodes a FLAC that was made to its end and holds it against the checksum of its
// samples.
func (r *encode) decodeFLAC(ctx context.Context, name string) (*facts, error) {
	file, err := r.openOwn(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	stream, err := flac.Parse(bufio.NewReaderSize(file, 1<<18))
	if err != nil {
		return nil, fmt.Errorf("decode FLAC: %w", err)
	}
	f := &facts{Codec: "flac", Rate: int(stream.Info.SampleRate), Channels: int(stream.Info.NChannels)}
	for _, b := range stream.Blocks {
		if b.Type == meta.TypePicture {
			f.Covers++
		}
	}
	sum := md5.New() // #nosec G401 -- as above
	var samples []byte
	for ctx.Err() == nil {
		block, err := stream.ParseNext()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("decode FLAC: sample %d: %w", f.Samples, err)
		}
		if block.Channels.Count() != f.Channels {
			return nil, fmt.Errorf("decode FLAC: sample %d: it has %d channels now", f.Samples, block.Channels.Count())
		}
		f.Samples += int64(block.BlockSize)
		samples = appendSamples(samples[:0], block, (int(stream.Info.BitsPerSample)+7)/8)
		sum.Write(samples)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if got := [16]byte(sum.Sum(nil)); got != stream.Info.MD5sum {
		return nil, fmt.Errorf("decode FLAC: its samples have the checksum %x, want %x", got, stream.Info.MD5sum)
	}
	return f, nil
}

// appendSamples appends those of a block as FLAC's checksum wants them: signed,
// little-endian, interleaved.
func appendSamples(b []byte, block *frame.Frame, bytes int) []byte {
	for i := range int(block.BlockSize) {
		for _, channel := range block.Subframes {
			v := uint32(channel.Samples[i])
			for range bytes {
				b = append(b, byte(v))
				v >>= 8
			}
		}
	}
	return b
}
