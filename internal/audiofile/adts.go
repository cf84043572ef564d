package audiofile

import (
	"errors"
	"fmt"
	"slices"
)

// ADTSHeader is how long the header of an ADTS frame is, without a checksum.
const ADTSHeader = 7

// ADTSLength returns how many bytes an ADTS frame has, header and all, by its
// first ADTSHeader bytes: ISO/IEC 14496-3, 1.A.3.2.
func ADTSLength(head []byte) (int, error) {
	if len(head) < ADTSHeader || head[0] != 0xff || head[1]&0xf6 != 0xf0 {
		return 0, fmt.Errorf("read ADTS frame: it begins with % x", head[:min(len(head), ADTSHeader)])
	}
	if head[1]&1 == 0 {
		return 0, errors.New("read ADTS frame: it has a checksum")
	}
	if head[6]&3 != 0 {
		return 0, errors.New("read ADTS frame: there are several in one")
	}
	n := int(head[3]&3)<<11 | int(head[4])<<3 | int(head[5])>>5
	if n < ADTSHeader {
		return 0, fmt.Errorf("read ADTS frame: its length is %d", n)
	}
	return n, nil
}

var adtsRates = []int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// ADTSFormat returns the sample rate and the number of channels that a frame's
// header says; 0 for one that is not known.
func ADTSFormat(head []byte) (rate, channels int) {
	if i := int(head[2] >> 2 & 15); i < len(adtsRates) {
		rate = adtsRates[i]
	}
	channels = int(head[2]&1)<<2 | int(head[3])>>6
	if channels == 7 {
		channels = 8
	}
	return rate, channels
}

// AppendADTS appends the header of an ADTS frame to b: of AAC-LC with one or two
// channels, whose packet without it has size bytes.
func AppendADTS(b []byte, rate, channels, size int) ([]byte, error) {
	i, n := slices.Index(adtsRates, rate), size+ADTSHeader
	if i < 0 || channels < 1 || channels > 2 || size < 0 || n >= 1<<13 {
		return nil, fmt.Errorf("write ADTS frame: it cannot have %d Hz, %d channels and %d bytes", rate, channels, size)
	}
	const lowComplexity = 1
	return append(b, 0xff, 0xf1, byte(lowComplexity<<6|i<<2), byte(channels<<6|n>>11), byte(n>>3), byte(n<<5|0x1f), 0xfc), nil
}

// SilentADTS returns a frame of silence: one element with no band of any
// spectrum, and the end.
func SilentADTS(rate, channels int) ([]byte, error) {
	packet := []byte{singleChannel << 5, 0, 0, 0x07}
	if channels == 2 {
		packet = []byte{channelPair << 5, 0, 0, 0, 0, 0, 0x0e}
	}
	head, err := AppendADTS(nil, rate, channels, len(packet))
	return append(head, packet...), err
}

// Window is how AAC transforms one frame: its sequence and shape. Two frames in
// a row fit if Follows says so: then the aliasing of one is taken back by the
// other.
type Window struct {
	Sequence byte
	Shape    byte
}

// The window sequences of ISO/IEC 14496-3, 4.5.2.3.4.
const (
	OnlyLong byte = iota
	LongStart
	EightShort
	LongStop
)

// Follows reports whether w may come after before.
func (w Window) Follows(before Window) bool {
	if before.Sequence == LongStart || before.Sequence == EightShort {
		return w.Sequence == EightShort || w.Sequence == LongStop
	}
	return w.Sequence == OnlyLong || w.Sequence == LongStart
}

// The syntactic elements of a raw data block that can come before the sound.
const (
	singleChannel = iota
	channelPair
	couplingChannel
	lowFrequency
	dataStream
	programConfig
	fill
)

// Windows returns the window of each channel of a frame without its header, for
// mono and stereo. The channels of a stereo frame that have windows of their own
// cannot be found without decoding it: then there is one window, and all is
// false.
func Windows(frame []byte) (windows []Window, all bool, err error) {
	b := bits{data: frame}
	for {
		switch id := b.read(3); id {
		case fill:
			n := b.read(4)
			if n == 15 {
				n += b.read(8) - 1
			}
			b.skip(8 * n)
		case singleChannel:
			b.skip(4 + 8) // tag, gain
			w := b.window()
			return []Window{w}, true, b.err
		case channelPair:
			b.skip(4)
			if b.read(1) == 1 {
				w := b.window()
				return []Window{w, w}, true, b.err
			}
			b.skip(8)
			return []Window{b.window()}, false, b.err
		default:
			if b.err == nil {
				b.err = fmt.Errorf("read AAC frame: element %d is not expected", id)
			}
		}
		if b.err != nil {
			return nil, false, b.err
		}
	}
}

// bits reads a few bits at a time, the highest of a byte first.
type bits struct {
	data []byte
	at   int // bit
	err  error
}

func (b *bits) skip(n int) { b.at += n }

func (b *bits) read(n int) int {
	v := 0
	for range n {
		if b.at/8 >= len(b.data) {
			b.err = errors.New("read frame: it ends early")
			return 0
		}
		v = v<<1 | int(b.data[b.at/8]>>(7-b.at%8)&1)
		b.at++
	}
	return v
}

// window reads the beginning of ics_info.
func (b *bits) window() Window {
	b.skip(1)
	return Window{Sequence: byte(b.read(2)), Shape: byte(b.read(1))}
}
