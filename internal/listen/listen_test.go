package listen_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"etude/internal/account"
	"etude/internal/awsauth"
	"etude/internal/listen"
	"etude/internal/notify"
	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
)

// world is a server with a topic, and a program that messages are forwarded to.
type world struct {
	t       *testing.T
	notify  *notify.Service
	listen  *listen.Service
	store   *sqlstore.Store
	server  *httptest.Server
	program *httptest.Server
	key     [2]string
	admin   *account.User
	account *account.Service
	topic   notify.TopicARN
	posts   chan *http.Request // with their bodies in them
	status  atomic.Int64       // of the program's answers
	now     atomic.Int64       // added to the clock, in nanoseconds
}

func open(t *testing.T) *world {
	t.Helper()
	ctx := t.Context()
	store, _ := sqlstoretest.Open(t)
	w := &world{t: t, store: store, account: account.New(store, account.MasterKey{}), posts: make(chan *http.Request, 10)}
	w.status.Store(200)
	var err error
	if w.admin, err = w.account.CreateUser(ctx, "ann@example.com", "a long password", true); err != nil {
		t.Fatal(err)
	}
	w.key = w.addKey(account.Admin)
	quiet := slog.New(slog.DiscardHandler)
	w.notify, err = notify.New(notify.Config{
		Store: store, Logger: quiet, Region: "eu-west-1", Account: "000000000000", Node: "test",
		Deliver: map[notify.Protocol]notify.DeliverFunc{
			listen.Protocol: func(ctx context.Context, p notify.Parcel) (notify.Answer, error) { return w.listen.Deliver(ctx, p) },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	auth := awsauth.Authenticator{Service: listen.ServiceName, Accounts: w.account}
	w.listen, err = listen.New(listen.Config{
		Topics: w.notify, Store: store, Authenticate: auth.Authenticate, Logger: quiet,
		Request: func(p *notify.Parcel) (http.Header, []byte, error) {
			return http.Header{"x-amz-sns-message-id": {string(p.Message.ID)}, "Content-Type": {"text/plain; charset=UTF-8"}}, []byte(p.Message.Body), nil
		},
		ARN: func(name string) notify.TopicARN {
			if name == "" {
				name = "news"
			}
			return notify.TopicARN("arn:aws:sns:eu-west-1:000000000000:" + name)
		},
		Now: func() time.Time { return time.Now().Add(time.Duration(w.now.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if w.topic, err = w.notify.CreateTopic(ctx, notify.TopicSpec{Name: "news"}); err != nil {
		t.Fatal(err)
	}
	w.server = httptest.NewServer(w.listen)
	w.program = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		rw.WriteHeader(int(w.status.Load()))
		_, _ = io.WriteString(rw, "thanks")
		w.posts <- r
	}))
	working, cancel := context.WithCancel(context.WithoutCancel(ctx))
	worked := make(chan error, 1)
	go func() { worked <- w.notify.Work(working, 0) }()
	t.Cleanup(func() {
		cancel()
		w.listen.Close()
		if err := <-worked; err != nil {
			t.Error(err)
		}
		w.server.Close()
		w.program.Close()
	})
	return w
}

func (w *world) addKey(role account.Role) [2]string {
	w.t.Helper()
	k, secret, err := w.account.AddAccessKey(w.t.Context(), w.admin.Email, role, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return [2]string{k.ID, secret}
}

// client is a listener that is not running yet, and what it tells.
func (w *world) client() (*listen.Client, <-chan listen.Event) {
	told := make(chan listen.Event, 100)
	return &listen.Client{
		Endpoint: w.server.URL, Credentials: credentials.NewStaticCredentialsProvider(w.key[0], w.key[1], ""), Region: "us-east-1",
		Forward: w.program.URL + "/hooks?x=1", Told: func(e listen.Event) { told <- e },
	}, told
}

// run has a client listen. stop ends it, as an interrupt does.
func (w *world) run() (told <-chan listen.Event, stop func()) {
	w.t.Helper()
	c, told := w.client()
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	stopped := false
	stop = func() {
		if cancel(); !stopped {
			stopped = true
			if err := <-ended; err != nil {
				w.t.Error(err)
			}
		}
	}
	w.t.Cleanup(stop)
	if e := <-told; e.Topic != string(w.topic) {
		w.t.Fatalf("the first that is told is %+v, want the topic", e)
	}
	return told, stop
}

func (w *world) publish(body string) {
	w.t.Helper()
	id, err := w.notify.PublishMessage(w.t.Context(), notify.Publication{Topic: w.topic, Message: body})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.notify.FanOut(w.t.Context(), id); err != nil {
		w.t.Fatal(err)
	}
}

// posted is the next request that the program got.
func (w *world) posted() (header http.Header, body string) {
	w.t.Helper()
	r := <-w.posts
	text, _ := io.ReadAll(r.Body)
	if r.URL.RequestURI() != "/hooks?x=1" || r.Method != http.MethodPost {
		w.t.Errorf("posted by %s to %s", r.Method, r.URL.RequestURI())
	}
	return r.Header, string(text)
}

// subscriptions are how many the topic has.
func (w *world) subscriptions() int {
	w.t.Helper()
	subs, _, err := w.notify.ListSubscriptions(w.t.Context(), w.topic, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return len(subs)
}

func TestMessageReachesEveryListener(t *testing.T) {
	t.Parallel()
	w := open(t)
	first, stop := w.run()
	second, _ := w.run()
	w.publish("Bödy\r\n\u2028 \"quoted\" <&>")
	for range 2 {
		header, body := w.posted()
		if body != "Bödy\r\n\u2028 \"quoted\" <&>" || header.Get("Content-Type") != "text/plain; charset=UTF-8" || header.Get("X-Amz-Sns-Message-Id") == "" {
			t.Errorf("got %q with %v", body, header)
		}
	}
	for _, told := range []<-chan listen.Event{first, second} {
		if e := <-told; e.Status != 200 || e.Err != nil || e.ID == "" {
			t.Errorf("told %+v", e)
		}
	}
	if got := w.subscriptions(); got != 2 {
		t.Errorf("%d subscriptions, want 2", got)
	}
	stop()
	if got := w.subscriptions(); got != 1 {
		t.Errorf("%d subscriptions after one has left, want 1", got)
	}
}

// settled waits until the only delivery was tried so often.
func (w *world) settled(tries int) notify.Delivery {
	w.t.Helper()
	for {
		all, _, err := w.notify.ListDeliveries(w.t.Context(), notify.DeliveryFilter{}, "", 10)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(all) == 1 && all[0].Tries >= tries && all[0].Node == "" {
			return all[0]
		}
	}
}

func TestFailureIsRecorded(t *testing.T) {
	t.Parallel()
	w := open(t)
	told, _ := w.run()
	w.status.Store(404)
	w.publish("text")
	w.posted()
	if e := <-told; e.Status != 404 {
		t.Errorf("told %+v", e)
	}
	d := w.settled(1)
	if d.State != notify.Pending || d.LastError != "it answered 404" {
		t.Errorf("the delivery is %+v, want it pending, with the error", d)
	}
	_, _, tries, err := w.notify.ReadDelivery(t.Context(), d.ID)
	if err != nil || len(tries) != 1 || tries[0].Status != 404 || tries[0].Answer != "thanks" {
		t.Errorf("tries are %+v, %v", tries, err)
	}
	w.status.Store(204)
	if err := w.notify.Replay(t.Context(), d.ID); err != nil {
		t.Fatal(err)
	}
	w.posted()
	if d := w.settled(2); d.State != notify.Delivered {
		t.Errorf("the delivery is %+v, want it delivered", d)
	}
}

func TestProgramThatIsDown(t *testing.T) {
	t.Parallel()
	w := open(t)
	told, _ := w.run()
	w.program.Close()
	w.publish("text")
	if e := <-told; e.Err == nil || e.Status != 0 {
		t.Errorf("told %+v, want why", e)
	}
	if d := w.settled(1); d.State != notify.Pending || !strings.Contains(d.LastError, "could not be forwarded") {
		t.Errorf("the delivery is %+v", d)
	}
}

// TestInterruption breaks the connection: the listener comes back, and what was
// published meanwhile has waited.
func TestInterruption(t *testing.T) {
	t.Parallel()
	w := open(t)
	told, _ := w.run()
	w.server.CloseClientConnections()
	w.publish("meanwhile")
	if e := <-told; e.Err == nil || e.Wait == 0 {
		t.Errorf("told %+v, want that it broke", e)
	}
	if e := <-told; e.Topic == "" {
		t.Errorf("told %+v, want that it is there again", e)
	}
	if _, body := w.posted(); body != "meanwhile" {
		t.Errorf("got %q", body)
	}
	if got := w.subscriptions(); got != 1 {
		t.Errorf("%d subscriptions, want the one", got)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := open(t)
	reader := w.addKey(account.ReadOnly)
	for name, tt := range map[string]struct {
		change func(c *listen.Client)
		status int
		why    string
	}{
		"unknown key":  {func(c *listen.Client) { c.Credentials = credentials.NewStaticCredentialsProvider("ETUDNONE", "x", "") }, 403, "security token"},
		"wrong secret": {func(c *listen.Client) { c.Credentials = credentials.NewStaticCredentialsProvider(w.key[0], "x", "") }, 403, "signature"},
		"read-only key": {func(c *listen.Client) {
			c.Credentials = credentials.NewStaticCredentialsProvider(reader[0], reader[1], "")
		}, 403, "read-only"},
		"no such topic": {func(c *listen.Client) { c.Topic = "none" }, 404, "arn:aws:sns:eu-west-1:000000000000:none"},
		"no topic":      {func(c *listen.Client) { c.Topic = "a b/c" }, 400, "topic"},
	} {
		c, _ := w.client()
		tt.change(c)
		err := c.Run(t.Context())
		var refused *listen.Refused
		if !errors.As(err, &refused) || refused.Status != tt.status || !strings.Contains(refused.Message, tt.why) {
			t.Errorf("%s: got %v, want %d with %q", name, err, tt.status, tt.why)
		}
	}
	res, err := http.Post(w.server.URL+"/listen/x", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("an unsigned request got %d", res.StatusCode)
	}
}

// TestListenerThatDoesNotComeBack loses its subscription after ten minutes.
func TestListenerThatDoesNotComeBack(t *testing.T) {
	t.Parallel()
	w := open(t)
	sub, err := w.notify.Subscribe(t.Context(), notify.SubscriptionSpec{Topic: w.topic, Protocol: listen.Protocol, Endpoint: "KEY/name"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store.TouchListener(t.Context(), sub.ARN, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		after time.Duration
		want  int
	}{{9 * time.Minute, 1}, {11 * time.Minute, 0}} {
		w.now.Store(int64(tt.after))
		if err := w.listen.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.subscriptions(); got != tt.want {
			t.Errorf("%d subscriptions after %s, want %d", got, tt.after, tt.want)
		}
	}
	if stale, err := w.store.StaleListeners(t.Context(), time.Now().Add(time.Hour)); err != nil || len(stale) > 0 {
		t.Errorf("remembered are %v, %v", stale, err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	if _, err := listen.New(listen.Config{}); err == nil {
		t.Error("a service of nothing was made")
	}
}
