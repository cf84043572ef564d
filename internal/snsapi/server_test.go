package snsapi_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"

	"etude/internal/account"
	"etude/internal/notify"
	"etude/internal/snsapi"
	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
)

const (
	number = "123456789012"
	prefix = "arn:aws:sns:eu-west-1:" + number + ":"
)

// server is the API over a real store. Nothing is delivered, but every protocol
// is there.
type server struct {
	*httptest.Server
	store   *sqlstore.Store
	tasks   *sqlstoretest.Tasks
	service *notify.Service
	keys    map[account.Role]aws.Credentials
	now     time.Time
}

func newServer(t *testing.T) *server {
	t.Helper()
	store, tasks := sqlstoretest.Open(t)
	accounts := account.New(store, account.MasterKey{1})
	user, err := accounts.CreateUser(t.Context(), "ann@example.com", "a long password", false)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{store: store, tasks: tasks, keys: map[account.Role]aws.Credentials{}, now: time.Now()}
	for _, role := range []account.Role{account.ReadOnly, account.Submitter, account.Admin} {
		k, secret, err := accounts.AddAccessKey(t.Context(), user.Email, role, "")
		if err != nil {
			t.Fatal(err)
		}
		s.keys[role] = aws.Credentials{AccessKeyID: k.ID, SecretAccessKey: secret}
	}
	deliver := map[notify.Protocol]notify.DeliverFunc{}
	for _, p := range []notify.Protocol{notify.Site, notify.HTTP, notify.HTTPS, notify.SQS, notify.Email} {
		deliver[p] = func(context.Context, notify.Parcel) (notify.Answer, error) { return notify.Answer{}, nil }
	}
	s.service, err = notify.New(notify.Config{
		Store: store, Logger: slog.New(slog.DiscardHandler), Region: "eu-west-1", Account: number, Deliver: deliver, TokenKey: [32]byte{7},
		Redrive: func(context.Context, notify.Parcel, string, string) error { return nil },
		CheckURL: func(_ context.Context, u string) error {
			if strings.Contains(u, "169.254.") {
				return errors.New("that address is not public")
			}
			return nil
		},
		Now: func() time.Time { return s.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewServer(snsapi.New(snsapi.Config{Service: s.service, Accounts: accounts, Account: number}))
	t.Cleanup(s.Server.Close)
	return s
}

func (s *server) sdk(role account.Role) *sns.Client {
	who := s.keys[role]
	return sns.New(sns.Options{
		Region: "us-west-2", BaseEndpoint: &s.URL, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return who, nil }),
	})
}

// post sends a signed form, and returns the status and the reply, in which the
// request's ID is replaced.
func (s *server) post(t *testing.T, form string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/", strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	sum := sha256.Sum256([]byte(form))
	if err := v4.NewSigner().SignHTTP(t.Context(), s.keys[account.Admin], r, hex.EncodeToString(sum[:]), "sns", "eu-west-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	return s.send(t, r)
}

func (s *server) send(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	id := resp.Header.Get("X-Amzn-RequestId")
	if id == "" {
		t.Error("the reply has no x-amzn-RequestId")
	}
	return resp.StatusCode, strings.ReplaceAll(string(body), id, "ID")
}

// get asks unsigned, as who follows a link does.
func (s *server) get(t *testing.T, query string, accept ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range accept {
		r.Header.Set("Accept", a)
	}
	return s.send(t, r)
}

// form writes a form of names and values in turn.
func form(action string, pairs ...string) string {
	v := url.Values{"Action": {action}, "Version": {"2010-03-31"}}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v.Encode()
}

// said is the code and message of an error that the SDK returns.
func said(err error) string {
	if known, ok := errors.AsType[smithy.APIError](err); ok {
		return known.ErrorCode() + ": " + known.ErrorMessage()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func (s *server) topic(t *testing.T, name string) string {
	t.Helper()
	out, err := s.sdk(account.Admin).CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	return *out.TopicArn
}

func (s *server) subscribe(t *testing.T, topic, protocol, endpoint string, attributes map[string]string) string {
	t.Helper()
	out, err := s.sdk(account.Admin).Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: &topic, Protocol: &protocol, Endpoint: &endpoint, Attributes: attributes, ReturnSubscriptionArn: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return *out.SubscriptionArn
}

// messages are all that were kept, in their order.
func (s *server) messages(t *testing.T) (all []notify.Message) {
	t.Helper()
	for _, task := range s.tasks.All() {
		if f, ok := task.(notify.FanOut); ok {
			m, err := s.store.Message(t.Context(), f.Message)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, m)
		}
	}
	return all
}

func (s *server) presign(t *testing.T, query string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(nil)
	u, _, err := v4.NewSigner().PresignHTTP(t.Context(), s.keys[account.Admin], r, hex.EncodeToString(sum[:]), "sns", "eu-west-1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if r, err = http.NewRequestWithContext(t.Context(), "GET", u, nil); err != nil {
		t.Fatal(err)
	}
	return r
}
