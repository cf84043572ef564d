package audiofile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// PictureComment is the name of the comment that a picture in Ogg is in, and
// NextPicture what stands between the pictures of a comment that SplitPictures
// makes several of.
const (
	PictureComment = "METADATA_BLOCK_PICTURE"
	NextPicture    = "____" + PictureComment + "="
)

// maxComments is the most bytes of comments that are read: all that a picture of
// the largest size takes, and the tags.
const maxComments = 64 << 20

// File is one that is changed in its place.
type File interface {
	io.ReaderAt
	io.WriterAt
}

// SplitPictures makes of the one comment of pictures in a file of Vorbis or FLAC
// in Ogg as many as there are pictures in it, which ffmpeg cannot write. No byte
// is moved: NextPicture begins with the room for a comment's length.
func SplitPictures(file File) error {
	head, err := readOggHead(file)
	if err != nil {
		return fmt.Errorf("split pictures: %w", err)
	}
	if err := splitPictures(head.packet); err != nil {
		return fmt.Errorf("split pictures: %w", err)
	}
	return head.write(file)
}

// oggHead is the pages of a file up to the end of its second packet, the one
// with the comments.
type oggHead struct {
	raw    []byte
	pages  []int // where each begins in raw
	spans  []span
	packet []byte
}

type span struct{ from, to int }

// readOggHead reads the pages of a file with one stream: RFC 3533, 6.
func readOggHead(r io.ReaderAt) (*oggHead, error) {
	h := &oggHead{}
	packet := 0
	for packet < 2 {
		head := make([]byte, 27+255)
		at := len(h.raw)
		n, err := r.ReadAt(head, int64(at))
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if n < 27 || string(head[:5]) != "OggS\x00" || n < 27+int(head[26]) {
			return nil, errors.New("it is no Ogg, or ends early")
		}
		laces := head[27 : 27+int(head[26])]
		size := 27 + len(laces)
		for _, l := range laces {
			size += int(l)
		}
		page := make([]byte, size)
		if _, err := r.ReadAt(page, int64(at)); err != nil {
			return nil, err
		}
		h.pages, h.raw = append(h.pages, at), append(h.raw, page...)
		if len(h.raw) > maxComments {
			return nil, errors.New("its comments are too large")
		}
		from := at + 27 + len(laces)
		for _, l := range laces {
			if packet == 1 {
				h.spans = append(h.spans, span{from, from + int(l)})
			}
			from += int(l)
			if l < 255 {
				packet++
			}
		}
	}
	for _, s := range h.spans {
		h.packet = append(h.packet, h.raw[s.from:s.to]...)
	}
	return h, nil
}

// write writes the pages with the packet as it is now.
func (h *oggHead) write(w io.WriterAt) error {
	at := 0
	for _, s := range h.spans {
		at += copy(h.raw[s.from:s.to], h.packet[at:])
	}
	for i, from := range h.pages {
		to := len(h.raw)
		if i+1 < len(h.pages) {
			to = h.pages[i+1]
		}
		page := h.raw[from:to]
		clear(page[22:26])
		binary.LittleEndian.PutUint32(page[22:], oggSum(page))
	}
	_, err := w.WriteAt(h.raw, 0)
	return err
}

// splitPictures changes a packet of comments: "Ogg Vorbis I format
// specification: comment field and header specification", and RFC 9639, 8.6.
func splitPictures(packet []byte) error {
	rest := packet
	switch {
	case bytes.HasPrefix(rest, []byte("\x03vorbis")):
		rest = rest[7:]
	case len(rest) > 4 && rest[0]&0x7f == 4:
		rest = rest[4:]
	default:
		return errors.New("its second packet has no comments")
	}
	le := binary.LittleEndian
	next := func() ([]byte, bool) {
		if len(rest) < 4 || uint64(le.Uint32(rest)) > uint64(len(rest)-4) {
			return nil, false
		}
		n := 4 + int(le.Uint32(rest))
		field := rest[:n]
		rest = rest[n:]
		return field, true
	}
	if _, ok := next(); !ok || len(rest) < 4 { // who wrote it
		return errors.New("its comments end early")
	}
	count := rest[:4]
	rest = rest[4:]
	all := le.Uint32(count)
	for range all {
		field, ok := next()
		if !ok {
			return errors.New("its comments end early")
		}
		if !bytes.HasPrefix(field[4:], []byte(PictureComment+"=")) {
			continue
		}
		for {
			n := bytes.Index(field[4:], []byte(NextPicture))
			if n < 0 {
				le.PutUint32(field, uint32(len(field)-4))
				break
			}
			le.PutUint32(field, uint32(n))
			field = field[4+n:]
			all++
		}
	}
	le.PutUint32(count, all)
	return nil
}

// oggTable is that of Ogg's checksum, whose bits are not reflected.
var oggTable = func() (table [256]uint32) {
	for i := range table {
		r := uint32(i) << 24
		for range 8 {
			if r&(1<<31) != 0 {
				r = r<<1 ^ 0x04c11db7
			} else {
				r <<= 1
			}
		}
		table[i] = r
	}
	return table
}()

func oggSum(b []byte) (sum uint32) {
	for _, c := range b {
		sum = sum<<8 ^ oggTable[byte(sum>>24)^c]
	}
	return sum
}
