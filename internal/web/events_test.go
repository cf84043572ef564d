package web

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/transcode"
)

// listener is an open event stream.
type listener struct {
	t      testing.TB
	events chan event
	close  func()
}

type event struct{ name, data string }

// listen opens an event stream, which is closed when the test ends.
func (v *visitor) listen(at place) *listener {
	v.t.Helper()
	res, err := v.http.Do(v.request(http.MethodGet, at.events(), nil))
	if err != nil {
		v.t.Fatal(err)
	}
	if got := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || !strings.HasPrefix(got, "text/event-stream") {
		res.Body.Close()
		v.t.Fatalf("the stream got %d, %q", res.StatusCode, got)
	}
	l := &listener{t: v.t, events: make(chan event, 100)}
	read := make(chan struct{})
	l.close = func() {
		res.Body.Close()
		<-read
	}
	go func() {
		defer close(read)
		defer close(l.events)
		l.read(bufio.NewScanner(res.Body))
	}()
	v.t.Cleanup(l.close)
	return l
}

func (l *listener) read(lines *bufio.Scanner) {
	lines.Buffer(nil, 1<<20)
	var e event
	var data []string
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			e.name = value
		case "data":
			data = append(data, value)
		case "":
			if e.name != "" {
				e.data = strings.Join(data, "\n")
				l.events <- e
			}
			e, data = event{}, nil
		}
	}
}

// next returns the next event of a name; others are passed over.
func (l *listener) next(name string) *document {
	l.t.Helper()
	for e := range l.events {
		if e.name == name {
			return parse(l.t, e.data)
		}
	}
	l.t.Fatalf("the stream ended before %q", name)
	return nil
}

// until returns the first event of a name with the words in it.
func (l *listener) until(name, words string) *document {
	l.t.Helper()
	for {
		if d := l.next(name); strings.Contains(text(d.root), words) {
			return d
		}
	}
}

// ends waits for the stream's end and returns the names of the last events.
func (l *listener) ends() (names []string) {
	for e := range l.events {
		names = append(names, e.name)
	}
	return names
}

func TestStreamSaysWhatIsAndWhatChanges(t *testing.T) {
	s := newStage(t)
	u, other := s.user("clara"), s.user("robert")
	s.tell(u, "1", "First.")
	v := s.signedIn(u)
	l := v.listen(place{view: "library"})
	l.next("badge").has(".badge", "1")
	l.next("banners").has(".message", "First.")
	l.next("library").has(".empty", "Your first recording")

	v.upload(aFormat("wav"), aFile("a.wav", "x")).leads(http.StatusSeeOther, "/")
	l.next("library").has(".state", "Waiting")
	row := "job-" + string(s.ownJobs(u)[0].ID)

	hold := make(chan struct{})
	s.encoder.Hold = hold
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		s.runJobs()
	}()
	l.until(row, "Encoding").count("progress", 1)
	close(hold)
	l.until(row, "Ready").count("a.chip", 1)
	<-ran

	s.tell(other, "2", "Not hers.")
	s.tell(u, "2", "Second.")
	if got := text(l.next("announce").root); got != "Second." {
		t.Errorf("announced %q, want only what is new", got)
	}
	l.next("badge").has(".badge", "2")
	l.next("banners").count(".message", 2)
}

func TestStreamOfAFile(t *testing.T) {
	s := newStage(t)
	u := s.user("clara")
	v := s.signedIn(u)
	v.upload(aFormat("wav"), aFormat("mp3"), aFile("a.wav", "x"))
	l := v.listen(place{view: "file", job: s.ownJobs(u)[0].ID})
	l.next("file")
	l.next("player").count(".player", 0)
	l.next("results").count(".card", 2)
	hold := make(chan struct{})
	s.encoder.Hold = hold
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		s.runJobs()
	}()
	page := l.until("results", "encoding")
	page.has("#output-1", "encoding")
	page.has("#output-1 .card-time", "41 % about 7 s left") // of all, fetching takes a little
	page.has("#output-2", "looking into it")
	page.has("#output-2 .card-time", "2 %")
	page.count("progress", 2)
	close(hold)
	l.until("file", "Ready")
	l.next("player").count(".player audio", 1)
	l.next("results").count(".card a", 2)
	<-ran

	theirs := s.signedIn(s.user("robert")).listen(place{view: "file", job: s.ownJobs(u)[0].ID})
	theirs.next("badge")
	s.site.Close()
	if diff := cmp.Diff([]string{"banners"}, theirs.ends()); diff != "" {
		t.Errorf("another user's stream (-want +got):\n%s", diff)
	}
}

// A busy encoder must not make a busy page.
func TestStreamIsNotFlooded(t *testing.T) {
	s := newStage(t)
	u := s.user("clara")
	v := s.signedIn(u)
	v.upload(aFormat("wav"), aFile("a.wav", "x"))
	l := v.listen(place{view: "library"})
	l.next("library")
	s.steps = 10_000
	began := time.Now()
	s.runJobs()
	sent := 0
	for !strings.Contains(text(l.next("job-"+string(s.ownJobs(u)[0].ID)).root), "Ready") {
		sent++
	}
	if most := 2 + int(time.Since(began)/updatePause); sent > most {
		t.Errorf("%d updates were sent before the last, want %d at the most", sent, most)
	}
}

func TestStreamOfOlderFiles(t *testing.T) {
	s := newStage(t)
	u := s.user("clara")
	v := s.signedIn(u)
	v.upload(aFormat("wav"), aFile("a.wav", "x"))
	v.upload(aFormat("wav"), aFile("b.wav", "x"))
	newer, older := s.ownJobs(u)[0].ID, s.ownJobs(u)[1].ID
	l := v.listen(place{view: "library", before: newer})
	d := l.next("library")
	d.count(".file", 1)
	d.count("#job-"+string(older), 1)
	s.runJobs()
	l.until("job-"+string(older), "Ready")
}

func TestSignOutEndsTheSessionsStreams(t *testing.T) {
	s := newStage(t)
	u := s.user("clara")
	here, elsewhere := s.signedIn(u), s.signedIn(u)
	one, two := here.listen(place{}), elsewhere.listen(place{})
	one.next("banners")
	two.next("banners")
	here.post("/signout", nil).leads(http.StatusSeeOther, "/signin")
	if diff := cmp.Diff([]string{"end"}, one.ends()); diff != "" {
		t.Errorf("after signing out (-want +got):\n%s", diff)
	}
	s.tell(u, "1", "Still here.")
	two.until("banners", "Still here.")
}

// A session may be ended by another process, of which this one hears nothing.
func TestSessionEndedElsewhereEndsItsStreams(t *testing.T) {
	s := newStage(t)
	s.site.beat = time.Millisecond
	v := s.signedIn(s.user("clara"))
	l := v.listen(place{})
	l.next("banners")
	base, err := url.Parse(v.base)
	if err != nil {
		t.Fatal(err)
	}
	token := v.http.Jar.Cookies(base)[0].Value
	sum := sha256.Sum256([]byte(token))
	if err := s.site.cfg.Sessions.Delete(base64.RawURLEncoding.EncodeToString(sum[:])); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"end"}, l.ends()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestStreamWithoutSessionEndsAtOnce(t *testing.T) {
	s := newStage(t)
	if diff := cmp.Diff([]string{"end"}, s.visitor().listen(place{}).ends()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestCloseEndsStreams(t *testing.T) {
	s := newStage(t)
	v := s.signedIn(s.user("clara"))
	l := v.listen(place{view: "messages"})
	l.next("inbox").has(".empty", "All read.")
	s.site.Close()
	s.site.Close()
	if got := l.ends(); len(got) > 0 {
		t.Errorf("a server that stops sends %q; the page would not come back", got)
	}
	v.get("/events").shows(http.StatusServiceUnavailable)
}

func TestEventFormat(t *testing.T) {
	w := &recorder{}
	out := &eventWriter{w: w, control: http.NewResponseController(w)}
	out.send("x", "a\r\nevent: y\rdata: z\n\nb")
	want := "event: x\ndata: a\ndata: event: y\ndata: data: z\ndata: \ndata: b\n\n"
	if diff := cmp.Diff(want, w.text.String()); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

type recorder struct{ text strings.Builder }

func (r *recorder) Header() http.Header         { return http.Header{} }
func (r *recorder) WriteHeader(int)             {}
func (r *recorder) Write(p []byte) (int, error) { return r.text.Write(p) }
func (r *recorder) FlushError() error           { return nil }

func TestPlaceIsReadAsItIsWritten(t *testing.T) {
	for _, p := range []place{
		{}, {view: "library"}, {view: "library", before: jobID(1)}, {view: "file", job: jobID(2)}, {view: "messages"},
	} {
		req, err := http.NewRequest(http.MethodGet, p.events(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := placeOf(req.URL.Query()); got != p {
			t.Errorf("%s is read as %+v, want %+v", p.events(), got, p)
		}
	}
	bad := placeOf(map[string][]string{"job": {"../x"}, "before": {"'; --"}})
	if bad.job != transcode.JobID("") || bad.before != "" {
		t.Errorf("ids that are none are read as %+v", bad)
	}
}
