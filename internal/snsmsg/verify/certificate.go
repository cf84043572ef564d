package verify

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"etude/internal/snsmsg"
)

const (
	fetchTime      = 5 * time.Second
	maxCertificate = 64 << 10
	keepFor        = 24 * time.Hour
	keepRefusedFor = time.Minute // so that forgeries do not make us ask again and again
	keepCount      = 64
	fetchesAtOnce  = 4
)

// certificates fetches certificates and keeps them for a while. There is no
// chain to check, AWS serves the certificate alone: it is trusted since it comes
// from a host that is the topic's own.
type certificates struct {
	client *http.Client
	now    func() time.Time
	one    singleflight.Group // by URL
	slots  chan struct{}

	mu   sync.Mutex
	kept map[string]kept // by URL
}

// kept is a certificate, or why there is none to be believed.
type kept struct {
	cert  *x509.Certificate
	err   error
	until time.Time
}

func newCertificates(cfg Config) *certificates {
	return &certificates{
		now: cfg.Now, kept: map[string]kept{}, slots: make(chan struct{}, fetchesAtOnce),
		client: &http.Client{
			Timeout: fetchTime,
			// Nothing from the environment: a proxy would be asked in place of the
			// host, and Dial would see the proxy's address only.
			Transport: &http.Transport{
				DialContext: cfg.Dial, TLSClientConfig: &tls.Config{RootCAs: cfg.Roots, MinVersion: tls.VersionTLS12},
				ForceAttemptHTTP2: true, MaxIdleConns: 1, IdleConnTimeout: time.Second,
				ResponseHeaderTimeout: fetchTime, MaxResponseHeaderBytes: 16 << 10,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// get returns the certificate at url. The caller has checked that url is one of
// topic's.
func (c *certificates) get(ctx context.Context, topic Topic, url string) (*x509.Certificate, error) {
	if k, ok := c.recall(url); ok {
		return k.cert, k.err
	}
	// Whoever waits for the same fetch must not lose it when the first who asked
	// goes away; the client's own timeout ends it.
	found, err, _ := c.one.Do(url, func() (any, error) { return c.fetchAndKeep(context.WithoutCancel(ctx), topic, url) })
	if err != nil {
		return nil, err
	}
	return found.(*x509.Certificate), nil
}

func (c *certificates) fetchAndKeep(ctx context.Context, topic Topic, url string) (*x509.Certificate, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	default:
		return nil, fmt.Errorf("fetch certificate %s: %d others are being fetched", url, fetchesAtOnce)
	}
	text, err := c.fetch(ctx, url)
	var cert *x509.Certificate
	if err == nil {
		cert, err = parseCertificate(text, topic, c.now())
	}
	switch {
	case err == nil:
		c.keep(url, kept{cert: cert, until: earlier(c.now().Add(keepFor), cert.NotAfter)})
	case IsFault(err, Forged):
		c.keep(url, kept{err: err, until: c.now().Add(keepRefusedFor)})
	}
	return cert, err
}

func (c *certificates) recall(url string) (kept, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.kept[url]
	return k, ok && c.now().Before(k.until)
}

// keep makes room by dropping what would be dropped first anyway, so that many
// refused URLs drop each other and no good one.
func (c *certificates) keep(url string, k kept) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.kept) >= keepCount {
		var first string
		for u, other := range c.kept {
			if first == "" || other.until.Before(c.kept[first].until) {
				first = u
			}
		}
		delete(c.kept, first)
	}
	c.kept[url] = k
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (c *certificates) fetch(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch certificate %s: %w", url, err)
	}
	res, err := c.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch certificate: %w", err)
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests:
		return nil, fmt.Errorf("fetch certificate %s: the answer is %s", url, res.Status)
	case res.StatusCode != http.StatusOK:
		return nil, refuse(Forged, "there is no certificate at %s: the answer is %s", url, res.Status)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxCertificate+1))
	if err != nil {
		return nil, fmt.Errorf("fetch certificate %s: %w", url, err)
	}
	if len(text) > maxCertificate {
		return nil, refuse(Forged, "the certificate at %s has more than %d bytes", url, maxCertificate)
	}
	return text, nil
}

// parseCertificate reads a file that has one certificate and nothing else, of a
// topic's signer, good at that time.
func parseCertificate(text []byte, topic Topic, now time.Time) (*x509.Certificate, error) {
	cert, err := snsmsg.ParseCertificate(text)
	if err != nil {
		return nil, refuse(Forged, "%v", err)
	}
	if _, ok := cert.PublicKey.(*rsa.PublicKey); !ok {
		return nil, refuse(Forged, "its certificate is of no RSA key")
	}
	if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return nil, refuse(Forged, "its certificate is good from %s to %s only", cert.NotBefore.Format(time.RFC3339), cert.NotAfter.Format(time.RFC3339))
	}
	if !slices.ContainsFunc(topic.signers(), func(name string) bool {
		return cert.Subject.CommonName == name || slices.Contains(cert.DNSNames, name)
	}) {
		return nil, refuse(Forged, "its certificate is of %.200q, not of SNS in %s", cert.Subject.CommonName, topic.region)
	}
	return cert, nil
}
