package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"etude/internal/transcode"
)

// oldest is a query for the id of the oldest job that a pipeline has in a
// status, written like listing.page and for the same reason. It has two
// arguments where pipeline is one.
func oldest(pipeline string, status transcode.Status) string {
	return "SELECT id FROM (SELECT pipeline_id, status, id FROM jobs" +
		" WHERE (pipeline_id, status, id) > (" + pipeline + ", '" + string(status) + "', '')" +
		" ORDER BY pipeline_id, status, id LIMIT 1) AS following WHERE pipeline_id = " + pipeline + " AND status = '" + string(status) + "'"
}

// nextPipelines lists the active pipelines that have a job waiting, the one
// whose turn it is first: it has the fewest jobs running, and of those it is the
// one that has started none for longest. What waits is not counted but looked up
// at its beginning, so a million jobs cost no more than one.
var nextPipelines = `WITH running AS MATERIALIZED (
		SELECT pipeline_id, count(*) AS jobs FROM jobs WHERE status = 'Progressing' GROUP BY pipeline_id
	), candidates AS MATERIALIZED (
		SELECT p.id, p.turn, COALESCE(r.jobs, 0) AS running, (` + oldest("p.id", transcode.Submitted) + `) AS waits
		FROM pipelines p LEFT JOIN running r ON r.pipeline_id = p.id
		WHERE p.status = 'Active' AND p.delete_ms IS NULL
	)
	SELECT id FROM candidates WHERE waits IS NOT NULL AND (running < ? OR ? = 0) ORDER BY running, turn, waits`

// nextJob is to be followed by a lock, which only a row that fits may get.
// Postgres does not see where in the index such a range ends, save by its first
// column; but no status follows this one.
const nextJob = selectJob + ` WHERE (pipeline_id, status, id) > (?, 'Submitted', '') AND (pipeline_id, status, id) < (?, 'Submitted', '~')
	ORDER BY pipeline_id, status, id LIMIT 1`

// NextJob returns the job whose turn it is; see transcode.Tx. On Postgres, nodes
// that ask at once get different jobs. If there is a limit they ask one after
// the other, since none sees what the others are about to start.
func (t *tx) NextJob(ctx context.Context, perPipeline int) (*transcode.Job, error) {
	t.hasJob = true
	j, err := t.nextJob(ctx, perPipeline)
	if err != nil {
		return nil, fmt.Errorf("find the next job: %w", err)
	}
	return j, nil
}

func (t *tx) nextJob(ctx context.Context, perPipeline int) (*transcode.Job, error) {
	if t.dialect == Postgres && perPipeline > 0 {
		if _, err := t.exec(ctx, "SELECT pg_advisory_xact_lock(2, 0)"); err != nil {
			return nil, err
		}
	}
	pipelines, err := list(ctx, t.conn, func(row scanner) (id transcode.PipelineID, err error) {
		return id, row.Scan(&id)
	}, nextPipelines, perPipeline, perPipeline)
	if err != nil {
		return nil, err
	}
	for _, lock := range t.jobLocks() {
		for _, id := range pipelines {
			j, err := first(ctx, t.conn, transcode.ErrNotFound, readJob, nextJob+lock, id, id)
			if errors.Is(err, transcode.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			return j, t.takeTurn(ctx, id)
		}
	}
	return nil, transcode.ErrNotFound
}

// jobLocks are ways to look for a job. On Postgres those that others have in
// hand are passed over first. But only when these others have ended is it sure
// that they leave none behind, and a task that says there is none is gone for
// good: so the second look waits for them.
func (t *tx) jobLocks() []string {
	if t.dialect == Postgres {
		return []string{" FOR UPDATE SKIP LOCKED", " FOR UPDATE"}
	}
	return []string{""}
}

// takeTurn puts a pipeline behind the others. On Postgres it leaves that to
// another one who is just doing it.
func (t *tx) takeTurn(ctx context.Context, id transcode.PipelineID) error {
	which := "?"
	if t.dialect == Postgres {
		which = "(SELECT id FROM pipelines WHERE id = ? FOR NO KEY UPDATE SKIP LOCKED)"
	}
	_, err := t.exec(ctx, "UPDATE pipelines SET turn = 1 + (SELECT max(turn) FROM pipelines) WHERE id = "+which, id)
	return err
}
