package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"etude/internal/transcode"
)

// pipelineSpec is a pipeline's column spec. Its members, and those of the
// domain's types in it, are the names in the stored JSON: rows that were
// written before a name changes must still be read after.
type pipelineSpec struct {
	InputBucket   string
	OutputBucket  string
	Role          string
	KMSKeyARN     string
	Notifications transcode.Notifications
	Content       transcode.OutputConfig
	Thumbnails    transcode.OutputConfig
}

const selectPipeline = "SELECT id, name, status, create_ms, spec FROM pipelines"

func readPipeline(row scanner) (*transcode.Pipeline, error) {
	var (
		p       transcode.Pipeline
		created sql.NullInt64
		text    string
		spec    pipelineSpec
	)
	if err := row.Scan(&p.ID, &p.Name, &p.Status, &created, &text); err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return nil, fmt.Errorf("read spec of pipeline %s: %w", p.ID, err)
	}
	p.CreateTime = moment(created)
	p.InputBucket, p.OutputBucket, p.Role, p.KMSKeyARN = spec.InputBucket, spec.OutputBucket, spec.Role, spec.KMSKeyARN
	p.Notifications, p.Content, p.Thumbnails = spec.Notifications, spec.Content, spec.Thumbnails
	return &p, nil
}

func (c conn) pipeline(ctx context.Context, id transcode.PipelineID) (*transcode.Pipeline, error) {
	p, err := first(ctx, c, transcode.ErrNotFound, readPipeline, selectPipeline+" WHERE id = ?", id)
	if err != nil {
		return nil, fmt.Errorf("read pipeline %q: %w", id, err)
	}
	return p, nil
}

// Pipeline returns a pipeline; see transcode.Store.
func (s *Store) Pipeline(ctx context.Context, id transcode.PipelineID) (*transcode.Pipeline, error) {
	return s.read.pipeline(ctx, id)
}

// Pipelines returns a page of the pipelines; see transcode.Store.
func (s *Store) Pipelines(ctx context.Context, page transcode.Page) (pipelines []*transcode.Pipeline, more bool, err error) {
	pipelines, more, err = listPage(ctx, s.read, readPipeline, selectPipeline, nil, page)
	if err != nil {
		return nil, false, fmt.Errorf("list pipelines: %w", err)
	}
	return pipelines, more, nil
}

// Pipeline returns a pipeline; see transcode.Tx.
func (t *tx) Pipeline(ctx context.Context, id transcode.PipelineID) (*transcode.Pipeline, error) {
	return t.pipeline(ctx, id)
}

// PipelineByName returns the oldest pipeline of that name. On Postgres it keeps
// others who ask for the name waiting until the transaction ends, so that two
// nodes do not both find that there is none and make it.
func (t *tx) PipelineByName(ctx context.Context, name string) (*transcode.Pipeline, error) {
	if t.dialect == Postgres {
		if _, err := t.exec(ctx, "SELECT pg_advisory_xact_lock(1, hashtext(?))", name); err != nil {
			return nil, fmt.Errorf("lock pipeline name %q: %w", name, err)
		}
	}
	p, err := first(ctx, t.conn, transcode.ErrNotFound, readPipeline, selectPipeline+" WHERE name = ? ORDER BY id LIMIT 1", name)
	if err != nil {
		return nil, fmt.Errorf("read pipeline named %q: %w", name, err)
	}
	return p, nil
}

// InsertPipeline keeps a new pipeline.
func (t *tx) InsertPipeline(ctx context.Context, p *transcode.Pipeline) error {
	spec, err := json.Marshal(pipelineSpec{
		InputBucket: p.InputBucket, OutputBucket: p.OutputBucket, Role: p.Role, KMSKeyARN: p.KMSKeyARN,
		Notifications: p.Notifications, Content: p.Content, Thumbnails: p.Thumbnails,
	})
	if err != nil {
		return fmt.Errorf("write spec of pipeline %s: %w", p.ID, err)
	}
	_, err = t.exec(ctx, "INSERT INTO pipelines (id, name, status, create_ms, spec) VALUES (?, ?, ?, ?, ?)",
		p.ID, p.Name, p.Status, p.CreateTime.UnixMilli(), string(spec))
	if err != nil {
		return fmt.Errorf("insert pipeline %s: %w", p.ID, err)
	}
	return nil
}
