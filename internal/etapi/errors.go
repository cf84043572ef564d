package etapi

import (
	"errors"
	"net/http"

	"etude/internal/sigv4"
	"etude/internal/transcode"
)

// exception is a type of error as SDKs know it, and the status it travels with.
type exception struct {
	name   string
	status int
}

// The exceptions that the transport itself raises. SDKs retry on 5xx, 429 and a
// few names; none of these but InternalServiceException is among them.
var (
	validationException    = exception{"ValidationException", http.StatusBadRequest}
	serializationException = exception{"SerializationException", http.StatusBadRequest}
	// AWS answers this for a path or verb that no operation has.
	unknownOperation = exception{"UnknownOperationException", http.StatusNotFound}
	internalService  = exception{"InternalServiceException", http.StatusInternalServerError}
)

// domainExceptions says what each kind of the domain's errors is on the wire:
// https://docs.aws.amazon.com/elastictranscoder/latest/developerguide/error-handling.html
var domainExceptions = map[transcode.Kind]exception{
	transcode.Invalid:       validationException,
	transcode.NotFound:      {"ResourceNotFoundException", http.StatusNotFound},
	transcode.Denied:        {"AccessDeniedException", http.StatusForbidden},
	transcode.InUse:         {"ResourceInUseException", http.StatusConflict},
	transcode.LimitExceeded: {"LimitExceededException", http.StatusTooManyRequests},
}

// signatureExceptions says the same of a request that is not rightly signed.
// AWS's JSON services share these: see "Common Errors" in each API reference.
var signatureExceptions = map[sigv4.Kind]exception{
	sigv4.Missing:    {"MissingAuthenticationTokenException", http.StatusForbidden},
	sigv4.Incomplete: {"IncompleteSignatureException", http.StatusBadRequest},
	sigv4.Mismatch:   {"InvalidSignatureException", http.StatusForbidden},
	sigv4.UnknownKey: {"UnrecognizedClientException", http.StatusForbidden},
	sigv4.Expired:    {"RequestExpired", http.StatusBadRequest},
	sigv4.TooLarge:   {"RequestEntityTooLargeException", http.StatusRequestEntityTooLarge},
}

// apiError is an error with its face for the caller.
type apiError struct {
	exception
	message string
}

func (e *apiError) Error() string { return e.name + ": " + e.message }

// asAPIError finds the caller's face of an error. It is nil for a fault of
// ours, of which the caller is told nothing.
func asAPIError(err error) *apiError {
	var (
		api    *apiError
		domain *transcode.Error
		signed *sigv4.Error
	)
	switch {
	case errors.As(err, &api):
		return api
	case errors.As(err, &domain):
		if x, ok := domainExceptions[domain.Kind]; ok {
			return &apiError{exception: x, message: domain.Message}
		}
	case errors.As(err, &signed):
		if x, ok := signatureExceptions[signed.Kind]; ok {
			return &apiError{exception: x, message: signed.Message}
		}
	}
	return nil
}

// body returns the JSON object that tells of e. SerializationException comes
// from another layer of AWS's, which spells Message with a capital.
func (e *apiError) body() any {
	if e.exception == serializationException {
		return struct{ Message string }{e.message}
	}
	return struct {
		Message string `json:"message"`
	}{e.message}
}
