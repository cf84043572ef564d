package sqlstore

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"etude/internal/notify"
	"etude/internal/transcode"
)

// TestQueryPlans asks SQLite how it would find each list: with an index that
// has the rows in their order, never by looking at all rows or by sorting.
func TestQueryPlans(t *testing.T) {
	db, err := Open(context.Background(), Config{Path: filepath.Join(t.TempDir(), "etude.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	up := transcode.Page{Token: "1", Limit: 10}
	down := transcode.Page{Token: "1", Limit: 10, Descending: true}

	type plan struct{ name, query, index string }
	plans := []plan{
		{"pending inbox messages", pendingInboxMessages, "inbox_messages_pending"},
		{"attempts", selectAttempt + " WHERE job_id = ? ORDER BY number", "sqlite_autoindex_attempts_1"},
		{"next job", nextJob, "jobs_pipeline_status"},
		{"oldest job", oldest("?", transcode.Submitted), "jobs_pipeline_status"},
		{"topics", topicsAfter, "sqlite_autoindex_topics_1"},
		{"all subscriptions", subscriptionsAfter, "subscriptions_live"},
		{"subscriptions of a topic", subscriptionsOfAfter, "subscriptions_topic"},
		{"due deliveries", (conn{dialect: SQLite}).claimDeliveries(), "deliveries_due"},
		{"next due delivery", nextDue, "deliveries_due"},
		{"all due deliveries", allDue, "deliveries_due"},
		{"a node's deliveries", "UPDATE deliveries SET node = '' WHERE node = ? AND node <> ''", "deliveries_node"},
		{"old messages", oldMessages, "messages_publish"},
		{"expired sessions", "DELETE FROM sessions WHERE expiry_ms <= ?", "sessions_expiry"},
	}
	lost, _ := openAttemptsQuery(time.Now(), "", 10)
	mine, _ := openAttemptsQuery(time.Now(), "node", 10)
	plans = append(plans, plan{"lost attempts", lost, "attempts_open"}, plan{"a node's attempts", mine, "attempts_open"})
	for name, page := range map[string]transcode.Page{"upwards": up, "downwards": down} {
		for _, f := range []struct {
			filter transcode.JobFilter
			index  string
		}{
			{transcode.JobFilter{}, "sqlite_autoindex_jobs_1"},
			{transcode.JobFilter{Pipeline: "p"}, "jobs_pipeline"},
			{transcode.JobFilter{Status: transcode.Failed}, "jobs_status"},
			{transcode.JobFilter{Owner: "o"}, "jobs_owner"},
			{transcode.JobFilter{Pipeline: "p", Status: transcode.Failed}, "jobs_pipeline_status"},
			{transcode.JobFilter{Owner: "o", Status: transcode.Failed}, "jobs_owner_status"},
			{transcode.JobFilter{Owner: "o", Pipeline: "p"}, "jobs_owner"},
			{transcode.JobFilter{Owner: "o", Pipeline: "p", Status: transcode.Failed}, "jobs_owner_status"},
		} {
			query, _ := jobsThatFit(f.filter).page(page)
			plans = append(plans, plan{"jobs " + name, query, f.index})
		}
		query, _ := livePipelines.page(page)
		plans = append(plans, plan{"pipelines " + name, query, "sqlite_autoindex_pipelines_1"})
	}

	for _, f := range []struct {
		filter notify.DeliveryFilter
		index  string
	}{
		{notify.DeliveryFilter{}, "sqlite_autoindex_deliveries_1"},
		{notify.DeliveryFilter{State: notify.Pending}, "deliveries_state"},
		{notify.DeliveryFilter{State: notify.Dead}, "deliveries_state"},
		{notify.DeliveryFilter{Topic: "t"}, "deliveries_topic"},
		{notify.DeliveryFilter{Subscription: "s"}, "deliveries_subscription"},
	} {
		query, _ := deliveryListing(f.filter).page(down)
		plans = append(plans, plan{"deliveries", query, f.index})
	}

	for _, p := range plans {
		got, _, _ := strings.Cut(explainPlan(t, db, p.query), "SCAN page") // which may be sorted once more
		if !strings.Contains(got, "INDEX "+p.index+" ") || strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("%s: got the plan %q, want the index %s and no sorting\n%s", p.name, got, p.index, p.query)
		}
	}
}

func explainPlan(t *testing.T, db *DB, query string) string {
	t.Helper()
	args := make([]any, strings.Count(query, "?"))
	for i := range args {
		args[i] = "1"
	}
	details, err := list(context.Background(), conn{SQLite, db.write}, func(row scanner) (detail string, err error) {
		var id, parent, unused int
		return detail, row.Scan(&id, &parent, &unused, &detail)
	}, "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(details, "; ") + " "
}
