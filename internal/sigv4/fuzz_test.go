package sigv4_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"etude/internal/sigv4"
)

const fuzzCredential = testKey + "/20261103/eu-west-1/elastictranscoder/aws4_request"

// FuzzVerify holds that nobody without the secret gets in, whatever he sends,
// and that it never panics. (A chance hit on the HMAC is not to be feared.)
func FuzzVerify(f *testing.F) {
	zeros := strings.Repeat("0", 64)
	auth := "AWS4-HMAC-SHA256 Credential=" + fuzzCredential + ", SignedHeaders=host;x-amz-date, Signature=" + zeros
	f.Add("GET", "/", "", "etude.test", auth, "20261103T120000Z", "", "", "")
	f.Add("POST", "/a//b/../c/.", "a=b&c", "etude.test", auth, "20261103T120000Z", "UNSIGNED-PAYLOAD", "x y", "{}")
	f.Add("GET", "/", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="+fuzzCredential+"&X-Amz-Date=20261103T120000Z&X-Amz-SignedHeaders=host&X-Amz-Signature="+zeros, "h", "", "", "", "", "")
	f.Add("", "", ";%", "", "AWS4-HMAC-SHA256", "2026-11-03T12:00:00Z", "", "", "")
	f.Add("GET", "*", "X-Amz-Credential=////", "[::1]:80", "AWS4-HMAC-SHA256 =,=", "", "", "", "")
	f.Fuzz(func(t *testing.T, method, path, query, host, auth, date, hash, other, body string) {
		header := http.Header{}
		for name, value := range map[string]string{
			"Authorization": auth, "X-Amz-Date": date, "X-Amz-Content-Sha256": hash, "Content-Type": other,
		} {
			if value != "" {
				header.Set(name, value)
			}
		}
		r := &http.Request{
			Method: method, Host: host, Header: header, ContentLength: int64(len(body)),
			URL:  &url.URL{Path: path, RawQuery: query},
			Body: io.NopCloser(strings.NewReader(body)),
		}
		_, _, err := newVerifier().Verify(r)
		e, ok := errors.AsType[*sigv4.Error](err)
		if !ok || e.Kind == 0 || e.Message == "" || len(e.Message) > 2000 {
			t.Errorf("error = %v, want an *Error with a short message", err)
		}
	})
}

// FuzzParseScope holds that a scope that is read is whole, and is the one that
// Verify would judge.
func FuzzParseScope(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential="+fuzzCredential, "")
	f.Add("", "X-Amz-Credential="+fuzzCredential)
	f.Add("AWS4-HMAC-SHA256 ,,=,Credential", "X-Amz-Credential=%2F%2F%2F%2F")
	f.Fuzz(func(t *testing.T, auth, query string) {
		r := &http.Request{Header: http.Header{"Authorization": {auth}}, URL: &url.URL{RawQuery: query}}
		scope, ok := sigv4.ParseScope(r)
		whole := scope.AccessKeyID != "" && scope.Date != "" && scope.Region != "" && scope.Service != ""
		if ok != whole || !ok && scope != (sigv4.Scope{}) {
			t.Errorf("ParseScope = %+v, %t", scope, ok)
		}
		if ok && !strings.Contains(auth+query+unescaped(query), strings.Join([]string{scope.AccessKeyID, scope.Date, scope.Region, scope.Service}, "/")) {
			t.Errorf("ParseScope = %+v, which nobody said", scope)
		}
	})
}

func unescaped(query string) string {
	values, _ := url.ParseQuery(query)
	return values.Get("X-Amz-Credential")
}
