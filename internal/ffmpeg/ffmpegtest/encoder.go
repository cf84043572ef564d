package ffmpegtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"etude/internal/manifest"
	"etude/internal/transcode"
)

// Encoder is a transcode.Encoder that ends at once: each output is a few bytes
// of text that say what it would be. It is for tests of what happens around an
// encoder, and may be used by many goroutines; its members are to be set before.
type Encoder struct {
	// Fail says how an Encode ends: with this error, a *transcode.Failure among
	// them, or well if it is nil. A nil Fail is one that always returns nil.
	Fail func(transcode.Encoding) error
	// FailOutput says the same for one output of an Encode that ends well.
	FailOutput func(transcode.Rendition) *transcode.Failure
	// Refuse is what Check answers.
	Refuse func(*transcode.Preset) string
	// Started, if it is not nil, gets each Encode's input when it has begun.
	Started chan<- string
	// Hold, if it is not nil, keeps every Encode from ending until it is closed
	// or the context ends.
	Hold <-chan struct{}

	mu    sync.Mutex
	calls []transcode.Encoding
}

var _ transcode.Encoder = (*Encoder)(nil)

// Calls returns what Encode was asked for until now.
func (e *Encoder) Calls() []transcode.Encoding {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]transcode.Encoding(nil), e.calls...)
}

// Check answers what Refuse says, or "".
func (e *Encoder) Check(p *transcode.Preset) string {
	if e.Refuse == nil {
		return ""
	}
	return e.Refuse(p)
}

// Encode writes its tiny files, or fails.
func (e *Encoder) Encode(ctx context.Context, enc transcode.Encoding, progress func(transcode.Progress)) (*transcode.Encoded, error) {
	e.mu.Lock()
	e.calls = append(e.calls, enc)
	e.mu.Unlock()
	progress(even(enc, transcode.Probing, 0))
	if err := e.wait(ctx, enc.Inputs[0].Path); err != nil {
		return nil, err
	}
	if e.Fail != nil {
		if err := e.Fail(enc); err != nil {
			return nil, err
		}
	}
	progress(even(enc, transcode.Transcoding, 0.5))
	encoded := &transcode.Encoded{Log: "nothing was encoded"}
	for _, in := range enc.Inputs {
		info, err := os.Stat(in.Path)
		if err != nil {
			return nil, err
		}
		encoded.Inputs = append(encoded.Inputs, transcode.Detected{FileSize: info.Size(), Duration: time.Second})
	}
	for _, r := range enc.Outputs {
		out, err := e.make(enc.Dir, r)
		if err != nil {
			return nil, err
		}
		encoded.Outputs = append(encoded.Outputs, out)
	}
	if enc.Measure {
		var err error
		if encoded.Measured, err = measured(enc.Dir); err != nil {
			return nil, err
		}
	}
	progress(even(enc, transcode.Verifying, 1))
	return encoded, nil
}

// even is the progress of an encoder that gets on with all outputs alike.
func even(enc transcode.Encoding, phase transcode.Phase, done float64) transcode.Progress {
	p := transcode.Progress{Phase: phase, Done: done, Outputs: map[string]transcode.OutputProgress{}}
	for _, r := range enc.Outputs {
		p.Outputs[r.Name] = transcode.OutputProgress{Phase: phase, Done: done}
	}
	return p
}

// measured has by-products that are as short as the outputs are.
func measured(dir string) (*transcode.Measured, error) {
	loudness, peak := -9.84, 0.42
	m := &transcode.Measured{
		Measurement: transcode.Measurement{
			SampleRate: 44100, Channels: 2, Samples: 44100,
			Loudness: transcode.Loudness{Integrated: &loudness, Range: 6.1, TruePeak: &peak, SamplePeak: &peak},
		},
		Files: map[transcode.ByProduct]string{},
	}
	for b, content := range map[transcode.ByProduct]string{
		transcode.WaveformLow:  `{"version":2,"channels":1,"sample_rate":44100,"samples_per_pixel":22050,"bits":8,"length":2,"data":[-64,64,-12,127]}`,
		transcode.WaveformHigh: `{"version":2,"channels":1,"sample_rate":44100,"samples_per_pixel":11025,"bits":8,"length":4,"data":[-64,64,-60,60,-12,127,-1,1]}`,
		transcode.Spectrogram:  onePixel,
	} {
		m.Files[b] = filepath.Join(dir, string(b))
		if err := os.WriteFile(m.Files[b], []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// onePixel is a PNG.
const onePixel = "\x89\x50\x4e\x47\x0d\x0a\x1a\x0a\x00\x00\x00\x0d\x49\x48\x44\x52\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00\x3a\x7e\x9b\x55" +
	"\x00\x00\x00\x0a\x49\x44\x41\x54\x78\x9c\x63\x60\x00\x00\x00\x02\x00\x01\x48\xaf\xa4\x71\x00\x00\x00\x00\x49\x45\x4e\x44\xae\x42\x60\x82"

func (e *Encoder) wait(ctx context.Context, input string) error {
	if e.Started != nil {
		select {
		case e.Started <- input:
		case <-ctx.Done():
		}
	}
	if e.Hold != nil {
		select {
		case <-e.Hold:
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}

func (e *Encoder) make(dir string, r transcode.Rendition) (transcode.EncodedOutput, error) {
	if e.FailOutput != nil {
		if f := e.FailOutput(r); f != nil {
			return transcode.EncodedOutput{Failure: f}, nil
		}
	}
	content := fmt.Appendf(nil, "output %s of preset %s\n", r.Name, r.Preset.ID)
	sum := sha256.Sum256(content)
	out := transcode.EncodedOutput{
		Made: transcode.Made{
			Duration: time.Second, Size: int64(len(content)), Codec: "text",
			SampleRate: 44100, Channels: 2, Samples: 44100, SHA256: hex.EncodeToString(sum[:]),
		},
	}
	suffixes := []string{""}
	switch r.Layout {
	case transcode.SegmentFiles:
		suffixes = []string{"00000.ts", "00001.ts"}
	case transcode.ByteRanges:
		suffixes = []string{".ts"}
	}
	for i, suffix := range suffixes {
		path := filepath.Join(dir, fmt.Sprint(r.Name, "-", i))
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return out, err
		}
		out.Files = append(out.Files, transcode.EncodedFile{Path: path, Suffix: suffix, ContentType: "text/plain"})
	}
	if r.Layout != transcode.Whole {
		out.Made.Media = media(suffixes, int64(len(content)))
	}
	return out, nil
}

// media says that each file is a segment of half a second.
func media(names []string, size int64) *transcode.Media {
	m := &transcode.Media{Init: manifest.Range{Last: 9}, Index: manifest.Range{First: 10, Last: 19}}
	for _, name := range names {
		m.Segments = append(m.Segments, manifest.Segment{Name: name, Duration: 0.5, Size: size})
	}
	return m
}
