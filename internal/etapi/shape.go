package etapi

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// kind is what a shape is in JSON.
type kind int

const (
	textKind      kind = iota + 1
	integerKind        // a number of 32 bits
	longKind           // a number of 64 bits
	listKind           // an array
	mapKind            // an object with any names
	structureKind      // an object with known names
)

// shape is the form that a value of the API has, as in AWS's service model.
// Within the API each scalar of a request is a string, numbers and booleans
// included; the few numbers are the service's own findings.
type shape struct {
	kind kind

	pattern string            // of a text, as AWS writes it; empty for none
	match   func(string) bool // whether a text fits pattern
	min     int               // length of a text in characters
	max     int               // length of a text, list or map; 0 for no limit

	emptyValues bool // of a map: they are taken, whatever of says

	keyName, ofName string // what a map's keys and a map's or list's items are
	key, of         *shape // the same, resolved

	members []member // of a structure, in AWS's order
}

// member is one name in a structure.
type member struct {
	name      string
	required  bool
	place     place
	shapeName string
	shape     *shape // the same, resolved
}

// place is where in a request a member of its structure travels.
type place string

const (
	inBody  place = ""
	inPath  place = "path"
	inQuery place = "query"
)

// text is any string of at least min and, unless max is 0, at most max
// characters.
func text(lo, hi int) *shape { return &shape{kind: textKind, min: lo, max: hi} }

// pattern is a string that fits a regular expression.
func pattern(p string) *shape {
	return &shape{kind: textKind, pattern: p, match: regexp.MustCompile(p).MatchString}
}

// enum is one of some words, separated by spaces.
func enum(words string) *shape {
	alternatives := strings.Fields(words)
	for i, w := range alternatives {
		alternatives[i] = "(^" + w + "$)"
	}
	return pattern(strings.Join(alternatives, "|"))
}

// list is an array of a shape, of at most hi items unless that is 0.
func list(of string, hi int) *shape { return &shape{kind: listKind, ofName: of, max: hi} }

// dict is an object of at most hi pairs unless that is 0.
func dict(key, of string, hi int) *shape {
	return &shape{kind: mapKind, keyName: key, ofName: of, max: hi}
}

// emptyValues is a map that takes empty values too: AWS's own samples of presets
// have them, against its model.
func emptyValues(m *shape) *shape {
	m.emptyValues = true
	return m
}

// structure is an object with members, separated by spaces: a name, "*" if it
// is required, "@path" or "@query" if it is not in the body, and ":SHAPE" where
// the shape's name is not the member's.
func structure(members string) *shape {
	s := &shape{kind: structureKind}
	for field := range strings.FieldsSeq(members) {
		name, shapeName, ok := strings.Cut(field, ":")
		name, where, _ := strings.Cut(name, "@")
		name, required := strings.CutSuffix(name, "*")
		if !ok {
			shapeName = name
		}
		s.members = append(s.members, member{name: name, required: required, place: place(where), shapeName: shapeName})
	}
	return s
}

// resolve replaces the names of shapes by the shapes. A name that is not in the
// table is a fault of the table.
func resolve(table map[string]*shape) map[string]*shape {
	find := func(name string) *shape {
		s, ok := table[name]
		if !ok {
			panic(fmt.Sprintf("etapi: the table of shapes lacks %q", name))
		}
		return s
	}
	for _, s := range table {
		if s.keyName != "" {
			s.key = find(s.keyName)
		}
		if s.ofName != "" {
			s.of = find(s.ofName)
		}
		for i := range s.members {
			s.members[i].shape = find(s.members[i].shapeName)
		}
	}
	return table
}

// isWatermarkKey stands in for WatermarkKey's pattern, whose repeat counts are
// too large for regexp. The dot before the extension is any character, as in
// the pattern.
func isWatermarkKey(s string) bool {
	if strings.Contains(s, "\n") {
		return false
	}
	n := utf8.RuneCountInString(s)
	switch {
	case strings.HasSuffix(s, "jpg"), strings.HasSuffix(s, "png"):
		return n >= 1+len(".jpg") && n <= 1020+len(".jpg")
	case strings.HasSuffix(s, "jpeg"):
		return n >= 1+len(".jpeg") && n <= 1019+len(".jpeg")
	}
	return false
}
