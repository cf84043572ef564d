package stsapi_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"etude/internal/account"
	"etude/internal/sqlstore/sqlstoretest"
	"etude/internal/stsapi"
)

const (
	number     = "123456789012"
	rootID     = "AKIDROOT"
	rootSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

// server is the API over a real store, with a user who has a key.
type server struct {
	*httptest.Server
	accounts *account.Service
	user     *account.User
	key      aws.Credentials
	log      *bytes.Buffer
}

func newServer(t *testing.T) *server {
	t.Helper()
	store, _ := sqlstoretest.Open(t)
	s := &server{accounts: account.New(store, account.MasterKey{1}), log: &bytes.Buffer{}}
	var err error
	if s.user, err = s.accounts.CreateUser(t.Context(), "ann+music@example.com", "a long password", false); err != nil {
		t.Fatal(err)
	}
	if err := s.accounts.SetRootKey(rootID, rootSecret, s.user.ID); err != nil {
		t.Fatal(err)
	}
	k, secret, err := s.accounts.AddAccessKey(t.Context(), s.user.Email, account.ReadOnly, "")
	if err != nil {
		t.Fatal(err)
	}
	s.key = aws.Credentials{AccessKeyID: k.ID, SecretAccessKey: secret}
	s.Server = httptest.NewServer(stsapi.New(stsapi.Config{
		Accounts: s.accounts, Account: number, Logger: slog.New(slog.NewTextHandler(s.log, nil)),
	}))
	t.Cleanup(s.Server.Close)
	return s
}

func (s *server) sdk(who aws.Credentials) *sts.Client {
	return sts.New(sts.Options{
		Region: "ap-south-1", BaseEndpoint: &s.URL, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return who, nil }),
	})
}

func TestGetCallerIdentity(t *testing.T) {
	s := newServer(t)
	type identity struct{ Arn, UserID, Account string }
	for name, tt := range map[string]struct {
		who  aws.Credentials
		want identity
	}{
		"user": {s.key, identity{"arn:aws:iam::123456789012:user/ann+music@example.com", string(s.user.ID), number}},
		"root": {aws.Credentials{AccessKeyID: rootID, SecretAccessKey: rootSecret}, identity{"arn:aws:iam::123456789012:root", number, number}},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := s.sdk(tt.who).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, identity{*out.Arn, *out.UserId, *out.Account}); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		})
	}
}

func TestRefusedBySDK(t *testing.T) {
	s := newServer(t)
	unknown := aws.Credentials{AccessKeyID: "AKIDNOBODY", SecretAccessKey: rootSecret}
	guess := aws.Credentials{AccessKeyID: s.key.AccessKeyID, SecretAccessKey: "guess"}
	for _, tt := range []struct {
		name string
		call func() error
		want string
	}{
		{"unknown key", func() error { return whoAmI(t, s.sdk(unknown)) }, "InvalidClientTokenId"},
		{"wrong secret", func() error { return whoAmI(t, s.sdk(guess)) }, "SignatureDoesNotMatch"},
		{"other action", func() error {
			_, err := s.sdk(s.key).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
			return err
		}, "InvalidAction"},
		{"removed key", func() error {
			if err := s.accounts.RemoveAccessKey(t.Context(), s.key.AccessKeyID); err != nil {
				t.Fatal(err)
			}
			return whoAmI(t, s.sdk(s.key))
		}, "InvalidClientTokenId"},
	} {
		if got := code(tt.call()); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func whoAmI(t *testing.T, c *sts.Client) error {
	_, err := c.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	return err
}

func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return err.Error()
}

// TestRequests has requests as no SDK makes them.
func TestRequests(t *testing.T) {
	s := newServer(t)
	const form, query = "application/x-www-form-urlencoded", "Action=GetCallerIdentity&Version=2011-06-15"
	for name, tt := range map[string]struct {
		method, path, contentType, body string
		want                            string // the code; empty if it is answered
		status                          int
	}{
		"form":              {"POST", "/", form, query, "", 200},
		"form with charset": {"POST", "/", form + "; charset=utf-8", query, "", 200},
		"query":             {"GET", "/?" + query, "", "", "", 200},
		"posted query":      {"POST", "/?" + query, "", "", "", 200},
		"no action":         {"POST", "/", form, "Version=2011-06-15", "MissingAction", 400},
		"nothing":           {"GET", "/", "", "", "MissingAction", 400},
		"not a form":        {"POST", "/", "application/json", query, "MissingAction", 400},
		"no version":        {"POST", "/", form, "Action=GetCallerIdentity", "InvalidAction", 400},
		"other version":     {"POST", "/", form, "Action=GetCallerIdentity&Version=2010-05-08", "InvalidAction", 400},
		"hostile action":    {"POST", "/", form, "Version=1&Action=" + strings.Repeat("%3C/Message%3E%00%FF", 1000), "InvalidAction", 400},
		"broken form":       {"POST", "/", form, query + "&x=%zz", "MalformedQueryString", 400},
		"huge form":         {"POST", "/", form, query + "&x=" + strings.Repeat("x", 70000), "RequestEntityTooLarge", 413},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), tt.method, s.URL+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if tt.contentType != "" {
				r.Header.Set("Content-Type", tt.contentType)
			}
			sum := sha256.Sum256([]byte(tt.body))
			if err := v4.NewSigner().SignHTTP(t.Context(), s.key, r, hex.EncodeToString(sum[:]), "sts", "us-east-1", time.Now()); err != nil {
				t.Fatal(err)
			}
			check(t, r, tt.status, tt.want)
		})
	}
	unsigned, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	check(t, unsigned, 403, "MissingAuthenticationToken")
	if s.log.Len() > 0 {
		t.Errorf("log has\n%s\nwant nothing: no fault was ours", s.log)
	}
}

// check sends a request, and looks at the answer's status, code and form.
func check(t *testing.T, r *http.Request, status int, code string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var reply struct {
		XMLName xml.Name
		Type    string `xml:"Error>Type"`
		Code    string `xml:"Error>Code"`
		Message string `xml:"Error>Message"`
		Arn     string `xml:"GetCallerIdentityResult>Arn"`
	}
	if err := xml.Unmarshal(body, &reply); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if resp.StatusCode != status || reply.Code != code || reply.XMLName.Space != "https://sts.amazonaws.com/doc/2011-06-15/" {
		t.Errorf("got %d %.500s\nwant %d %s", resp.StatusCode, body, status, code)
	}
	if code != "" && (reply.Type != "Sender" || reply.Message == "" || len(reply.Message) > 600) {
		t.Errorf("got type %q and message %.800q", reply.Type, reply.Message)
	}
}

// TestFaultIsLogged has a store that does not answer.
func TestFaultIsLogged(t *testing.T) {
	s := newServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequest("GET", "/?Action=GetCallerIdentity&Version=2011-06-15", nil)
	sum := sha256.Sum256(nil)
	if err := v4.NewSigner().SignHTTP(t.Context(), s.key, r, hex.EncodeToString(sum[:]), "sts", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.Config.Handler.ServeHTTP(w, r.WithContext(ctx))
	if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "<Type>Receiver</Type>\n    <Code>InternalFailure</Code>") {
		t.Errorf("got %d %s, want InternalFailure", w.Code, w.Body)
	}
	if !strings.Contains(s.log.String(), "context canceled") || strings.Contains(w.Body.String(), "canceled") {
		t.Errorf("the cause is to be in the log only; the log has %s", s.log)
	}
}

// TestTools asks with the AWS CLI and with boto3, as they are installed.
func TestTools(t *testing.T) {
	s := newServer(t)
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_EC2_METADATA_DISABLED=true", "NO_PROXY=*",
		"AWS_ACCESS_KEY_ID=" + s.key.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + s.key.SecretAccessKey, "AWS_DEFAULT_REGION=eu-west-1",
	}
	const script = `
import boto3, sys
c = boto3.client("sts", endpoint_url=sys.argv[1])
print(c.get_caller_identity()["Arn"])
try:
    c.get_session_token()
except c.exceptions.ClientError as e:
    print(e.response["Error"]["Code"], e.response["ResponseMetadata"]["HTTPStatusCode"])
`
	const arn = "arn:aws:iam::123456789012:user/ann+music@example.com\n"
	for name, tt := range map[string]struct {
		command []string
		want    string
	}{
		"CLI":   {[]string{"/usr/bin/aws", "--endpoint-url", s.URL, "--output", "text", "--query", "Arn", "sts", "get-caller-identity"}, arn},
		"boto3": {[]string{"/usr/bin/python3", "-c", script, s.URL}, arn + "InvalidAction 400\n"},
	} {
		t.Run(name, func(t *testing.T) {
			need(t, tt.command[0])
			cmd := exec.CommandContext(t.Context(), tt.command[0], tt.command[1:]...)
			cmd.Env = env
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if diff := cmp.Diff(tt.want, string(out)); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		})
	}
}

// need skips a test whose program is not there, and fails it in CI.
func need(t *testing.T, program string) {
	t.Helper()
	check := []string{"--version"}
	if strings.HasSuffix(program, "python3") {
		check = []string{"-c", "import boto3"}
	}
	if err := exec.CommandContext(t.Context(), program, check...).Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s %v: %v", program, check, err)
		}
		t.Skipf("%s %v: %v", program, check, err)
	}
}
