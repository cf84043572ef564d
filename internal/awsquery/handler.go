// Package awsquery is the server's side of AWS's Query protocol: a form with an
// Action goes in, XML comes out. It checks who asks and whether they may, finds
// the action, and writes replies and errors as AWS's services do.
//
// It knows no action: services bring theirs. Facts are from
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-xml.html
// and from what SDKs send.
package awsquery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"etude/internal/account"
	"etude/internal/awsauth"
	"etude/internal/sigv4"
)

// maxDrain is how much of a body that is too large is read and dropped, so that
// the client gets round to reading why it was refused.
const maxDrain = 16 << 20

// Service describes a service. Name, Version, Namespace, MaxBody, Accounts and
// Actions must be set.
type Service struct {
	Name      string // in the credential scope of a request, and in actions
	Title     string // for people
	Version   string // of the API
	Namespace string // of its XML
	MaxBody   int64

	Accounts *account.Service
	Account  string           // number of the AWS account
	Logger   *slog.Logger     // nil logs nothing
	Now      func() time.Time // for signatures; nil means time.Now

	// Actions has what the service can do, by the names of actions. What it
	// returns are the elements of the reply's result; nil is a reply without one.
	Actions map[string]func(ctx context.Context, r Request) ([]Element, error)
	// Unsigned has the actions that anybody may ask for by GET.
	Unsigned map[string]bool
	// AnyVersion lets requests leave out the version.
	AnyVersion bool
	// Fault finds the caller's face of an error of the service's own, or nil.
	Fault func(error) *Fault
	// Denied and Internal are the service's codes for what a role does not allow,
	// and for faults of ours.
	Denied, Internal string
	// Page words the reply to an unsigned request for a browser, in which people
	// open the links that they were sent; nil means that they get the XML.
	Page func(action string, result []Element, f *Fault) string
}

// Request is one that may be served.
type Request struct {
	Form
	Who    account.Identity
	Signed bool // else Who is nobody
}

// Need returns a parameter that must be there.
func (r Request) Need(name string) (string, error) {
	v := r.Value(name)
	if v == nil {
		return "", Null(strings.ToLower(name[:1]) + name[1:])
	}
	return *v, nil
}

// Null is the fault of a parameter that is missing, by its path as AWS has it.
func Null(path string) *Fault {
	return &Fault{http.StatusBadRequest, "ValidationError", "1 validation error detected: Value null at '" + path + "' failed to satisfy constraint: Member must not be null"}
}

// New returns the handler of a service. It may serve many requests at once. It
// needs the path and the Host header as the client sent them, or signatures do
// not match.
func New(s Service) http.Handler {
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	return &handler{s, awsauth.Authenticator{Service: s.Name, Accounts: s.Accounts, Now: s.Now, MaxBody: s.MaxBody}}
}

type handler struct {
	Service
	auth awsauth.Authenticator
}

// ServeHTTP answers a request, whatever comes, in one write.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := uuid.NewString()
	rep := h.answer(r, id)
	header := w.Header()
	header.Set("x-amzn-RequestId", id)
	header.Set("Content-Type", rep.contentType)
	header.Set("Content-Length", strconv.Itoa(len(rep.body)))
	if rep.contentType == htmlType {
		header.Set("Content-Security-Policy", "default-src 'none'")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
	}
	w.WriteHeader(rep.status)
	w.Write(rep.body)
}

const (
	xmlType  = "text/xml"
	htmlType = "text/html; charset=utf-8"
)

// reply is an answer, ready to be written.
type reply struct {
	status      int
	contentType string
	body        []byte
}

// answer never panics. A fault of ours is logged with the id of the request,
// which is all that the caller is told of it.
func (h *handler) answer(r *http.Request, id string) (rep reply) {
	defer func() {
		if p := recover(); p != nil {
			h.Logger.Error("request panicked", "request", id, "err", p, "stack", string(debug.Stack()))
			rep = h.failed(h.internal(id), id)
		}
	}()
	action, signed, result, err := h.serve(r)
	var f *Fault
	if err != nil {
		if f = h.asFault(err); f == nil {
			h.logFault(r, id, err)
			f = h.internal(id)
		}
	}
	switch {
	case h.Page != nil && !signed && h.Unsigned[action] && wantsPage(r):
		rep = reply{http.StatusOK, htmlType, []byte(h.Page(action, result, f))}
		if f != nil {
			rep.status = f.Status
		}
		return rep
	case f != nil:
		return h.failed(f, id)
	}
	return h.done(action, result, id)
}

func wantsPage(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html")
}

func (h *handler) logFault(r *http.Request, id string, err error) {
	level := slog.LevelError
	if r.Context().Err() != nil {
		level = slog.LevelInfo // the client has gone, and the work with it
	}
	h.Logger.Log(context.WithoutCancel(r.Context()), level, "request not served",
		"request", id, "method", r.Method, "path", r.URL.Path, "err", err)
}

// serve does all the work of a request: who is it, what do they want, do it.
func (h *handler) serve(r *http.Request) (action string, signed bool, result []Element, err error) {
	who, body, err := h.auth.Authenticate(r)
	if err != nil {
		if !h.mayBeUnsigned(r, err) {
			return "", false, nil, h.unread(r, err)
		}
	} else {
		signed = true
	}
	form, err := parameters(r, body)
	if err != nil {
		return "", signed, nil, err
	}
	action = form.Get("Action")
	do, err := h.find(form)
	if err != nil {
		return action, signed, nil, err
	}
	if a := account.Action(h.Name + ":" + action); signed && !who.Role.May(a) {
		return action, signed, nil, &Fault{http.StatusForbidden, h.Denied, who.Refusal(a, h.Account)}
	}
	result, err = do(r.Context(), Request{Form: form, Who: who, Signed: signed})
	if err != nil {
		return action, signed, nil, fmt.Errorf("%s: %w", action, err)
	}
	return action, signed, result, nil
}

// mayBeUnsigned reports whether a request that lacks a signature is one of those
// that need none. It has to have all its parameters in the URL.
func (h *handler) mayBeUnsigned(r *http.Request, err error) bool {
	missing, ok := errors.AsType[*sigv4.Error](err)
	return ok && missing.Kind == sigv4.Missing && r.Method == http.MethodGet && h.Unsigned[r.URL.Query().Get("Action")]
}

// unread makes a fault of a body that broke off, and reads one that is too long.
func (h *handler) unread(r *http.Request, err error) error {
	if signed, ok := errors.AsType[*sigv4.Error](err); ok && signed.Kind == sigv4.TooLarge {
		_, _ = io.CopyN(io.Discard, r.Body, maxDrain)
	}
	if errors.Is(err, sigv4.ErrBody) {
		return &Fault{http.StatusBadRequest, "MalformedInput", fmt.Sprintf("The request could not be read: %v.", err)}
	}
	return err
}

// parameters returns those of the query and of a form in the body. The query
// was parsed when the signature was checked, so it is well-formed.
func parameters(r *http.Request, body []byte) (Form, error) {
	all := r.URL.Query()
	contentType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if len(body) == 0 || err != nil || contentType != "application/x-www-form-urlencoded" {
		return Form{all}, nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return Form{}, &Fault{http.StatusBadRequest, "MalformedQueryString", fmt.Sprintf("The form in the request's body could not be read: %v.", err)}
	}
	for name, values := range form {
		all[name] = values
	}
	return Form{all}, nil
}

// find returns what an action does. AWS looks it up by its name and version
// together.
func (h *handler) find(form Form) (func(context.Context, Request) ([]Element, error), error) {
	action, version := form.Get("Action"), form.Get("Version")
	if action == "" {
		return nil, &Fault{http.StatusBadRequest, "MissingAction", "The request names no Action."}
	}
	do := h.Actions[action]
	if do != nil && (version == h.Version || version == "" && h.AnyVersion) {
		return do, nil
	}
	if version == "" {
		version = "NO_VERSION_SPECIFIED"
	}
	return nil, &Fault{
		http.StatusBadRequest, "InvalidAction",
		fmt.Sprintf("Could not find operation %.64s for version %.32s: Etude's %s has version %s, and not all of its operations.", action, version, h.Title, h.Version),
	}
}

func (h *handler) done(action string, result []Element, id string) reply {
	root := Group(action + "Response")
	if result != nil {
		root.Children = append(root.Children, Group(action+"Result", result...))
	}
	root.Children = append(root.Children, Group("ResponseMetadata", Text("RequestId", id)))
	return reply{http.StatusOK, xmlType, h.encode(root)}
}

func (h *handler) failed(f *Fault, id string) reply {
	side := "Sender"
	if f.Status >= http.StatusInternalServerError {
		side = "Receiver"
	}
	return reply{f.Status, xmlType, h.encode(Group("ErrorResponse",
		Group("Error", Text("Type", side), Text("Code", f.Code), Text("Message", f.Message)),
		Text("RequestId", id),
	))}
}

func (h *handler) encode(root Element) []byte {
	var b bytes.Buffer
	root.write(&b, ` xmlns="`+h.Namespace+`"`, "")
	return b.Bytes()
}
