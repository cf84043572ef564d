package edge_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"etude/internal/edge"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
)

var credentials = aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}

// named returns a handler that answers with its name.
func named(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, name) })
}

func newEdge() http.Handler {
	return edge.New(edge.Config{
		S3: named("s3"),
		Services: map[string]http.Handler{
			"elastictranscoder": named("elastictranscoder"),
			"sns":               named("sns"),
			"nothing":           nil,
			"s3":                named("not the S3 server"),
		},
	})
}

func signed(t *testing.T, method, uri, service string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(method, "http://etude.test:4566"+uri, nil)
	if err := v4.NewSigner().SignHTTP(t.Context(), credentials, r, "hash", service, "eu-west-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	return r
}

func presigned(t *testing.T, uri, service string) *http.Request {
	t.Helper()
	r := httptest.NewRequest("GET", "http://etude.test:4566"+uri, nil)
	u, _, err := v4.NewSigner().PresignHTTP(t.Context(), credentials, r, "UNSIGNED-PAYLOAD", service, "eu-west-1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return httptest.NewRequest("GET", u, nil)
}

func withAuth(r *http.Request, auth string) *http.Request {
	r.Header.Set("Authorization", auth)
	return r
}

func withForm(r *http.Request) *http.Request {
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	return r
}

func TestRoute(t *testing.T) {
	tests := []struct {
		name string
		r    *http.Request
		want string
	}{
		{"a link of SNS's", httptest.NewRequest("GET", "/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:eu-west-1:000000000000:jobs:x", nil), "sns"},
		{"an unsigned form", withForm(httptest.NewRequest("POST", "/", strings.NewReader("Action=ListTopics"))), "sns"},
		{"an unsigned form for a bucket", withForm(httptest.NewRequest("POST", "/media", strings.NewReader("Action=ListTopics"))), "s3"},
		{"signed for S3", signed(t, "GET", "/media/a", "s3"), "s3"},
		{"presigned for S3", presigned(t, "/media/a", "s3"), "s3"},
		{"signed for S3, a bucket like an API version", signed(t, "GET", "/2012-09-25/jobs", "s3"), "s3"},
		{"signed for Elastic Transcoder", signed(t, "GET", "/2012-09-25/jobs", "elastictranscoder"), "elastictranscoder"},
		{"presigned for Elastic Transcoder", presigned(t, "/2012-09-25/jobs", "elastictranscoder"), "elastictranscoder"},
		{"signed for SNS", signed(t, "POST", "/", "sns"), "sns"},
		{"presigned for SNS", presigned(t, "/?Action=ListTopics", "sns"), "sns"},
		{"signed for SNS, another's path", signed(t, "POST", "/2012-09-25/jobs", "sns"), "sns"},
		{"unsigned Elastic Transcoder", httptest.NewRequest("GET", "/2012-09-25/jobs", nil), "elastictranscoder"},
		{"unreadable scope, Elastic Transcoder", withAuth(httptest.NewRequest("GET", "/2012-09-25/jobs", nil), "AWS4-HMAC-SHA256 Credential=x"), "elastictranscoder"},
		{"unsigned object", httptest.NewRequest("GET", "/static/app.css", nil), "s3"},
		{"unsigned root", httptest.NewRequest("GET", "/", nil), "s3"},
		{"form upload", httptest.NewRequest("POST", "/media", strings.NewReader("--x")), "s3"},
		{"preflight", httptest.NewRequest("OPTIONS", "/media/a", nil), "s3"},
		{"almost Elastic Transcoder", httptest.NewRequest("GET", "/2012-09-25", nil), "s3"},
		{"version 2", withAuth(httptest.NewRequest("GET", "/media/a", nil), "AWS AKIDEXAMPLE:c2ln"), "s3"},
		{"basic", withAuth(httptest.NewRequest("GET", "/media/a", nil), "Basic eDp5"), "s3"},
	}
	h := newEdge()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, tt.r)
			if got := w.Body.String(); got != tt.want {
				t.Errorf("answered by %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRouteWithoutElasticTranscoder(t *testing.T) {
	w := httptest.NewRecorder()
	edge.New(edge.Config{S3: named("s3")}).ServeHTTP(w, httptest.NewRequest("GET", "/2012-09-25/jobs", nil))
	if got := w.Body.String(); got != "s3" {
		t.Errorf("answered by %q, want s3", got)
	}
}

// TestRequestUntouched sends bytes over a connection, for Go's client would
// tidy them, and looks at what the S3 server would verify.
func TestRequestUntouched(t *testing.T) {
	type request struct{ RequestURI, Path, Query, Host string }
	requests := make(chan request, 1)
	srv := httptest.NewServer(edge.New(edge.Config{S3: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		requests <- request{r.RequestURI, r.URL.EscapedPath(), r.URL.RawQuery, r.Host}
	})}))
	defer srv.Close()

	for _, want := range []request{
		{Path: "/media/a%2Fb//c/../d", Query: "x=%2B", Host: "Media.Etude.test:4566"},
		{Path: "//media//", Query: "uploads", Host: "etude.test"},
		{Path: "/media/./%C3%9C%20+%25.wav", Query: "a=1;b=2&X-Amz-Signature=%zz", Host: "[::1]:4566"},
		{Path: "/media/..", Query: "", Host: "127.0.0.1"},
	} {
		want.RequestURI = want.Path
		if want.Query != "" {
			want.RequestURI += "?" + want.Query
		}
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", want.RequestURI, want.Host)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		conn.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("GET %s: status = %d, want 200", want.RequestURI, resp.StatusCode)
			continue
		}
		if diff := cmp.Diff(want, <-requests); diff != "" {
			t.Errorf("request as S3 gets it (-want +got):\n%s", diff)
		}
	}
}

// TestNotServed looks at both shapes as they go over the wire.
func TestNotServed(t *testing.T) {
	const message = `This endpoint does not serve "lambda". It serves elastictranscoder, sns and s3. Give the client another endpoint for that service.`
	form := signed(t, "POST", "/", "lambda")
	form.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	inXML := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<ErrorResponse><Error><Type>Sender</Type><Code>UnknownServiceException</Code><Message>` +
		strings.ReplaceAll(message, `"`, "&#34;") + `</Message></Error></ErrorResponse>`
	tests := []struct {
		name, contentType, body string
		r                       *http.Request
	}{
		{"REST-JSON", "application/json", `{"__type":"UnknownServiceException","message":"` + strings.ReplaceAll(message, `"`, `\"`) + "\"}\n", signed(t, "GET", "/2015-03-31/functions/", "lambda")},
		{"Query", "text/xml", inXML, form},
		{"presigned Query", "text/xml", inXML, presigned(t, "/?Action=List", "lambda")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			newEdge().ServeHTTP(w, tt.r)
			if w.Code != http.StatusBadRequest {
				t.Errorf("status = %d, want 400", w.Code)
			}
			if got := w.Header().Get("x-amzn-ErrorType"); got != "UnknownServiceException" {
				t.Errorf("x-amzn-ErrorType = %q", got)
			}
			if got := w.Header().Get("Content-Type"); got != tt.contentType {
				t.Errorf("Content-Type = %q, want %q", got, tt.contentType)
			}
			if diff := cmp.Diff(tt.body, w.Body.String()); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNotServedHostile has a service's name that wants to be more than a name.
func TestNotServedHostile(t *testing.T) {
	name := "</Message>" + strings.Repeat("x", 100)
	r := httptest.NewRequest("GET", "/?Action=x&X-Amz-Credential="+url.QueryEscape("k/20261103/r/"+strings.ReplaceAll(name, "/", "")+"/aws4_request"), nil)
	w := httptest.NewRecorder()
	newEdge().ServeHTTP(w, r)
	if got := w.Body.String(); !strings.Contains(got, "&lt;Message&gt;xxx") || strings.Contains(got, strings.Repeat("x", 64)) {
		t.Errorf("body = %s, want the name escaped and cut short", got)
	}
}

// TestGoSDK asks with clients of the Go SDK for what is not served.
func TestGoSDK(t *testing.T) {
	var calls int
	h := edge.New(edge.Config{Services: map[string]http.Handler{"sns": named("sns")}})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		h.ServeHTTP(w, r)
	}))
	defer srv.Close()
	config := aws.Config{
		Region:       "eu-west-1",
		BaseEndpoint: aws.String(srv.URL),
		Credentials:  aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return credentials, nil }),
	}

	_, err := elastictranscoder.NewFromConfig(config).ListPipelines(t.Context(), &elastictranscoder.ListPipelinesInput{})
	apiError(t, err, "UnknownServiceException", `does not serve "elastictranscoder". It serves sns.`)
	objects := s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true })
	_, err = objects.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("media"), Key: aws.String("a")})
	apiError(t, err, "InvalidRequest", "AWS_ENDPOINT_URL_S3")
	if calls != 2 {
		t.Errorf("requests = %d, want 2: nothing is to be tried again", calls)
	}
}

func apiError(t *testing.T, err error, code, message string) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		t.Errorf("error = %v, want an API error", err)
		return
	}
	if e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), message) {
		t.Errorf("error = %s: %s, want %s with %q", e.ErrorCode(), e.ErrorMessage(), code, message)
	}
}

// TestBoto3 asks with clients of every protocol for services that are not served.
func TestBoto3(t *testing.T) {
	const python = "/usr/bin/python3" // the distribution's: python3-boto3 belongs to it
	if out, err := exec.Command(python, "-c", "import boto3").CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("run %s with boto3: %v: install python3-boto3\n%s", python, err, out)
		}
		t.Skipf("no %s with boto3 (%v): install python3-boto3", python, err)
	}
	srv := httptest.NewServer(newEdge())
	defer srv.Close()
	cmd := exec.CommandContext(t.Context(), python, "-c", `
import sys, boto3
from botocore.exceptions import ClientError
for service, operation in [("sts", "get_caller_identity"), ("iam", "list_users"), ("lambda", "list_functions"),
                           ("dynamodb", "list_tables"), ("cloudfront", "list_distributions"), ("ec2", "describe_regions")]:
    client = boto3.client(service, "eu-west-1", endpoint_url=sys.argv[1], aws_access_key_id="k", aws_secret_access_key="s")
    try:
        getattr(client, operation)()
    except ClientError as err:
        print(service, err.response["Error"]["Code"], "does not serve" in err.response["Error"]["Message"],
              err.response["ResponseMetadata"]["RetryAttempts"])
`, srv.URL)
	cmd.Env = append(os.Environ(), "AWS_EC2_METADATA_DISABLED=true", "NO_PROXY=*")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("run boto3: %v\n%s", err, out)
	}
	want := `sts UnknownServiceException True 0
iam UnknownServiceException True 0
lambda UnknownServiceException True 0
dynamodb UnknownServiceException True 0
cloudfront UnknownServiceException True 0
ec2 UnknownServiceException True 0
`
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("what boto3 reads (-want +got):\n%s", diff)
	}
}

func TestCertificates(t *testing.T) {
	const path = "/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
	for _, tt := range []struct {
		r            *http.Request
		certificates http.Handler
		want         string
	}{
		{httptest.NewRequest("GET", path, nil), named("certificates"), "certificates"},
		{httptest.NewRequest("GET", path, nil), nil, "s3"},
		{httptest.NewRequest("GET", "/media"+path, nil), named("certificates"), "s3"},
		{signed(t, "GET", path, "s3"), named("certificates"), "s3"},
	} {
		w := httptest.NewRecorder()
		edge.New(edge.Config{S3: named("s3"), Certificates: tt.certificates}).ServeHTTP(w, tt.r)
		if got := w.Body.String(); got != tt.want {
			t.Errorf("%s: answered by %q, want %q", tt.r.URL, got, tt.want)
		}
	}
}
