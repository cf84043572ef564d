package web

import (
	"errors"
	"io"
	"net/http"

	"golang.org/x/time/rate"

	"etude/internal/hook"
	"etude/internal/snsmsg"
	"etude/internal/snsmsg/verify"
)

// hookPath is where topics of other publishers send to.
const hookPath = "/hooks/sns"

// What the receiver of messages takes at once, in all, and in a second. SNS
// sends again what is refused as too much.
const (
	hooksAtOnce    = 32
	hooksPerSecond = 200
)

// hooks receives what topics of other publishers send. They have no session and
// come from another site, so neither is asked for: a message is believed for its
// signature.
type hooks struct {
	site  *Site
	to    *hook.Service
	rate  *rate.Limiter
	slots chan struct{}
}

func newHooks(s *Site, to *hook.Service) *hooks {
	return &hooks{site: s, to: to, rate: rate.NewLimiter(hooksPerSecond, 2*hooksPerSecond), slots: make(chan struct{}, hooksAtOnce)}
}

func (h *hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		plain(w, http.StatusMethodNotAllowed, "Amazon SNS posts its messages here; there is nothing to see.")
		return
	}
	// What is not for us costs nothing.
	if !h.to.Verifier.Takes(r.Header.Get(snsmsg.HeaderTopic)) {
		h.refuse(w, r, http.StatusForbidden, errors.New("refuse message: nobody asked for the topic that its header names"))
		return
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		tooMany(w)
		return
	}
	if !h.rate.Allow() {
		tooMany(w)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, verify.MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		h.refuse(w, r, http.StatusRequestEntityTooLarge, err)
		return
	case err != nil:
		h.refuse(w, r, http.StatusBadRequest, err)
		return
	}
	h.receive(w, r, body)
}

// receive answers so that SNS sends again what is our trouble, and never again
// what is not to be believed.
func (h *hooks) receive(w http.ResponseWriter, r *http.Request, body []byte) {
	err := h.to.Receive(r.Context(), r.Header, body)
	switch {
	case err == nil:
		plain(w, http.StatusOK, "received")
	case verify.IsFault(err, verify.Malformed):
		h.refuse(w, r, http.StatusBadRequest, err)
	case verify.IsFault(err, verify.WrongTopic), verify.IsFault(err, verify.Forged):
		h.refuse(w, r, http.StatusForbidden, err)
	default:
		h.site.log.Error("message could not be received", "topic", r.Header.Get(snsmsg.HeaderTopic), "err", err)
		w.Header().Set("Retry-After", "30")
		plain(w, http.StatusServiceUnavailable, "the message could not be received; the log says why")
	}
}

// refuse tells the operator why, and who asked no more than that.
func (h *hooks) refuse(w http.ResponseWriter, r *http.Request, status int, why error) {
	h.site.log.Warn("message refused", "client", client(r), "status", status, "err", why)
	plain(w, status, http.StatusText(status))
}

func tooMany(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	plain(w, http.StatusTooManyRequests, "too many messages at once")
}
