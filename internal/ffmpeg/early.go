package ffmpeg

import (
	"bufio"
	"context"
	"os"
	"slices"
	"strconv"
	"sync/atomic"

	"etude/internal/audiofile"
	"etude/internal/transcode"
)

// early verifies tracks while they are made. Each is looked at in the way that
// is cheapest for it: AAC's packets go to a checker, a short FLAC is decoded
// here, and MP3 that is encoded in segments goes through a pipe to a process as
// the segments are joined. What is left needs its file, and a process: where
// segments are still encoded when the file is there, that is started then, and
// else together with the one that makes the file, and waits. Whatever it does
// not know in the end, verify finds out itself.
type early struct {
	*encode
	p      *plan            // as it was when all began
	split  int              // of its tracks
	aac    map[int]*checker // for tracks whose packets come as they are joined
	whole  []int            // AAC that is checked when its file is there
	spare  *checker         // that is started already for the first of them; nil for none
	flac   []int
	joined *decoder         // of pipes; nil for none
	pipes  map[int]*mp3Pipe // by the index of the track
	late   []int            // what files is to be given once the decode has ended
	files  *decoder         // nil for none
	gate   *os.File         // holds files back as long as it is open
	asked  atomic.Bool      // for facts
}

// decoder is a process that decodes tracks to their ends.
type decoder struct {
	read   *verifyWords
	ctl    *command
	cancel context.CancelFunc
	done   chan struct{}
	err    error // when it is done
}

// mp3Pipe takes a track to the process.
type mp3Pipe struct {
	file   *os.File
	buf    *bufio.Writer
	ctl    *command
	broken bool // the process has ended before
}

// mostAtOnce is how many tracks of AAC are given to checkers as they are joined:
// each has a process of its own.
const mostAtOnce = 2

// startEarly starts verifying a plan's tracks; it may have nothing to do. close
// has to be called.
func (r *encode) startEarly(ctx context.Context, p *plan) (*early, error) {
	before := *p
	e := &early{encode: r, p: &before, aac: map[int]*checker{}, pipes: map[int]*mp3Pipe{}}
	var pipes, files []int
	ready := true // the files are as soon as the decode ends: nothing is done to FLAC after it
	for i := range p.Tracks {
		t := &p.Tracks[i]
		if t.Split != nil {
			e.split++
		}
		switch {
		case t.container == "wav":
		case t.container == "mp4" && t.Encoder == "aac" && t.Channels <= 2:
			if t.Split == nil || len(e.aac) >= mostAtOnce {
				e.whole = append(e.whole, i)
				continue
			}
			c, err := r.checkers.begin(r, t)
			if err != nil {
				e.close()
				return nil, err
			}
			e.aac[i] = c
		case p.goFLAC(t):
			e.flac = append(e.flac, i)
		case t.Split != nil && t.codec == "mp3" && len(t.Covers) == 0:
			pipes = append(pipes, i)
		default:
			files = append(files, i)
			ready = ready && t.container == "flac"
		}
	}
	err := e.startPipes(ctx, pipes)
	if err == nil && len(e.whole) > 0 {
		e.spare, err = r.checkers.begin(r, &p.Tracks[e.whole[0]])
	}
	switch {
	case err != nil:
	case ready && e.split > 0:
		e.late = files
	default:
		err = e.startFiles(ctx, files)
	}
	if err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// startPipes starts the process for tracks that it is given as they come.
func (e *early) startPipes(ctx context.Context, which []int) error {
	if len(which) == 0 {
		return nil
	}
	d := e.newDecoder(which, 0)
	var inputs [][]string
	for _, i := range which {
		r, w, err := os.Pipe()
		if err != nil {
			d.ctl.closeFiles()
			return err
		}
		inputs = append(inputs, append(queued, "-f", "mp3", "-i", "pipe:"+strconv.Itoa(firstPipe+len(d.ctl.pipes))))
		d.ctl.pipes = append(d.ctl.pipes, r)
		e.pipes[i] = &mp3Pipe{file: w, buf: bufio.NewWriterSize(w, 1<<16), ctl: d.ctl}
	}
	e.joined = d
	e.start(ctx, d, inputs)
	return nil
}

// queued has ffmpeg read on in a pipe while it waits for another.
var queued = []string{"-thread_queue_size", "512"}

// startFiles starts the process for tracks of which it needs the files: before
// it opens these, it waits for a sound of no length from us.
func (e *early) startFiles(ctx context.Context, which []int) error {
	if len(which) == 0 {
		return nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	d := e.newDecoder(which, 1)
	d.ctl.stdin, e.gate, e.files = r, w, d
	e.start(ctx, d, append([][]string{{"-f", "wav", "-i", "pipe:0"}}, e.p.fileInputs(which)...))
	return nil
}

// noSound is a WAV with one sample.
const noSound = "RIFF\x26\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x44\xac\x00\x00\x88\x58\x01\x00\x02\x00\x10\x00data\x02\x00\x00\x00\x00\x00"

// newDecoder returns one for some tracks. The first few of its inputs are
// nothing to it.
func (e *early) newDecoder(which []int, skip int) *decoder {
	d := &decoder{read: &verifyWords{facts: make([]facts, len(e.p.Tracks)), which: which, skip: skip}, done: make(chan struct{})}
	step := e.meter.step(float64(len(which)), e.p.checking(func(i int) bool { return slices.Contains(which, i) })...)
	d.ctl = e.decoder(e.p, d.read, func(done float64) { step(e.phase(), done) })
	return d
}

// start starts a decoder of some inputs.
func (e *early) start(ctx context.Context, d *decoder, inputs [][]string) {
	d.ctl.args = listArgs(inputs, d.read.skip)
	d.ctl.watch.hold()
	ctx, d.cancel = context.WithCancel(ctx)
	go func() {
		defer close(d.done)
		_, d.err = e.sandbox.run(ctx, d.ctl)
	}()
}

// facts waits for what was found of the tracks; nil if it is nothing.
func (d *decoder) facts() []facts {
	d.ctl.watch.release()
	<-d.done
	if d.err != nil || d.read.err != nil {
		return nil
	}
	return d.read.facts
}

// packet takes the next packet of a track that was joined.
func (e *early) packet(track int, packet []byte) {
	if c := e.aac[track]; c != nil {
		c.packet(packet)
	}
	if p := e.pipes[track]; p != nil {
		p.write(packet)
	}
}

func (p *mp3Pipe) write(b []byte) {
	if p.broken {
		return
	}
	p.ctl.watch.release()
	defer p.ctl.watch.hold()
	_, err := p.buf.Write(b)
	p.broken = err != nil
}

// end takes word that a track which was joined has come to its end.
func (e *early) end(track int) {
	p := e.pipes[track]
	if p == nil {
		return
	}
	p.ctl.watch.release()
	if !p.broken {
		p.broken = p.buf.Flush() != nil
	}
	p.ctl.watch.hold()
	p.file.Close()
}

// decoded takes word that the decode has ended, and with it all files that it
// makes, but for those that are worked on after.
func (e *early) decoded(ctx context.Context) {
	if len(e.late) > 0 {
		e.files = e.newDecoder(e.late, 0)
		e.start(ctx, e.files, e.p.fileInputs(e.late))
	}
}

// open lets the process go on to the files, which are there.
func (e *early) open() {
	if e.gate == nil {
		return
	}
	_, _ = e.gate.WriteString(noSound) // or it has ended, which is seen later
	e.gate.Close()
	e.gate = nil
}

// phase is what is done while a process works: the rest has come to its end when
// facts are asked for.
func (e *early) phase() transcode.Phase {
	if e.asked.Load() {
		return transcode.Verifying
	}
	return transcode.Transcoding
}

// facts finds what can be known of a plan's tracks without another process; all
// files are there.
func (e *early) facts(ctx context.Context, p *plan, done *decoded) map[int]*facts {
	known := map[int]*facts{}
	if e.p == nil || len(e.p.Tracks) != len(p.Tracks) || e.split != len(done.sounds) {
		return known // some were dropped, or encoded again
	}
	all := len(e.flac) + len(e.aac) + len(e.whole)
	e.asked.Store(true)
	e.open()
	step, looked := e.meter.step(float64(all), p.checking(func(i int) bool { return e.aac[i] != nil || slices.Contains(e.whole, i) || slices.Contains(e.flac, i) })...), 0.0
	found := func(i int, f *facts, err error) {
		if err == nil {
			known[i] = f
		}
		looked++
		step(transcode.Verifying, looked/float64(all))
	}
	for _, i := range e.flac {
		f, err := e.decodeFLAC(ctx, p.Tracks[i].File)
		found(i, f, err)
	}
	for i, c := range e.aac {
		f, err := c.end(ctx)
		found(i, f, err)
		e.checkers.done(c) // those of the others are the next to use it
	}
	e.aac = nil
	for _, i := range e.whole {
		f, err := e.checkAAC(ctx, &p.Tracks[i])
		found(i, f, err)
	}
	for _, d := range []*decoder{e.joined, e.files} {
		if d == nil {
			continue
		}
		if found := d.facts(); found != nil {
			for _, i := range d.read.which {
				known[i] = &found[i]
			}
		}
	}
	return known
}

// checkAAC has the packets of a track's file decoded.
func (e *early) checkAAC(ctx context.Context, t *track) (_ *facts, err error) {
	c := e.spare
	if e.spare = nil; c == nil || !c.fits(t) {
		if c != nil {
			e.checkers.done(c)
		}
		if c, err = e.checkers.begin(e.encode, t); err != nil {
			return nil, err
		}
	}
	defer func() { e.checkers.done(c) }()
	file, err := e.openOwn(t.File, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	m, err := audiofile.ReadMP4(file, info.Size())
	if err != nil {
		return nil, err
	}
	at, packet := m.Data, []byte(nil)
	for _, n := range m.Sizes {
		if packet, err = audiofile.AppendADTS(packet[:0], m.Rate, t.Channels, int(n)); err != nil {
			return nil, err
		}
		packet = slices.Grow(packet, int(n))[:audiofile.ADTSHeader+int(n)]
		if _, err := file.ReadAt(packet[audiofile.ADTSHeader:], at); err != nil {
			return nil, err
		}
		at += int64(n)
		c.packet(packet)
	}
	f, err := c.end(ctx)
	if err == nil && t.Split == nil {
		f.Samples -= m.Delay
	}
	return f, err
}

// close ends what still runs.
func (e *early) close() {
	for _, c := range e.aac {
		e.checkers.done(c)
	}
	if e.spare != nil {
		e.checkers.done(e.spare)
	}
	for _, p := range e.pipes {
		p.file.Close()
	}
	if e.gate != nil {
		e.gate.Close()
	}
	for _, d := range []*decoder{e.joined, e.files} {
		if d != nil {
			d.cancel()
			<-d.done
		}
	}
}
