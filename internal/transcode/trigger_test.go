package transcode_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
	"etude/internal/transcode"
)

// ofRule is what a rule asks for when in.mp3 was written.
func (w *world) ofRule(etag, sequencer string) transcode.JobSpec {
	spec := w.spec(wav, flac)
	spec.Owner, spec.OutputKeyPrefix = "rule's owner", "rule/"
	spec.Trigger = &transcode.Trigger{Rule: "r", ETag: etag, Sequencer: sequencer, Time: w.clock.Now()}
	return spec
}

// once creates a job and says whether it was made.
func (w *world) once(t *testing.T, spec transcode.JobSpec) (transcode.JobID, bool) {
	t.Helper()
	j, made, err := w.CreateJobOnce(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return j.ID, made
}

func (w *world) countJobs(t *testing.T) int {
	t.Helper()
	jobs, _, err := w.ListJobs(t.Context(), transcode.JobFilter{}, transcode.Page{})
	if err != nil {
		t.Fatal(err)
	}
	return len(jobs)
}

func TestOneJobForAVersion(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.put(t, "in.mp3", "sound")
	first, made := w.once(t, w.ofRule("a", "01"))
	if !made {
		t.Fatal("the first job was not made")
	}
	byPerson := w.ofRule("a", "")
	byPerson.Trigger.Rule = ""
	otherRule := w.ofRule("a", "01")
	otherRule.Trigger.Rule = "other"
	for name, spec := range map[string]transcode.JobSpec{
		"the same event": w.ofRule("a", "01"), "an event without a sequencer": w.ofRule("a", ""),
		"the same bytes again": w.ofRule("a", "02"), "a person": byPerson, "another rule": otherRule,
	} {
		if id, made := w.once(t, spec); made || id != first {
			t.Errorf("%s: got job %s, made %t; want %s", name, id, made, first)
		}
	}
	if second, made := w.once(t, w.ofRule("b", "03")); !made || second == first {
		t.Errorf("another version: got job %s, made %t; want one of its own", second, made)
	}
	versioned := w.ofRule("a", "04")
	versioned.Trigger.VersionID = "v4"
	if id, made := w.once(t, versioned); !made || id == first {
		t.Errorf("a version with an id: got job %s, made %t; want one of its own", id, made)
	}
	if id, made := w.once(t, w.ofRule("a", "01")); made || id != first {
		t.Errorf("the first event, late: got job %s, made %t; want %s", id, made, first)
	}
}

func TestUploadedAgainAfterAFailure(t *testing.T) {
	t.Parallel()
	w := open(t)
	first, _ := w.once(t, w.ofRule("a", "01"))
	w.run(t, 10)
	w.wantLine(t, first, "Error: Error/3001 Error/3001") // it was deleted meanwhile
	if id, made := w.once(t, w.ofRule("a", "01")); made || id != first {
		t.Errorf("the same event: got job %s, made %t; want %s", id, made, first)
	}
	w.put(t, "in.mp3", "sound")
	second, made := w.once(t, w.ofRule("a", "02"))
	if !made {
		t.Fatal("uploaded again: no job was made")
	}
	for _, seq := range []string{"02", "01", ""} {
		if id, made := w.once(t, w.ofRule("a", seq)); made || seq == "02" && id != second {
			t.Errorf("sequencer %q again: got job %s, made %t; want an old one", seq, id, made)
		}
	}
	w.run(t, 10)
	w.wantLine(t, second, "Complete: Complete Complete")
}

// TestRequestTakesThePlace is a program that uploads a file and then asks for a
// job, where a rule was quicker.
func TestRequestTakesThePlace(t *testing.T) {
	t.Parallel()
	t.Run("of a job that waits", func(t *testing.T) {
		w := open(t)
		w.put(t, "in.mp3", "sound")
		ruled, _ := w.once(t, w.ofRule("a", "01"))
		job, made := w.once(t, w.spec(flac))
		if job != ruled || !made {
			t.Errorf("got job %s, made %t; want %s made over", job, made, ruled)
		}
		w.wantOurs(t, job)
	})
	t.Run("of a job that runs", func(t *testing.T) {
		started, hold := make(chan string), make(chan struct{})
		w := open(t)
		w.encoder.Started, w.encoder.Hold = started, hold
		w.put(t, "in.mp3", "sound")
		ruled, _ := w.once(t, w.ofRule("a", "01"))
		var worked sync.WaitGroup
		worked.Go(func() {
			if err := w.RunJob(t.Context(), transcode.RunJob{}); err != nil {
				t.Error(err)
			}
		})
		<-started
		job, _ := w.once(t, w.spec(flac))
		if job != ruled {
			t.Errorf("got job %s, want %s made over", job, ruled)
		}
		if got := w.job(t, job).Status; got != transcode.Submitted {
			t.Errorf("status = %s, want Submitted", got)
		}
		worked.Wait() // without hold having been closed
		close(hold)
		w.encoder.Started = nil
		w.wantOurs(t, job)
	})
	t.Run("of a job that has stored an output", func(t *testing.T) {
		w := open(t)
		w.put(t, "in.mp3", "sound")
		job, _ := w.once(t, w.ofRule("a", "01"))
		w.leave(t, "rule/o1", string(job)+"/1")
		w.leave(t, "rule/o2", "somebody's/2")
		w.create(t, w.spec(flac))
		if got := w.get(t, "rule/o1"); got != "" {
			t.Error("the rule's output is left behind")
		}
		if got := w.get(t, "rule/o2"); got == "" {
			t.Error("somebody else's object was deleted")
		}
		w.wantOurs(t, job)
	})
	t.Run("in another pipeline", func(t *testing.T) {
		w := open(t)
		w.put(t, "in.mp3", "sound")
		ruled, _ := w.once(t, w.ofRule("a", "01"))
		p, _, err := w.CreatePipeline(t.Context(), transcode.PipelineSpec{
			Name: "Mine", InputBucket: w.bucket, OutputBucket: w.bucket, Role: "arn:aws:iam::000000000000:role/r",
		})
		if err != nil {
			t.Fatal(err)
		}
		w.pipeline = p.ID
		if job, _ := w.once(t, w.spec(flac)); job != ruled {
			t.Errorf("got job %s, want %s made over", job, ruled)
		}
		w.wantOurs(t, ruled)
	})
}

// wantOurs runs the only job and checks that it is the one that was asked for.
func (w *world) wantOurs(t *testing.T, id transcode.JobID) {
	t.Helper()
	w.run(t, 10)
	w.wantLine(t, id, "Complete: Complete")
	j := w.job(t, id)
	if j.Owner != "ann" || j.OutputKeyPrefix != "out/" || j.Pipeline != w.pipeline || !j.Trigger.Taken {
		t.Errorf("job of %s in %s with %q, taken %t; want ann's own", j.Owner, j.Pipeline, j.OutputKeyPrefix, j.Trigger.Taken)
	}
	if w.get(t, "out/o1") == "" || w.get(t, "rule/o1") != "" {
		t.Error("want out/o1 there and rule/o1 not")
	}
	// The event again, and a second request, which Elastic Transcoder would do too.
	if again, made := w.once(t, w.ofRule("a", "01")); made || again != id {
		t.Errorf("the event again: got job %s, made %t; want %s", again, made, id)
	}
	if n := w.countJobs(t); n != 1 {
		t.Errorf("there are %d jobs, want 1", n)
	}
	second := w.create(t, w.spec(flac))
	w.run(t, 10)
	w.wantLine(t, second, "Error: Error/3002")
}

func TestRequestAfterTheRulesJobHasEnded(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.put(t, "in.mp3", "sound")
	ruled, _ := w.once(t, w.ofRule("a", "01"))
	w.run(t, 10)
	if job, made := w.once(t, w.spec(flac)); !made || job == ruled {
		t.Errorf("other files: got job %s, made %t; want a new one", job, made)
	}
	w = open(t)
	w.put(t, "in.mp3", "sound")
	ruled, _ = w.once(t, w.ofRule("a", "01"))
	w.run(t, 10)
	same := w.ofRule("", "")
	same.Trigger, same.Owner, same.UserMetadata = nil, "ann", map[string]string{"order": "7"}
	job, _ := w.once(t, same)
	w.wantLine(t, ruled, "Complete: Complete Complete")
	if got := w.job(t, job); job != ruled || got.Owner != "ann" || got.UserMetadata["order"] != "7" {
		t.Errorf("the same files: got job %s of %q with %v; want %s of ann with her metadata", job, got.Owner, got.UserMetadata, ruled)
	}
	if again, made := w.once(t, same); !made || again == ruled {
		t.Errorf("asked once more: got job %s, made %t; want a new one", again, made)
	}
}

func TestEventAfterTheRequest(t *testing.T) {
	t.Parallel()
	w := open(t)
	before := w.ofRule("a", "01")
	asked := w.create(t, w.spec(flac))
	if id, made := w.once(t, before); made || id != asked {
		t.Errorf("event of before: got job %s, made %t; want %s", id, made, asked)
	}
	if id, made := w.once(t, w.ofRule("b", "02")); !made || id == asked {
		t.Errorf("object written since: got job %s, made %t; want a new one", id, made)
	}
	untimed := w.ofRule("c", "")
	untimed.Trigger.Time = time.Time{}
	if id, made := w.once(t, untimed); !made {
		t.Errorf("event without a time: got job %s, want a new one", id)
	}
}

func TestJoinedInputsStandApart(t *testing.T) {
	t.Parallel()
	w := open(t)
	ruled, _ := w.once(t, w.ofRule("a", "01"))
	joined := w.spec(flac)
	joined.Inputs = append(joined.Inputs, transcode.Input{Key: "more.mp3"})
	if id, made := w.once(t, joined); !made || id == ruled {
		t.Errorf("joined inputs: got job %s, made %t; want one of its own", id, made)
	}
	joined.Trigger = &transcode.Trigger{Rule: "r", ETag: "a"}
	if _, err := w.CreateJob(t.Context(), joined); !transcode.IsKind(err, transcode.Invalid) {
		t.Errorf("joined inputs with a trigger: got %v, want it refused", err)
	}
}

// TestAllAtOnce has an event, its repeats, the site and a program come at the
// same time: whoever is first, there is one job.
func TestAllAtOnce(t *testing.T) {
	t.Parallel()
	sqlstoretest.Each(t, func(t *testing.T, d sqlstore.Dialect) {
		t.Parallel()
		w := &world{encoder: &ffmpegtest.Encoder{}, clock: &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}
		w.store, w.tasks = sqlstoretest.OpenDialect(t, d)
		w.Service = w.service(t, "node-a")
		p, err := w.EnsurePipeline(t.Context(), transcode.Pipeline{Name: "p", InputBucket: "b", Content: transcode.OutputConfig{Bucket: "b"}})
		if err != nil {
			t.Fatal(err)
		}
		w.pipeline = p.ID
		for round := range 20 {
			key := fmt.Sprintf("in%d.mp3", round)
			named := func(spec transcode.JobSpec) transcode.JobSpec {
				spec.Inputs[0].Key = key
				return spec
			}
			specs := []transcode.JobSpec{named(w.spec(flac))}
			for range 3 {
				specs = append(specs, named(w.ofRule("a", "01")))
			}
			site := named(w.ofRule("a", ""))
			site.Trigger.Rule = ""
			if round%2 == 0 {
				specs[0] = site
			}
			ids := make([]transcode.JobID, len(specs))
			var all sync.WaitGroup
			for i, spec := range specs {
				all.Go(func() {
					j, err := w.CreateJob(t.Context(), spec)
					if err != nil {
						t.Error(err)
						return
					}
					ids[i] = j.ID
				})
			}
			all.Wait()
			for _, id := range ids {
				if id != ids[0] {
					t.Fatalf("round %d: got jobs %v, want one", round, ids)
				}
			}
		}
	})
}

func TestTriggerIsKept(t *testing.T) {
	t.Parallel()
	w := open(t)
	spec := w.ofRule("a", "01")
	spec.Trigger.VersionID = "v"
	id, _ := w.once(t, spec)
	if diff := cmp.Diff(spec.Trigger, w.job(t, id).Trigger); diff != "" {
		t.Errorf("trigger as given (-) and as read (+):\n%s", diff)
	}
}
