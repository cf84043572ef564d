package audiofile

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// MPEG is the header of a frame of MPEG audio, layer III: ISO/IEC 11172-3,
// 2.4.1.3, and 13818-3.
type MPEG struct {
	Length   int // bytes of the frame, header and all
	Samples  int // of each channel
	Rate     int // Hz
	Channels int
	BitRate  int // kbit/s
	low      bool
	crc      bool
}

// ReadMPEG reads a frame's first four bytes.
func ReadMPEG(head []byte) (MPEG, error) {
	if len(head) < 4 || head[0] != 0xff || head[1]&0xe6 != 0xe2 {
		return MPEG{}, fmt.Errorf("read MP3 frame: it begins with % x", head[:min(len(head), 4)])
	}
	version := head[1] >> 3 & 3 // 3 is MPEG-1, 2 MPEG-2, 0 MPEG-2.5
	rates := [3]int{44100, 48000, 32000}
	high := [15]int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}
	lower := [15]int{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}
	rate, bitRate := int(head[2]>>2&3), int(head[2]>>4)
	if version == 1 || rate == 3 || bitRate == 0 || bitRate == 15 {
		return MPEG{}, fmt.Errorf("read MP3 frame: its header is % x", head[:4])
	}
	h := MPEG{Rate: rates[rate], BitRate: high[bitRate], Samples: 1152, Channels: 2, crc: head[1]&1 == 0}
	if version != 3 {
		h.low, h.Samples, h.BitRate = true, 576, lower[bitRate]
		h.Rate /= 2
	}
	if version == 0 {
		h.Rate /= 2
	}
	if head[3]>>6 == 3 {
		h.Channels = 1
	}
	h.Length = h.Samples/8*1000*h.BitRate/h.Rate + int(head[2]>>1&1)
	return h, nil
}

// Head is how many bytes of a frame are not its main data: header, checksum and
// side information.
func (h *MPEG) Head() int {
	n := 4
	if h.crc {
		n += 2
	}
	switch {
	case h.low && h.Channels == 1:
		return n + 9
	case h.low != (h.Channels == 1):
		return n + 17
	}
	return n + 32
}

// Side is what a frame's side information says that matters where it is joined.
type Side struct {
	// Back is how many bytes before the frame's own main data its sound begins,
	// in what earlier frames have left.
	Back int
	// Blocks are how the last granule of each channel is transformed: 0 for one
	// long block, else the block's type, and 4 more if blocks are mixed.
	Blocks [2]byte
}

// ReadSide reads the side information of a whole frame.
func (h *MPEG) ReadSide(frame []byte) (s Side, err error) {
	if len(frame) < h.Head() {
		return s, errors.New("read MP3 frame: it ends early")
	}
	b := bits{data: frame, at: 32}
	if h.crc {
		b.skip(16)
	}
	granules, compress := 2, 4
	if h.low {
		granules, compress = 1, 9
		s.Back = b.read(8)
		b.skip(h.Channels) // private bits: 1 for mono, 2 for stereo
	} else {
		s.Back = b.read(9)
		b.skip(7 - 2*h.Channels)
		b.skip(4 * h.Channels) // scfsi
	}
	for range granules {
		for c := range h.Channels {
			b.skip(12 + 9 + 8 + compress)
			s.Blocks[c] = 0
			if b.read(1) == 1 {
				s.Blocks[c] = byte(b.read(2) | b.read(1)<<2)
				b.skip(5*2 + 3*3)
			} else {
				b.skip(5*3 + 4 + 3)
			}
			b.skip(2)
			if !h.low {
				b.skip(1) // preflag
			}
		}
	}
	return s, b.err
}

// mpegDelay is how much later than it goes in sound comes out of any decoder.
const mpegDelay = 529

// Info is what the first frame of an MP3 says of all others: Xing's frame with
// LAME's additions.
type Info struct {
	Frames  int64 // of sound
	Bytes   int64 // of all frames, this one among them
	Delay   int64 // samples before the sound, as decoded
	Padding int64 // samples after it, as decoded
	CRC     uint16
	Seek    [100]byte // for each percent of time, the 256th of the bytes
}

// offsets in the frame, from the word Xing or Info on.
const (
	infoFrames  = 8
	infoBytes   = 12
	infoSeek    = 16
	infoEncoder = 120
	infoDelay   = infoEncoder + 21
	infoLength  = infoEncoder + 28
	infoCRC     = infoEncoder + 32
	infoTagCRC  = infoEncoder + 34
	infoEnd     = infoEncoder + 36
)

// findInfo returns where in a frame the word is.
func findInfo(frame []byte) (h MPEG, at int, err error) {
	if h, err = ReadMPEG(frame); err != nil {
		return h, 0, err
	}
	h.crc = false // no decoder minds, and Xing's place is without it
	at = h.Head()
	if len(frame) < at+infoEnd || string(frame[at:at+4]) != "Info" && string(frame[at:at+4]) != "Xing" {
		return h, 0, errors.New("read MP3: there is no frame of Xing's")
	}
	if binary.BigEndian.Uint32(frame[at+4:])&7 != 7 {
		return h, 0, errors.New("read MP3: the frame of Xing's does not say all")
	}
	return h, at, nil
}

// ReadInfo reads such a frame.
func ReadInfo(frame []byte) (i Info, err error) {
	_, at, err := findInfo(frame)
	if err != nil {
		return i, err
	}
	f := frame[at:]
	i.Frames = int64(binary.BigEndian.Uint32(f[infoFrames:]))
	i.Bytes = int64(binary.BigEndian.Uint32(f[infoBytes:]))
	copy(i.Seek[:], f[infoSeek:])
	d := int64(f[infoDelay])<<16 | int64(f[infoDelay+1])<<8 | int64(f[infoDelay+2])
	i.Delay, i.Padding = d>>12+mpegDelay, d&0xfff-mpegDelay
	i.CRC = binary.BigEndian.Uint16(f[infoCRC:])
	return i, nil
}

// WriteInfo writes i into such a frame, and sums the frame up.
func WriteInfo(frame []byte, i Info) error {
	_, at, err := findInfo(frame)
	if err != nil {
		return err
	}
	if i.Delay < mpegDelay || i.Delay-mpegDelay > 0xfff || i.Padding < 0 || i.Padding+mpegDelay > 0xfff {
		return fmt.Errorf("write MP3: %d samples before the sound and %d after it cannot be said", i.Delay, i.Padding)
	}
	f := frame[at:]
	copy(f, "Info") // the bit rate is constant
	binary.BigEndian.PutUint32(f[infoFrames:], uint32(i.Frames))
	binary.BigEndian.PutUint32(f[infoBytes:], uint32(i.Bytes))
	copy(f[infoSeek:infoSeek+100], i.Seek[:])
	d := (i.Delay-mpegDelay)<<12 | (i.Padding + mpegDelay)
	f[infoDelay], f[infoDelay+1], f[infoDelay+2] = byte(d>>16), byte(d>>8), byte(d)
	binary.BigEndian.PutUint32(f[infoLength:], uint32(i.Bytes))
	binary.BigEndian.PutUint16(f[infoCRC:], i.CRC)
	binary.BigEndian.PutUint16(f[infoTagCRC:], CRC16(0, frame[:at+infoTagCRC]))
	return nil
}

// CRC16 goes on with the checksum of LAME's frame: polynomial 0x8005, bits
// reflected, beginning at 0.
func CRC16(crc uint16, data []byte) uint16 {
	for _, b := range data {
		crc = crc>>8 ^ crcTable[byte(crc)^b]
	}
	return crc
}

var crcTable = func() (table [256]uint16) {
	for i := range table {
		c := uint16(i)
		for range 8 {
			if c&1 == 1 {
				c = c>>1 ^ 0xa001
			} else {
				c >>= 1
			}
		}
		table[i] = c
	}
	return table
}()

// ID3Length returns how long the ID3v2 tag is that a file begins with, by its
// first ten bytes; 0 if there is none.
func ID3Length(head []byte) int64 {
	if len(head) < 10 || string(head[:3]) != "ID3" {
		return 0
	}
	n := int64(10)
	if head[5]&0x10 != 0 {
		n += 10 // a footer
	}
	return n + int64(head[6]&0x7f)<<21 + int64(head[7]&0x7f)<<14 + int64(head[8]&0x7f)<<7 + int64(head[9]&0x7f)
}
