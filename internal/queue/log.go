package queue

import (
	"context"
	"log/slog"
)

// riverLogger is the logger for River: what it tells as news is ours to debug,
// and its keys become those that our own lines have.
func (q *Queue) riverLogger() *slog.Logger {
	return slog.New(riverHandler{q.cfg.Logger.Handler()})
}

type riverHandler struct{ slog.Handler }

func (h riverHandler) level(l slog.Level) slog.Level {
	if l == slog.LevelInfo {
		return slog.LevelDebug
	}
	return l
}

// Enabled reports whether a line of River's is to be written.
func (h riverHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.Handler.Enabled(ctx, h.level(l))
}

// Handle writes a line.
func (h riverHandler) Handle(ctx context.Context, r slog.Record) error {
	line := slog.NewRecord(r.Time, h.level(r.Level), r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		line.AddAttrs(ourKey(a))
		return true
	})
	return h.Handler.Handle(ctx, line)
}

// ourKey renames what River calls otherwise. Its jobs are our tasks.
func ourKey(a slog.Attr) slog.Attr {
	switch a.Key {
	case "error":
		a.Key = "err"
	case "job_id":
		a.Key = "task"
	case "job_kind":
		a.Key = "kind"
	}
	return a
}

// WithAttrs returns a handler that adds attrs to each line.
func (h riverHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	ours := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		ours[i] = ourKey(a)
	}
	return riverHandler{h.Handler.WithAttrs(ours)}
}

// WithGroup returns a handler that puts what follows into a group.
func (h riverHandler) WithGroup(name string) slog.Handler {
	return riverHandler{h.Handler.WithGroup(name)}
}
