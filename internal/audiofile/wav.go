package audiofile

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
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
	Extra    bool // there are chunks beside format, sound and a little text
}

// maxChunks is how many chunks of a file are read. A hole would be millions.
const maxChunks = 1000

// littleText is how many bytes of a chunk of text are no Extra.
const littleText = 1 << 18

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
		case "data", "fmt ", "ds64", "JUNK", "fact":
		case "LIST":
			w.Extra = w.Extra || n > littleText
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

// ErrNoRoom says that a file cannot hold what was to be put into it.
var ErrNoRoom = errors.New("there is no room")

// AppendChunk puts a chunk behind those of a file in WAV or RF64, of size bytes,
// which write writes, and corrects the sizes in its head. A RIFF that becomes
// larger than 4 GiB becomes an RF64, if there is room for its sizes: a chunk JUNK
// of 28 bytes in front. Where there is none, the error is ErrNoRoom and nothing
// was written. Nothing else of the file is touched.
func AppendChunk(file File, size int64, kind string, n int64, write func(io.Writer) error) error {
	w, err := ReadWAV(file, size)
	if err != nil {
		return err
	}
	whole := size + size&1 + n + n&1 // without the first 8 bytes, with the chunk's
	head := make([]byte, 12+8+28)
	if _, err := file.ReadAt(head, 0); err != nil {
		return fmt.Errorf("append chunk: %w", err)
	}
	le := binary.LittleEndian
	sizes := string(head[12:16]) == "ds64"
	switch {
	case n > math.MaxUint32, w.Large && !sizes:
		return fmt.Errorf("append chunk: %w", ErrNoRoom)
	case w.Large:
		le.PutUint64(head[20:], uint64(whole))
	case whole <= math.MaxUint32:
		le.PutUint32(head[4:], uint32(whole))
	case string(head[12:16]) == "JUNK" && le.Uint32(head[16:]) == 28: // EBU Tech 3306, 3
		data, err := FindChunk(file, size, "data")
		if err != nil {
			return err
		}
		copy(head, "RF64\xff\xff\xff\xff")
		copy(head[12:], "ds64")
		clear(head[20:])
		le.PutUint64(head[20:], uint64(whole))
		le.PutUint64(head[28:], uint64(data.Size()))
		le.PutUint64(head[36:], uint64(w.Samples))
	default:
		return fmt.Errorf("append chunk: %w", ErrNoRoom)
	}
	out := bufio.NewWriterSize(io.NewOffsetWriter(file, size), 1<<16)
	begin := append(make([]byte, size&1), kind...) // behind what fills up the last chunk
	if _, err := out.Write(le.AppendUint32(begin, uint32(n))); err != nil {
		return fmt.Errorf("append chunk: %w", err)
	}
	count := &counter{w: out}
	if err := write(count); err != nil {
		return fmt.Errorf("append chunk: %w", err)
	}
	if count.n != n {
		return fmt.Errorf("append chunk: %d bytes were promised, and %d written", n, count.n)
	}
	if _, err := out.Write(make([]byte, n&1)); err != nil {
		return fmt.Errorf("append chunk: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("append chunk: %w", err)
	}
	_, err = file.WriteAt(head, 0)
	return err
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// FindChunk returns the content of the first chunk of one of some kinds in a
// file in WAV or RF64, or nil. Sizes may be wrong: what goes beyond the file's end
// ends there.
func FindChunk(r io.ReaderAt, size int64, kinds ...string) (*io.SectionReader, error) {
	head := make([]byte, 36)
	if n, err := r.ReadAt(head, 0); n < 12 {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, fmt.Errorf("read WAV: %w", err)
	}
	form := string(head[:4])
	if form != "RIFF" && form != "RF64" || string(head[8:12]) != "WAVE" {
		return nil, nil
	}
	le := binary.LittleEndian
	data := int64(0)
	if string(head[12:16]) == "ds64" {
		data = int64(le.Uint64(head[28:]))
	}
	at := int64(12)
	for range maxChunks {
		chunk := make([]byte, 8)
		if _, err := r.ReadAt(chunk, at); errors.Is(err, io.EOF) {
			return nil, nil
		} else if err != nil {
			return nil, fmt.Errorf("read WAV: %w", err)
		}
		kind, n := string(chunk[:4]), int64(le.Uint32(chunk[4:]))
		at += 8
		if kind == "data" && form == "RF64" && n == math.MaxUint32 {
			n = data
		}
		if n < 0 || n > size-at {
			n = size - at
		}
		if slices.Contains(kinds, kind) {
			return io.NewSectionReader(r, at, n), nil
		}
		at += n + n&1
	}
	return nil, nil
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

// FLACHeads returns how many bytes of a file come before its sound, by the heads
// of its blocks: RFC 9639, 8.1.
func FLACHeads(r io.ReaderAt) (int64, error) {
	at, head := int64(4), make([]byte, 4)
	for range 1 << 12 {
		if _, err := r.ReadAt(head, at); err != nil {
			return 0, fmt.Errorf("read FLAC: %w", err)
		}
		at += 4 + int64(head[1])<<16 + int64(head[2])<<8 + int64(head[3])
		if head[0]&0x80 != 0 {
			return at, nil
		}
	}
	return 0, errors.New("read FLAC: it has too many blocks")
}
