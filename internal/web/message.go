package web

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"etude/internal/inbox"
)

func (s *Site) messages(w http.ResponseWriter, v *visit) {
	at := place{view: "messages"}
	frame, err := s.frame(v, "Messages", at)
	if err != nil {
		s.broken(w, v.Request, err)
		return
	}
	page := messagesPage{frame: frame, Inbox: newInbox(frame.pending, inbox.MaxPending, at.path())}
	s.render(w, v.Request, http.StatusOK, "messages", page)
}

func (s *Site) dismiss(w http.ResponseWriter, v *visit) {
	v.Body = http.MaxBytesReader(w, v.Body, maxForm)
	id, err := strconv.ParseInt(v.PathValue("id"), 10, 64)
	if err != nil {
		s.notFound(w, v.Request)
		return
	}
	err = s.cfg.Inbox.Dismiss(v.Context(), v.owner(), id)
	switch {
	case errors.Is(err, inbox.ErrNotFound):
		s.notFound(w, v.Request)
	case err != nil:
		s.broken(w, v.Request, err)
	default:
		s.showDismissed(w, v)
	}
}

func (s *Site) dismissAll(w http.ResponseWriter, v *visit) {
	v.Body = http.MaxBytesReader(w, v.Body, maxForm)
	last, err := strconv.ParseInt(v.PostFormValue("last"), 10, 64)
	if err != nil {
		s.fail(w, v.Request, http.StatusBadRequest, "The form does not say which messages you have seen. Open the messages and try again.")
		return
	}
	if err := s.cfg.Inbox.DismissAll(v.Context(), v.owner(), last); err != nil {
		s.broken(w, v.Request, err)
		return
	}
	s.showDismissed(w, v)
}

// showDismissed shows what is left of the messages: to htmx only these, else
// the page that the visitor came from.
func (s *Site) showDismissed(w http.ResponseWriter, v *visit) {
	from := localPath(v.PostFormValue("from"))
	if !wantsFragment(v.Request) {
		http.Redirect(w, v.Request, from, http.StatusSeeOther)
		return
	}
	pending, err := s.cfg.Inbox.Pending(v.Context(), v.owner())
	if err != nil {
		s.broken(w, v.Request, err)
		return
	}
	name, limit := "banners", maxBanners
	if v.Header.Get("HX-Target") == "inbox" {
		name, limit = "inbox", inbox.MaxPending
	}
	html, err := fragment(name, newInbox(pending, limit, from))
	if err != nil {
		s.broken(w, v.Request, err)
		return
	}
	count, err := fragment("badge", newBadge(len(pending)))
	if err != nil {
		s.broken(w, v.Request, err)
		return
	}
	sendHTML(w, http.StatusOK, fmt.Appendf(nil, `%s<span id="badge" hx-swap-oob="innerHTML">%s</span>`, html, count))
}
