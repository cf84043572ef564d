package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"time"
)

type serveCmd struct {
	config `embed:""`
}

// Run serves until ctx ends, and then stops in good order.
func (cmd *serveCmd) Run(ctx context.Context, out io.Writer) error {
	if err := cmd.check(); err != nil {
		return fmt.Errorf("the configuration does not hold:\n%w\n(%w)", err, errUsage)
	}
	started := time.Now()
	s, err := openServer(ctx, &cmd.config)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.listen(ctx); err != nil {
		return err
	}
	s.announce(out, time.Since(started))
	if err := s.dir.announced(s.cred); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		s.log.Info("stopping", "grace", cmd.Drain)
		return nil
	case err := <-s.broken:
		return err
	}
}

// listen opens both listeners, and serves them until close.
func (s *server) listen(ctx context.Context) error {
	s.onClose(s.stopHTTP)
	siteAddr, err := s.serveHTTP(ctx, "--site-addr", s.SiteAddr, &s.site)
	if err != nil {
		return err
	}
	edgeAddr, err := s.serveHTTP(ctx, "--edge-addr", s.EdgeAddr, &s.edge)
	if err != nil {
		return err
	}
	if err := s.startWork(ctx, edgeAddr); err != nil {
		return err
	}
	s.endpoints = endpoints{PID: os.Getpid(), Site: httpURL(siteAddr), Edge: httpURL(edgeAddr), Region: s.Region}
	return s.dir.writeJSON("serve.json", s.endpoints)
}

// late is a handler that answers 503 until it is set: a listener is opened
// first, since what it serves must know its port.
type late struct {
	ready   chan struct{}
	handler http.Handler
}

func newLate() *late { return &late{ready: make(chan struct{})} }

func (l *late) set(h http.Handler) {
	l.handler = h
	close(l.ready)
}

func (l *late) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case <-l.ready:
		l.handler.ServeHTTP(w, r)
	default:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "Etude is starting.", http.StatusServiceUnavailable)
	}
}

func (s *server) serveHTTP(ctx context.Context, flag, addr string, handler **late) (net.Addr, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w (choose another address with %s)", addr, err, flag)
	}
	*handler = newLate()
	srv := &http.Server{
		Handler:           *handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.http = append(s.http, srv)
	s.running.Go(func() {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			select {
			case s.broken <- fmt.Errorf("serve %s: %w", addr, err):
			default:
			}
		}
	})
	return ln.Addr(), nil
}

// httpURL writes an address that listens as a URL to reach it by.
func httpURL(addr net.Addr) string {
	host, port, _ := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// announce says where everything is. Generated credentials are printed once, by
// the first start that comes this far.
func (s *server) announce(out io.Writer, took time.Duration) {
	fmt.Fprintf(out, "Etude %s is ready after %d ms.\n\n", version, took.Milliseconds())
	fmt.Fprintf(out, "  site          %s\n", s.endpoints.Site)
	fmt.Fprintf(out, "  AWS endpoint  %s   (s3, elastictranscoder, sns, sts; region %s)\n", s.endpoints.Edge, s.Region)
	fmt.Fprintf(out, "  data          %s\n", s.dir.path)
	if !s.cred.fresh {
		fmt.Fprintln(out)
		return
	}
	if s.cred.AdminPassword != "" && s.AdminEmail == "" {
		fmt.Fprintf(out, "\nThe first account. This is printed once, and kept in %s:\n", s.dir.file("credentials.json"))
		fmt.Fprintf(out, "  e-mail        %s\n  password      %s\n", s.cred.AdminEmail, s.cred.AdminPassword)
	}
	if s.AccessKeyID == "" {
		fmt.Fprintf(out, "\nThe root access key, for AWS's tools:\n")
		fmt.Fprintf(out, "  export AWS_ENDPOINT_URL=%s AWS_REGION=%s AWS_DEFAULT_REGION=%s\n", s.endpoints.Edge, s.Region, s.Region)
		fmt.Fprintf(out, "  export AWS_ACCESS_KEY_ID=%s\n  export AWS_SECRET_ACCESS_KEY=%s\n", s.cred.AccessKeyID, s.cred.SecretAccessKey)
	}
	fmt.Fprintln(out)
}

func (c *config) workers() int {
	if c.Workers > 0 {
		return c.Workers
	}
	return runtime.NumCPU()
}
