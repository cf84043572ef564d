package rule_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"etude/internal/rule"
	"etude/internal/s3event"
	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
	"etude/internal/transcode"
)

func TestEventBecomesOneJob(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.create(t, w.media())
	e := w.put(t, "media/live/01 Été + 100%.mp3", "sound")
	out := w.handle(t, e)
	if !out.Made || out.Rule != "media" {
		t.Fatalf("got %+v, want a job of the rule", out)
	}
	for range 3 {
		if again := w.handle(t, e); again.Made || again.Job.ID != out.Job.ID {
			t.Errorf("the event again: got %+v, want job %s", again, out.Job.ID)
		}
	}
	w.run(t)
	job, err := w.jobs.ReadJob(t.Context(), out.Job.ID)
	if err != nil {
		t.Fatal(err)
	}
	if job.Status != transcode.Complete || job.Owner != "owner" {
		t.Errorf("job is %s of %q, want Complete of the rule's owner", job.Status, job.Owner)
	}
	for _, key := range []string{"transcoded/live/01 Été + 100%.wav", "transcoded/live/01 Été + 100%.flac", "transcoded/live/01 Été + 100%.m4a"} {
		info, err := s3.Head(t.Context(), transcode.ObjectRef{Bucket: w.bucket, Key: key})
		if err != nil || info.Origin == "" {
			t.Errorf("%s: got %+v, %v; want it there, as a job's output", key, info, err)
		}
	}
	if again := w.handle(t, e); again.Made {
		t.Errorf("the event after the job's end: got %+v, want nothing made", again)
	}
}

func TestEventsThatStartNothing(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.create(t, w.media())
	e := w.put(t, "media/song.mp3", "sound")
	with := func(change func(*s3event.Event)) s3event.Event {
		c := e
		change(&c)
		return c
	}
	for want, e := range map[string]s3event.Event{
		"no new object": with(func(e *s3event.Event) { e.Name = s3event.RemovedDelete }),
		"an output":     with(func(e *s3event.Event) { e.Own = true }),
		"no rule":       with(func(e *s3event.Event) { e.Key = "other/song.mp3" }),
		"no rule takes": with(func(e *s3event.Event) { e.Key = "media/" }),
		"written again": with(func(e *s3event.Event) { e.ETag = "of before" }),
	} {
		if out := w.handle(t, e); out.Job != nil || !strings.Contains(out.Why, want) {
			t.Errorf("got %+v, want nothing because of %q", out, want)
		}
	}
	if _, err := w.Handle(t.Context(), with(func(e *s3event.Event) { e.Principal = "trouble" })); err == nil {
		t.Error("a fault of ours was taken for an answer")
	}
	if _, err := w.Disable(t.Context(), "media"); err != nil {
		t.Fatal(err)
	}
	if out := w.handle(t, e); out.Job != nil {
		t.Errorf("disabled: got %+v", out)
	}
	if n := w.countJobs(t); n != 0 {
		t.Errorf("there are %d jobs, want none", n)
	}
}

func TestOutputsStartNothingEvenWithoutTheirMark(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.create(t, w.media())
	// An event that comes back over a queue does not say whose object it is.
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := s3.Store(t.Context(), file, transcode.ObjectRef{Bucket: w.bucket, Key: "media/made.wav"}, "", "job/1")
	if err != nil {
		t.Fatal(err)
	}
	out := w.handle(t, s3event.Event{Name: s3event.CreatedPut, Bucket: w.bucket, Key: "media/made.wav", ETag: info.ETag})
	if out.Job != nil || !strings.Contains(out.Why, "output of a job") {
		t.Errorf("got %+v, want nothing made", out)
	}
}

func TestOwnerIsWhoWroteTheObject(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.create(t, w.media())
	e := w.put(t, "media/song.mp3", "sound")
	e.Principal = "key of bob"
	if out := w.handle(t, e); out.Job.Owner != "bob" {
		t.Errorf("owner = %q, want bob", out.Job.Owner)
	}
}

func TestObjectIsGone(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.create(t, w.media())
	e := w.put(t, "media/song.mp3", "sound")
	if err := s3.Delete(t.Context(), transcode.ObjectRef{Bucket: w.bucket, Key: e.Key}); err != nil {
		t.Fatal(err)
	}
	out := w.handle(t, e)
	w.run(t)
	job, err := w.jobs.ReadJob(t.Context(), out.Job.ID)
	if err != nil {
		t.Fatal(err)
	}
	if job.Status != transcode.Failed || job.Outputs[0].Failure.Code != 3001 {
		t.Errorf("job is %s with %+v, want Error with 3001", job.Status, job.Outputs[0].Failure)
	}
	// Its remedy is to upload the file again.
	e2 := w.put(t, "media/song.mp3", "sound")
	if again := w.handle(t, e2); !again.Made {
		t.Errorf("uploaded again: got %+v, want a job", again)
	}
	if late := w.handle(t, e); late.Made {
		t.Errorf("the first event once more: got %+v, want nothing made", late)
	}
}

// TestAnyOrderAnyNumber has events of a few keys, each written several times,
// come shuffled, repeated and at once.
func TestAnyOrderAnyNumber(t *testing.T) {
	t.Parallel()
	sqlstoretest.Each(t, func(t *testing.T, d sqlstore.Dialect) {
		t.Parallel()
		w := openDialect(t, d)
		w.create(t, w.media(func(r *rule.Rule) { r.Outputs = []rule.Output{{flac, "{id}.flac"}} }))
		var events []s3event.Event
		newest := map[string]string{}
		for i := range 5 {
			for v := range 3 {
				e := w.put(t, fmt.Sprintf("media/%d.mp3", i), fmt.Sprint("version ", v))
				newest[e.Key] = e.ETag
				events = append(events, e, e, e)
			}
		}
		rand.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		var all sync.WaitGroup
		for part := range 4 {
			all.Go(func() {
				for i := part; i < len(events); i += 4 {
					if _, err := w.Handle(t.Context(), events[i]); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		jobs, _, err := w.jobs.ListJobs(t.Context(), transcode.JobFilter{}, transcode.Page{})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, j := range jobs {
			got[j.Inputs[0].Key] = j.Trigger.ETag
		}
		if len(jobs) != 5 || len(got) != 5 {
			t.Fatalf("there are %d jobs of %d objects, want one for each of 5", len(jobs), len(got))
		}
		for key, etag := range newest {
			if got[key] != etag {
				t.Errorf("%s: job of version %s, want the newest, %s", key, got[key], etag)
			}
		}
	})
}

func TestHandleFor(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.create(t, w.media(func(r *rule.Rule) { r.Name, r.Bucket, r.Prefix = "sent", "", "" }))
	e := w.put(t, "inbox/song.mp3", "sound")
	if out := w.handle(t, e); out.Job != nil {
		t.Errorf("by itself: got %+v, want nothing", out)
	}
	out, err := w.HandleFor(t.Context(), "sent", e)
	if err != nil || !out.Made {
		t.Fatalf("sent by a configuration: got %+v, %v; want a job", out, err)
	}
	if out, err := w.HandleFor(t.Context(), "none", e); err != nil || !strings.Contains(out.Why, "no such rule") {
		t.Errorf("a rule that is gone: got %+v, %v", out, err)
	}
	if out, err := w.HandleFor(t.Context(), "sent", w.put(t, "inbox/folder/", "")); err != nil || out.Job != nil {
		t.Errorf("a folder: got %+v, %v", out, err)
	}
}

// TestFuse has a rule make as many jobs as it may.
func TestFuse(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.create(t, w.media(func(r *rule.Rule) { r.MaxPerHour = 3 }))
	for i := range 3 {
		if out := w.handle(t, w.put(t, fmt.Sprintf("media/%d.mp3", i), "sound")); !out.Made {
			t.Fatalf("job %d: got %+v", i, out)
		}
	}
	fourth := w.put(t, "media/4.mp3", "sound")
	if out := w.handle(t, fourth); out.Job != nil || !strings.Contains(out.Why, "3 jobs within an hour") {
		t.Errorf("one more: got %+v, want the rule paused", out)
	}
	r, err := w.Rule(t.Context(), "media")
	if err != nil || r.Active() || !strings.Contains(r.Paused, "etude rule enable media") || !strings.Contains(r.Paused, "rescan") {
		t.Errorf("rule = %+v, %v; want it paused, with the remedy", r, err)
	}
	if out := w.handle(t, fourth); out.Job != nil {
		t.Errorf("paused: got %+v", out)
	}
	if _, err := w.Enable(t.Context(), "media"); err != nil {
		t.Fatal(err)
	}
	if out := w.handle(t, fourth); !out.Made {
		t.Errorf("enabled again: got %+v, want a job", out)
	}
	for i := range 2 {
		w.handle(t, w.put(t, fmt.Sprintf("media/5%d.mp3", i), "sound"))
	}
	w.clock.after(61 * time.Minute)
	if out := w.handle(t, w.put(t, "media/6.mp3", "sound")); !out.Made {
		t.Errorf("an hour later: got %+v, want a job", out)
	}
}

// TestRuleWhosePipelineIsGone is paused, and goes on when that is mended.
func TestRuleWhosePipelineIsGone(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.create(t, w.media())
	if err := w.jobs.DeletePipeline(t.Context(), w.pipeline.ID); err != nil {
		t.Fatal(err)
	}
	e := w.put(t, "media/song.mp3", "sound")
	if out := w.handle(t, e); out.Job != nil || !strings.Contains(out.Why, `there is no pipeline "Audio Files"`) {
		t.Errorf("got %+v, want the rule paused", out)
	}
	if _, err := w.Enable(t.Context(), "media"); !rule.IsKind(err, rule.NotFound) {
		t.Errorf("enabled without a pipeline: got %v, want it refused", err)
	}
	w.newPipeline(t, "Audio Files", w.bucket, w.bucket)
	if _, err := w.Enable(t.Context(), "media"); err != nil {
		t.Fatal(err)
	}
	counts, err := w.Rescan(t.Context(), rule.Rescan{Rule: "media"})
	if err != nil || counts.Made != 1 {
		t.Errorf("rescan: got %+v, %v; want the file found", counts, err)
	}
	if out := w.handle(t, e); out.Made {
		t.Errorf("the event again: got %+v, want nothing made", out)
	}
}

func (w *world) claim(t *testing.T, key string, spec *transcode.JobSpec) transcode.ObjectRef {
	t.Helper()
	ref := transcode.ObjectRef{Bucket: w.bucket, Key: key}
	if err := w.ClaimUpload(t.Context(), ref, "ann", spec); err != nil {
		t.Fatal(err)
	}
	return ref
}

// wanted is what ann has chosen of a key.
func (w *world) wanted(key string) transcode.JobSpec {
	return transcode.JobSpec{
		Pipeline: w.pipeline.ID, Owner: "ann", Inputs: []transcode.Input{{Key: key}}, OutputKeyPrefix: "anns/",
		Outputs: []transcode.OutputSpec{{Key: "o", PresetID: flac}},
	}
}

func TestUploadOnTheSite(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"event first", "site first"} {
		t.Run(order, func(t *testing.T) {
			w := open(t)
			w.create(t, w.media())
			const key = "media/x/song.mp3"
			ref := w.claim(t, key, nil)
			e := w.put(t, key, "sound")
			if order == "event first" {
				if out := w.handle(t, e); out.Job != nil || !strings.Contains(out.Why, "being uploaded") {
					t.Errorf("event first: got %+v, want it left to the site", out)
				}
			}
			job, err := w.Settle(t.Context(), w.wanted(key), ref, transcode.ObjectInfo{ETag: e.ETag})
			if err != nil {
				t.Fatal(err)
			}
			if out := w.handle(t, e); out.Made || out.Job.ID != job.ID {
				t.Errorf("event after: got %+v, want job %s", out, job.ID)
			}
			if again, err := w.Settle(t.Context(), w.wanted(key), ref, transcode.ObjectInfo{ETag: e.ETag}); err != nil || again.ID != job.ID {
				t.Errorf("settled again: got %+v, %v; want job %s", again, err, job.ID)
			}
			if n := w.countJobs(t); n != 1 || job.Owner != "ann" || job.OutputKeyPrefix != "anns/" {
				t.Errorf("%d jobs, of %s with %s; want ann's own", n, job.Owner, job.OutputKeyPrefix)
			}
		})
	}
}

// TestRestartInMidUpload has the process end at each point of uploads.
func TestRestartInMidUpload(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.create(t, w.media())
	spec := w.wanted("media/1.mp3")
	w.claim(t, "media/1.mp3", &spec) // stored, formats known
	e1 := w.put(t, "media/1.mp3", "sound")
	w.claim(t, "media/2.mp3", nil) // stored, formats not known
	e2 := w.put(t, "media/2.mp3", "sound")
	w.claim(t, "media/3.mp3", &spec) // not stored
	spec4 := w.wanted("media/4.mp3") // job made, claim not ended
	ref4 := w.claim(t, "media/4.mp3", &spec4)
	e4 := w.put(t, "media/4.mp3", "sound")
	if _, err := w.Settle(t.Context(), spec4, ref4, transcode.ObjectInfo{ETag: e4.ETag}); err != nil {
		t.Fatal(err)
	}
	w.claim(t, "media/4.mp3", &spec4)
	if err := w.Recover(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if n := w.countJobs(t); n != 1 {
		t.Errorf("without a restart: %d jobs, want 1: uploads go on", n)
	}
	for range 2 {
		if err := w.Recover(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range []s3event.Event{e1, e2, e4} {
		out := w.handle(t, e)
		if out.Made || out.Job == nil || out.Job.Owner != "ann" {
			t.Errorf("%s: got %+v, want ann's job there", e.Key, out)
		}
	}
	if n := w.countJobs(t); n != 3 {
		t.Errorf("%d jobs, want 3", n)
	}
}

func TestOldClaimsEnd(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.create(t, w.media())
	w.claim(t, "media/1.mp3", nil)
	e := w.put(t, "media/1.mp3", "sound")
	w.clock.after(49 * time.Hour)
	if err := w.Recover(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if out := w.handle(t, e); out.Made || out.Job == nil {
		t.Errorf("got %+v, want the job made by then", out)
	}
}

func TestRescan(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.create(t, w.media(func(r *rule.Rule) { r.Suffixes = []string{".mp3"} }))
	w.create(t, w.media(func(r *rule.Rule) { r.Name, r.Prefix, r.Suffixes = "live", "live/", nil }))
	var events []s3event.Event
	for _, key := range []string{"media/a.mp3", "media/b/c.mp3", "media/cover.jpg", "live/é + %.wav", "elsewhere/x.mp3"} {
		events = append(events, w.put(t, key, "sound of "+key))
	}
	if out := w.handle(t, events[0]); !out.Made {
		t.Fatalf("got %+v, want a job", out)
	}
	dry, err := w.Rescan(t.Context(), rule.Rescan{DryRun: true})
	want := rule.Counts{Seen: 4, Taken: 3, Made: 2, Earlier: 1, Bucket: w.bucket, Last: dry.Last}
	if err != nil || dry != want {
		t.Errorf("dry run: got %+v, %v; want %+v", dry, err, want)
	}
	if n := w.countJobs(t); n != 1 {
		t.Errorf("%d jobs after the dry run, want 1", n)
	}
	part, err := w.Rescan(t.Context(), rule.Rescan{Prefix: "media/b/"})
	if err != nil || part.Seen != 1 || part.Made != 1 {
		t.Errorf("a part: got %+v, %v; want one made", part, err)
	}
	for i, made := range []int{1, 0} {
		all, err := w.Rescan(t.Context(), rule.Rescan{})
		if err != nil || all.Made != made || all.Taken != 3 {
			t.Errorf("rescan %d: got %+v, %v; want %d made", i+1, all, err, made)
		}
	}
	for _, e := range events {
		if out := w.handle(t, e); out.Made {
			t.Errorf("%s: made a job for its event too", e.Key)
		}
	}
	if n := w.countJobs(t); n != 3 {
		t.Errorf("%d jobs, want 3", n)
	}
	for want, scan := range map[string]rule.Rescan{
		"there is no rule": {Rule: "none"}, "no rule that is enabled": {Prefix: "else/"}, "name the bucket": {After: "x"},
	} {
		if _, err := w.Rescan(t.Context(), scan); !rule.IsFault(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", scan, err, want)
		}
	}
}

func TestRescanGoesOn(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.create(t, w.media(func(r *rule.Rule) { r.MaxPerHour = 2 }))
	for i := range 5 {
		w.put(t, fmt.Sprintf("media/%d.mp3", i), "sound")
	}
	first, err := w.Rescan(t.Context(), rule.Rescan{})
	if !rule.IsFault(err) || first.Made != 2 || first.Last != "media/1.mp3" {
		t.Fatalf("got %+v, %v; want it stopped by the pause after two", first, err)
	}
	if _, err := w.Enable(t.Context(), "media"); err != nil {
		t.Fatal(err)
	}
	second, err := w.Rescan(t.Context(), rule.Rescan{Bucket: first.Bucket, After: first.Last})
	if err == nil || second.Made != 2 || second.Seen != 3 {
		t.Errorf("gone on: got %+v, %v; want two more of the three that were left", second, err)
	}
}

func TestTry(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.create(t, w.media())
	e := s3event.Event{Name: s3event.CreatedPut, Bucket: w.bucket, Key: "media/a b.mp3", ETag: "tag"}
	direct := s3event.Encode(e)
	for name, raw := range map[string][]byte{
		"S3": direct, "SNS": []byte(fmt.Sprintf(`{"Type":"Notification","Message":%q}`, direct)),
		"SQS": []byte(fmt.Sprintf(`{"Records":[{"eventSource":"aws:sqs","messageId":"m","body":%q}]}`, direct)),
	} {
		trials, err := w.Try(t.Context(), raw)
		if err != nil || len(trials) != 1 || trials[0].Spec == nil || trials[0].Spec.Outputs[1].Key != "a b.flac" {
			t.Errorf("%s: got %+v, %v; want the request", name, trials, err)
		}
	}
	e.Key = "other/a.mp3"
	if trials, err := w.Try(t.Context(), s3event.Encode(e)); err != nil || len(trials) != 1 || !strings.Contains(trials[0].Why, `begin with "media/"`) {
		t.Errorf("another key: got %+v, %v; want the reason", trials, err)
	}
	draft := w.media(func(r *rule.Rule) { r.Prefix, r.Enabled = "other/", false })
	if trials, err := w.Try(t.Context(), s3event.Encode(e), &draft); err != nil || len(trials) != 1 || trials[0].Spec == nil {
		t.Errorf("a draft: got %+v, %v; want the request", trials, err)
	}
	draft.Outputs[0].KeyPattern = "{no}"
	if trials, err := w.Try(t.Context(), s3event.Encode(e), &draft); err != nil || !strings.Contains(trials[0].Why, "there is no {no}") {
		t.Errorf("a bad draft: got %+v, %v; want the reason", trials, err)
	}
	if trials, err := w.Try(t.Context(), s3event.EncodeTest("b", "r", "h", time.Now())); err != nil || len(trials) != 0 {
		t.Errorf("test event: got %+v, %v; want nothing", trials, err)
	}
	if _, err := w.Try(t.Context(), []byte(`{"hello":1}`)); !rule.IsFault(err) {
		t.Errorf("no event: got %v, want a fault", err)
	}
	if n := w.countJobs(t); n != 0 {
		t.Errorf("%d jobs were made by trying", n)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.create(t, w.media())
	file := func(name, prefix string) rule.Rule {
		return w.media(func(r *rule.Rule) { r.Name, r.Prefix = name, prefix })
	}
	if at, err := w.Load(t.Context(), []rule.Rule{file("a", "a/"), file("b", "b/")}); err != nil || at != -1 {
		t.Fatalf("got %d, %v", at, err)
	}
	for name, tt := range map[string]struct {
		rules []rule.Rule
		at    int
		kind  rule.Kind
	}{
		"name that was made otherwise": {[]rule.Rule{file("a", "a/"), file("media", "c/")}, 1, rule.Exists},
		"name twice":                   {[]rule.Rule{file("a", "a/"), file("a", "c/")}, 1, rule.Exists},
		"overlap within":               {[]rule.Rule{file("a", "a/"), file("b", "a/b/")}, 0, rule.Overlap},
		"overlap with others":          {[]rule.Rule{file("a", "media/x/")}, 0, rule.Overlap},
		"circle":                       {[]rule.Rule{file("b", "b/"), file("a", "transcoded/")}, 1, rule.Recursion},
	} {
		at, err := w.Load(t.Context(), tt.rules)
		if at != tt.at || !rule.IsKind(err, tt.kind) {
			t.Errorf("%s: got %d, %v; want %d of kind %d", name, at, err, tt.at, tt.kind)
		}
	}
	if err := w.Delete(t.Context(), "a"); !rule.IsKind(err, rule.Invalid) || !strings.Contains(err.Error(), "file of rules") {
		t.Errorf("delete a rule of the file: got %v, want it refused", err)
	}
	if _, err := w.Load(t.Context(), []rule.Rule{file("b", "bb/"), file("c", "a/")}); err != nil {
		t.Fatal(err)
	}
	all, err := w.Rules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range all {
		got = append(got, r.Name+" "+r.Prefix+" "+string(r.Source))
	}
	if want := "b bb/ file|c a/ file|media media/ "; strings.Join(got, "|") != want {
		t.Errorf("rules = %q, want %q", strings.Join(got, "|"), want)
	}
}
