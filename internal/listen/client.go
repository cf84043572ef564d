package listen

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Client is the listener's end. Its fields must not change while it runs.
type Client struct {
	Endpoint    string // of the server, without a path
	Topic       string // ARN or name; empty for the server's own
	Credentials aws.CredentialsProvider
	Region      string // to sign for; any will do
	// Forward is where messages are posted.
	Forward string
	// Told is called with what happens, from one goroutine at a time.
	Told func(Event)
}

// Event is what a Client tells of.
type Event struct {
	// Topic is set when the connection is there.
	Topic string
	// Type, Subject and ID are a message's that was forwarded, with the Status of
	// the answer, or the Err that there was none, and how long that Took.
	Type, Subject, ID string
	Status            int
	Took              time.Duration
	// Err alone is why the connection broke; Wait is when it is tried again.
	Err  error
	Wait time.Duration
}

// Refused is the error for what no trying again would change.
type Refused struct {
	Status  int
	Message string
}

func (r *Refused) Error() string {
	return fmt.Sprintf("the server refuses (%d): %s", r.Status, r.Message)
}

const (
	// silence is how long a connection may say nothing that lives.
	silence = 3 * heartbeat
	// forwardTime is how long an answer may take, as at SNS.
	forwardTime = 15 * time.Second
	atOnce      = 8
	maxLine     = 4 << 20
)

// Run listens until ctx ends, which is no error, and then tells the server that
// it does not come back. An interruption is bridged; a *Refused is returned.
func (c *Client) Run(ctx context.Context) error {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails, see crypto/rand
	l := &listener{Client: c, name: hex.EncodeToString(id), slots: make(chan struct{}, atOnce)}
	l.server.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second}
	l.local = http.Client{
		Timeout: forwardTime, Transport: &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer l.server.CloseIdleConnections()
	defer l.local.CloseIdleConnections()
	err := l.run(ctx)
	l.posts.Wait()
	if err == nil {
		l.bye()
	}
	return err
}

type listener struct {
	*Client
	name   string
	server http.Client
	local  http.Client
	slots  chan struct{}
	posts  sync.WaitGroup
	told   sync.Mutex
}

func (l *listener) tell(e Event) {
	l.told.Lock()
	defer l.told.Unlock()
	l.Told(e)
}

// run comes back after each interruption, sooner after a connection that was
// good.
func (l *listener) run(ctx context.Context) error {
	for failures := 0; ; failures++ {
		good, err := l.connect(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var refused *Refused
		if errors.As(err, &refused) && refused.Status < 500 && refused.Status != http.StatusTooManyRequests {
			return refused
		}
		if good {
			failures = 0
		}
		wait := min(500*time.Millisecond<<min(failures, 6), 30*time.Second)
		wait += mathrand.N(wait / 4)
		l.tell(Event{Err: err, Wait: wait})
		pause := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil
		case <-pause.C:
		}
	}
}

// connect holds one connection for as long as it goes. good says that it was
// there.
func (l *listener) connect(ctx context.Context) (good bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	res, err := l.ask(ctx, http.MethodPost, "?"+url.Values{"topic": {l.Topic}}.Encode(), nil)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	quiet := time.AfterFunc(silence, func() { cancel(fmt.Errorf("nothing was heard for %s", silence)) })
	defer quiet.Stop()
	in := bufio.NewScanner(res.Body)
	in.Buffer(nil, maxLine)
	for in.Scan() {
		quiet.Reset(silence)
		var d delivery
		if err := json.Unmarshal(in.Bytes(), &d); err != nil {
			return good, fmt.Errorf("read what the server says: %w", err)
		}
		if d.Topic != "" {
			good = true
			l.tell(Event{Topic: d.Topic})
		}
		if d.ID == "" {
			continue
		}
		l.slots <- struct{}{}
		l.posts.Go(func() {
			defer func() { <-l.slots }()
			l.forward(ctx, d)
		})
	}
	if err = in.Err(); err == nil {
		err = errors.New("the server has ended the connection")
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return good, err
}

// forward posts a message and reports how that went. Once begun, it is not
// broken off: the message may have been acted on.
func (l *listener) forward(ctx context.Context, d delivery) {
	ctx = context.WithoutCancel(ctx)
	e := Event{Type: first(d.Header, "x-amz-sns-message-type"), ID: first(d.Header, "x-amz-sns-message-id")}
	var text struct{ Subject string }
	if json.Unmarshal([]byte(d.Body), &text) == nil {
		e.Subject = text.Subject
	}
	began := time.Now()
	r := l.post(ctx, d)
	e.Status, e.Took = r.Status, time.Since(began)
	if r.Error != "" {
		e.Err = errors.New(r.Error)
	}
	body, err := json.Marshal(r)
	if err == nil {
		var res *http.Response
		if res, err = l.ask(ctx, http.MethodPost, "/reports", body); err == nil {
			res.Body.Close()
		}
	}
	if err != nil && e.Err == nil {
		e.Err = fmt.Errorf("the server does not know of it, and sends it again: %w", err)
	}
	l.tell(e)
}

func (l *listener) post(ctx context.Context, d delivery) report {
	r := report{ID: d.ID}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.Forward, strings.NewReader(d.Body))
	if err != nil {
		r.Error = err.Error()
		return r
	}
	req.Header = d.Header
	res, err := l.local.Do(req)
	if err != nil {
		r.Error = err.Error()
		return r
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(res.Body, 1024)) // what there is, is enough
	r.Status, r.Body = res.StatusCode, strings.ToValidUTF8(string(answer), "\uFFFD")
	return r
}

// first is a header's value, however its name is written.
func first(h http.Header, name string) string {
	for n, values := range h {
		if strings.EqualFold(n, name) && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

// bye ends the subscription, if the server is there.
func (l *listener) bye() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if res, err := l.ask(ctx, http.MethodDelete, "?"+url.Values{"topic": {l.Topic}}.Encode(), nil); err == nil {
		res.Body.Close()
	}
}

// ask sends a signed request, and returns an answer that is no refusal.
func (l *listener) ask(ctx context.Context, method, rest string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(l.Endpoint, "/")+"/listen/"+l.name+rest, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	cred, err := l.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("find an access key: %w", err)
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, cred, req, hex.EncodeToString(sum[:]), ServiceName, l.Region, time.Now()); err != nil {
		return nil, fmt.Errorf("sign the request: %w", err)
	}
	res, err := l.server.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode < 300 {
		return res, nil
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
	why := refusal{Message: strings.TrimSpace(string(text))}
	_ = json.Unmarshal(text, &why)
	return nil, &Refused{res.StatusCode, why.Message}
}
