package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"etude/internal/transcode"
)

func TestSignInAndOut(t *testing.T) {
	s := newStage(t)
	u := s.user("clara")
	v := s.visitor()

	v.get("/").leads(http.StatusSeeOther, "/signin")
	v.get("/messages").leads(http.StatusSeeOther, "/signin?next=%2Fmessages")
	v.get("/signin?next=/messages").shows(http.StatusOK).count("input[name=next][value=/messages]", 1)

	a := v.post("/signin", url.Values{"email": {u.Email}, "password": {"wrong password"}, "next": {"/messages"}})
	d := a.shows(http.StatusUnauthorized)
	d.has(".notice[role=alert]", "E-mail address and password do not match.")
	d.count("input[name=email][value="+u.Email+"]", 1)
	if a.Header.Get("Set-Cookie") != "" {
		t.Errorf("a failed sign-in sets the cookie %q", a.Header.Get("Set-Cookie"))
	}

	a = v.post("/signin", url.Values{"email": {u.Email}, "password": {password}, "next": {"/messages"}})
	a.leads(http.StatusSeeOther, "/messages")
	cookie := a.Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Secure {
		t.Errorf("cookie is %q, want HttpOnly, SameSite=Lax and, over plain HTTP, not Secure", cookie)
	}
	d = v.get("/").shows(http.StatusOK)
	d.has(".who-mail", u.Email)
	v.get("/signin").leads(http.StatusSeeOther, "/")

	again := v.post("/signin", url.Values{"email": {u.Email}, "password": {password}})
	if next := again.Cookies()[0]; next.Value == cookie.Value {
		t.Error("the session's token is the same after another sign-in")
	}
	v.post("/signout", nil).leads(http.StatusSeeOther, "/signin")
	v.get("/").leads(http.StatusSeeOther, "/signin")
}

func TestSignInIsLimited(t *testing.T) {
	s := newStage(t)
	u := s.user("clara")
	v := s.visitor()
	wrong := url.Values{"email": {u.Email}, "password": {"wrong password"}}
	for range 10 {
		v.post("/signin", wrong).shows(http.StatusUnauthorized)
	}
	d := v.post("/signin", url.Values{"email": {u.Email}, "password": {password}}).shows(http.StatusTooManyRequests)
	d.has(".notice", "Wait a few minutes")
}

func TestCookieIsSecureOverTLS(t *testing.T) {
	s := newStage(t)
	u := s.user("clara")
	v := s.visitor()
	req := v.request(http.MethodPost, "/signin", strings.NewReader(url.Values{"email": {u.Email}, "password": {password}}.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Forwarded-Proto", "https")
	if cookie := v.do(req).Cookies()[0]; !cookie.Secure {
		t.Errorf("cookie is %q, want it Secure", cookie)
	}
}

func TestLocalPath(t *testing.T) {
	for path, want := range map[string]string{
		"": "/", "/": "/", "/files/1?x=y": "/files/1?x=y", "files": "/", "//evil.example": "/", `/\evil.example`: "/",
		"https://evil.example/": "/", "/\n/evil.example": "/", "javascript:alert(1)": "/", "/%2f%2fevil.example": "/%2f%2fevil.example",
	} {
		if got := localPath(path); got != want {
			t.Errorf("localPath(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	s := newStage(t)
	v := s.signedIn(s.user("clara"))
	for _, path := range []string{"/", "/messages", "/nothing", "/healthz", s.site.assets.urls.Icon} {
		h := v.get(path).Header
		if !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "" {
			t.Errorf("%s: headers are %v", path, h)
		}
	}
}

func TestOtherOriginIsRefused(t *testing.T) {
	s := newStage(t)
	u := s.user("clara")
	v := s.signedIn(u)
	s.tell(u, "1", "Hello.")
	for _, path := range []string{"/upload", "/signout", "/messages/1/dismiss", "/signin"} {
		req := v.request(http.MethodPost, path, strings.NewReader("x=y"))
		req.Header.Set("Origin", "https://evil.example")
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		v.do(req).shows(http.StatusForbidden).has("main", "came from another site")
	}
	v.get("/").shows(http.StatusOK).count("#banners .message", 1)
}

func TestErrorPages(t *testing.T) {
	s := newStage(t)
	v := s.signedIn(s.user("clara"))
	v.get("/nothing/here").shows(http.StatusNotFound).has("h1", "Not found")
	v.get("/files/not-an-id").shows(http.StatusNotFound)
	v.get("/files/" + string(jobID(1))).shows(http.StatusNotFound)
	a := v.do(v.request(http.MethodPut, "/messages", nil))
	a.shows(http.StatusMethodNotAllowed).has("h1", "Not possible here")
	if got := a.Header.Get("Allow"); !strings.Contains(got, "GET") {
		t.Errorf("Allow is %q, want GET in it", got)
	}
	if a := v.do(v.request(http.MethodHead, "/", nil)); a.StatusCode != http.StatusOK || a.body != "" {
		t.Errorf("HEAD / got %d and %d bytes, want 200 and none", a.StatusCode, len(a.body))
	}
}

func TestPanicIsAnErrorPage(t *testing.T) {
	s := newStage(t)
	s.site.mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("a test's") })
	s.visitor().get("/panic").shows(http.StatusInternalServerError).has("h1", "Something went wrong")
	if got := s.log.String(); !strings.Contains(got, "request panicked") || !strings.Contains(got, "a test's") {
		t.Errorf("log is %q, want the panic in it", got)
	}
}

func TestReadiness(t *testing.T) {
	s := newStage(t)
	v := s.visitor()
	v.get("/healthz").shows(http.StatusOK)
	v.get("/readyz").shows(http.StatusOK)
	s.site.cfg.Ready = func(context.Context) error { return errors.New("the disk is full of secrets") }
	a := v.get("/readyz")
	a.shows(http.StatusServiceUnavailable)
	if strings.Contains(a.body, "secrets") {
		t.Errorf("everybody is told %q", a.body)
	}
}

func TestAssets(t *testing.T) {
	s := newStage(t)
	v := s.visitor()
	a := v.get(s.site.assets.urls.Style)
	a.shows(http.StatusOK)
	if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/css") || !strings.Contains(a.body, "--paper") {
		t.Errorf("the styles come as %q", a.Header.Get("Content-Type"))
	}
	req := v.request(http.MethodGet, s.site.assets.urls.Style, nil)
	req.Header.Set("If-None-Match", a.Header.Get("ETag"))
	v.do(req).shows(http.StatusNotModified)
	v.get("/assets/manifest.json").shows(http.StatusNotFound)
	v.get("/assets/..%2f..%2fsite.go").shows(http.StatusNotFound)
}

func TestLoadAssets(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	built := fstest.MapFS{
		"manifest.json": file(`{"site.js": "site-A.js", "site.css": "site-B.css"}`),
		"site-A.js":     file("a"), "site-B.css": file("b"), ".keep": file(""),
	}
	a, err := loadAssets(built)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(links{Style: "/assets/site-B.css", Script: "/assets/site-A.js", Icon: a.urls.Icon}, a.urls); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
	if !a.files["site-A.js"].forever {
		t.Error("site-A.js is not kept by browsers")
	}

	bare, err := loadAssets(fstest.MapFS{".keep": file("")})
	if err != nil {
		t.Fatal(err)
	}
	if bare.urls.Script != "" || bare.urls.Style != "/assets/site.css" || bare.files["site.css"].forever {
		t.Errorf("without a build the links are %+v, want the plain styles and no script", bare.urls)
	}

	delete(built, "site-A.js")
	if _, err := loadAssets(built); err == nil || !strings.Contains(err.Error(), "make assets") {
		t.Errorf("a manifest that leads nowhere: got error %v, want one that names the remedy", err)
	}
}

func TestNewRefusesWhatIsMissing(t *testing.T) {
	_, err := New(Config{})
	if err == nil {
		t.Fatal("an empty configuration is taken")
	}
	for _, name := range []string{"Jobs", "Inbox", "Accounts", "Objects", "Sessions", "Pipeline", "Bucket", "MaxUpload", "EdgePort"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("error %q does not name %s", err, name)
		}
	}
}

func TestUpload(t *testing.T) {
	s := newStage(t)
	u := s.user("clara")
	v := s.signedIn(u)
	v.upload(aFile("Étude in E.wav", "some sound"), aFormat("flac"), aFormat("wav"), aFormat("wav")).leads(http.StatusSeeOther, "/")

	jobs := s.ownJobs(u)
	if len(jobs) != 1 {
		t.Fatalf("there are %d jobs, want 1", len(jobs))
	}
	job := jobs[0]
	if key := job.Inputs[0].Key; !strings.HasPrefix(key, "media/") || !strings.HasSuffix(key, "/Étude in E.wav") {
		t.Errorf("the input's key is %q", key)
	}
	var outputs []string
	for _, o := range job.Outputs {
		outputs = append(outputs, o.Key+" "+string(o.PresetID))
	}
	if diff := cmp.Diff([]string{"Étude in E.wav 1351620000001-300300", "Étude in E.flac 1351620000001-300110"}, outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(job.OutputKeyPrefix, "transcoded/") || !strings.HasSuffix(job.OutputKeyPrefix, "/") {
		t.Errorf("the outputs' prefix is %q", job.OutputKeyPrefix)
	}
	d := v.get("/").shows(http.StatusOK)
	d.has("#files h3", "Étude in E.wav")
	d.has("#files .state", "Waiting for its turn")

	s.runJobs()
	d = v.get("/").shows(http.StatusOK)
	d.has("#files .state", "Ready")
	d = v.get(fileURL(job.ID)).shows(http.StatusOK)
	d.count(".card", 2)
	a := v.get(d.value("a#get-2", "href"))
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("the download got %d, want 303", a.StatusCode)
	}
	a = v.follow(a)
	if want := "output 2 of preset 1351620000001-300110\n"; a.body != want {
		t.Errorf("the download has %q, want %q", a.body, want)
	}
	if got := a.Header.Get("Content-Disposition"); !strings.Contains(got, "attachment") || !strings.Contains(got, "%C3%89tude%20in%20E.flac") {
		t.Errorf("the download is saved as %q", got)
	}
	if a := v.follow(v.get(d.value("a#get-original", "href"))); a.body != "some sound" {
		t.Errorf("the original has %q, want %q", a.body, "some sound")
	}

	ref := transcode.ObjectRef{Bucket: s.pipeline.InputBucket, Key: job.Inputs[0].Key}
	if err := s.objects.Delete(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	v.get(fileURL(job.ID)+"/original/download").shows(http.StatusGone).has("main", "removed from the store")
}

// follow goes where an answer leads, on whatever host.
func (v *visitor) follow(a *answer) *answer {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, a.Header.Get("Location"), nil)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.do(req)
}

func TestUploadOfManyFiles(t *testing.T) {
	s := newStage(t)
	u := s.user("clara")
	v := s.signedIn(u)
	v.upload(aFormat("mp3"), aFile("a.wav", "a"), aFile("b.wav", "b"), aFile("", "")).leads(http.StatusSeeOther, "/")
	if got := len(s.ownJobs(u)); got != 2 {
		t.Errorf("there are %d jobs, want 2", got)
	}
}

func TestUploadByScript(t *testing.T) {
	s := newStage(t)
	u := s.user("clara")
	v := s.signedIn(u)
	send := func(fields ...field) *answer {
		body, mediaType := form(t, fields...)
		req := v.request(http.MethodPost, "/upload", body)
		req.Header.Set("Content-Type", mediaType)
		req.Header.Set("Accept", "text/plain")
		return v.do(req)
	}
	a := send(aFormat("wav"), aFile("a.wav", "a"))
	a.shows(http.StatusCreated)
	if got, want := a.Header.Get("Location"), fileURL(s.ownJobs(u)[0].ID); got != want {
		t.Errorf("Location is %q, want %q", got, want)
	}
	a = send(aFormat("wav"), aFile("a.wav", ""))
	a.shows(http.StatusUnprocessableEntity)
	if want := "a.wav is empty. Check the file on your computer and upload it again.\n"; a.body != want {
		t.Errorf("got %q, want %q", a.body, want)
	}
	v.post("/signout", nil)
	send(aFormat("wav"), aFile("a.wav", "a")).shows(http.StatusUnauthorized)
}

func TestBadUploads(t *testing.T) {
	tests := []struct {
		name   string
		fields []field
		status int
		words  string
	}{
		{"no file chosen", []field{aFormat("wav"), aFile("", "")}, 422, "No file was chosen."},
		{"no file field", []field{aFormat("wav")}, 422, "No file was chosen."},
		{"empty file", []field{aFormat("wav"), aFile("silence.wav", "")}, 422, "silence.wav is empty."},
		{"a good file and an empty one", []field{aFormat("wav"), aFile("good.wav", "x"), aFile("silence.wav", "")}, 422, "silence.wav is empty."},
		{"no format", []field{aFile("a.wav", "x")}, 422, "No format was chosen."},
		{"unknown format", []field{aFile("a.wav", "x"), aFormat("ogg")}, 422, `There is no format "ogg".`},
		{"too large", []field{aFormat("wav"), aFile("a.wav", strings.Repeat("x", maxUpload+1))}, 413, "larger than 4 MiB"},
		{"too large together", []field{aFormat("wav"), aFile("a.wav", strings.Repeat("x", maxUpload)), aFile("b.wav", "x")}, 413, "larger than 4 MiB"},
		{"far too large", []field{aFormat("wav"), aFile("a.wav", strings.Repeat("x", maxUpload+formRoom+1))}, 413, "larger than 4 MiB"},
	}
	s := newStage(t)
	u := s.user("clara")
	v := s.signedIn(u)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v.upload(tt.fields...).shows(tt.status).has(".notice[role=alert]", tt.words)
			body, mediaType := form(t, tt.fields...)
			req := v.request(http.MethodPost, "/upload", struct{ io.Reader }{body}) // of unknown length
			req.Header.Set("Content-Type", mediaType)
			v.do(req).shows(tt.status).has(".notice[role=alert]", tt.words)
		})
	}
	for _, tail := range []int{4, 70} { // in the form's last boundary, in its last field
		body, mediaType := form(t, aFile("a.wav", "x"), aFormat("wav"))
		req := v.request(http.MethodPost, "/upload", bytes.NewReader(body.Bytes()[:body.Len()-tail]))
		req.Header.Set("Content-Type", mediaType)
		v.do(req).shows(http.StatusBadRequest).has(".notice", "The upload broke off")
	}
	v.post("/upload", url.Values{"format": {"wav"}}).shows(http.StatusBadRequest).has(".notice", "This is not an upload.")
	if got := s.stored(); len(got) > 0 {
		t.Errorf("refused uploads left %q", got)
	}
	if got := len(s.ownJobs(u)); got != 0 {
		t.Errorf("refused uploads made %d jobs", got)
	}
}

func TestAbortedUploadLeavesNothing(t *testing.T) {
	s := newStage(t)
	u := s.user("clara")
	v := s.signedIn(u)
	body, mediaType := form(t, aFormat("wav"), aFile("first.wav", "whole"), aFile("a.wav", strings.Repeat("x", 1<<20)))
	ctx, abort := context.WithCancel(t.Context())
	half := bytes.NewReader(body.Bytes()[:body.Len()/2])
	ended := make(chan struct{})
	s.site.handler = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/upload" {
				defer close(ended)
			}
			next.ServeHTTP(w, r)
		})
	}(s.site.handler)
	req := v.request(http.MethodPost, "/upload", io.MultiReader(half, readerFunc(func([]byte) (int, error) {
		abort()
		return 0, io.ErrUnexpectedEOF
	}))).WithContext(ctx)
	req.Header.Set("Content-Type", mediaType)
	if res, err := v.http.Do(req); err == nil {
		res.Body.Close()
		t.Fatalf("an aborted upload got %d", res.StatusCode)
	}
	<-ended
	if got := s.stored(); len(got) > 0 {
		t.Errorf("an aborted upload left %q", got)
	}
	if got := len(s.ownJobs(u)); got != 0 {
		t.Errorf("an aborted upload made %d jobs", got)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestUploadThatMakesNoJobIsRemoved(t *testing.T) {
	s := newStage(t)
	v := s.signedIn(s.user("clara"))
	s.site.cfg.Pipeline = "1111111111111-nosuch"
	v.upload(aFormat("wav"), aFile("a.wav", "x"), aFile("b.wav", "x")).shows(http.StatusUnprocessableEntity).has(".notice", "a.wav could not be taken")
	if got := s.stored(); len(got) > 0 {
		t.Errorf("files without a job stay: %q", got)
	}
}

func TestOnlyTheOwnerSeesAFile(t *testing.T) {
	s := newStage(t)
	clara, robert := s.user("clara"), s.user("robert")
	s.signedIn(clara).upload(aFormat("wav"), aFile("secret.wav", "x")).leads(http.StatusSeeOther, "/")
	s.runJobs()
	path := fileURL(s.ownJobs(clara)[0].ID)
	other := s.signedIn(robert)
	for _, p := range []string{path, path + "/original/download", path + "/outputs/1/download"} {
		if a := other.get(p); a.StatusCode != http.StatusNotFound || strings.Contains(a.body, "secret") {
			t.Errorf("%s: another user got %d", p, a.StatusCode)
		}
		s.visitor().get(p).leads(http.StatusSeeOther, "/signin?next="+url.QueryEscape(p))
	}
	other.get("/").shows(http.StatusOK).count(".file a", 0)
	s.signedIn(clara).get(path + "/outputs/2/download").shows(http.StatusNotFound)
}

// TestFailedFile tells a user what is wrong and what to do, and the operator what
// the encoder said of it, whether all of a job has failed or one output.
func TestFailedFile(t *testing.T) {
	const words = "[wav @ 0x5581] file:/scratch/1/input1: invalid start code"
	failure := &transcode.Failure{Code: 4000, Detail: "not media", Reason: "This is not sound.", Remedy: "Try another file.", Log: words}
	for name, fail := range map[string]func(*stage){
		"all": func(s *stage) { s.encoder.Fail = func(transcode.Encoding) error { return failure } },
		"one output": func(s *stage) {
			s.encoder.FailOutput = func(r transcode.Rendition) *transcode.Failure {
				if r.Name == "1" {
					return failure
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			u := s.user("clara")
			v := s.signedIn(u)
			v.upload(aFormat("wav"), aFormat("mp3"), aFile("noise.wav", "x"))
			fail(s)
			s.runJobs()
			id := s.ownJobs(u)[0].ID
			d := v.get(fileURL(id)).shows(http.StatusOK)
			d.has("#file", "This is not sound.")
			d.has("#file", "Try another file.")
			d.has("#output-1 .detail", "not media")

			l := v.listen(place{view: "file", job: id})
			l.next("file")
			l.next("player")
			pages := []string{text(l.next("results").root)}
			for _, path := range []string{fileURL(id), "/", "/messages"} {
				pages = append(pages, v.get(path).body)
			}
			for _, page := range pages {
				if strings.Contains(page, "0x5581") || strings.Contains(page, "start code") {
					t.Errorf("a user is shown the log: %s", page)
				}
			}
			d = s.operator().get(opsJobURL(id)).shows(http.StatusOK)
			d.has(".log", words)
			d.has("#ops", "This is not sound. Try another file.")
			v.get(opsJobURL(id)).shows(http.StatusNotFound)
		})
	}
}

func TestLibraryPages(t *testing.T) {
	s := newStage(t)
	u := s.user("clara")
	v := s.signedIn(u)
	for range 3 {
		fields := []field{aFormat("wav")}
		for range 10 {
			fields = append(fields, aFile("a.wav", "x"))
		}
		v.upload(fields...).leads(http.StatusSeeOther, "/")
	}
	d := v.get("/").shows(http.StatusOK)
	d.count("#files .file", rowsPerPage)
	d = v.get(d.value("a[rel=next]", "href")).shows(http.StatusOK)
	d.count("#files .file", 30-rowsPerPage)
	d.count("a[rel=next]", 0)
	d.has(".pager a", "Newest")
	v.get("/?before=nonsense").shows(http.StatusOK).count("#files .file", rowsPerPage)
}

func TestMessages(t *testing.T) {
	s := newStage(t)
	clara, robert := s.user("clara"), s.user("robert")
	s.tell(clara, "1", "First.")
	s.tell(clara, "2", "Second.")
	s.tell(robert, "1", "Not hers.")
	v, other := s.signedIn(clara), s.signedIn(robert)

	d := v.get("/").shows(http.StatusOK)
	d.count("#banners .message", 2)
	d.has(".badge", "2")
	d.has("#banners", "First.")
	if strings.Contains(text(d.root), "Not hers.") {
		t.Error("a message is shown to another user")
	}
	pending, err := s.box.Pending(t.Context(), string(clara.ID))
	if err != nil {
		t.Fatal(err)
	}
	dismiss := fmt.Sprintf("/messages/%d/dismiss", pending[0].ID)
	other.post(dismiss, nil).shows(http.StatusNotFound)
	v.post(dismiss, url.Values{"from": {"/messages"}}).leads(http.StatusSeeOther, "/messages")
	v.post(dismiss, url.Values{"from": {"https://evil.example/"}}).leads(http.StatusSeeOther, "/")
	v.get("/").shows(http.StatusOK).count("#banners .message", 1)

	s.tell(clara, "3", "Came while she read.")
	v.post("/messages/dismiss", url.Values{"last": {strconv.FormatInt(pending[0].ID, 10)}, "from": {"/messages"}}).leads(http.StatusSeeOther, "/messages")
	d = v.get("/messages").shows(http.StatusOK)
	d.count(".message", 1)
	d.has(".message", "Came while she read.")
	v.post("/messages/dismiss", nil).shows(http.StatusBadRequest)
	v.post("/messages/x/dismiss", nil).shows(http.StatusNotFound)
	other.get("/").shows(http.StatusOK).has("#banners", "Not hers.")
}

func TestDismissalByScript(t *testing.T) {
	s := newStage(t)
	u := s.user("clara")
	s.tell(u, "1", "First.")
	s.tell(u, "2", "Second.")
	v := s.signedIn(u)
	pending, err := s.box.Pending(t.Context(), string(u.ID))
	if err != nil {
		t.Fatal(err)
	}
	req := v.request(http.MethodPost, "/messages/"+strconv.FormatInt(pending[0].ID, 10)+"/dismiss", strings.NewReader("from=/"))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("HX-Request", "true")
	req.Header.Set("HX-Target", "banners")
	d := v.do(req).shows(http.StatusOK)
	d.has(".message", "First.")
	d.count(".message", 1)
	d.has("span#badge[hx-swap-oob]", "1")
	d.count("main", 0)
}

func TestEdge(t *testing.T) {
	for _, tt := range []struct{ host, url, want string }{
		{"localhost:8080", "", "http://localhost:4566"},
		{"media.example.org", "", "http://media.example.org:4566"},
		{"[::1]:8080", "", "http://[::1]:4566"},
		{"[::1]", "", "http://[::1]:4566"},
		{"localhost:8080", "https://s3.example.org", "https://s3.example.org"},
	} {
		s := &Site{cfg: Config{EdgeURL: tt.url, EdgePort: "4566"}}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = tt.host
		if got := s.edge(r); got != tt.want {
			t.Errorf("edge for %s is %q, want %q", tt.host, got, tt.want)
		}
	}
}

// A job of the API's may make what is no one file, and outlive its pipeline.
func TestSegmentsAndDeletedPipelines(t *testing.T) {
	s := newStage(t)
	u := s.user("clara")
	v := s.signedIn(u)
	v.upload(aFormat("wav"), aFile("a.wav", "x"))
	uploaded := s.ownJobs(u)[0]
	job, err := s.jobs.CreateJob(t.Context(), transcode.JobSpec{
		Pipeline: uploaded.Pipeline, Owner: string(u.ID), Inputs: uploaded.Inputs,
		Outputs: []transcode.OutputSpec{{Key: "live/a", PresetID: "1351620000001-200060", SegmentDuration: "10"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.runJobs()
	page := fileURL(job.ID)
	d := v.get(page).shows(http.StatusOK)
	d.has(".card", "in segments for players")
	d.count(".card a.button", 0)
	v.get(page + "/outputs/1/download").shows(http.StatusNotFound)

	page = fileURL(uploaded.ID)
	v.get(page).shows(http.StatusOK).count(".card a.button", 1)
	if err := s.jobs.DeletePipeline(t.Context(), uploaded.Pipeline); err != nil {
		t.Fatal(err)
	}
	v.get(page).shows(http.StatusOK)
	v.get(page+"/outputs/1/download").shows(http.StatusGone).has("main", "pipeline that made this file was deleted")
}
