package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
	"etude/internal/transcode"
)

// noon is a time that the store keeps exactly.
var noon = time.Date(2026, 2, 3, 12, 0, 0, 1e6, time.UTC)

func pipeline(id transcode.PipelineID) *transcode.Pipeline {
	return &transcode.Pipeline{
		ID: id, Name: "pipeline " + string(id), Status: transcode.PipelineActive,
		InputBucket: "in", OutputBucket: "out", Role: "arn:aws:iam::000000000000:role/r", KMSKeyARN: "k",
		Notifications: transcode.Notifications{Completed: "arn:aws:sns:eu-west-1:000000000000:done"},
		Content: transcode.OutputConfig{Bucket: "out", StorageClass: "Standard", Permissions: []transcode.Permission{
			{GranteeType: "Group", Grantee: "AllUsers", Access: []string{"Read"}},
		}},
		Thumbnails: transcode.OutputConfig{Bucket: "thumbs"},
		CreateTime: noon,
	}
}

func job(id transcode.JobID) *transcode.Job {
	empty := ""
	return &transcode.Job{
		ID: id, Pipeline: "1000000000000-aaaaaa", Owner: "ann",
		Inputs:          []transcode.Input{{Key: "media/ü.wav", FrameRate: "auto"}},
		OutputKeyPrefix: "transcoded/",
		UserMetadata:    map[string]string{"a": "b"},
		Outputs: []transcode.Output{{
			ID: "1", Key: "ü.mp3", PresetID: "1351620000001-300040", ThumbnailPattern: &empty,
			Preset: transcode.Preset{ID: "1351620000001-300040", Name: "MP3", Container: "mp3", Audio: &transcode.Audio{Codec: "mp3", BitRate: "128"}},
			Status: transcode.Submitted,
		}},
		Status: transcode.Submitted, SubmitTime: noon,
	}
}

// insert keeps what is given in one transaction.
func insert(t *testing.T, store *sqlstore.Store, all ...any) {
	t.Helper()
	err := store.Update(t.Context(), func(tx transcode.Tx) error {
		for _, one := range all {
			var err error
			switch v := one.(type) {
			case *transcode.Pipeline:
				err = tx.InsertPipeline(t.Context(), v)
			case *transcode.Job:
				err = tx.InsertJob(t.Context(), v)
			case *transcode.Attempt:
				err = tx.InsertAttempt(t.Context(), v)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func eachStore(t *testing.T, test func(t *testing.T, store *sqlstore.Store, tasks *sqlstoretest.Tasks)) {
	t.Helper()
	sqlstoretest.Each(t, func(t *testing.T, d sqlstore.Dialect) {
		store, tasks := sqlstoretest.OpenDialect(t, d)
		test(t, store, tasks)
	})
}

func TestPipeline(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		want := pipeline("1000000000000-aaaaaa")
		younger := pipeline("2000000000000-aaaaaa")
		younger.Name = want.Name
		insert(t, store, younger, want)
		got, err := store.Pipeline(t.Context(), want.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("got (+) is not what was inserted (-):\n%s", diff)
		}
		for _, id := range []transcode.PipelineID{"", "3000000000000-aaaaaa", "' OR 1=1 --", "\x00", "\xff"} {
			if _, err := store.Pipeline(t.Context(), id); !errors.Is(err, transcode.ErrNotFound) {
				t.Errorf("pipeline %q: got the error %v, want %v", id, err, transcode.ErrNotFound)
			}
		}
		err = store.Update(t.Context(), func(tx transcode.Tx) error {
			got, err := tx.PipelineByName(t.Context(), want.Name)
			if err == nil && got.ID != want.ID {
				t.Errorf("by name: got %s, want the oldest %s", got.ID, want.ID)
			}
			if _, err := tx.PipelineByName(t.Context(), "none"); !errors.Is(err, transcode.ErrNotFound) {
				t.Errorf("by name: got the error %v, want %v", err, transcode.ErrNotFound)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// Of those who find at once that there is no pipeline of a name, one makes it.
func TestPipelineByNameAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				p := pipeline(transcode.PipelineID(fmt.Sprintf("100000000000%d-aaaaaa", i)))
				p.Name = "the same"
				err := store.Update(t.Context(), func(tx transcode.Tx) error {
					if _, err := tx.PipelineByName(t.Context(), p.Name); !errors.Is(err, transcode.ErrNotFound) {
						return err
					}
					return tx.InsertPipeline(t.Context(), p)
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		all, _, err := store.Pipelines(t.Context(), transcode.Page{Limit: 10})
		if err != nil || len(all) != 1 {
			t.Errorf("got %d pipelines and the error %v, want 1", len(all), err)
		}
	})
}

func TestJob(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		want := job("1000000000000-job001")
		insert(t, store, pipeline(want.Pipeline), want)
		check := func() {
			t.Helper()
			got, err := store.Job(t.Context(), want.ID)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("got (+) is not what was written (-):\n%s", diff)
			}
		}
		check()

		want.Status, want.StartTime, want.FinishTime = transcode.Failed, noon.Add(time.Second), noon.Add(time.Minute)
		want.Inputs[0].Detected = &transcode.Detected{FileSize: 1 << 40, Duration: time.Hour}
		want.Outputs[0].Status = transcode.Failed
		want.Outputs[0].Failure = &transcode.Failure{Code: 4000, Detail: "d", Reason: "r", Remedy: "m"}
		want.Outputs[0].Made = &transcode.Made{Duration: time.Hour, Size: 1 << 40, Codec: "mp3", SampleRate: 44100, Channels: 2, Samples: 1, SHA256: "00"}
		err := store.Update(t.Context(), func(tx transcode.Tx) error { return tx.UpdateJob(t.Context(), want) })
		if err != nil {
			t.Fatal(err)
		}
		check()

		if _, err := store.Job(t.Context(), "none"); !errors.Is(err, transcode.ErrNotFound) {
			t.Errorf("got the error %v, want %v", err, transcode.ErrNotFound)
		}
		err = store.Update(t.Context(), func(tx transcode.Tx) error { return tx.UpdateJob(t.Context(), job("none")) })
		if !errors.Is(err, transcode.ErrNotFound) {
			t.Errorf("update: got the error %v, want %v", err, transcode.ErrNotFound)
		}
	})
}

func TestJobDedupeKey(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, tasks *sqlstoretest.Tasks) {
		first, second := job("1000000000000-job001"), job("1000000000000-job002")
		first.DedupeKey, second.DedupeKey = "key", "key"
		// Jobs without a key are not each other's repeats.
		insert(t, store, pipeline(first.Pipeline), first, job("1000000000000-job003"), job("1000000000000-job004"))
		err := store.Update(t.Context(), func(tx transcode.Tx) error {
			if err := tx.Enqueue(t.Context(), transcode.RunJob{Job: second.ID}); err != nil {
				return err
			}
			return tx.InsertJob(t.Context(), second)
		})
		if !errors.Is(err, transcode.ErrDuplicate) {
			t.Errorf("got the error %v, want %v", err, transcode.ErrDuplicate)
		}
		if got := tasks.All(); len(got) != 0 {
			t.Errorf("got the tasks %v, want none", got)
		}
		err = store.Update(t.Context(), func(tx transcode.Tx) error {
			got, err := tx.JobByDedupeKey(t.Context(), "key")
			if err == nil && got.ID != first.ID {
				t.Errorf("by key: got %s, want %s", got.ID, first.ID)
			}
			if _, err := tx.JobByDedupeKey(t.Context(), "none"); !errors.Is(err, transcode.ErrNotFound) {
				t.Errorf("by key: got the error %v, want %v", err, transcode.ErrNotFound)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestDedupeKeyAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, tasks *sqlstoretest.Tasks) {
		insert(t, store, pipeline("1000000000000-aaaaaa"))
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				j := job(transcode.JobID(fmt.Sprintf("100000000000%d-job001", i)))
				j.DedupeKey = "key"
				err := store.Update(t.Context(), func(tx transcode.Tx) error {
					if err := tx.InsertJob(t.Context(), j); err != nil {
						return err
					}
					return tx.Enqueue(t.Context(), transcode.RunJob{Job: j.ID})
				})
				if err != nil && !errors.Is(err, transcode.ErrDuplicate) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := tasks.All(); len(got) != 1 {
			t.Errorf("got the tasks %v, want one", got)
		}
	})
}

func TestJobs(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		pipelines := []transcode.PipelineID{"1000000000000-aaaaaa", "1000000000000-bbbbbb"}
		statuses := []transcode.Status{transcode.Submitted, transcode.Complete, transcode.Failed}
		owners := []string{"ann", "bob", ""}
		insert(t, store, pipeline(pipelines[0]), pipeline(pipelines[1]))
		var all []*transcode.Job
		for i := range 50 {
			// A database that sorts by language puts the hyphen elsewhere.
			j := job(transcode.JobID(fmt.Sprintf("%013d-%c%05d", 1000000000000+i/7, "a0Z_z"[i%5], i)))
			j.Pipeline, j.Status, j.Owner = pipelines[i%2], statuses[i%3], owners[i/3%3]
			all = append(all, j)
			insert(t, store, j)
		}
		slices.SortFunc(all, func(a, b *transcode.Job) int {
			if a.ID < b.ID {
				return -1
			}
			return 1
		})
		for _, f := range []transcode.JobFilter{
			{}, {Pipeline: pipelines[1]}, {Status: transcode.Failed}, {Owner: "ann"},
			{Pipeline: pipelines[0], Status: transcode.Complete}, {Owner: "bob", Status: transcode.Submitted},
			{Pipeline: pipelines[0], Status: transcode.Complete, Owner: "ann"}, {Owner: "nobody"}, {Owner: "' OR '1'='1"},
		} {
			for _, descending := range []bool{false, true} {
				var want []transcode.JobID
				for _, j := range all {
					if (f.Pipeline == "" || f.Pipeline == j.Pipeline) && (f.Status == "" || f.Status == j.Status) && (f.Owner == "" || f.Owner == j.Owner) {
						want = append(want, j.ID)
					}
				}
				if descending {
					slices.Reverse(want)
				}
				for _, limit := range []int{1, 4, 50, 51} {
					got := walk(t, store, f, transcode.Page{Limit: limit, Descending: descending})
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%+v, descending %t, limit %d: want (-), got (+):\n%s", f, descending, limit, diff)
					}
				}
			}
		}
	})
}

// walk reads all pages of a list.
func walk(t *testing.T, store *sqlstore.Store, f transcode.JobFilter, page transcode.Page) (ids []transcode.JobID) {
	t.Helper()
	for {
		jobs, more, err := store.Jobs(t.Context(), f, page)
		if err != nil {
			t.Fatal(err)
		}
		if len(jobs) > page.Limit || more && len(jobs) != page.Limit {
			t.Fatalf("got a page of %d jobs and more %t, want %d", len(jobs), more, page.Limit)
		}
		for _, j := range jobs {
			ids = append(ids, j.ID)
		}
		if !more {
			return ids
		}
		page.Token = string(jobs[len(jobs)-1].ID)
	}
}

func TestPipelines(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		for i := range 3 {
			insert(t, store, pipeline(transcode.PipelineID(fmt.Sprintf("100000000000%d-aaaaaa", i))))
		}
		got, more, err := store.Pipelines(t.Context(), transcode.Page{Limit: 2, Descending: true})
		if err != nil || !more || len(got) != 2 || got[1].ID != "1000000000001-aaaaaa" {
			t.Errorf("got %v, more %t and the error %v, want the younger two and more", got, more, err)
		}
		got, more, err = store.Pipelines(t.Context(), transcode.Page{Limit: 2, Descending: true, Token: string(got[1].ID)})
		if err != nil || more || len(got) != 1 || got[0].ID != "1000000000000-aaaaaa" {
			t.Errorf("got %v, more %t and the error %v, want the oldest and no more", got, more, err)
		}
	})
}

func TestUpdateLeavesNoTrace(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, tasks *sqlstoretest.Tasks) {
		j := job("1000000000000-job001")
		insert(t, store, pipeline(j.Pipeline))
		broken := errors.New("broken")
		err := store.Update(t.Context(), func(tx transcode.Tx) error {
			if err := tx.InsertJob(t.Context(), j); err != nil {
				return err
			}
			if err := tx.Enqueue(t.Context(), transcode.RunJob{Job: j.ID}); err != nil {
				return err
			}
			if err := tx.Publish(t.Context(), transcode.Notification{Topic: "t"}); err != nil {
				return err
			}
			return broken
		})
		if !errors.Is(err, broken) {
			t.Errorf("got the error %v, want %v", err, broken)
		}
		if _, err := store.Job(t.Context(), j.ID); !errors.Is(err, transcode.ErrNotFound) {
			t.Errorf("got the error %v, want %v", err, transcode.ErrNotFound)
		}
		if got := tasks.All(); len(got) != 0 {
			t.Errorf("got the tasks %v, want none", got)
		}
	})
}

// A transaction that panics leaves no trace, and keeps nobody waiting.
func TestUpdatePanic(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		func() {
			defer func() { _ = recover() }()
			_ = store.Update(t.Context(), func(tx transcode.Tx) error {
				_ = tx.InsertPipeline(t.Context(), pipeline("1000000000000-aaaaaa"))
				panic("a fault in the domain")
			})
		}()
		insert(t, store, pipeline("1000000000000-aaaaaa"))
	})
}

func TestUpdateCanceled(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		ctx, cancel := context.WithCancel(t.Context())
		err := store.Update(ctx, func(tx transcode.Tx) error {
			cancel()
			return tx.InsertPipeline(ctx, pipeline("1000000000000-aaaaaa"))
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got the error %v, want %v", err, context.Canceled)
		}
		insert(t, store, pipeline("1000000000000-aaaaaa"))
	})
}

// No update of a job is lost between those who read it, change it and write it.
func TestJobExcludesOthers(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		j := job("1000000000000-job001")
		insert(t, store, pipeline(j.Pipeline), j)
		const writers = 10
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				err := store.Update(t.Context(), func(tx transcode.Tx) error {
					j, err := tx.Job(t.Context(), j.ID)
					if err != nil {
						return err
					}
					j.Outputs = append(j.Outputs, j.Outputs[0])
					return tx.UpdateJob(t.Context(), j)
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got, err := store.Job(t.Context(), j.ID)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Outputs) != 1+writers {
			t.Errorf("got %d outputs, want %d: updates were lost", len(got.Outputs), 1+writers)
		}
	})
}

// Two who take the same locks in opposite orders stand in each other's way; both
// get through.
func TestUpdateDeadlock(t *testing.T) {
	store, _ := sqlstoretest.OpenDialect(t, sqlstore.Postgres) // SQLite has one writer
	ids := []transcode.JobID{"1000000000000-job001", "1000000000000-job002"}
	insert(t, store, pipeline("1000000000000-aaaaaa"), job(ids[0]), job(ids[1]))
	var wg, both sync.WaitGroup
	both.Add(2)
	for _, order := range [][]transcode.JobID{{ids[0], ids[1]}, {ids[1], ids[0]}} {
		meet := sync.OnceFunc(func() { both.Done(); both.Wait() }) // both have their first lock
		wg.Go(func() {
			err := store.Update(t.Context(), func(tx transcode.Tx) error {
				if _, err := tx.Job(t.Context(), order[0]); err != nil {
					return err
				}
				meet()
				_, err := tx.Job(t.Context(), order[1])
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestCountJobs(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		ctx := t.Context()
		insert(t, store, pipeline("p"))
		for i := range 5 {
			j := job(transcode.JobID(fmt.Sprintf("j%d", i)))
			j.Pipeline, j.Owner, j.DedupeKey, j.Status = "p", "ann", "", transcode.Submitted
			if i == 4 {
				j.Owner, j.Status = "bob", transcode.Complete
			}
			insert(t, store, j)
		}
		for _, tt := range []struct {
			filter transcode.JobFilter
			limit  int
			want   int
		}{
			{transcode.JobFilter{}, 100, 5},
			{transcode.JobFilter{}, 3, 3},
			{transcode.JobFilter{Status: transcode.Submitted}, 100, 4},
			{transcode.JobFilter{Status: transcode.Submitted}, 4, 4},
			{transcode.JobFilter{Status: transcode.Submitted}, 1, 1},
			{transcode.JobFilter{Owner: "bob", Status: transcode.Submitted}, 100, 0},
			{transcode.JobFilter{Pipeline: "p", Status: transcode.Complete}, 100, 1},
			{transcode.JobFilter{Owner: "ann", Pipeline: "p"}, 100, 4},
		} {
			if got, err := store.CountJobs(ctx, tt.filter, tt.limit); err != nil || got != tt.want {
				t.Errorf("%+v up to %d: %d and %v, want %d", tt.filter, tt.limit, got, err, tt.want)
			}
		}
	})
}
