package ffmpeg

import (
	"encoding/binary"
	"io"
	"os"
	"time"
)

// promisedByWAV returns how long a WAV file is to play by its head; 0 if that
// does not say. ffmpeg takes what is there for what was promised.
func promisedByWAV(path string) time.Duration {
	file, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer file.Close()
	le := binary.LittleEndian
	head := make([]byte, 24)
	if _, err := io.ReadFull(file, head[:12]); err != nil || string(head[:4]) != "RIFF" || string(head[8:12]) != "WAVE" {
		return 0
	}
	perSecond := int64(0)
	for range 64 { // chunks before the samples
		if _, err := io.ReadFull(file, head[:8]); err != nil {
			return 0
		}
		kind, size := string(head[:4]), int64(le.Uint32(head[4:]))
		read := int64(0)
		switch {
		case kind == "fmt " && size >= 16:
			if _, err := io.ReadFull(file, head[:16]); err != nil {
				return 0
			}
			perSecond, read = int64(le.Uint32(head[8:])), 16
			switch le.Uint16(head) {
			case 1, 3, 6, 7, 0xfffe: // samples of one size; of others, it is a guess
			default:
				return 0
			}
		case kind == "data":
			// Who writes into a pipe leaves a size that says nothing.
			if perSecond == 0 || size == 0 || size >= 1<<31-1 {
				return 0
			}
			return time.Duration(float64(size) / float64(perSecond) * float64(time.Second))
		}
		if _, err := file.Seek(size+size&1-read, io.SeekCurrent); err != nil {
			return 0
		}
	}
	return 0
}
