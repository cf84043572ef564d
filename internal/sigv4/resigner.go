package sigv4

import (
	"crypto/subtle"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// resigner signs a request as its sender did, if he had this secret.
type resigner struct {
	request    *http.Request
	query      url.Values
	sig        *signature
	secret     string
	hash       string // of the body
	bodyLength int64
}

// matches reports whether the signature is the right one for the path as it
// stands or for its normalised form: AWS asks for the latter of all services
// but S3, botocore does so, and the SDKs for Go and others do not.
func (s resigner) matches() (bool, error) {
	path := s.request.URL.EscapedPath()
	match, err := s.matchesPath(path)
	if err != nil {
		return false, err
	}
	if normal := normalPath(path); normal != path {
		m, err := s.matchesPath(normal)
		return match || m, err
	}
	return match, nil
}

func (s resigner) matchesPath(path string) (bool, error) {
	// The SDK's signer keeps derived keys and finds them by access key, day,
	// region and service. A signer that lived on would take a changed secret
	// for the old one, and grow with every region that a stranger makes up.
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableHeaderHoisting = true })
	credentials := aws.Credentials{AccessKeyID: s.sig.scope.AccessKeyID, SecretAccessKey: s.secret}
	ctx, r, scope := s.request.Context(), s.signable(path), s.sig.scope

	var signed string // ends in the signature
	var err error
	if s.sig.presigned {
		signed, _, err = signer.PresignHTTP(ctx, credentials, r, s.hash, scope.Service, scope.Region, s.sig.date)
	} else {
		err = signer.SignHTTP(ctx, credentials, r, s.hash, scope.Service, scope.Region, s.sig.date)
		signed = r.Header.Get("Authorization")
	}
	if err != nil {
		return false, err
	}
	want := signed[max(0, len(signed)-len(s.sig.value)):]
	return subtle.ConstantTimeCompare([]byte(want), []byte(s.sig.value)) == 1, nil
}

// signable returns a request that has what was signed and nothing else.
func (s resigner) signable(path string) *http.Request {
	query := make(url.Values, len(s.query))
	for name, values := range s.query {
		if name != querySignature || !s.sig.presigned {
			query[name] = values
		}
	}
	r := &http.Request{
		Method: s.request.Method,
		Host:   s.request.Host,
		// Without a scheme no port is the default one, and Host stays as it is;
		// an opaque URL keeps the path's spelling.
		URL:    &url.URL{Opaque: "//host" + path, RawQuery: query.Encode()},
		Header: make(http.Header, len(s.sig.headers)),
	}
	for _, name := range s.sig.headers {
		switch {
		case name == "host", name == "x-amz-date" && !s.sig.presigned:
			// The signer puts these in.
		case name == "content-length":
			r.ContentLength = s.bodyLength
		default:
			// Lower case, for the signer leaves out User-Agent and some others,
			// which SDKs for other languages do sign, by their usual spelling.
			r.Header[name] = headerValues(s.request, name)
		}
	}
	return r
}

// headerValues returns the values of a signed header. One that did not arrive
// counts as empty: samples in AWS's guide name headers that they do not send.
func headerValues(r *http.Request, name string) []string {
	values := r.Header[textproto.CanonicalMIMEHeaderKey(name)]
	if name == "transfer-encoding" {
		values = r.TransferEncoding // net/http's server moves it there
	}
	if len(values) == 0 {
		return []string{""}
	}
	return values
}

// normalPath returns an escaped path without empty and dot segments, as
// botocore normalises it (RFC 3986, section 5.2.4, and no double slashes).
func normalPath(path string) string {
	var kept []string
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "", ".":
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, segment)
		}
	}
	normal := "/" + strings.Join(kept, "/")
	if len(kept) > 0 && strings.HasSuffix(path, "/") {
		normal += "/"
	}
	return normal
}
