package signkey_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"etude/internal/seal"
	"etude/internal/signkey"
	"etude/internal/snsmsg"
	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
)

func open(t *testing.T, store *sqlstore.Store, master seal.Key, now time.Time) *signkey.Keys {
	t.Helper()
	keys, err := signkey.Open(t.Context(), signkey.Config{
		Store: store, Master: master, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// sign returns the path of the certificate that a message is signed with, after
// it has verified the signature with what the others serve there.
func sign(t *testing.T, keys *signkey.Keys, others ...*signkey.Keys) string {
	t.Helper()
	m := &snsmsg.Message{Type: snsmsg.Notification, MessageID: "1", TopicARN: "t"}
	if err := keys.Sign(m, "2", "https://aws.example.org"); err != nil {
		t.Fatal(err)
	}
	path := m.SigningCertURL[len("https://aws.example.org"):]
	for _, k := range append(others, keys) {
		w := get(k, http.MethodGet, path)
		cert, err := snsmsg.ParseCertificate(w.Body.Bytes())
		if err != nil {
			t.Fatalf("GET %s: status %d, %v", path, w.Code, err)
		}
		if err := snsmsg.Verify(m, cert); err != nil {
			t.Error(err)
		}
	}
	return path
}

func get(keys *signkey.Keys, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	keys.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func TestNodesShareKeys(t *testing.T) {
	store, _ := sqlstoretest.Open(t)
	now := time.Now()
	nodes := make([]*signkey.Keys, 4)
	var wg sync.WaitGroup
	for i := range nodes {
		wg.Go(func() { nodes[i] = open(t, store, seal.Key{1}, now) })
	}
	wg.Wait()
	first := sign(t, nodes[0], nodes...)
	for _, n := range nodes[1:] {
		if got := sign(t, n); got != first {
			t.Errorf("one node signs with %s, another with %s", got, first)
		}
	}

	// A new key signs, and the old certificate stays.
	if _, err := nodes[0].Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := sign(t, nodes[0], nodes...)
	if second == first {
		t.Error("the key is the same after a rotation")
	}
	if err := nodes[1].Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := sign(t, nodes[1]); got != second {
		t.Errorf("the other node signs with %s, want %s", got, second)
	}
	if w := get(nodes[1], http.MethodGet, first); w.Code != http.StatusOK {
		t.Errorf("the old certificate: status %d", w.Code)
	}
	if err := nodes[2].Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all, err := store.SigningKeys(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("there are %d keys (error %v), want 2", len(all), err)
	}
}

func TestRenewsInTime(t *testing.T) {
	store, _ := sqlstoretest.Open(t)
	now := time.Now()
	first := sign(t, open(t, store, seal.Key{1}, now))
	if got := sign(t, open(t, store, seal.Key{1}, now.AddDate(1, 6, 0))); got != first {
		t.Error("the key was renewed after 18 months")
	}
	later := open(t, store, seal.Key{1}, now.AddDate(1, 10, 0))
	if got := sign(t, later); got == first {
		t.Error("the key was not renewed 2 months before its certificate's end")
	}
	if w := get(later, http.MethodGet, first); w.Code != http.StatusOK {
		t.Errorf("the old certificate: status %d", w.Code)
	}
}

// TestOtherMasterKey is what happens when master.key was lost.
func TestOtherMasterKey(t *testing.T) {
	store, _ := sqlstoretest.Open(t)
	before := open(t, store, seal.Key{1}, time.Now())
	first := sign(t, before)
	after := open(t, store, seal.Key{2}, time.Now())
	if second := sign(t, after, before); second == first {
		t.Error("the key was opened with another master key")
	}
	if err := before.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := sign(t, before); got != first {
		t.Errorf("the node with the first master key signs with %s, want %s", got, first)
	}
}

func TestServeHTTP(t *testing.T) {
	store, _ := sqlstoretest.Open(t)
	keys := open(t, store, seal.Key{1}, time.Now())
	path := sign(t, keys)
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{"GET", path, 200}, {"HEAD", path, 200}, {"POST", path, 405}, {"GET", "/", 404}, {"GET", path + "x", 404},
		{"GET", snsmsg.CertificatePath("0123456789abcdef0123456789abcdef"), 404},
	} {
		if w := get(keys, tt.method, tt.path); w.Code != tt.want {
			t.Errorf("%s %s: status %d, want %d", tt.method, tt.path, w.Code, tt.want)
		}
	}
}
