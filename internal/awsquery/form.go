package awsquery

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Form is the parameters of a request: those of its query, and of the form in
// its body.
type Form struct{ url.Values }

// Value returns a parameter, and nil if it was not sent.
func (f Form) Value(name string) *string {
	if values := f.Values[name]; len(values) > 0 {
		return &values[0]
	}
	return nil
}

// maxMembers is how many members of a list are read: more than any may have.
const maxMembers = 1000

// Members returns the beginnings of the names of a list's members, in their
// order, each with a dot at its end: of "Tags.member" they are
// "Tags.member.1.", "Tags.member.2." and so on. Numbers may be left out.
func (f Form) Members(list string) []string {
	seen := map[int]bool{}
	for name := range f.Values {
		rest, ok := strings.CutPrefix(name, list+".")
		if !ok {
			continue
		}
		digits, _, _ := strings.Cut(rest, ".")
		if n, err := strconv.Atoi(digits); err == nil && n > 0 && strconv.Itoa(n) == digits && len(seen) < maxMembers {
			seen[n] = true
		}
	}
	var all []string
	for n := range seen {
		all = append(all, list+"."+strconv.Itoa(n)+".")
	}
	slices.SortFunc(all, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return all
}

// List returns the values of a list of texts, like "TagKeys.member".
func (f Form) List(list string) []string {
	var all []string
	for _, member := range f.Members(list) {
		all = append(all, f.Get(strings.TrimSuffix(member, ".")))
	}
	return all
}

// Pairs calls add with both parts of each member of a map, like
// "Attributes.entry" with its "key" and "value".
func (f Form) Pairs(list, key, value string, add func(key, value string)) {
	for _, member := range f.Members(list) {
		add(f.Get(member+key), f.Get(member+value))
	}
}
