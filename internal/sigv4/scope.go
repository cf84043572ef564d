package sigv4

import (
	"net/http"
	"strings"
)

// Scope is the credential scope of a signed request: who signed, on which day
// (YYYYMMDD, UTC), for which region and which service.
type Scope struct {
	AccessKeyID string
	Date        string
	Region      string
	Service     string
}

// ParseScope reads the scope that r claims, in its Authorization header or in
// its query (a presigned URL), and verifies nothing: it is for choosing who
// shall verify. It reports false if r claims no readable Signature Version 4
// scope.
func ParseScope(r *http.Request) (Scope, bool) {
	credential := r.URL.Query().Get(queryCredential)
	if auth := r.Header.Get("Authorization"); isSigV4(auth) {
		params, err := parseAuthorization(auth)
		if err != nil {
			return Scope{}, false
		}
		credential = params["Credential"]
	}
	scope, err := parseCredential(credential)
	return scope, err == nil
}

// parseCredential reads KEY/DATE/REGION/SERVICE/aws4_request.
func parseCredential(s string) (Scope, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 5 {
		return Scope{}, errorf(Incomplete, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got %.100q", s)
	}
	for _, part := range parts {
		if !isPlain(part) {
			return Scope{}, errorf(Incomplete, "Credential must have 5 elements of 1 to 128 visible ASCII characters, got %.100q", s)
		}
	}
	if parts[4] != terminator {
		return Scope{}, errorf(Incomplete, "Credential should be scoped with a valid terminator: 'aws4_request', not %.100q", parts[4])
	}
	return Scope{AccessKeyID: parts[0], Date: parts[1], Region: parts[2], Service: parts[3]}, nil
}

// isPlain reports whether s may be an element of a credential: AWS's access
// keys have at most 128 characters, and no element has need of other bytes.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= 128
}
