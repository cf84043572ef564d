package audiofile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// MP4 is what the boxes of a file with one track of sound say of it.
type MP4 struct {
	Rate    int      // Hz, and the unit of everything below
	Frame   int64    // samples that a packet lasts
	Sizes   []uint32 // bytes of each packet
	Delay   int64    // samples before the sound, as decoded
	Samples int64    // of sound; -1 where the file does not say
	Data    int64    // where the packets lie, one behind the other
	Free    []Tag    // to be written beside those that there are

	brands []byte
	movie  *box
}

// maxMovie is the most bytes of boxes that are read: the pictures that a file
// may have, and a table of the packets of many hours.
const maxMovie = 512 << 20

// ReadMP4 reads the boxes of a file that is not fragmented. Its packets must lie
// one behind the other.
func ReadMP4(r io.ReaderAt, size int64) (*MP4, error) {
	m := &MP4{Samples: -1}
	for at := int64(0); at < size; {
		head := make([]byte, 16)
		if n, err := r.ReadAt(head, at); n < 8 {
			return nil, fmt.Errorf("read MP4: %w", err)
		}
		n, body := int64(binary.BigEndian.Uint32(head)), int64(8)
		if n == 1 {
			n, body = int64(binary.BigEndian.Uint64(head[8:])), 16
		}
		if n == 0 {
			n = size - at
		}
		if n < body || n > size-at {
			return nil, fmt.Errorf("read MP4: box %q has %d bytes of %d", head[4:8], n, size-at)
		}
		if kind := string(head[4:8]); kind == "ftyp" || kind == "moov" {
			if n > maxMovie {
				return nil, fmt.Errorf("read MP4: box %q is too large", kind)
			}
			content := make([]byte, n-body)
			if _, err := r.ReadAt(content, at+body); err != nil {
				return nil, fmt.Errorf("read MP4: %w", err)
			}
			if kind == "ftyp" {
				m.brands = content
			} else {
				m.movie = &box{kind: kind, body: content}
			}
		}
		at += n
	}
	if m.movie == nil || m.brands == nil {
		return nil, errors.New("read MP4: it has no index")
	}
	if err := m.movie.open(); err != nil {
		return nil, fmt.Errorf("read MP4: %w", err)
	}
	return m, m.readTables()
}

// readTables reads what the boxes say of the packets.
func (m *MP4) readTables() error {
	var media, times, sizes, chunks, edits []byte
	for path, to := range map[string]*[]byte{
		"trak/mdia/mdhd": &media, "trak/mdia/minf/stbl/stts": &times, "trak/mdia/minf/stbl/stsz": &sizes,
		"trak/mdia/minf/stbl/stco": &chunks, "trak/edts/elst": &edits,
	} {
		if b := m.movie.find(path); b != nil {
			*to = b.body
		}
	}
	wide := m.movie.find("trak/mdia/minf/stbl/co64")
	if len(media) < 20 || len(times) < 16 || len(sizes) < 12 || wide == nil && len(chunks) < 12 || wide != nil && len(wide.body) < 16 {
		return errors.New("read MP4: a table is missing")
	}
	m.Rate = int(binary.BigEndian.Uint32(media[12:]))
	if media[0] == 1 {
		m.Rate = int(binary.BigEndian.Uint32(media[20:]))
	}
	m.Frame = int64(binary.BigEndian.Uint32(times[12:]))
	n := int(binary.BigEndian.Uint32(sizes[8:]))
	if binary.BigEndian.Uint32(sizes[4:]) != 0 || n > (len(sizes)-12)/4 {
		return errors.New("read MP4: the table of sizes is broken")
	}
	for i := range n {
		m.Sizes = append(m.Sizes, binary.BigEndian.Uint32(sizes[12+4*i:]))
	}
	if wide != nil {
		m.Data = int64(binary.BigEndian.Uint64(wide.body[8:]))
	} else {
		m.Data = int64(binary.BigEndian.Uint32(chunks[8:]))
	}
	switch {
	case len(edits) < 8 || binary.BigEndian.Uint32(edits[4:]) != 1:
	case edits[0] == 0 && len(edits) >= 20:
		m.Samples, m.Delay = int64(binary.BigEndian.Uint32(edits[8:])), int64(binary.BigEndian.Uint32(edits[12:]))
	case edits[0] == 1 && len(edits) >= 28:
		m.Samples, m.Delay = int64(binary.BigEndian.Uint64(edits[8:])), int64(binary.BigEndian.Uint64(edits[16:]))
	}
	scale := m.movie.find("mvhd")
	if scale == nil || len(scale.body) < 24 {
		return errors.New("read MP4: the movie has no header")
	}
	at := 12
	if scale.body[0] == 1 {
		at = 20
	}
	if m.Samples >= 0 && int(binary.BigEndian.Uint32(scale.body[at:])) != m.Rate {
		m.Samples = -1 // it is in units of the movie's, too coarse
	}
	return nil
}

// Decoded is how many samples a decoder makes that heeds the beginning and not
// the end.
func (m *MP4) Decoded() int64 { return int64(len(m.Sizes))*m.Frame - m.Delay }

// Bytes is how many bytes all packets have.
func (m *MP4) Bytes() (sum int64) {
	for _, n := range m.Sizes {
		sum += int64(n)
	}
	return sum
}

// Pictures is how many covers there are.
func (m *MP4) Pictures() (n int) {
	if covers := m.movie.find("udta/meta/ilst/covr"); covers != nil {
		for rest := covers.body; len(rest) >= 8; {
			size := int(binary.BigEndian.Uint32(rest))
			if size < 8 || size > len(rest) {
				break
			}
			if string(rest[4:8]) == "data" {
				n++
			}
			rest = rest[size:]
		}
	}
	return n
}

// Write writes a file with the packets that Sizes tells of, to be read from
// data, of which exactly Samples are heard from Delay on. The edit list says
// so, and, for players of Apple's kind, iTunSMPB. The index comes first.
// Everything else is as in the file that was read.
func (m *MP4) Write(w io.Writer, data io.Reader) error {
	if m.Samples < 0 || m.Samples > m.Decoded() {
		return fmt.Errorf("write MP4: %d packets have %d samples of sound, want %d", len(m.Sizes), m.Decoded(), m.Samples)
	}
	head := box{kind: "ftyp", body: m.brands}
	bytesOfData := m.Bytes()
	dataHead := int64(8)
	if bytesOfData > math.MaxUint32-16 {
		dataHead = 16
	}
	// Where the packets are depends on how long the tables are, and that, for
	// very large files, on where they are.
	var movie []byte
	for _, wide := range []bool{false, true} {
		if err := m.writeTables(0, wide); err != nil {
			return fmt.Errorf("write MP4: %w", err)
		}
		at := int64(len(head.bytes())) + m.movie.size() + dataHead
		if !wide && at+bytesOfData > math.MaxUint32 {
			continue
		}
		if err := m.writeTables(at, wide); err != nil {
			return fmt.Errorf("write MP4: %w", err)
		}
		movie = m.movie.bytes()
		break
	}
	out := slices.Concat(head.bytes(), movie)
	if dataHead == 8 {
		out = binary.BigEndian.AppendUint32(out, uint32(bytesOfData+8))
		out = append(out, "mdat"...)
	} else {
		out = append(binary.BigEndian.AppendUint32(out, 1), "mdat"...)
		out = binary.BigEndian.AppendUint64(out, uint64(bytesOfData+16))
	}
	if _, err := w.Write(out); err != nil {
		return err
	}
	n, err := io.Copy(w, io.LimitReader(data, bytesOfData))
	if err == nil && n < bytesOfData {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// perChunk is how many packets a chunk has: about a second.
const perChunk = 43

// writeTables puts what m says into the boxes.
func (m *MP4) writeTables(data int64, wide bool) error {
	n := len(m.Sizes)
	table := m.movie.find("trak/mdia/minf/stbl")
	if table == nil {
		return errors.New("there is no table")
	}
	u32 := binary.BigEndian.AppendUint32
	sizes := u32(u32(make([]byte, 4, 12+4*n), 0), uint32(n))
	for _, size := range m.Sizes {
		sizes = u32(sizes, size)
	}
	table.set("stsz", sizes)
	table.set("stts", u32(u32(u32(make([]byte, 4), 1), uint32(n)), uint32(m.Frame)))

	full, rest := n/perChunk, n%perChunk
	var runs []uint32
	if full > 0 {
		runs = append(runs, 1, perChunk, 1)
	}
	if rest > 0 {
		runs = append(runs, uint32(full+1), uint32(rest), 1)
	}
	chunks := u32(make([]byte, 4), uint32(len(runs)/3))
	for _, v := range runs {
		chunks = u32(chunks, v)
	}
	table.set("stsc", chunks)

	count := full + min(rest, 1)
	offsets := u32(make([]byte, 4), uint32(count))
	at := data
	for i, size := range m.Sizes {
		switch {
		case i%perChunk != 0:
		case wide:
			offsets = binary.BigEndian.AppendUint64(offsets, uint64(at))
		default:
			offsets = u32(offsets, uint32(at))
		}
		at += int64(size)
	}
	table.remove("stco")
	table.remove("co64")
	if wide {
		table.set("co64", offsets)
	} else {
		table.set("stco", offsets)
	}
	if roll := table.find("sbgp"); roll != nil && len(roll.body) >= 20 {
		// All packets need the one before them.
		body := slices.Clone(roll.body[:20])
		binary.BigEndian.PutUint32(body[12:], uint32(n))
		binary.BigEndian.PutUint32(body[8:], 1)
		roll.body = body
	}
	m.writeRates(table)
	return m.writeTimes()
}

// writeTimes puts the lengths into the boxes, all in samples.
func (m *MP4) writeTimes() error {
	movie, track, media := m.movie.find("mvhd"), m.movie.find("trak/tkhd"), m.movie.find("trak/mdia/mdhd")
	if movie == nil || track == nil || media == nil {
		return errors.New("a header is missing")
	}
	total := int64(len(m.Sizes)) * m.Frame
	if !setTime(movie, 12, uint32(m.Rate), m.Samples) || !setTime(track, 16, 0, m.Samples) || !setTime(media, 12, 0, total) {
		return errors.New("a header has no room for the length")
	}
	edit := []byte{0, 0, 0, 0, 0, 0, 0, 1}
	if m.Samples > math.MaxUint32 {
		edit[0] = 1
		edit = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(edit, uint64(m.Samples)), uint64(m.Delay))
	} else {
		edit = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(edit, uint32(m.Samples)), uint32(m.Delay))
	}
	edit = append(edit, 0, 1, 0, 0)
	trak := m.movie.find("trak")
	trak.set("edts", nil)
	list := trak.find("edts")
	list.parts = []*box{{kind: "elst", body: edit}}
	m.writeGapless(total)
	return nil
}

// setTime writes a length, and a time scale where it is not 0, into a header
// box: the length has its place 4 bytes after the time scale, or 8 after a
// track's number.
func setTime(b *box, at int, scale uint32, length int64) bool {
	if len(b.body) < 4 {
		return false
	}
	wide := b.body[0] == 1
	if wide {
		at += 8
	}
	after := 4
	if b.kind == "tkhd" {
		at, after = at-4, 8
	}
	size := 4
	if wide {
		size = 8
	}
	if len(b.body) < at+after+size || !wide && length > math.MaxUint32 {
		return false
	}
	if scale != 0 {
		binary.BigEndian.PutUint32(b.body[at:], scale)
	}
	if wide {
		binary.BigEndian.PutUint64(b.body[at+after:], uint64(length))
	} else {
		binary.BigEndian.PutUint32(b.body[at+after:], uint32(length))
	}
	return true
}

// writeGapless writes iTunSMPB, which is as the edit list is, for players that
// heed that alone.
func (m *MP4) writeGapless(total int64) {
	text := fmt.Sprintf(" 00000000 %08X %08X %016X", m.Delay, total-m.Delay-m.Samples, m.Samples) + strings.Repeat(" 00000000", 8)
	m.setFree(Tag{"iTunSMPB", text})
	for _, t := range m.Free {
		m.setFree(t)
	}
}

// setFree writes a tag for which there is no atom, as iTunes does.
func (m *MP4) setFree(t Tag) {
	field := func(kind string, head int, value string) *box {
		return &box{kind: kind, body: append(make([]byte, head), value...)}
	}
	name, data := field("name", 4, t.Name), field("data", 8, t.Value)
	data.body[3] = 1 // UTF-8
	free := &box{kind: "----", parts: []*box{field("mean", 4, "com.apple.iTunes"), name, data}}
	free.body = free.bytes()[8:]
	free.parts = nil

	list := m.movie.find("udta/meta/ilst")
	if list == nil {
		handler := &box{kind: "hdlr", body: append(append(make([]byte, 8), "mdirappl"...), make([]byte, 9)...)}
		list = &box{kind: "ilst", parts: []*box{}}
		m.movie.set("udta", nil)
		m.movie.find("udta").parts = []*box{{kind: "meta", body: make([]byte, 4), parts: []*box{handler, list}}}
	}
	list.parts = slices.DeleteFunc(list.parts, func(b *box) bool {
		return b.kind == "----" && bytes.Contains(b.body, name.bytes())
	})
	list.parts = append(list.parts, free)
}

// writeRates writes the mean and the highest bit rate into the decoder's
// description, of a second each.
func (m *MP4) writeRates(table *box) {
	b := table.find("stsd")
	if b == nil {
		return
	}
	at := bytes.Index(b.body, []byte("esds"))
	if at < 0 {
		return
	}
	// The descriptor of tag 4 begins, after its length, with the object's type,
	// 0x40 for MPEG-4 sound, and the stream's, 0x15: ISO/IEC 14496-1, 7.2.6.6.
	place := bytes.Index(b.body[at:], []byte{0x40, 0x15})
	if place < 0 || at+place+13 > len(b.body) {
		return
	}
	var sum, most, all uint64
	per := max(int(int64(m.Rate)/max(m.Frame, 1)), 1)
	for i, n := range m.Sizes {
		sum, all = sum+uint64(n), all+uint64(n)
		if i >= per {
			sum -= uint64(m.Sizes[i-per])
		}
		most = max(most, sum)
	}
	rates := b.body[at+place+5:]
	mean := uint32(0)
	if n := uint64(len(m.Sizes)) * uint64(m.Frame); n > 0 {
		mean = uint32(all * 8 * uint64(m.Rate) / n)
	}
	binary.BigEndian.PutUint32(rates, max(uint32(most*8*uint64(m.Rate)/(uint64(per)*uint64(max(m.Frame, 1)))), mean))
	binary.BigEndian.PutUint32(rates[4:], mean)
}

// box is a box of an MP4. One with parts has, as its body, only what comes
// before them.
type box struct {
	kind  string
	body  []byte
	parts []*box // nil where they are not looked at
}

// opened are the boxes whose parts are looked at, and how many bytes come
// before those.
var opened = map[string]int{
	"moov": 0, "trak": 0, "edts": 0, "mdia": 0, "minf": 0, "stbl": 0, "udta": 0, "meta": 4, "ilst": 0,
}

// open takes a box apart.
func (b *box) open() error {
	before, known := opened[b.kind]
	if !known {
		return nil
	}
	if len(b.body) < before {
		return fmt.Errorf("box %q ends early", b.kind)
	}
	rest := b.body[before:]
	b.body, b.parts = b.body[:before:before], []*box{}
	for len(rest) >= 8 {
		n := int(binary.BigEndian.Uint32(rest))
		if n < 8 || n > len(rest) {
			return fmt.Errorf("box %q in %q has %d bytes of %d", rest[4:8], b.kind, n, len(rest))
		}
		part := &box{kind: string(rest[4:8]), body: rest[8:n:n]}
		if err := part.open(); err != nil {
			return err
		}
		b.parts = append(b.parts, part)
		rest = rest[n:]
	}
	if len(rest) > 0 && b.kind != "udta" { // which may end with four zeros
		return fmt.Errorf("box %q has %d bytes too many", b.kind, len(rest))
	}
	return nil
}

// find returns the first box of a path, or nil.
func (b *box) find(path string) *box {
	kind, rest, more := bytes.Cut([]byte(path), []byte("/"))
	for _, part := range b.parts {
		if part.kind == string(kind) {
			if !more {
				return part
			}
			return part.find(string(rest))
		}
	}
	return nil
}

// set replaces the body of a part, or adds one.
func (b *box) set(kind string, body []byte) {
	if part := b.find(kind); part != nil {
		part.body = body
		return
	}
	part := &box{kind: kind, body: body}
	if kind == "edts" && len(b.parts) > 0 { // between the headers
		b.parts = slices.Insert(b.parts, 1, part)
		return
	}
	b.parts = append(b.parts, part)
}

func (b *box) remove(kind string) {
	b.parts = slices.DeleteFunc(b.parts, func(part *box) bool { return part.kind == kind })
}

func (b *box) size() int64 {
	n := int64(8 + len(b.body))
	for _, part := range b.parts {
		n += part.size()
	}
	return n
}

func (b *box) bytes() []byte {
	out := append(binary.BigEndian.AppendUint32(nil, uint32(b.size())), b.kind...)
	out = append(out, b.body...)
	for _, part := range b.parts {
		out = append(out, part.bytes()...)
	}
	return out
}
