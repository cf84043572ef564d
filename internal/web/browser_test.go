package web

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestVisitInBrowser is what somebody does on a first visit: sign in, upload a
// file, watch it being made without touching anything, download, dismiss the
// message.
func TestVisitInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a few seconds")
	}
	for _, px := range []int64{phone, desk} {
		t.Run(strconv.FormatInt(px, 10), func(t *testing.T) { visitInBrowser(t, px) })
	}
}

func visitInBrowser(t *testing.T, px int64) {
	s := newStage(t)
	u := s.user("clara")
	hold := make(chan struct{})
	s.encoder.Hold = hold
	b := openBrowser(t)
	b.width(px)
	dir := t.ArtifactDir()
	look := func(name string) {
		t.Helper()
		b.fits()
		b.shoot(dir, name)
	}

	b.run(
		chromedp.Navigate(s.server.URL+"/"),
		chromedp.SendKeys(chromedp.CSS(`input[name="email"]`), u.Email),
		chromedp.SendKeys(chromedp.CSS(`input[name="password"]`), password+kb.Enter),
		chromedp.WaitVisible(chromedp.CSS("#upload.live")),
	)
	look("1-empty")

	// Nothing below reloads the page, or this would be gone.
	b.run(wait("(document.body.dataset.mark = 'same') && true"))
	song := filepath.Join(t.TempDir(), "Étude in E major.wav")
	if err := os.WriteFile(song, []byte("some sound"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.run(
		chromedp.SetUploadFiles(chromedp.CSS("#upload-files"), []string{song}),
		wait(`document.querySelector("#files .state")?.textContent.includes("Waiting for its turn")`),
		wait(`document.querySelectorAll("#uploads li").length === 0`),
	)
	look("2-waiting")

	silence := filepath.Join(t.TempDir(), "silence.wav")
	if err := os.WriteFile(silence, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b.run(
		chromedp.SetUploadFiles(chromedp.CSS("#upload-files"), []string{silence}),
		wait(`document.querySelector("#uploads .tone-bad")?.textContent.includes("silence.wav is empty.")`),
	)
	look("3-refused")
	b.run(chromedp.Click(chromedp.CSS("#uploads [data-cancel]")), wait(`document.querySelectorAll("#uploads li").length === 0`))

	ran := make(chan struct{})
	go func() {
		defer close(ran)
		s.runJobs()
	}()
	b.run(wait(`document.querySelector("#files .state")?.textContent.includes("Encoding") && document.querySelector("#files progress").value > 0.4`))
	look("4-encoding")
	close(hold)
	b.run(wait(`document.querySelectorAll("#files a.chip").length === 4`))
	<-ran

	s.tell(u, "1", "Your file Étude in E major.wav has been processed.")
	b.run(chromedp.WaitVisible(chromedp.CSS("#banners .message")))
	b.run(wait(`document.querySelector("[aria-live]").textContent.includes("has been processed")`))
	look("5-ready")
	b.run(
		chromedp.Click(chromedp.CSS("#banners .close")),
		wait(`!document.querySelector(".message") && !document.querySelector(".badge")`),
		wait(`document.activeElement.id === "main"`),
		wait(`document.body.dataset.mark === "same"`),
	)

	b.run(
		chromedp.Click(chromedp.CSS("#files h3 a")),
		chromedp.WaitVisible(chromedp.CSS("#file .card")),
	)
	if got := ask(b, chromedp.Evaluate[int](`document.querySelectorAll(".card a.button").length`)); got != 4 {
		t.Errorf("there are %d downloads, want 4", got)
	}
	look("6-file")
	b.run(chromedp.Navigate(s.server.URL+"/messages"), chromedp.WaitVisible(chromedp.CSS("#inbox .empty")))

	// Signed out elsewhere, the page leads to the sign-in by itself.
	b.run(wait(`fetch("/signout", {method: "POST"}) && true`), chromedp.WaitVisible(chromedp.CSS(`input[name="password"]`)))
	b.calm()
}

// wait waits until an expression of the page's is true.
func wait(expression string) chromedp.Action[chromedp.Void] {
	return chromedp.Poll[chromedp.Void](expression)
}
