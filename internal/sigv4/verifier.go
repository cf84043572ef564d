// Package sigv4 checks AWS Signature Version 4 on requests to services other
// than S3, in both of its forms: the Authorization header and the presigned
// query. It does so by signing the request again with the AWS SDK's own signer
// and comparing the two.
//
// It does not know who has which access key, what a key may do, or how a
// protocol spells an error; and it does not know S3's variations (unsigned and
// streamed payloads, paths encoded once), which it refuses.
package sigv4

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// defaultMaxBody is far above what Elastic Transcoder, SNS (256 KiB) and STS take.
const defaultMaxBody = 1 << 20

// dummySecret signs in place of the secret that an unknown key does not have,
// so that the answer takes as long as for a wrong signature.
const dummySecret = "no-access-key-has-this-secret-0000000000"

// Verifier checks requests for one service. Its fields must not change while
// it is in use; it may then be used by many goroutines at once.
type Verifier struct {
	// Service is the name that the scope must have, like "elastictranscoder".
	Service string
	// Region is the region that the scope must have. Empty means any: old
	// applications sign for the region they once lived in.
	Region string
	// Secret returns the secret of an access key, or an error that is
	// ErrUnknownKey. The key's ID comes from outside, unverified; it has 1 to
	// 128 visible ASCII characters.
	Secret func(ctx context.Context, accessKeyID string) (string, error)
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// MaxBody is the largest body that is read, in bytes; 0 means 1 MiB.
	MaxBody int64
}

// Identity is who signed a request: an access key that exists and whose secret
// the signer had.
type Identity struct {
	AccessKeyID string
	Region      string // that the request was signed for
}

// Verify checks that r was signed by the holder of an access key, for this
// service, within 15 minutes of now (or, presigned, within its own time), and
// arrived as it was signed: method, path, query, host, body, every x-amz-*
// header, and every other header that the signature names.
//
// It reads the whole body, returns it and puts it back into r.Body. A session
// token is signed like any header but otherwise means nothing.
//
// A fault of the request is an *[Error]. Any other error is of reading the body,
// and then wraps [ErrBody], or of Secret; neither says anything of the signature.
func (v *Verifier) Verify(r *http.Request) (Identity, []byte, error) {
	// What ParseQuery skips (a semicolon, a broken escape) would go unsigned.
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return Identity{}, nil, errorf(Incomplete, "Query string cannot be read: percent-encode every character in it but letters, digits, '-', '_', '.' and '~' (%.200v)", err)
	}
	sig, err := parseSignature(r, query)
	if err != nil {
		return Identity{}, nil, err
	}
	if err := v.checkClaims(r, sig); err != nil {
		return Identity{}, nil, err
	}
	body, err := v.readBody(r)
	if err != nil {
		return Identity{}, nil, err
	}
	if err := v.checkSignature(r, query, sig, body); err != nil {
		return Identity{}, nil, err
	}
	return Identity{AccessKeyID: sig.scope.AccessKeyID, Region: sig.scope.Region}, body, nil
}

// checkClaims checks all that needs neither body nor secret.
func (v *Verifier) checkClaims(r *http.Request, sig *signature) error {
	if sig.scope.Service != v.Service {
		return errorf(Mismatch, "Credential should be scoped to correct service: '%s', not %.100q.", v.Service, sig.scope.Service)
	}
	if v.Region != "" && sig.scope.Region != v.Region {
		return errorf(Mismatch, "Credential should be scoped to a valid region: '%s', not %.100q.", v.Region, sig.scope.Region)
	}
	if r.Host == "" {
		return errorf(Incomplete, "Request must have a Host header: it is part of the signature.")
	}
	if err := v.checkTime(sig); err != nil {
		return err
	}
	for name := range r.Header {
		name = strings.ToLower(name)
		if !strings.HasPrefix(name, "x-amz-") {
			continue
		}
		if _, ok := slices.BinarySearch(sig.headers, name); !ok {
			return errorf(Mismatch, "There were headers present in the request which were not signed: every x-amz-* header must be, and %.100q is not.", name)
		}
	}
	return nil
}

func (v *Verifier) checkTime(sig *signature) error {
	now := time.Now
	if v.Now != nil {
		now = v.Now
	}
	t := now().UTC()
	signed, current := sig.date.Format(dateLayout), t.Format(dateLayout)
	if latest := t.Add(maxSkew); sig.date.After(latest) {
		return errorf(Expired, "Signature not yet current: %s is still later than %s (%s + 15 min.)", signed, latest.Format(dateLayout), current)
	}
	if sig.presigned {
		if end := sig.date.Add(sig.expires); t.After(end) {
			return errorf(Expired, "Signature expired: the presigned URL was good until %s, and it is %s", end.Format(dateLayout), current)
		}
		return nil
	}
	if earliest := t.Add(-maxSkew); sig.date.Before(earliest) {
		return errorf(Expired, "Signature expired: %s is now earlier than %s (%s - 15 min.)", signed, earliest.Format(dateLayout), current)
	}
	return nil
}

// readBody reads the body of r and puts it back.
func (v *Verifier) readBody(r *http.Request) ([]byte, error) {
	limit := v.MaxBody
	if limit <= 0 {
		limit = defaultMaxBody
	}
	tooLarge := errorf(TooLarge, "Request body must have at most %d bytes", limit)
	if r.Body == nil {
		r.Body = http.NoBody
	}
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBody, err)
	}
	if int64(len(body)) > limit {
		return nil, tooLarge
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body, nil
}

func (v *Verifier) checkSignature(r *http.Request, query url.Values, sig *signature, body []byte) error {
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if err := checkContentHash(r.Header.Values("X-Amz-Content-Sha256"), hash); err != nil {
		return err
	}
	if _, ok := slices.BinarySearch(sig.headers, "content-length"); ok && len(body) == 0 {
		// The SDK's signer takes a length of 0 for none.
		return errorf(Mismatch, "A request without a body cannot have content-length among its SignedHeaders here: leave it out")
	}
	secret, err := v.Secret(r.Context(), sig.scope.AccessKeyID)
	unknown := errors.Is(err, ErrUnknownKey)
	switch {
	case unknown:
		secret = dummySecret
	case err != nil:
		return fmt.Errorf("look up access key %q: %w", sig.scope.AccessKeyID, err)
	case secret == "":
		return fmt.Errorf("look up access key %q: its secret is empty", sig.scope.AccessKeyID)
	}
	matches, err := resigner{r, query, sig, secret, hash, int64(len(body))}.matches()
	switch {
	case err != nil:
		return fmt.Errorf("sign request again: %w", err)
	case unknown:
		return errorf(UnknownKey, "The security token included in the request is invalid.")
	case !matches:
		return errorf(Mismatch, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. If there is a proxy in between, it must leave the path, the query and the Host header (%.100q here) as they are.", r.Host)
	}
	return nil
}

// checkContentHash compares what X-Amz-Content-Sha256 says with the real hash.
// S3's words for a body that is not signed are no hash, and refused too.
func checkContentHash(said []string, hash string) error {
	if len(said) == 0 {
		return nil
	}
	if len(said) > 1 || said[0] != hash {
		return errorf(Mismatch, "The provided 'x-amz-content-sha256' header does not match what was computed: the body must be signed, so there must be one value, the body's SHA-256, and not %d, the first %.100q", len(said), said[0])
	}
	return nil
}
