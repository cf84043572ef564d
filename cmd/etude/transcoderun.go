package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"

	"etude/internal/ffmpeg"
	"etude/internal/transcode"
)

// run makes the outputs of a conversion, and takes note of how it went.
func (c *conversion) run(ctx context.Context, encoder *ffmpeg.Encoder, span transcode.Span, force bool, progress func(transcode.Progress)) {
	err := c.make(ctx, encoder, span, force, progress)
	var failure *transcode.Failure
	if errors.As(err, &failure) {
		c.Failure = reportFailure(failure)
		return
	}
	if err != nil {
		c.internal = err
		c.Failure = &failureReport{Reason: err.Error()}
	}
}

func (c *conversion) make(ctx context.Context, encoder *ffmpeg.Encoder, span transcode.Span, force bool, progress func(transcode.Progress)) (err error) {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	scratch, err := newScratch(filepath.Dir(c.Outputs[0].Path))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, scratch.remove()) }()
	enc := transcode.Encoding{Dir: filepath.Join(scratch.path, "out")}
	if err := os.Mkdir(enc.Dir, 0o700); err != nil {
		return err
	}
	for _, in := range c.Inputs {
		enc.Inputs = append(enc.Inputs, transcode.Source{Path: in.Path})
	}
	for i := range c.Outputs {
		enc.Outputs = append(enc.Outputs, transcode.Rendition{Name: strconv.Itoa(i + 1), Preset: c.presets[i], Span: span, Loudness: c.loudness})
	}
	encoded, err := encoder.Encode(ctx, enc, progress)
	if err != nil {
		return err
	}
	for i, in := range encoded.Inputs {
		c.Inputs[i].Size, c.Inputs[i].Duration = in.FileSize, in.Duration.Seconds()
	}
	for i := range encoded.Outputs {
		if err := c.Outputs[i].take(ctx, &encoded.Outputs[i], scratch.mode, force); err != nil {
			return err
		}
	}
	return nil
}

// take puts a file that was made in its place.
func (o *outputReport) take(ctx context.Context, made *transcode.EncodedOutput, mode fs.FileMode, force bool) error {
	if made.Failure != nil {
		o.Failure = reportFailure(made.Failure)
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := publish(made.Files[0].Path, o.Path, mode, force); err != nil {
		return err
	}
	m := &made.Made
	o.Made, o.Codec, o.Profile, o.SampleRate, o.Channels = true, m.Codec, m.Profile, m.SampleRate, m.Channels
	if l := m.Loudness; l != nil {
		o.Loudness = &loudReport{hundredths(l.Integrated), *hundredths(&l.Range), hundredths(l.TruePeak), *hundredths(&l.Gain), l.Limited}
	}
	o.Samples, o.Duration, o.Size, o.SHA256, o.Remark = m.Samples, m.Duration.Seconds(), m.Size, m.SHA256, made.Remark
	return nil
}

// hundredths rounds a level, if there is one: nobody hears more.
func hundredths(level *float64) *float64 {
	if level == nil {
		return nil
	}
	v := math.Round(*level*100) / 100
	return &v
}

// checkTarget finds out early what would keep a file from its place.
func checkTarget(path string, force bool) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		dir, err := os.Stat(filepath.Dir(path))
		if err != nil {
			return usage("-o %q: its directory: %w", path, errors.Unwrap(err))
		}
		if !dir.IsDir() {
			return usage("-o %q: %q is no directory", path, filepath.Dir(path))
		}
		return nil
	case err != nil:
		return usage("-o %q: %w", path, errors.Unwrap(err))
	case !info.Mode().IsRegular():
		return usage("-o %q: it is there, and is not a file", path)
	case !force:
		return usage("-o %q: it is there already; --force replaces it", path)
	}
	return nil
}

// publish gives a file its place, whole. Without force nothing is replaced, not
// even what came there a moment ago.
func publish(made, path string, mode fs.FileMode, force bool) (err error) {
	defer func() {
		if errors.Is(err, fs.ErrExist) {
			err = fmt.Errorf("write %q: it is there now, and was not when this began; --force replaces it", path)
		} else if err != nil {
			err = fmt.Errorf("write %q: %w", path, err)
		}
	}()
	if err := os.Chmod(made, mode); err != nil {
		return err
	}
	err = move(made, path, force)
	if !errors.Is(err, syscall.EXDEV) {
		return err
	}
	// Another file system than the first output's: a copy beside it.
	near, err := newScratch(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, near.remove()) }()
	copied := filepath.Join(near.path, "out")
	if err := copyFile(made, copied, mode); err != nil {
		return err
	}
	return move(copied, path, force)
}

// move moves a file within a file system.
func move(from, to string, force bool) error {
	if force {
		return os.Rename(from, to)
	}
	// The old name goes with the scratch directory.
	if err := os.Link(from, to); err == nil || errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.EXDEV) {
		return err
	}
	// A file system without links: an empty file holds the place.
	place, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(place.Close(), os.Rename(from, to)); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

func copyFile(from, to string, mode fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// scratch is a hidden directory beside what is made, locked while it is used:
// one that is not was left by a program that was killed.
type scratch struct {
	path string
	mode fs.FileMode // of a file that is made here as any other
	lock *os.File
}

// scratchName and a number are what such a directory is called.
const scratchName = ".etude-transcode-"

var scratchForm = regexp.MustCompile(`^\.etude-transcode-\d+$`)

// newScratch makes one in a directory, and removes those that were left there.
func newScratch(dir string) (*scratch, error) {
	sweep(dir)
	for {
		path, err := os.MkdirTemp(dir, scratchName)
		if err != nil {
			return nil, fmt.Errorf("make scratch directory: %w", err)
		}
		s, err := openScratch(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // swept by another program before it was locked
		}
		if err != nil {
			return nil, fmt.Errorf("make scratch directory: %w", err)
		}
		return s, nil
	}
}

func openScratch(path string) (*scratch, error) {
	lock, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s := &scratch{path: path, lock: lock}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	// The program's mask, and whatever else the directory wants of its files.
	file, err := os.OpenFile(filepath.Join(path, "mode"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		lock.Close()
		return nil, err
	}
	info, err := file.Stat()
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	s.mode = info.Mode().Perm()
	return s, nil
}

// remove removes the directory, and gives up its lock only then.
func (s *scratch) remove() error {
	return errors.Join(os.RemoveAll(s.path), s.lock.Close())
}

// sweep removes the scratch directories that no program holds. What it may not
// remove, it leaves.
func sweep(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if !e.IsDir() || !scratchForm.MatchString(e.Name()) {
			continue
		}
		lock, err := os.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(lock.Name())
		}
		lock.Close()
	}
}
