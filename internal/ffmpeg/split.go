package ffmpeg

import (
	"slices"
	"time"

	"etude/internal/transcode"
)

// split is how a track is encoded in segments, several at once, that are joined
// as if one encoder had made them. All are cut on the codec's frames: a segment
// has some packets of its own, which nobody else has. Its encoder hears some
// before those, until it is in the state that an encoder of everything would be
// in, and makes some after them: at one of these, the next segment takes over.
//
// Numbers are of packets, unless it says otherwise.
type split struct {
	Frame   int64 // samples of a packet
	Delay   int64 // samples that come out of a decoder before the sound
	Unit    int64 // encoders of one bit rate make packets of a size in turns of so many
	Warm    int64 // heard before a segment's own
	Overlap int64 // made after a segment's own
	Ahead   int64 // heard after those that are made
	Length  int64 // a segment's own
	Count   int64 // segments, as long as the input is as long as it says; 0 if it does not
	Tail    int64 // of them, those at the end that are shorter
	Short   int64 // those's own
}

// Of splitting. What an encoder's start costs, a tenth of a second, is about six
// seconds of AAC; what a segment costs in addition is what it hears beside its
// own.
const (
	usualLength = 40 * time.Second // of a segment; of less, none is made
	leastParts  = 3                // a segment is no shorter than usual by more than that
	mostPart    = 16 << 20         // bytes of a segment's sound, which may have to be held
)

// patchTimes are how many times the usual warm-up the encoder of a patch hears:
// where one does not fit either, the next is tried.
var patchTimes = []int64{2, 4}

// splitTracks plans which tracks are split over some cores, and how. A clip is
// not worth it, and what nobody knows the length of is taken for one.
func (p *plan) splitTracks(cores int, usual time.Duration) {
	for i := range p.Tracks {
		t := &p.Tracks[i]
		s := t.splitting()
		if s == nil || cores < 2 || p.plays(t) < usual {
			continue
		}
		s.divide(samples(p.plays(t), t.Rate), samples(usual, t.Rate), t.Channels, cores)
		t.Split, t.Feed = s, p.addFeed(p.newFeed(t))
	}
}

// splitting returns how segments of a track are joined, or nil where they
// cannot be. Vorbis has no frames of one length. MP2's encoder, and FLAC's, are
// quick enough. libfdk_aac's packets were never compared at joins; of AAC with
// more than two channels the windows cannot be compared without decoding. What
// is cut into segments for streaming, or fragmented, is laid out by ffmpeg.
func (t *track) splitting() *split {
	switch {
	case t.Files != transcode.Whole || t.Channels > 2:
		return nil
	case t.container == "mp4" && t.Encoder == "aac":
		return &split{Frame: 1024, Delay: 1024, Unit: 1, Warm: 16, Overlap: 8, Ahead: 1}
	case t.container == "mp3" && t.Encoder == "libmp3lame":
		s := &split{Frame: 1152, Delay: 1105, Unit: 1, Warm: 24, Overlap: 24, Ahead: 4}
		if t.Rate < 32000 {
			s.Frame = 576
		}
		if t.Rate%11025 == 0 {
			s.Unit = 49 // else frames have whole bytes
		}
		return s
	}
	return nil
}

// divide sets how long segments are, of some samples: about as long as usual, all
// of one length, as many as keep all cores busy, and none too long to be held.
// Only the last one for each core is cut into four, so that all cores are done
// at about the same time.
func (s *split) divide(n, usual int64, channels, cores int) {
	packets, usual := s.packets(n), max(usual/s.Frame, 1)
	count, c := (packets+usual-1)/usual, int64(cores)
	if count%c != 0 {
		count += c - count%c
	}
	count = max(min(count, packets*leastParts/usual), 1)
	length := min((packets+count-1)/count, max(mostPart/(s.Frame*int64(channels)*4), 1))
	s.Length = s.turns(length)
	s.Count = (packets + s.Length - 1) / s.Length
	s.Tail, s.Short = 0, s.turns((s.Length+3)/4)
	if rest := packets - (s.Count-c)*s.Length; s.Count > c && s.Short >= leastShort*s.Warm {
		s.Tail = (rest + s.Short - 1) / s.Short
		s.Count += s.Tail - c
	}
}

// leastShort is how many times the warm-up the short segments are long at least.
const leastShort = 4

// turns returns how many packets some are in whole turns.
func (s *split) turns(packets int64) int64 { return (packets + s.Unit - 1) / s.Unit * s.Unit }

// begin returns the first packet of a segment's own, as it was planned; that of
// the one after the last is the end.
func (s *split) begin(k int64) int64 {
	if long := s.Count - s.Tail; s.Count > 0 && k > long {
		return long*s.Length + (k-long)*s.Short
	}
	return k * s.Length
}

// packets is how many there are of some samples.
func (s *split) packets(n int64) int64 {
	if n == 0 {
		return 0
	}
	return (n + s.Delay + s.Frame - 1) / s.Frame
}

// own returns which packets a segment has, from and up to. What comes after the
// end that was planned, up to the length of one segment, goes to the last.
func (s *split) own(k int64) (from, to int64) {
	from, to = s.begin(k), s.begin(k+1)
	if s.Count > 0 && k >= s.Count-1 {
		to += s.Length
		if k >= s.Count {
			from += s.Length
		}
	}
	return from, to
}

// piece is what an encoder is given of a segment, as it has been given others
// before.
type piece struct {
	From int64 // the first frame that is heard
	To   int64 // those up to this one are heard
	At   int64 // packets that the encoder has been given before
}

// piece returns what to give to an encoder that was given some frames already.
// Its packets then have the sizes that those of one encoder would have.
func (s *split) piece(k, at int64) piece {
	from, to := s.own(k)
	p := piece{To: to + s.Overlap + 1 + s.Ahead, At: at}
	if from > 0 {
		p.From = from - s.Warm
		p.From -= ((p.From-at)%s.Unit + s.Unit) % s.Unit
		p.From = max(p.From, 0)
	}
	return p
}

// patch returns what to give to a new encoder of the sound around the beginning
// of a segment, from some times the usual warm-up before it to as much after it,
// and the last packet that is wanted. The first segment has no patch.
func (s *split) patch(k, times int64) (p piece, last int64) {
	from, to := s.own(k)
	last = min(from+times*s.Warm, to)
	p.From = max(from-times*s.Warm, 0)
	p.From -= p.From % s.Unit
	p.To = last + 1 + s.Ahead
	return p, last
}

// around returns the first frame that any encoder hears of a segment, that of a
// patch or its own, and the one up to which patches hear.
func (s *split) around(k int64) (from, to int64) {
	p, _ := s.patch(k, slices.Max(patchTimes))
	return p.From, p.To
}
