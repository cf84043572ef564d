package etapi

import (
	"errors"
	"fmt"
	"testing"

	"etude/internal/sigv4"
	"etude/internal/transcode"
)

// Every kind of error that the domain or a signature can end in has its
// exception, with the status of AWS's service model; whatever else is ours.
func TestExceptions(t *testing.T) {
	tests := []struct {
		err    error
		name   string
		status int
	}{
		{&transcode.Error{Kind: transcode.Invalid}, "ValidationException", 400},
		{&transcode.Error{Kind: transcode.NotFound}, "ResourceNotFoundException", 404},
		{&transcode.Error{Kind: transcode.Denied}, "AccessDeniedException", 403},
		{&transcode.Error{Kind: transcode.InUse}, "ResourceInUseException", 409},
		{&transcode.Error{Kind: transcode.LimitExceeded}, "LimitExceededException", 429},
		{&sigv4.Error{Kind: sigv4.Missing}, "MissingAuthenticationTokenException", 403},
		{&sigv4.Error{Kind: sigv4.Incomplete}, "IncompleteSignatureException", 400},
		{&sigv4.Error{Kind: sigv4.Mismatch}, "InvalidSignatureException", 403},
		{&sigv4.Error{Kind: sigv4.UnknownKey}, "UnrecognizedClientException", 403},
		{&sigv4.Error{Kind: sigv4.Expired}, "RequestExpired", 400},
		{&sigv4.Error{Kind: sigv4.TooLarge}, "RequestEntityTooLargeException", 413},
	}
	for _, tt := range tests {
		x := asAPIError(fmt.Errorf("wrapped: %w", tt.err))
		if x == nil || x.name != tt.name || x.status != tt.status {
			t.Errorf("%#v: got %+v, want %s %d", tt.err, x, tt.name, tt.status)
		}
	}
	for _, err := range []error{errors.New("disk full"), &transcode.Error{}, &sigv4.Error{}, transcode.ErrLeaseLost} {
		if x := asAPIError(err); x != nil {
			t.Errorf("%#v: got %+v, want it to be a fault of ours", err, x)
		}
	}
}
