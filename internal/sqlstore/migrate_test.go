package sqlstore

import (
	"testing"

	"github.com/google/go-cmp/cmp"
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
