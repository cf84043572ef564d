package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"etude/internal/account"
	"etude/internal/hook"
	"etude/internal/inbox"
	"etude/internal/notify"
	"etude/internal/rule"
	"etude/internal/transcode"
)

// Objects is what the pages need of a store of objects. All methods may be
// called at once from many goroutines. Errors wrap transcode's ErrNoObject,
// ErrTooLarge and so on.
type Objects interface {
	// Put puts what r gives, up to its end, under ref. When r fails, gives more
	// than max bytes (ErrTooLarge) or ctx ends, nothing is left behind.
	Put(ctx context.Context, ref transcode.ObjectRef, r io.Reader, max int64, contentType string) (transcode.ObjectInfo, error)
	// Head returns what is known of the object, or ErrNoObject.
	Head(ctx context.Context, ref transcode.ObjectRef) (transcode.ObjectInfo, error)
	// Delete removes the object; one that is not there is no error.
	Delete(ctx context.Context, ref transcode.ObjectRef) error
	// PresignGet returns a URL below base with which anybody may read the
	// object until expires has passed, saved as downloadName.
	PresignGet(ctx context.Context, base string, ref transcode.ObjectRef, downloadName string, expires time.Duration) (string, error)
}

// Config is what a Site needs. Fields without a word on their zero value must
// be set.
type Config struct {
	Jobs     *transcode.Service
	Rules    *rule.Service // which uploads are claimed from
	Notify   *notify.Service
	Inbox    *inbox.Service
	Accounts *account.Service
	Objects  Objects
	Sessions scs.Store // a scs.CtxStore is used as such

	Pipeline  transcode.PipelineID // which makes the jobs of uploads
	Bucket    string               // where uploads go: the pipeline's input bucket
	MaxUpload int64                // bytes in one upload, all its files together

	// Request writes the API's request for a job, for operators to read.
	Request func(transcode.JobSpec) string

	// EdgeURL is where browsers reach the object store, for downloads. Empty
	// means the host that the site was asked under, at EdgePort.
	EdgeURL  string
	EdgePort string

	// Hooks takes what topics of other publishers send to /hooks/sns; nil for a
	// site that listens to none.
	Hooks *hook.Service

	// Ready says why requests cannot be served just now; nil means that they
	// always can.
	Ready func(ctx context.Context) error
	// Logger gets what an operator should know; nil discards it.
	Logger *slog.Logger
}

func (cfg *Config) validate() error {
	var faults []error
	for name, missing := range map[string]bool{
		"Jobs": cfg.Jobs == nil, "Rules": cfg.Rules == nil, "Notify": cfg.Notify == nil, "Inbox": cfg.Inbox == nil, "Accounts": cfg.Accounts == nil,
		"Objects": cfg.Objects == nil, "Sessions": cfg.Sessions == nil, "Pipeline": cfg.Pipeline == "",
		"Bucket": cfg.Bucket == "", "MaxUpload": cfg.MaxUpload <= 0,
		"Request":             cfg.Request == nil,
		"EdgeURL or EdgePort": cfg.EdgeURL == "" && cfg.EdgePort == "",
	} {
		if missing {
			faults = append(faults, fmt.Errorf("%s is not set", name))
		}
	}
	return errors.Join(faults...)
}

// Site serves the pages. It may be used at once from many goroutines.
type Site struct {
	cfg      Config
	log      *slog.Logger
	assets   *assets
	sessions *scs.SessionManager
	streams  streams
	beat     time.Duration // of the event streams
	mux      *http.ServeMux
	handler  http.Handler
}

// New checks cfg and returns the pages of it.
func New(cfg Config) (*Site, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("configure site: %w", err)
	}
	files, err := newAssets()
	if err != nil {
		return nil, fmt.Errorf("load the site's assets: %w", err)
	}
	s := &Site{cfg: cfg, log: cfg.Logger, assets: files, beat: heartbeat}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.sessions = s.newSessions()
	s.mux = s.routes()
	s.handler = s.guard()
	return s, nil
}

func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Close ends the open event streams, which would otherwise keep a server from
// shutting down, and lets no new one begin. Browsers come back by themselves.
// It may be called more than once.
func (s *Site) Close() { s.streams.close() }

// routes leads to the pages. What needs no session asks for none, and so works
// while the store of sessions does not.
func (s *Site) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /assets/{name}", s.assets.serve)
	mux.HandleFunc("GET /favicon.ico", s.favicon)
	if s.cfg.Hooks != nil {
		mux.Handle(hookPath, newHooks(s, s.cfg.Hooks))
	}

	for pattern, page := range map[string]http.HandlerFunc{
		"GET /signin":   s.signInPage,
		"POST /signin":  s.signIn,
		"POST /signout": s.signOut,
		"GET /events":   s.events,

		"GET /{$}":                           s.signedIn(s.library),
		"POST /upload":                       s.signedIn(s.upload),
		"GET /files/{job}":                   s.signedIn(s.file),
		"GET /files/{job}/original/download": s.signedIn(s.downloadOriginal),
		"GET /files/{job}/outputs/{output}/download": s.signedIn(s.downloadOutput),
		"GET /files/{job}/outputs/{output}/play":     s.signedIn(s.play),
		"GET /files/{job}/waveform.svg":              s.signedIn(s.waveform),
		"GET /files/{job}/waveform.json":             s.signedIn(s.peaks),
		"GET /files/{job}/spectrogram.png":           s.signedIn(s.spectrogram),
		"GET /messages":                              s.signedIn(s.messages),
		"POST /messages/dismiss":                     s.signedIn(s.dismissAll),
		"POST /messages/{id}/dismiss":                s.signedIn(s.dismiss),
	} {
		mux.Handle(pattern, s.withSession(page))
	}
	for pattern, page := range s.opsRoutes() {
		mux.Handle(pattern, s.withSession(page))
	}
	return mux
}

func (s *Site) healthz(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") }

func (s *Site) readyz(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Ready != nil {
		if err := s.cfg.Ready(r.Context()); err != nil {
			s.log.Warn("not ready", "err", err)
			plain(w, http.StatusServiceUnavailable, "not ready; the log says why")
			return
		}
	}
	plain(w, http.StatusOK, "ready")
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}
