package web

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"etude/internal/account"
)

const (
	sessionLife = 14 * 24 * time.Hour
	userInside  = "user" // the session's only entry
)

// newSessions does without scs.New, which starts a goroutine for a store in
// memory that nobody asked for and that cannot be stopped with certainty.
func (s *Site) newSessions() *scs.SessionManager {
	return &scs.SessionManager{
		Store:            s.cfg.Sessions,
		Codec:            scs.GobCodec{},
		Lifetime:         sessionLife,
		HashTokenInStore: true, // who reads the store cannot use what is in it
		ErrorFunc:        s.broken,
		Cookie: scs.SessionCookie{
			Name: "etude_session", Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Persist: true,
		},
	}
}

// withSession loads the request's session and keeps what becomes of it. The
// cookie is Secure exactly when the browser came over TLS, so that the site
// works on http://localhost too.
func (s *Site) withSession(next http.Handler) http.Handler {
	secure := *s.sessions // the same sessions under another cookie
	secure.Cookie.Secure = true
	overTLS, inClear := secure.LoadAndSave(next), s.sessions.LoadAndSave(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cameOverTLS(r) {
			overTLS.ServeHTTP(w, r)
			return
		}
		inClear.ServeHTTP(w, r)
	})
}

// cameOverTLS believes a proxy's word: a client that lies only keeps a cookie
// from itself.
func cameOverTLS(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// user returns who is signed in, or nil for nobody.
func (s *Site) user(ctx context.Context) (*account.User, error) {
	id := s.sessions.GetString(ctx, userInside)
	if id == "" {
		return nil, nil
	}
	u, err := s.cfg.Accounts.User(ctx, account.UserID(id))
	if errors.Is(err, account.ErrNotFound) {
		return nil, nil
	}
	return u, err
}

// visit is a request of somebody who is signed in.
type visit struct {
	*http.Request
	user *account.User
}

func (v *visit) owner() string { return string(v.user.ID) }

// signedIn lets only those in who are signed in, and sends others to do so.
func (s *Site) signedIn(page func(http.ResponseWriter, *visit)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		u, err := s.user(r.Context())
		if err != nil {
			s.broken(w, r, err)
			return
		}
		if u == nil {
			sendToSignIn(w, r)
			return
		}
		page(w, &visit{Request: r, user: u})
	}
}

func sendToSignIn(w http.ResponseWriter, r *http.Request) {
	to := "/signin"
	if r.Method == http.MethodGet && r.URL.Path != "/" {
		to += "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	switch {
	case wantsText(r):
		plain(w, http.StatusUnauthorized, "You are signed out. Sign in again.")
	case wantsFragment(r):
		w.Header().Set("HX-Redirect", to)
		w.WriteHeader(http.StatusNoContent)
	default:
		http.Redirect(w, r, to, http.StatusSeeOther)
	}
}

// localPath returns path if it leads to a page of this site, else "/". A
// browser takes two slashes, or a backslash for one, for another host.
func localPath(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(path, "/") ||
		strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return "/"
	}
	return path
}

func (s *Site) signInPage(w http.ResponseWriter, r *http.Request) {
	u, err := s.user(r.Context())
	if err != nil {
		s.broken(w, r, err)
		return
	}
	next := localPath(r.FormValue("next"))
	if u != nil {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	s.showSignIn(w, r, http.StatusOK, signInPage{Next: next})
}

func (s *Site) showSignIn(w http.ResponseWriter, r *http.Request, status int, page signInPage) {
	page.frame = frame{Title: "Sign in", Assets: s.assets.links()}
	s.render(w, r, status, "signin", page)
}

// maxForm bounds the forms that are not uploads.
const maxForm = 64 << 10

func (s *Site) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	page := signInPage{Email: r.PostFormValue("email"), Next: localPath(r.PostFormValue("next"))}
	u, err := s.cfg.Accounts.SignIn(r.Context(), page.Email, r.PostFormValue("password"), client(r))
	switch {
	case errors.Is(err, account.ErrNoMatch):
		page.Fault = "E-mail address and password do not match."
		s.showSignIn(w, r, http.StatusUnauthorized, page)
	case errors.Is(err, account.ErrTooMany):
		page.Fault = "Too many failed tries. Wait a few minutes, then try again."
		s.showSignIn(w, r, http.StatusTooManyRequests, page)
	case err != nil:
		s.broken(w, r, err)
	default:
		s.begin(w, r, u, page.Next)
	}
}

// begin starts a session under a new token: one that somebody else may have
// planted in this browser is worth nothing.
func (s *Site) begin(w http.ResponseWriter, r *http.Request, u *account.User, next string) {
	s.streams.end(s.token(r))
	if err := s.sessions.RenewToken(r.Context()); err != nil {
		s.broken(w, r, err)
		return
	}
	s.sessions.Put(r.Context(), userInside, string(u.ID))
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (s *Site) signOut(w http.ResponseWriter, r *http.Request) {
	token := s.token(r)
	if err := s.sessions.Destroy(r.Context()); err != nil {
		s.broken(w, r, err)
		return
	}
	s.streams.end(token)
	http.Redirect(w, r, "/signin", http.StatusSeeOther)
}

// token returns the request's session token, or "".
func (s *Site) token(r *http.Request) string {
	c, err := r.Cookie(s.sessions.Cookie.Name)
	if err != nil {
		return ""
	}
	return c.Value
}

// alive reports whether the request's session, which was good when the request
// came, still is. It asks the store anew.
func (s *Site) alive(ctx context.Context, token, owner string) (bool, error) {
	fresh, err := s.sessions.Load(withoutValues{ctx}, token)
	if err != nil {
		return false, err
	}
	u, err := s.user(fresh)
	return u != nil && string(u.ID) == owner, err
}

// withoutValues hides what a request's context holds, its session among it.
type withoutValues struct{ context.Context }

func (withoutValues) Value(any) any { return nil }

// client returns the address that a request comes from.
func client(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
