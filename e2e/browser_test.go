package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// browser is what a user has open on the site.
type browser struct {
	site string
	http *http.Client
}

func (s *server) signIn(t *testing.T) *browser { return s.signInAs(t, email, password) }

func (s *server) signInAs(t *testing.T, email, password string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{site: s.site, http: &http.Client{Jar: jar}}
	res, body := b.post(t, "/signin", "application/x-www-form-urlencoded",
		strings.NewReader(url.Values{"email": {email}, "password": {password}}.Encode()))
	if res.StatusCode != http.StatusOK || res.Request.URL.Path != "/" {
		t.Fatalf("sign in as %s: %s at %s\n%s", email, res.Status, res.Request.URL, body)
	}
	return b
}

func (b *browser) post(t *testing.T, path, contentType string, body io.Reader) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.site+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	return b.do(t, req)
}

func (b *browser) do(t *testing.T, req *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := b.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

// page returns a page that must be there.
func (b *browser) page(t *testing.T, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.site+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, text := b.do(t, req)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s = %s\n%s", path, res.Status, text)
	}
	return text
}

// upload sends the library's form with one file, as it is without script.
func (b *browser) upload(t *testing.T, name string, content io.Reader) (*http.Response, string) {
	t.Helper()
	r, w := io.Pipe()
	form := multipart.NewWriter(w)
	go func() {
		err := errors.Join(form.WriteField("format", "wav"), form.WriteField("format", "flac"), form.WriteField("format", "m4a"))
		part, perr := form.CreateFormFile("file", name)
		if err = errors.Join(err, perr); err == nil {
			_, err = io.Copy(part, content)
		}
		_ = w.CloseWithError(errors.Join(err, form.Close()))
	}()
	return b.post(t, "/upload", form.FormDataContentType(), r)
}

// anonymous returns the status of a GET that nobody signed.
func (s *server) anonymous(t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// events is the stream that keeps a page live.
type events struct{ lines *bufio.Scanner }

func (b *browser) events(t *testing.T, ctx context.Context) *events {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.site+"/events?view=library", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := b.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	return &events{lines}
}

// next returns after the next event.
func (e *events) next() error {
	for e.lines.Scan() {
		if strings.HasPrefix(e.lines.Text(), "event:") {
			return nil
		}
	}
	return errors.Join(errors.New("the stream of events ended"), e.lines.Err())
}

// status returns what a page answers with.
func (b *browser) status(t *testing.T, path string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.site+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, _ := b.do(t, req)
	return res.StatusCode
}
