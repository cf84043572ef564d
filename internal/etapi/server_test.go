package etapi_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"etude/internal/account"
	"etude/internal/etapi"
	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/objectstore"
	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
	"etude/internal/transcode"
)

const (
	keyID  = "AKIDEXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

var credentials = aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}

// server is the API over a real service and store.
type server struct {
	*httptest.Server
	store   *sqlstore.Store
	tasks   *sqlstoretest.Tasks
	service *transcode.Service
	config  etapi.Config
	owner   account.UserID
	log     *bytes.Buffer
	writes  *atomic.Int64 // on all connections
}

func newServer(t testing.TB) *server {
	t.Helper()
	s := &server{log: &bytes.Buffer{}, writes: &atomic.Int64{}}
	s.store, s.tasks = sqlstoretest.Open(t)
	logger := slog.New(slog.NewTextHandler(s.log, nil))

	accounts := account.New(s.store, account.MasterKey{1})
	user, err := accounts.CreateUser(t.Context(), "somebody@etude.test", "correct horse", false)
	if err != nil {
		t.Fatal(err)
	}
	s.owner = user.ID
	if err := accounts.PutAccessKey(t.Context(), keyID, secret, user.ID, account.Admin); err != nil {
		t.Fatal(err)
	}
	s.service, err = transcode.New(transcode.Config{
		Store: s.store, Objects: onlyMedia{}, HasTopic: hasTopic, Encoder: &ffmpegtest.Encoder{Refuse: noVideo},
		Notification: etapi.Notification, Logger: logger,
		Region: "eu-west-1", Account: "123456789012", Node: "test", Scratch: t.TempDir(), MaxInput: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.config = etapi.Config{Service: s.service, Accounts: accounts, Account: "123456789012", Logger: logger}
	s.serve(t, etapi.New(s.config))
	return s
}

func (s *server) serve(t testing.TB, h http.Handler) {
	s.Server = httptest.NewUnstartedServer(h)
	s.Server.Listener = countingListener{s.Server.Listener, s.writes}
	s.Server.Start()
	t.Cleanup(s.Server.Close)
}

// pipeline makes a pipeline. A moment passes before the next: lists go by the
// millisecond that ids begin with.
func (s *server) pipeline(t *testing.T, name string) *transcode.Pipeline {
	t.Helper()
	p, err := s.service.EnsurePipeline(t.Context(), transcode.Pipeline{
		Name: name, InputBucket: "media", OutputBucket: "media", Role: "arn:aws:iam::123456789012:role/etude",
		Notifications: transcode.Notifications{Completed: done},
		Content:       transcode.OutputConfig{Bucket: "media"},
		Thumbnails:    transcode.OutputConfig{Bucket: "media"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for start := time.Now().UnixMilli(); time.Now().UnixMilli() == start; {
	}
	return p
}

// reply is what came back, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

// send signs a request and sends it. change, which may be nil, changes it after
// it was signed.
func (s *server) send(t *testing.T, method, path, body string, change func(*http.Request)) reply {
	t.Helper()
	return s.sendAs(t, credentials, time.Now(), method, path, body, change)
}

func (s *server) sendAs(t *testing.T, who aws.Credentials, at time.Time, method, path, body string, change func(*http.Request)) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	sign(t, who, at, r, body)
	if change != nil {
		change(r)
	}
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(text)}
}

// sign signs r, whose body is body.
func sign(t testing.TB, who aws.Credentials, at time.Time, r *http.Request, body string) {
	t.Helper()
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(t.Context(), who, r, hex.EncodeToString(sum[:]), "elastictranscoder", "eu-west-1", at); err != nil {
		t.Fatal(err)
	}
}

// noVideo is what an encoder says that makes audio only.
func noVideo(p *transcode.Preset) string {
	if p.Video != nil {
		return "it has video."
	}
	return ""
}

// onlyMedia is a store of objects with one bucket, media, that is empty. Only
// Head is asked here.
type onlyMedia struct{ transcode.Objects }

func (onlyMedia) Head(_ context.Context, ref transcode.ObjectRef) (transcode.ObjectInfo, error) {
	if ref.Bucket != "media" {
		return transcode.ObjectInfo{}, transcode.ErrNoBucket
	}
	return transcode.ObjectInfo{}, transcode.ErrNoObject
}

// realObjects opens a store of objects with the bucket media and some sounds in
// it, for the tests that have jobs run. Until the test's end the working
// directory is the store's, so such a test reads no testdata.
func realObjects(t *testing.T, keys ...string) *objectstore.Client {
	t.Helper()
	ctx := context.Background()
	server, err := objectstore.OpenServer(ctx, objectstore.ServerConfig{
		Dir: t.TempDir(), Region: "eu-west-1", RootAccessKeyID: "ROOT", RootSecret: "root-secret",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	objects, err := objectstore.NewClient(ctx, objectstore.ClientConfig{Server: server})
	if err != nil {
		t.Fatal(err)
	}
	if err := objects.CreateBucket(ctx, "media"); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		ref := transcode.ObjectRef{Bucket: "media", Key: key}
		if _, err := objects.Put(ctx, ref, strings.NewReader("sound"), 1<<20, ""); err != nil {
			t.Fatal(err)
		}
	}
	return objects
}

// done is the only topic.
const done = "arn:aws:sns:eu-west-1:123456789012:done"

func hasTopic(_ context.Context, arn string) (bool, error) { return arn == done, nil }

// countingListener counts the writes on its connections.
type countingListener struct {
	net.Listener
	writes *atomic.Int64
}

func (l countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countingConn{c, l.writes}, err
}

type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countingConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}
