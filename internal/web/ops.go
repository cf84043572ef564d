package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"etude/internal/account"
	"etude/internal/notify"
	"etude/internal/transcode"
)

// opsPage is what a page for operators has around it.
type opsPage struct {
	frame
	Section string // of opsSections
	Flash   string // what the form that led here has done
	Fault   string // or why it has not
	Back    *link  // to the list that the page belongs to
	Form    any    // of the page's filter or fields
	Live    any    // what is sent again whenever it changes
}

// link is one with words.
type link struct{ URL, Text string }

// Sections are the pages' own navigation.
func (opsPage) Sections() []link { return opsSections }

var opsSections = []link{
	{"/ops", "Overview"}, {"/ops/jobs", "Jobs"}, {"/ops/deliveries", "Deliveries"}, {"/ops/topics", "Topics"}, {"/ops/rules", "Rules"},
}

// opsView makes what a page shows that changes by itself, from the page's
// address. It is nil where there is no such thing.
type opsView func(ctx context.Context, u *url.URL) (any, error)

// opsView finds the view of a page, and the fragment that renders it.
func (s *Site) opsView(path string) (name string, view opsView) {
	last := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case path == "/ops":
		return "ops-overview", s.overview
	case path == "/ops/jobs":
		return "ops-jobs", s.opsJobs
	case path == "/ops/deliveries":
		return "ops-deliveries", s.opsDeliveries
	case strings.HasPrefix(path, "/ops/deliveries/"):
		return "ops-delivery", func(ctx context.Context, _ *url.URL) (any, error) { return s.opsDelivery(ctx, notify.DeliveryID(last)) }
	case path == "/ops/topics":
		return "ops-topics", s.opsTopics
	case strings.HasPrefix(path, "/ops/topics/"):
		return "ops-topic", s.opsTopic
	case path == "/ops/rules":
		return "ops-rules", s.rulesView
	case strings.HasPrefix(path, "/ops/jobs/"):
		return "ops-job", func(ctx context.Context, _ *url.URL) (any, error) { return s.opsJob(ctx, transcode.JobID(last)) }
	}
	return "", nil
}

// admin lets only administrators in; to others there is nothing.
func (s *Site) admin(page func(http.ResponseWriter, *visit)) http.HandlerFunc {
	return s.signedIn(func(w http.ResponseWriter, v *visit) {
		if !v.user.Admin {
			s.notFound(w, v.Request)
			return
		}
		v.Body = http.MaxBytesReader(w, v.Body, maxOpsForm)
		page(w, v)
	})
}

// maxOpsForm bounds the operators' forms; a test event may be as large as SNS
// has them.
const maxOpsForm = 1 << 20

func (s *Site) opsRoutes() map[string]http.HandlerFunc {
	routes := map[string]http.HandlerFunc{
		"GET /ops":           s.admin(s.opsList("Overview", "ops-overview")),
		"GET /ops/jobs":      s.admin(s.jobsPage),
		"GET /ops/jobs/{id}": s.admin(s.opsOne("Job", &link{"/ops/jobs", "Jobs"})),

		"POST /ops/jobs/{id}/cancel":      s.admin(s.cancelJob),
		"POST /ops/pipelines/{id}/pause":  s.admin(s.setPipeline(transcode.PipelinePaused)),
		"POST /ops/pipelines/{id}/resume": s.admin(s.setPipeline(transcode.PipelineActive)),
	}
	maps.Copy(routes, s.ruleRoutes())
	maps.Copy(routes, s.deliveryRoutes())
	return routes
}

// errNothing says that there is nothing of the kind that a page is of.
var errNothing = errors.New("there is no such thing")

// opsList is the page of a section.
func (s *Site) opsList(title, page string) func(http.ResponseWriter, *visit) {
	return func(w http.ResponseWriter, v *visit) { s.showOps(w, v, page, opsPage{frame: frame{Title: title}}) }
}

// opsOne is the page of one thing of a section.
func (s *Site) opsOne(title string, back *link) func(http.ResponseWriter, *visit) {
	return func(w http.ResponseWriter, v *visit) {
		s.showOps(w, v, "ops-one", opsPage{frame: frame{Title: title}, Back: back})
	}
}

// showOps fills in what is around a page and what it shows, and renders it.
func (s *Site) showOps(w http.ResponseWriter, v *visit, page string, data opsPage) {
	s.showOpsAt(w, v, http.StatusOK, page, v.URL, data)
}

func (s *Site) showOpsAt(w http.ResponseWriter, v *visit, status int, page string, at *url.URL, data opsPage) {
	f, err := s.frame(v, data.Title, place{view: "ops", ops: at.RequestURI()})
	if err != nil {
		s.broken(w, v.Request, err)
		return
	}
	data.frame = f
	for _, section := range opsSections {
		if at.Path == section.URL || section.URL != "/ops" && strings.HasPrefix(at.Path, section.URL+"/") {
			data.Section = section.URL
		}
	}
	if data.Fault == "" {
		data.Flash = s.sessions.PopString(v.Context(), flashInside)
	}
	if _, view := s.opsView(at.Path); view != nil {
		data.Live, err = view(v.Context(), at)
		if errors.Is(err, errNothing) {
			s.notFound(w, v.Request)
			return
		}
		if err != nil {
			s.broken(w, v.Request, err)
			return
		}
	}
	s.render(w, v.Request, status, page, data)
}

// flashInside is the session's entry with what the next page says.
const flashInside = "flash"

// done says on the page that the form came from what it has done.
func (s *Site) done(w http.ResponseWriter, v *visit, words, otherwise string) {
	s.sessions.Put(v.Context(), flashInside, words)
	to := otherwise
	if from := v.PostFormValue("from"); strings.HasPrefix(from, "/ops") && localPath(from) == from {
		to = from
	}
	http.Redirect(w, v.Request, to, http.StatusSeeOther)
}

// opsPause is between two looks of a page at what it shows. The pages show the
// work of all nodes, of which none is told of all, so they look.
const opsPause = 2 * time.Second

// sendOps sends what the page shows, if it has changed and the user still is an
// administrator.
func (f *feed) sendOps(ctx context.Context) error {
	u, err := f.site.cfg.Accounts.User(ctx, account.UserID(f.owner))
	if err != nil || !u.Admin {
		return nil //nolint:nilerr // the beat finds out about the account
	}
	at, err := url.Parse(f.place.ops)
	if err != nil {
		return nil //nolint:nilerr // an address that nobody has written
	}
	name, view := f.site.opsView(at.Path)
	if view == nil {
		return nil
	}
	data, err := view(ctx, at)
	if errors.Is(err, errNothing) {
		return nil
	}
	if err != nil {
		return err
	}
	html, err := fragment(name, data)
	if err != nil || html == f.ops {
		return err
	}
	f.ops = html
	f.out.send("ops", html)
	return nil
}

// emails are the owners' addresses, asked for once each.
type emails struct {
	site *Site
	by   map[string]string
}

func (e *emails) of(ctx context.Context, owner string) string {
	if owner == "" {
		return "nobody"
	}
	if known, ok := e.by[owner]; ok {
		return known
	}
	email := owner
	if u, err := e.site.cfg.Accounts.User(ctx, account.UserID(owner)); err == nil {
		email = u.Email
	}
	if e.by == nil {
		e.by = map[string]string{}
	}
	e.by[owner] = email
	return email
}

// option is one of a select.
type option struct {
	Value, Text string
	Selected    bool
}

func options(selected, any string, values ...string) []option {
	all := []option{{Text: any, Selected: selected == ""}}
	for _, v := range values {
		all = append(all, option{Value: v, Text: v, Selected: v == selected})
	}
	if selected != "" && !slices.Contains(values, selected) {
		all = append(all, option{Value: selected, Text: selected, Selected: true})
	}
	return all
}

// pager leads to the other pages of a list.
type pager struct{ Newest, Older string }

// newPager keeps the address's filters. next is the token of the next page.
func newPager(u *url.URL, next string) pager {
	q := u.Query()
	var p pager
	if q.Get("before") != "" {
		q.Del("before")
		p.Newest = withQuery(u.Path, q)
	}
	if next != "" {
		q.Set("before", next)
		p.Older = withQuery(u.Path, q)
	}
	return p
}

func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// tidyJSON lays JSON out for people; what is none stays as it is.
func tidyJSON(text []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, text, "", "  ") != nil {
		return string(text)
	}
	return b.String()
}
