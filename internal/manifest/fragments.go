package manifest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Fragments is where the parts of a fragmented MP4 file are.
type Fragments struct {
	Init     Range     // from the file's start to the end of its moov box
	Index    Range     // the sidx box
	Duration float64   // seconds, of all segments together
	Segments []Segment // in order and without a gap; their names are empty
}

// maxBoxes is more than any index can list, and few enough to read in a moment.
const maxBoxes = 1 << 20

var errNoIndex = errors.New("there is no index (sidx) ahead of the fragments; the file was not written for MPEG-DASH")

// ReadFragments reads the boxes at the top of a fragmented MP4 file of size
// bytes, and its index, as ISO/IEC 14496-12 has them. The index must be one for
// the whole file, ahead of its fragments (ffmpeg: -movflags
// +dash+global_sidx); an index that does not fit what is in the file is an error.
// The media itself is not read. Whatever the bytes are, it neither panics nor
// takes much memory.
func ReadFragments(r io.ReaderAt, size int64) (*Fragments, error) {
	f := fragmentReader{r: r, size: size}
	if err := f.read(); err != nil {
		return nil, fmt.Errorf("read fragmented MP4: %w", err)
	}
	return &f.found, nil
}

type fragmentReader struct {
	r    io.ReaderAt
	size int64

	found   Fragments
	next    int  // the segment that begins next, of found.Segments
	covered bool // the segment before it has a fragment
}

// box is a box of a file: its kind, where it begins, where its content does, and
// where it ends.
type box struct {
	kind               string
	start, inside, end int64
}

func (f *fragmentReader) read() error {
	at := int64(0)
	for n := 0; at < f.size; n++ {
		if n == maxBoxes {
			return fmt.Errorf("there are more than %d boxes", maxBoxes)
		}
		b, err := f.box(at)
		if err != nil {
			return err
		}
		if err := f.take(b); err != nil {
			return fmt.Errorf("box %q at byte %d: %w", b.kind, b.start, err)
		}
		at = b.end
	}
	switch {
	case f.found.Segments == nil:
		return errNoIndex
	case f.next < len(f.found.Segments) || !f.covered:
		return fmt.Errorf("the index has %d segments, but the file ends within number %d", len(f.found.Segments), f.next)
	}
	return nil
}

// take looks at one box after another.
func (f *fragmentReader) take(b box) error {
	if err := f.enter(b); err != nil {
		return err
	}
	switch b.kind {
	case "moov":
		if f.found.Init.Last > 0 {
			return errors.New("there was one before")
		}
		f.found.Init.Last = b.end - 1
	case "sidx":
		if f.found.Segments == nil {
			return f.index(b)
		}
	case "moof":
		switch {
		case f.found.Segments == nil:
			return errNoIndex
		case !f.inSegment(b.start):
			return errors.New("this fragment is not in the index; the index must be one for the whole file")
		}
		f.covered = true
	}
	return nil
}

// enter notices where a segment of the index begins, which must be at a box.
func (f *fragmentReader) enter(b box) error {
	if f.next == len(f.found.Segments) {
		return nil
	}
	begin := f.found.Segments[f.next].Offset
	if b.start == begin {
		if f.next > 0 && !f.covered {
			return fmt.Errorf("segment %d of the index has no fragment", f.next-1)
		}
		f.next++
		f.covered = false
		return nil
	}
	if b.start > begin {
		return fmt.Errorf("segment %d of the index begins at byte %d, within another box", f.next, begin)
	}
	return nil
}

func (f *fragmentReader) inSegment(at int64) bool {
	if f.next == 0 {
		return false
	}
	s := f.found.Segments[f.next-1]
	return at < s.Offset+s.Size
}

// box reads the header of the box at a byte.
func (f *fragmentReader) box(at int64) (box, error) {
	var head [16]byte
	have := min(int64(len(head)), f.size-at)
	if have < 8 {
		return box{}, fmt.Errorf("the file ends at byte %d, within the header of a box", f.size)
	}
	if err := f.bytes(head[:have], at); err != nil {
		return box{}, err
	}
	b := box{kind: string(head[4:8]), start: at, inside: at + 8}
	if at == 0 && b.kind != "ftyp" {
		return box{}, fmt.Errorf("the first box is %q, not ftyp; this is no MP4 file", b.kind)
	}
	length := uint64(binary.BigEndian.Uint32(head[:4]))
	switch length {
	case 0: // up to the file's end
		length = uint64(f.size - at)
	case 1:
		if have < 16 {
			return box{}, fmt.Errorf("the file ends at byte %d, within the header of box %q", f.size, b.kind)
		}
		length = binary.BigEndian.Uint64(head[8:])
		b.inside = at + 16
	}
	if length < uint64(b.inside-at) || length > uint64(f.size-at) {
		return box{}, fmt.Errorf("box %q at byte %d cannot have %d bytes in a file of %d", b.kind, at, length, f.size)
	}
	b.end = at + int64(length)
	return b, nil
}

// index reads a sidx box.
func (f *fragmentReader) index(b box) error {
	if f.found.Init.Last == 0 {
		return errors.New("the index is ahead of the moov box")
	}
	var head [32]byte
	have := min(int64(len(head)), b.end-b.inside)
	if err := f.bytes(head[:have], b.inside); err != nil {
		return err
	}
	refs := int64(24) // where the references begin, if times have 32 bits
	if head[0] > 0 {
		refs = 32 // they have 64
	}
	if have < refs {
		return fmt.Errorf("an index of %d bytes is too short", b.end-b.start)
	}
	timescale := binary.BigEndian.Uint32(head[8:])
	gap := uint64(binary.BigEndian.Uint32(head[16:]))
	if head[0] > 0 {
		gap = binary.BigEndian.Uint64(head[20:])
	}
	count := int64(binary.BigEndian.Uint16(head[refs-2:]))
	switch {
	case timescale == 0:
		return errors.New("the index has a timescale of zero")
	case count == 0:
		return errors.New("the index is empty")
	case b.inside+refs+12*count > b.end:
		return fmt.Errorf("the index claims %d segments, but has only %d bytes", count, b.end-b.start)
	case gap > uint64(f.size-b.end):
		return fmt.Errorf("the index says that segments begin %d bytes after it; the file ends before that", gap)
	}
	list := make([]byte, 12*count)
	if err := f.bytes(list, b.inside+refs); err != nil {
		return err
	}
	f.found.Index = Range{b.start, b.end - 1}
	return f.segments(list, timescale, b.end+int64(gap))
}

// segments reads the references of an index, 12 bytes each.
func (f *fragmentReader) segments(list []byte, timescale uint32, at int64) error {
	units := uint64(0)
	for i := 0; len(list) > 0; i, list = i+1, list[12:] {
		length, lasts := binary.BigEndian.Uint32(list), binary.BigEndian.Uint32(list[4:])
		if length>>31 != 0 {
			return fmt.Errorf("segment %d of the index is an index itself; one level is all that can be read", i)
		}
		if length == 0 || int64(length) > f.size-at || lasts == 0 {
			return fmt.Errorf("segment %d of the index cannot have %d bytes from byte %d on and last %d/%d s in a file of %d bytes",
				i, length, at, lasts, timescale, f.size)
		}
		f.found.Segments = append(f.found.Segments, Segment{
			Duration: float64(lasts) / float64(timescale),
			Size:     int64(length),
			Offset:   at,
		})
		units += uint64(lasts)
		at += int64(length)
	}
	f.found.Duration = float64(units) / float64(timescale)
	return nil
}

// bytes fills p with the bytes from one on.
func (f *fragmentReader) bytes(p []byte, at int64) error {
	n, err := f.r.ReadAt(p, at)
	if n == len(p) {
		return nil // a reader may say io.EOF along with the last byte
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%d bytes from byte %d on: %w", len(p), at, err)
}
