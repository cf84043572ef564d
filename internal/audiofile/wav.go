package audiofile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// WAV is what the chunks of a file in WAV, or RF64 as EBU Tech 3306 has it, say
// of it.
type WAV struct {
	Format   int // 1 for integers, 3 for floating point
	Rate     int // Hz
	Channels int
	Bits     int // of a sample
	Samples  int64
	Large    bool // RF64
	Extra    bool // there are chunks beside format, sound and text
}

// maxChunks is how many chunks of a file are read. A hole would be millions.
const maxChunks = 1000

// ReadWAV reads the chunks of a file. All sizes have to be right.
func ReadWAV(r io.ReaderAt, size int64) (*WAV, error) {
	head := make([]byte, 12)
	if _, err := r.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("read WAV: %w", err)
	}
	w := &WAV{Samples: -1, Large: string(head[:4]) == "RF64"}
	if string(head[:4]) != "RIFF" && !w.Large || string(head[8:]) != "WAVE" {
		return nil, fmt.Errorf("read WAV: it begins with %q", head)
	}
	whole, data, block := int64(binary.LittleEndian.Uint32(head[4:])), int64(-1), int64(0)
	at, chunks := int64(12), 0
	for ; at+8 <= size; chunks++ {
		if chunks == maxChunks {
			return nil, fmt.Errorf("read WAV: it has more than %d chunks", maxChunks)
		}
		chunk := make([]byte, 8)
		if _, err := r.ReadAt(chunk, at); err != nil {
			return nil, fmt.Errorf("read WAV: %w", err)
		}
		kind, n := string(chunk[:4]), int64(binary.LittleEndian.Uint32(chunk[4:]))
		at += 8
		if kind == "data" && w.Large && n == 0xffffffff {
			n = data
		}
		if n < 0 || n > size-at {
			return nil, fmt.Errorf("read WAV: chunk %q has %d bytes, and the file has %d more", kind, n, size-at)
		}
		switch kind {
		case "data", "fmt ", "ds64", "JUNK", "fact", "LIST":
		default:
			w.Extra = true
		}
		switch {
		case kind == "data":
			data = n
		case kind == "ds64" && n >= 24, kind == "fmt " && n >= 16:
			body := make([]byte, min(n, 40))
			if _, err := r.ReadAt(body, at); err != nil {
				return nil, fmt.Errorf("read WAV: %w", err)
			}
			if kind == "ds64" {
				whole, data = int64(binary.LittleEndian.Uint64(body)), int64(binary.LittleEndian.Uint64(body[8:]))
				break
			}
			w.Format = int(binary.LittleEndian.Uint16(body))
			if w.Format == 0xfffe && len(body) >= 26 {
				w.Format = int(binary.LittleEndian.Uint16(body[24:])) // the subformat's first bytes
			}
			w.Channels, w.Rate = int(binary.LittleEndian.Uint16(body[2:])), int(binary.LittleEndian.Uint32(body[4:]))
			block, w.Bits = int64(binary.LittleEndian.Uint16(body[12:])), int(binary.LittleEndian.Uint16(body[14:]))
		}
		at += n + n&1
	}
	switch {
	case w.Channels == 0 || block == 0 || data < 0:
		return nil, errors.New("read WAV: a chunk is missing")
	case whole != size-8:
		return nil, fmt.Errorf("read WAV: its header says %d bytes, and it has %d", whole+8, size)
	case block != int64(w.Channels*w.Bits/8) || data%block != 0:
		return nil, fmt.Errorf("read WAV: %d bytes are no whole samples of %d", data, block)
	}
	w.Samples = data / block
	return w, nil
}

// FLAC is what the first block of a FLAC says of it: RFC 9639, 8.2.
type FLAC struct {
	Rate     int // Hz
	Channels int
	Bits     int   // of a sample
	Samples  int64 // 0 where the file does not say
	MD5      [16]byte
}

// FLACHead is how many bytes ReadFLAC needs.
const FLACHead = 42

// ReadFLAC reads the first bytes of a file.
func ReadFLAC(head []byte) (*FLAC, error) {
	if len(head) < FLACHead || string(head[:4]) != "fLaC" || head[4]&0x7f != 0 {
		return nil, errors.New("read FLAC: it does not begin like one")
	}
	v := binary.BigEndian.Uint64(head[18:])
	f := &FLAC{Rate: int(v >> 44), Channels: int(v>>41&7) + 1, Bits: int(v>>36&31) + 1, Samples: int64(v & (1<<36 - 1))}
	copy(f.MD5[:], head[26:])
	return f, nil
}
