package account_test

import (
	"errors"
	"strings"
	"testing"

	"etude/internal/account"
	"etude/internal/sqlstore/sqlstoretest"
)

const secret = "wJalrXUtnFEMI"

func open(t *testing.T) (*account.Service, account.Store) {
	store, _ := sqlstoretest.Open(t)
	return account.New(store, account.MasterKey{1}), store
}

func TestSignIn(t *testing.T) {
	s, _ := open(t)
	u, err := s.CreateUser(t.Context(), " Ann@Example.com ", "a long password", true)
	if err != nil {
		t.Fatal(err)
	}
	if u.Email != "ann@example.com" {
		t.Errorf("email = %q, want it trimmed and in lower case", u.Email)
	}
	got, err := s.SignIn(t.Context(), "ANN@example.com", "a long password", "127.0.0.1")
	if err != nil || got.ID != u.ID {
		t.Errorf("sign in = %v, %v", got, err)
	}
	for email, password := range map[string]string{"ann@example.com": "another password", "bob@example.com": "a long password", "": ""} {
		if _, err := s.SignIn(t.Context(), email, password, "127.0.0.1"); !errors.Is(err, account.ErrNoMatch) {
			t.Errorf("sign in as %q: %v, want ErrNoMatch", email, err)
		}
	}
}

func TestGuessingIsSlowedDown(t *testing.T) {
	s, _ := open(t)
	if _, err := s.CreateUser(t.Context(), "ann@example.com", "a long password", true); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 11 {
		_, err = s.SignIn(t.Context(), "ann@example.com", "a guess at it", "10.0.0.1")
	}
	if !errors.Is(err, account.ErrTooMany) {
		t.Errorf("the eleventh guess: %v, want ErrTooMany", err)
	}
	if _, err = s.SignIn(t.Context(), "ann@example.com", "a long password", "10.0.0.2"); !errors.Is(err, account.ErrTooMany) {
		t.Errorf("the right password after that: %v, want ErrTooMany", err)
	}
}

func TestBadAccounts(t *testing.T) {
	s, _ := open(t)
	if _, err := s.CreateUser(t.Context(), "ann@example.com", "a long password", false); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		email, password string
		want            error
	}{
		{"ANN@example.com", "a long password", account.ErrEmailTaken},
		{"", "a long password", account.ErrBadEmail},
		{"ann", "a long password", account.ErrBadEmail},
		{"Ann <ann@example.com>", "a long password", account.ErrBadEmail},
		{"a@b\nc", "a long password", account.ErrBadEmail},
		{strings.Repeat("a", 300) + "@b.c", "a long password", account.ErrBadEmail},
		{"bob@example.com", "short", account.ErrBadPassword},
		{"bob@example.com", strings.Repeat("x", 257), account.ErrBadPassword},
	} {
		if _, err := s.CreateUser(t.Context(), c.email, c.password, false); !errors.Is(err, c.want) {
			t.Errorf("create %.40q with %.20q: %v, want %v", c.email, c.password, err, c.want)
		}
	}
}

func TestFirstAdmin(t *testing.T) {
	s, _ := open(t)
	if _, err := s.FirstAdmin(t.Context()); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("first admin of nobody: %v, want ErrNotFound", err)
	}
	for _, u := range []struct {
		email string
		admin bool
	}{{"user@example.com", false}, {"first@example.com", true}, {"second@example.com", true}} {
		if _, err := s.CreateUser(t.Context(), u.email, "a long password", u.admin); err != nil {
			t.Fatal(err)
		}
	}
	if u, err := s.FirstAdmin(t.Context()); err != nil || u.Email != "first@example.com" {
		t.Errorf("first admin = %v, %v", u, err)
	}
}

func TestAccessKeySecretIsSealed(t *testing.T) {
	s, store := open(t)
	if err := s.PutAccessKey(t.Context(), "AKIDEXAMPLE", secret, "ann", account.Submitter); err != nil {
		t.Fatal(err)
	}
	who, got, err := s.AccessKey(t.Context(), "AKIDEXAMPLE")
	if err != nil || got != secret || who.User != "ann" || who.Role != account.Submitter || who.Root {
		t.Errorf("access key = %+v %q %v", who, got, err)
	}
	kept, err := store.AccessKey(t.Context(), "AKIDEXAMPLE")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(kept.Sealed), secret) {
		t.Error("the store has the secret in clear")
	}
	if _, _, err := account.New(store, account.MasterKey{2}).AccessKey(t.Context(), "AKIDEXAMPLE"); err == nil {
		t.Error("another master key opens the secret")
	}
	// A sealed secret that was moved to another key's row opens nothing.
	kept.ID = "AKIDOTHER"
	if err := store.PutAccessKey(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.AccessKey(t.Context(), "AKIDOTHER"); err == nil {
		t.Error("a secret opens under another access key id")
	}
	if _, _, err := s.AccessKey(t.Context(), "AKIDNONE"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("unknown access key: %v, want ErrNotFound", err)
	}
}

func TestRootKeyIsNotStored(t *testing.T) {
	s, store := open(t)
	if err := s.SetRootKey("ROOTKEY", secret, "ann"); err != nil {
		t.Fatal(err)
	}
	if who, got, err := s.AccessKey(t.Context(), "ROOTKEY"); err != nil || got != secret || who.User != "ann" || who.Role != account.Admin || !who.Root {
		t.Errorf("root key = %+v %q %v", who, got, err)
	}
	if _, err := store.AccessKey(t.Context(), "ROOTKEY"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("the store has the root key: %v", err)
	}
	for _, bad := range [][2]string{{"", secret}, {"AB", secret}, {"ROOTKEY", "short"}, {"ROOTKEY", ""}} {
		if err := s.SetRootKey(bad[0], bad[1], "ann"); err == nil {
			t.Errorf("root key %q with secret %q was accepted", bad[0], bad[1])
		}
	}
}

func TestAddAccessKey(t *testing.T) {
	s, _ := open(t)
	u, err := s.CreateUser(t.Context(), "ann@example.com", "a long password", false)
	if err != nil {
		t.Fatal(err)
	}
	k, secret, err := s.AddAccessKey(t.Context(), " ANN@example.com", account.Submitter, "the old uploader")
	if err != nil {
		t.Fatal(err)
	}
	who, got, err := s.AccessKey(t.Context(), k.ID)
	want := account.Identity{AccessKeyID: k.ID, User: u.ID, Email: u.Email, Role: account.Submitter}
	if err != nil || got != secret || who != want {
		t.Errorf("access key = %+v, %q and %v, want %+v, %q", who, got, err, want, secret)
	}
	all, err := s.AccessKeys(t.Context())
	if err != nil || len(all) != 1 || all[0].ID != k.ID || all[0].Name != "the old uploader" || all[0].Email != u.Email {
		t.Errorf("access keys = %+v and %v, want the one", all, err)
	}

	for range 2 {
		err = s.RemoveAccessKey(t.Context(), k.ID)
	}
	if !errors.Is(err, account.ErrNotFound) {
		t.Errorf("remove it a second time: %v, want ErrNotFound", err)
	}
	if _, _, err := s.AccessKey(t.Context(), k.ID); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("removed access key: %v, want ErrNotFound", err)
	}
}

func TestBadAccessKeys(t *testing.T) {
	s, store := open(t)
	if _, err := s.CreateUser(t.Context(), "ann@example.com", "a long password", false); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		email, role, name string
		want              error
	}{
		{"bob@example.com", "admin", "", account.ErrNotFound},
		{"", "admin", "", account.ErrNotFound},
		{"ann@example.com", "", "", account.ErrBadRole},
		{"ann@example.com", "Admin", "", account.ErrBadRole},
		{"ann@example.com", "root", "", account.ErrBadRole},
		{"ann@example.com", "admin", "two\nlines", account.ErrBadKeyName},
		{"ann@example.com", "admin", "\x1b[2J", account.ErrBadKeyName},
		{"ann@example.com", "admin", "\xff", account.ErrBadKeyName},
		{"ann@example.com", "admin", strings.Repeat("ä", account.MaxKeyName+1), account.ErrBadKeyName},
		{"ann@example.com", "admin", strings.Repeat("ä", account.MaxKeyName), nil},
	} {
		if _, _, err := s.AddAccessKey(t.Context(), c.email, account.Role(c.role), c.name); !errors.Is(err, c.want) {
			t.Errorf("add for %q as %q with %.20q: %v, want %v", c.email, c.role, c.name, err, c.want)
		}
	}
	if err := s.PutAccessKey(t.Context(), "AKIDEXAMPLE", secret, "ann", "root"); !errors.Is(err, account.ErrBadRole) {
		t.Errorf("put with a role that is none: %v, want ErrBadRole", err)
	}
	if err := s.SetRootKey("ROOTKEY", secret, "ann"); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveAccessKey(t.Context(), "ROOTKEY"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("remove the root key: %v, want ErrNotFound", err)
	}
	if all, err := store.AccessKeys(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("%d access keys and %v, want the one that is well made", len(all), err)
	}
}
