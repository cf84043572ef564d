package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"etude/internal/account"
	"etude/internal/transcode"
)

// opsRows is how many rows a page of an operators' list has.
const opsRows = 30

// overview is what stands first: what waits, what runs, where.
type overview struct {
	Counts    []count
	Running   []attemptView
	Pipelines []pipelineView
}

// count is how many there are of something, up to a limit.
type count struct {
	Name, Text string
	URL        string // of the list of them
	Note       string
	Tone       tone
}

// countLimit is the most that is counted; a page that is looked at all the time
// must cost little.
const countLimit = 10_000

func countText(n int) string {
	if n >= countLimit {
		return fmt.Sprintf("%d+", countLimit)
	}
	return strconv.Itoa(n)
}

// attemptView is an attempt at a job.
type attemptView struct {
	ID      string
	Job     string // its file's name
	URL     string
	Number  int
	Node    string
	Tone    tone
	State   string
	Live    bool
	Done    string
	Percent int
	Begun   moment
	Took    string
	Log     string

	Name string // for the progress bar
}

// pipelineView is a pipeline.
type pipelineView struct {
	ID, Name string
	In, Out  string // buckets
	Paused   bool
	Waiting  string
	Jobs     string // URL of their list
}

func (s *Site) overview(ctx context.Context, _ *url.URL) (any, error) {
	var o overview
	for _, c := range []struct {
		name   string
		status transcode.Status
		tone   tone
	}{{"Waiting", transcode.Submitted, waiting}, {"Running", transcode.Progressing, busy}, {"Failed", transcode.Failed, bad}} {
		n, err := s.cfg.Jobs.CountJobs(ctx, transcode.JobFilter{Status: c.status}, countLimit)
		if err != nil {
			return nil, err
		}
		view := count{Name: c.name, Text: countText(n), URL: "/ops/jobs?status=" + string(c.status), Tone: c.tone}
		if c.status == transcode.Submitted && n > 0 {
			if view.Note, err = s.oldestWaiting(ctx); err != nil {
				return nil, err
			}
		}
		if n == 0 {
			view.Tone = waiting
		}
		o.Counts = append(o.Counts, view)
	}
	var err error
	if o.Running, err = s.running(ctx); err != nil {
		return nil, err
	}
	o.Pipelines, err = s.pipelines(ctx)
	return o, err
}

func (s *Site) oldestWaiting(ctx context.Context) (string, error) {
	jobs, _, err := s.cfg.Jobs.ListJobs(ctx, transcode.JobFilter{Status: transcode.Submitted}, transcode.Page{Limit: 1})
	if err != nil || len(jobs) == 0 {
		return "", err
	}
	return "oldest for " + span(time.Since(jobs[0].SubmitTime)), nil
}

// running are the attempts that run now, on all nodes.
func (s *Site) running(ctx context.Context) ([]attemptView, error) {
	attempts, err := s.cfg.Jobs.RunningAttempts(ctx, opsRows)
	if err != nil {
		return nil, err
	}
	var all []attemptView
	for _, a := range attempts {
		v := newAttempt(a)
		v.Job, v.URL = string(a.Job), opsJobURL(a.Job)
		if j, err := s.cfg.Jobs.ReadJob(ctx, a.Job); err == nil {
			v.Job = inputName(j)
		}
		v.Name = v.Job
		all = append(all, v)
	}
	return all, nil
}

func (s *Site) pipelines(ctx context.Context) ([]pipelineView, error) {
	pipelines, _, err := s.cfg.Jobs.ListPipelines(ctx, transcode.Page{})
	if err != nil {
		return nil, err
	}
	var all []pipelineView
	for _, p := range pipelines {
		n, err := s.cfg.Jobs.CountJobs(ctx, transcode.JobFilter{Pipeline: p.ID, Status: transcode.Submitted}, countLimit)
		if err != nil {
			return nil, err
		}
		v := pipelineView{
			ID: string(p.ID), Name: p.Name, In: p.InputBucket, Out: p.Content.Bucket, Paused: p.Status == transcode.PipelinePaused,
			Waiting: countText(n), Jobs: "/ops/jobs?pipeline=" + url.QueryEscape(string(p.ID)),
		}
		if v.Out == "" {
			v.Out = p.OutputBucket
		}
		all = append(all, v)
	}
	return all, nil
}

var outcomes = map[transcode.Outcome]struct {
	tone tone
	word string
}{
	transcode.Running:     {busy, "Running"},
	transcode.Finished:    {good, "Finished"},
	transcode.Broken:      {bad, "Broken by a fault of the server's; tried again"},
	transcode.Lost:        {bad, "Lost: its node went silent"},
	transcode.Interrupted: {mixed, "Interrupted"},
}

func newAttempt(a *transcode.Attempt) attemptView {
	v := attemptView{
		ID: fmt.Sprintf("%s-%d", a.Job, a.Number), Number: a.Number, Node: a.Node, Live: a.Outcome == transcode.Running,
		Tone: outcomes[a.Outcome].tone, State: outcomes[a.Outcome].word,
		Done: fmt.Sprintf("%.3f", a.Progress), Percent: int(a.Progress * 100), Begun: momentOf(a.StartTime), Log: a.Log,
	}
	switch {
	case v.Live && phaseWords[a.Phase] != "":
		v.State = phaseWords[a.Phase]
	case !v.Live && a.EndTime.After(a.StartTime):
		v.Took = "took " + span(a.EndTime.Sub(a.StartTime))
	}
	return v
}

// jobList is a page of all jobs.
type jobList struct {
	Filtered bool
	Rows     []opsRow
	Pager    pager
}

// opsRow is a job as operators see it.
type opsRow struct {
	row
	Owner    string
	Pipeline string
}

// jobFilter is what the form of the list asks for.
type jobFilter struct {
	Statuses  []option
	Pipelines []option
	Owner     string
}

func opsJobURL(id transcode.JobID) string { return "/ops/jobs/" + url.PathEscape(string(id)) }

var statuses = []string{
	string(transcode.Submitted), string(transcode.Progressing), string(transcode.Complete), string(transcode.Failed), string(transcode.Canceled),
}

func (s *Site) jobsPage(w http.ResponseWriter, v *visit) {
	form, err := s.jobFilter(v.Context(), v.URL)
	if err != nil {
		s.broken(w, v.Request, err)
		return
	}
	s.showOps(w, v, "ops-jobs", opsPage{frame: frame{Title: "Jobs"}, Form: form})
}

// jobFilter is the form, for the list at the page's address.
func (s *Site) jobFilter(ctx context.Context, u *url.URL) (jobFilter, error) {
	q := u.Query()
	f := jobFilter{Statuses: options(q.Get("status"), "Any status", statuses...), Owner: q.Get("owner")}
	f.Pipelines = options("", "Any pipeline")
	pipelines, _, err := s.cfg.Jobs.ListPipelines(ctx, transcode.Page{})
	for _, p := range pipelines {
		f.Pipelines = append(f.Pipelines, option{Value: string(p.ID), Text: p.Name, Selected: string(p.ID) == q.Get("pipeline")})
	}
	return f, err
}

func (s *Site) opsJobs(ctx context.Context, u *url.URL) (any, error) {
	q := u.Query()
	filter := transcode.JobFilter{Pipeline: transcode.PipelineID(q.Get("pipeline")), Status: transcode.Status(q.Get("status"))}
	list := jobList{Filtered: q.Get("pipeline")+q.Get("status")+q.Get("owner") != ""}
	if email := q.Get("owner"); email != "" {
		owner, err := s.cfg.Accounts.UserByEmail(ctx, email)
		if errors.Is(err, account.ErrNotFound) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		filter.Owner = string(owner.ID)
	}
	jobs, next, err := s.cfg.Jobs.ListJobs(ctx, filter, transcode.Page{Token: string(cursor(q)), Descending: true, Limit: opsRows})
	if err != nil {
		return nil, err
	}
	list.Pager = newPager(u, next)
	owners, names := emails{site: s}, map[transcode.PipelineID]string{}
	for _, j := range jobs {
		p, err := s.progress(ctx, j)
		if err != nil {
			return nil, err
		}
		r := opsRow{row: newRow(j, p, time.Now()), Owner: owners.of(ctx, j.Owner), Pipeline: s.pipelineName(ctx, names, j.Pipeline)}
		r.URL = opsJobURL(j.ID)
		list.Rows = append(list.Rows, r)
	}
	return list, nil
}

// pipelineName asks once for each; a pipeline that was deleted has its id only.
func (s *Site) pipelineName(ctx context.Context, known map[transcode.PipelineID]string, id transcode.PipelineID) string {
	name, ok := known[id]
	if !ok {
		name = string(id)
		if p, err := s.cfg.Jobs.ReadPipeline(ctx, id); err == nil {
			name = p.Name
		}
		known[id] = name
	}
	return name
}

// jobView is all that operators see of a job.
type jobView struct {
	opsRow
	Cancel   bool // it may still be canceled
	From     string
	Facts    []fact
	Outputs  []outputView
	Attempts []attemptView
}

// outputView is an output or a playlist of a job.
type outputView struct {
	Name, Key, Preset string
	Tone              tone
	State             string
	Detail            string
	Why               string // it could not be made, and what to do, as its owner is told
}

func (s *Site) opsJob(ctx context.Context, id transcode.JobID) (any, error) {
	if !transcode.ValidID(string(id)) {
		return nil, errNothing
	}
	j, err := s.cfg.Jobs.ReadJob(ctx, id)
	if transcode.IsKind(err, transcode.NotFound) {
		return nil, errNothing
	}
	if err != nil {
		return nil, err
	}
	p, err := s.progress(ctx, j)
	if err != nil {
		return nil, err
	}
	attempts, err := s.cfg.Jobs.Attempts(ctx, id)
	if err != nil {
		return nil, err
	}
	owners := emails{site: s}
	v := jobView{
		opsRow: opsRow{
			row: newRow(j, p, time.Now()), Owner: owners.of(ctx, j.Owner),
			Pipeline: s.pipelineName(ctx, map[transcode.PipelineID]string{}, j.Pipeline),
		},
		Cancel: j.Status == transcode.Submitted, From: opsJobURL(id),
	}
	v.Facts = []fact{{Name: "Job", Value: string(j.ID), Code: true}, {Name: "Owner", Value: v.Owner}, {Name: "Pipeline", Value: v.Pipeline}}
	for i, in := range j.Inputs {
		name := "Input"
		if len(j.Inputs) > 1 {
			name = fmt.Sprintf("Input %d", i+1)
		}
		v.Facts = append(v.Facts, fact{Name: name, Value: in.Key, Code: true})
	}
	if j.OutputKeyPrefix != "" {
		v.Facts = append(v.Facts, fact{Name: "Output prefix", Value: j.OutputKeyPrefix, Code: true})
	}
	for i := range j.Outputs {
		o := &j.Outputs[i]
		c := newChip(j, o)
		v.Outputs = append(v.Outputs, outputView{"Output " + o.ID, o.Key, string(o.PresetID), c.Tone, string(o.Status), o.StatusDetail, why(o.Failure)})
	}
	for _, o := range j.Playlists {
		t := map[transcode.Status]tone{transcode.Complete: good, transcode.Failed: bad, transcode.Progressing: busy}[o.Status]
		v.Outputs = append(v.Outputs, outputView{"Playlist", o.Name, o.Format, t, string(o.Status), o.StatusDetail, why(o.Failure)})
	}
	for _, a := range attempts {
		av := newAttempt(a)
		av.Name = v.Name
		v.Attempts = append(v.Attempts, av)
	}
	return v, nil
}

func why(f *transcode.Failure) string {
	if f == nil {
		return ""
	}
	return f.Reason + " " + f.Remedy
}

func (s *Site) cancelJob(w http.ResponseWriter, v *visit) {
	id := transcode.JobID(v.PathValue("id"))
	err := s.cfg.Jobs.CancelJob(v.Context(), id)
	switch {
	case transcode.IsKind(err, transcode.NotFound):
		s.notFound(w, v.Request)
	case transcode.IsKind(err, transcode.InUse):
		s.done(w, v, "The job has begun already, so it was not canceled.", opsJobURL(id))
	case err != nil:
		s.broken(w, v.Request, err)
	default:
		s.done(w, v, "The job is canceled.", opsJobURL(id))
	}
}

// setPipeline pauses pipelines, or resumes them.
func (s *Site) setPipeline(status transcode.PipelineStatus) func(http.ResponseWriter, *visit) {
	return func(w http.ResponseWriter, v *visit) {
		p, err := s.cfg.Jobs.UpdatePipelineStatus(v.Context(), transcode.PipelineID(v.PathValue("id")), status)
		switch {
		case transcode.IsKind(err, transcode.NotFound):
			s.notFound(w, v.Request)
		case err != nil:
			s.broken(w, v.Request, err)
		case status == transcode.PipelinePaused:
			s.done(w, v, fmt.Sprintf("Pipeline %s is paused: it takes jobs and starts none.", p.Name), "/ops")
		default:
			s.done(w, v, fmt.Sprintf("Pipeline %s goes on.", p.Name), "/ops")
		}
	}
}
