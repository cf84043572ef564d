package sqlstore

import "etude/internal/transcode"

// Query is a query as Postgres gets it, for those tests that cannot stand in this
// package: sqlstoretest knows it.
type Query struct {
	Name string
	SQL  string
	Args []any
}

// TurnQueries are those that look for what is next in a pipeline.
func TurnQueries(pipeline transcode.PipelineID) []Query {
	c, id := conn{dialect: Postgres}, string(pipeline)
	return []Query{
		{"pipelines in turn", c.rebind(nextPipelines), []any{0, 0}},
		{"next job", c.rebind(nextJob + " FOR UPDATE SKIP LOCKED"), []any{id, id}},
		{"active jobs", c.rebind(hasActiveJobs), []any{id, id, id, id}},
	}
}

// JobsQuery is that of Store.Jobs.
func JobsQuery(filter transcode.JobFilter, page transcode.Page) Query {
	c := conn{dialect: Postgres}
	query, args := jobsThatFit(filter).page(page)
	return Query{"jobs", c.rebind(query), texts(args)}
}
