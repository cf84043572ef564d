package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"etude/internal/account"
	"etude/internal/rule"
	"etude/internal/s3event"
	"etude/internal/transcode"
)

// ruleList is all rules.
type ruleList struct{ Rules []ruleView }

// ruleView is a rule in the list.
type ruleView struct {
	Name, URL  string
	Takes      string
	Makes      string
	Tone       tone
	State      string
	Why        string // it is paused
	On         bool
	FromFile   bool
	LabelFlips string // of the button that turns it on or off
}

func ruleURL(name string) string { return "/ops/rules/named/" + url.PathEscape(name) }

func (s *Site) rulesView(ctx context.Context, _ *url.URL) (any, error) {
	rules, err := s.cfg.Rules.Rules(ctx)
	if err != nil {
		return nil, err
	}
	names, list := map[transcode.PipelineID]string{}, ruleList{}
	for _, r := range rules {
		list.Rules = append(list.Rules, s.newRule(ctx, names, r))
	}
	return list, nil
}

func (s *Site) newRule(ctx context.Context, names map[transcode.PipelineID]string, r *rule.Rule) ruleView {
	v := ruleView{Name: r.Name, URL: ruleURL(r.Name), On: r.Active(), FromFile: r.Source == rule.FromFile, LabelFlips: "Turn off"}
	v.Takes = "What a bucket’s notification configuration sends to it"
	if r.Bucket != "" {
		v.Takes = r.Bucket + "/" + r.Prefix + "…" + strings.Join(r.Suffixes, " …")
	}
	pipeline := r.Pipeline
	if transcode.ValidID(pipeline) {
		pipeline = s.pipelineName(ctx, names, transcode.PipelineID(pipeline))
	}
	v.Makes = counted(len(r.Outputs), "output") + " in " + pipeline
	switch {
	case r.Paused != "":
		v.Tone, v.State, v.Why, v.LabelFlips = bad, "Stopped", r.Paused, "Let it go on"
	case !r.Enabled:
		v.Tone, v.State, v.LabelFlips = waiting, "Off", "Turn on"
	default:
		v.Tone, v.State = good, "On"
	}
	return v
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// ruleForm is the fields of a rule, as somebody has filled them in.
type ruleForm struct {
	Action         string // URL
	New            bool
	FromFile       bool
	Name           string
	Bucket, Prefix string
	Suffixes       string
	Pipelines      []option
	OutputPrefix   string
	Outputs        []outputFields
	Owner          string
	MaxPerHour     string
	Metadata       string
	Enabled        bool
	Places         []fact // what a key pattern may have
	Active         bool
}

// outputFields is a row of the form.
type outputFields struct {
	Number  int
	Presets []option
	Key     string
}

// spareOutputs is how many empty rows a form has.
const spareOutputs = 2

// newRuleForm fills a form in from a rule.
func (s *Site) newRuleForm(ctx context.Context, r *rule.Rule, owner string) (*ruleForm, error) {
	f := &ruleForm{
		Action: "/ops/rules", New: true, FromFile: r.Source == rule.FromFile, Name: r.Name, Bucket: r.Bucket, Prefix: r.Prefix,
		Suffixes: strings.Join(r.Suffixes, " "), OutputPrefix: r.OutputKeyPrefix, Owner: owner, Enabled: r.Enabled, Active: r.Active(),
	}
	if r.MaxPerHour > 0 {
		f.MaxPerHour = strconv.Itoa(r.MaxPerHour)
	}
	for _, name := range sortedKeys(r.UserMetadata) {
		f.Metadata += name + "=" + r.UserMetadata[name] + "\n"
	}
	pipelines, _, err := s.cfg.Jobs.ListPipelines(ctx, transcode.Page{})
	if err != nil {
		return nil, err
	}
	known := false
	for _, p := range pipelines {
		chosen := r.Pipeline == string(p.ID) || r.Pipeline == p.Name && !known
		known = known || chosen
		f.Pipelines = append(f.Pipelines, option{Value: string(p.ID), Text: p.Name + " (from " + p.InputBucket + ")", Selected: chosen})
	}
	if !known && r.Pipeline != "" {
		f.Pipelines = append(f.Pipelines, option{Value: r.Pipeline, Text: r.Pipeline, Selected: true})
	}
	presets, err := s.allPresets(ctx)
	if err != nil {
		return nil, err
	}
	outputs := append(append([]rule.Output{}, r.Outputs...), make([]rule.Output, spareOutputs)...)
	for i, o := range outputs {
		f.Outputs = append(f.Outputs, outputFields{Number: i + 1, Presets: presetOptions(presets, o.PresetID), Key: o.KeyPattern})
	}
	for _, p := range rule.Placeholders {
		f.Places = append(f.Places, fact{Name: "{" + p.Name + "}", Value: p.Meaning})
	}
	return f, nil
}

func (s *Site) allPresets(ctx context.Context) (all []transcode.Preset, err error) {
	for token := ""; ; {
		page, next, err := s.cfg.Jobs.ListPresets(ctx, transcode.Page{Token: token})
		if err != nil {
			return nil, err
		}
		if all = append(all, page...); next == "" {
			return all, nil
		}
		token = next
	}
}

func presetOptions(presets []transcode.Preset, chosen transcode.PresetID) []option {
	all, known := []option{{Text: "None", Selected: chosen == ""}}, chosen == ""
	for _, p := range presets {
		known = known || p.ID == chosen
		all = append(all, option{Value: string(p.ID), Text: strings.TrimPrefix(p.Name, "System preset: "), Selected: p.ID == chosen})
	}
	if !known {
		all = append(all, option{Value: string(chosen), Text: string(chosen), Selected: true})
	}
	return all
}

// readRule reads the form. What it cannot read is a fault for whoever filled it
// in; the domain finds the others.
func (s *Site) readRule(v *visit) (r rule.Rule, err error) {
	if err := v.ParseForm(); err != nil {
		return r, errors.New("the form is too large or broken; open the page again")
	}
	get := func(name string) string { return strings.TrimSpace(v.PostForm.Get(name)) }
	r = rule.Rule{
		Name: get("name"), Bucket: get("bucket"), Prefix: get("prefix"), Pipeline: get("pipeline"), OutputKeyPrefix: get("output-prefix"),
		Suffixes: strings.FieldsFunc(get("suffixes"), func(c rune) bool { return c == ' ' || c == ',' || c == '\n' || c == '\r' || c == '\t' }),
		Enabled:  get("enabled") != "",
	}
	presets, keys := v.PostForm["preset"], v.PostForm["key"]
	for i := range min(len(presets), len(keys)) {
		o := rule.Output{PresetID: transcode.PresetID(strings.TrimSpace(presets[i])), KeyPattern: strings.TrimSpace(keys[i])}
		if o != (rule.Output{}) {
			r.Outputs = append(r.Outputs, o)
		}
	}
	if n := get("max"); n != "" {
		if r.MaxPerHour, err = strconv.Atoi(n); err != nil {
			return r, fmt.Errorf("jobs in an hour %.20q: write a number, or nothing", n)
		}
	}
	for line := range strings.Lines(v.PostForm.Get("metadata")) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return r, fmt.Errorf("metadata %.80q: write name=value, one on a line", line)
		}
		if r.UserMetadata == nil {
			r.UserMetadata = map[string]string{}
		}
		r.UserMetadata[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return r, s.readOwner(v.Context(), &r, get("owner"))
}

func (s *Site) readOwner(ctx context.Context, r *rule.Rule, email string) error {
	if email == "" {
		return nil
	}
	u, err := s.cfg.Accounts.UserByEmail(ctx, email)
	if errors.Is(err, account.ErrNotFound) {
		return fmt.Errorf("there is no account %.254q to be told of the jobs", email)
	}
	if err == nil {
		r.Owner = string(u.ID)
	}
	return err
}

func (s *Site) newRulePage(w http.ResponseWriter, v *visit) {
	f, err := s.newRuleForm(v.Context(), &rule.Rule{
		Bucket: s.cfg.Bucket, Pipeline: string(s.cfg.Pipeline), Enabled: true, Outputs: []rule.Output{{KeyPattern: "{id}/{name}.{ext}"}},
	}, "")
	if err != nil {
		s.broken(w, v.Request, err)
		return
	}
	s.showRule(w, v, http.StatusOK, f, "")
}

func (s *Site) rulePage(w http.ResponseWriter, v *visit) {
	r, err := s.cfg.Rules.Rule(v.Context(), v.PathValue("name"))
	if rule.IsKind(err, rule.NotFound) {
		s.notFound(w, v.Request)
		return
	}
	if err != nil {
		s.broken(w, v.Request, err)
		return
	}
	f, err := s.newRuleForm(v.Context(), r, s.ownerEmail(v.Context(), r.Owner))
	if err != nil {
		s.broken(w, v.Request, err)
		return
	}
	f.New, f.Action = false, ruleURL(r.Name)
	s.showRule(w, v, http.StatusOK, f, "")
}

func (s *Site) ownerEmail(ctx context.Context, owner string) string {
	if owner == "" {
		return ""
	}
	return (&emails{site: s}).of(ctx, owner)
}

func (s *Site) showRule(w http.ResponseWriter, v *visit, status int, f *ruleForm, why string) {
	title := "New rule"
	if !f.New {
		title = "Rule " + f.Name
	}
	at := &url.URL{Path: "/ops/rules/new"}
	if !f.New {
		at.Path = f.Action
	}
	s.showOpsAt(w, v, status, "ops-rule", at, opsPage{frame: frame{Title: title}, Back: &link{"/ops/rules", "Rules"}, Form: f, Fault: why})
}

func (s *Site) createRule(w http.ResponseWriter, v *visit) {
	s.saveRule(w, v, true, func(ctx context.Context, r rule.Rule) error {
		_, err := s.cfg.Rules.Create(ctx, r)
		return err
	})
}

func (s *Site) changeRule(w http.ResponseWriter, v *visit) {
	s.saveRule(w, v, false, func(ctx context.Context, r rule.Rule) error {
		r.Name = v.PathValue("name")
		_, err := s.cfg.Rules.Change(ctx, r)
		return err
	})
}

// saveRule shows a form again that cannot be taken, as it was filled in.
func (s *Site) saveRule(w http.ResponseWriter, v *visit, fresh bool, save func(ctx context.Context, r rule.Rule) error) {
	r, err := s.readRule(v)
	if !fresh {
		r.Name = v.PathValue("name")
	}
	if err == nil {
		err = save(v.Context(), r)
		if err != nil && !rule.IsFault(err) {
			s.broken(w, v.Request, err)
			return
		}
	}
	if err == nil {
		s.done(w, v, fmt.Sprintf("Rule %s is saved.", r.Name), "/ops/rules")
		return
	}
	f, failed := s.newRuleForm(v.Context(), &r, v.PostFormValue("owner"))
	if failed != nil {
		s.broken(w, v.Request, failed)
		return
	}
	if f.New = fresh; !fresh {
		f.Action = ruleURL(r.Name)
	}
	s.showRule(w, v, http.StatusUnprocessableEntity, f, sentence(err.Error()))
}

// sentence makes one of an error's text.
func sentence(text string) string {
	first, rest := text[:min(1, len(text))], text[min(1, len(text)):]
	text = strings.ToUpper(first) + rest
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// turnRule turns a rule on or off, or deletes it.
func (s *Site) turnRule(words string, turn func(ctx context.Context, name string) error) func(http.ResponseWriter, *visit) {
	return func(w http.ResponseWriter, v *visit) {
		name := v.PathValue("name")
		err := turn(v.Context(), name)
		switch {
		case rule.IsKind(err, rule.NotFound):
			s.notFound(w, v.Request)
		case rule.IsFault(err):
			s.done(w, v, sentence(err.Error()), "/ops/rules")
		case err != nil:
			s.broken(w, v.Request, err)
		default:
			s.done(w, v, fmt.Sprintf(words, name), "/ops/rules")
		}
	}
}

func (s *Site) ruleRoutes() map[string]http.HandlerFunc {
	enable := func(ctx context.Context, name string) error { _, err := s.cfg.Rules.Enable(ctx, name); return err }
	disable := func(ctx context.Context, name string) error { _, err := s.cfg.Rules.Disable(ctx, name); return err }
	remove := func(ctx context.Context, name string) error { return s.cfg.Rules.Delete(ctx, name) }
	return map[string]http.HandlerFunc{
		"GET /ops/rules":              s.admin(s.opsList("Rules", "ops-rules")),
		"POST /ops/rules":             s.admin(s.createRule),
		"GET /ops/rules/new":          s.admin(s.newRulePage),
		"GET /ops/rules/named/{name}": s.admin(s.rulePage),

		"POST /ops/rules/named/{name}":         s.admin(s.changeRule),
		"POST /ops/rules/named/{name}/enable":  s.admin(s.turnRule("Rule %s is on: it makes jobs of what comes from now on.", enable)),
		"POST /ops/rules/named/{name}/disable": s.admin(s.turnRule("Rule %s is off.", disable)),
		"POST /ops/rules/named/{name}/delete":  s.admin(s.turnRule("Rule %s is deleted. The jobs it has made stay.", remove)),

		"GET /ops/rules/test":  s.admin(s.testPage),
		"POST /ops/rules/test": s.admin(s.testRules),
	}
}

// testForm is the page where rules are tried.
type testForm struct {
	Event   string
	Name    string // under which the event is kept
	Kept    []option
	Tried   bool
	Trials  []trialView
	Nothing bool // the event asks for nothing
}

// trialView is what a rule would make.
type trialView struct {
	Object  string
	Rule    string
	Tone    tone
	Words   string
	Request string // JSON
}

func (s *Site) newTestForm(ctx context.Context, chosen string) (*testForm, error) {
	kept, err := s.cfg.Rules.Samples(ctx)
	if err != nil {
		return nil, err
	}
	f := &testForm{Name: chosen, Kept: []option{{Text: "An upload", Selected: chosen == ""}}}
	f.Event = s.sampleEvent()
	for _, e := range kept {
		f.Kept = append(f.Kept, option{Value: e.Name, Text: e.Name, Selected: e.Name == chosen})
		if e.Name == chosen {
			f.Event = e.Body
		}
	}
	return f, nil
}

// sampleEvent is one to begin with.
func (s *Site) sampleEvent() string {
	now := time.Now().UTC().Truncate(time.Second)
	return tidyJSON(s3event.Encode(s3event.Event{
		Name: s3event.CreatedPut, Region: "eu-west-1", Time: now, Bucket: s.cfg.Bucket, Key: "media/My song.wav", Size: 34_100_000, ETag: "d41d8cd98f00b204e9800998ecf8427e",
		Sequencer: "0055AED6DCD90281E5",
	}))
}

func (s *Site) testPage(w http.ResponseWriter, v *visit) {
	f, err := s.newTestForm(v.Context(), v.URL.Query().Get("event"))
	if err != nil {
		s.broken(w, v.Request, err)
		return
	}
	s.showTest(w, v, http.StatusOK, f, "")
}

func (s *Site) showTest(w http.ResponseWriter, v *visit, status int, f *testForm, why string) {
	s.showOpsAt(w, v, status, "ops-test", &url.URL{Path: "/ops/rules/test"},
		opsPage{frame: frame{Title: "Try the rules"}, Back: &link{"/ops/rules", "Rules"}, Form: f, Fault: why})
}

// testRules tries the rules with an event, or keeps or forgets it.
func (s *Site) testRules(w http.ResponseWriter, v *visit) {
	if err := v.ParseForm(); err != nil {
		s.fail(w, v.Request, http.StatusRequestEntityTooLarge, "The event is too large. AWS has none above 256 KB.")
		return
	}
	name, event := strings.TrimSpace(v.PostForm.Get("name")), v.PostForm.Get("event")
	at := "/ops/rules/test"
	var err error
	switch v.PostForm.Get("do") {
	case "save":
		if err = s.cfg.Rules.SaveSample(v.Context(), rule.Sample{Name: name, Body: event}); err == nil {
			s.done(w, v, fmt.Sprintf("The event %s is saved.", name), withQuery(at, url.Values{"event": {name}}))
			return
		}
	case "delete":
		if err = s.cfg.Rules.DeleteSample(v.Context(), name); err == nil {
			s.done(w, v, fmt.Sprintf("The event %s is deleted.", name), at)
			return
		}
	}
	if err != nil && !rule.IsFault(err) {
		s.broken(w, v.Request, err)
		return
	}
	f, failed := s.newTestForm(v.Context(), name)
	if failed != nil {
		s.broken(w, v.Request, failed)
		return
	}
	f.Event, f.Name = event, name
	if err == nil {
		err = s.try(v.Context(), f)
	}
	switch {
	case rule.IsFault(err):
		s.showTest(w, v, http.StatusUnprocessableEntity, f, sentence(err.Error()))
	case err != nil:
		s.broken(w, v.Request, err)
	default:
		s.showTest(w, v, http.StatusOK, f, "")
	}
}

// try fills in what the rules would make of the form's event.
func (s *Site) try(ctx context.Context, f *testForm) error {
	trials, err := s.cfg.Rules.Try(ctx, []byte(f.Event))
	if err != nil {
		return err
	}
	f.Tried, f.Nothing = true, len(trials) == 0
	for _, t := range trials {
		v := trialView{Object: t.Event.Bucket + "/" + t.Event.Key, Rule: t.Rule, Tone: waiting, Words: sentence(t.Why)}
		if t.Spec != nil {
			v.Tone, v.Words, v.Request = good, "It would ask for this job:", s.cfg.Request(*t.Spec)
		}
		f.Trials = append(f.Trials, v)
	}
	return nil
}
