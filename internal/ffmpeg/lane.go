package ffmpeg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"sync"

	"etude/internal/audiofile"
)

// lane is one encoder process of a split track. It is given one piece of sound
// after the other, and does not know that they do not belong together: each
// begins with enough to forget what was before. So a lane is started once, and
// not for every segment.
type lane struct {
	t       *track
	in      *os.File
	command *command
	ended   chan struct{}       // closed when the process has ended
	failed  error               // why it ended badly
	made    func(packets int64) // is told of those that came out
	alter   alteration

	given int64 // frames, until now

	// Of what comes out.
	partial []byte
	err     error

	mu      sync.Mutex
	packets int64      // until now
	pieces  []*segment // that packets are wanted for
}

// alteration changes packet i of a track, as it was made of a segment, to have
// it fit less; nil for none. Only tests have one.
type alteration func(s *segment, i int64, packet []byte)

// laneArgs returns the arguments of an encoder that reads raw samples and writes
// packets.
func (t *track) laneArgs() []string {
	args := []string{
		"-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+info", "-filter_threads", "1",
		"-protocol_whitelist", "pipe", "-f", "f32le", "-ar", strconv.Itoa(t.Rate), "-ac", strconv.Itoa(t.Channels), "-i", "pipe:0",
		"-c:a", t.Encoder, "-b:a", kbit(t.BitRate),
	}
	if t.Encoder == "libmp3lame" {
		args = append(args, "-f", "mp3", "-id3v2_version", "0", "-write_xing", "0")
	} else {
		args = append(args, "-f", "adts")
	}
	return append(args, "-flush_packets", "0", "pipe:1")
}

// startLane starts an encoder. run has to be called to its end, at once with
// all else.
func (r *encode) startLane(t *track) (*lane, error) {
	in, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	widen(in)
	l := &lane{t: t, in: out, ended: make(chan struct{}), alter: r.alter}
	l.command = &command{
		purpose: "encode segments",
		program: r.ffmpeg,
		args:    t.laneArgs(),
		cpu:     r.cpu(0, 1),
		stall:   r.cfg.Stall,
		stdin:   in,
		stdout:  l,
	}
	l.command.watch.hold()
	return l, nil
}

// run runs the encoder until its input is closed and all came out.
func (l *lane) run(ctx context.Context, box *sandbox) (err error) {
	defer func() {
		l.failed = err
		l.in.Close() // or who feeds it would wait for ever
		close(l.ended)
	}()
	tail, err := box.run(ctx, l.command)
	var exit *exitError
	switch {
	case errors.As(err, &exit):
		if f := exit.limited(); f != nil {
			return f
		}
		if err := exit.ours(); err != nil {
			return fmt.Errorf("encode segments: %w", err)
		}
		// Not %w: it is no word on the input.
		return fmt.Errorf("encode segments: %v\n%s", err, exit.tail)
	case err != nil:
		return fmt.Errorf("encode segments: %w", err)
	case l.err != nil:
		return l.err
	case len(l.partial) > 0 || l.wanting():
		return fmt.Errorf("encode segments: the encoder ended early, after %d packets of %d\n%s", l.packets, l.given, tail)
	}
	return nil
}

// wanting reports whether a segment still wants packets.
func (l *lane) wanting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.pieces, func(s *segment) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return !s.whole
	})
}

// close tells the encoder that nothing more comes.
func (l *lane) close() {
	l.command.watch.release()
	l.in.Close()
}

// end closes a lane, waits until its process has ended, and says why that or
// feeding it failed.
func (l *lane) end(ctx context.Context, fed error) error {
	l.close()
	<-l.ended
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return cmp.Or(l.failed, fed) // the lane has the reason, if it is its fault
}

// feed gives the encoder a segment's sound from a hearer, which is at its
// beginning. After the end there is silence.
func (l *lane) feed(s *segment, r *hearer) error {
	l.command.watch.release()
	defer l.command.watch.hold()
	defer r.close()
	l.mu.Lock()
	l.pieces = append(l.pieces, s)
	l.mu.Unlock()
	plan := l.t.Split
	to := s.To * plan.Frame
	for r.at < to {
		part, err := r.read()
		if errors.Is(err, io.EOF) {
			n, _ := r.w.total()
			packets := plan.packets(n)
			s.limit(packets - 1)
			frames := max(min(s.To, packets+1+plan.Ahead), (n+plan.Frame-1)/plan.Frame)
			l.given += frames - s.From
			return l.silence((frames*plan.Frame - n) * r.w.frame)
		}
		if err != nil {
			return err
		}
		part = part[:min(int64(len(part)), (to-r.at)*r.w.frame)]
		if _, err := l.in.Write(part); err != nil {
			return fmt.Errorf("feed encoder: %w", err)
		}
		l.command.alive()
		r.move(r.at + int64(len(part))/r.w.frame)
	}
	l.given += s.To - s.From
	return nil
}

// silence gives some bytes of it.
func (l *lane) silence(n int64) error {
	nothing := make([]byte, min(n, chunkBytes))
	for n > 0 {
		part := nothing[:min(n, int64(len(nothing)))]
		if _, err := l.in.Write(part); err != nil {
			return fmt.Errorf("feed encoder: %w", err)
		}
		n -= int64(len(part))
	}
	return nil
}

// Write takes what the encoder writes.
func (l *lane) Write(p []byte) (int, error) {
	l.command.alive()
	l.partial = append(l.partial, p...)
	rest, before := l.partial, l.packets
	for l.err == nil && len(rest) >= audiofile.ADTSHeader {
		n, err := l.t.packetLength(rest)
		if err != nil {
			l.err = fmt.Errorf("encode segments: %w", err)
			return 0, l.err
		}
		if n > len(rest) {
			break
		}
		l.packet(rest[:n])
		rest = rest[n:]
	}
	l.partial = append(l.partial[:0], rest...)
	l.made(l.packets - before)
	return len(p), nil
}

// packet takes one packet, of which whatever is wanted is kept.
func (l *lane) packet(p []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.packets
	l.packets++
	for len(l.pieces) > 0 {
		s := l.pieces[0]
		if at >= s.At && s.add(s.From+at-s.At, p, l.alter) {
			return
		}
		if at < s.At {
			return // it was heard ahead by the one before
		}
		l.pieces = l.pieces[1:]
	}
}

// packetLength returns how many bytes a track's next packet has, by its first
// ADTSHeader bytes.
func (t *track) packetLength(head []byte) (int, error) {
	if t.codec == "AAC" {
		return audiofile.ADTSLength(head)
	}
	h, err := audiofile.ReadMPEG(head)
	return h.Length, err
}

// segment is one of a track's while it is encoded.
type segment struct {
	piece
	own int64 // the first packet that is nobody else's
	// around is the sound around the beginning of own, in case that another
	// encoder has to be given it; nil for the first segment, and for patches.
	around *soundCopy
	first  int64 // packets before this one are another segment's; it is the joiner's

	mu      sync.Mutex
	last    int64         // the last packet that is wanted
	packets [][]byte      // from From on
	whole   bool          // all are there
	done    chan struct{} // closed then
}

func newSegment(plan *split, k, at int64) *segment {
	own, to := plan.own(k)
	return &segment{piece: plan.piece(k, at), own: own, last: to + plan.Overlap, done: make(chan struct{})}
}

// newPatch is a segment that consists of a patch.
func newPatch(plan *split, k, times int64) *segment {
	own, _ := plan.own(k)
	p, last := plan.patch(k, times)
	return &segment{piece: p, own: own, last: last, done: make(chan struct{})}
}

// soundCopy is some of a feed's sound, and the position of its first sample.
type soundCopy struct {
	at    int64
	sound []byte
}

// add adds packet i of the track, after it was altered, and reports whether more
// may be wanted.
func (s *segment) add(i int64, packet []byte, alter alteration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.whole {
		return false
	}
	packet = slices.Clone(packet)
	if alter != nil {
		alter(s, i, packet)
	}
	s.packets = append(s.packets, packet)
	s.check(i)
	return true
}

// limit says that there is no packet after last.
func (s *segment) limit(last int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = min(s.last, last)
	s.check(s.From + int64(len(s.packets)) - 1)
}

func (s *segment) check(i int64) {
	if i >= s.last && !s.whole {
		s.whole = true
		close(s.done)
	}
}

// packet returns packet i of the track, or nil.
func (s *segment) packet(i int64) []byte {
	if i < s.From || i >= s.From+int64(len(s.packets)) {
		return nil
	}
	return s.packets[i-s.From]
}
