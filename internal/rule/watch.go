package rule

import (
	"fmt"
	"slices"
	"strings"

	"etude/internal/transcode"
)

// watch are objects that a rule takes.
type watch struct {
	rule     string
	bucket   string
	prefix   string
	suffixes []string // none is any
}

func (w watch) String() string {
	s := "s3://" + w.bucket + "/" + w.prefix + "*"
	if len(w.suffixes) > 0 {
		s += " with the ending " + strings.Join(w.suffixes, ", ")
	}
	return s
}

// Trigger is a part of a bucket's notification configuration: what it sends to
// a rule.
type Trigger struct {
	Rule           string
	Bucket         string
	Prefix, Suffix string // empty is any
}

func (t Trigger) watch() watch {
	w := watch{rule: t.Rule, bucket: t.Bucket, prefix: t.Prefix}
	if t.Suffix != "" {
		w.suffixes = []string{t.Suffix}
	}
	return w
}

// meets reports whether there is a key that both take.
func (w watch) meets(other watch) bool {
	return w.bucket == other.bucket && nest(w.prefix, other.prefix, strings.HasPrefix) && endsMeet(w.suffixes, other.suffixes)
}

// nest reports whether one of two texts has the other at that side.
func nest(a, b string, has func(s, part string) bool) bool { return has(a, b) || has(b, a) }

func endsMeet(a, b []string) bool {
	if len(a) == 0 || len(b) == 0 {
		return true
	}
	return slices.ContainsFunc(a, func(x string) bool {
		return slices.ContainsFunc(b, func(y string) bool { return nest(x, y, strings.HasSuffix) })
	})
}

// makes are the objects that a rule's outputs become: a watch that has them all.
type makes struct {
	bucket, first, last string
}

func (m makes) watch() watch {
	w := watch{bucket: m.bucket, prefix: m.first}
	if m.last != "" {
		w.suffixes = []string{m.last}
	}
	return w
}

// node is a rule as the search for circles sees it.
type node struct {
	name    string
	watches []watch
	makes   []makes
}

// feeds returns an output of n that other takes, if there is one.
func (n node) feeds(other node) (made makes, taken watch, ok bool) {
	for _, m := range n.makes {
		for _, w := range other.watches {
			if w.meets(m.watch()) {
				return m, w, true
			}
		}
	}
	return made, taken, false
}

// circle returns a chain of rules that begins with the named one and whose last
// one feeds the first, the shortest that there is; nil if there is none.
func circle(nodes []node, name string) []node {
	start := slices.IndexFunc(nodes, func(n node) bool { return n.name == name })
	if start < 0 {
		return nil
	}
	from := map[int]int{start: -1} // by whom each was reached
	for queue := []int{start}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if _, _, back := nodes[at].feeds(nodes[start]); back {
			var chain []node
			for i := at; i >= 0; i = from[i] {
				chain = append(chain, nodes[i])
			}
			slices.Reverse(chain)
			return chain
		}
		for i := range nodes {
			if _, seen := from[i]; seen {
				continue
			}
			if _, _, fed := nodes[at].feeds(nodes[i]); fed {
				from[i] = at
				queue = append(queue, i)
			}
		}
	}
	return nil
}

// circleError says what is wrong with a chain and what can be done.
func circleError(chain []node) error {
	var b strings.Builder
	for i, n := range chain {
		next := chain[(i+1)%len(chain)]
		made, taken, _ := n.feeds(next)
		verb := "takes"
		if next.name == n.name {
			fmt.Fprintf(&b, "rule %q would start itself: its outputs go to s3://%s/%s*, and it %s %s", n.name, made.bucket, made.first, verb, taken)
			break
		}
		if i == 0 {
			fmt.Fprintf(&b, "rule %q would start itself over others: ", n.name)
		} else {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "outputs of %q go to s3://%s/%s*, where %q %s %s", n.name, made.bucket, made.first, next.name, verb, taken)
	}
	b.WriteString(". Choose another output key prefix or bucket for the outputs, or a suffix that they do not have for what is taken")
	return &Error{Kind: Recursion, Message: b.String()}
}

// overlapError says which two rules would take the same object.
func overlapError(a, b watch) error {
	return &Error{Kind: Overlap, Message: fmt.Sprintf(
		"rules %q and %q would both take an object: one takes %s, the other %s. One object starts one job: add the outputs to %[2]q, "+
			"or choose prefixes or suffixes that exclude each other, or disable %[2]q (etude rule disable %[2]s)", a.rule, b.rule, a, b)}
}

// CheckTogether finds what is wrong with rules that are kept nowhere: an object
// would have two of them, or they would start themselves or each other. It asks
// in which bucket the outputs of each are, and for the usual ending of the files
// of a preset.
func CheckTogether(rules []Rule, outputBucket func(r *Rule) string, endingOf func(transcode.PresetID) (string, error)) error {
	var nodes []node
	for i := range rules {
		r := &rules[i]
		if !r.Enabled {
			continue
		}
		n := node{name: r.Name, watches: r.watches()}
		for _, o := range r.Outputs {
			ext, err := endingOf(o.PresetID)
			if err != nil {
				return err
			}
			first, last := r.ends(o, ext)
			n.makes = append(n.makes, makes{outputBucket(r), first, last})
		}
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		if err := checkNodes(nodes, n.name); err != nil {
			return err
		}
	}
	return nil
}
