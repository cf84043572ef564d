// Package awsauth finds out whose access key has signed a request to one of the
// services but S3.
//
// It knows no protocol: what an error is called on the wire, and what the key's
// role allows, is the affair of who asks.
package awsauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"etude/internal/account"
	"etude/internal/sigv4"
)

// Authenticator checks requests for one service. It may be used by many
// goroutines at once.
type Authenticator struct {
	Service  string // in the credential scope
	Accounts *account.Service
	Now      func() time.Time // nil means time.Now
	MaxBody  int64            // of requests, in bytes
}

// Authenticate returns whose access key signed a request, for the service and
// for any region, and the request's body. A fault of the request is a
// *sigv4.Error, or wraps sigv4.ErrBody; any other error is ours.
func (a *Authenticator) Authenticate(r *http.Request) (who account.Identity, body []byte, err error) {
	v := sigv4.Verifier{
		Service: a.Service,
		Now:     a.Now,
		MaxBody: a.MaxBody,
		Secret: func(ctx context.Context, keyID string) (secret string, err error) {
			who, secret, err = a.Accounts.AccessKey(ctx, keyID)
			if errors.Is(err, account.ErrNotFound) {
				return "", sigv4.ErrUnknownKey
			}
			return secret, err
		},
	}
	if _, body, err = v.Verify(r); err == nil {
		return who, body, nil
	}
	if _, ok := errors.AsType[*sigv4.Error](err); ok || errors.Is(err, sigv4.ErrBody) {
		return account.Identity{}, nil, err
	}
	return account.Identity{}, nil, fmt.Errorf("authenticate: %w", err)
}
