package sqlstore_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/rule"
	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
)

func TestSamples(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		ctx := t.Context()
		put := func(name, body string, want bool) {
			t.Helper()
			kept, err := store.PutSample(ctx, rule.Sample{Name: name, Body: body, SaveTime: noon}, 2)
			if err != nil || kept != want {
				t.Errorf("save %s: kept %t and %v, want %t", name, kept, err, want)
			}
		}
		put("Zoë", "{}", true)
		put("a", "[]", true)
		put("third", "{}", false)
		put("a", `{"x":1}`, true)
		got, err := store.Samples(ctx)
		if err != nil {
			t.Fatal(err)
		}
		want := []rule.Sample{{Name: "Zoë", Body: "{}", SaveTime: noon}, {Name: "a", Body: `{"x":1}`, SaveTime: noon}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("samples (-want +got):\n%s", diff)
		}
		for range 2 {
			if err := store.DeleteSample(ctx, "a"); err != nil {
				t.Error(err)
			}
		}
		put("third", "{}", true)
	})
}
