package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

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

// live chooses the pipelines that are not deleted.
const live = "delete_ms IS NULL"

func (c conn) pipeline(ctx context.Context, id transcode.PipelineID, lock string) (*transcode.Pipeline, error) {
	p, err := first(ctx, c, transcode.ErrNotFound, readPipeline, selectPipeline+" WHERE id = ? AND "+live+lock, id)
	if err != nil {
		return nil, fmt.Errorf("read pipeline %q: %w", id, err)
	}
	return p, nil
}

// Pipeline returns a pipeline; see transcode.Store.
func (s *Store) Pipeline(ctx context.Context, id transcode.PipelineID) (*transcode.Pipeline, error) {
	return s.read.pipeline(ctx, id, "")
}

// Pipelines returns a page of the pipelines; see transcode.Store.
func (s *Store) Pipelines(ctx context.Context, page transcode.Page) (pipelines []*transcode.Pipeline, more bool, err error) {
	pipelines, more, err = listPage(ctx, s.read, readPipeline, livePipelines, page)
	if err != nil {
		return nil, false, fmt.Errorf("list pipelines: %w", err)
	}
	return pipelines, more, nil
}

var livePipelines = listing{query: selectPipeline, also: []condition{{sql: live}}}

// Pipeline returns a pipeline; see transcode.Tx. It keeps others from changing
// it and from adding jobs, unless a job was read before: who starts or ends a
// job only wants to know where its files are, and many do so at once.
func (t *tx) Pipeline(ctx context.Context, id transcode.PipelineID) (*transcode.Pipeline, error) {
	lock := t.lock()
	if t.hasJob {
		lock = ""
	}
	return t.pipeline(ctx, id, lock)
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
	p, err := first(ctx, t.conn, transcode.ErrNotFound, readPipeline, selectPipeline+" WHERE name = ? AND "+live+" ORDER BY id LIMIT 1", name)
	if err != nil {
		return nil, fmt.Errorf("read pipeline named %q: %w", name, err)
	}
	return p, nil
}

// InsertPipeline keeps a new pipeline. One of its id that was deleted comes back
// as this.
func (t *tx) InsertPipeline(ctx context.Context, p *transcode.Pipeline) error {
	spec, err := writePipeline(p)
	if err != nil {
		return err
	}
	n, err := t.exec(ctx, `INSERT INTO pipelines (id, name, status, create_ms, spec) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, status = excluded.status, create_ms = excluded.create_ms,
			spec = excluded.spec, delete_ms = NULL WHERE pipelines.delete_ms IS NOT NULL`,
		p.ID, p.Name, p.Status, p.CreateTime.UnixMilli(), spec)
	if err == nil && n == 0 {
		err = errors.New("there is one of this id")
	}
	if err != nil {
		return fmt.Errorf("insert pipeline %s: %w", p.ID, err)
	}
	return nil
}

// writePipeline returns the column spec.
func writePipeline(p *transcode.Pipeline) (string, error) {
	spec, err := json.Marshal(pipelineSpec{
		InputBucket: p.InputBucket, OutputBucket: p.OutputBucket, Role: p.Role, KMSKeyARN: p.KMSKeyARN,
		Notifications: p.Notifications, Content: p.Content, Thumbnails: p.Thumbnails,
	})
	if err != nil {
		return "", fmt.Errorf("write spec of pipeline %s: %w", p.ID, err)
	}
	return string(spec), nil
}

// UpdatePipeline writes all of a pipeline but its CreateTime; see transcode.Tx.
// It returns ErrNotFound if there is no such pipeline.
func (t *tx) UpdatePipeline(ctx context.Context, p *transcode.Pipeline) error {
	spec, err := writePipeline(p)
	if err != nil {
		return err
	}
	return t.changePipeline(ctx, "update", p.ID, "name = ?, status = ?, spec = ?", p.Name, p.Status, spec)
}

// DeletePipeline hides a pipeline; see transcode.Tx. It returns ErrNotFound if
// there is no such pipeline.
func (t *tx) DeletePipeline(ctx context.Context, id transcode.PipelineID) error {
	return t.changePipeline(ctx, "delete", id, "delete_ms = ?", time.Now().UnixMilli())
}

func (t *tx) changePipeline(ctx context.Context, verb string, id transcode.PipelineID, set string, args ...any) error {
	n, err := t.exec(ctx, "UPDATE pipelines SET "+set+" WHERE id = ? AND "+live, append(args, id)...)
	if err == nil && n == 0 {
		err = transcode.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("%s pipeline %s: %w", verb, id, err)
	}
	return nil
}

// CountPipelines returns how many there are that are not deleted.
func (t *tx) CountPipelines(ctx context.Context) (int, error) {
	n, err := t.number(ctx, "SELECT count(*) FROM pipelines WHERE "+live)
	if err != nil {
		return 0, fmt.Errorf("count pipelines: %w", err)
	}
	return n, nil
}

// hasActiveJobs finds one of each status at most, however many there are.
var hasActiveJobs = "SELECT count(*) FROM (" + oldest("?", transcode.Submitted) + " UNION ALL " + oldest("?", transcode.Progressing) + ") AS active"

// HasActiveJobs reports whether a pipeline has jobs that have not ended; see
// transcode.Tx.
func (t *tx) HasActiveJobs(ctx context.Context, id transcode.PipelineID) (bool, error) {
	n, err := t.number(ctx, hasActiveJobs, id, id, id, id)
	if err != nil {
		return false, fmt.Errorf("look for active jobs of pipeline %q: %w", id, err)
	}
	return n > 0, nil
}
