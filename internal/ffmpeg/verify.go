package ffmpeg

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sync/errgroup"

	"etude/internal/transcode"
)

// facts is what was read back from an output.
type facts struct {
	Codec    string // ffmpeg's name
	Profile  string // of AAC: LC, HE-AAC, HE-AACv2
	Rate     int    // Hz
	Channels int
	Samples  int64 // per channel, as decoded
	Covers   int   // pictures
	size     int64 // bytes
	sha256   string
}

func (f *facts) made() transcode.Made {
	return transcode.Made{
		Duration: length(f.Samples, f.Rate), Size: f.size, Codec: f.Codec, Profile: f.Profile,
		SampleRate: f.Rate, Channels: f.Channels, Samples: f.Samples, SHA256: f.sha256,
	}
}

// verify decodes every track of a plan to its end and compares it with what the
// plan says and with what was decoded of the input. A difference is a fault of
// ours. Meanwhile the files are hashed.
func (r *encode) verify(ctx context.Context, p *plan, done *decoded) ([]facts, error) {
	before := probeShare + p.encodeShare()
	r.meter.report(transcode.Verifying, before)
	all := make([]facts, len(p.Tracks))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		for i, t := range p.Tracks {
			if err := all[i].hash(ctx, filepath.Join(r.dir, t.File)); err != nil {
				return fmt.Errorf("hash output: %w", err)
			}
		}
		return nil
	})
	read := &verifyWords{facts: make([]facts, len(p.Tracks))}
	group.Go(func() error {
		return r.decodeTracks(ctx, p, read, func(done float64) {
			r.meter.report(transcode.Verifying, before+(1-before)*done)
		})
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, t := range p.Tracks {
		f := &read.facts[i]
		f.size, f.sha256 = all[i].size, all[i].sha256
		if err := t.compare(f, done.wants[i], done.slack(p, &t)); err != nil {
			return nil, fmt.Errorf("verify output %q: %w", t.File, err)
		}
	}
	r.meter.report(transcode.Verifying, 1)
	return read.facts, nil
}

// dropShort drops the tracks that are refused, among them those for which there
// are too few samples.
func (p *plan) dropShort(done *decoded) {
	var tracks []track
	var wants []int64
	var clips []string
	for i, t := range p.Tracks {
		if p.Refused[t.Output] != nil {
			continue
		}
		if done.wants[i] < max(t.Shortest, 1) {
			p.Refused[t.Output] = tooShort(done.wants[i], t.codec)
			continue
		}
		tracks, wants, clips = append(tracks, t), append(wants, done.wants[i]), append(clips, done.clips[i])
	}
	p.Tracks, done.wants, done.clips = tracks, wants, clips
}

// slack is by how many samples a track may be off in either direction.
func (d *decoded) slack(p *plan, t *track) int64 {
	slack := int64(d.changes) * 2048 // encoders pad or drop a frame at a change
	slack += convertSamples(int64(d.resized), p.Rate, max(t.Rate, p.Rate))
	if t.Rate != p.Rate {
		slack++ // resamplers round the last sample as they like
	}
	return slack
}

// compare says in what an output differs from its plan.
func (t *track) compare(f *facts, want, slack int64) error {
	if f.Codec != t.codecName() || f.Rate != t.Rate || f.Channels != t.Channels {
		return fmt.Errorf("it is %s, %d Hz, %d channels; want %s, %d Hz, %d channels",
			f.Codec, f.Rate, f.Channels, t.codecName(), t.Rate, t.Channels)
	}
	if f.Covers != len(t.Covers) {
		return fmt.Errorf("it has %d pictures; want %d", f.Covers, len(t.Covers))
	}
	if f.Samples < want-slack-t.Shorter || f.Samples > want+slack+t.Longer {
		return fmt.Errorf("it decodes to %d samples; want %d", f.Samples, want)
	}
	return nil
}

func (r *encode) decodeTracks(ctx context.Context, p *plan, read *verifyWords, progress func(float64)) error {
	expected := 0.0
	for i := range p.Tracks {
		expected += p.plays(&p.Tracks[i]).Seconds()
	}
	heard := 0.0
	c := &command{
		program: r.ffmpeg,
		args:    p.verifyArgs(),
		dir:     r.dir,
		cpu:     r.cpu(p.longest(), len(p.Tracks)),
		stall:   r.cfg.Stall,
		line:    read.stderr,
	}
	c.stdout = &lineWriter{line: func(line string) {
		c.alive()
		if f, n := read.stdout(line); n > 0 && expected > 0 {
			heard += float64(n) / float64(f.Rate)
			progress(min(heard/expected, 1))
		}
	}}
	_, err := r.sandbox.run(ctx, c)
	var exit *exitError
	if errors.As(err, &exit) {
		return fmt.Errorf("verify outputs: %w\n%s", err, exit.tail)
	}
	if err != nil {
		return fmt.Errorf("verify outputs: %w", err)
	}
	return read.err
}

// verifyWords reads what ffmpeg says when it verifies.
type verifyWords struct {
	facts []facts
	err   error
}

var streamLine = regexp.MustCompile(`^\[info\]   Stream #(\d+):\d+.*?: Audio: (\w+)(?: \((LC|HE-AAC|HE-AACv2)\))?`)

var pictureLine = regexp.MustCompile(`^\[info\]   Stream #(\d+):\d+.*?: Video: .*\(attached pic\)$`)

// stderr finds the codecs: the list of inputs comes before the output's.
func (w *verifyWords) stderr(line string) {
	if m := pictureLine.FindStringSubmatch(line); m != nil && number(m[1]) < len(w.facts) {
		w.facts[number(m[1])].Covers++
	}
	m := streamLine.FindStringSubmatch(line)
	if m == nil {
		return
	}
	if i := number(m[1]); i < len(w.facts) && w.facts[i].Codec == "" {
		w.facts[i].Codec, w.facts[i].Profile = m[2], m[3]
	}
}

// stdout reads a line of framecrc's, and returns what it is about and how many
// samples it adds.
func (w *verifyWords) stdout(line string) (*facts, int64) {
	if rest, ok := strings.CutPrefix(line, "#sample_rate "); ok {
		index, rate, _ := strings.Cut(rest, ": ")
		if i := number(index); i < len(w.facts) {
			w.facts[i].Rate = number(rate)
		}
		return nil, 0
	}
	if strings.HasPrefix(line, "#") {
		return nil, 0
	}
	fields := strings.Split(line, ",") // stream, dts, pts, duration, size, checksum
	if len(fields) < 6 {
		w.err = fmt.Errorf("verify outputs: ffmpeg wrote %.80q", line)
		return nil, 0
	}
	i, n, size := number(fields[0]), number(strings.TrimSpace(fields[3])), number(strings.TrimSpace(fields[4]))
	if i >= len(w.facts) || n == 0 || w.facts[i].Rate == 0 {
		w.err = fmt.Errorf("verify outputs: ffmpeg wrote %.80q", line)
		return nil, 0
	}
	f := &w.facts[i]
	f.Channels = size / n / 2 // bytes of a sample
	f.Samples += int64(n)
	return f, int64(n)
}

// hash takes a file's size and checksum.
func (f *facts) hash(ctx context.Context, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	h := sha256.New()
	f.size, err = io.CopyBuffer(h, readerFunc(func(p []byte) (int, error) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return file.Read(p)
	}), make([]byte, 1<<18))
	f.sha256 = hex.EncodeToString(h.Sum(nil))
	return err
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
