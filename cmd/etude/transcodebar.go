package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"etude/internal/transcode"
)

// transcodeBar tells people of the progress of some conversions: in one line
// that is written over on a terminal, and not at all elsewhere. What went wrong,
// and what is to be known of a file, it says in any case.
type transcodeBar struct {
	mu    sync.Mutex
	out   io.Writer
	live  bool
	quiet bool
	done  []float64 // of each conversion
	over  int       // conversions that have ended
	phase transcode.Phase
	began time.Time
	shown time.Time
	width int // of the line that stands there
}

func newTranscodeBar(out io.Writer, conversions int, quiet bool) *transcodeBar {
	return &transcodeBar{out: out, live: isTerminal(out) && !quiet, quiet: quiet, done: make([]float64, conversions), began: time.Now()}
}

// show takes note of the progress of one of the conversions.
func (b *transcodeBar) show(i int, p transcode.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done[i], b.phase = max(b.done[i], p.Done), p.Phase
	if now := time.Now(); b.live && now.Sub(b.shown) >= time.Second/10 {
		b.shown = now
		b.draw(now, p.Left)
	}
}

// draw writes the line anew. What an engine says of the time that is left counts
// where it works on nothing else.
func (b *transcodeBar) draw(now time.Time, left time.Duration) {
	sum := 0.0
	for _, d := range b.done {
		sum += d
	}
	share := sum / float64(len(b.done))
	if left <= 0 || len(b.done) > 1 {
		left = timeLeft(now.Sub(b.began), share)
	}
	line := barLine(share, b.phase, left)
	if n := len(b.done); n > 1 {
		line = fmt.Sprintf("%s  %d of %d files", line, b.over, n)
	}
	fmt.Fprint(b.out, "\r", line, strings.Repeat(" ", max(b.width-len(line), 0)))
	b.width = len(line)
}

// timeLeft is how long it takes yet, if it goes on as until now; negative where
// there is too little to tell from.
func timeLeft(took time.Duration, share float64) time.Duration {
	if share < 0.02 || took < time.Second/2 {
		return -1
	}
	return time.Duration(float64(took) * (1 - share) / share)
}

// barLine is a bar with its share, its phase and what is left.
func barLine(share float64, phase transcode.Phase, left time.Duration) string {
	full := int(share * barWidth)
	line := fmt.Sprintf("[%s%s] %3d %%  %-11s", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), int(share*100), strings.ToLower(string(phase)))
	if left >= 0 {
		line += "  " + clockTime(left.Round(time.Second)) + " left"
	}
	return line
}

// clockTime writes a time as 1:02:03 or 2:03.
func clockTime(d time.Duration) string {
	s := int(d / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// ended says how one of the conversions went.
func (b *transcodeBar) ended(i int, c *conversion) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done[i] = 1
	b.over++
	b.wipe()
	if c.Failure != nil {
		if !errors.Is(c.internal, context.Canceled) {
			b.fail(c.Inputs[0].Path, c.Failure)
		}
		return
	}
	for _, o := range c.Outputs {
		switch {
		case o.Failure != nil:
			b.fail(o.Path, o.Failure)
		case b.live:
			fmt.Fprintf(b.out, "%s  %s, %d Hz, %d ch, %s, %s\n", o.Path, o.Codec, o.SampleRate, o.Channels,
				clockTime(time.Duration(o.Duration*float64(time.Second))), byteSize(o.Size))
		}
		if o.Remark != "" && !b.quiet {
			fmt.Fprintf(b.out, "etude: %s: %s\n", o.Path, o.Remark)
		}
	}
}

func (b *transcodeBar) fail(path string, f *failureReport) {
	fmt.Fprintf(b.out, "etude: %s: %s\n", path, strings.TrimSpace(f.Reason+" "+f.Remedy))
}

// wipe removes the line that stands there.
func (b *transcodeBar) wipe() {
	if b.width > 0 {
		fmt.Fprint(b.out, "\r", strings.Repeat(" ", b.width), "\r")
		b.width = 0
	}
}

// end leaves the terminal clean.
func (b *transcodeBar) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wipe()
}

// byteSize writes a number of bytes for people.
func byteSize(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}
