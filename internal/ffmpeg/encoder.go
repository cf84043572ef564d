// Package ffmpeg is the engine: it makes files out of files with the ffmpeg
// that is installed, in a sandbox, and verifies each of them. One child process
// decodes the inputs once, cuts and joins them and makes all outputs of a job,
// but for long AAC and MP3: of those it gives raw sound, which a hub holds for
// a moment, and other processes encode it in segments, on all cores. A last one
// decodes what was made to its end, as far as it can while it is made. Pictures
// are made before, one child process each. What is to be done is planned first,
// as plain values: a source is what was found in an input, a plan what to do
// with some of them, and both are turned into arguments without looking at
// anything else.
//
// It knows files and presets, and nothing of jobs, HTTP, S3 or SQL.
package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"etude/internal/transcode"
)

// Config is what New needs. The zero value works where ffmpeg and ffprobe are
// in PATH.
type Config struct {
	FFmpeg  string // the program's path or name; empty for "ffmpeg"
	FFprobe string // the same; empty for "ffprobe"
	Logger  *slog.Logger

	// Sandbox is how child processes are locked in; empty for Auto.
	Sandbox Mode

	// Memory is the address space, in bytes, that a child process may have;
	// 0 for 2 GiB. Debian's ffmpeg with its 215 libraries was seen to do its
	// work in under 300 MiB, with one thread and a file of any length.
	Memory int64
	// FileSize is the size, in bytes, that one output may have; 0 for 16 GiB.
	FileSize int64
	// CPU is the processor time that a child process may use; 0 for ten
	// minutes and, for each output, the length of the input.
	CPU time.Duration

	// MaxDuration is how long an input may play; 0 for 12 hours.
	MaxDuration time.Duration
	// Stall is how long a child process may make no progress before it is
	// killed; 0 for a minute.
	Stall time.Duration

	// Cores is how many encoders may work on one long file at once, each on a
	// segment of it; 0 for as many as the process may use. With 1, files are
	// encoded whole.
	Cores int
	// Segment is about how long the segments of a long file are; 0 for 40 s.
	// What is shorter is encoded whole.
	Segment time.Duration
}

// Encoder is a transcode.Encoder on ffmpeg. Its methods may be called at once.
type Encoder struct {
	cfg      Config
	pool     *pool
	checkers checkers

	mu    sync.Mutex
	ready *toolchain // nil until it was found out
}

var _ transcode.Encoder = (*Encoder)(nil)

// New returns an Encoder. It looks for the programs but starts none of them:
// what they can do is found out when it is first asked for, and takes a tenth
// of a second then.
func New(cfg Config) (*Encoder, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Sandbox == "" {
		cfg.Sandbox = Auto
	}
	if !cfg.Sandbox.valid() {
		return nil, fmt.Errorf("sandbox %q: must be one of %s, %s and %s", cfg.Sandbox, Auto, Bubblewrap, Limits)
	}
	setDefault(&cfg.FFmpeg, "ffmpeg")
	setDefault(&cfg.FFprobe, "ffprobe")
	setDefault(&cfg.Memory, 2<<30)
	setDefault(&cfg.FileSize, 16<<30)
	setDefault(&cfg.MaxDuration, 12*time.Hour)
	setDefault(&cfg.Stall, time.Minute)
	setDefault(&cfg.Cores, runtime.GOMAXPROCS(0))
	setDefault(&cfg.Segment, usualLength)
	for _, program := range []*string{&cfg.FFmpeg, &cfg.FFprobe} {
		path, err := findProgram(*program)
		if err != nil {
			return nil, err
		}
		*program = path
	}
	return &Encoder{cfg: cfg, pool: &pool{cores: cfg.Cores}}, nil
}

func setDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// findProgram returns the absolute path of a program, behind all symbolic
// links: a sandbox may not have those.
func findProgram(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("find %q: install ffmpeg, or configure the program's path: %w", name, err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// Close ends what waits for more work, some seconds before it would end itself.
// Calls of Encode that run go on to their end.
func (e *Encoder) Close() { e.checkers.close() }

// Sandbox says in a few words how ffmpeg is locked in on this host.
func (e *Encoder) Sandbox() string {
	t, err := e.toolchain()
	if err != nil {
		return "unknown: " + err.Error()
	}
	return t.sandbox.String()
}

// Check says why a preset cannot be made by the ffmpeg that is installed, in
// one sentence, or returns "".
func (e *Encoder) Check(p *transcode.Preset) string {
	t, err := e.toolchain()
	if err != nil {
		return fmt.Sprintf("Nothing can be made: %v.", err)
	}
	return t.can.check(p)
}

// Encode does what transcode.Encoder promises.
//
// WAV, FLAC, FLAC in Ogg, MP3 and AAC in MP4 have exactly the samples that
// ffmpeg decodes from the input, or their number times the ratio of the sample
// rates, rounded; MP3 and MP4 say so to players, of which ffmpeg 5.1 does not
// heed an MP4's end. MPEG-TS has whole frames and the encoder's delay; its
// segments begin at frames, the first at or after each multiple of the length
// that was asked for.
//
// AAC in MP4 and MP3 of more than Config.Segment, mono or stereo, is encoded in
// segments when no other call keeps the cores busy. What comes of it is as good
// as what is encoded whole, and never byte for byte the same, not even twice:
// an encoder's choices depend on what it was given before. WAV, FLAC and all
// else that the one decode makes is always the same.
//
// Spans are of decoded samples, to the nearest. Inputs that differ are joined at
// the highest sample rate and the most channels among them, which is also what
// "auto" means for such a job; all of its tags are the first input's, and so are
// the pictures that AlbumArt calls the input's own.
func (e *Encoder) Encode(ctx context.Context, enc transcode.Encoding, progress func(transcode.Progress)) (*transcode.Encoded, error) {
	t, err := e.toolchain()
	if err != nil {
		return nil, err
	}
	split, leave := e.pool.enter()
	defer leave()
	var names []string
	for _, o := range enc.Outputs {
		names = append(names, o.Name)
	}
	r := &encode{toolchain: t, cfg: e.cfg, pool: e.pool, checkers: &e.checkers, lanes: 1, meter: newMeter(progress, names...), sources: enc.Inputs}
	defer r.meter.close()
	if split {
		r.lanes = e.cfg.Cores
	}
	if err := r.open(enc); err != nil {
		return nil, err
	}
	encoded, err := r.run(ctx, enc)
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	if err != nil {
		return nil, err
	}
	return encoded, onlyFiles(encoded)
}

// encode is one call of Encode.
type encode struct {
	*toolchain
	cfg      Config
	pool     *pool
	checkers *checkers
	lanes    int // on how many cores a track may be encoded at once
	meter    *meter
	sources  []transcode.Source
	inputs   []string // absolute paths of the sources
	sizes    []int64  // of them, bytes
	dir      string   // absolute path

	// listen returns who hears the joined input, of some rate and channels; nil
	// where nobody does.
	listen func(rate, channels int) listener
	heard  *ears // nil if nobody measures

	joined func(*track, *splitSound) // is told of what was joined; nil for nobody
	alter  alteration
}

// open checks the files and names that were handed in.
func (r *encode) open(enc transcode.Encoding) (err error) {
	for i, o := range enc.Outputs {
		if o.Name == "" || o.Name != filepath.Base(o.Name) || strings.ContainsAny(o.Name, "\\:\x00") || o.Name[0] == '.' {
			return fmt.Errorf("output %d: the name %q is not fit for a file", i+1, o.Name)
		}
	}
	if r.dir, err = filepath.Abs(enc.Dir); err != nil {
		return err
	}
	if len(enc.Inputs) == 0 {
		return errors.New("open inputs: there are none")
	}
	for i, in := range enc.Inputs {
		path, size, err := openFile(in.Path)
		if err != nil {
			return fmt.Errorf("open input %d: %w", i+1, err)
		}
		if size == 0 {
			return r.about(i, unreadable("This file is empty.", ""))
		}
		r.inputs, r.sizes = append(r.inputs, path), append(r.sizes, size)
	}
	return nil
}

// openFile returns the absolute path and the size of a file to be read.
func openFile(name string) (path string, size int64, err error) {
	if path, err = filepath.Abs(name); err != nil {
		return "", 0, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", 0, err
	}
	if !info.Mode().IsRegular() {
		return "", 0, fmt.Errorf("%s is not a regular file", path)
	}
	return path, info.Size(), nil
}

// about says which of several inputs a failure is about.
func (r *encode) about(i int, err error) error { return aboutInput(i, len(r.sources), err) }

func aboutInput(i, n int, err error) error {
	var f *transcode.Failure
	if n == 1 || !errors.As(err, &f) {
		return err
	}
	named := *f
	named.Reason = fmt.Sprintf("Input %d of %d: %s", i+1, n, f.Reason)
	return &named
}

// run is the story: look at the inputs, plan, encode, verify.
func (r *encode) run(ctx context.Context, enc transcode.Encoding) (*transcode.Encoded, error) {
	r.meter.report(transcode.Probing, 0)
	listen := r.listen
	encoded, err := r.runOn(ctx, enc, r.sniffs(enc.Outputs))
	if errors.Is(err, errNotSniffed) {
		r.listen = listen
		r.meter.restart()
		return r.runOn(ctx, enc, false)
	}
	return encoded, err
}

// errNotSniffed says that inputs are not what their first bytes say, or that
// something is wrong with them: only a probe can tell what.
var errNotSniffed = errors.New("the input is not what it seems to be")

// sniffs reports whether all that is needed of the inputs can be sniffed: their
// pictures cannot, nor a bit rate that is to be kept.
func (r *encode) sniffs(renditions []transcode.Rendition) bool {
	return !slices.ContainsFunc(renditions, func(o transcode.Rendition) bool {
		if o.Art != nil || o.Preset.Audio == nil {
			return true
		}
		t := findTarget(o.Preset.Container, o.Preset.Audio.Codec)
		return t == nil || t.lossy() && number(o.Preset.Audio.BitRate) == 0
	})
}

// runOn runs on what was sniffed of the inputs, or else on what was probed.
func (r *encode) runOn(ctx context.Context, enc transcode.Encoding, sniffing bool) (*transcode.Encoded, error) {
	encoded := &transcode.Encoded{Outputs: make([]transcode.EncodedOutput, len(enc.Outputs))}
	var found []*source
	for i := range r.inputs {
		src, err := r.look(ctx, i, sniffing)
		if err != nil {
			return nil, r.about(i, err)
		}
		if src.Format == "wav" {
			src.Promised = promisedByWAV(r.inputs[i])
		}
		found = append(found, src)
		encoded.Inputs = append(encoded.Inputs, transcode.Detected{FileSize: r.sizes[i], Duration: src.Duration})
		r.meter.report(transcode.Probing, probeShare*float64(i+1)/float64(len(r.inputs)))
	}
	if slices.ContainsFunc(found, func(s *source) bool { return s.Sniffed }) {
		encoded, err := r.runFound(ctx, enc, found, encoded)
		var failure *transcode.Failure
		if errors.As(err, &failure) {
			return nil, errNotSniffed
		}
		return encoded, err
	}
	return r.runFound(ctx, enc, found, encoded)
}

// look sniffs at an input, or else probes it.
func (r *encode) look(ctx context.Context, i int, sniffing bool) (*source, error) {
	if sniffing {
		if src := sniff(r.inputs[i], r.sizes[i]); src != nil {
			return src, nil
		}
	}
	return r.probe(ctx, i)
}

// runFound runs on what was found in the inputs.
func (r *encode) runFound(ctx context.Context, enc transcode.Encoding, found []*source, encoded *transcode.Encoded) (*transcode.Encoded, error) {
	p, err := newPlan(found, r.sources, enc.Outputs, r.can, r.cfg.MaxDuration)
	if err != nil {
		return nil, withLog(err, probed(found))
	}
	if err := r.planTags(p, found[0]); err != nil {
		return nil, err
	}
	if err := r.addArt(ctx, p, found[0], enc.Outputs); err != nil {
		return nil, err
	}
	for i, src := range found {
		p.Parts[i].Sniffed = src.Sniffed
	}
	r.measureJoined(p, enc.Measure)
	if err := r.make(ctx, p, encoded); err != nil {
		return nil, err
	}
	encoded.Measured = r.measured(enc.Measure)
	for i, f := range p.Refused {
		encoded.Outputs[i] = transcode.EncodedOutput{Failure: f}
	}
	return encoded, nil
}

// make encodes and verifies the tracks of a plan. Those that are to have a
// loudness come after the others: how loud the input is must be known first, and
// whoever listens hears it in the first pass.
func (r *encode) make(ctx context.Context, p *plan, encoded *transcode.Encoded) error {
	first, second := *p, *p
	first.Tracks, second.Tracks = nil, nil
	for _, t := range p.Tracks {
		if t.Loudness == nil {
			first.Tracks = append(first.Tracks, t)
		} else {
			second.Tracks = append(second.Tracks, t)
		}
	}
	for _, p := range []*plan{&first, &second} {
		if len(p.Tracks) > 0 {
			r.meter.expect(p.cost(), p.work()...)
		}
	}
	if len(first.Tracks) > 0 || len(second.Tracks) > 0 && r.listen != nil {
		if err := r.pass(ctx, &first, encoded); err != nil {
			return err
		}
	}
	if len(second.Tracks) > 0 {
		r.listen = nil
		r.setGains(&second)
		if err := r.pass(ctx, &second, encoded); err != nil {
			return err
		}
	}
	r.meter.report(transcode.Verifying, 1)
	return r.removeArt(p)
}

// pass encodes and verifies the tracks of a plan in one go.
func (r *encode) pass(ctx context.Context, p *plan, encoded *transcode.Encoded) error {
	if r.listen != nil {
		p.Heard = true
		p.addFeed(p.joined())
	}
	p.splitTracks(r.lanes, r.cfg.Segment)
	check, err := r.startEarly(ctx, p)
	if err != nil {
		return err
	}
	defer check.close()
	done, err := r.encode(ctx, p, check)
	if err != nil {
		return err
	}
	encoded.Log = done.log
	for i, d := range done.inputs {
		encoded.Inputs[i].Duration = d
	}
	if p.dropShort(done); len(p.Tracks) == 0 {
		return nil
	}
	if err := r.finish(ctx, p, done); err != nil {
		return err
	}
	facts, err := r.verify(ctx, p, done, check)
	if err != nil {
		return err
	}
	again := *p
	again.Tracks = nil
	for i := range p.Tracks {
		t := p.Tracks[i]
		var loud *transcode.MadeLoudness
		if t.Loudness != nil {
			heard, err := r.hear(ctx, &t, &facts[i])
			if err != nil {
				return err
			}
			was := t.Gain
			if t.adjust(heard) {
				again.Tracks = append(again.Tracks, t)
				continue
			}
			t.Gain = was
			var remark string
			loud, remark = t.loud(heard)
			t.Remark = remarks(t.Remark, remark)
		}
		out, err := r.lay(ctx, &t, &facts[i])
		if err != nil {
			return fmt.Errorf("lay out output %q: %w", t.File, err)
		}
		out.Made.Loudness = loud
		out.Remark = remarks(p.Remark, t.Remark, done.remark, done.clips[i])
		encoded.Outputs[t.Output] = *out
	}
	if len(again.Tracks) == 0 {
		return nil
	}
	again.Feeds = nil
	r.meter.expect(again.cost(), again.work()...)
	return r.pass(ctx, &again, encoded)
}

// remarks joins those that are not empty, each said once.
func remarks(all ...string) string {
	var said []string
	for _, s := range all {
		if s != "" && !slices.Contains(said, s) {
			said = append(said, s)
		}
	}
	return strings.Join(said, " ")
}

// length is how long some samples last.
func length(samples int64, rate int) time.Duration {
	seconds, rest := samples/int64(rate), samples%int64(rate)
	return time.Duration(seconds)*time.Second + time.Duration(rest)*time.Second/time.Duration(rate)
}

// probe looks what an input is.
func (r *encode) probe(ctx context.Context, i int) (*source, error) {
	src, err := r.probeFor(ctx, i, true)
	if errors.Is(err, errTooMuch) {
		if src, err = r.probeFor(ctx, i, false); err == nil {
			src.Untold = true
		}
	}
	return src, err
}

// errTooMuch says that ffprobe told more than is read.
var errTooMuch = errors.New("there is too much to tell")

func (r *encode) probeFor(ctx context.Context, i int, tags bool) (*source, error) {
	found := limitedBuilder{most: mostProbed}
	words, err := r.sandbox.run(ctx, &command{
		purpose: "probe",
		program: r.ffprobe,
		args:    probeArgs(tags),
		inputs:  r.inputs[i : i+1],
		dir:     r.dir,
		cpu:     r.cpu(0, 0),
		stall:   r.cfg.Stall,
		stdout:  &found,
	})
	var exit *exitError
	if errors.As(err, &exit) {
		return nil, exit.probeFailure()
	}
	if err != nil {
		return nil, fmt.Errorf("probe input %d: %w", i+1, err)
	}
	if found.cut {
		return nil, errTooMuch
	}
	return parseSource(found.String(), words)
}

// limitedBuilder keeps no more than the first so many bytes.
type limitedBuilder struct {
	strings.Builder
	most int
	cut  bool
}

func (b *limitedBuilder) Write(p []byte) (int, error) {
	if b.cut = b.cut || b.Len()+len(p) > b.most; b.cut {
		return len(p), nil
	}
	return b.Builder.Write(p)
}

// encode makes all tracks of a plan.
func (r *encode) encode(ctx context.Context, p *plan, check *early) (*decoded, error) {
	decoding := r.meter.step(p.decodeCost(), p.decoding()...)
	decoding(transcode.Transcoding, 0)
	words := newEncodeWords(p)
	expected := p.longest()
	c := &command{
		purpose: "decode and encode",
		program: r.ffmpeg,
		args:    p.encodeArgs(),
		inputs:  r.inputs,
		dir:     r.dir,
		cpu:     r.cpu(p.decodes(), len(p.Tracks)),
		stall:   r.cfg.Stall + p.skips()/skipSpeed,
		line:    words.line,
	}
	c.stdout = &lineWriter{line: newClock(func(at time.Duration) {
		c.alive()
		decoding(transcode.Transcoding, share(at, expected))
	}).line}
	tail, sounds, err := r.decode(ctx, p, c, check)
	var exit *exitError
	switch {
	case errors.As(err, &exit):
		return nil, exit.encodeFailure(words)
	case err != nil:
		return nil, fmt.Errorf("encode: %w", err)
	}
	if words.differ(p) {
		return nil, errNotSniffed
	}
	decoding(transcode.Transcoding, 1)
	for i, s := range sounds {
		words.fed[i] = s.Samples
	}
	done, err := words.decoded(p, tail)
	if err != nil {
		return nil, withLog(err, tail)
	}
	done.sounds = sounds
	for i, s := range sounds {
		if r.joined != nil {
			r.joined(&p.Tracks[i], s)
		}
	}
	return done, r.encodeWhole(ctx, p, done)
}

// encodeWhole makes those tracks in one go, by another decode, whose segments
// could not be joined.
func (r *encode) encodeWhole(ctx context.Context, p *plan, done *decoded) error {
	whole := *p
	whole.Tracks, whole.Feeds, whole.Heard = nil, nil, false
	var which []int
	for i := range p.Tracks {
		if s := done.sounds[i]; s != nil && s.Unfit {
			r.cfg.Logger.Warn("segments cannot be joined: the file is encoded again as a whole", "output", p.Tracks[i].File)
			done.log += fmt.Sprintf("\n%s: its segments cannot be joined; it was encoded again as a whole", p.Tracks[i].File)
			p.Tracks[i].Split = nil
			which = append(which, i)
			whole.Tracks = append(whole.Tracks, p.Tracks[i])
		}
	}
	if len(which) == 0 {
		return nil
	}
	none := &early{}
	again, err := r.encode(ctx, &whole, none)
	if err != nil {
		return err
	}
	for i, track := range which {
		done.fed[track] = again.fed[i]
		delete(done.sounds, track)
	}
	return nil
}

// decode runs the command that makes a plan's tracks and feeds, has the feeds
// heard and the tracks that are split encoded. Like the sandbox, it returns the
// tail of the command's stderr; and the sound of tracks, by their index.
// Meanwhile they are checked.
func (r *encode) decode(ctx context.Context, p *plan, c *command, check *early) (tail string, sounds map[int]*splitSound, err error) {
	feeds, err := openFeeds(p, c)
	if err != nil {
		return "", nil, err
	}
	outside := ctx
	group, ctx := errgroup.WithContext(ctx)
	if p.Heard {
		l, ear := r.listen(p.Rate, p.Channels), feeds.windows[p.addFeed(p.joined())].hear(0)
		group.Go(func() error { return ear.tell(l) })
	}
	s := r.newSpread(p, feeds, check)
	s.start(ctx, group)
	group.Go(func() error { return feeds.fill(ctx, c) })
	group.Go(func() error {
		var err error
		tail, err = r.sandbox.run(ctx, c)
		if err == nil {
			check.decoded(outside)
		}
		return err
	})
	err = group.Wait()
	return tail, s.sounds(), err
}

// skipSpeed is how many times faster than it plays an input can be decoded at
// least. What comes before a clip is decoded too, and ffmpeg shows no progress
// meanwhile.
const skipSpeed = 50

// cpu is how much processor time the work on some media may take.
func (r *encode) cpu(duration time.Duration, outputs int) time.Duration {
	if r.cfg.CPU > 0 {
		return r.cfg.CPU
	}
	if duration <= 0 {
		duration = r.cfg.MaxDuration
	}
	return 10*time.Minute + time.Duration(outputs)*duration
}
