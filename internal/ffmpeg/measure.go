package ffmpeg

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"etude/internal/measure"
	"etude/internal/transcode"
)

// measureJoined has the joined input of a plan measured when it is decoded.
func (r *encode) measureJoined(p *plan) {
	r.listen = func(rate, channels int) listener {
		meter, err := measure.New(rate, channels, int64(p.Duration.Seconds()*float64(rate)))
		if err != nil {
			r.cfg.Logger.Warn("sound not measured", "err", err)
			return deaf{}
		}
		r.heard = meter
		return meter
	}
}

// deaf is a listener that hears nothing.
type deaf struct{}

func (deaf) Write([]float32) {}

// measured is what was heard; nil if that was nothing. Files that cannot be
// written are left out: the outputs are worth more.
func (r *encode) measured() *transcode.Measured {
	if r.heard == nil {
		return nil
	}
	found := r.heard.Result()
	if found.Frames == 0 {
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
