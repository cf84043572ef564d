package transcode

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// Measurement is what was heard in a job's inputs, joined in their order, while
// they were decoded.
type Measurement struct {
	SampleRate int // Hz
	Channels   int
	Samples    int64 // per channel
	Loudness
	// Kept says that the by-products were stored.
	Kept bool
}

// Loudness is how loud some sound is, in the units of EBU R128. What is silent,
// or too short to be measured, has nil for a level.
type Loudness struct {
	Integrated *float64 // LUFS
	Range      float64  // LU; 0 for less than 3 seconds
	TruePeak   *float64 // dBTP
	SamplePeak *float64 // dBFS
}

// ByProduct is a file about the sound of a job's inputs. Its value is the name
// under which it is kept.
type ByProduct string

// The by-products. The waveforms are JSON as the BBC's audiowaveform writes it,
// the low one of a thousand points at the most; the spectrogram is a PNG.
const (
	WaveformLow  ByProduct = "waveform-low.json"
	WaveformHigh ByProduct = "waveform-high.json"
	Spectrogram  ByProduct = "spectrogram.png"
)

// ByProducts are all of them.
var ByProducts = []ByProduct{WaveformLow, WaveformHigh, Spectrogram}

// ContentType is the by-product's type of media.
func (b ByProduct) ContentType() string {
	if b == Spectrogram {
		return "image/png"
	}
	return "application/json"
}

// Measured is what an Encoder has measured: where its files are, by name.
type Measured struct {
	Measurement
	Files map[ByProduct]string // paths below Encoding.Dir
}

// maxByProduct is more than any by-product has, in bytes.
const maxByProduct = 4 << 20

// byProductRef is where a by-product is kept. The prefix is reserved: see
// docs/extensions.md.
func (s *Service) byProductRef(id JobID, b ByProduct) ObjectRef {
	return ObjectRef{Bucket: s.ByProductBucket, Key: "etude/jobs/" + string(id) + "/" + string(b)}
}

// ReadByProduct returns a by-product of a job, or an *Error of kind NotFound if
// there is no such job, or none of it is kept.
func (s *Service) ReadByProduct(ctx context.Context, id JobID, b ByProduct) ([]byte, error) {
	job, err := s.ReadJob(ctx, id)
	if err != nil {
		return nil, err
	}
	none := &Error{Kind: NotFound, Message: fmt.Sprintf("The job has no %s: account=%s, jobId=%s.", b, s.Account, id)}
	if job.Measured == nil || !job.Measured.Kept || s.ByProductBucket == "" {
		return nil, none
	}
	content, err := s.Objects.Read(ctx, s.byProductRef(id, b), maxByProduct)
	if errors.Is(err, ErrNoObject) || errors.Is(err, ErrNoBucket) {
		return nil, none // somebody made room
	}
	return content, err
}

// keepByProducts stores what was measured on the way, beside the job. A job
// whose by-products cannot be stored is no worse for it.
func (a *attempt) keepByProducts(ctx context.Context, m *Measured) {
	if m == nil {
		return
	}
	a.job.Measured = &m.Measurement
	if a.svc.ByProductBucket == "" || len(m.Files) == 0 {
		return
	}
	group, ctx := errgroup.WithContext(ctx)
	for b, file := range m.Files {
		group.Go(func() error { return a.keep(ctx, file, b) })
	}
	if err := group.Wait(); err != nil {
		a.svc.Logger.Warn("by-products not kept", "job", a.job.ID, "bucket", a.svc.ByProductBucket, "err", err)
		return
	}
	a.job.Measured.Kept = true
}

// keep stores a by-product, in the place of an earlier attempt's. It asks for no
// lease: whoever is late overwrites the same with the same.
func (a *attempt) keep(ctx context.Context, file string, b ByProduct) error {
	ref, origin := a.svc.byProductRef(a.job.ID, b), string(a.job.ID)+"/etude"
	_, err := a.svc.Objects.Store(ctx, file, ref, b.ContentType(), origin)
	if errors.Is(err, ErrObjectExists) {
		if err := a.svc.Objects.Delete(ctx, ref); err != nil {
			return err
		}
		_, err = a.svc.Objects.Store(ctx, file, ref, b.ContentType(), origin)
	}
	return err
}
