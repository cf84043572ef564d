package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"etude/internal/inbox"
	"etude/internal/transcode"
)

const (
	heartbeat   = 15 * time.Second
	updatePause = 250 * time.Millisecond // between two updates of a stream
	writeTime   = 30 * time.Second       // for a client to take an event
	comeBack    = time.Second            // for a client to wait when a stream broke
)

// events keeps an open page current: it sends what the page shows as it is
// now, and then every part again that has changed, as HTML that replaces it.
// So a page that comes back after an interruption is right at once.
func (s *Site) events(w http.ResponseWriter, r *http.Request) {
	u, err := s.user(r.Context())
	if err != nil {
		s.broken(w, r, err)
		return
	}
	token := s.token(r)
	ctx, done, ok := s.streams.begin(r.Context(), token)
	if !ok {
		plain(w, http.StatusServiceUnavailable, "the server is stopping")
		return
	}
	defer done()

	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	if r.Method == http.MethodHead {
		return
	}
	out := &eventWriter{w: w, control: http.NewResponseController(w)}
	defer out.end()
	f := &feed{site: s, out: out, token: token, place: placeOf(r.URL.Query())}
	if u == nil {
		out.send("end", "")
		return
	}
	f.owner = string(u.ID)
	if err := f.run(ctx); err != nil && ctx.Err() == nil {
		s.log.Error("event stream ended", "err", err)
	}
}

// feed is what one stream tells of one user's things.
type feed struct {
	site  *Site
	out   *eventWriter
	owner string
	token string
	place place

	listed []transcode.JobID // the rows that the page has
	told   int64             // the newest message that was there before
	size   int64             // of the file's input; 0 while it is not known
	ops    string            // what an operators' page shows
}

// run sends until ctx ends, the client is gone or the session is over. It
// watches before it reads, so that nothing falls between.
func (f *feed) run(ctx context.Context) error {
	jobs, endJobs := f.site.cfg.Jobs.WatchJobs(f.owner)
	defer endJobs()
	box, endBox := f.site.cfg.Inbox.Watch(f.owner)
	defer endBox()
	if err := f.sendAll(ctx); err != nil {
		return err
	}

	beat := time.NewTicker(f.site.beat)
	defer beat.Stop()
	pause := time.NewTimer(updatePause)
	defer pause.Stop()
	look := time.NewTicker(opsPause)
	defer look.Stop()
	if f.place.view != "ops" {
		look.Stop()
	}
	changed := jobs.C()
	for f.out.err == nil {
		var err error
		select {
		case <-ctx.Done():
			return f.bye()
		case <-changed:
			// Many changes in the meantime become one update.
			changed = nil
			pause.Reset(updatePause)
			err = f.sendJobs(ctx, jobs.Changed())
		case <-pause.C:
			changed = jobs.C()
		case <-box.C():
			err = f.sendInbox(ctx)
		case <-look.C:
			err = f.sendOps(ctx)
		case <-beat.C:
			err = f.beat(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil // the client is gone
}

// bye tells a page whose session was ended here that it was; one whose server
// stops comes back by itself.
func (f *feed) bye() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if alive, err := f.site.alive(ctx, f.token, f.owner); err == nil && !alive {
		f.out.send("end", "")
	}
	return nil
}

// beat keeps the connection in use and looks whether the session still is
// good: another process may have ended it.
func (f *feed) beat(ctx context.Context) error {
	alive, err := f.site.alive(ctx, f.token, f.owner)
	if err != nil {
		return err
	}
	if !alive {
		f.site.streams.end(f.token)
		return nil
	}
	f.out.comment("still here")
	return nil
}

func (f *feed) sendAll(ctx context.Context) error {
	f.out.retry(comeBack)
	pending, err := f.site.cfg.Inbox.Pending(ctx, f.owner)
	if err != nil {
		return err
	}
	for _, m := range pending {
		f.told = max(f.told, m.ID)
	}
	if err := f.sendMessages(pending); err != nil {
		return err
	}
	switch f.place.view {
	case "library":
		return f.sendList(ctx)
	case "file":
		return f.sendFile(ctx)
	case "ops":
		return f.sendOps(ctx)
	}
	return nil
}

func (f *feed) sendInbox(ctx context.Context) error {
	pending, err := f.site.cfg.Inbox.Pending(ctx, f.owner)
	if err != nil {
		return err
	}
	var fresh []string
	newest := f.told
	for _, m := range slices.Backward(pending) {
		if m.ID > f.told {
			fresh = append(fresh, m.Text)
			newest = max(newest, m.ID)
		}
	}
	f.told = newest
	if len(fresh) > 0 {
		if err := f.fragment("announce", "announcement", strings.Join(fresh, " ")); err != nil {
			return err
		}
	}
	return f.sendMessages(pending)
}

func (f *feed) sendMessages(pending []inbox.Message) error {
	if err := f.fragment("badge", "badge", newBadge(len(pending))); err != nil {
		return err
	}
	if f.place.view == "messages" {
		return f.fragment("inbox", "inbox", newInbox(pending, inbox.MaxPending, f.place.path()))
	}
	return f.fragment("banners", "banners", newInbox(pending, maxBanners, f.place.path()))
}

func (f *feed) sendList(ctx context.Context) error {
	list, err := f.site.files(ctx, f.owner, f.place.before)
	if err != nil {
		return err
	}
	f.listed = f.listed[:0]
	for _, r := range list.Rows {
		f.listed = append(f.listed, r.ID)
	}
	return f.fragment("library", "files", list)
}

// sendJobs sends what the page shows of the jobs that have changed. A job that
// is on no row yet can only be new, and new ones are on the first page.
func (f *feed) sendJobs(ctx context.Context, changed []transcode.JobID) error {
	switch f.place.view {
	case "file":
		if slices.Contains(changed, f.place.job) {
			return f.sendFile(ctx)
		}
		return nil
	case "library":
	default:
		return nil
	}
	for _, id := range changed {
		if slices.Contains(f.listed, id) {
			if err := f.sendRow(ctx, id); err != nil {
				return err
			}
		} else if f.place.before == "" {
			return f.sendList(ctx)
		}
	}
	return nil
}

func (f *feed) sendRow(ctx context.Context, id transcode.JobID) error {
	job, err := f.site.ownJob(ctx, f.owner, id)
	if err != nil || job == nil {
		return err
	}
	p, err := f.site.progress(ctx, job)
	if err != nil {
		return err
	}
	return f.fragment("job-"+string(id), "row", newRow(job, p, time.Now()))
}

func (f *feed) sendFile(ctx context.Context) error {
	job, err := f.site.ownJob(ctx, f.owner, f.place.job)
	if err != nil || job == nil {
		return err
	}
	if f.size == 0 {
		f.size = f.site.inputSize(ctx, job)
	}
	view, err := f.site.fileView(ctx, job, f.size)
	if err != nil {
		return err
	}
	if err := f.fragment("file", "file", view); err != nil {
		return err
	}
	if err := f.fragment("player", "player", view.Player); err != nil {
		return err
	}
	return f.fragment("results", "results", view)
}

func (f *feed) fragment(event, name string, data any) error {
	html, err := fragment(name, data)
	if err != nil {
		return err
	}
	f.out.send(event, html)
	return nil
}

// eventWriter writes the format of server-sent events, as the HTML standard
// has it in its section on them. After an error it writes nothing more.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

func (e *eventWriter) send(event, data string) {
	var b strings.Builder
	fmt.Fprintf(&b, "event: %s\n", event)
	// A carriage return would end a line of the format as well.
	data = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(data)
	for line := range strings.SplitSeq(data, "\n") {
		fmt.Fprintf(&b, "data: %s\n", line)
	}
	e.write(b.String() + "\n")
}

func (e *eventWriter) comment(text string)   { e.write(": " + text + "\n\n") }
func (e *eventWriter) retry(d time.Duration) { e.write(fmt.Sprintf("retry: %d\n\n", d.Milliseconds())) }

// end takes the deadline off the connection, which may serve other requests.
func (e *eventWriter) end() { _ = e.control.SetWriteDeadline(time.Time{}) }

func (e *eventWriter) write(text string) {
	if e.err != nil {
		return
	}
	// Where there are no deadlines, a client that takes nothing is found out
	// when the connection breaks.
	_ = e.control.SetWriteDeadline(time.Now().Add(writeTime))
	if _, e.err = e.w.Write([]byte(text)); e.err != nil {
		return
	}
	e.err = e.control.Flush()
}
