package rule

import (
	"context"
	"encoding/json"
	"regexp"
	"time"
	"unicode/utf8"
)

// Sample is an event that somebody has kept to try rules with.
type Sample struct {
	Name     string
	Body     string // JSON
	SaveTime time.Time
}

// Limits of samples.
const (
	MaxSamples = 100
	MaxSample  = 256 << 10 // bytes, as SNS and Lambda have it
)

var sampleName = regexp.MustCompile(`^[\pL\pN][\pL\pN ._-]{0,63}$`)

// Samples returns all of them in the order of their names.
func (s *Service) Samples(ctx context.Context) ([]Sample, error) { return s.Store.Samples(ctx) }

// SaveSample keeps a sample, in the place of an earlier one of that name. It is
// refused if it has no name fit to be shown in a list, if it is no JSON, or if
// there are too many.
func (s *Service) SaveSample(ctx context.Context, sample Sample) error {
	switch {
	case !sampleName.MatchString(sample.Name):
		return fault(Invalid, "the name %.80q of an event: it must have 1 to 64 letters, digits, spaces, dots, - and _, a letter or digit first", sample.Name)
	case len(sample.Body) > MaxSample:
		return fault(Invalid, "the event has %d bytes, at most %d can be kept", len(sample.Body), MaxSample)
	case !utf8.ValidString(sample.Body) || !json.Valid([]byte(sample.Body)):
		return fault(Invalid, "the event is no JSON: mend it, then save it")
	}
	sample.SaveTime = s.Now()
	kept, err := s.Store.PutSample(ctx, sample, MaxSamples)
	if err == nil && !kept {
		return fault(Invalid, "there are %d events already: delete one that nobody needs any more", MaxSamples)
	}
	return err
}

// DeleteSample forgets a sample; one that is not there is no error.
func (s *Service) DeleteSample(ctx context.Context, name string) error {
	return s.Store.DeleteSample(ctx, name)
}
