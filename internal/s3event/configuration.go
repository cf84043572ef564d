package s3event

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Kind says what a Target's ARN is of.
type Kind string

// The kinds, as they are called in the XML.
const (
	Topic    Kind = "Topic"
	Queue    Kind = "Queue"
	Function Kind = "CloudFunction"
)

// service is what an ARN of the kind must be of.
func (k Kind) service() string {
	return map[Kind]string{Topic: "sns", Queue: "sqs", Function: "lambda"}[k]
}

// Configuration says who is told of a bucket's events. The zero Configuration
// tells nobody.
type Configuration struct {
	Targets []Target
	// EventBridge says that the configuration has that element.
	EventBridge bool
}

// Target is who is told of some events.
type Target struct {
	ID     string // unique in the Configuration
	Kind   Kind
	ARN    string
	Events []string // as "s3:ObjectCreated:*"; one at least
	// Prefix and Suffix are those of the keys that it is about; empty is any.
	// As in S3, what is special in an URL may be written as in one: "my+songs/"
	// is about "my songs/" too.
	Prefix, Suffix string
}

// FunctionName returns the name of the function that it calls, if it calls one.
func (t Target) FunctionName() string {
	arn, _ := ParseARN(t.ARN)
	return arn.FunctionName()
}

// Error is a fault of a Configuration, in S3's words. S3 answers it with the
// status 400.
type Error struct {
	Code    string // as "InvalidArgument"
	Message string
	// Arguments are the ArgumentName and ArgumentValue of the answer, in pairs.
	Arguments []Argument
	// Numbered says that the answer numbers them, from 1.
	Numbered bool
}

// Argument is what of a request is at fault.
type Argument struct{ Name, Value string }

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Code + ": " + e.Message)
	for _, a := range e.Arguments {
		fmt.Fprintf(&b, " (%s %.256q)", a.Name, a.Value)
	}
	return b.String()
}

func invalid(message, name, value string) *Error {
	return &Error{Code: "InvalidArgument", Message: message, Arguments: []Argument{{name, value}}}
}

// Unreachable is the answer for targets that are not there.
func Unreachable(targets ...Target) *Error {
	e := &Error{Code: "InvalidArgument", Message: "Unable to validate the following destination configurations", Numbered: true}
	for _, t := range targets {
		e.Arguments = append(e.Arguments, Argument{t.ARN, missing[t.Kind]})
	}
	return e
}

var missing = map[Kind]string{
	Topic:    "The destination topic does not exist",
	Queue:    "The destination queue does not exist or cannot be reached",
	Function: "The destination rule does not exist",
}

// supported are the events that a configuration may name. Others never happen
// here; who asked for one would wait in vain.
var supported = []string{
	"s3:ObjectCreated:*", "s3:" + CreatedPut, "s3:" + CreatedPost, "s3:" + CreatedCopy, "s3:" + CreatedComplete,
	"s3:ObjectRemoved:*", "s3:" + RemovedDelete, "s3:" + RemovedMarker,
}

// maxFilter is the most bytes of a prefix or suffix, as keys have.
const maxFilter = 1024

// maxTargets is S3's limit for a bucket.
const maxTargets = 100

// Check returns an *Error that says what S3 would refuse, or nil. Whether the
// targets are there it does not know.
func (c Configuration) Check() error {
	if len(c.Targets) > maxTargets {
		return &Error{Code: "InvalidArgument", Message: "The configuration has " + strconv.Itoa(len(c.Targets)) + " targets; a bucket may have at most " + strconv.Itoa(maxTargets)}
	}
	for i, t := range c.Targets {
		if err := t.check(); err != nil {
			return err
		}
		for _, other := range c.Targets[:i] {
			if t.ID == other.ID {
				return invalid("Same ID used for multiple configurations. IDs must be unique", "Id", t.ID)
			}
			if t.overlaps(other) {
				return &Error{Code: "InvalidArgument", Message: "Configuration is ambiguously defined. " +
					"Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type."}
			}
		}
	}
	return nil
}

func (t Target) check() error {
	arn, ok := ParseARN(t.ARN)
	if !ok || arn.Service != t.Kind.service() || t.Kind == Function && arn.FunctionName() == "" {
		return invalid("The ARN could not be parsed", string(t.Kind), t.ARN)
	}
	if strings.HasSuffix(arn.Resource, ".fifo") {
		return invalid("FIFO topics and queues are not supported by S3 event notifications. Name a standard one", string(t.Kind), t.ARN)
	}
	if t.ID == "" || len(t.ID) > 255 {
		return invalid("The ID of a configuration has 1 to 255 characters", "Id", t.ID)
	}
	if len(t.Events) == 0 {
		return malformed()
	}
	for _, event := range t.Events {
		if !slices.Contains(supported, event) {
			return invalid("The event is not supported for notifications", "Event", event)
		}
	}
	for name, value := range map[string]string{"Prefix": t.Prefix, "Suffix": t.Suffix} {
		if len(value) > maxFilter {
			return invalid("Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation", name, value)
		}
	}
	return nil
}

// overlaps reports whether there could be an event that both are told of. S3
// allows no two such targets in a configuration.
func (t Target) overlaps(other Target) bool {
	return eventsMeet(t.Events, other.Events) &&
		meet(forms(t.Prefix), forms(other.Prefix), strings.HasPrefix) &&
		meet(forms(t.Suffix), forms(other.Suffix), strings.HasSuffix)
}

func eventsMeet(a, b []string) bool {
	for _, x := range a {
		for _, y := range b {
			if covers(x, y) || covers(y, x) {
				return true
			}
		}
	}
	return false
}

// meet reports whether one of a and one of b begin (or end) one with the other.
func meet(a, b []string, has func(s, part string) bool) bool {
	for _, x := range a {
		for _, y := range b {
			if has(x, y) || has(y, x) {
				return true
			}
		}
	}
	return false
}

// covers reports whether the pattern, an event or "s3:ObjectCreated:*", covers
// an event or pattern.
func covers(pattern, event string) bool {
	if all, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(event, all)
	}
	return pattern == event
}

// forms are what a filter's value may mean: what it says, and what it says in
// an URL's writing.
func forms(filter string) []string {
	if decoded, err := url.QueryUnescape(filter); err == nil && decoded != filter {
		return []string{filter, decoded}
	}
	return []string{filter}
}

// Match returns the targets that are to be told of e.
func (c Configuration) Match(e Event) []Target {
	var found []Target
	for _, t := range c.Targets {
		if t.matches(e) {
			found = append(found, t)
		}
	}
	return found
}

func (t Target) matches(e Event) bool {
	return slices.ContainsFunc(t.Events, func(pattern string) bool { return covers(pattern, "s3:"+e.Name) }) &&
		slices.ContainsFunc(forms(t.Prefix), func(p string) bool { return strings.HasPrefix(e.Key, p) }) &&
		slices.ContainsFunc(forms(t.Suffix), func(p string) bool { return strings.HasSuffix(e.Key, p) })
}
