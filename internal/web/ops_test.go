package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"etude/internal/account"
	"etude/internal/transcode"
)

// operator is an administrator who has signed in.
func (s *stage) operator() *visitor {
	s.t.Helper()
	u, err := s.accounts.CreateUser(s.t.Context(), "root@example.org", password, true)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.signedIn(u)
}

// uploaded returns a user with the jobs of n files.
func (s *stage) uploaded(name string, n int) (*account.User, []*transcode.Job) {
	s.t.Helper()
	u := s.user(name)
	v := s.signedIn(u)
	for range n {
		v.upload(aFile(name+".wav", "some sound"), aFormat("wav")).leads(http.StatusSeeOther, "/")
	}
	return u, s.ownJobs(u)
}

// TestOpsAreForAdministrators asks for every page and every form.
func TestOpsAreForAdministrators(t *testing.T) {
	s := newStage(t)
	v := s.signedIn(s.user("clara"))
	for pattern := range s.site.opsRoutes() {
		method, path, _ := strings.Cut(pattern, " ")
		path = strings.NewReplacer("{id}", "1", "{name}", "x").Replace(path)
		v.do(v.request(method, path, nil)).shows(http.StatusNotFound)
		a := s.visitor().do(v.request(method, path, nil))
		if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/signin") {
			t.Errorf("%s: a stranger got %d to %q, want the sign-in", pattern, a.StatusCode, a.Header.Get("Location"))
		}
	}
	v.get("/").shows(http.StatusOK).count("a[href=/ops]", 0)
	s.operator().get("/").shows(http.StatusOK).count("a[href=/ops]", 1)
}

func TestOpsOverviewAndPause(t *testing.T) {
	s := newStage(t)
	s.uploaded("clara", 3)
	v := s.operator()
	page := v.get("/ops").shows(http.StatusOK)
	page.has(".count", "3 Waiting oldest for")
	page.has(".file", "3 waiting")
	at := "/ops/pipelines/" + string(s.pipeline.ID)
	v.post(at+"/pause", nil).leads(http.StatusSeeOther, "/ops")
	page = v.get("/ops").shows(http.StatusOK)
	page.has("[role=status]", "Pipeline site is paused")
	page.has(".state", "Paused")
	if p, err := s.jobs.ReadPipeline(t.Context(), s.pipeline.ID); err != nil || p.Status != transcode.PipelinePaused {
		t.Errorf("pipeline is %v, %v", p.Status, err)
	}
	v.get("/ops").shows(http.StatusOK).count("[role=status].notice", 0) // it is said once
	v.post(at+"/resume", url.Values{"from": {"/ops?x=1"}}).leads(http.StatusSeeOther, "/ops?x=1")
	v.post(at+"/pause", url.Values{"from": {"https://example.com/ops"}}).leads(http.StatusSeeOther, "/ops")
	v.post("/ops/pipelines/none/pause", nil).shows(http.StatusNotFound)
}

func TestOpsJobs(t *testing.T) {
	s := newStage(t)
	_, jobs := s.uploaded("clara", 2)
	s.uploaded("robert", 1)
	v := s.operator()
	v.get("/ops/jobs").shows(http.StatusOK).count("#ops .file", 3)
	v.get("/ops/jobs?owner=CLARA@example.org").shows(http.StatusOK).count("#ops .file", 2)
	v.get("/ops/jobs?owner=nobody@example.org").shows(http.StatusOK).has("#ops .empty", "No job is like that.")
	v.get("/ops/jobs?status=Complete").shows(http.StatusOK).count("#ops .file", 0)
	v.get("/ops/jobs?status=Submitted&pipeline="+string(s.pipeline.ID)).shows(http.StatusOK).count("#ops .file", 3)
	v.get("/ops/jobs?status=%00%ff&before=x&pipeline='").shows(http.StatusOK).count("#ops .file", 0)

	at := opsJobURL(jobs[0].ID)
	v.get(at).shows(http.StatusOK).count("form[action="+at+"/cancel]", 1)
	v.post(at+"/cancel", nil).leads(http.StatusSeeOther, at)
	page := v.get(at).shows(http.StatusOK)
	page.has("[role=status]", "The job is canceled.")
	page.count("form[action="+at+"/cancel]", 0)
	s.runJobs()
	page = v.get(opsJobURL(jobs[1].ID)).shows(http.StatusOK)
	page.has(".file", "Attempt 1 on test")
	page.has(".state", "Finished")
	v.post(opsJobURL(jobs[1].ID)+"/cancel", nil).leads(http.StatusSeeOther, opsJobURL(jobs[1].ID))
	v.get("/ops/jobs/nothing").shows(http.StatusNotFound)
	v.get(opsJobURL(jobID(1))).shows(http.StatusNotFound)
}

func TestOpsPagesLeadOn(t *testing.T) {
	s := newStage(t)
	s.uploaded("clara", opsRows+1)
	v := s.operator()
	page := v.get("/ops/jobs?status=Submitted").shows(http.StatusOK)
	page.count("#ops .file", opsRows)
	next := page.value(".pager a[rel=next]", "href")
	if !strings.Contains(next, "status=Submitted") {
		t.Errorf("the next page is %q, which forgets the filter", next)
	}
	page = v.get(next).shows(http.StatusOK)
	page.count("#ops .file", 1)
	page.count(".pager a[href=/ops/jobs?status=Submitted]", 1)
}

// TestOpsPageIsLive waits for a stream to send what a form has changed.
func TestOpsPageIsLive(t *testing.T) {
	s := newStage(t)
	v := s.operator()
	l := v.listen(place{view: "ops", ops: "/ops"})
	l.until("ops", "Active")
	v.post("/ops/pipelines/"+string(s.pipeline.ID)+"/pause", nil)
	l.until("ops", "Paused")

	clara := s.user("clara")
	other := s.signedIn(clara).listen(place{view: "ops", ops: "/ops"})
	s.tell(clara, "1", "A word.")
	for e := range other.events {
		if e.name == "ops" {
			t.Error("a user who is no administrator was sent an operators' page")
		}
		if e.name == "announce" || strings.Contains(e.data, "A word.") {
			break
		}
	}
}
