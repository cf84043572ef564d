package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"
)

// newTransport brings requests to the gateway's socket.
func newTransport() *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := dialSocket(ctx)
			if err != nil {
				return nil, err
			}
			return &patientConn{Conn: conn}, nil
		},
		// One connection a request: a client's request can then never be read
		// as the tail of another client's, and dialling a socket is cheap.
		DisableKeepAlives:  true,
		DisableCompression: true,
	}
}

// patientConn goes on to the answer when the gateway reads no further: it
// answers an upload that it refuses, and hangs up in the midst of the body.
// http.Transport would report the failed write in place of the answer.
type patientConn struct {
	net.Conn
	hungUp bool // by one writer only
}

func (c *patientConn) Write(p []byte) (int, error) {
	if c.hungUp {
		return len(p), nil
	}
	n, err := c.Conn.Write(p)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		c.hungUp = true
		return len(p), nil
	}
	return n, err
}

// newProxy passes requests on through transport with every byte that a
// signature may cover as the client sent it: method, Host, path, query,
// headers and body. It adds where the request came from.
func newProxy(transport http.RoundTripper, log *slog.Logger) http.Handler {
	return keepUploads(&httputil.ReverseProxy{
		Rewrite:        passOn,
		ModifyResponse: drainRefused,
		Transport:      transport,
		FlushInterval:  -1, // a reader sees bytes as they come
		BufferPool:     &buffers{},
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil {
				return // the client went away
			}
			log.Warn("object server did not answer", "err", err)
			writeUnavailable(w)
		},
	})
}

// What is read of an upload that was refused in its midst.
const (
	drainBytes = 32 << 20
	drainTime  = 5 * time.Second
)

// upload is the body of a request that a client is still sending.
type upload struct {
	body    io.ReadCloser
	control *http.ResponseController
}

type uploadKey struct{}

// drainRefused reads, within limits, the rest of an upload that the gateway
// refused, before the answer goes out. Many clients read it only when they
// have sent all; if the connection is closed before, they see but that, and
// try again.
func drainRefused(resp *http.Response) error {
	u, ok := resp.Request.Context().Value(uploadKey{}).(upload)
	if !ok || resp.StatusCode < http.StatusBadRequest {
		return nil
	}
	if err := u.control.SetReadDeadline(time.Now().Add(drainTime)); err != nil {
		return nil // no limit, no reading
	}
	_, err := io.CopyN(io.Discard, u.body, drainBytes)
	if errors.Is(err, io.EOF) {
		_ = u.control.SetReadDeadline(time.Time{}) // for the connection's next request
	}
	return nil
}

// keepUploads makes a request's body known to drainRefused, and keeps the
// transport from closing it.
func keepUploads(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			u := upload{body: r.Body, control: http.NewResponseController(w)}
			r = r.WithContext(context.WithValue(r.Context(), uploadKey{}, u))
			r.Body = io.NopCloser(u.body)
		}
		next.ServeHTTP(w, r)
	})
}

// changedByProxy are the headers that httputil.ReverseProxy drops when it has
// a Rewrite; a client may have signed them.
var changedByProxy = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"}

func passOn(pr *httputil.ProxyRequest) {
	pr.Out.URL = target(pr.In)
	for _, name := range changedByProxy {
		if values, ok := pr.In.Header[name]; ok {
			pr.Out.Header[name] = values
		}
	}
	if host, _, err := net.SplitHostPort(pr.In.RemoteAddr); err == nil {
		pr.Out.Header.Set(sourceIPHeader, host)
	}
}

// target is the URL whose request line is in's. Parsed and put together again
// it could be escaped otherwise than it was signed, so it is kept opaque. A
// path that begins with two slashes cannot be said so (net/http reads it as a
// host), but no bucket has an empty name either.
func target(in *http.Request) *url.URL {
	out := &url.URL{Scheme: "http", Host: "s3", RawQuery: in.URL.RawQuery, ForceQuery: in.URL.ForceQuery}
	path, _, _ := strings.Cut(in.RequestURI, "?")
	if strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "//") {
		out.Opaque = path
		return out
	}
	out.Path, out.RawPath = in.URL.Path, in.URL.RawPath
	return out
}

// writeUnavailable answers as S3 does when it cannot serve: SDKs try again.
func writeUnavailable(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprint(w, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+
		`<Error><Code>ServiceUnavailable</Code><Message>Service is unable to handle request.</Message></Error>`)
}

const bufferSize = 64 << 10

type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return p[:]
	}
	return make([]byte, bufferSize)
}

func (b *buffers) Put(p []byte) { b.pool.Put((*[bufferSize]byte)(p)) }
