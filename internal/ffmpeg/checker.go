package ffmpeg

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"etude/internal/audiofile"
)

// checkers are processes that decode the AAC that was encoded here, to see that
// it does decode. One is given the packets of one file after those of another:
// to start it costs more than to decode a clip of a minute. All that it is ever
// given was made by our own encoder, it has no file, and what it says of a file
// is how many packets came out again. So it may outlive a job, which what reads
// somebody's input may not. Its methods may be called at once.
type checkers struct {
	mu     sync.Mutex
	idle   []*checker // the last one was used last
	closed bool
}

const (
	mostIdle    = 4                // checkers
	idleFor     = 10 * time.Second // then one ends
	mostChecked = 2 << 20          // packets, half a day: then one ends too
)

// checker is one such process. It is used by one goroutine at a time.
type checker struct {
	rate, channels int

	in      *os.File
	buf     *bufio.Writer
	out     *os.File
	lines   *bufio.Scanner
	command *command
	words   verifyWords // of what comes out
	about   verifyWords // of what goes in, until known is closed
	known   chan struct{}
	cancel  context.CancelFunc
	ended   chan struct{}
	timer   *time.Timer // ends it when it is idle

	silence []byte // a packet
	fed     int64  // packets, until now
	base    int64  // of them, those before the file in hand
	seen    int64  // that came out
	ahead   int64  // samples by which frames are told to be earlier than they are
	err     error  // it is of no use any more
}

// begin returns a checker for a track whose packets are to be checked.
func (cs *checkers) begin(r *encode, t *track) (*checker, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for i, c := range slices.Backward(cs.idle) {
		if c.fits(t) {
			cs.idle = slices.Delete(cs.idle, i, i+1)
			c.timer.Stop()
			c.base = c.fed
			return c, nil
		}
	}
	return startChecker(r, t)
}

// fits reports whether a track's packets may be given to it.
func (c *checker) fits(t *track) bool { return c.rate == t.Rate && c.channels == t.Channels }

// close ends those that are idle, and all others once they are done.
func (cs *checkers) close() {
	cs.mu.Lock()
	idle := cs.idle
	cs.idle, cs.closed = nil, true
	cs.mu.Unlock()
	for _, c := range idle {
		c.close()
	}
}

// done takes a checker back.
func (cs *checkers) done(c *checker) {
	if c.err != nil || c.fed > mostChecked {
		c.close()
		return
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.closed {
		go c.close()
		return
	}
	cs.idle = append(cs.idle, c)
	c.timer = time.AfterFunc(idleFor, func() { cs.expire(c) })
	if len(cs.idle) > mostIdle {
		oldest := cs.idle[0]
		cs.idle = cs.idle[1:]
		oldest.timer.Stop()
		go oldest.close()
	}
}

// expire ends a checker unless somebody has taken it meanwhile.
func (cs *checkers) expire(c *checker) {
	cs.mu.Lock()
	i := slices.Index(cs.idle, c)
	if i >= 0 {
		cs.idle = slices.Delete(cs.idle, i, i+1)
	}
	cs.mu.Unlock()
	if i >= 0 {
		c.close()
	}
}

func startChecker(r *encode, t *track) (*checker, error) {
	silence, err := audiofile.SilentADTS(t.Rate, t.Channels)
	if err != nil {
		return nil, err
	}
	in, feed, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, said, err := os.Pipe()
	if err != nil {
		in.Close()
		feed.Close()
		return nil, err
	}
	widen(out) // what is said is read when it is wanted, not whenever something is
	c := &checker{
		rate: t.Rate, channels: t.Channels, in: feed, buf: bufio.NewWriterSize(feed, 1<<16), out: out, lines: bufio.NewScanner(out),
		words: verifyWords{which: []int{0}, facts: make([]facts, 1)}, about: verifyWords{which: []int{0}, facts: make([]facts, 1)},
		known: make(chan struct{}), ended: make(chan struct{}), silence: silence,
	}
	c.command = &command{
		purpose: "check AAC",
		program: r.ffmpeg,
		args: []string{
			"-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+info", "-xerror", "-filter_threads", "1",
			"-protocol_whitelist", "pipe", "-threads", "1", "-probesize", "32", "-analyzeduration", "0", "-f", "aac", "-i", "pipe:0",
			"-map", "0:a", "-c:a", "pcm_s16le", "-f", "framecrc", "-flush_packets", "1", "pipe:" + strconv.Itoa(firstPipe),
		},
		cpu:   r.cpu(r.cfg.MaxDuration, 2),
		stall: min(r.cfg.Stall, 20*time.Second), // there are other ways to look at a file
		stdin: in,
		pipes: []*os.File{said},
		line:  c.listen,
	}
	c.command.watch.hold()
	// It is nobody's in particular: whoever has it cancels it.
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	sandbox := r.sandbox
	go func() {
		defer close(c.ended)
		_, _ = sandbox.run(ctx, c.command) // a file that it does not confirm is looked at again
		feed.Close()
	}()
	for range primer {
		c.packet(silence)
	}
	if c.err == nil {
		c.err = c.buf.Flush()
	}
	c.base = c.fed
	return c, nil
}

// primer is how many packets a process is given first: ffmpeg 5.1 decodes none
// before it has seen four.
const primer = 64

// listen finds the codec in what the process says first.
func (c *checker) listen(line string) {
	if f := &c.about.facts[0]; f.Codec == "" {
		if c.about.stderr(line); f.Codec != "" {
			close(c.known)
		}
	}
}

// aheadLines is how many packets may be decoded, and told of, that nobody has
// read of: the pipe has room for their lines.
const aheadLines = 8 << 10

// packet gives it the next packet, with its ADTS header.
func (c *checker) packet(p []byte) {
	if c.err != nil {
		return
	}
	if rate, channels := audiofile.ADTSFormat(p); rate != c.rate || channels != c.channels {
		c.err = fmt.Errorf("check AAC: a packet has %d Hz and %d channels, want %d and %d", rate, channels, c.rate, c.channels)
		return
	}
	c.command.watch.release()
	defer c.command.watch.hold()
	if _, c.err = c.buf.Write(p); c.err != nil {
		return
	}
	c.fed++
	if c.fed-c.seen > aheadLines {
		c.read(c.fed - aheadLines/2)
	}
}

// read reads of what came out until it was so many packets. Each is to come out
// as one frame, in its time: one that is missing would show at the next.
func (c *checker) read(until int64) {
	for c.err == nil && c.seen < until {
		if !c.lines.Scan() {
			c.err = errors.Join(errors.New("check AAC: the decoder has ended"), c.lines.Err())
			return
		}
		c.command.alive()
		_, n := c.words.stdout(c.lines.Text())
		if c.words.err != nil {
			c.err = c.words.err
			return
		}
		if n == 0 {
			continue // not on a frame
		}
		const frame = 1024
		if c.seen == 1 {
			c.ahead = frame - c.words.at // ffmpeg 4.1 has the first two at 0
		}
		if at := c.words.at; n != frame || at+c.ahead != c.seen*frame && c.seen > 0 {
			c.err = fmt.Errorf("check AAC: packet %d decodes to %d samples at %d", c.seen, n, at)
			return
		}
		c.seen++
	}
}

// lag is how many packets more are given than are waited for: a parser may hold
// one back until it has seen the next, and one more shows that none was lost.
const lag = 2

// end returns what was found of the packets since begin, or why nothing was. It
// kills the process when ctx ends.
func (c *checker) end(ctx context.Context) (*facts, error) {
	stop := context.AfterFunc(ctx, c.cancel)
	defer func() {
		if !stop() && c.err == nil {
			c.err = context.Cause(ctx)
		}
	}()
	packets := c.fed - c.base
	for range lag {
		c.packet(c.silence)
	}
	if c.err == nil {
		c.err = c.buf.Flush()
	}
	if c.err == nil {
		c.command.watch.release()
		c.read(c.base + packets + 1)
		select {
		case <-c.known:
		case <-c.ended:
			c.err = cmp.Or(c.err, errors.New("check AAC: the decoder has ended"))
		}
		c.command.watch.hold()
	}
	if c.err != nil {
		return nil, c.err
	}
	f := c.words.facts[0]
	f.Codec, f.Profile = c.about.facts[0].Codec, c.about.facts[0].Profile
	f.Samples = packets * 1024
	if f.Rate != c.rate || f.Channels != c.channels {
		c.err = fmt.Errorf("check AAC: it decodes to %d Hz and %d channels, want %d and %d", f.Rate, f.Channels, c.rate, c.channels)
		return nil, c.err
	}
	return &f, nil
}

// close ends the process.
func (c *checker) close() {
	c.cancel()
	c.in.Close()
	c.out.Close()
	<-c.ended
}
