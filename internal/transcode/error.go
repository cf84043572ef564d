package transcode

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// Kind says whose fault an Error is and of what sort; a transport maps it to
// its own exceptions and status codes.
type Kind int

// The kinds, after the exceptions that Elastic Transcoder declares.
const (
	Invalid       Kind = iota + 1 // ValidationException
	NotFound                      // ResourceNotFoundException
	Denied                        // AccessDeniedException
	InUse                         // ResourceInUseException
	LimitExceeded                 // LimitExceededException
)

// Error is a fault of the caller's. Message is meant for the caller and
// follows AWS's wording where that is known. Any other error that a Service
// returns is a fault of ours.
type Error struct {
	Kind    Kind
	Message string
	Err     error // the cause, or nil
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Message, e.Err)
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// IsKind reports whether err is an *Error of the kind.
func IsKind(err error, kind Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}

func invalid(format string, args ...any) error {
	return &Error{Kind: Invalid, Message: fmt.Sprintf(format, args...)}
}

// What a Store answers besides faults of its own.
var (
	// ErrNotFound is a Store's answer for an id it does not have.
	ErrNotFound = errors.New("not found")
	// ErrDuplicate is a Store's answer to a job whose dedupe key is taken.
	ErrDuplicate = errors.New("duplicate")
	// ErrLeaseLost is a Store's answer to a write of an attempt that is over
	// or was taken over: whoever gets it writes nothing more.
	ErrLeaseLost = errors.New("lease lost")
)

// Failure is the media's or the caller's objects' fault: the outputs it is
// about end as Error and nothing is tried again. An Encoder returns one for
// what it cannot make; any other error is ours, and is tried again.
type Failure struct {
	// Code is Elastic Transcoder's job error code, for instance 4000; see
	// "Error Codes" in its developer guide.
	Code int
	// Detail is the text after "CODE UUID: " in an output's StatusDetail; AWS's
	// own where it is known.
	Detail string
	// Reason is one sentence that the person who uploaded the file understands.
	Reason string
	// Remedy is what that person can do, in one sentence.
	Remedy string
	// Log is the tail of the encoder's own words, for the operator; it may be
	// empty.
	Log string
}

func (f *Failure) Error() string { return fmt.Sprintf("%d: %s", f.Code, f.Detail) }

// statusDetail is what an output says that ended by f.
func (f *Failure) statusDetail() string {
	return fmt.Sprintf("%d %s: %s", f.Code, uuid.NewString(), f.Detail)
}

// kept is what stays with the output; the log stays with the attempt.
func (f *Failure) kept() *Failure {
	k := *f
	k.Log = ""
	return &k
}
