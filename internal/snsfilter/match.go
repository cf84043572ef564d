package snsfilter

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// value is a leaf of a message: a text, number, boolean or null.
type value struct {
	kind   kind
	text   string // of texts, and of booleans
	number float64
}

// rule reports whether a value may pass.
type rule func(value) bool

func equals(want value) rule { return func(v value) bool { return v == want } }

// none is what anything-but makes of rules.
func none(unwanted []rule) rule {
	return func(v value) bool {
		return !slices.ContainsFunc(unwanted, func(r rule) bool { return r(v) })
	}
}

func numbers(fits func(float64) bool) rule {
	return func(v value) bool { return v.kind == number && fits(v.number) }
}

func stringRule(operator, want string, ignoreCase bool) rule {
	return func(v value) bool {
		if v.kind != text_ {
			return false
		}
		text, want := v.text, want
		if ignoreCase {
			text, want = strings.ToLower(text), strings.ToLower(want)
		}
		switch operator {
		case "prefix":
			return strings.HasPrefix(text, want)
		case "suffix":
			return strings.HasSuffix(text, want)
		}
		return strings.EqualFold(text, want)
	}
}

func inCIDR(prefix netip.Prefix) rule {
	return func(v value) bool {
		addr, err := netip.ParseAddr(v.text)
		return v.kind == text_ && err == nil && prefix.Contains(addr)
	}
}

// wildcard is the texts between the wildcards of a pattern, in their order.
type wildcard []string

// parseWildcard reads a pattern in which * stands for any text, and a backslash
// takes that meaning from a * or a backslash.
func parseWildcard(pattern string) (wildcard, bool) {
	parts := wildcard{""}
	last := len(parts) - 1
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*':
			if last > 0 && parts[last] == "" {
				return nil, false
			}
			parts, last = append(parts, ""), last+1
		case '\\':
			if i++; i == len(pattern) || pattern[i] != '*' && pattern[i] != '\\' {
				return nil, false
			}
			parts[last] += string(pattern[i])
		default:
			parts[last] += string(c)
		}
	}
	return parts, true
}

func (w wildcard) match(v value) bool {
	if v.kind != text_ {
		return false
	}
	rest, ok := strings.CutPrefix(v.text, w[0])
	if !ok || len(w) == 1 {
		return ok && rest == ""
	}
	if rest, ok = strings.CutSuffix(rest, w[len(w)-1]); !ok {
		return false
	}
	for _, part := range w[1 : len(w)-1] {
		if _, rest, ok = strings.Cut(rest, part); !ok {
			return false
		}
	}
	return true
}

// parseNumber reads a number as JSON and SNS's attributes write it.
func parseNumber(text string) (float64, bool) {
	if !json.Valid([]byte(text)) {
		// What JSON does not write, but publishers do.
		text = strings.TrimPrefix(strings.TrimSpace(text), "+")
		if strings.ContainsAny(text, "xXpP_iInN") {
			return 0, false
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil
}

// arrayValues returns the leaves of a JSON array; none if it is no such array.
func arrayValues(text string) (values []value) {
	var items []any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if d.Decode(&items) != nil || d.More() {
		return nil
	}
	for _, item := range items {
		if v, ok := leaf(item); ok {
			values = append(values, v)
		}
	}
	return values
}

// leaf returns what a policy sees of a decoded JSON value that is neither an
// object nor an array.
func leaf(item any) (value, bool) {
	switch item := item.(type) {
	case string:
		return value{kind: text_, text: item}, true
	case json.Number:
		n, ok := parseNumber(item.String())
		return value{kind: number, number: n}, ok
	case bool:
		return value{kind: boolean, text: strconv.FormatBool(item)}, true
	case nil:
		return value{kind: null}, true
	}
	return value{}, false
}
