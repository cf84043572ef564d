package web

import (
	"errors"
	"net/http"
	"runtime/debug"
)

// contentPolicy lets a page use what comes from this site and nothing else; no
// script or style may stand in the page itself. A download leaves for another
// origin as a link does, which no directive here is about.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; " +
	"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// guard puts around the pages what all of them need, the outermost first.
func (s *Site) guard() http.Handler {
	origin := http.NewCrossOriginProtection()
	origin.AddInsecureBypassPattern(hookPath) // no cookie means anything there
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, http.StatusForbidden, "This request came from another site, so it was not carried out. Open the page here and try again.")
	}))
	return secured(s.recovered(origin.Handler(http.HandlerFunc(s.route))))
}

func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		next.ServeHTTP(w, r)
	})
}

// recovered turns a panic into the page of an internal error, or, where an
// answer has begun already, into a broken connection.
func (s *Site) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := &beginning{ResponseWriter: w}
		defer func() {
			fault := recover()
			if fault == nil {
				return
			}
			if err, ok := fault.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(fault)
			}
			s.log.Error("request panicked", "method", r.Method, "path", r.URL.Path, "err", fault, "stack", string(debug.Stack()))
			if begun.written {
				panic(http.ErrAbortHandler)
			}
			s.fail(w, r, http.StatusInternalServerError, sorry)
		}()
		next.ServeHTTP(begun, r)
	})
}

// beginning knows whether an answer has begun.
type beginning struct {
	http.ResponseWriter
	written bool
}

func (b *beginning) WriteHeader(status int) {
	b.written = true
	b.ResponseWriter.WriteHeader(status)
}

func (b *beginning) Write(p []byte) (int, error) {
	b.written = true
	return b.ResponseWriter.Write(p)
}

func (b *beginning) Unwrap() http.ResponseWriter { return b.ResponseWriter }

// route hands the request to its page, and answers in the site's own look where
// there is none.
func (s *Site) route(w http.ResponseWriter, r *http.Request) {
	h, pattern := s.mux.Handler(r)
	if pattern != "" {
		s.mux.ServeHTTP(w, r)
		return
	}
	refusal := &refusal{header: http.Header{}}
	h.ServeHTTP(refusal, r)
	if refusal.status != http.StatusMethodNotAllowed {
		s.notFound(w, r)
		return
	}
	w.Header().Set("Allow", refusal.header.Get("Allow"))
	s.fail(w, r, http.StatusMethodNotAllowed, "This address does not take that kind of request. Go back and use the page's own buttons.")
}

// refusal takes note of how the router turns a request down.
type refusal struct {
	header http.Header
	status int
}

func (f *refusal) Header() http.Header         { return f.header }
func (f *refusal) Write(p []byte) (int, error) { return len(p), nil }
func (f *refusal) WriteHeader(status int)      { f.status = status }

const sorry = "Something went wrong here, not with what you did. Try again in a moment; the operator finds the cause in the log."

func (s *Site) notFound(w http.ResponseWriter, r *http.Request) {
	s.fail(w, r, http.StatusNotFound, "There is nothing at this address, or nothing that is yours to see.")
}

// broken logs a fault of ours and says that there was one.
func (s *Site) broken(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil { // else the client has gone, which is its right
		s.log.Error("request failed", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	s.fail(w, r, http.StatusInternalServerError, sorry)
}

// fail answers with a page that says what is wrong, or with the words alone if
// that is what the client asked for.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, status int, why string) {
	if wantsText(r) {
		plain(w, status, why)
		return
	}
	page := errorPage{
		frame:   frame{Title: titles[status], Assets: s.assets.links()},
		Status:  status,
		Message: why,
	}
	s.render(w, r, status, "error", page)
}

var titles = map[int]string{
	http.StatusForbidden:             "Not allowed",
	http.StatusNotFound:              "Not found",
	http.StatusMethodNotAllowed:      "Not possible here",
	http.StatusRequestTimeout:        "Too slow",
	http.StatusGone:                  "Not there any more",
	http.StatusRequestEntityTooLarge: "Too large",
	http.StatusInternalServerError:   "Something went wrong",
}

// wantsText reports whether our own script asks, which shows words in a place
// of its own.
func wantsText(r *http.Request) bool { return r.Header.Get("Accept") == "text/plain" }

// wantsFragment reports whether htmx asks, for a part of a page.
func wantsFragment(r *http.Request) bool { return r.Header.Get("HX-Request") == "true" }
