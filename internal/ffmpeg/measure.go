package ffmpeg

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"

	"etude/internal/measure"
	"etude/internal/transcode"
)

// measureJoined has the joined input of a plan measured when it is decoded: all
// of it if that is asked for, and the parts of it that become tracks with a
// loudness.
func (r *encode) measureJoined(p *plan, whole bool) {
	var parts []cut
	if whole {
		parts = append(parts, cut{})
	}
	for _, t := range p.Tracks {
		if t.Loudness != nil && !slices.Contains(parts, t.cut) {
			parts = append(parts, t.cut)
		}
	}
	if len(parts) == 0 {
		return
	}
	r.listen = func(rate, channels int) listener {
		r.heard = &ears{channels: channels, meters: map[cut]*measure.Meter{}, results: map[cut]*measure.Result{}}
		for _, c := range parts {
			meter, err := measure.New(rate, channels, int64(p.Duration.Seconds()*float64(rate)))
			if err != nil {
				r.cfg.Logger.Warn("sound not measured", "err", err)
				continue
			}
			r.heard.meters[c] = meter
		}
		return r.heard
	}
}

// ears measure parts of what they hear.
type ears struct {
	channels int
	at       int64 // frames heard
	meters   map[cut]*measure.Meter
	results  map[cut]*measure.Result
}

func (e *ears) Write(interleaved []float32) {
	frames := int64(len(interleaved) / e.channels)
	for c, meter := range e.meters {
		from, to := max(c.Start-e.at, 0), frames
		if c.End > 0 {
			to = min(c.End-e.at, frames)
		}
		if from < to {
			meter.Write(interleaved[from*int64(e.channels) : to*int64(e.channels)])
		}
	}
	e.at += frames
}

// result is what was heard of a part; nil if nobody listened.
func (e *ears) result(c cut) *measure.Result {
	if e == nil {
		return nil
	}
	if meter := e.meters[c]; meter != nil {
		e.results[c], e.meters[c] = meter.Result(), nil
	}
	return e.results[c]
}

// setGains finds what each track needs for its loudness.
func (r *encode) setGains(p *plan) {
	for i := range p.Tracks {
		t := &p.Tracks[i]
		t.clipGain(r.heard.result(t.cut))
	}
}

// measured is what was heard of all that was joined; nil if that was nothing, or
// not asked for. Files that cannot be written are left out: the outputs are
// worth more.
func (r *encode) measured(wanted bool) *transcode.Measured {
	if !wanted {
		return nil
	}
	found := r.heard.result(cut{})
	if found == nil || found.Frames == 0 {
		return nil
	}
	m := &transcode.Measured{Measurement: transcode.Measurement{
		SampleRate: found.Rate, Channels: found.Channels, Samples: found.Frames,
		Loudness: loudnessOf(found.Loudness),
	}}
	files, err := writeByProducts(filepath.Join(r.dir, "measured"), found)
	if err != nil {
		r.cfg.Logger.Warn("by-products not written", "err", err)
		return m
	}
	m.Files = files
	return m
}

func loudnessOf(l measure.Loudness) transcode.Loudness {
	return transcode.Loudness{
		Integrated: levelOf(l.Integrated), Range: l.Range, TruePeak: levelOf(l.TruePeak), SamplePeak: levelOf(l.SamplePeak),
	}
}

// levelOf is nil for silence.
func levelOf(v float64) *float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return nil
	}
	return &v
}

// writeByProducts writes the files into a directory that it makes.
func writeByProducts(dir string, found *measure.Result) (map[transcode.ByProduct]string, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	waveform := func(v measure.Waveform) func(io.Writer) error {
		return func(w io.Writer) error {
			_, err := w.Write(v.AppendJSON(nil))
			return err
		}
	}
	files := map[transcode.ByProduct]string{}
	for name, write := range map[transcode.ByProduct]func(io.Writer) error{
		transcode.WaveformLow:  waveform(found.Coarse),
		transcode.WaveformHigh: waveform(found.Fine),
		transcode.Spectrogram:  found.Spectrogram.WritePNG,
	} {
		files[name] = filepath.Join(dir, string(name))
		if err := writeNew(files[name], write); err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
	}
	return files, nil
}

func writeNew(path string, write func(io.Writer) error) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	return write(f)
}
