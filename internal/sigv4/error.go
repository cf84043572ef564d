package sigv4

import (
	"errors"
	"fmt"
)

// ErrUnknownKey is what [Verifier.Secret] returns, wrapped or not, for an
// access key that does not exist or may not be used.
var ErrUnknownKey = errors.New("unknown access key")

// ErrBody is wrapped by what [Verifier.Verify] returns if the body broke off or
// was badly framed: the client's doing, and no word on the signature.
var ErrBody = errors.New("read request body")

// Kind says what is wrong with a request's signature, in no protocol's words.
// Each constant names the two codes that AWS's services use: first that of the
// JSON protocols, then that of the Query protocol; and the usual status.
// SDKs go by the code, so a transport translates it: see "Common Errors" in
// each service's API reference.
type Kind int

const (
	// Missing: the request is not signed.
	// MissingAuthenticationTokenException, MissingAuthenticationToken; 403.
	Missing Kind = iota + 1
	// Incomplete: the signature lacks a part, or a part cannot be read.
	// IncompleteSignatureException, IncompleteSignature; 400.
	Incomplete
	// Mismatch: the request is not what was signed, or was signed with another
	// secret, or for another service or region.
	// InvalidSignatureException, SignatureDoesNotMatch; 403.
	Mismatch
	// UnknownKey: there is no such access key.
	// UnrecognizedClientException, InvalidClientTokenId; 403.
	UnknownKey
	// Expired: the time of signing is too far from the server's, either way, or
	// a presigned URL is past its time. RequestExpired in both; 400.
	Expired
	// TooLarge: the body is longer than [Verifier.MaxBody].
	// RequestEntityTooLargeException, RequestEntityTooLarge; 413.
	TooLarge
)

// String returns the name of k, for logs.
func (k Kind) String() string {
	switch k {
	case Missing:
		return "missing signature"
	case Incomplete:
		return "incomplete signature"
	case Mismatch:
		return "signature mismatch"
	case UnknownKey:
		return "unknown access key"
	case Expired:
		return "request expired"
	case TooLarge:
		return "body too large"
	}
	return fmt.Sprintf("kind %d", int(k))
}

// Error is a fault of the request. Message is meant for the caller: it keeps to
// AWS's wording where AWS has one, and never holds a secret or a signature.
type Error struct {
	Kind    Kind
	Message string
}

func (e *Error) Error() string { return e.Kind.String() + ": " + e.Message }

func errorf(k Kind, format string, args ...any) error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}
