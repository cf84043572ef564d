package etapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds on what is said back, so that the answer to a bad request of a
// megabyte stays small.
const (
	maxFaultsTold = 100
	maxValueTold  = 300 // bytes
)

// checker collects what is wrong with a request, to be told all at once in
// AWS's words.
type checker struct {
	faults int
	told   []string // the first maxFaultsTold of them
}

// check compares a request with the structure of that name. It returns the
// first value of a wrong JSON type as SerializationException, else all that
// breaks a constraint as one ValidationException, else nil.
func check(structureName string, in document) error {
	var c checker
	if err := c.structure("", shapeOf(structureName), in); err != nil {
		return err
	}
	switch c.faults {
	case 0:
		return nil
	case 1:
		return validation("1 validation error detected: " + c.told[0])
	}
	if more := c.faults - len(c.told); more > 0 {
		c.told = append(c.told, fmt.Sprintf("and %d more", more))
	}
	return validation(fmt.Sprintf("%d validation errors detected: %s", c.faults, strings.Join(c.told, "; ")))
}

func (c *checker) fault(at string, v any, constraint string) {
	c.faults++
	if len(c.told) < maxFaultsTold {
		c.told = append(c.told, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: %s", quoted(v), at, constraint))
	}
}

func (c *checker) structure(at string, s *shape, in document) error {
	for _, m := range s.members {
		path := join(at, lowerFirst(m.name))
		v := in[m.name]
		if v == nil {
			if m.required {
				c.fault(path, nil, "Member must not be null")
			}
			continue
		}
		if err := c.value(path, m.shape, v); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) value(at string, s *shape, v any) error {
	switch s.kind {
	case textKind:
		t, ok := v.(string)
		if !ok {
			return wrongType(at, "a String", v)
		}
		for _, constraint := range s.textFaults(t) {
			c.fault(at, t, constraint)
		}
	case integerKind:
		return checkNumber(at, "an Integer", 32, v)
	case longKind:
		return checkNumber(at, "a Long", 64, v)
	case listKind:
		items, ok := v.([]any)
		if !ok {
			return wrongType(at, "a list", v)
		}
		return c.list(at, s, items)
	case mapKind:
		pairs, ok := v.(map[string]any)
		if !ok {
			return wrongType(at, "a map", v)
		}
		return c.pairs(at, s, pairs)
	case structureKind:
		members, ok := v.(map[string]any)
		if !ok {
			return wrongType(at, "a structure", v)
		}
		return c.structure(at, s, members)
	}
	return nil
}

// list does not look into a list that is too long: its length is fault enough.
func (c *checker) list(at string, s *shape, items []any) error {
	if constraint := s.tooMany(len(items)); constraint != "" {
		c.fault(at, items, constraint)
		return nil
	}
	if s.of.kind == textKind {
		return c.texts(at, s, items)
	}
	for i, item := range items {
		path := join(at, strconv.Itoa(i+1)+".member")
		if item == nil {
			c.fault(path, nil, "Member must not be null")
			continue
		}
		if err := c.value(path, s.of, item); err != nil {
			return err
		}
	}
	return nil
}

// texts checks a list of strings, whose faults AWS tells of the list.
func (c *checker) texts(at string, s *shape, items []any) error {
	for _, item := range items {
		t, ok := item.(string)
		switch {
		case item == nil:
			c.fault(at, items, "Member must satisfy constraint: [Member must not be null]")
			return nil
		case !ok:
			return wrongType(at, "a String", item)
		}
		if faults := s.of.textFaults(t); len(faults) > 0 {
			c.fault(at, items, "Member must satisfy constraint: ["+strings.Join(faults, ", ")+"]")
			return nil
		}
	}
	return nil
}

// pairs checks a map of strings, whose faults AWS tells of the map.
func (c *checker) pairs(at string, s *shape, pairs map[string]any) error {
	if constraint := s.tooMany(len(pairs)); constraint != "" {
		c.fault(at, pairs, constraint)
		return nil
	}
	var ofKeys, ofValues []string
	for _, k := range sortedKeys(pairs) {
		t, ok := pairs[k].(string)
		switch {
		case pairs[k] == nil:
			ofValues = append(ofValues, "Member must not be null")
		case !ok:
			return wrongType(join(at, k), "a String", pairs[k])
		case t != "" || !s.emptyValues:
			ofValues = append(ofValues, s.of.textFaults(t)...)
		}
		ofKeys = append(ofKeys, s.key.textFaults(k)...)
	}
	if len(ofKeys) > 0 {
		c.fault(at, pairs, "Map keys must satisfy constraint: ["+joinOnce(ofKeys)+"]")
	}
	if len(ofValues) > 0 {
		c.fault(at, pairs, "Map value must satisfy constraint: ["+joinOnce(ofValues)+"]")
	}
	return nil
}

// textFaults returns the constraints of s that t breaks. No text may have a
// zero character: AWS's model does not say so, but no database keeps it.
func (s *shape) textFaults(t string) []string {
	var faults []string
	if strings.ContainsRune(t, 0) {
		faults = append(faults, `Member must satisfy regular expression pattern: ^[^\u0000]*$`)
	}
	if s.match != nil && !s.match(t) {
		faults = append(faults, "Member must satisfy regular expression pattern: "+s.pattern)
	}
	n := utf8.RuneCountInString(t)
	if constraint := s.tooMany(n); constraint != "" {
		faults = append(faults, constraint)
	}
	if n < s.min {
		faults = append(faults, fmt.Sprintf("Member must have length greater than or equal to %d", s.min))
	}
	return faults
}

func (s *shape) tooMany(n int) string {
	if s.max == 0 || n <= s.max {
		return ""
	}
	return fmt.Sprintf("Member must have length less than or equal to %d", s.max)
}

func checkNumber(at, want string, bits int, v any) error {
	n, ok := v.(json.Number)
	if !ok {
		return wrongType(at, want, v)
	}
	if _, err := strconv.ParseInt(n.String(), 10, bits); err != nil {
		return wrongType(at, want, v)
	}
	return nil
}

// quoted writes a value as AWS does: null bare, all else as Java would print it
// and in single quotes.
func quoted(v any) string {
	if v == nil {
		return "null"
	}
	var b strings.Builder
	printValue(&b, v)
	s := b.String()
	if len(s) > maxValueTold {
		s = strings.ToValidUTF8(s[:maxValueTold], "") + "..."
	}
	return "'" + s + "'"
}

func printValue(b *strings.Builder, v any) {
	if b.Len() > maxValueTold {
		return // will be cut anyway
	}
	switch v := v.(type) {
	case []any:
		b.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			printValue(b, item)
			if b.Len() > maxValueTold {
				return
			}
		}
		b.WriteByte(']')
	case map[string]any:
		b.WriteByte('{')
		for i, k := range sortedKeys(v) {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(k + "=")
			printValue(b, v[k])
			if b.Len() > maxValueTold {
				return
			}
		}
		b.WriteByte('}')
	case nil:
		b.WriteString("null")
	default:
		fmt.Fprint(b, v)
	}
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// joinOnce joins what is left when repeats are dropped.
func joinOnce(faults []string) string {
	var once []string
	for _, f := range faults {
		if !slices.Contains(once, f) {
			once = append(once, f)
		}
	}
	return strings.Join(once, ", ")
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

func lowerFirst(s string) string {
	return string(unicode.ToLower(rune(s[0]))) + s[1:]
}

func validation(message string) error {
	return &apiError{exception: validationException, message: message}
}
