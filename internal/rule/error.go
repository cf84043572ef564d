package rule

import (
	"errors"
	"fmt"
)

// Kind says what sort of fault an Error is.
type Kind int

// The kinds.
const (
	Invalid   Kind = iota + 1 // a member is wrong
	NotFound                  // no such rule, pipeline or preset
	Exists                    // the name is taken
	Recursion                 // rules would start themselves or each other
	Overlap                   // two rules would take the same object
)

// Error is a fault of whoever asked; its Message says what to do. Any other
// error of a Service is ours.
type Error struct {
	Kind    Kind
	Message string
	Err     error // the cause, or nil
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Err }

// IsKind reports whether err is an *Error of the kind.
func IsKind(err error, kind Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}

func fault(kind Kind, format string, args ...any) error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// ErrNotFound is a Store's answer for a rule or claim that it does not have.
var ErrNotFound = errors.New("not found")
