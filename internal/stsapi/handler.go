package stsapi

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"

	"etude/internal/account"
	"etude/internal/sigv4"
)

const (
	// signingName is the service in the credential scope of a request.
	signingName = "sts"
	// version is that of the API, and namespace that of its XML.
	version   = "2011-06-15"
	namespace = "https://sts.amazonaws.com/doc/2011-06-15/"
	// maxBody is far above a form with an action and its version.
	maxBody = 64 << 10
)

// Config is what the API needs. Accounts must be set.
type Config struct {
	Accounts *account.Service
	Account  string           // number of the AWS account
	Logger   *slog.Logger     // nil logs nothing
	Now      func() time.Time // for signatures; nil means time.Now
}

// New returns a handler of the API. A request must be signed for the service
// sts in any region, by an access key of cfg.Accounts. The handler may serve
// many requests at once. It needs the path and the Host header as the client
// sent them, or signatures do not match.
func New(cfg Config) http.Handler {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &api{cfg}
}

type api struct{ Config }

// ServeHTTP answers a request in XML, whatever comes, in one write.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := uuid.NewString()
	status, body := a.answer(r, id)
	h := w.Header()
	h.Set("x-amzn-RequestId", id)
	h.Set("Content-Type", "text/xml")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}

// answer returns status and body. A fault of ours is logged with the id of the
// request, which is all that the caller is told of it.
func (a *api) answer(r *http.Request, id string) (int, []byte) {
	who, err := a.serve(r)
	if err == nil {
		return http.StatusOK, encode(a.identity(who, id))
	}
	f := asFault(err)
	if f == nil {
		a.logFault(r, id, err)
		f = internal(id)
	}
	return f.status, encode(f.reply(id))
}

func (a *api) logFault(r *http.Request, id string, err error) {
	level := slog.LevelError
	if r.Context().Err() != nil {
		level = slog.LevelInfo // the client has gone, and the work with it
	}
	a.Logger.Log(context.WithoutCancel(r.Context()), level, "request not served",
		"request", id, "method", r.Method, "path", r.URL.Path, "err", err)
}

// serve returns who asks, if they ask for that and may.
func (a *api) serve(r *http.Request) (account.Identity, error) {
	who, body, err := a.authenticate(r)
	if err != nil {
		return account.Identity{}, err
	}
	form, err := parameters(r, body)
	if err != nil {
		return account.Identity{}, err
	}
	if err := checkAction(form); err != nil {
		return account.Identity{}, err
	}
	if action := account.Action(signingName + ":" + form.Get("Action")); !who.Role.May(action) {
		return account.Identity{}, &fault{http.StatusForbidden, "AccessDenied", who.Refusal(action, a.Account)}
	}
	return who, nil
}

// authenticate returns whose access key signed the request, and its body.
func (a *api) authenticate(r *http.Request) (who account.Identity, body []byte, err error) {
	v := sigv4.Verifier{
		Service: signingName,
		Now:     a.Now,
		MaxBody: maxBody,
		Secret: func(ctx context.Context, keyID string) (secret string, err error) {
			who, secret, err = a.Accounts.AccessKey(ctx, keyID)
			if errors.Is(err, account.ErrNotFound) {
				return "", sigv4.ErrUnknownKey
			}
			return secret, err
		},
	}
	_, body, err = v.Verify(r)
	switch {
	case err == nil:
		return who, body, nil
	case errors.Is(err, sigv4.ErrBody):
		return account.Identity{}, nil, &fault{http.StatusBadRequest, "MalformedInput", fmt.Sprintf("The request could not be read: %v.", err)}
	}
	return account.Identity{}, nil, fmt.Errorf("authenticate: %w", err)
}

// parameters returns those of the query and of a form in the body. Verify has
// parsed the query already, so it is well-formed.
func parameters(r *http.Request, body []byte) (url.Values, error) {
	all := r.URL.Query()
	contentType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if len(body) == 0 || err != nil || contentType != "application/x-www-form-urlencoded" {
		return all, nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, &fault{http.StatusBadRequest, "MalformedQueryString", fmt.Sprintf("The form in the request's body could not be read: %v.", err)}
	}
	for name, values := range form {
		all[name] = values
	}
	return all, nil
}

// checkAction refuses all but GetCallerIdentity. AWS looks an action up by its
// name and version together.
func checkAction(form url.Values) error {
	action, asked := form.Get("Action"), form.Get("Version")
	switch {
	case action == "":
		return &fault{http.StatusBadRequest, "MissingAction", "The request names no Action: Etude's STS has GetCallerIdentity."}
	case asked == "":
		asked = "NO_VERSION_SPECIFIED"
	}
	if action == "GetCallerIdentity" && asked == version {
		return nil
	}
	return &fault{
		http.StatusBadRequest, "InvalidAction",
		fmt.Sprintf("Could not find operation %.64s for version %.32s: Etude's STS has GetCallerIdentity of version %s.", action, asked, version),
	}
}

// identityReply is the answer of GetCallerIdentity:
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
type identityReply struct {
	XMLName   xml.Name `xml:"GetCallerIdentityResponse"`
	Namespace string   `xml:"xmlns,attr"`
	ARN       string   `xml:"GetCallerIdentityResult>Arn"`
	UserID    string   `xml:"GetCallerIdentityResult>UserId"`
	Account   string   `xml:"GetCallerIdentityResult>Account"`
	RequestID string   `xml:"ResponseMetadata>RequestId"`
}

// identity tells of the root access key as AWS does: its user is the account.
func (a *api) identity(who account.Identity, id string) identityReply {
	user := string(who.User)
	if who.Root {
		user = a.Account
	}
	return identityReply{Namespace: namespace, ARN: who.ARN(a.Account), UserID: user, Account: a.Account, RequestID: id}
}

// encode writes a reply; what XML cannot hold is replaced.
func encode(reply any) []byte {
	b := bytes.NewBufferString(xml.Header)
	if err := xml.NewEncoder(b).Encode(reply); err != nil {
		panic(err) // of types of ours, none of which can fail
	}
	return b.Bytes()
}
