package transcode

import (
	"context"
	"fmt"
	"slices"
)

// ReadPreset returns a system or custom preset, or an *Error of kind NotFound.
func (s *Service) ReadPreset(ctx context.Context, id PresetID) (*Preset, error) {
	if p, ok := systemPreset(id); ok {
		return p, nil
	}
	p, err := s.Store.Preset(ctx, id)
	return p, s.orNotFound(err, "preset", string(id))
}

// ListPresets returns a page of the presets, in the order of their ids unless
// the page asks otherwise, and the token of the next page or "". System presets
// have the lowest ids. Page.Limit may be 0.
func (s *Service) ListPresets(ctx context.Context, page Page) (presets []Preset, next string, err error) {
	page = withLimit(page)
	custom, more, err := s.Store.Presets(ctx, page)
	if err != nil {
		return nil, "", err
	}
	for _, p := range custom {
		presets = append(presets, *p)
	}
	system := slices.DeleteFunc(SystemPresets(), func(p Preset) bool {
		return page.Token != "" && !page.follows(string(p.ID))
	})
	if page.Descending {
		slices.Reverse(system)
		if !more {
			presets = append(presets, system...)
		}
	} else {
		presets = append(system, presets...)
	}
	if more = more || len(presets) > page.Limit; more {
		presets = presets[:min(page.Limit, len(presets))]
		next = string(presets[len(presets)-1].ID)
	}
	return presets, next, nil
}

// CreatePreset keeps a custom preset with the settings of p, whose ID and Type
// do not count. Settings that no output could have are an *Error of kind
// Invalid. Whether the engine can make it is only asked when a job uses it.
func (s *Service) CreatePreset(ctx context.Context, p Preset) (*Preset, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	p.ID, p.Type = PresetID(newID(s.Now())), CustomPreset
	err := s.Store.Update(ctx, func(tx Tx) error {
		n, err := tx.CountPresets(ctx)
		if err != nil {
			return err
		}
		if s.MaxPresets > 0 && n >= s.MaxPresets {
			return s.tooMany("presets", s.MaxPresets)
		}
		return tx.InsertPreset(ctx, &p)
	})
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// DeletePreset removes a custom preset. Jobs have copies of the settings, so one
// that is in use may go.
func (s *Service) DeletePreset(ctx context.Context, id PresetID) error {
	if _, ok := systemPreset(id); ok {
		return &Error{
			Kind:    Denied,
			Message: fmt.Sprintf("Deleting a system preset is not allowed: account=%s, presetId=%s", s.Account, id),
		}
	}
	err := s.Store.Update(ctx, func(tx Tx) error { return tx.DeletePreset(ctx, id) })
	return s.orNotFound(err, "preset", string(id))
}

// tooMany words it as AWS does.
func (s *Service) tooMany(what string, limit int) error {
	return &Error{
		Kind: LimitExceeded,
		Message: fmt.Sprintf("The account already has the maximum number of %s allowed: account=%s, maximum number of %s=%d",
			what, s.Account, what, limit),
	}
}
