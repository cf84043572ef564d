package ffmpeg

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"

	"etude/internal/transcode"
)

// early verifies tracks while they are made, by a process that is started
// together with the one that makes them. What is encoded in segments it decodes
// as these are joined, and FLAC as it grows; where nothing is split, it is only
// started, and waits for the files. Whatever it does not know in the end, verify
// finds out itself.
type early struct {
	p      *plan // as it was when all began
	split  int   // of its tracks
	read   *verifyWords
	pipes  map[int]*checkPipe // by the index of the track
	gate   *os.File           // holds the process back as long as it is open; nil for none
	cancel context.CancelFunc
	done   chan struct{}
	err    error // when it is done
	ctl    *command
	asked  atomic.Bool // for facts
}

// checkPipe takes a track to the process.
type checkPipe struct {
	file   *os.File
	buf    *bufio.Writer
	ctl    *command
	broken bool // the process has ended before
}

// startEarly starts verifying a plan's tracks; it may have nothing to do. close
// has to be called.
func (r *encode) startEarly(ctx context.Context, p *plan) (*early, error) {
	before := *p
	e := &early{p: &before, read: &verifyWords{facts: make([]facts, len(p.Tracks))}, pipes: map[int]*checkPipe{}, done: make(chan struct{})}
	e.ctl = &command{program: r.ffmpeg, dir: r.dir, cpu: r.cpu(p.longest(), len(p.Tracks)), stall: r.cfg.Stall, line: e.read.stderr}
	var step func(transcode.Phase, float64)
	heard, expected := 0.0, 0.0
	e.ctl.stdout = &lineWriter{line: func(line string) {
		e.ctl.alive()
		if f, n := e.read.stdout(line); n > 0 && expected > 0 {
			heard += float64(n) / float64(f.Rate)
			step(e.phase(), heard/expected)
		}
	}}
	for _, t := range p.Tracks {
		if t.Split != nil {
			e.split++
		}
	}
	var inputs [][]string
	var err error
	if e.split > 0 {
		inputs, err = e.openPipes()
	} else if which := p.coded(); len(which) > 0 {
		inputs, err = e.openGate(which)
	}
	if err != nil {
		e.ctl.closeFiles()
		e.closePipes()
		return nil, err
	}
	ctx, e.cancel = context.WithCancel(ctx)
	if len(inputs) == 0 {
		close(e.done)
		return e, nil
	}
	step = r.meter.step(float64(len(e.read.which)), p.checking(func(i int) bool { return slices.Contains(e.read.which, i) })...)
	for _, i := range e.read.which {
		expected += p.plays(&p.Tracks[i]).Seconds()
	}
	e.ctl.args = listArgs(inputs, e.read.skip)
	e.ctl.watch.hold()
	go func() {
		defer close(e.done)
		_, e.err = r.sandbox.run(ctx, e.ctl)
	}()
	return e, nil
}

// openPipes opens pipes for the tracks that can be decoded as they come.
// Pictures come with the file only.
func (e *early) openPipes() (inputs [][]string, err error) {
	for i := range e.p.Tracks {
		t := &e.p.Tracks[i]
		if len(t.Covers) > 0 || t.Split == nil && t.container != "flac" {
			continue
		}
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		demuxer := map[string]string{"AAC": "aac", "mp3": "mp3", "flac": "flac"}[t.codec]
		inputs = append(inputs, append(queued, "-f", demuxer, "-i", "pipe:"+strconv.Itoa(firstPipe+len(e.ctl.pipes))))
		e.ctl.pipes = append(e.ctl.pipes, r)
		e.read.which = append(e.read.which, i)
		e.pipes[i] = &checkPipe{file: w, buf: bufio.NewWriterSize(w, 1<<16), ctl: e.ctl}
	}
	return inputs, nil
}

// queued has ffmpeg read on in a pipe while it waits for another.
var queued = []string{"-thread_queue_size", "512"}

// openGate has the process wait, before it opens the files of some tracks, for a
// sound of no length from us.
func (e *early) openGate(which []int) ([][]string, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	e.ctl.stdin, e.gate = r, w
	e.read.which, e.read.skip = which, 1
	return append([][]string{{"-f", "wav", "-i", "pipe:0"}}, e.p.fileInputs(which)...), nil
}

// noSound is a WAV with one sample.
const noSound = "RIFF\x26\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x44\xac\x00\x00\x88\x58\x01\x00\x02\x00\x10\x00data\x02\x00\x00\x00\x00\x00"

// packet gives the process the next packet of a track.
func (e *early) packet(track int, packet []byte) error {
	if p := e.pipes[track]; p != nil {
		p.write(packet)
	}
	return nil
}

func (p *checkPipe) write(b []byte) {
	if p.broken {
		return
	}
	p.ctl.watch.release()
	defer p.ctl.watch.hold()
	_, err := p.buf.Write(b)
	p.broken = err != nil
}

// end tells the process that a track has come to its end.
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

// follow gives the process the files that grow, whenever more is called for,
// until that is closed: then it takes what is left.
func (e *early) follow(ctx context.Context, dir string, more <-chan struct{}) error {
	var tracks []int
	files := map[int]*os.File{}
	for i := range e.pipes {
		if e.p.Tracks[i].Split == nil {
			tracks = append(tracks, i)
		}
	}
	defer func() {
		for _, i := range tracks {
			e.end(i)
			if files[i] != nil {
				files[i].Close()
			}
		}
	}()
	buf := make([]byte, 1<<16)
	for growing := true; growing; {
		select {
		case _, growing = <-more:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		for _, i := range tracks {
			if files[i] == nil {
				file, err := os.Open(filepath.Join(dir, e.p.Tracks[i].File))
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if err != nil {
					return err
				}
				files[i] = file
			}
			for {
				n, err := files[i].Read(buf)
				e.pipes[i].write(buf[:n])
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// phase is what is done while the process works: the rest has come to its end
// when facts are asked for.
func (e *early) phase() transcode.Phase {
	if e.asked.Load() {
		return transcode.Verifying
	}
	return transcode.Transcoding
}

// open lets the process go on to the files, which are there.
func (e *early) open() {
	if e.gate == nil {
		return
	}
	_, _ = e.gate.WriteString(noSound) // or it has ended, which is seen later
	e.gate.Close()
}

// facts waits for what was found of the tracks: those that are not there have
// yet to be decoded.
func (e *early) facts() map[int]*facts {
	if len(e.read.which) == 0 {
		return nil
	}
	e.asked.Store(true)
	e.ctl.watch.release()
	<-e.done
	if e.err != nil || e.read.err != nil {
		return nil
	}
	all := map[int]*facts{}
	for _, i := range e.read.which {
		all[i] = &e.read.facts[i]
	}
	return all
}

// close ends what still runs.
func (e *early) close() {
	if e.cancel != nil {
		e.cancel()
	}
	e.closePipes()
	<-e.done
}

func (e *early) closePipes() {
	for _, p := range e.pipes {
		p.file.Close()
	}
	if e.gate != nil {
		e.gate.Close()
	}
}
