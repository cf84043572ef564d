package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// demoBrowser does what a user's browser does.
type demoBrowser struct {
	site  string
	out   string
	email string
	pass  string
	http  *http.Client
}

func newDemoBrowser(d *demo) (*demoBrowser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &demoBrowser{
		site: d.where.Site, out: d.Out, email: d.cred.AdminEmail, pass: d.cred.AdminPassword,
		http: &http.Client{Jar: jar},
	}, nil
}

func (b *demoBrowser) signIn(ctx context.Context) error {
	form := url.Values{"email": {b.email}, "password": {b.pass}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.site+"/signin", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := b.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Request.URL.Path != "/" {
		return fmt.Errorf("the site answered %s at %s", res.Status, res.Request.URL.Path)
	}
	return nil
}

// get returns the answer to a page that must be there.
func (b *demoBrowser) get(ctx context.Context, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := b.http.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(res.Body, 500))
		return nil, fmt.Errorf("get %s: %s %s", res.Request.URL.Path, res.Status, text)
	}
	return res, nil
}

var told = regexp.MustCompile(`Your file [^<]* has been processed\.`)

// message returns what the site tells the user of the file.
func (b *demoBrowser) message(ctx context.Context, file string) (string, error) {
	res, err := b.get(ctx, b.site+"/messages")
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		return "", fmt.Errorf("read messages: %w", err)
	}
	for _, m := range told.FindAllString(string(page), -1) {
		if m = html.UnescapeString(m); strings.Contains(m, file) {
			return m, nil
		}
	}
	return "", fmt.Errorf("the site has no message that says that %s has been processed", file)
}

// download gets each rendition by the link that the site gives, under the name
// that the site gives it.
func (b *demoBrowser) download(ctx context.Context, job string) (files []string, err error) {
	for i := range renditions {
		file, err := b.downloadOne(ctx, fmt.Sprintf("%s/files/%s/outputs/%d/download", b.site, job, i+1))
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

func (b *demoBrowser) downloadOne(ctx context.Context, link string) (path string, err error) {
	res, err := b.get(ctx, link)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	name, err := downloadName(res)
	if err != nil {
		return "", err
	}
	path = filepath.Join(b.out, name)
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, res.Body)
	return path, errors.Join(err, f.Close())
}

// demoEvents is the stream of what changes on the page.
type demoEvents struct {
	body  io.ReadCloser
	lines *bufio.Scanner
}

// events opens the stream that keeps the library live.
func (b *demoBrowser) events(ctx context.Context) (*demoEvents, error) {
	res, err := b.get(ctx, b.site+"/events?view=library") //nolint:bodyclose // Close does
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	return &demoEvents{body: res.Body, lines: lines}, nil
}

// Close ends the stream.
func (e *demoEvents) Close() { _ = e.body.Close() }

// demoEvent is a piece of a page that has changed.
type demoEvent struct{ name, html string }

// next waits for the next event.
func (e *demoEvents) next() (demoEvent, error) {
	var event demoEvent
	for e.lines.Scan() {
		field, value, _ := strings.Cut(e.lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			event.name = value
		case "data":
			event.html += value + "\n"
		case "":
			if event.html != "" && e.lines.Text() == "" {
				return event, nil
			}
		}
	}
	return event, errors.Join(errors.New("the stream of events ended"), e.lines.Err())
}

// shownProgress is what a row of the library says of a job.
type shownProgress struct {
	phase string
	done  float64
	final bool
}

var (
	shownState = regexp.MustCompile(`<p class="state[^>]*><strong>([^<]*)</strong>`)
	shownBar   = regexp.MustCompile(`<progress [^>]*value="([^"]*)"`)
)

// progressOf finds the job's row in a piece of the library. One that has no
// bar any more has ended.
func (e demoEvent) progressOf(job string) (p shownProgress, ok bool) {
	_, row, ok := strings.Cut(e.html, `id="job-`+job+`"`)
	if !ok {
		return p, false
	}
	row, _, _ = strings.Cut(row, `<li class="file"`)
	if m := shownState.FindStringSubmatch(row); m != nil {
		p.phase = html.UnescapeString(m[1])
	}
	m := shownBar.FindStringSubmatch(row)
	if m == nil {
		return shownProgress{phase: p.phase, done: 1, final: true}, true
	}
	p.done, _ = strconv.ParseFloat(m[1], 64)
	return p, true
}

// tellsOf reports whether the event shows a message about the job.
func (e demoEvent) tellsOf(job string) bool {
	return e.name == "banners" && strings.Contains(e.html, "/files/"+job)
}
