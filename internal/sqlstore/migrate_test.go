package sqlstore

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/account"
	"etude/internal/notify"
)

func TestDialectsHaveTheSameMigrations(t *testing.T) {
	type step struct {
		Number int
		Name   string
	}
	steps := map[Dialect][]step{}
	for _, d := range []Dialect{SQLite, Postgres} {
		for _, m := range migrationsOf(d) {
			steps[d] = append(steps[d], step{m.number, m.name})
		}
	}
	if len(steps[SQLite]) == 0 {
		t.Fatal("there are no migrations")
	}
	if diff := cmp.Diff(steps[SQLite], steps[Postgres]); diff != "" {
		t.Errorf("migrations of SQLite (-) and Postgres (+) differ:\n%s", diff)
	}
}

// TestAccessKeysKeepWhatTheyMay has a key from before there were roles: it
// could do everything, and goes on so.
func TestAccessKeysKeepWhatTheyMay(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	db, _, err := open(Config{Path: filepath.Join(t.TempDir(), "etude.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.migrateOnce(t.Context(), migrationsOf(SQLite)[:1], log); err != nil {
		t.Fatal(err)
	}
	if _, err := db.write.ExecContext(t.Context(), "INSERT INTO access_keys (id, sealed, user_id, create_ms) VALUES ('OLD', x'00', 'ann', 1)"); err != nil {
		t.Fatal(err)
	}
	if err := db.migrate(t.Context(), log); err != nil {
		t.Fatal(err)
	}
	k, err := New(db, nil).AccessKey(t.Context(), "OLD")
	if err != nil || k.Role != account.Admin {
		t.Errorf("access key = %+v and %v, want the role %s", k, err, account.Admin)
	}
}

// TestSubscriptionsOutliveTheirTable has a subscription and its delivery from
// before there was anything to confirm: both are there after the tables were
// made anew.
func TestSubscriptionsOutliveTheirTable(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	db, _, err := open(Config{Path: filepath.Join(t.TempDir(), "etude.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for range 3 {
		if _, err := db.migrateOnce(t.Context(), migrationsOf(SQLite), log); err != nil {
			t.Fatal(err)
		}
	}
	for _, statement := range []string{
		"INSERT INTO topics (arn, create_ms) VALUES ('t', 1)",
		"INSERT INTO subscriptions (arn, topic, protocol, endpoint, create_ms) VALUES ('t:1', 't', 'site', '', 2)",
		"INSERT INTO messages (id, topic, subject, body, publish_ms) VALUES ('m', 't', '', 'b', 3)",
		"INSERT INTO deliveries (message_id, subscription_arn, tries, last_error, deliver_ms) VALUES ('m', 't:1', 1, '', 4)",
	} {
		if _, err := db.write.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.migrate(t.Context(), log); err != nil {
		t.Fatal(err)
	}
	store := New(db, nil)
	want := notify.Subscription{
		ARN: "t:1", Topic: "t", Protocol: notify.Site, Confirmed: true, Authenticated: true, CreateTime: time.UnixMilli(2).UTC(),
	}
	if got, err := store.Subscription(t.Context(), "t:1"); err != nil || !cmp.Equal(got, want) {
		t.Errorf("subscription = %+v, %v, want %+v", got, err, want)
	}
	if all, err := store.Deliveries(t.Context(), "m"); err != nil || len(all) != 1 || all[0].Subscription != "t:1" {
		t.Errorf("deliveries = %+v, %v, want the one", all, err)
	}
}

func TestRebind(t *testing.T) {
	const query = "SELECT a FROM t WHERE b = ? AND c > ? LIMIT ?"
	for _, tt := range []struct {
		dialect Dialect
		want    string
	}{
		{SQLite, query},
		{Postgres, "SELECT a FROM t WHERE b = $1 AND c > $2 LIMIT $3"},
	} {
		if got := (conn{dialect: tt.dialect}).rebind(query); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.dialect, got, tt.want)
		}
	}
}
