package sqlstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/google/go-cmp/cmp"

	"etude/internal/account"
	"etude/internal/inbox"
	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
)

var _ scs.CtxStore = (*sqlstore.Sessions)(nil)

func TestUsers(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		if _, err := store.FirstAdmin(t.Context()); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("no admin: got the error %v, want %v", err, account.ErrNotFound)
		}
		ann := &account.User{ID: "1", Email: "ann@example.com", PasswordHash: "h", CreateTime: noon}
		bob := &account.User{ID: "2", Email: "bob@example.com", Admin: true, CreateTime: noon.Add(time.Hour)}
		eve := &account.User{ID: "3", Email: "eve@example.com", Admin: true, CreateTime: noon.Add(2 * time.Hour)}
		for _, u := range []*account.User{ann, eve, bob} {
			if err := store.InsertUser(t.Context(), u); err != nil {
				t.Fatal(err)
			}
		}
		err := store.InsertUser(t.Context(), &account.User{ID: "4", Email: ann.Email, CreateTime: noon})
		if !errors.Is(err, account.ErrEmailTaken) {
			t.Errorf("got the error %v, want %v", err, account.ErrEmailTaken)
		}
		for name, tt := range map[string]struct {
			read func() (*account.User, error)
			want *account.User
		}{
			"id":    {func() (*account.User, error) { return store.User(t.Context(), "1") }, ann},
			"email": {func() (*account.User, error) { return store.UserByEmail(t.Context(), bob.Email) }, bob},
			"admin": {func() (*account.User, error) { return store.FirstAdmin(t.Context()) }, bob},
		} {
			got, err := tt.read()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s: want (-), got (+):\n%s", name, diff)
			}
		}
		for _, email := range []string{"", "nobody@example.com", "\x00", "\xc3\x28", "' OR ''='"} {
			if _, err := store.UserByEmail(t.Context(), email); !errors.Is(err, account.ErrNotFound) {
				t.Errorf("user %q: got the error %v, want %v", email, err, account.ErrNotFound)
			}
		}
	})
}

func TestAccessKey(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		if err := store.InsertUser(t.Context(), &account.User{ID: "2", Email: "bob@example.com", CreateTime: noon}); err != nil {
			t.Fatal(err)
		}
		k := account.AccessKey{ID: "ETUD1", Sealed: []byte{0, 255, 1}, CreateTime: noon}
		for _, as := range []account.AccessKey{
			{User: "1", Role: account.Admin}, // there is no such user
			{User: "2", Email: "bob@example.com", Role: account.ReadOnly, Name: "söng'--"},
		} {
			k.User, k.Email, k.Role, k.Name = as.User, as.Email, as.Role, as.Name
			if err := store.PutAccessKey(t.Context(), k); err != nil {
				t.Fatal(err)
			}
			got, err := store.AccessKey(t.Context(), k.ID)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(k, got); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		}
		if _, err := store.AccessKey(t.Context(), "none"); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("got the error %v, want %v", err, account.ErrNotFound)
		}
	})
}

func TestAccessKeys(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		check := func(want ...string) {
			t.Helper()
			all, err := store.AccessKeys(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, k := range all {
				got = append(got, k.ID)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		}
		check()
		for i, id := range []string{"C", "A", "B"} {
			k := account.AccessKey{ID: id, Sealed: []byte{1}, User: "1", Role: account.Submitter, CreateTime: noon.Add(time.Duration(i) * time.Second)}
			if err := store.PutAccessKey(t.Context(), k); err != nil {
				t.Fatal(err)
			}
		}
		check("C", "A", "B")
		if err := store.DeleteAccessKey(t.Context(), "A"); err != nil {
			t.Error(err)
		}
		check("C", "B")
		if _, err := store.AccessKey(t.Context(), "A"); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("a deleted key: got the error %v, want %v", err, account.ErrNotFound)
		}
		for _, id := range []string{"A", "", "\x00", "' OR ''='"} {
			if err := store.DeleteAccessKey(t.Context(), id); !errors.Is(err, account.ErrNotFound) {
				t.Errorf("delete %q: got the error %v, want %v", id, err, account.ErrNotFound)
			}
		}
		check("C", "B")
	})
}

func TestSessions(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		sessions := store.Sessions()
		commit := func(token, data string, expiry time.Time) {
			t.Helper()
			if err := sessions.CommitCtx(t.Context(), token, []byte(data), expiry); err != nil {
				t.Fatal(err)
			}
		}
		check := func(token, want string, found bool) {
			t.Helper()
			got, ok, err := sessions.FindCtx(t.Context(), token)
			if err != nil || ok != found || string(got) != want {
				t.Errorf("session %q: got %q, %t and the error %v, want %q, %t", token, got, ok, err, want, found)
			}
		}
		commit("a", "first", time.Now().Add(time.Hour))
		commit("a", "second", time.Now().Add(time.Hour))
		commit("b", "over", time.Now().Add(-time.Second))
		check("a", "second", true)
		check("b", "", false)
		check("\x00", "", false)
		if err := sessions.DeleteExpired(t.Context()); err != nil {
			t.Error(err)
		}
		check("a", "second", true)
		for range 2 {
			if err := sessions.Delete("a"); err != nil {
				t.Error(err)
			}
		}
		check("a", "", false)
	})
}

func TestInbox(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		tell := func(user, source string, want bool) {
			t.Helper()
			m := inbox.Message{User: user, Source: source, Kind: inbox.Good, Text: "Your file is ready.", Job: "j", CreateTime: noon}
			fresh, err := store.InsertInboxMessage(t.Context(), m)
			if err != nil || fresh != want {
				t.Errorf("insert %s for %s: got %t and the error %v, want %t", source, user, fresh, err, want)
			}
		}
		pending := func(user string, limit int, want ...string) []inbox.Message {
			t.Helper()
			all, err := store.PendingInboxMessages(t.Context(), user, limit)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range all {
				got = append(got, m.Source)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("pending of %s: want (-), got (+):\n%s", user, diff)
			}
			return all
		}
		for _, source := range []string{"1", "2", "3", "4"} {
			tell("ann", source, true)
		}
		tell("ann", "2", false)
		tell("bob", "2", true)
		all := pending("ann", 10, "4", "3", "2", "1")
		want := inbox.Message{ID: all[0].ID, User: "ann", Source: "4", Kind: inbox.Good, Text: "Your file is ready.", Job: "j", CreateTime: noon}
		if diff := cmp.Diff(want, all[0]); diff != "" {
			t.Errorf("message: want (-), got (+):\n%s", diff)
		}
		pending("ann", 1, "4")

		dismiss := func(user string, id int64, want bool) {
			t.Helper()
			found, err := store.DismissInboxMessage(t.Context(), user, id, noon)
			if err != nil || found != want {
				t.Errorf("dismiss %d of %s: got %t and the error %v, want %t", id, user, found, err, want)
			}
		}
		dismiss("bob", all[2].ID, false) // it is ann's
		dismiss("ann", all[2].ID, true)
		dismiss("ann", all[2].ID, true)
		dismiss("ann", 1<<40, false)
		pending("ann", 10, "4", "3", "1")
		tell("ann", "2", false) // dismissed for good

		if err := store.DismissInboxMessages(t.Context(), "ann", all[1].ID, noon); err != nil {
			t.Fatal(err)
		}
		pending("ann", 10, "4")
		pending("bob", 10, "2")
	})
}
