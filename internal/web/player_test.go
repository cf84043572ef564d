package web

import (
	"encoding/xml"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"etude/internal/transcode"
)

// TestFileIsHeardAndSeen visits the page of a file that was made, without a
// script.
func TestFileIsHeardAndSeen(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	u, jobs := s.uploaded("clara", 1)
	s.runJobs()
	me, other := s.signedIn(u), s.signedIn(s.user("felix"))
	file := fileURL(jobs[0].ID)
	page := me.get(file)
	if page.StatusCode != http.StatusOK {
		t.Fatal(page.Status)
	}
	html := page.body
	for _, want := range []string{
		`<audio controls preload="none" src="` + file + `/outputs/`, `<img src="` + file + `/waveform.svg" alt="Waveform of `,
		`<img src="` + file + `/spectrogram.png"`, "−9.8 LUFS, range 6 LU, true peak &#43;0.4 dBTP",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	policy := page.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "media-src 'self' http://127.0.0.1:") || !strings.Contains(policy, "style-src 'self' 'nonce-") ||
		strings.Contains(policy, "unsafe") || !strings.Contains(policy, "script-src 'self';") {
		t.Errorf("policy: %s", policy)
	}
	for path, contentType := range map[string]string{
		"/waveform.svg": "image/svg+xml", "/waveform.json": "application/json", "/spectrogram.png": "image/png",
	} {
		got := me.get(file + path)
		if body := got.body; got.StatusCode != http.StatusOK || got.Header.Get("Content-Type") != contentType || body == "" {
			t.Errorf("%s: %s %s", path, got.Status, got.Header.Get("Content-Type"))
		} else if contentType == "image/svg+xml" && xml.Unmarshal([]byte(body), new(struct{ XMLName xml.Name })) != nil {
			t.Errorf("no SVG: %s", body)
		}
		if got := other.get(file + path); got.StatusCode != http.StatusNotFound {
			t.Errorf("%s of somebody else: %s", path, got.Status)
		}
	}
	sound := html[strings.Index(html, `<audio controls preload="none" src="`)+len(`<audio controls preload="none" src="`):]
	sound, _, _ = strings.Cut(sound, `"`)
	if got := other.get(sound); got.StatusCode != http.StatusNotFound {
		t.Errorf("sound of somebody else: %s", got.Status)
	}
	got := me.get(sound)
	link := got.Header.Get("Location")
	if got.StatusCode != http.StatusSeeOther || strings.Contains(link, "response-content-disposition") {
		t.Fatalf("play: %s %s", got.Status, link)
	}
	heard, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	if body := read(t, heard); heard.StatusCode != http.StatusOK || !strings.HasPrefix(body, "output ") {
		t.Errorf("heard %s %q", heard.Status, body)
	}
}

func read(t *testing.T, r *http.Response) string {
	t.Helper()
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestLoudnessWords(t *testing.T) {
	t.Parallel()
	level := func(v float64) *float64 { return &v }
	for want, l := range map[string]transcode.Loudness{
		"−9.8 LUFS, range 6 LU, true peak +0.4 dBTP": {Integrated: level(-9.84), Range: 6.1, TruePeak: level(0.42)},
		"−23.0 LUFS, range 0 LU, true peak 0.0 dBTP": {Integrated: level(-23), TruePeak: level(-0.01)},
		"silence": {},
		"too short for a loudness, true peak −3.0 dBTP": {TruePeak: level(-3)},
	} {
		if got := loudnessWords(l); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestBestPlayable(t *testing.T) {
	t.Parallel()
	output := func(container string, status transcode.Status) transcode.Output {
		return transcode.Output{Key: "a." + container, Preset: transcode.Preset{Container: container}, Status: status, Made: &transcode.Made{Duration: time.Second}}
	}
	clip := output("flac", transcode.Complete)
	clip.Composition = []transcode.TimeSpan{{Duration: "1"}}
	job := &transcode.Job{Outputs: []transcode.Output{
		output("wav", transcode.Complete), output("flac", transcode.Failed), clip, output("ts", transcode.Complete),
		output("mp3", transcode.Complete), output("mp4", transcode.Complete),
	}}
	if o := bestPlayable(job); o == nil || o.Preset.Container != "mp4" {
		t.Errorf("got %+v, want the mp4", o)
	}
	if o := bestPlayable(&transcode.Job{Outputs: []transcode.Output{output("ts", transcode.Complete)}}); o != nil {
		t.Errorf("got %+v, want none", o)
	}
}

// TestWaveformInBrowser sees the drawn waveform take the picture's place, with
// nothing that the page's policy would refuse.
func TestWaveformInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a few seconds")
	}
	s := newStage(t)
	u, jobs := s.uploaded("clara", 1)
	s.runJobs()
	b := openBrowser(t)
	b.run(
		chromedp.Navigate(s.server.URL+"/signin"),
		chromedp.SendKeys(chromedp.CSS(`input[name="email"]`), u.Email),
		chromedp.SendKeys(chromedp.CSS(`input[name="password"]`), password+"\r"),
		chromedp.WaitVisible(chromedp.CSS("#upload.live")),
	)
	for _, px := range []int64{phone, desk} {
		b.width(px)
		for _, dark := range []bool{false, true} {
			b.dark(dark)
			b.run(
				chromedp.Navigate(s.server.URL+fileURL(jobs[0].ID)),
				wait(`document.querySelector(".waveform.live")?.lastElementChild.firstElementChild?.shadowRoot?.querySelector("canvas")?.width > 0`),
				wait(`(document.querySelector(".spectrogram").open = true) && document.querySelector(".spectrogram img").complete`),
			)
			b.fits()
			b.shoot(t.ArtifactDir(), "player-"+map[bool]string{false: "light", true: "dark"}[dark]+"-"+map[int64]string{phone: "phone", desk: "desk"}[px])
		}
	}
	b.calm()
}
