package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"etude/internal/transcode"
)

// jobSpec is a job's column spec; its column outputs is a []transcode.Output.
// As with pipelineSpec, the members' names are what is stored. A job is always
// read whole and has one writer, the holder of its lease, so its parts need no
// rows of their own.
type jobSpec struct {
	Inputs          []transcode.Input
	OutputKeyPrefix string
	Playlists       []transcode.Playlist
	UserMetadata    map[string]string
	Trigger         *transcode.Trigger     `json:",omitempty"`
	Measured        *transcode.Measurement `json:",omitempty"`
}

const selectJob = "SELECT id, pipeline_id, owner, status, submit_ms, start_ms, finish_ms, dedupe_key, object, spec, outputs FROM jobs"

func readJob(row scanner) (*transcode.Job, error) {
	var (
		j                         transcode.Job
		submitted, started, ended sql.NullInt64
		dedupe                    sql.NullString
		specText, outputsText     string
		spec                      jobSpec
	)
	err := row.Scan(&j.ID, &j.Pipeline, &j.Owner, &j.Status, &submitted, &started, &ended, &dedupe, &j.Object, &specText, &outputsText)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(specText), &spec); err != nil {
		return nil, fmt.Errorf("read spec of job %s: %w", j.ID, err)
	}
	if err := json.Unmarshal([]byte(outputsText), &j.Outputs); err != nil {
		return nil, fmt.Errorf("read outputs of job %s: %w", j.ID, err)
	}
	j.SubmitTime, j.StartTime, j.FinishTime = moment(submitted), moment(started), moment(ended)
	j.DedupeKey = dedupe.String
	j.Inputs, j.OutputKeyPrefix, j.Playlists, j.UserMetadata = spec.Inputs, spec.OutputKeyPrefix, spec.Playlists, spec.UserMetadata
	j.Trigger, j.Measured = spec.Trigger, spec.Measured
	return &j, nil
}

// writeJob returns the columns spec and outputs.
func writeJob(j *transcode.Job) (spec, outputs string, err error) {
	s, err := json.Marshal(jobSpec{
		Inputs: j.Inputs, OutputKeyPrefix: j.OutputKeyPrefix, Playlists: j.Playlists, UserMetadata: j.UserMetadata,
		Trigger: j.Trigger, Measured: j.Measured,
	})
	if err != nil {
		return "", "", fmt.Errorf("write spec of job %s: %w", j.ID, err)
	}
	o, err := json.Marshal(j.Outputs)
	if err != nil {
		return "", "", fmt.Errorf("write outputs of job %s: %w", j.ID, err)
	}
	return string(s), string(o), nil
}

// Job returns a job; see transcode.Store.
func (s *Store) Job(ctx context.Context, id transcode.JobID) (*transcode.Job, error) {
	return s.read.job(ctx, id, "")
}

func (c conn) job(ctx context.Context, id transcode.JobID, lock string) (*transcode.Job, error) {
	j, err := first(ctx, c, transcode.ErrNotFound, readJob, selectJob+" WHERE id = ?"+lock, id)
	if err != nil {
		return nil, fmt.Errorf("read job %q: %w", id, err)
	}
	return j, nil
}

// Jobs returns a page of the jobs that fit the filter; see transcode.Store.
func (s *Store) Jobs(ctx context.Context, filter transcode.JobFilter, page transcode.Page) (jobs []*transcode.Job, more bool, err error) {
	jobs, more, err = listPage(ctx, s.read, readJob, jobsThatFit(filter), page)
	if err != nil {
		return nil, false, fmt.Errorf("list jobs: %w", err)
	}
	return jobs, more, nil
}

// CountJobs counts up to a limit; see transcode.Store.
func (s *Store) CountJobs(ctx context.Context, filter transcode.JobFilter, limit int) (int, error) {
	query, args := countJobs(filter, limit)
	n, err := s.read.number(ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("count jobs: %w", err)
	}
	return n, nil
}

// countJobs counts the rows of a page that is as long as the limit. It asks for
// what the index has, and nothing of the rows.
func countJobs(filter transcode.JobFilter, limit int) (string, []any) {
	l := jobsThatFit(filter)
	l.query = "SELECT owner, pipeline_id, status, id FROM jobs"
	query, args := l.page(transcode.Page{Limit: limit - 1})
	return "SELECT count(*) FROM (" + query + ") AS counted", args
}

// jobsThatFit chooses the index: an owner has fewer jobs than a pipeline.
func jobsThatFit(f transcode.JobFilter) listing {
	l := listing{query: selectJob}
	switch {
	case f.Owner != "":
		l.within = append(l.within, equal{"owner", f.Owner})
		if f.Pipeline != "" {
			l.also = append(l.also, condition{"pipeline_id || '' = ?", []any{f.Pipeline}}) // so that no index seems to help
		}
	case f.Pipeline != "":
		l.within = append(l.within, equal{"pipeline_id", f.Pipeline})
	}
	if f.Status != "" {
		l.within = append(l.within, equal{"status", f.Status})
	}
	return l
}

// InsertJob keeps a new job; see transcode.Tx. It returns ErrNotFound if there
// is no pipeline for it: one that is just being deleted is waited for.
func (t *tx) InsertJob(ctx context.Context, j *transcode.Job) error {
	spec, outputs, err := writeJob(j)
	if err != nil {
		return err
	}
	var dedupe any // NULL, of which there may be many
	if j.DedupeKey != "" {
		dedupe = j.DedupeKey
	}
	keep := ""
	if t.dialect == Postgres {
		keep = " FOR KEY SHARE"
	}
	n, err := t.exec(ctx, `INSERT INTO jobs (pipeline_id, id, owner, status, submit_ms, start_ms, finish_ms, dedupe_key, object, spec, outputs)
		SELECT id, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM pipelines WHERE id = ? AND delete_ms IS NULL`+keep+` ON CONFLICT (dedupe_key) DO NOTHING`,
		j.ID, j.Owner, j.Status, j.SubmitTime.UnixMilli(), millis(j.StartTime), millis(j.FinishTime), dedupe, j.Object, spec, outputs, j.Pipeline)
	if err == nil && n == 0 {
		if _, err = t.pipeline(ctx, j.Pipeline, ""); err == nil {
			err = transcode.ErrDuplicate
		}
	}
	if err != nil {
		return fmt.Errorf("insert job %s: %w", j.ID, err)
	}
	return nil
}

// JobByDedupeKey returns the job with that key; see transcode.Tx.
func (t *tx) JobByDedupeKey(ctx context.Context, key string) (*transcode.Job, error) {
	j, err := first(ctx, t.conn, transcode.ErrNotFound, readJob, selectJob+" WHERE dedupe_key = ?", key)
	if err != nil {
		return nil, fmt.Errorf("read job by dedupe key %q: %w", key, err)
	}
	return j, nil
}

// newestJob is written like nextJob, and for the same reason.
const newestJob = selectJob + ` WHERE object <> '' AND (object, id) > (?, '') AND (object, id) < (?, '~')
	ORDER BY object DESC, id DESC LIMIT 1`

// NewestJob returns the newest job of an object; see transcode.Tx. On SQLite
// the transaction excludes all other writers anyway.
func (t *tx) NewestJob(ctx context.Context, object string, alone bool) (*transcode.Job, error) {
	if t.dialect == Postgres {
		lock := "SELECT pg_advisory_xact_lock_shared(hashtextextended(?, 0))"
		if alone {
			lock = "SELECT pg_advisory_xact_lock(hashtextextended(?, 0))"
		}
		if _, err := t.exec(ctx, lock, object); err != nil {
			return nil, fmt.Errorf("lock the jobs of object %s: %w", object, err)
		}
	}
	j, err := first(ctx, t.conn, transcode.ErrNotFound, readJob, newestJob, object, object)
	if err != nil {
		return nil, fmt.Errorf("read the newest job of object %s: %w", object, err)
	}
	return j, nil
}

// ReplaceJob writes all of a job; see transcode.Tx. It returns ErrNotFound if
// there is no such job.
func (t *tx) ReplaceJob(ctx context.Context, j *transcode.Job) error {
	spec, outputs, err := writeJob(j)
	if err != nil {
		return err
	}
	n, err := t.exec(ctx, `UPDATE jobs SET pipeline_id = ?, owner = ?, status = ?, submit_ms = ?, start_ms = ?, finish_ms = ?,
		object = ?, spec = ?, outputs = ? WHERE id = ?`,
		j.Pipeline, j.Owner, j.Status, millis(j.SubmitTime), millis(j.StartTime), millis(j.FinishTime), j.Object, spec, outputs, j.ID)
	if err == nil && n == 0 {
		err = transcode.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("replace job %s: %w", j.ID, err)
	}
	return nil
}

// Job returns a job and keeps others from changing it; see transcode.Tx.
func (t *tx) Job(ctx context.Context, id transcode.JobID) (*transcode.Job, error) {
	t.hasJob = true
	return t.job(ctx, id, t.lock())
}

// UpdateJob writes what changes in a job's life; see transcode.Tx. It returns
// ErrNotFound if there is no such job.
func (t *tx) UpdateJob(ctx context.Context, j *transcode.Job) error {
	spec, outputs, err := writeJob(j)
	if err != nil {
		return err
	}
	n, err := t.exec(ctx, "UPDATE jobs SET status = ?, start_ms = ?, finish_ms = ?, spec = ?, outputs = ? WHERE id = ?",
		j.Status, millis(j.StartTime), millis(j.FinishTime), spec, outputs, j.ID)
	if err == nil && n == 0 {
		err = transcode.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("update job %s: %w", j.ID, err)
	}
	return nil
}

// Enqueue queues a task; see transcode.Tx.
func (t *tx) Enqueue(ctx context.Context, task transcode.RunJob) error { return t.put(ctx, task) }
