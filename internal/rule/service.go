package rule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"etude/internal/s3event"
	"etude/internal/transcode"
)

// Config is what a Service needs. Fields without a word on their zero value
// must be set.
type Config struct {
	Store   Store
	Jobs    Jobs
	Objects Objects
	Logger  *slog.Logger
	// Triggers returns what the buckets' notification configurations send to
	// rules; nil means that there are none.
	Triggers func(ctx context.Context) ([]Trigger, error)
	// UserOf returns who is told of jobs of an object that principal, as an
	// event names it, has written, or "" if that is nobody's; nil means that it
	// never is known.
	UserOf func(ctx context.Context, principal string) (string, error)
	Node   string           // names this process; the same again after a restart
	Now    func() time.Time // nil means time.Now
}

// Service keeps rules and makes the jobs that they ask for. All methods may be
// called at once from many goroutines.
type Service struct {
	Config

	mu    sync.Mutex
	rates map[string]*rate // by rule
}

// New checks cfg and returns a Service of it.
func New(cfg Config) (*Service, error) {
	var faults []error
	for name, missing := range map[string]bool{
		"Store": cfg.Store == nil, "Jobs": cfg.Jobs == nil, "Objects": cfg.Objects == nil, "Logger": cfg.Logger == nil, "Node": cfg.Node == "",
	} {
		if missing {
			faults = append(faults, fmt.Errorf("%s is not set", name))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("configure rules: %w", err)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{Config: cfg, rates: map[string]*rate{}}, nil
}

// Rules returns all rules in the order of their names.
func (s *Service) Rules(ctx context.Context) ([]*Rule, error) { return s.Store.Rules(ctx) }

// Rule returns a rule, or an *Error of kind NotFound.
func (s *Service) Rule(ctx context.Context, name string) (*Rule, error) {
	r, err := s.Store.Rule(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return nil, noRule(name)
	}
	return r, err
}

func noRule(name string) error {
	return &Error{Kind: NotFound, Message: fmt.Sprintf("there is no rule %.80q; etude rule list shows them", name), Err: ErrNotFound}
}

// Create makes a new rule. It is refused if a member is wrong, its pipeline or
// a preset is not there, it would start itself, alone or over others, or takes
// objects that another one takes.
func (s *Service) Create(ctx context.Context, r Rule) (*Rule, error) {
	return s.put(ctx, r, func(all []*Rule, r *Rule) error {
		if slices.ContainsFunc(all, func(o *Rule) bool { return o.Name == r.Name }) {
			return fault(Exists, "there is a rule %q already: change that one, or choose another name", r.Name)
		}
		return nil
	})
}

// Change replaces the rule of that name, under the same conditions. It ends a
// pause.
func (s *Service) Change(ctx context.Context, r Rule) (*Rule, error) {
	return s.put(ctx, r, func(all []*Rule, r *Rule) error {
		i := slices.IndexFunc(all, func(o *Rule) bool { return o.Name == r.Name })
		if i < 0 {
			return noRule(r.Name)
		}
		r.CreateTime = all[i].CreateTime
		return changeable(all[i])
	})
}

// changeable refuses to change what the next start would undo.
func changeable(r *Rule) error {
	if r.Source == FromFile {
		return fault(Invalid, "rule %q is kept in the file of rules: change it there and start the server again", r.Name)
	}
	return nil
}

// put keeps r as allow leaves it.
func (s *Service) put(ctx context.Context, r Rule, allow func(all []*Rule, r *Rule) error) (*Rule, error) {
	r.Paused, r.CreateTime = "", s.Now()
	if err := r.Check(); err != nil {
		return nil, &Error{Kind: Invalid, Message: fmt.Sprintf("rule %.80q: %v", r.Name, err), Err: err}
	}
	err := s.change(ctx, func(all []*Rule) ([]*Rule, []string, error) {
		c := r
		if err := allow(all, &c); err != nil {
			return nil, nil, err
		}
		return []*Rule{&c}, nil, nil
	})
	if err != nil {
		return nil, err
	}
	return s.Rule(ctx, r.Name)
}

// Enable lets a rule make jobs, from now on; Disable keeps it from that. What
// came meanwhile is found by Rescan.
func (s *Service) Enable(ctx context.Context, name string) (*Rule, error) {
	return s.toggle(ctx, name, func(r *Rule) { r.Enabled, r.Paused = true, "" })
}

// Disable keeps a rule from making jobs. Those it has made go on.
func (s *Service) Disable(ctx context.Context, name string) (*Rule, error) {
	return s.toggle(ctx, name, func(r *Rule) { r.Enabled, r.Paused = false, "" })
}

func (s *Service) toggle(ctx context.Context, name string, set func(*Rule)) (*Rule, error) {
	err := s.change(ctx, func(all []*Rule) ([]*Rule, []string, error) {
		i := slices.IndexFunc(all, func(o *Rule) bool { return o.Name == name })
		if i < 0 {
			return nil, nil, noRule(name)
		}
		c := *all[i]
		set(&c)
		return []*Rule{&c}, nil, nil
	})
	if err != nil {
		return nil, err
	}
	s.forgetRate(name)
	return s.Rule(ctx, name)
}

// Delete forgets a rule. Jobs that it has made stay.
func (s *Service) Delete(ctx context.Context, name string) error {
	return s.change(ctx, func(all []*Rule) ([]*Rule, []string, error) {
		i := slices.IndexFunc(all, func(o *Rule) bool { return o.Name == name })
		if i < 0 {
			return nil, nil, noRule(name)
		}
		return nil, []string{name}, changeable(all[i])
	})
}

// Load makes the rules of a file those that are kept from a file: whichever
// the file does not have any more goes. Either all of it is done or nothing.
// The index of the rule at fault is returned with an error, or -1.
func (s *Service) Load(ctx context.Context, rules []Rule) (at int, err error) {
	at = -1
	err = s.change(ctx, func(all []*Rule) (put []*Rule, gone []string, err error) {
		named := map[string]bool{}
		for i, r := range rules {
			at = i
			if err := r.Check(); err != nil {
				return nil, nil, &Error{Kind: Invalid, Message: fmt.Sprintf("rule %.80q: %v", r.Name, err), Err: err}
			}
			if named[r.Name] {
				return nil, nil, fault(Exists, "there are two rules %q in the file", r.Name)
			}
			named[r.Name] = true
			c := r
			c.Source, c.CreateTime = FromFile, s.Now()
			for _, old := range all {
				if old.Name != r.Name {
					continue
				}
				if old.Source != FromFile {
					return nil, nil, fault(Exists, "there is a rule %q already that was made otherwise: choose another name, or remove that one (etude rule rm %[1]s)", r.Name)
				}
				c.CreateTime, c.Paused = old.CreateTime, old.Paused
			}
			put = append(put, &c)
		}
		at = -1
		for _, old := range all {
			if old.Source == FromFile && !named[old.Name] {
				gone = append(gone, old.Name)
			}
		}
		return put, gone, nil
	})
	var e *faulty
	if errors.As(err, &e) {
		at = slices.IndexFunc(rules, func(r Rule) bool { return r.Name == e.rule })
	}
	return at, err
}

// faulty says which rule an error is about.
type faulty struct {
	rule string
	error
}

func (f *faulty) Unwrap() error { return f.error }

// choice says from all rules which to put and which to remove.
type choice func(all []*Rule) (put []*Rule, gone []string, err error)

// errChanged says that somebody changed the rules since they were looked up.
var errChanged = errors.New("the rules were changed at the same time; try again")

// change puts and removes rules, and holds what must be true of all together.
func (s *Service) change(ctx context.Context, choose choice) error {
	for try := 1; ; try++ {
		err := s.changeOnce(ctx, choose)
		if try == 10 || !errors.Is(err, errChanged) {
			return err
		}
	}
}

func (s *Service) changeOnce(ctx context.Context, choose choice) error {
	triggers, err := s.triggers(ctx)
	if err != nil {
		return err
	}
	// What a rule's pipeline and presets are is looked up before the
	// transaction, which may not use the store; choose is asked again within.
	known := map[string]node{}
	all, err := s.Store.Rules(ctx)
	if err != nil {
		return err
	}
	put, _, err := choose(all)
	if err != nil {
		return err
	}
	for _, r := range append(slices.Clone(all), put...) {
		n, err := s.node(ctx, r, triggers)
		isNew := slices.Contains(put, r)
		if err != nil && isNew && r.Enabled {
			return &faulty{r.Name, err}
		}
		known[key(r)] = n
	}
	return s.Store.UpdateRules(ctx, func(tx Tx) error {
		all, err := tx.Rules(ctx)
		if err != nil {
			return err
		}
		put, gone, err := choose(all)
		if err != nil {
			return err
		}
		after := merge(all, put, gone)
		for _, r := range put {
			if err := s.together(after, r, known); err != nil {
				return &faulty{r.Name, err}
			}
		}
		for _, r := range put {
			if err := tx.PutRule(ctx, r); err != nil {
				return err
			}
		}
		for _, name := range gone {
			if err := tx.DeleteRule(ctx, name); err != nil {
				return err
			}
		}
		return nil
	})
}

// key is the same for rules that take and make the same.
func key(r *Rule) string {
	return fmt.Sprintf("%q", []any{r.Name, r.Bucket, r.Prefix, r.Suffixes, r.Pipeline, r.OutputKeyPrefix, r.Outputs})
}

// merge returns the rules as they will be.
func merge(all, put []*Rule, gone []string) []*Rule {
	byName := map[string]*Rule{}
	for _, r := range append(slices.Clone(all), put...) {
		byName[r.Name] = r
	}
	for _, name := range gone {
		delete(byName, name)
	}
	after := make([]*Rule, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		after = append(after, byName[name])
	}
	return after
}

// together holds that no enabled rules take the same object, nor lead back to
// themselves. A rule that is only in its circle while another one is disabled is
// checked when that is enabled.
func (s *Service) together(all []*Rule, r *Rule, known map[string]node) error {
	if !r.Enabled {
		return nil
	}
	var nodes []node
	for _, o := range all {
		n, ok := known[key(o)]
		switch {
		case o.Enabled && !ok:
			return errChanged
		case o.Enabled:
			nodes = append(nodes, n)
		}
	}
	return checkNodes(nodes, r.Name)
}

func checkNodes(nodes []node, name string) error {
	at := slices.IndexFunc(nodes, func(n node) bool { return n.name == name })
	for i, n := range nodes {
		for _, a := range nodes[at].watches {
			for _, b := range n.watches {
				if i != at && a.meets(b) {
					return overlapError(a, b)
				}
			}
		}
	}
	if chain := circle(nodes, name); chain != nil {
		return circleError(chain)
	}
	return nil
}

func (s *Service) triggers(ctx context.Context) ([]Trigger, error) {
	if s.Triggers == nil {
		return nil, nil
	}
	all, err := s.Triggers(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the buckets' notification configurations: %w", err)
	}
	return all, nil
}

// node looks up what a rule takes and makes. An error is what is wrong with its
// pipeline or presets; the node is then without what it makes.
func (s *Service) node(ctx context.Context, r *Rule, triggers []Trigger) (node, error) {
	n := node{name: r.Name, watches: r.watches()}
	for _, t := range triggers {
		if t.Rule == r.Name {
			n.watches = append(n.watches, t.watch())
		}
	}
	pipeline, err := s.pipeline(ctx, r)
	if err != nil {
		return n, err
	}
	if r.Bucket != "" && pipeline.InputBucket != r.Bucket {
		return n, fault(Invalid, "rule %q takes objects of the bucket %q, and its pipeline %q reads from %q: choose a pipeline that reads from %[2]q",
			r.Name, r.Bucket, pipeline.Name, pipeline.InputBucket)
	}
	for _, o := range r.Outputs {
		preset, err := s.Jobs.ReadPreset(ctx, o.PresetID)
		if err != nil {
			return n, jobFault(r, err)
		}
		first, last := r.ends(o, Ending(preset))
		n.makes = append(n.makes, makes{pipeline.Content.Bucket, first, last})
	}
	sample := Object{ObjectRef: transcode.ObjectRef{Bucket: pipeline.InputBucket, Key: r.Prefix + "sample.mp3"}}
	spec, err := s.spec(ctx, r, pipeline, sample)
	if err != nil {
		return n, err
	}
	if err := s.Jobs.CheckJob(ctx, spec); err != nil {
		return n, jobFault(r, err)
	}
	return n, nil
}

// jobFault makes a fault of a request for a job one of its rule.
func jobFault(r *Rule, err error) error {
	var e *transcode.Error
	if !errors.As(err, &e) {
		return err
	}
	kind := Invalid
	if e.Kind == transcode.NotFound {
		kind = NotFound
	}
	return &Error{Kind: kind, Message: fmt.Sprintf("rule %q: %s", r.Name, e.Message), Err: err}
}

// pipeline finds a rule's pipeline by its id or its name.
func (s *Service) pipeline(ctx context.Context, r *Rule) (*transcode.Pipeline, error) {
	if transcode.ValidID(r.Pipeline) {
		p, err := s.Jobs.ReadPipeline(ctx, transcode.PipelineID(r.Pipeline))
		if err == nil || !transcode.IsKind(err, transcode.NotFound) {
			return p, err
		}
	}
	var found []*transcode.Pipeline
	for page := (transcode.Page{}); ; {
		pipelines, next, err := s.Jobs.ListPipelines(ctx, page)
		if err != nil {
			return nil, err
		}
		for _, p := range pipelines {
			if p.Name == r.Pipeline {
				found = append(found, p)
			}
		}
		if page.Token = next; next == "" {
			break
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, fault(NotFound, "rule %q: there is no pipeline %q", r.Name, r.Pipeline)
	}
	return nil, fault(Invalid, "rule %q: there are %d pipelines of the name %q: name it by its id, for instance %s", r.Name, len(found), r.Pipeline, found[0].ID)
}

// CheckTriggers finds what is wrong with sending a bucket's events to rules
// over its notification configuration, which is to have these parts and no
// others: there is no such rule, it would start itself, or an object would have
// two rules.
func (s *Service) CheckTriggers(ctx context.Context, bucket string, parts []Trigger) error {
	rules, err := s.Store.Rules(ctx)
	if err != nil {
		return err
	}
	triggers, err := s.triggers(ctx)
	if err != nil {
		return err
	}
	triggers = append(slices.DeleteFunc(triggers, func(t Trigger) bool { return t.Bucket == bucket }), parts...)
	var nodes []node
	for _, r := range rules {
		n, err := s.node(ctx, r, triggers)
		if err != nil && slices.ContainsFunc(parts, func(t Trigger) bool { return t.Rule == r.Name }) {
			return err
		}
		if r.Enabled {
			nodes = append(nodes, n)
		}
	}
	for _, t := range parts {
		i := slices.IndexFunc(rules, func(r *Rule) bool { return r.Name == t.Rule })
		if i < 0 {
			return noRule(t.Rule)
		}
		p, err := s.pipeline(ctx, rules[i])
		if err != nil {
			return err
		}
		if p.InputBucket != bucket {
			return fault(Invalid, "rule %q has a pipeline that reads from the bucket %q, not from %q: give it one that does", t.Rule, p.InputBucket, bucket)
		}
		if rules[i].Enabled {
			if err := checkNodes(nodes, t.Rule); err != nil {
				return err
			}
		}
	}
	return nil
}

// objectOf is the object of which an event tells.
func objectOf(e s3event.Event) Object {
	return Object{transcode.ObjectRef{Bucket: e.Bucket, Key: e.Key}, e.VersionID, e.ETag}
}
