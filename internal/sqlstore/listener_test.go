package sqlstore_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/notify"
	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
)

func TestListeners(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		ctx := t.Context()
		touch := func(sub notify.SubscriptionARN, at time.Time) {
			t.Helper()
			if err := store.TouchListener(ctx, sub, at); err != nil {
				t.Fatal(err)
			}
		}
		touch("a", noon)
		touch("b", noon)
		touch("a", noon.Add(time.Minute))
		for _, tt := range []struct {
			before time.Time
			want   []notify.SubscriptionARN
		}{
			{noon, nil}, {noon.Add(time.Millisecond), []notify.SubscriptionARN{"b"}}, {noon.Add(time.Hour), []notify.SubscriptionARN{"a", "b"}},
		} {
			got, err := store.StaleListeners(ctx, tt.before)
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("before %s, %v (-want +got):\n%s", tt.before, err, diff)
			}
		}
		for range 2 {
			if err := store.DeleteListener(ctx, "b"); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := store.StaleListeners(ctx, noon.Add(time.Hour)); err != nil || len(got) != 1 {
			t.Errorf("left are %v, %v", got, err)
		}
	})
}
