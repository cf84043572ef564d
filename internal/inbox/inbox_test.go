package inbox_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/inbox"
	"etude/internal/sqlstore/sqlstoretest"
)

func open(t *testing.T) *inbox.Service {
	store, _ := sqlstoretest.Open(t)
	return inbox.New(store)
}

func tell(t *testing.T, s *inbox.Service, user, source, text string) {
	t.Helper()
	err := s.Tell(t.Context(), inbox.Message{User: user, Source: source, Kind: inbox.Good, Text: text})
	if err != nil {
		t.Fatal(err)
	}
}

func pending(t *testing.T, s *inbox.Service, user string) (texts []string, ids []int64) {
	t.Helper()
	messages, err := s.Pending(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		texts, ids = append(texts, m.Text), append(ids, m.ID)
	}
	return texts, ids
}

func TestMessageIsShownToItsUserUntilDismissed(t *testing.T) {
	s := open(t)
	tell(t, s, "ann", "1", "first")
	tell(t, s, "ann", "2", "second")
	tell(t, s, "bob", "1", "his")
	texts, ids := pending(t, s, "ann")
	if diff := cmp.Diff([]string{"second", "first"}, texts); diff != "" {
		t.Fatalf("pending (-want +got):\n%s", diff)
	}
	if err := s.Dismiss(t.Context(), "bob", ids[0]); !errors.Is(err, inbox.ErrNotFound) {
		t.Errorf("bob dismisses ann's message: %v, want ErrNotFound", err)
	}
	for range 2 { // a second click is harmless
		if err := s.Dismiss(t.Context(), "ann", ids[0]); err != nil {
			t.Errorf("dismiss: %v", err)
		}
	}
	if texts, _ = pending(t, s, "ann"); !cmp.Equal(texts, []string{"first"}) {
		t.Errorf("pending = %q, want the first only", texts)
	}
}

func TestRepeatedMessageIsOne(t *testing.T) {
	s := open(t)
	w, end := s.Watch("ann")
	defer end()
	tell(t, s, "ann", "1", "first")
	if got := w.Changed(); !cmp.Equal(got, []string{"ann"}) {
		t.Errorf("watcher was told of %q, want ann", got)
	}
	_, ids := pending(t, s, "ann")
	if err := s.Dismiss(t.Context(), "ann", ids[0]); err != nil {
		t.Fatal(err)
	}
	w.Changed()
	tell(t, s, "ann", "1", "first, again")
	if texts, _ := pending(t, s, "ann"); len(texts) != 0 {
		t.Errorf("pending = %q, want nothing: a repeat does not undo the dismissal", texts)
	}
	if got := w.Changed(); got != nil {
		t.Errorf("watcher was told of %q, want nothing of a repeat", got)
	}
}

func TestDismissAllSparesWhatCameAfter(t *testing.T) {
	s := open(t)
	tell(t, s, "ann", "1", "seen")
	_, ids := pending(t, s, "ann")
	tell(t, s, "ann", "2", "unseen")
	if err := s.DismissAll(t.Context(), "ann", ids[0]); err != nil {
		t.Fatal(err)
	}
	if texts, _ := pending(t, s, "ann"); !cmp.Equal(texts, []string{"unseen"}) {
		t.Errorf("pending = %q, want the one that came after", texts)
	}
}
