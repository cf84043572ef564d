package ffmpeg

import (
	"bufio"
	"context"
	"hash/crc32"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"etude/internal/audiofile"
	"etude/internal/transcode"
)

// spread encodes the split tracks of a plan over the cores.
type spread struct {
	*encode
	check  *early
	group  *errgroup.Group
	mu     sync.Mutex
	moved  sync.Cond // anything below, or of tracks, changed
	tracks []*spreadTrack
}

// spreadTrack is a track that is encoded in segments.
type spreadTrack struct {
	track    *track
	index    int // in the plan
	window   *window
	rest     *hearer // of what no segment hears yet
	next     int64   // segment to be begun
	segments map[int64]*segment
	count    int64 // how many segments there are; -1 until that is known
	idle     []*lane

	made atomic.Int64 // packets
	step func(transcode.Phase, float64)

	out splitSound
}

// splitSound is the sound of a track as its encoders made it, joined.
type splitSound struct {
	File    string // name in the working directory
	Samples int64  // that went in
	Sizes   []uint32
	Sum     uint32  // of all packets, Castagnoli's
	CRC     uint16  // likewise, LAME's
	Joints  []int64 // packets at which a segment took over from the one before
	Unfit   bool    // the segments could not be joined
}

// sounds returns what was made, by the index of the track.
func (s *spread) sounds() map[int]*splitSound {
	all := map[int]*splitSound{}
	for _, t := range s.tracks {
		all[t.index] = &t.out
	}
	return all
}

// newSpread prepares the tracks of a plan that are split. check gets every
// packet once it is certain.
func (r *encode) newSpread(p *plan, feeds *feeding, check *early) *spread {
	s := &spread{encode: r, check: check}
	s.moved.L = &s.mu
	for i := range p.Tracks {
		t := &p.Tracks[i]
		if t.Split == nil {
			continue
		}
		w := feeds.windows[t.Feed]
		s.tracks = append(s.tracks, &spreadTrack{
			track: t, index: i, window: w, rest: w.hear(0), segments: map[int64]*segment{}, count: -1, step: r.meter.step(t.Cost, t.making()),
			out: splitSound{File: t.File + ".sound"},
		})
	}
	return s
}

// start starts everything in a group.
func (s *spread) start(ctx context.Context, group *errgroup.Group) {
	if len(s.tracks) == 0 {
		return
	}
	s.group = group
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.moved.Broadcast()
	})
	var workers errgroup.Group
	for range s.lanes {
		workers.Go(func() error { return s.work(ctx) })
	}
	group.Go(workers.Wait)
	for _, t := range s.tracks {
		group.Go(func() error { return s.join(ctx, t) })
	}
}

// work encodes segments, those that are heard first first, until there are no
// more.
func (s *spread) work(ctx context.Context) error {
	for {
		release, err := s.pool.core(ctx)
		if err != nil {
			return err
		}
		t, k, r := s.take()
		if t == nil {
			release()
			return nil
		}
		err = s.encodeSegment(ctx, t, k, r)
		release()
		if err != nil {
			return err
		}
	}
}

// take takes the next segment, and who hears it.
func (s *spread) take() (first *spreadTrack, k int64, r *hearer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	begins := func(t *spreadTrack) float64 {
		from, _ := t.track.Split.own(t.next)
		return float64(from*t.track.Split.Frame) / float64(t.track.Rate)
	}
	for _, t := range s.tracks {
		if t.count < 0 && (first == nil || begins(t) < begins(first)) {
			first = t
		}
	}
	if first == nil {
		return nil, 0, nil
	}
	k = first.next
	first.next++
	r = first.window.hear(first.rest.at)
	plan := first.track.Split
	from, _ := plan.around(first.next)
	first.rest.move(from * plan.Frame)
	return first, k, r
}

// encodeSegment has a lane encode a segment.
func (s *spread) encodeSegment(ctx context.Context, t *spreadTrack, k int64, r *hearer) error {
	plan := t.track.Split
	from, _ := plan.own(k)
	l, err := s.lane(ctx, t) // it starts while we wait
	if err != nil {
		return err
	}
	n, err := t.window.length(from*plan.Frame + 1)
	if err != nil {
		return err
	}
	if plan.packets(n) <= from {
		r.close()
		s.rest(t, l)
		s.end(t, k)
		return nil
	}
	seg := newSegment(plan, k, l.given)
	if k > 0 {
		if seg.around, err = t.copyAround(k); err != nil {
			return err
		}
	}
	r.move(seg.From * plan.Frame)
	s.mu.Lock()
	t.segments[k] = seg
	s.moved.Broadcast()
	s.mu.Unlock()
	if err := l.feed(seg, r); err != nil {
		return l.end(ctx, err)
	}
	s.rest(t, l)
	return nil
}

// rest takes a lane back until there is another segment for it.
func (s *spread) rest(t *spreadTrack, l *lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.count >= 0 {
		l.close()
	} else {
		t.idle = append(t.idle, l)
	}
}

// copyAround copies the sound around the beginning of a segment, which somebody
// else hears.
func (t *spreadTrack) copyAround(k int64) (*soundCopy, error) {
	plan := t.track.Split
	from, to := plan.around(k)
	r := t.window.hear(from * plan.Frame)
	defer r.close()
	sound, err := r.copy(to * plan.Frame)
	return &soundCopy{at: from * plan.Frame, sound: sound}, err
}

// lane returns a lane that is idle, or a new one.
func (s *spread) lane(ctx context.Context, t *spreadTrack) (*lane, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(t.idle); n > 0 {
		l := t.idle[n-1]
		t.idle = t.idle[:n-1]
		return l, nil
	}
	return s.newLane(ctx, t)
}

func (s *spread) newLane(ctx context.Context, t *spreadTrack) (*lane, error) {
	l, err := s.startLane(t.track)
	if err != nil {
		return nil, err
	}
	l.made = t.progress
	s.group.Go(func() error { return l.run(ctx, s.sandbox) })
	return l, nil
}

// progress tells that some more packets were made. A few of them nobody wants.
func (t *spreadTrack) progress(n int64) {
	if all := t.track.Split.begin(t.track.Split.Count); all > 0 {
		t.step(transcode.Transcoding, min(float64(t.made.Add(n))/float64(all), 0.99))
	}
}

// end says that a track has no more than count segments.
func (s *spread) end(t *spreadTrack, count int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.count < 0 || count < t.count {
		t.count = count
	}
	for _, l := range t.idle {
		l.close()
	}
	t.idle = nil
	t.rest.close()
	s.moved.Broadcast()
}

// await returns segment k of a track, whole; nil if there is none.
func (s *spread) await(ctx context.Context, t *spreadTrack, k int64) (*segment, error) {
	s.mu.Lock()
	for t.segments[k] == nil && (t.count < 0 || k < t.count) && ctx.Err() == nil {
		s.moved.Wait()
	}
	seg := t.segments[k]
	delete(t.segments, k)
	s.mu.Unlock()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if seg == nil {
		return nil, nil
	}
	select {
	case <-seg.done:
		return seg, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// join joins the segments of a track as they come.
func (s *spread) join(ctx context.Context, t *spreadTrack) (err error) {
	file, err := s.createOwn(t.out.File)
	if err != nil {
		return err
	}
	defer func() {
		if e := file.Close(); err == nil {
			err = e
		}
	}()
	defer s.check.end(t.index)
	out := bufio.NewWriterSize(file, 1<<18)
	plan := t.track.Split
	join := &splicer{t: t.track, write: func(packet []byte) error {
		s.check.packet(t.index, packet)
		if t.track.codec == "AAC" {
			packet = packet[audiofile.ADTSHeader:]
		} else {
			t.out.CRC = audiofile.CRC16(t.out.CRC, packet)
		}
		t.out.Sum = crc32.Update(t.out.Sum, castagnoli, packet)
		t.out.Sizes = append(t.out.Sizes, uint32(len(packet)))
		_, err := out.Write(packet)
		return err
	}}
	for k := int64(0); ; k++ {
		seg, err := s.await(ctx, t, k)
		if err != nil {
			return err
		}
		if seg == nil {
			break
		}
		ok, err := join.add(seg)
		if err == nil && !ok {
			ok, err = s.patch(ctx, t, join, k, seg)
		}
		if err != nil {
			return err
		}
		if !ok {
			t.out.Unfit = true
			s.end(t, k)
			return nil
		}
		seg.around = nil
	}
	n, _ := t.window.total()
	t.out.Samples, t.out.Joints = n, join.at
	if err := join.end(plan.packets(n)); err != nil {
		return err
	}
	t.step(transcode.Transcoding, 1)
	return out.Flush()
}

// patch joins a segment that does not fit to the one before it by a patch: the
// sound around the join is encoded once more, by an encoder that hears more
// before it. It returns false if nothing fits that either.
func (s *spread) patch(ctx context.Context, t *spreadTrack, join *splicer, k int64, seg *segment) (bool, error) {
	for _, times := range patchTimes {
		s.cfg.Logger.Warn("segments cannot be joined: the sound around the join is encoded again",
			"output", t.track.File, "packet", seg.own, "warmup", times*t.track.Split.Warm)
		p, err := s.encodePatch(ctx, t, k, times, seg.around)
		if err != nil {
			return false, err
		}
		if ok, err := join.bridge(p, seg); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// encodePatch has a lane of its own encode a patch.
func (s *spread) encodePatch(ctx context.Context, t *spreadTrack, k, times int64, around *soundCopy) (*segment, error) {
	release, err := s.pool.core(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	plan := t.track.Split
	p := newPatch(plan, k, times)
	r, err := hearCopy(t.track.Channels, around.sound, around.at, p.From*plan.Frame)
	if err != nil {
		return nil, err
	}
	l, err := s.newLane(ctx, t)
	if err != nil {
		return nil, err
	}
	if err := l.feed(p, r); err != nil {
		return nil, l.end(ctx, err)
	}
	return p, l.end(ctx, nil)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
