package sigv4

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	dateLayout = "20060102T150405Z" // ISO 8601 in its basic form
	dayLayout  = "20060102"

	queryAlgorithm     = "X-Amz-Algorithm"
	queryCredential    = "X-Amz-Credential"
	queryDate          = "X-Amz-Date"
	queryExpires       = "X-Amz-Expires"
	querySignedHeaders = "X-Amz-SignedHeaders"
	querySignature     = "X-Amz-Signature"
)

// maxSkew is how far AWS lets the clocks of client and server be apart:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
const maxSkew = 15 * time.Minute

// maxExpires is the longest life of a presigned URL, seven days:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html
const maxExpires = 7 * 24 * time.Hour

// signature is what a request says of how it was signed.
type signature struct {
	scope     Scope
	date      time.Time
	headers   []string // sorted, lower case, each once
	value     string   // 64 lower-case hexadecimal digits
	presigned bool     // the signature came in the query
	expires   time.Duration
}

// parseSignature reads the signature of r, whose query is q.
func parseSignature(r *http.Request, q url.Values) (*signature, error) {
	auth := r.Header.Values("Authorization")
	presigned := q.Has(queryAlgorithm) || q.Has(queryCredential) || q.Has(querySignature)
	switch {
	case presigned && len(auth) > 0:
		return nil, errorf(Incomplete, "Request is signed twice: send either an Authorization header or X-Amz-* query-string parameters")
	case presigned:
		return parsePresigned(q)
	case len(auth) == 0 || auth[0] == "" && len(auth) == 1:
		return nil, errorf(Missing, "Request is missing Authentication Token")
	case len(auth) > 1:
		return nil, errorf(Incomplete, "Request must have one Authorization header, got %d", len(auth))
	}
	return parseHeaders(r.Header)
}

func parseHeaders(h http.Header) (*signature, error) {
	params, err := parseAuthorization(h.Get("Authorization"))
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"Credential", "Signature", "SignedHeaders"} {
		if params[name] == "" {
			return nil, errorf(Incomplete, "Authorization header requires '%s' parameter.", name)
		}
	}
	dates := h.Values("X-Amz-Date")
	if len(dates) != 1 {
		return nil, errorf(Incomplete, "Authorization header requires existence of one 'X-Amz-Date' header, got %d; a 'Date' header does not take its place here", len(dates))
	}
	return newSignature(params["Credential"], dates[0], params["SignedHeaders"], params["Signature"])
}

func parsePresigned(q url.Values) (*signature, error) {
	for _, name := range []string{queryAlgorithm, queryCredential, querySignature, querySignedHeaders, queryDate} {
		// Re-signing sets these, so that a second value would go unsigned.
		if len(q[name]) != 1 {
			return nil, errorf(Incomplete, "AWS query-string parameters must include 'X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Signature', 'X-Amz-SignedHeaders' and 'X-Amz-Date', each once; there are %d of '%s'. Re-examine the query-string parameters.", len(q[name]), name)
		}
	}
	if a := q.Get(queryAlgorithm); a != algorithm {
		return nil, errorf(Incomplete, "Unsupported AWS 'algorithm': %.100q; sign with "+algorithm, a)
	}
	expires, err := parseExpires(q[queryExpires])
	if err != nil {
		return nil, err
	}
	sig, err := newSignature(q.Get(queryCredential), q.Get(queryDate), q.Get(querySignedHeaders), q.Get(querySignature))
	if err != nil {
		return nil, err
	}
	sig.presigned, sig.expires = true, expires
	return sig, nil
}

// parseExpires reads the life of a presigned URL. Not every signer sets one
// (the Go SDK's for STS does not); such a URL lives as long as a signed request.
func parseExpires(values []string) (time.Duration, error) {
	if len(values) == 0 {
		return maxSkew, nil
	}
	seconds, err := strconv.Atoi(values[0])
	if err != nil || len(values) > 1 || seconds < 1 || seconds > int(maxExpires/time.Second) {
		return 0, errorf(Incomplete, "X-Amz-Expires must be one number of seconds between 1 and 604800, got %d, the first %.100q", len(values), values[0])
	}
	return time.Duration(seconds) * time.Second, nil
}

func newSignature(credential, date, headers, value string) (*signature, error) {
	scope, err := parseCredential(credential)
	if err != nil {
		return nil, err
	}
	t, err := parseDate(date)
	if err != nil {
		return nil, err
	}
	if day := t.Format(dayLayout); scope.Date != day {
		return nil, errorf(Mismatch, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: %.100q != %q, from %q.", scope.Date, day, date)
	}
	names, err := parseSignedHeaders(headers)
	if err != nil {
		return nil, err
	}
	if !isSignature(value) {
		return nil, errorf(Incomplete, "Signature must be 64 lower-case hexadecimal digits, got %d characters", len(value))
	}
	return &signature{scope: scope, date: t, headers: names, value: value}, nil
}

// parseDate reads an X-Amz-Date. What time.Parse takes beyond the layout, a
// fraction of a second, would not survive re-signing.
func parseDate(s string) (time.Time, error) {
	t, err := time.Parse(dateLayout, s)
	if err != nil || t.Format(dateLayout) != s {
		return time.Time{}, errorf(Incomplete, "Date must be in ISO-8601 'basic format', like %q. Got %.100q. See http://en.wikipedia.org/wiki/ISO_8601", dateLayout, s)
	}
	return t, nil
}

func parseSignedHeaders(s string) ([]string, error) {
	names := strings.Split(s, ";")
	for i, name := range names {
		if !isHeaderName(name) || i > 0 && names[i-1] >= name {
			return nil, errorf(Incomplete, "SignedHeaders must be lower-case header names, sorted, each once, with a semicolon between them, got %.200q", s)
		}
	}
	if _, ok := slices.BinarySearch(names, "host"); !ok {
		return nil, errorf(Incomplete, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	return names, nil
}

func isSigV4(authorization string) bool {
	scheme, _, _ := strings.Cut(authorization, " ")
	return scheme == algorithm
}

// parseAuthorization splits an Authorization header into its parameters.
// Signers put a comma, spaces or both between them.
func parseAuthorization(s string) (map[string]string, error) {
	if !isSigV4(s) {
		scheme, _, _ := strings.Cut(s, " ")
		return nil, errorf(Incomplete, "Authorization header must begin with %q, got %.32q: sign with Signature Version 4", algorithm, scheme)
	}
	params := make(map[string]string, 3)
	for part := range strings.SplitSeq(strings.TrimPrefix(s, algorithm), ",") {
		for field := range strings.FieldsSeq(part) {
			name, value, ok := strings.Cut(field, "=")
			if _, repeated := params[name]; !ok || repeated {
				return nil, errorf(Incomplete, "Authorization header must have 'Credential', 'SignedHeaders' and 'Signature', each once and in the form name=value")
			}
			params[name] = value
		}
	}
	return params, nil
}

func isHeaderName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("-_.", rune(c)) {
			return false
		}
	}
	return s != ""
}

func isSignature(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == 64
}
