package etapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/google/uuid"

	"etude/internal/account"
	"etude/internal/awsauth"
	"etude/internal/sigv4"
	"etude/internal/transcode"
)

const (
	// signingName is the service in the credential scope of a request.
	signingName = "elastictranscoder"
	// maxBody is the largest request that is read: far above a job with all the
	// inputs and outputs that it may have.
	maxBody = 1 << 20
	// maxDrain is how much of a body that is too large is read and dropped, so
	// that the client gets round to reading why it was refused.
	maxDrain = 16 << 20
)

// Config is what the API needs. Service and Accounts must be set.
type Config struct {
	Service  *transcode.Service
	Accounts *account.Service
	Account  string           // number of the AWS account, in the ARNs of users
	Logger   *slog.Logger     // nil logs nothing
	Now      func() time.Time // for signatures; nil means time.Now
}

// New returns a handler of Elastic Transcoder's API. A request must be signed
// for the service elastictranscoder in any region, by an access key of
// cfg.Accounts whose role allows the operation; the key's user becomes the
// owner of the jobs it makes.
//
// The handler may serve many requests at once. It needs the path and the Host
// header as the client sent them, or signatures do not match.
func New(cfg Config) http.Handler {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &api{cfg, awsauth.Authenticator{Service: signingName, Accounts: cfg.Accounts, Now: cfg.Now, MaxBody: maxBody}}
}

type api struct {
	Config
	auth awsauth.Authenticator
}

// ServeHTTP answers a request with a JSON object, whatever comes, in one write;
// only a by-product of a job is what it is.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := uuid.NewString()
	reply := a.answer(r, id)
	h := w.Header()
	h.Set("x-amzn-RequestId", id)
	h.Set("Content-Type", reply.contentType)
	h.Set("Content-Length", strconv.Itoa(len(reply.body)))
	if reply.errorType != "" {
		h.Set("x-amzn-ErrorType", reply.errorType)
	}
	w.WriteHeader(reply.status)
	w.Write(reply.body)
}

// reply is an answer, ready to be written.
type reply struct {
	status      int
	errorType   string // empty if all went well
	contentType string
	body        []byte
}

// answer never panics. A fault of ours is logged with the id of the request,
// which is all that the caller is told of it.
func (a *api) answer(r *http.Request, id string) (rep reply) {
	defer func() {
		if p := recover(); p != nil {
			a.Logger.Error("request panicked", "request", id, "err", p, "stack", string(debug.Stack()))
			rep = failed(internal(id))
		}
	}()
	op, out, err := a.serve(r)
	if m, ok := out.(media); ok && err == nil {
		return reply{status: op.status, contentType: m.contentType, body: m.content}
	}
	if err == nil {
		return reply{status: op.status, contentType: "application/json", body: encode(out)}
	}
	known := asAPIError(err)
	if known == nil {
		known = internal(id)
		a.logFault(r, id, err)
	}
	return failed(known)
}

func (a *api) logFault(r *http.Request, id string, err error) {
	level := slog.LevelError
	if r.Context().Err() != nil {
		level = slog.LevelInfo // the client has gone, and the work with it
	}
	a.Logger.Log(context.WithoutCancel(r.Context()), level, "request not served",
		"request", id, "method", r.Method, "path", r.URL.Path, "err", err)
}

func internal(id string) *apiError {
	return &apiError{
		exception: internalService,
		message:   "The service could not do this because of a fault of its own. Its log tells more of request " + id + ".",
	}
}

func failed(e *apiError) reply {
	return reply{status: e.status, errorType: e.name, contentType: "application/json", body: encode(e.body())}
}

// serve does all the work of a request: who is it, what do they want, do it.
func (a *api) serve(r *http.Request) (*operation, any, error) {
	who, body, err := a.authenticate(r)
	if err != nil {
		return nil, nil, err
	}
	op, path, err := route(r.Method, r.URL.EscapedPath())
	if err != nil {
		return nil, nil, err
	}
	if action := op.action(); !who.Role.May(action) {
		return nil, nil, &apiError{exception: domainExceptions[transcode.Denied], message: who.Refusal(action, a.Account)}
	}
	in, err := op.input(path, r.URL.Query(), body)
	if err != nil {
		return nil, nil, err
	}
	out, err := op.run(a, r.Context(), request{document: in, owner: string(who.User), role: who.Role})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", op.name, err)
	}
	return op, out, nil
}

// authenticate returns whose access key signed the request, and its body.
func (a *api) authenticate(r *http.Request) (account.Identity, []byte, error) {
	who, body, err := a.auth.Authenticate(r)
	if signed, ok := errors.AsType[*sigv4.Error](err); ok && signed.Kind == sigv4.TooLarge {
		_, _ = io.CopyN(io.Discard, r.Body, maxDrain)
	}
	if errors.Is(err, sigv4.ErrBody) {
		err = serialization("The request could not be read: %v.", err)
	}
	return who, body, err
}

// encode writes a reply without escaping <, > and &, as AWS does.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // of types of ours, none of which can fail
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
