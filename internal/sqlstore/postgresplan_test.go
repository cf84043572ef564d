package sqlstore_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
	"etude/internal/transcode"
)

// TestPostgresPlans asks of Postgres what TestQueryPlans asks of SQLite. Postgres
// chooses by what it believes of the rows: here that any which fits comes soon
// along the primary key, whereas thousands lie before it. How many it looks at
// is only known once it has done so.
func TestPostgresPlans(t *testing.T) {
	db := sqlstoretest.New(t, sqlstore.Postgres)
	for _, statement := range []string{
		"INSERT INTO pipelines (id, name, status, create_ms, spec) SELECT 'p' || n, '', 'Active', 0, '{}' FROM generate_series(1, 100) n",
		insertJobs("a", "Complete", 5000), insertJobs("b", "Submitted", 10_000), insertJobs("c", "Error", 5000),
		"ANALYZE jobs", "ANALYZE pipelines",
	} {
		if _, err := db.Write().ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	queries := sqlstore.TurnQueries("p50")
	for _, status := range []transcode.Status{"", transcode.Complete, transcode.Progressing, transcode.Submitted, transcode.Failed} {
		for _, filter := range []transcode.JobFilter{{Status: status}, {Status: status, Pipeline: "p50"}, {Status: status, Pipeline: "p51"}, {Status: status, Owner: "o"}} {
			for _, page := range []transcode.Page{{}, {Descending: true}, {Token: "a14999"}, {Token: "c10001", Descending: true}} {
				page.Limit = 100
				queries = append(queries, sqlstore.JobsQuery(filter, page))
			}
		}
	}
	for _, q := range queries {
		// A prepared statement may have another plan from its sixth time on.
		for range 7 {
			plan := carryOut(t, db, q)
			if got := mostRows(plan); got > 200 {
				t.Errorf("%s %v: got %d rows looked at, want no more than a page has:\n%s\n%s", q.Name, q.Args, got, q.SQL, strings.Join(plan, "\n"))
				break
			}
		}
	}
}

func insertJobs(letter, status string, n int) string {
	return fmt.Sprintf(`INSERT INTO jobs (id, pipeline_id, owner, status, submit_ms, spec, outputs)
		SELECT '%s' || (10000 + n), 'p50', 'o', '%s', 0, '{}', '[]' FROM generate_series(1, %d) n`, letter, status, n)
}

// carryOut returns the lines of a query's plan, with what it cost.
func carryOut(t *testing.T, db *sqlstore.DB, q sqlstore.Query) (plan []string) {
	t.Helper()
	rows, err := db.Write().QueryContext(t.Context(), "EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) "+q.SQL, q.Args...)
	if err != nil {
		t.Fatalf("%s: %v", q.Name, err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan
}

var planRows = regexp.MustCompile(`(?:actual rows=|Rows Removed by .*: )(\d+)`)

// mostRows returns the largest count of rows in a plan that was carried out.
func mostRows(plan []string) (most int) {
	for _, line := range plan {
		for _, m := range planRows.FindAllStringSubmatch(line, -1) {
			n, _ := strconv.Atoi(m[1])
			most = max(most, n)
		}
	}
	return most
}
