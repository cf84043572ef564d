package snsfilter

import (
	"encoding/json"
	"io"
	"strings"
)

// MatchBody reports whether a message with this body passes: it must be a JSON
// object. Where the body has arrays of objects, what a branch of the policy asks
// of an array's elements must be found in one of them together.
func (p Policy) MatchBody(body string) bool {
	if len(p.branches) == 0 {
		return true
	}
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	var root map[string]any
	if d.Decode(&root) != nil || root == nil {
		return false
	}
	if _, err := d.Token(); err != io.EOF {
		return false
	}
	for _, branch := range p.branches {
		if matchTree(branch, root) {
			return true
		}
	}
	return false
}

// masks is a set of sets of conditions: bit m is set if the conditions whose
// bits m has can be met together. There are at most maxTogether conditions, so
// there are at most 64 such sets.
type masks uint64

// nothing is met by whatever there is.
const nothing masks = 1

// together returns what can be met where both a and b can.
func together(a, b masks) masks {
	switch {
	case a == nothing:
		return b
	case b == nothing:
		return a
	}
	var all masks
	for i := range 64 {
		if a>>i&1 == 0 {
			continue
		}
		for j := range 64 {
			if b>>j&1 != 0 {
				all |= 1 << (i | j)
			}
		}
	}
	return all
}

// tree matches one branch with one body.
type tree struct {
	branch []condition
	seen   int // conditions of whose path there is a value
}

func matchTree(branch []condition, root any) bool {
	t := tree{branch: branch}
	met := t.node("", root)
	wanted := 0
	for i, c := range branch {
		if t.seen>>i&1 != 0 || !c.absent {
			wanted |= 1 << i
		}
	}
	for m := range 64 {
		if met>>m&1 != 0 && m&wanted == wanted {
			return true
		}
	}
	return false
}

// node returns what a value of the body at a path can meet.
func (t *tree) node(path string, v any) masks {
	switch v := v.(type) {
	case map[string]any:
		met := nothing
		for key, member := range v {
			if path != "" {
				key = path + "." + key
			}
			if t.wants(key) {
				met = together(met, t.node(key, member))
			}
		}
		return met
	case []any:
		met := nothing // of one element, whichever
		for _, element := range v {
			met |= t.node(path, element)
		}
		return met
	}
	return t.leaf(path, v)
}

// wants reports whether a condition is about a path or what is below it.
func (t *tree) wants(path string) bool {
	for i := range t.branch {
		rest, ok := strings.CutPrefix(t.branch[i].path, path)
		if ok && (rest == "" || rest[0] == '.') {
			return true
		}
	}
	return false
}

func (t *tree) leaf(path string, v any) masks {
	found, ok := leaf(v)
	if !ok {
		return nothing
	}
	met := 0
	for i := range t.branch {
		if t.branch[i].path != path {
			continue
		}
		t.seen |= 1 << i
		if t.branch[i].matches(found) {
			met |= 1 << i
		}
	}
	return nothing | 1<<met
}
