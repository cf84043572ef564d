package snsfilter

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// parser turns tokens into branches. Every method begins at the token it is
// about, and ends at the last one of that.
type parser struct {
	text   string
	tokens []token
	at     int
	scope  Scope
}

func (p *parser) token() token { return p.tokens[p.at] }

func (p *parser) next() token {
	if p.at+1 < len(p.tokens) {
		p.at++
	}
	return p.token()
}

// readTo is how far Jackson has read when it is at a token: a string only to
// its first quote, unless somebody asked for the text; a name to the value that
// follows it.
func (p *parser) readTo(at int) int {
	t := p.tokens[at]
	switch {
	case t.kind == name && at+1 < len(p.tokens):
		return p.readTo(at + 1)
	case t.kind == text_:
		return t.begin + 1
	}
	return t.end
}

// errorf says what is wrong, and where.
func (p *parser) errorf(format string, args ...any) error {
	return p.errorAt(p.readTo(p.at), format, args...)
}

func (p *parser) errorAt(at int, format string, args ...any) error {
	return errors.New("FilterPolicy: " + fmt.Sprintf(format, args...) + location(p.text, at))
}

var errNested error = wording("Filter policy scope MessageAttributes does not support nested filter policy")

// wording is an error in SNS's words, which are not spelled as Go's are.
type wording string

func (w wording) Error() string { return string(w) }

func (p *parser) policy() ([][]condition, error) {
	if p.token().kind != objectBegin {
		return nil, p.errorf("Filter is not an object")
	}
	return p.object("", 0)
}

// object returns the branches of a policy's object: what must hold together, in
// each way that its $or allow.
func (p *parser) object(path string, depth int) ([][]condition, error) {
	if depth > maxComplexity { // which multiplies with it
		return nil, errTooComplex
	}
	branches := [][]condition{nil}
	seen := map[string]bool{}
	for p.next().kind == name {
		key := p.token().text
		full := key
		if path != "" {
			full = path + "." + key
		}
		if seen[key] {
			return nil, p.errorf("Path `%s` cannot be allowed multiple times", full)
		}
		seen[key] = true
		more, err := p.member(key, path, full, depth)
		if err != nil {
			return nil, err
		}
		if branches, err = cross(branches, more); err != nil {
			return nil, err
		}
	}
	if len(seen) == 0 && depth > 0 {
		return nil, p.errorf("Empty objects are not allowed")
	}
	return branches, nil
}

func (p *parser) member(key, path, full string, depth int) ([][]condition, error) {
	switch p.next().kind {
	case objectBegin:
		if p.scope == Attributes {
			if p.tokens[p.at+1].kind == name && p.tokens[p.at+2].kind != arrayBegin && p.tokens[p.at+2].kind != objectBegin {
				p.at += 2
				return nil, p.errorf("%q must be an object or an array", p.tokens[p.at-1].text)
			}
			return nil, errNested
		}
		return p.object(full, depth+1)
	case arrayBegin:
		if key == "$or" && p.isOr() {
			return p.or(path, depth)
		}
		c, err := p.values()
		c.path, c.depth = full, depth+1
		return [][]condition{{c}}, err
	}
	return nil, p.errorf("%q must be an object or an array", key)
}

// cross returns the branches of two objects that must both hold.
func cross(a, b [][]condition) ([][]condition, error) {
	if len(a)*len(b) > maxComplexity {
		return nil, errTooComplex
	}
	all := make([][]condition, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			if len(x)+len(y) > maxKeys+maxTogether {
				return nil, errors.New("FilterPolicy: Filter policy can not have more than 5 keys")
			}
			all = append(all, slices.Concat(x, y))
		}
	}
	return all, nil
}

// operators are the names that begin a match expression, so that an array under
// the name $or which has them is no choice of conditions.
var operators = []string{"exists", "equals-ignore-case", "prefix", "suffix", "anything-but", "numeric", "cidr", "wildcard"}

// isOr reports whether an array named $or is a choice: it has two objects or
// more, and they are conditions.
func (p *parser) isOr() bool {
	n, depth := 0, 0
	for _, t := range p.tokens[p.at+1:] {
		switch t.kind {
		case objectBegin, arrayBegin:
			if depth == 0 {
				if t.kind == arrayBegin {
					return false
				}
				n++
			}
			depth++
		case arrayEnd, objectEnd:
			if depth == 0 {
				return n >= 2
			}
			depth--
		case name:
			if depth == 1 && slices.Contains(operators, t.text) {
				return false
			}
		default:
			if depth == 0 {
				return false
			}
		}
	}
	return false
}

func (p *parser) or(path string, depth int) ([][]condition, error) {
	var all [][]condition
	for p.next().kind == objectBegin {
		branches, err := p.object(path, depth)
		if err != nil {
			return nil, err
		}
		if len(branches) == 1 && len(branches[0]) == 0 {
			return nil, p.errorf("Empty objects are not allowed")
		}
		if all = append(all, branches...); len(all) > maxComplexity {
			return nil, errTooComplex
		}
	}
	return all, nil
}

// values reads the array of what a key's value may be.
func (p *parser) values() (condition, error) {
	var c condition
	for p.next().kind != arrayEnd {
		if p.token().kind == objectBegin {
			if err := p.expression(&c); err != nil {
				return c, err
			}
			continue
		}
		want, err := p.literal()
		if err != nil {
			return c, err
		}
		c.rules = append(c.rules, equals(want))
	}
	if len(c.rules) == 0 && !c.absent {
		return c, p.errorf("Empty arrays are not allowed")
	}
	return c, nil
}

func (p *parser) literal() (value, error) {
	t := p.token()
	switch t.kind {
	case text_, boolean:
		return value{kind: t.kind, text: t.text}, nil
	case null:
		return value{kind: null}, nil
	case number:
		n, err := p.number("match")
		return value{kind: number, number: n}, err
	}
	return value{}, p.errorf("Match value must be String, number, true, false, or null")
}

func (p *parser) number(of string) (float64, error) {
	n, ok := parseNumber(p.token().text)
	if !ok || n < -maxNumber || n > maxNumber {
		return 0, p.errorf("Value of %s must be between -1.0E9 and 1.0E9, inclusive", of)
	}
	return n, nil
}

// expression reads an object with one operator.
func (p *parser) expression(c *condition) error {
	if p.next().kind != name {
		return p.errorf("Match expression name not found")
	}
	operator := p.token().text
	r, err := rule(nil), error(nil)
	switch operator {
	case "exists":
		switch t := p.next(); {
		case t.kind != boolean:
			return p.errorf("exists match pattern must be either true or false.")
		case t.text == "true":
			r = func(value) bool { return true }
		default:
			c.absent = true
		}
	case "numeric":
		r, err = p.numeric()
	case "anything-but":
		r, err = p.anythingBut()
	case "prefix", "suffix", "equals-ignore-case", "wildcard", "cidr":
		p.next()
		r, err = p.pattern(operator)
	default:
		return p.errorf("Unrecognized match type %s", operator)
	}
	if err != nil {
		return err
	}
	if r != nil {
		c.rules = append(c.rules, r)
	}
	if p.next().kind != objectEnd {
		return p.errorf("Only one key allowed in match expression")
	}
	return nil
}

// pattern reads the string that an operator compares with. A prefix or suffix
// may be one that ignores case.
func (p *parser) pattern(operator string) (rule, error) {
	t := p.token()
	if t.kind == objectBegin && (operator == "prefix" || operator == "suffix") {
		if k := p.next(); k.kind != name || k.text != "equals-ignore-case" {
			return nil, p.errorf("Unsupported anything-but pattern: %s", k.text)
		}
		if t = p.next(); t.kind == text_ && p.next().kind == objectEnd {
			return stringRule(operator, t.text, true), nil
		}
	}
	if t.kind != text_ {
		return nil, p.errorf("%s match pattern must be a string", operator)
	}
	switch operator {
	case "cidr":
		prefix, ok := parseCIDR(t.text)
		if !ok {
			return nil, p.errorAt(t.end, "Malformed CIDR: %s", t.text)
		}
		return inCIDR(prefix), nil
	case "wildcard":
		parts, ok := parseWildcard(t.text)
		if !ok {
			return nil, p.errorAt(t.end, "wildcard match pattern may not have two wildcards in a row, and a backslash only before * or another backslash")
		}
		return parts.match, nil
	}
	return stringRule(operator, t.text, false), nil
}

func parseCIDR(text string) (netip.Prefix, bool) {
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		return netip.PrefixFrom(addr, addr.BitLen()), err == nil && addr.Zone() == ""
	}
	prefix, err := netip.ParsePrefix(text)
	return prefix, err == nil
}

// anythingBut reads what is not to match: values, or strings of one operator.
func (p *parser) anythingBut() (rule, error) {
	if p.next().kind != objectBegin {
		unwanted, err := p.oneOrMany(func() (rule, error) {
			if k := p.token().kind; k != text_ && k != number {
				return nil, p.errorf("Inside anything but list, only strings and numbers are supported.")
			}
			want, err := p.literal()
			return equals(want), err
		})
		return none(unwanted), err
	}
	if p.next().kind != name {
		return nil, p.errorf("Anything-But expression name not found")
	}
	operator := p.token().text
	if operator == "exists" || operator == "numeric" || operator == "cidr" || !slices.Contains(operators, operator) || operator == "anything-but" {
		return nil, p.errorf("Unsupported anything-but pattern: %s", operator)
	}
	p.next()
	unwanted, err := p.oneOrMany(func() (rule, error) { return p.pattern(operator) })
	if err != nil {
		return nil, err
	}
	if p.next().kind != objectEnd {
		return nil, p.errorf("Only one key allowed in match expression")
	}
	// As in SNS, what is no string has no such prefix, but does not pass either.
	no := none(unwanted)
	return func(v value) bool { return v.kind == text_ && no(v) }, nil
}

func (p *parser) oneOrMany(read func() (rule, error)) ([]rule, error) {
	if p.token().kind != arrayBegin {
		r, err := read()
		return []rule{r}, err
	}
	var all []rule
	for p.next().kind != arrayEnd {
		r, err := read()
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	if len(all) == 0 {
		return nil, p.errorf("Empty arrays are not allowed")
	}
	return all, nil
}

// numeric reads one comparison, or two that bound a range.
func (p *parser) numeric() (rule, error) {
	if p.next().kind != arrayBegin {
		return nil, p.errorf("Value of numeric must be an array.")
	}
	t := p.next()
	if t.kind != text_ {
		return nil, p.errorf("Invalid member in numeric match: %s", t.text)
	}
	operator, after := t.text, p.next()
	switch operator {
	case "=":
		bound, err := p.bound("equals")
		if err != nil {
			return nil, err
		}
		if p.next().kind != arrayEnd {
			return nil, p.errorf("Too many elements in numeric expression")
		}
		return numbers(func(n float64) bool { return n == bound }), nil
	case "<", "<=":
		top, err := p.bound(operator)
		if err != nil {
			return nil, err
		}
		if p.next().kind != arrayEnd {
			return nil, p.errorf("Too many elements in numeric expression")
		}
		return numbers(below(operator, top)), nil
	case ">", ">=":
		return p.numericRange(operator)
	}
	return nil, p.errorAt(after.end, "Unrecognized numeric range operator: %s", operator)
}

func (p *parser) bound(of string) (float64, error) {
	if p.token().kind != number {
		return 0, p.errorf("Value of %s must be numeric", of)
	}
	return p.number(of)
}

func (p *parser) numericRange(operator string) (rule, error) {
	bottom, err := p.bound(operator)
	if err != nil {
		return nil, err
	}
	above := func(n float64) bool { return n > bottom || operator == ">=" && n == bottom }
	second := p.next()
	switch second.kind {
	case arrayEnd:
		return numbers(above), nil
	case text_:
	default:
		return nil, p.errorf("Bad value in numeric range: %s", second.text)
	}
	if second.text != "<" && second.text != "<=" {
		return nil, p.errorAt(second.end, "Bad numeric range operator: %s", second.text)
	}
	p.next()
	top, err := p.bound(second.text)
	if err != nil {
		return nil, err
	}
	if p.next().kind != arrayEnd {
		return nil, p.errorf("Too many terms in numeric range expression")
	}
	if bottom >= top {
		return nil, p.errorf("Bottom must be less than top")
	}
	under := below(second.text, top)
	return numbers(func(n float64) bool { return above(n) && under(n) }), nil
}

func below(operator string, top float64) func(float64) bool {
	return func(n float64) bool { return n < top || operator == "<=" && n == top }
}
