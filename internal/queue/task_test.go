package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"etude/internal/notify"
	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
	"etude/internal/transcode"
)

// TestStoredArgs holds how tasks are stored: those that were put before an
// update must be worked after it.
func TestStoredArgs(t *testing.T) {
	for _, tt := range []struct {
		task              any
		kind, args, queue string
	}{
		{transcode.RunJob{Job: "j"}, "run_job", `{"job":"j"}`, "jobs"},
		{transcode.RunJob{}, "run_job", `{}`, "jobs"},
		{transcode.RunJob{Delay: time.Hour, Drain: true}, "run_job", `{"drain":true}`, "jobs"},
		{notify.FanOut{Message: "m"}, "fan_out", `{"message":"m"}`, "messages"},
	} {
		args, err := argsOf(tt.task)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(args)
		if err != nil {
			t.Fatal(err)
		}
		if args.Kind() != tt.kind || string(text) != tt.args || args.InsertOpts().Queue != tt.queue {
			t.Errorf("%T: got %s %s in %s, want %s %s in %s", tt.task, args.Kind(), text, args.InsertOpts().Queue, tt.kind, tt.args, tt.queue)
		}
	}
}

func TestTasksAreTriedForThreeDays(t *testing.T) {
	for _, tt := range []struct {
		kind    string
		tries   int
		gap     func(n int) time.Duration
		longest time.Duration
	}{
		{"messages", messageTries, messageGap, 6 * time.Hour},
		{"jobs", jobTries, jobGap, 2 * time.Minute},
	} {
		var all time.Duration
		for n := 1; n < tt.tries; n++ {
			if n > 1 && tt.gap(n) < tt.gap(n-1) {
				t.Errorf("%s: gap %d is %s, shorter than the one before", tt.kind, n, tt.gap(n))
			}
			all += tt.gap(n)
		}
		if all < 72*time.Hour || all > 80*time.Hour {
			t.Errorf("%s: got %s in all, want three days", tt.kind, all)
		}
		if got := tt.gap(100_000); got != tt.longest {
			t.Errorf("%s: got the gap %s, want %s", tt.kind, got, tt.longest)
		}
	}
}

// A task that runs for long is not taken for one whose node is dead.
func TestTouch(t *testing.T) {
	sqlstoretest.Each(t, func(t *testing.T, d sqlstore.Dialect) {
		cfg := sqlstoretest.Config(t, d)
		db, err := sqlstore.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		own := Config{SQLite: db.Write(), Grace: time.Millisecond, Logger: slog.New(slog.DiscardHandler)}
		if d == sqlstore.Postgres {
			own.SQLite, own.Postgres, own.URL = nil, db.Write(), cfg.URL
		}
		q, err := Open(t.Context(), own)
		if err != nil {
			t.Fatal(err)
		}
		began := make(chan struct{})
		err = q.Start(t.Context(), Handlers{
			RunJob: func(ctx context.Context, _ transcode.RunJob) error { close(began); <-ctx.Done(); return ctx.Err() },
			FanOut: func(context.Context, notify.MessageID) error { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := q.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		tx, err := db.Write().BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		if err := q.Enqueue(t.Context(), tx, transcode.RunJob{Job: "j"}); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		<-began

		const old = "2001-01-01 00:00:00.000"
		if _, err := db.Write().ExecContext(t.Context(), "UPDATE river_job SET attempted_at = '"+old+"'"); err != nil {
			t.Fatal(err)
		}
		if err := q.touch(t.Context()); err != nil {
			t.Fatal(err)
		}
		var touched int
		err = db.Write().QueryRowContext(t.Context(), "SELECT count(*) FROM river_job WHERE attempted_at > '2020-01-01'").Scan(&touched)
		if err != nil || touched != 1 {
			t.Errorf("got %d touched tasks and the error %v, want 1", touched, err)
		}
	})
}

func TestRiverLogger(t *testing.T) {
	var out bytes.Buffer
	quiet := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	log := (&Queue{cfg: Config{Logger: quiet}}).riverLogger()
	log.Info("chatter")
	log.With("job_id", 1).Warn("retrying", "error", "refused", "job_kind", "deliver")
	if got, want := out.String(), "level=WARN msg=retrying task=1 err=refused kind=deliver\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
