// Package snsfilter reads the filter policies of SNS's subscriptions, refuses
// those that it cannot keep, in SNS's words, and says which messages pass.
//
// It knows nothing of topics or of who gets a message. Facts are from
// https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
package snsfilter

import (
	"errors"
	"slices"
	"strings"
)

// Scope is what of a message a policy looks at, as FilterPolicyScope says it.
type Scope string

// The scopes.
const (
	Attributes Scope = "MessageAttributes"
	Body       Scope = "MessageBody"
)

// SNS's limits.
const (
	maxSize       = 256 << 10
	maxKeys       = 5
	maxComplexity = 150
	maxNumber     = 1e9 // either way
)

// maxTogether is how many conditions must hold together at most. It is more
// than maxKeys since a key may be named again within an $or.
const maxTogether = 6

// Policy is a filter policy that was found good. The zero Policy lets every
// message pass. It may be used by many goroutines at once.
type Policy struct {
	branches [][]condition // of which one must hold; none if all messages pass
}

// condition is a key of the policy and what its value may be.
type condition struct {
	path   string // with dots between its parts
	depth  int    // how many parts it has
	rules  []rule // of which one must match
	absent bool   // or there may be no such value
}

// Parse reads a policy. The error's text is meant for the caller who gave the
// policy, and follows SNS's wording where that is known.
func Parse(text string, scope Scope) (Policy, error) {
	if len(text) > maxSize {
		return Policy{}, errors.New("FilterPolicy: Filter policy is too large: it may have 256 KB")
	}
	tokens, err := scan(text)
	if err != nil {
		return Policy{}, err
	}
	p := parser{text: text, tokens: tokens, scope: scope}
	branches, err := p.policy()
	if err != nil {
		return Policy{}, err
	}
	if len(branches) == 1 && len(branches[0]) == 0 {
		return Policy{}, nil // {} is how a policy is taken away
	}
	if err := checkLimits(branches, scope); err != nil {
		return Policy{}, err
	}
	return Policy{branches}, nil
}

var errTooComplex = errors.New("FilterPolicy: Filter policy is too complex")

// checkLimits counts as SNS does: keys by their names, and a policy's
// complexity by multiplying how many values each key has, with how deep it is
// nested.
func checkLimits(branches [][]condition, scope Scope) error {
	keys, sum := map[string]bool{}, 0
	for _, branch := range branches {
		if len(branch) > maxTogether {
			return errTooComplex
		}
		product := 1
		for _, c := range branch {
			keys[c.path] = true
			n := len(c.rules)
			if c.absent {
				n++
			}
			if scope == Body {
				n *= c.depth
			}
			if product *= n; product > maxComplexity {
				return errTooComplex
			}
		}
		sum += product
	}
	if len(keys) > maxKeys {
		return errors.New("FilterPolicy: Filter policy can not have more than 5 keys")
	}
	if sum > maxComplexity {
		return errTooComplex
	}
	return nil
}

// MatchAttributes reports whether a message with these attributes passes. The
// lookup returns an attribute's data type and its value.
func (p Policy) MatchAttributes(lookup func(name string) (dataType, value string, ok bool)) bool {
	return len(p.branches) == 0 || slices.ContainsFunc(p.branches, func(branch []condition) bool {
		for _, c := range branch {
			values := attributeValues(lookup(c.path))
			if len(values) == 0 && !c.absent || len(values) > 0 && !slices.ContainsFunc(values, c.matches) {
				return false
			}
		}
		return true
	})
}

func (c *condition) matches(v value) bool {
	return slices.ContainsFunc(c.rules, func(r rule) bool { return r(v) })
}

// attributeValues returns what a policy sees of an attribute: nothing of a
// Binary, and each element of a String.Array, which is JSON.
func attributeValues(dataType, text string, ok bool) []value {
	base, _, _ := strings.Cut(dataType, ".")
	switch {
	case !ok || base == "Binary":
		return nil
	case dataType == "String.Array":
		return arrayValues(text)
	case base == "Number":
		if n, ok := parseNumber(text); ok {
			return []value{{kind: number, number: n}}
		}
	}
	return []value{{kind: text_, text: text}}
}
