package ffmpeg

import (
	"fmt"
	"slices"

	"etude/internal/audiofile"
)

// joint returns the packet at which segment b takes over from a, the one before
// it; ok is false where that cannot be done without a trace at any packet that
// both have.
func (t *track) joint(a, b *segment) (at int64, ok bool, err error) {
	fits := fitsAAC
	if t.codec == "mp3" {
		fits = fitsMP3
	}
	for at = max(b.own, a.first+1); a.packet(at-1) != nil && b.packet(at) != nil; at++ {
		if ok, err = fits(a, b, at); ok || err != nil {
			return at, ok, err
		}
	}
	return 0, false, nil
}

// fitsAAC reports whether b can take over at a packet: in both encodings the
// packet before it is transformed with the same windows, so that what a has
// made of it and what b makes of the next one cancel each other's aliasing as
// they would in b alone.
func fitsAAC(a, b *segment, at int64) (bool, error) {
	left, all, err := audiofile.Windows(a.packet(at - 1)[audiofile.ADTSHeader:])
	if err != nil || !all {
		return false, err
	}
	right, all, err := audiofile.Windows(b.packet(at - 1)[audiofile.ADTSHeader:])
	return all && slices.Equal(left, right), err
}

// fitsMP3 reports whether b can take over at a packet. As for AAC, the blocks of
// the packet before it have to be alike. And the sound of b's packet may begin
// in packets before it, as many bytes back as the encoder had left over: there
// must be no less room in a's, and packets of the same sizes.
func fitsMP3(a, b *segment, at int64) (bool, error) {
	var back [2]int
	for i, s := range []*segment{a, b} {
		frame := s.packet(at)
		if frame == nil {
			return false, nil
		}
		_, side, err := readSide(frame)
		if err != nil {
			return false, err
		}
		back[i] = side.Back
	}
	_, left, err := readSide(a.packet(at - 1))
	if err != nil {
		return false, err
	}
	_, right, err := readSide(b.packet(at - 1))
	if err != nil || left.Blocks != right.Blocks || back[0] < back[1] {
		return false, err
	}
	return moveSound(a, b, at, back[1], false)
}

func readSide(frame []byte) (audiofile.MPEG, audiofile.Side, error) {
	h, err := audiofile.ReadMPEG(frame)
	if err != nil {
		return h, audiofile.Side{}, err
	}
	side, err := h.ReadSide(frame)
	return h, side, err
}

// moveSound puts the last bytes before packet at, which are of the sound of b's
// packet, into a's packets, or only looks whether they fit. Those that another
// segment has written instead of a are not to be changed.
func moveSound(a, b *segment, at int64, back int, move bool) (bool, error) {
	for back > 0 {
		at--
		to, from := a.packet(at), b.packet(at)
		if at < a.first || to == nil || from == nil || len(to) != len(from) {
			return false, nil
		}
		h, err := audiofile.ReadMPEG(to)
		if err != nil {
			return false, err
		}
		n := min(back, len(to)-h.Head())
		if move {
			copy(to[len(to)-n:], from[len(from)-n:])
		}
		back -= n
	}
	return true, nil
}

// splicer writes the packets of one encoding after another as one.
type splicer struct {
	t     *track
	write func(packet []byte) error

	last *segment
	next int64   // packet to be written
	at   []int64 // packets at which a segment took over
}

// add adds the next segment, and writes what is certain now. It returns false,
// and nothing has changed, if that cannot be joined.
func (s *splicer) add(b *segment) (bool, error) {
	if s.last == nil {
		s.last = b
		return true, nil
	}
	at, ok, err := s.t.joint(s.last, b)
	if err != nil || !ok {
		return false, err
	}
	return true, s.splice(b, at)
}

// bridge does the same with a patch between the two. Nobody else may use that.
func (s *splicer) bridge(patch, b *segment) (bool, error) {
	begin, ok, err := s.t.joint(s.last, patch)
	if err != nil || !ok {
		return false, err
	}
	patch.first = begin
	end, ok, err := s.t.joint(patch, b)
	if err != nil || !ok {
		return false, err
	}
	if err := s.splice(patch, begin); err != nil {
		return false, err
	}
	return true, s.splice(b, end)
}

// splice has a segment take over at a packet where that fits.
func (s *splicer) splice(b *segment, at int64) error {
	a := s.last
	if s.t.codec == "mp3" {
		_, side, err := readSide(b.packet(at))
		if err != nil {
			return err
		}
		if _, err := moveSound(a, b, at, side.Back, true); err != nil { // it was seen to fit
			return err
		}
	}
	b.first, s.last = at, b
	s.at = append(s.at, at)
	return s.writeTo(a, at)
}

// end writes the rest, up to as many packets as there are in all.
func (s *splicer) end(packets int64) error {
	if s.last == nil {
		return nil
	}
	return s.writeTo(s.last, packets)
}

func (s *splicer) writeTo(a *segment, to int64) error {
	for ; s.next < to; s.next++ {
		p := a.packet(s.next)
		if p == nil {
			return fmt.Errorf("join segments: packet %d is missing", s.next)
		}
		if err := s.write(p); err != nil {
			return fmt.Errorf("write packets: %w", err)
		}
	}
	return nil
}
