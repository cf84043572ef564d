package transcode

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Import keeps pipelines and custom presets as they were elsewhere, with their
// ids, all of them or none. Those whose id is taken, or comes twice, are left
// out, so that it may be repeated; those that were made are returned by their
// ids. What is wrong with one is an *Error.
func Import(ctx context.Context, store Store, pipelines []Pipeline, presets []Preset) (made []string, err error) {
	for _, p := range pipelines {
		if err := p.checkImport(); err != nil {
			return nil, err
		}
	}
	presets, err = newPresets(ctx, store, presets)
	if err != nil {
		return nil, err
	}
	err = store.Update(ctx, func(tx Tx) error {
		made, err = importPipelines(ctx, tx, pipelines)
		if err != nil {
			return err
		}
		for _, p := range presets {
			if err := tx.InsertPreset(ctx, &p); err != nil {
				return err
			}
			made = append(made, string(p.ID))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	return made, nil
}

func importPipelines(ctx context.Context, tx Tx, pipelines []Pipeline) (made []string, err error) {
	for _, p := range pipelines {
		if _, err := tx.Pipeline(ctx, p.ID); err == nil {
			continue
		} else if !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		p.CreateTime = time.Now()
		if err := tx.InsertPipeline(ctx, &p); err != nil {
			return nil, err
		}
		made = append(made, string(p.ID))
	}
	return made, nil
}

// newPresets checks all presets and returns those that are not here yet.
func newPresets(ctx context.Context, store Store, presets []Preset) (fresh []Preset, err error) {
	for _, p := range presets {
		if !ValidID(string(p.ID)) {
			return nil, invalid(badID, p.ID, "preset", p.Name)
		}
		if err := p.check(); err != nil {
			return nil, fmt.Errorf("preset %s: %w", p.ID, err)
		}
		_, system := systemPreset(p.ID)
		if system || slices.ContainsFunc(fresh, func(f Preset) bool { return f.ID == p.ID }) {
			continue
		}
		switch _, err := store.Preset(ctx, p.ID); {
		case errors.Is(err, ErrNotFound):
			p.Type = CustomPreset
			fresh = append(fresh, p)
		case err != nil:
			return nil, err
		}
	}
	return fresh, nil
}

const badID = "The id %q of the %s %q does not have the form of one, as 1533765810590-ab12cd has it."

func (p *Pipeline) checkImport() error {
	switch {
	case !ValidID(string(p.ID)):
		return invalid(badID, p.ID, "pipeline", p.Name)
	case p.Status != PipelineActive && p.Status != PipelinePaused:
		return invalid("The pipeline %s has the Status %q; it must be Active or Paused.", p.ID, p.Status)
	case p.InputBucket == "":
		return invalid("The pipeline %s has no InputBucket.", p.ID)
	case p.Content.Bucket == "":
		return invalid("The pipeline %s has neither an OutputBucket nor a ContentConfig.", p.ID)
	}
	return nil
}
