package notify

import (
	"errors"
	"fmt"
)

// Kind says of what sort an Error is; a transport maps it to its own codes.
type Kind int

// The kinds, each with SNS's name for it.
const (
	Invalid             Kind = iota + 1 // InvalidParameter
	InvalidValue                        // ParameterValueInvalid
	NotFound                            // NotFound
	Denied                              // AuthorizationError
	ResourceNotFound                    // ResourceNotFound: NotFound, of tags
	TagLimit                            // TagLimitExceeded
	EmptyBatch                          // EmptyBatchRequest
	TooManyEntries                      // TooManyEntriesInBatchRequest
	EntryIDsNotDistinct                 // BatchEntryIdsNotDistinct
	InvalidEntryID                      // InvalidBatchEntryId
	BatchTooLong                        // BatchRequestTooLong
)

// Error is a fault of the caller's. Message is meant for the caller and follows
// SNS's wording where that is known. Any other error that a Service returns is
// a fault of ours.
type Error struct {
	Kind    Kind
	Message string
	Err     error // the cause, or nil; Message has its text
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Err }

// IsKind reports whether err is an *Error of the kind.
func IsKind(err error, kind Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}

func invalid(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: Invalid, Message: err.Error(), Err: errors.Unwrap(err)}
}

// ErrNotFound is a Store's answer for what it does not have.
var ErrNotFound = errors.New("not found")
