package ffmpeg

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"etude/internal/audiofile"
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
// ours. What of it needs no decoder is done here, and the files are hashed
// meanwhile.
func (r *encode) verify(ctx context.Context, p *plan, done *decoded, check *early) ([]facts, error) {
	known := check.facts(ctx, p, done)
	step := r.meter.step(float64(len(p.Tracks)-len(known)), p.checking(func(i int) bool { return known[i] == nil })...)
	step(transcode.Verifying, 0)
	all := make([]facts, len(p.Tracks))
	group, ctx := errgroup.WithContext(ctx)
	for i, t := range p.Tracks {
		group.Go(func() error {
			file, err := r.openOwn(t.File, os.O_RDONLY)
			if err == nil {
				err = errors.Join(all[i].hash(ctx, file), file.Close())
			}
			if err != nil {
				return fmt.Errorf("hash output: %w", err)
			}
			return nil
		})
	}
	read := &verifyWords{facts: make([]facts, len(p.Tracks))}
	for _, i := range p.coded() {
		if known[i] == nil {
			read.which = append(read.which, i)
		} else {
			read.facts[i] = *known[i]
		}
	}
	group.Go(func() error {
		return r.decodeTracks(ctx, p, read, func(done float64) {
			step(transcode.Verifying, done)
		})
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, t := range p.Tracks {
		f := &read.facts[i]
		f.size, f.sha256 = all[i].size, all[i].sha256
		err := r.check(f, &t, done.sounds[i], known[i] != nil)
		if err == nil {
			err = t.compare(f, done.wants[i], done.slack(p, &t))
		}
		if err != nil {
			return nil, fmt.Errorf("verify output %q: %w", t.File, err)
		}
	}
	step(transcode.Verifying, 1)
	return read.facts, nil
}

// check looks at what a file says of itself. WAV is all that, and samples as
// they are. Of a track that was encoded in segments, and known before it was put
// into its file, all packets were decoded and nothing else.
func (r *encode) check(f *facts, t *track, sound *splitSound, known bool) error {
	switch {
	case t.container == "wav", t.container == "flac", t.hasEdit(), sound != nil && known:
	default:
		return nil
	}
	file, err := r.openOwn(t.File, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() != f.size {
		return fmt.Errorf("it had %d bytes, and has %d", f.size, info.Size())
	}
	switch t.container {
	case "wav":
		return f.readWAV(file)
	case "flac":
		return f.checkFLAC(file)
	}
	if sound != nil && known {
		if want := int64(len(sound.Sizes)) * t.Split.Frame; f.Samples != want {
			return fmt.Errorf("its packets decode to %d samples; want %d", f.Samples, want)
		}
		if t.codec == "mp3" {
			return f.checkMP3(file, t.Split.Delay)
		}
		f.Samples -= t.Split.Delay
	}
	return f.checkMP4(file)
}

// checkMP3 takes LAME's frame's word for where a file of constant bit rate ends.
func (f *facts) checkMP3(file *os.File, delay int64) error {
	frame, at, err := readInfoFrame(file)
	if err != nil {
		return err
	}
	info, err := audiofile.ReadInfo(frame)
	if err != nil {
		return err
	}
	h, err := audiofile.ReadMPEG(frame)
	if err != nil {
		return err
	}
	if info.Frames*int64(h.Samples) != f.Samples || info.Bytes != f.size-at || info.Delay != delay || info.Padding < 0 {
		return fmt.Errorf("its first frame says %+v; it has %d bytes and decodes to %d samples", info, f.size-at, f.Samples)
	}
	f.Samples -= info.Delay + info.Padding
	return nil
}

func (f *facts) readWAV(file *os.File) error {
	w, err := audiofile.ReadWAV(file, f.size)
	if err != nil {
		return err
	}
	if w.Format != 1 {
		return fmt.Errorf("its samples are of format %d", w.Format)
	}
	f.Codec, f.Rate, f.Channels, f.Samples = pcm[strconv.Itoa(w.Bits)], w.Rate, w.Channels, w.Samples
	return nil
}

// checkFLAC finds the number of samples and their checksum, without which a
// player can neither seek nor tell a whole file from a part of it.
func (f *facts) checkFLAC(file *os.File) error {
	head := make([]byte, audiofile.FLACHead)
	if _, err := io.ReadFull(file, head); err != nil {
		return err
	}
	says, err := audiofile.ReadFLAC(head)
	if err != nil {
		return err
	}
	if says.Samples != f.Samples || says.MD5 == [16]byte{} || says.Rate != f.Rate || says.Channels != f.Channels {
		return fmt.Errorf("it says it has %d samples, %d Hz, %d channels, checksum %x; it decodes to %d samples, %d Hz, %d channels",
			says.Samples, says.Rate, says.Channels, says.MD5, f.Samples, f.Rate, f.Channels)
	}
	return nil
}

// checkMP4 takes the file's word for where it ends, which ffmpeg 5.1 does not:
// that heard the rest of the last packet too.
func (f *facts) checkMP4(file *os.File) error {
	m, err := audiofile.ReadMP4(file, f.size)
	if err != nil {
		return err
	}
	if m.Rate != f.Rate || m.Samples < 0 || f.Samples < m.Samples || f.Samples > m.Decoded() {
		return fmt.Errorf("it says it has %d samples at %d Hz, and at most %d; it decodes to %d at %d Hz",
			m.Samples, m.Rate, m.Decoded(), f.Samples, f.Rate)
	}
	f.Samples, f.Covers = m.Samples, m.Pictures()
	return nil
}

// dropShort drops the tracks that are refused, among them those for which there
// are too few samples.
func (p *plan) dropShort(done *decoded) {
	var tracks []track
	var wants, fed []int64
	var clips []string
	sounds := map[int]*splitSound{}
	for i, t := range p.Tracks {
		if p.Refused[t.Output] != nil {
			continue
		}
		if done.wants[i] < max(t.Shortest, 1) {
			p.Refused[t.Output] = tooShort(done.wants[i], t.codec)
			continue
		}
		if s := done.sounds[i]; s != nil {
			sounds[len(tracks)] = s
		}
		tracks, wants, clips, fed = append(tracks, t), append(wants, done.wants[i]), append(clips, done.clips[i]), append(fed, done.fed[i])
	}
	p.Tracks, done.wants, done.clips, done.fed, done.sounds = tracks, wants, clips, fed, sounds
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

// decodeTracks decodes the files of those tracks that read is to know of.
func (r *encode) decodeTracks(ctx context.Context, p *plan, read *verifyWords, progress func(float64)) error {
	if len(read.which) == 0 {
		return nil
	}
	c := r.decoder(p, read, progress)
	c.args = p.verifyArgs(read.which)
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

// decoder returns a command that decodes tracks for read, but for its arguments,
// which are of listArgs. progress is told which share of them is done.
func (r *encode) decoder(p *plan, read *verifyWords, progress func(float64)) *command {
	expected, heard := 0.0, 0.0
	for _, i := range read.which {
		expected += p.plays(&p.Tracks[i]).Seconds()
	}
	c := &command{
		purpose: "verify",
		program: r.ffmpeg,
		dir:     r.dir,
		cpu:     r.cpu(p.longest(), len(read.which)),
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
	return c
}

// verifyWords reads what ffmpeg says when it verifies.
type verifyWords struct {
	skip  int     // inputs that are nothing to it
	which []int   // tracks that it is given, in the order of its other inputs
	facts []facts // of all tracks
	at    int64   // where the last frame began, in samples
	err   error
}

// fact returns the facts of a track by its number among those that are given, or
// nil.
func (w *verifyWords) fact(n int) *facts {
	if n < 0 || n >= len(w.which) {
		return nil
	}
	return &w.facts[w.which[n]]
}

var streamLine = regexp.MustCompile(`^\[info\] +Stream #(\d+):\d+.*?: Audio: (\w+)(?: \((LC|HE-AAC|HE-AACv2)\))?`)

var pictureLine = regexp.MustCompile(`^\[info\] +Stream #(\d+):\d+.*?: Video: .*\(attached pic\)$`)

// stderr finds the codecs: the list of inputs comes before the output's.
func (w *verifyWords) stderr(line string) {
	if m := pictureLine.FindStringSubmatch(line); m != nil {
		if f := w.fact(number(m[1]) - w.skip); f != nil {
			f.Covers++
		}
	}
	m := streamLine.FindStringSubmatch(line)
	if m == nil {
		return
	}
	if f := w.fact(number(m[1]) - w.skip); f != nil && f.Codec == "" {
		f.Codec, f.Profile = m[2], m[3]
	}
}

// stdout reads a line of framecrc's, and returns what it is about and how many
// samples it adds.
func (w *verifyWords) stdout(line string) (*facts, int64) {
	if rest, ok := strings.CutPrefix(line, "#sample_rate "); ok {
		index, rate, _ := strings.Cut(rest, ": ")
		if f := w.fact(number(index)); f != nil {
			f.Rate = number(rate)
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
	f, n, size := w.fact(number(fields[0])), number(strings.TrimSpace(fields[3])), number(strings.TrimSpace(fields[4]))
	if f == nil || n == 0 || f.Rate == 0 {
		w.err = fmt.Errorf("verify outputs: ffmpeg wrote %.80q", line)
		return nil, 0
	}
	w.at, _ = strconv.ParseInt(strings.TrimSpace(fields[2]), 10, 64)
	f.Channels = size / n / 2 // bytes of a sample
	f.Samples += int64(n)
	return f, int64(n)
}

// hash takes a file's size and checksum.
func (f *facts) hash(ctx context.Context, file io.Reader) (err error) {
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
