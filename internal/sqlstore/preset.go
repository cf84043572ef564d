package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"

	"etude/internal/transcode"
)

// A custom preset's column spec is the whole transcode.Preset, for which the
// same holds as for pipelineSpec.
const selectPreset = "SELECT id, spec FROM presets"

func readPreset(row scanner) (*transcode.Preset, error) {
	var p transcode.Preset
	var id, spec string
	if err := row.Scan(&id, &spec); err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(spec), &p); err != nil {
		return nil, fmt.Errorf("read spec of preset %s: %w", id, err)
	}
	return &p, nil
}

// Preset returns a custom preset; see transcode.Store.
func (s *Store) Preset(ctx context.Context, id transcode.PresetID) (*transcode.Preset, error) {
	p, err := first(ctx, s.read, transcode.ErrNotFound, readPreset, selectPreset+" WHERE id = ?", id)
	if err != nil {
		return nil, fmt.Errorf("read preset %q: %w", id, err)
	}
	return p, nil
}

// Presets returns a page of the custom presets; see transcode.Store.
func (s *Store) Presets(ctx context.Context, page transcode.Page) (presets []*transcode.Preset, more bool, err error) {
	presets, more, err = listPage(ctx, s.read, readPreset, listing{query: selectPreset}, page)
	if err != nil {
		return nil, false, fmt.Errorf("list presets: %w", err)
	}
	return presets, more, nil
}

// InsertPreset keeps a new custom preset.
func (t *tx) InsertPreset(ctx context.Context, p *transcode.Preset) error {
	spec, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("write spec of preset %s: %w", p.ID, err)
	}
	if _, err := t.exec(ctx, "INSERT INTO presets (id, spec) VALUES (?, ?)", p.ID, string(spec)); err != nil {
		return fmt.Errorf("insert preset %s: %w", p.ID, err)
	}
	return nil
}

// DeletePreset removes a custom preset; see transcode.Tx.
func (t *tx) DeletePreset(ctx context.Context, id transcode.PresetID) error {
	n, err := t.exec(ctx, "DELETE FROM presets WHERE id = ?", id)
	if err == nil && n == 0 {
		err = transcode.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("delete preset %q: %w", id, err)
	}
	return nil
}

// CountPresets returns how many custom presets there are.
func (t *tx) CountPresets(ctx context.Context) (int, error) {
	n, err := t.number(ctx, "SELECT count(*) FROM presets")
	if err != nil {
		return 0, fmt.Errorf("count presets: %w", err)
	}
	return n, nil
}
