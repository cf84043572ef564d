package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestLimiterKeepsNoLongNames: a guesser could fill the memory with them.
func TestLimiterKeepsNoLongNames(t *testing.T) {
	s := New(nobody{}, MasterKey{})
	if _, err := s.SignIn(t.Context(), strings.Repeat("x", 64<<10), "a long password", "client"); !errors.Is(err, ErrNoMatch) {
		t.Errorf("sign in: %v, want ErrNoMatch", err)
	}
	for name := range s.limit.failures {
		if len(name) > 300 {
			t.Errorf("a name of %d bytes is kept", len(name))
		}
	}
}

// nobody is a store without users.
type nobody struct{ Store }

func (nobody) UserByEmail(context.Context, string) (*User, error) { return nil, ErrNotFound }

func TestLimiterForgetsAfterItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l limiter
		for range limitTries {
			if !l.allow("email a", "client 1") {
				t.Fatal("refused before the limit")
			}
			l.failed("email a", "client 1")
		}
		if l.allow("email a", "client 2") {
			t.Error("allowed for an address that used up its tries")
		}
		if l.allow("email b", "client 1") {
			t.Error("allowed for a client that used up its tries")
		}
		if !l.allow("email b", "client 2") {
			t.Error("refused for others")
		}
		time.Sleep(limitTime)
		if !l.allow("email a", "client 1") {
			t.Error("still refused after the time")
		}
	})
}

func TestLimiterDoesNotGrowWithoutEnd(t *testing.T) {
	var l limiter
	for i := range limitNames + 100 {
		l.failed(fmt.Sprint("email ", i))
	}
	if n := len(l.failures); n > limitNames {
		t.Errorf("%d names are remembered, want at most %d", n, limitNames)
	}
}
