// Package lambdatest runs a Lambda function's bootstrap as Lambda does: it
// serves the Runtime API, starts the program, hands it one event at a time, kills
// it at the deadline, and starts it again after it ended. It knows nothing of
// what the function does.
//
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
package lambdatest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Outcome is how an invocation ended.
type Outcome struct {
	Response []byte // if it succeeded
	// Error is what the function has posted, nil if it has not.
	Error *Error
	// Killed says that it was still at it at the deadline; Exited, that the
	// program ended, before or after it has posted something.
	Killed, Exited bool
}

// Error is a function's error, as it is posted.
type Error struct {
	Message string `json:"errorMessage"`
	Type    string `json:"errorType"`
	Stack   []any  `json:"stackTrace"`
}

// Runtime is a function that may be invoked.
type Runtime struct {
	t       testing.TB
	program string
	env     []string
	api     *httptest.Server

	mu    sync.Mutex // one invocation at a time
	child *child
	// Starts is how often the program was started.
	Starts int

	next    chan invocation
	posts   chan post
	log     bytes.Buffer
	logLock sync.Mutex
}

type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
}

type post struct {
	id, kind string
	body     []byte
}

type child struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// New returns a Runtime of the program, which has env besides what Lambda sets.
// It ends with the test.
func New(t testing.TB, program string, env ...string) *Runtime {
	t.Helper()
	r := &Runtime{t: t, program: program, env: env, next: make(chan invocation), posts: make(chan post, 1)}
	r.api = httptest.NewServer(r.routes())
	t.Cleanup(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.child != nil {
			r.stop()
		}
		r.api.CloseClientConnections()
		r.api.Close()
	})
	return r
}

func (r *Runtime) routes() http.Handler {
	mux := http.NewServeMux()
	const base = "/2018-06-01/runtime/"
	mux.HandleFunc("GET "+base+"invocation/next", func(w http.ResponseWriter, q *http.Request) {
		select {
		case i := <-r.next:
			h := w.Header()
			h.Set("Lambda-Runtime-Aws-Request-Id", i.id)
			h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(i.deadline.UnixMilli(), 10))
			h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:000000000000:function:etude")
			h.Set("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0")
			_, _ = w.Write(i.payload)
		case <-q.Context().Done():
		}
	})
	mux.HandleFunc("POST "+base+"invocation/{id}/{kind}", func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err == nil {
			w.WriteHeader(http.StatusAccepted)
			r.posts <- post{q.PathValue("id"), q.PathValue("kind"), body}
		}
	})
	mux.HandleFunc("POST "+base+"init/error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	return mux
}

// Invoke hands the function an event and waits for its outcome, for timeout at
// the most.
func (r *Runtime) Invoke(payload []byte, timeout time.Duration) Outcome {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.child == nil {
		r.start()
	}
	select {
	case <-r.posts: // of a program that was killed
	default:
	}
	i := invocation{fmt.Sprintf("8476a536-e9f4-11e8-9739-%012d", time.Now().UnixNano()%1e12), payload, time.Now().Add(timeout)}
	// What Lambda gives a function beyond its deadline is little.
	ctx, cancel := context.WithDeadline(r.t.Context(), i.deadline.Add(500*time.Millisecond))
	defer cancel()
	select {
	case r.next <- i:
	case <-r.child.ended:
		r.child = nil
		return Outcome{Exited: true}
	}
	select {
	case p := <-r.posts:
		return r.outcome(p, i)
	case <-r.child.ended:
		r.child = nil
		return Outcome{Exited: true}
	case <-ctx.Done():
		r.stop()
		return Outcome{Killed: true}
	}
}

// outcome reads what was posted. A panic is told of before the program ends.
func (r *Runtime) outcome(p post, i invocation) (o Outcome) {
	r.t.Helper()
	if p.id != i.id {
		r.t.Fatalf("%s was posted for %s, want it for %s", p.kind, p.id, i.id)
	}
	if p.kind == "response" {
		o.Response = p.body
		return o
	}
	o.Error = new(Error)
	if err := json.Unmarshal(p.body, o.Error); err != nil {
		r.t.Fatalf("error %s: %v", p.body, err)
	}
	if len(o.Error.Stack) > 0 {
		<-r.child.ended
		r.child, o.Exited = nil, true
	}
	return o
}

func (r *Runtime) start() {
	r.t.Helper()
	r.Starts++
	cmd := exec.CommandContext(context.WithoutCancel(r.t.Context()), r.program)
	cmd.Env = append([]string{"AWS_LAMBDA_RUNTIME_API=" + r.api.Listener.Addr().String(), "AWS_REGION=eu-west-1", "PATH=" + os.Getenv("PATH")}, r.env...)
	cmd.Stdout, cmd.Stderr = r, r
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	c := &child{cmd, make(chan struct{})}
	go func() {
		defer close(c.ended)
		_ = cmd.Wait() // that it ended is what counts
	}()
	r.child = c
}

func (r *Runtime) stop() {
	_ = r.child.cmd.Process.Kill()
	<-r.child.ended
	r.child = nil
}

// Write takes what the program writes; Log returns it.
func (r *Runtime) Write(p []byte) (int, error) {
	r.logLock.Lock()
	defer r.logLock.Unlock()
	return r.log.Write(p)
}

// Log returns what the program has written.
func (r *Runtime) Log() string {
	r.logLock.Lock()
	defer r.logLock.Unlock()
	return r.log.String()
}
