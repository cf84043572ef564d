package web

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Widths at which pages are looked at: a phone's and a desk's.
const (
	phone = 390
	desk  = 1280
)

// browser is a Chromium of a test's own.
type browser struct {
	t   testing.TB
	ctx context.Context

	mu     sync.Mutex
	faults []string // what its console complained of
}

// openBrowser starts Chromium and closes it when the test ends. At home, a test
// without Chromium or without built assets is skipped.
func openBrowser(t testing.TB) *browser {
	t.Helper()
	files, err := newAssets()
	if err != nil {
		t.Fatal(err)
	}
	if files.urls.Script == "" {
		lacks(t, "no script was built; make assets does it")
	}
	opts := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	opts = append(opts, chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("hide-scrollbars", true),
		// Without a locale, Chromium finds no file whose name is not ASCII.
		chromedp.Env("LANG=C.UTF-8"))
	ctx, endAllocator := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), opts...)
	ctx, endBrowser := chromedp.NewContext(ctx)
	b := &browser{t: t}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	timed, endTime := context.WithTimeout(ctx, 4*time.Minute)
	b.ctx = timed
	t.Cleanup(func() {
		endTime()
		if err := chromedp.Cancel(ctx); err != nil {
			t.Log(err)
		}
		endBrowser()
		endAllocator()
	})
	return b
}

func chromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	lacks(t, "there is no Chromium")
	return ""
}

// lacks ends a test for want of something: at home it is skipped.
func lacks(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// hear takes note of what a browser tells its developer tools: scripts that
// fail, and what the pages' policy refuses.
func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
			b.faults = append(b.faults, e.Entry.Text)
		}
	}
}

func (b *browser) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// ask runs an action and returns what it found.
func ask[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

func (b *browser) width(px int64) {
	b.t.Helper()
	if px < 600 {
		b.run(chromedp.EmulateViewport(px, 844, chromedp.EmulateMobile))
		return
	}
	b.run(chromedp.EmulateViewport(px, 900))
}

func (b *browser) dark(on bool) {
	b.t.Helper()
	scheme := "light"
	if on {
		scheme = "dark"
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	b.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, media)
		return err
	}))
}

// shoot keeps a picture of the whole page, if pictures are kept at all: they
// take most of the time.
func (b *browser) shoot(dir, name string) {
	b.t.Helper()
	if f := flag.Lookup("test.artifacts"); f == nil || f.Value.String() != "true" {
		return
	}
	png := ask(b, chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// fits checks that nothing reaches beyond the screen's side.
func (b *browser) fits() {
	b.t.Helper()
	over := ask(b, chromedp.Evaluate[[]string](`[...document.querySelectorAll("body *")]
		.filter(e => e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML.slice(0, 80))`))
	if len(over) > 0 {
		b.t.Errorf("reaches beyond the screen: %s", strings.Join(over, "\n"))
	}
}

// calm checks that the console had nothing to complain of.
func (b *browser) calm() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.faults) > 0 {
		b.t.Errorf("the browser complains:\n%s", strings.Join(b.faults, "\n"))
	}
}

// TestStoriesInBrowser looks at every story at both widths, light and dark, and
// has axe-core look at it too.
// Pictures stay with -artifacts.
func TestStoriesInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a few seconds")
	}
	b := openBrowser(t)
	axe := axe(t)
	all := stories(t)
	files, err := newAssets()
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /assets/{name}", files.serve)
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream") // and no event
	})
	for _, s := range all {
		mux.HandleFunc("GET /stories/"+s.name, func(w http.ResponseWriter, _ *http.Request) {
			sendHTML(w, http.StatusOK, []byte(tell(t, s)))
		})
	}
	server := httptest.NewServer(secured(mux))
	defer server.Close()

	dir := t.ArtifactDir()
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			b.t = t
			b.run(chromedp.Navigate(server.URL+"/stories/"+s.name), chromedp.Evaluate[chromedp.Void](axe+";undefined"))
			for _, px := range []int64{phone, desk} {
				for _, scheme := range []string{"light", "dark"} {
					b.width(px)
					b.dark(scheme == "dark")
					b.fits()
					b.shoot(dir, fmt.Sprintf("%s-%d-%s", s.name, px, scheme))
					if px == phone {
						b.accessible(s.name + ", " + scheme)
					}
				}
			}
			b.calm()
		})
	}
}
