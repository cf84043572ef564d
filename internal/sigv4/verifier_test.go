package sigv4_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"etude/internal/sigv4"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder/types"
)

const (
	testKey    = "AKIDEXAMPLE"
	testSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	jobs       = "http://etude.test:4566/2012-09-25/jobs"
	body       = `{"PipelineId":"1111111111111-abcde1"}`
)

var (
	now         = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)
	credentials = aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}
)

func newVerifier() *sigv4.Verifier {
	return &sigv4.Verifier{
		Service: "elastictranscoder",
		Secret:  oneKey,
		Now:     func() time.Time { return now },
		MaxBody: 64 << 10,
	}
}

func oneKey(_ context.Context, id string) (string, error) {
	if id != testKey {
		return "", sigv4.ErrUnknownKey
	}
	return testSecret, nil
}

// request returns a POST as net/http's server would hand it on, with a body
// and an x-amz header, not signed.
func request(t *testing.T) *http.Request {
	t.Helper()
	r, err := http.NewRequest("POST", jobs+"?Ascending=true&PageToken=a%2Bb%2Fc%3D~*%20d", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Amz-Target", "  EtsCustomerService.CreateJob   and  spaces ")
	return r
}

func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func sign(t *testing.T, r *http.Request, hash string, at time.Time) {
	t.Helper()
	err := v4.NewSigner().SignHTTP(t.Context(), credentials, r, hash, "elastictranscoder", "eu-west-1", at)
	if err != nil {
		t.Fatal(err)
	}
}

func signed(t *testing.T) *http.Request {
	t.Helper()
	r := request(t)
	sign(t, r, hashOf(body), now)
	return r
}

// presigned returns a presigned GET that is good for expires, in seconds; ""
// leaves that out.
func presigned(t *testing.T, expires string) *http.Request {
	t.Helper()
	r, err := http.NewRequest("GET", jobs+"?Action=Get%20It", nil)
	if err != nil {
		t.Fatal(err)
	}
	if expires != "" {
		r.URL.RawQuery += "&X-Amz-Expires=" + expires
	}
	r.Header.Set("X-Amz-Security-Token", "hoisted into the query")
	uri, header, err := v4.NewSigner().PresignHTTP(t.Context(), credentials, r, hashOf(""), "elastictranscoder", "us-east-1", now)
	if err != nil {
		t.Fatal(err)
	}
	r, err = http.NewRequest("GET", uri, nil)
	if err != nil {
		t.Fatal(err)
	}
	header.Del("Host")
	r.Header = header
	return r
}

func kindOf(err error) sigv4.Kind {
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		return e.Kind
	}
	return 0
}

func TestVerify(t *testing.T) {
	r := signed(t)
	id, got, err := newVerifier().Verify(r)
	if err != nil {
		t.Fatal(err)
	}
	if want := (sigv4.Identity{AccessKeyID: testKey, Region: "eu-west-1"}); id != want {
		t.Errorf("identity = %+v, want %+v", id, want)
	}
	if string(got) != body {
		t.Errorf("body = %q, want %q", got, body)
	}
	if again, err := io.ReadAll(r.Body); err != nil || string(again) != body {
		t.Errorf("body read again = %q, %v, want %q", again, err, body)
	}
}

func TestVerifyPresigned(t *testing.T) {
	for _, expires := range []string{"", "60", "604800"} {
		id, _, err := newVerifier().Verify(presigned(t, expires))
		if want := (sigv4.Identity{AccessKeyID: testKey, Region: "us-east-1"}); err != nil || id != want {
			t.Errorf("expires %q: identity = %+v, %v, want %+v", expires, id, err, want)
		}
	}
}

// TestVerifyTampered changes one thing after signing.
func TestVerifyTampered(t *testing.T) {
	edit := func(name, old, new string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, strings.Replace(r.Header.Get(name), old, new, 1)) }
	}
	query := func(old, new string) func(*http.Request) {
		return func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, old, new, 1) }
	}
	auth := func(old, new string) func(*http.Request) { return edit("Authorization", old, new) }
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	add := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Add(name, value) }
	}

	header := []struct {
		name   string
		tamper func(*http.Request)
		want   sigv4.Kind
	}{
		{"method", func(r *http.Request) { r.Method = "PUT" }, sigv4.Mismatch},
		{"host", func(r *http.Request) { r.Host = "other.test" }, sigv4.Mismatch},
		{"port", func(r *http.Request) { r.Host = "etude.test" }, sigv4.Mismatch},
		{"no host", func(r *http.Request) { r.Host = "" }, sigv4.Incomplete},
		{"path", func(r *http.Request) { r.URL.Path += "2" }, sigv4.Mismatch},
		{"query value", query("true", "false"), sigv4.Mismatch},
		{"query added", query("Ascending", "x=y&Ascending"), sigv4.Mismatch},
		{"query repeated", query("Ascending=true", "Ascending=true&Ascending=true"), sigv4.Mismatch},
		{"query with a semicolon", query("Ascending", "x;y&Ascending"), sigv4.Incomplete},
		{"query with a broken escape", query("Ascending", "%zz&Ascending"), sigv4.Incomplete},
		{"query taken away", query("Ascending=true&", ""), sigv4.Mismatch},
		{"body", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(body + " ")) }, sigv4.Mismatch},
		{"body of the same length", func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(strings.ToLower(body)))
		}, sigv4.Mismatch},
		{"no body", func(r *http.Request) { r.Body, r.ContentLength = http.NoBody, 0 }, sigv4.Mismatch},
		{"nil body", func(r *http.Request) { r.Body, r.ContentLength = nil, 0 }, sigv4.Mismatch},
		{"signed header", set("Content-Type", "text/xml"), sigv4.Mismatch},
		{"signed header repeated", add("Content-Type", "text/xml"), sigv4.Mismatch},
		{"signed header taken away", func(r *http.Request) { r.Header.Del("X-Amz-Target") }, sigv4.Mismatch},
		{"x-amz header added", set("X-Amz-Acl", "public-read"), sigv4.Mismatch},
		{"x-amz header no longer signed", auth(";x-amz-target", ""), sigv4.Mismatch},
		{"hash added", set("X-Amz-Content-Sha256", hashOf(body)), sigv4.Mismatch},
		{"date", edit("X-Amz-Date", "T120000Z", "T120001Z"), sigv4.Mismatch},
		{"date of another day", edit("X-Amz-Date", "20261103T12", "20261102T23"), sigv4.Mismatch},
		{"date twice", add("X-Amz-Date", "20261103T120000Z"), sigv4.Incomplete},
		{"date extended", set("X-Amz-Date", "2026-11-03T12:00:00Z"), sigv4.Incomplete},
		{"date with a fraction", set("X-Amz-Date", "20261103T120000.5Z"), sigv4.Incomplete},
		{"date impossible", set("X-Amz-Date", "20261332T120000Z"), sigv4.Incomplete},
		{"Date instead", func(r *http.Request) {
			r.Header.Del("X-Amz-Date")
			r.Header.Set("Date", now.Format(http.TimeFormat))
		}, sigv4.Incomplete},
		{"scope's day", auth("/20261103/", "/20261102/"), sigv4.Mismatch},
		{"scope's region", auth("/eu-west-1/", "/us-east-1/"), sigv4.Mismatch},
		{"scope's service", auth("/elastictranscoder/", "/sns/"), sigv4.Mismatch},
		{"scope's end", auth("/aws4_request", "/aws5_request"), sigv4.Incomplete},
		{"scope too short", auth("/eu-west-1", ""), sigv4.Incomplete},
		{"scope too long", auth("/eu-west-1", "/eu/west-1"), sigv4.Incomplete},
		{"scope without region", auth("/eu-west-1/", "//"), sigv4.Incomplete},
		{"key", auth(testKey, "AKIDOTHER"), sigv4.UnknownKey},
		{"key in another case", auth(testKey, strings.ToLower(testKey)), sigv4.UnknownKey},
		{"key empty", auth(testKey, ""), sigv4.Incomplete},
		{"key huge", auth(testKey, strings.Repeat("A", 129)), sigv4.Incomplete},
		{"key not ASCII", auth(testKey, "ÄKID"), sigv4.Incomplete},
		{"signature", func(r *http.Request) {
			s := r.Header.Get("Authorization")
			last := map[bool]string{true: "1", false: "0"}[strings.HasSuffix(s, "0")]
			r.Header.Set("Authorization", s[:len(s)-1]+last)
		}, sigv4.Mismatch},
		{"signature short", func(r *http.Request) {
			s := r.Header.Get("Authorization")
			r.Header.Set("Authorization", s[:len(s)-1])
		}, sigv4.Incomplete},
		{"signature long", auth("Signature=", "Signature=0"), sigv4.Incomplete},
		{"signature empty", func(r *http.Request) {
			s, _, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
			r.Header.Set("Authorization", s+"Signature=")
		}, sigv4.Incomplete},
		{"signature twice", auth("Signature=", "Signature=0,Signature="), sigv4.Incomplete},
		{"host not signed", auth("host;", ""), sigv4.Incomplete},
		{"signed headers not sorted", auth("content-type;host", "host;content-type"), sigv4.Incomplete},
		{"signed headers repeated", auth("host;", "host;host;"), sigv4.Incomplete},
		{"signed headers in upper case", auth("host;", "Host;"), sigv4.Incomplete},
		{"signed headers empty", auth("host;", "host;;"), sigv4.Incomplete},
		{"signed header that did not come", auth("host;", "host;range;"), sigv4.Mismatch},
		{"no Authorization", func(r *http.Request) { r.Header.Del("Authorization") }, sigv4.Missing},
		{"empty Authorization", set("Authorization", ""), sigv4.Missing},
		{"two Authorizations", add("Authorization", "Basic eDp5"), sigv4.Incomplete},
		{"basic", set("Authorization", "Basic eDp5"), sigv4.Incomplete},
		{"version 2", set("Authorization", "AWS "+testKey+":c2lnbmF0dXJl"), sigv4.Incomplete},
		{"version 4a", auth("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), sigv4.Incomplete},
		{"nothing but the algorithm", set("Authorization", "AWS4-HMAC-SHA256"), sigv4.Incomplete},
		{"presigned too", query("Ascending", "X-Amz-Signature=0&Ascending"), sigv4.Incomplete},
	}
	for _, tt := range header {
		t.Run(tt.name, func(t *testing.T) {
			r := signed(t)
			tt.tamper(r)
			refused(t, r, tt.want)
		})
	}

	inQuery := []struct {
		name   string
		tamper func(*http.Request)
		want   sigv4.Kind
	}{
		{"path", func(r *http.Request) { r.URL.Path += "2" }, sigv4.Mismatch},
		{"query", query("Action=Get", "Action=Set"), sigv4.Mismatch},
		{"query added", query("Action", "Action=x&Action"), sigv4.Mismatch},
		{"body", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("x")) }, sigv4.Mismatch},
		{"x-amz header added", set("X-Amz-Acl", "public-read"), sigv4.Mismatch},
		{"token", query("hoisted", "another"), sigv4.Mismatch},
		{"key", query("Credential=AKIDEXAMPLE", "Credential=AKIDOTHER"), sigv4.UnknownKey},
		{"service", query("%2Felastictranscoder%2F", "%2Fs3%2F"), sigv4.Mismatch},
		{"longer life", query("Expires=60", "Expires=61"), sigv4.Mismatch},
		{"life of nothing", query("Expires=60", "Expires=0"), sigv4.Incomplete},
		{"life of more than a week", query("Expires=60", "Expires=604801"), sigv4.Incomplete},
		{"life that is no number", query("Expires=60", "Expires=soon"), sigv4.Incomplete},
		{"two lives", query("X-Amz-Expires=60", "X-Amz-Expires=60&X-Amz-Expires=600"), sigv4.Incomplete},
		{"two dates", query("X-Amz-Date", "X-Amz-Date=20261103T120000Z&X-Amz-Date"), sigv4.Incomplete},
		{"two signatures", query("X-Amz-Signature", "X-Amz-Signature=0&X-Amz-Signature"), sigv4.Incomplete},
		{"no signature", query("X-Amz-Signature", "Signature"), sigv4.Incomplete},
		{"no algorithm", query("X-Amz-Algorithm", "Algorithm"), sigv4.Incomplete},
		{"another algorithm", query("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), sigv4.Incomplete},
		{"host not signed", query("SignedHeaders=host", "SignedHeaders=range"), sigv4.Incomplete},
		{"Authorization too", set("Authorization", "Basic eDp5"), sigv4.Incomplete},
	}
	for _, tt := range inQuery {
		t.Run("presigned "+tt.name, func(t *testing.T) {
			r := presigned(t, "60")
			before := *r.URL
			tt.tamper(r)
			if *r.URL == before && strings.HasPrefix(tt.name, "query") {
				t.Fatal("nothing was changed")
			}
			refused(t, r, tt.want)
		})
	}
}

func refused(t *testing.T, r *http.Request, want sigv4.Kind) {
	t.Helper()
	id, got, err := newVerifier().Verify(r)
	if kindOf(err) != want {
		t.Errorf("error = %v, want kind %q", err, want)
	}
	if id != (sigv4.Identity{}) || got != nil {
		t.Errorf("identity and body = %+v, %q beside an error", id, got)
	}
}

func TestVerifyTime(t *testing.T) {
	tests := []struct {
		name string
		r    func(*testing.T) *http.Request
		skew time.Duration // of the server's clock
		want sigv4.Kind
	}{
		{"15 minutes late", signed, 15 * time.Minute, 0},
		{"later than that", signed, 15*time.Minute + time.Second, sigv4.Expired},
		{"15 minutes early", signed, -15 * time.Minute, 0},
		{"earlier than that", signed, -15*time.Minute - time.Second, sigv4.Expired},
		{"presigned, at its end", func(t *testing.T) *http.Request { return presigned(t, "3600") }, time.Hour, 0},
		{"presigned, after it", func(t *testing.T) *http.Request { return presigned(t, "3600") }, time.Hour + time.Second, sigv4.Expired},
		{"presigned, short, after it", func(t *testing.T) *http.Request { return presigned(t, "5") }, 6 * time.Second, sigv4.Expired},
		{"presigned without a life", func(t *testing.T) *http.Request { return presigned(t, "") }, 16 * time.Minute, sigv4.Expired},
		{"presigned, too early", func(t *testing.T) *http.Request { return presigned(t, "3600") }, -16 * time.Minute, sigv4.Expired},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := newVerifier()
			v.Now = func() time.Time { return now.Add(tt.skew).In(time.FixedZone("", 5*3600)) }
			if _, _, err := v.Verify(tt.r(t)); kindOf(err) != tt.want || (err != nil) != (tt.want != 0) {
				t.Errorf("error = %v, want kind %q", err, tt.want)
			}
		})
	}
}

func TestVerifyContentHash(t *testing.T) {
	tests := []struct {
		name, value string
		want        sigv4.Kind
	}{
		{"right", hashOf(body), 0},
		{"of another body", hashOf("x"), sigv4.Mismatch},
		{"unsigned payload", "UNSIGNED-PAYLOAD", sigv4.Mismatch},
		{"streamed payload", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", sigv4.Mismatch},
		{"empty", "", sigv4.Mismatch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request(t)
			r.Header.Set("X-Amz-Content-Sha256", tt.value)
			sign(t, r, tt.value, now)
			if _, _, err := newVerifier().Verify(r); kindOf(err) != tt.want || (err != nil) != (tt.want != 0) {
				t.Errorf("error = %v, want kind %q", err, tt.want)
			}
		})
	}
}

func TestVerifyRegion(t *testing.T) {
	v := newVerifier()
	v.Region = "us-east-1"
	if _, _, err := v.Verify(signed(t)); kindOf(err) != sigv4.Mismatch {
		t.Errorf("signed for eu-west-1: error = %v, want kind %q", err, sigv4.Mismatch)
	}
	if _, _, err := v.Verify(presigned(t, "")); err != nil {
		t.Errorf("signed for us-east-1: %v", err)
	}
}

func TestVerifyBodyLimit(t *testing.T) {
	for _, chunked := range []bool{false, true} {
		v := newVerifier()
		v.MaxBody = int64(len(body))
		r := signed(t)
		if chunked {
			r.ContentLength = -1
		}
		if _, _, err := v.Verify(r); err != nil {
			t.Errorf("chunked %t, body as long as allowed: %v", chunked, err)
		}
		v.MaxBody--
		r = signed(t)
		if chunked {
			r.ContentLength = -1
		}
		if _, _, err := v.Verify(r); kindOf(err) != sigv4.TooLarge {
			t.Errorf("chunked %t, body one byte too long: error = %v, want kind %q", chunked, err, sigv4.TooLarge)
		}
	}
}

// TestVerifyOtherErrors has faults that are not the request's.
func TestVerifyOtherErrors(t *testing.T) {
	broken := errors.New("it broke")
	r := signed(t)
	r.Body = io.NopCloser(iotest.ErrReader(broken))
	if _, _, err := newVerifier().Verify(r); !errors.Is(err, broken) || !errors.Is(err, sigv4.ErrBody) || kindOf(err) != 0 {
		t.Errorf("body that cannot be read: error = %v, want %v", err, broken)
	}
	v := newVerifier()
	v.Secret = func(context.Context, string) (string, error) { return "", broken }
	if _, _, err := v.Verify(signed(t)); !errors.Is(err, broken) || kindOf(err) != 0 {
		t.Errorf("store that does not answer: error = %v, want %v", err, broken)
	}
	v.Secret = func(context.Context, string) (string, error) { return "", nil }
	if _, _, err := v.Verify(signed(t)); err == nil || kindOf(err) != 0 {
		t.Errorf("empty secret: error = %v, want one that is no *Error", err)
	}
}

// TestVerifyChangedSecret holds that nothing derived from a secret outlives
// the request: neither a secret that was changed, nor the one that stood in
// while the key was unknown.
func TestVerifyChangedSecret(t *testing.T) {
	var secret string
	v := newVerifier()
	v.Secret = func(context.Context, string) (string, error) {
		if secret == "" {
			return "", sigv4.ErrUnknownKey
		}
		return secret, nil
	}
	for _, step := range []struct {
		secret string
		want   sigv4.Kind
	}{{"", sigv4.UnknownKey}, {testSecret, 0}, {"changed", sigv4.Mismatch}, {testSecret, 0}, {"", sigv4.UnknownKey}} {
		secret = step.secret
		if _, _, err := v.Verify(signed(t)); kindOf(err) != step.want || (err != nil) != (step.want != 0) {
			t.Fatalf("secret %q: error = %v, want kind %q", secret, err, step.want)
		}
	}
}

// TestVerifyKeepsSecrets holds that no message repeats what must not be known.
func TestVerifyKeepsSecrets(t *testing.T) {
	r := signed(t)
	_, signature, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
	r.Header.Add("Authorization", "x")
	for _, r := range []*http.Request{r, func() *http.Request { r := signed(t); r.Method = "PUT"; return r }()} {
		_, _, err := newVerifier().Verify(r)
		if err == nil || strings.Contains(err.Error(), signature) || strings.Contains(err.Error(), testSecret) {
			t.Errorf("error = %v, want one without signature and secret", err)
		}
	}
}

// serve verifies what arrives over a real connection, by the real clock, and
// answers as a REST-JSON service does.
func serve(t *testing.T, service string) *httptest.Server {
	t.Helper()
	v := newVerifier()
	v.Service, v.Now = service, nil
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, got, err := v.Verify(r)
		again, _ := io.ReadAll(r.Body)
		switch {
		case err != nil:
			w.Header().Set("x-amzn-ErrorType", "InvalidSignatureException")
			w.WriteHeader(http.StatusForbidden)
			w.Write([]byte(`{"message":"refused"}`))
			t.Logf("%s %s: %v", r.Method, r.RequestURI, err)
		case !bytes.Equal(got, again):
			t.Errorf("%s %s: body read again = %q, want %q", r.Method, r.RequestURI, again, got)
		default:
			w.Write([]byte(`{}`))
		}
	}))
	t.Cleanup(srv.Close)
	return srv
}

// TestVerifyGoSDK makes calls with the Go SDK's client, which signs
// content-length and, when it has one, a session token.
func TestVerifyGoSDK(t *testing.T) {
	srv := serve(t, "elastictranscoder")
	for _, token := range []string{"", "FwoGZXIvYXdzE//token+="} {
		client := elastictranscoder.New(elastictranscoder.Options{
			Region:       "ap-south-1",
			BaseEndpoint: aws.String(srv.URL),
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret, SessionToken: token}, nil
			}),
			RetryMaxAttempts: 1,
		})
		const id = "1111111111111-abcde1"
		calls := map[string]func() error{
			"CreateJob": func() error {
				_, err := client.CreateJob(t.Context(), &elastictranscoder.CreateJobInput{
					PipelineId: aws.String(id),
					Input:      &types.JobInput{Key: aws.String("media/Ünïcode file + 100%.wav")},
				})
				return err
			},
			"CancelJob": func() error {
				_, err := client.CancelJob(t.Context(), &elastictranscoder.CancelJobInput{Id: aws.String(id)})
				return err
			},
			"ReadPreset, odd id": func() error {
				_, err := client.ReadPreset(t.Context(), &elastictranscoder.ReadPresetInput{Id: aws.String("a/b c+d%ä")})
				return err
			},
			"ListPipelines": func() error {
				_, err := client.ListPipelines(t.Context(), &elastictranscoder.ListPipelinesInput{
					Ascending: aws.String("true"), PageToken: aws.String("a+b/c=d ~*&;%ä"),
				})
				return err
			},
		}
		for name, call := range calls {
			if err := call(); err != nil {
				t.Errorf("%s, session token %q: %v", name, token, err)
			}
		}
	}
}

// TestVerifyJavaScript has what the signer of the JavaScript SDK made of three
// requests (@smithy/signature-v4 5.7.5): it signs content-length, its own
// amz-sdk headers and the body's hash, and normalises paths.
func TestVerifyJavaScript(t *testing.T) {
	const scope = testKey + "/20261103/eu-west-1/elastictranscoder/aws4_request"
	tests := []struct {
		name, method, uri, body string
		headers                 map[string]string
		signed, signature       string
	}{
		{
			name: "body", method: "POST", uri: "/2012-09-25/jobs?PageToken=a%2Bb%2Fc%3D~%2A%20d", body: body,
			headers: map[string]string{
				"Content-Type":          "application/json",
				"Amz-Sdk-Invocation-Id": "0a",
				"Amz-Sdk-Request":       "attempt=1; max=3",
				"X-Amz-User-Agent":      "aws-sdk-js/3",
				"X-Amz-Content-Sha256":  hashOf(body),
			},
			signed:    "amz-sdk-invocation-id;amz-sdk-request;content-length;content-type;host;x-amz-content-sha256;x-amz-date;x-amz-user-agent",
			signature: "2c69d2bc186e1bec2e285d4388cc277fb2dc81f0ba42c48356d4b60ce7118d93",
		},
		{
			name: "no body", method: "DELETE", uri: "/2012-09-25/jobs/a%2Fb//c",
			headers:   map[string]string{"X-Amz-Content-Sha256": hashOf("")},
			signed:    "host;x-amz-content-sha256;x-amz-date",
			signature: "b88843cfa635f43fbd3083336079fc1fc5d542cf3889d00a018256582ca61b61",
		},
		{
			name: "presigned", method: "GET",
			uri: "/2012-09-25/pipelines?Ascending=true&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + scope +
				"&X-Amz-Date=20261103T120000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host" +
				"&X-Amz-Signature=a23ae0b3d9e962c15ef27f477bed272899c8da763527f5acd11ec6301e7b5440",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "http://etude.test:4566"+tt.uri, strings.NewReader(tt.body))
			for name, value := range tt.headers {
				r.Header.Set(name, value)
			}
			if tt.signed != "" {
				r.Header.Set("X-Amz-Date", "20261103T120000Z")
				r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+scope+", SignedHeaders="+tt.signed+", Signature="+tt.signature)
			}
			if _, _, err := newVerifier().Verify(r); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestVerifyEmptyBodyLength has the one thing that SDKs may sign and the Go
// SDK's signer cannot: it is refused with a reason, not as a mismatch.
func TestVerifyEmptyBodyLength(t *testing.T) {
	r, err := http.NewRequest("DELETE", jobs+"/1", nil)
	if err != nil {
		t.Fatal(err)
	}
	sign(t, r, hashOf(""), now)
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "=host;", "=content-length;host;", 1))
	if _, _, err := newVerifier().Verify(r); kindOf(err) != sigv4.Mismatch || !strings.Contains(err.Error(), "content-length") {
		t.Errorf("error = %v, want one that names content-length", err)
	}
}

// TestVerifyConcurrently is for the race detector.
func TestVerifyConcurrently(t *testing.T) {
	v := newVerifier()
	errs := make(chan error)
	const n = 8
	for range n {
		r := signed(t)
		go func() {
			_, _, err := v.Verify(r)
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// TestVerifyPresignedHeader has x-amz headers that were signed as headers, not
// moved into the query as the Go SDK does.
func TestVerifyPresignedHeader(t *testing.T) {
	r, err := http.NewRequest("POST", jobs, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "CreateJob")
	r.Header.Set("X-Amz-Date", "as you like it")
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableHeaderHoisting = true })
	uri, header, err := signer.PresignHTTP(t.Context(), credentials, r, hashOf(body), "elastictranscoder", "us-east-1", now)
	if err != nil {
		t.Fatal(err)
	}
	r = httptest.NewRequest("POST", uri, strings.NewReader(body))
	header.Del("Host")
	r.Header = header
	if _, _, err := newVerifier().Verify(r); err != nil {
		t.Error(err)
	}
	r = httptest.NewRequest("POST", uri, strings.NewReader(body))
	r.Header = header.Clone()
	r.Header.Set("X-Amz-Target", "DeleteJob")
	refused(t, r, sigv4.Mismatch)
}

// TestVerifyOddPath has paths that the Go SDK signs as they are.
func TestVerifyOddPath(t *testing.T) {
	for _, path := range []string{"", "/", "//", "/a//b/../c/.", "/a%2Fb%20c", "/..", "/a;b=c,d"} {
		r, err := http.NewRequest("GET", "http://etude.test"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		sign(t, r, hashOf(""), now)
		if _, _, err := newVerifier().Verify(r); err != nil {
			t.Errorf("path %q: %v", path, err)
		}
	}
}

// TestVerifyDummySecret holds that what stands in for the secret of an unknown
// key opens nothing.
func TestVerifyDummySecret(t *testing.T) {
	r := request(t)
	dummy := aws.Credentials{AccessKeyID: "AKIDOTHER", SecretAccessKey: "no-access-key-has-this-secret-0000000000"}
	if err := v4.NewSigner().SignHTTP(t.Context(), dummy, r, hashOf(body), "elastictranscoder", "eu-west-1", now); err != nil {
		t.Fatal(err)
	}
	refused(t, r, sigv4.UnknownKey)
}
