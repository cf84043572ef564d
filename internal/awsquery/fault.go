package awsquery

import (
	"errors"
	"net/http"

	"etude/internal/sigv4"
)

// Fault is an error with its face for the caller.
type Fault struct {
	Status  int
	Code    string
	Message string
}

func (f *Fault) Error() string { return f.Code + ": " + f.Message }

// signatureFaults says what a badly signed request is told, as the Query
// protocol spells it: https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
var signatureFaults = map[sigv4.Kind]Fault{
	sigv4.Missing:    {Status: http.StatusForbidden, Code: "MissingAuthenticationToken"},
	sigv4.Incomplete: {Status: http.StatusBadRequest, Code: "IncompleteSignature"},
	sigv4.Mismatch:   {Status: http.StatusForbidden, Code: "SignatureDoesNotMatch"},
	sigv4.UnknownKey: {Status: http.StatusForbidden, Code: "InvalidClientTokenId"},
	sigv4.Expired:    {Status: http.StatusBadRequest, Code: "RequestExpired"},
	sigv4.TooLarge:   {Status: http.StatusRequestEntityTooLarge, Code: "RequestEntityTooLarge"},
}

// asFault finds the caller's face of an error. It is nil for a fault of ours,
// of which the caller is told nothing.
func (h *handler) asFault(err error) *Fault {
	if known, ok := errors.AsType[*Fault](err); ok {
		return known
	}
	if signed, ok := errors.AsType[*sigv4.Error](err); ok {
		if f, ok := signatureFaults[signed.Kind]; ok {
			f.Message = signed.Message
			return &f
		}
	}
	if h.Fault != nil {
		return h.Fault(err)
	}
	return nil
}

func (h *handler) internal(id string) *Fault {
	return &Fault{
		http.StatusInternalServerError, h.Internal,
		"The service could not do this because of a fault of its own. Its log tells more of request " + id + ".",
	}
}
