package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"

	"golang.org/x/sync/errgroup"

	"etude/internal/measure"
	"etude/internal/transcode"
)

// gain is what brings a track to its loudness. The zero gain leaves it as it is.
type gain struct {
	DB    float64
	Limit float64 // dB of full scale that no peak may be above; 0 for no limiter
	Tries int     // how often the track was made
}

// An output may be off its loudness, and above its true peak, by so much. What
// is further off is made again.
const (
	nearLoudness = 0.3 // LU
	nearPeak     = 0.1 // dB
	loudTries    = 4
	// mostPush is by how much more than the first gain one may be: a limiter
	// takes loudness away, and more gain would in the end only distort.
	mostPush = 2.0
)

// clipGain finds what a track needs, of which the joined input's part was heard.
func (t *track) clipGain(heard *measure.Result) {
	t.Gain = gain{}
	if heard == nil || math.IsInf(heard.Integrated, 0) {
		return // silence
	}
	t.Gain.DB = t.Loudness.Integrated - heard.Integrated
	if heard.TruePeak+t.Gain.DB > t.Loudness.TruePeak {
		t.Gain.Limit = t.Loudness.TruePeak
	}
	t.first = t.Gain.DB
}

// adjust finds whether a track has to be made again, and with what gain: heard
// is what came of it.
func (t *track) adjust(heard measure.Loudness) (again bool) {
	t.Gain.Tries++
	if t.Gain.Tries >= loudTries || math.IsInf(heard.TruePeak, 0) {
		return false
	}
	if over := heard.TruePeak - t.Loudness.TruePeak; over > nearPeak {
		if t.Gain.Limit == 0 {
			t.Gain.Limit = t.Loudness.TruePeak
		}
		t.Gain.Limit -= over
		again = true
	}
	if math.IsInf(heard.Integrated, 0) {
		return again
	}
	if off := t.Loudness.Integrated - heard.Integrated; math.Abs(off) > nearLoudness {
		db := min(t.Gain.DB+off, t.first+mostPush)
		if math.Abs(db-t.Gain.DB) > nearLoudness/2 {
			t.Gain.DB, again = db, true
			if heard.TruePeak+off > t.Loudness.TruePeak && t.Gain.Limit == 0 {
				t.Gain.Limit = t.Loudness.TruePeak
			}
		}
	}
	return again
}

// loudFilters returns the filters that apply a track's gain to samples in
// floating point. The limiter works on four times as many samples, so that it
// sees the peaks between them.
func (t *track) loudFilters() []string {
	if t.Loudness == nil {
		return nil
	}
	chain := []string{fmt.Sprintf("volume=%sdB:precision=double", decibels(t.Gain.DB))}
	if t.Gain.Limit < 0 {
		const oversampling = 4
		chain = append(chain, fmt.Sprintf("aresample=%d", oversampling*t.Rate),
			fmt.Sprintf("alimiter=limit=%.6f:attack=5:release=50:level=false:latency=true", math.Pow(10, t.Gain.Limit/20)),
			fmt.Sprintf("aresample=%d", t.Rate))
	}
	return chain
}

func decibels(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) }

// hear decodes a track's file and finds how loud it is.
func (r *encode) hear(ctx context.Context, t *track, f *facts) (heard measure.Loudness, err error) {
	meter, err := measure.New(f.Rate, f.Channels, f.Samples)
	if err != nil {
		return heard, err
	}
	c := &command{
		purpose: "measure output",
		program: r.ffmpeg,
		args: []string{"-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+error", "-progress", "pipe:1",
			"-i", "file:" + t.File, "-map", "0:a:0", "-c:a", "pcm_f32le", "-f", "f32le", fmt.Sprintf("pipe:%d", firstPipe)},
		dir:   r.dir,
		cpu:   r.cpu(length(f.Samples, f.Rate), 1),
		stall: r.cfg.Stall,
	}
	c.stdout = &lineWriter{line: func(string) { c.alive() }}
	reader, writer, err := os.Pipe()
	if err != nil {
		return heard, err
	}
	widen(reader)
	defer reader.Close()
	c.pipes = []*os.File{writer}
	hub := newHub(windowBytes)
	window := hub.newWindow(f.Channels)
	ear := window.hear(0)
	group, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() { hub.fail(context.Cause(ctx)) })
	defer stop()
	group.Go(func() error { return ear.tell(meter) })
	group.Go(func() error { return window.fill(reader, c.watch.hold, c.watch.release) })
	group.Go(func() error {
		tail, err := r.sandbox.run(ctx, c)
		var exit *exitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w\n%s", err, tail)
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return heard, fmt.Errorf("hear output: %w", err)
	}
	return meter.Result().Loudness, nil
}

// loud says how loud an output became.
func (t *track) loud(heard measure.Loudness) (made *transcode.MadeLoudness, remark string) {
	made = &transcode.MadeLoudness{Loudness: loudnessOf(heard), Gain: t.Gain.DB, Limited: t.Gain.Limit < 0}
	switch {
	case made.Integrated == nil:
		return made, "There is too little sound to bring it to a loudness."
	case heard.TruePeak > t.Loudness.TruePeak+nearPeak:
		remark = fmt.Sprintf("The true peak is %.1f dBTP: the encoder makes peaks above the %.1f that were asked for.", heard.TruePeak, t.Loudness.TruePeak)
	case heard.Integrated < t.Loudness.Integrated-nearLoudness:
		remark = fmt.Sprintf("It is at %.1f LUFS instead of %.1f: louder, its peaks would be above %.1f dBTP, or distorted.",
			heard.Integrated, t.Loudness.Integrated, t.Loudness.TruePeak)
	}
	return made, remark
}
