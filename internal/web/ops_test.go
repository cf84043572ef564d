package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/account"
	"etude/internal/notify"
	"etude/internal/rule"
	"etude/internal/s3event"
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

func ruleFields(name string) url.Values {
	return url.Values{
		"name": {name}, "bucket": {"in"}, "prefix": {"media/"}, "suffixes": {".wav, .flac"}, "output-prefix": {"made/"}, "enabled": {"1"},
		"preset": {"1351620000001-300110", "", "1351620000001-300040"}, "key": {"{id}/{name}.{ext}", "", "{id}/{name}.{ext}"},
		"owner": {"clara@example.org"}, "max": {"100"}, "metadata": {"from=site\n\nkind = a=b \n"},
	}
}

func TestOpsRules(t *testing.T) {
	s := newStage(t)
	clara := s.user("clara")
	v := s.operator()
	v.get("/ops/rules").shows(http.StatusOK).has("#ops .empty", "No rules yet.")
	v.get("/ops/rules/new").shows(http.StatusOK).count("form[action=/ops/rules] input[name=name]", 1)

	form := ruleFields("audio")
	form.Set("bucket", s.pipeline.InputBucket)
	form.Set("pipeline", string(s.pipeline.ID))
	v.post("/ops/rules", form).leads(http.StatusSeeOther, "/ops/rules")
	got, err := s.rules.Rule(t.Context(), "audio")
	if err != nil {
		t.Fatal(err)
	}
	want := &rule.Rule{
		Name: "audio", Bucket: s.pipeline.InputBucket, Prefix: "media/", Suffixes: []string{".wav", ".flac"}, Pipeline: string(s.pipeline.ID),
		OutputKeyPrefix: "made/", Owner: string(clara.ID), MaxPerHour: 100, Enabled: true, CreateTime: got.CreateTime,
		Outputs:      []rule.Output{{PresetID: "1351620000001-300110", KeyPattern: "{id}/{name}.{ext}"}, {PresetID: "1351620000001-300040", KeyPattern: "{id}/{name}.{ext}"}},
		UserMetadata: map[string]string{"from": "site", "kind": "a=b"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rule (-want +got):\n%s", diff)
	}
	page := v.get("/ops/rules").shows(http.StatusOK)
	page.has("[role=status]", "Rule audio is saved.")
	page.has("#ops .file", "2 outputs in site")

	// What the page shows, saved again, changes nothing.
	page = v.get("/ops/rules/named/audio").shows(http.StatusOK)
	v.post("/ops/rules/named/audio", page.fields("form[action=/ops/rules/named/audio]")).leads(http.StatusSeeOther, "/ops/rules")
	again, err := s.rules.Rule(t.Context(), "audio")
	if diff := cmp.Diff(want, again); diff != "" || err != nil {
		t.Errorf("rule after the form was saved as it was, %v (-want +got):\n%s", err, diff)
	}

	v.post("/ops/rules/named/audio/disable", nil).leads(http.StatusSeeOther, "/ops/rules")
	v.get("/ops/rules").shows(http.StatusOK).count("form[action=/ops/rules/named/audio/enable]", 1)
	v.post("/ops/rules/named/audio/enable", nil).leads(http.StatusSeeOther, "/ops/rules")
	v.post("/ops/rules/named/audio/delete", nil).leads(http.StatusSeeOther, "/ops/rules")
	for _, path := range []string{"enable", "disable", "delete"} {
		v.post("/ops/rules/named/audio/"+path, nil).shows(http.StatusNotFound)
	}
	v.get("/ops/rules/named/audio").shows(http.StatusNotFound)
}

func TestBadRuleForms(t *testing.T) {
	s := newStage(t)
	s.user("clara")
	v := s.operator()
	for name, tt := range map[string]struct {
		field, value, want string
	}{
		"no name":        {"name", "", "Name"},
		"hostile name":   {"name", `"><script>`, "must have 1 to 64 letters"},
		"no number":      {"max", "many", "write a number"},
		"no pair":        {"metadata", "x", "name=value"},
		"nobody":         {"owner", "nobody@example.org", "there is no account"},
		"a circle":       {"output-prefix", "media/", "media/"},
		"no preset":      {"preset", "", "preset"},
		"bad pattern":    {"key", "{nothing}", "{nothing}"},
		"wrong bucket":   {"bucket", "elsewhere", "elsewhere"},
		"no pipeline":    {"pipeline", "nothing", "nothing"},
		"unknown preset": {"preset", "1351620000001-999999", "999999"},
	} {
		form := ruleFields("audio")
		form.Set("bucket", s.pipeline.InputBucket)
		form.Set("pipeline", string(s.pipeline.ID))
		form.Set(tt.field, tt.value)
		a := v.post("/ops/rules", form)
		d := a.shows(http.StatusUnprocessableEntity)
		d.count("[role=alert]", 1)
		if got := text(d.all("[role=alert]")[0]); !strings.Contains(strings.ToLower(got), strings.ToLower(tt.want)) {
			t.Errorf("%s: told %q, want %q in it", name, got, tt.want)
		}
		d.count("main script", 0)
		if tt.field != "prefix" {
			d.count("input[name=prefix][value=media/]", 1) // what was filled in is still there
		}
	}
	if rules, err := s.rules.Rules(t.Context()); err != nil || len(rules) > 0 {
		t.Errorf("rules were made: %v, %v", rules, err)
	}
}

func TestOpsTryRules(t *testing.T) {
	s := newStage(t)
	s.user("clara")
	v := s.operator()
	form := ruleFields("audio")
	form.Set("bucket", s.pipeline.InputBucket)
	form.Set("pipeline", string(s.pipeline.ID))
	v.post("/ops/rules", form).leads(http.StatusSeeOther, "/ops/rules")

	try := func(do, name, event string) *answer {
		t.Helper()
		return v.post("/ops/rules/test", url.Values{"do": {do}, "name": {name}, "event": {event}})
	}
	page := v.get("/ops/rules/test").shows(http.StatusOK)
	event := text(page.all("textarea[name=event]")[0])
	page = try("try", "", event).shows(http.StatusOK)
	page.has(".file", "Rule audio")
	page.has("pre", "media/My song.wav to made/")
	if jobs, _, err := s.jobs.ListJobs(t.Context(), transcode.JobFilter{}, transcode.Page{}); err != nil || len(jobs) > 0 {
		t.Errorf("trying made jobs: %v, %v", jobs, err)
	}

	other := strings.Replace(event, "My+song.wav", "My+song.txt", 1)
	page = try("try", "", other).shows(http.StatusOK)
	page.has(".file", `It takes keys that end with ".wav" or ".flac".`)
	page.count("pre", 0)
	try("try", "", string(s3event.EncodeTest("media", "r", "h", noon))).shows(http.StatusOK).has(".notice", "tells of no object")
	for _, bad := range []string{"", "hello", "{}", "[1]"} {
		try("try", "", bad).shows(http.StatusUnprocessableEntity).count("[role=alert]", 1)
	}

	try("save", "A text", other).leads(http.StatusSeeOther, "/ops/rules/test?event=A+text")
	page = v.get("/ops/rules/test?event=A+text").shows(http.StatusOK)
	page.has("[role=status]", "The event A text is saved.")
	if got := text(page.all("textarea[name=event]")[0]); !strings.Contains(got, "My+song.txt") {
		t.Errorf("the saved event is %q", got)
	}
	try("save", "<b>", other).shows(http.StatusUnprocessableEntity)
	try("save", "b", "hello").shows(http.StatusUnprocessableEntity)
	try("delete", "A text", other).leads(http.StatusSeeOther, "/ops/rules/test")
	v.get("/ops/rules/test").shows(http.StatusOK).count("option", 1)
}

func TestOpsDeliveries(t *testing.T) {
	s := newStage(t)
	ctx, cancel := context.WithCancel(t.Context())
	worked := make(chan error, 1)
	go func() { worked <- s.notify.Work(ctx, 0) }()
	defer func() {
		cancel()
		if err := <-worked; err != nil {
			t.Error(err)
		}
	}()
	topic, err := s.notify.CreateTopic(ctx, notify.TopicSpec{Name: "news", Attributes: notify.Attributes{"DisplayName": "News"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, endpoint := range []string{"one", "two"} {
		if _, err := s.notify.Subscribe(ctx, notify.SubscriptionSpec{Topic: topic, Protocol: "other", Endpoint: endpoint}); err != nil {
			t.Fatal(err)
		}
	}
	v := s.operator()
	v.get("/ops/deliveries").shows(http.StatusOK).has("#ops .empty", "Nothing was published yet.")
	v.get("/ops/topics").shows(http.StatusOK).has("#ops .file", "2 subscriptions")
	page := v.get(topicURL(topic)).shows(http.StatusOK)
	page.count("#ops .file", 2)
	page.has("#ops .lines", "News")
	v.get("/ops/topics/" + string(topic) + "x").shows(http.StatusNotFound)
	v.get("/ops/topics/nothing").shows(http.StatusNotFound)

	dead := fmt.Errorf("it answered 404: %w", notify.ErrPermanent)
	s.publish(topic, "A <subject>", "A <body>")
	l := v.listen(place{view: "ops", ops: "/ops/deliveries?state=Dead"})
	s.answer <- dead
	s.answer <- dead
	for d := l.next("ops"); len(d.all(".file")) < 2; {
		d = l.next("ops")
	}
	page = v.get("/ops/deliveries?state=Dead").shows(http.StatusOK)
	page.has("#ops .file h3", "A <subject>")
	page.has("#ops .file", "it answered 404")
	v.get("/ops/deliveries?state=Dead&endpoint=one&topic="+string(topic)).shows(http.StatusOK).count("#ops .file", 1)
	v.get("/ops/deliveries?state=Delivered").shows(http.StatusOK).has("#ops .empty", "No delivery is like that.")

	subs, _, err := s.notify.ListSubscriptions(ctx, topic, "")
	if err != nil {
		t.Fatal(err)
	}
	// All that the list shows are sent again, and no others.
	v.get("/ops/deliveries?state=Dead&subscription="+string(subs[0].ARN)).shows(http.StatusOK).
		count("form[action=/ops/deliveries/replay] input[name=subscription][value="+string(subs[0].ARN)+"]", 1)
	at, _ := attribute(page.all("#ops .file h3 a")[0], "href")
	page = v.get(at).shows(http.StatusOK)
	page.has(".file", "Try 1")
	page.has(".state", "Failed, 404")
	page.has("pre", "<b>not here</b>")
	page.has("pre", "A <body>")
	v.post(at+"/replay", nil).leads(http.StatusSeeOther, at)
	s.answer <- nil
	one := v.listen(place{view: "ops", ops: at})
	one.until("ops", "Try 2")
	v.get(at).shows(http.StatusOK).has(".state", "Delivered")

	v.post("/ops/deliveries/replay", url.Values{"endpoint": {"nobody"}}).leads(http.StatusSeeOther, "/ops/deliveries")
	v.get("/ops/deliveries").shows(http.StatusOK).has("[role=status]", "No dead letter is like that")
	v.post("/ops/deliveries/replay", url.Values{"topic": {string(topic)}}).leads(http.StatusSeeOther, "/ops/deliveries")
	v.get("/ops/deliveries").shows(http.StatusOK).has("[role=status]", "1 message is sent again.")
	s.answer <- nil
	v.listen(place{view: "ops", ops: "/ops/deliveries?state=Dead"}).until("ops", "No delivery is like that.")
	v.post("/ops/deliveries/nothing/replay", nil).shows(http.StatusNotFound)
	v.get("/ops/deliveries/nothing").shows(http.StatusNotFound)
}

func TestMasked(t *testing.T) {
	for endpoint, want := range map[string]string{
		"https://ann:secret@example.com/x?y": "https://…@example.com/x?y", "https://example.com/x@y": "https://example.com/x@y",
		"ann@example.com": "ann@example.com", "https://a@b@example.com": "https://…@example.com", "": "",
	} {
		if got := masked(endpoint); got != want {
			t.Errorf("%q is shown as %q, want %q", endpoint, got, want)
		}
	}
}
