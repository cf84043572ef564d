package stsapi

import (
	"encoding/xml"
	"errors"
	"net/http"

	"etude/internal/sigv4"
)

// fault is an error with its face for the caller.
type fault struct {
	status  int
	code    string
	message string
}

func (f *fault) Error() string { return f.code + ": " + f.message }

// signatureFaults says what a badly signed request is told, as the Query
// protocol spells it: https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
var signatureFaults = map[sigv4.Kind]fault{
	sigv4.Missing:    {status: http.StatusForbidden, code: "MissingAuthenticationToken"},
	sigv4.Incomplete: {status: http.StatusBadRequest, code: "IncompleteSignature"},
	sigv4.Mismatch:   {status: http.StatusForbidden, code: "SignatureDoesNotMatch"},
	sigv4.UnknownKey: {status: http.StatusForbidden, code: "InvalidClientTokenId"},
	sigv4.Expired:    {status: http.StatusBadRequest, code: "RequestExpired"},
	sigv4.TooLarge:   {status: http.StatusRequestEntityTooLarge, code: "RequestEntityTooLarge"},
}

// asFault finds the caller's face of an error. It is nil for a fault of ours,
// of which the caller is told nothing.
func asFault(err error) *fault {
	var (
		known  *fault
		signed *sigv4.Error
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &signed):
		if f, ok := signatureFaults[signed.Kind]; ok {
			f.message = signed.Message
			return &f
		}
	}
	return nil
}

func internal(id string) *fault {
	return &fault{
		http.StatusInternalServerError, "InternalFailure",
		"The service could not do this because of a fault of its own. Its log tells more of request " + id + ".",
	}
}

// errorReply is an error in the Query protocol's shape.
type errorReply struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Namespace string   `xml:"xmlns,attr"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

func (f *fault) reply(id string) errorReply {
	side := "Sender"
	if f.status >= http.StatusInternalServerError {
		side = "Receiver"
	}
	return errorReply{Namespace: namespace, Type: side, Code: f.code, Message: f.message, RequestID: id}
}
