package web

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"etude/internal/hook"
	"etude/internal/snsmsg/verify"
	"etude/internal/snsmsg/verify/verifytest"
	"etude/internal/sqlstore/sqlstoretest"
)

const hookTopic = "arn:aws:sns:eu-west-1:123456789012:jobs"

// listen has the stage's site listen to a publisher. What it hears, it sends.
func (s *stage) listen(fault error) (*verifytest.Publisher, <-chan string) {
	s.t.Helper()
	p := verifytest.New(s.t, "eu-west-1", "sns.amazonaws.com")
	topic, err := verify.ParseTopic(hookTopic)
	if err != nil {
		s.t.Fatal(err)
	}
	v, err := verify.New(verify.Config{Topics: []verify.Topic{topic}, Dial: p.Dial, Roots: p.Roots()})
	if err != nil {
		s.t.Fatal(err)
	}
	heard := make(chan string, 10)
	store, _ := sqlstoretest.Open(s.t)
	s.site.cfg.Hooks, err = hook.New(hook.Config{
		Store: store, Verifier: v, Logger: slog.New(slog.DiscardHandler),
		Handle:  func(_ context.Context, m hook.Message) error { heard <- m.Body; return nil },
		Confirm: func(_ context.Context, _ verify.Topic, token string) error { heard <- token; return fault },
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.site.mux = s.site.routes()
	return p, heard
}

// send posts a message as SNS does: from elsewhere, without a session.
func (v *visitor) send(m verifytest.Message, body []byte) *answer {
	v.t.Helper()
	req := v.request(http.MethodPost, "/hooks/sns", bytes.NewReader(body))
	req.Header = m.Header()
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	return v.do(req)
}

func TestHook(t *testing.T) {
	s := newStage(t)
	p, heard := s.listen(nil)
	v := s.visitor()

	m := p.Sign(t, p.Notification(hookTopic, "text"))
	for range 3 {
		v.send(m, m.Body(t)).shows(http.StatusOK)
	}
	c := p.Sign(t, p.Confirmation(hookTopic, "token"))
	v.send(c, c.Body(t)).shows(http.StatusOK)
	if got := []string{<-heard, <-heard}; got[0] != "text" || got[1] != "token" || len(heard) > 0 {
		t.Errorf("heard %q and %d more, want the text once and the token", got, len(heard))
	}

	forged := p.Sign(t, p.Notification(hookTopic, "text"))
	forged["Message"] = "other"
	v.send(forged, forged.Body(t)).shows(http.StatusForbidden)
	other := p.Sign(t, p.Notification(hookTopic+"2", "text"))
	v.send(other, other.Body(t)).shows(http.StatusForbidden)
	v.send(m, other.Body(t)).shows(http.StatusForbidden)
	v.send(m, []byte("hello")).shows(http.StatusBadRequest)
	v.send(m, make([]byte, verify.MaxBody+1)).shows(http.StatusRequestEntityTooLarge)
	if len(heard) > 0 {
		t.Errorf("something that was refused was heard: %q", <-heard)
	}
	if got := s.log.String(); !strings.Contains(got, "message refused") {
		t.Errorf("the log is %q, want what was refused", got)
	}
}

func TestHookTakesPostsOnly(t *testing.T) {
	s := newStage(t)
	s.listen(nil)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		a := s.visitor().do(s.visitor().request(method, "/hooks/sns", nil))
		if a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "POST" {
			t.Errorf("%s got %d and Allow %q, want 405 and POST", method, a.StatusCode, a.Header.Get("Allow"))
		}
	}
}

func TestHookAsksAgainAfterOurTrouble(t *testing.T) {
	s := newStage(t)
	p, _ := s.listen(errors.New("SNS is away"))
	c := p.Sign(t, p.Confirmation(hookTopic, "token"))
	a := s.visitor().send(c, c.Body(t))
	a.shows(http.StatusServiceUnavailable)
	if strings.Contains(a.body, "away") {
		t.Errorf("everybody is told %q", a.body)
	}
}

func TestNoHook(t *testing.T) {
	s := newStage(t)
	m := verifytest.Message{"TopicArn": hookTopic}
	s.visitor().send(m, nil).shows(http.StatusNotFound)
}

// TestHookIsLimited fills every slot with requests whose bodies do not come.
func TestHookIsLimited(t *testing.T) {
	s := newStage(t)
	p, _ := s.listen(nil)
	h := newHooks(s.site, s.site.cfg.Hooks)
	for range hooksAtOnce {
		h.slots <- struct{}{}
	}
	s.site.mux = http.NewServeMux()
	s.site.mux.Handle(hookPath, h)
	m := p.Sign(t, p.Notification(hookTopic, "text"))
	a := s.visitor().send(m, m.Body(t))
	if a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
		t.Errorf("got %d, want 429 and when to come back", a.StatusCode)
	}
	<-h.slots
	s.visitor().send(m, m.Body(t)).shows(http.StatusOK)
}
