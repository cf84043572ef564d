package objectstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"etude/internal/objectstore"
)

const (
	region    = "eu-central-1"
	maxObject = 24 << 20 // for all keys but the root key
)

// The access keys that the tests' server knows.
var (
	rootKey  = key{"AKIAROOTROOTROOTROOT", "root/secret+with=signs"}
	adminKey = key{"AKIAADMINADMINADMIN0", "admin-secret"}
	plainKey = key{"AKIAPLAINPLAINPLAIN0", "plain-secret"}
	lateKey  = key{"AKIALATELATELATELATE", "late-secret"} // known while lateKeyOn
	readKey  = key{"AKIAREADREADREADREAD", "read-secret"}
	writeKey = key{"AKIAWRITEWRITEWRITE0", "write-secret"}
)

type key struct{ id, secret string }

var lateKeyOn struct {
	sync.Mutex
	on bool
}

func lookUp(_ context.Context, id string) (objectstore.Key, error) {
	switch id {
	case adminKey.id:
		return objectstore.Key{Secret: adminKey.secret, Admin: true}, nil
	case plainKey.id:
		return objectstore.Key{Secret: plainKey.secret}, nil
	case lateKey.id:
		lateKeyOn.Lock()
		defer lateKeyOn.Unlock()
		if lateKeyOn.on {
			return objectstore.Key{Secret: lateKey.secret, Admin: true}, nil
		}
	case readKey.id:
		return objectstore.Key{Secret: readKey.secret, User: readUser, May: mayRead}, nil
	case writeKey.id:
		return objectstore.Key{Secret: writeKey.secret, May: mayWrite}, nil
	case "AKIABROKENBROKENBROK":
		return objectstore.Key{}, errors.New("no such table")
	}
	return objectstore.Key{}, objectstore.ErrUnknownKey
}

// The gateway allows one server a process, so the tests share one.
var shared struct {
	dir    string
	server *objectstore.Server
	client *objectstore.Client
	http   *httptest.Server
	url    string // where the handler is served
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "objectstore-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	// A name that would be read as host and port, and longer than a socket's
	// path may be.
	shared.dir = filepath.Join(dir, "data:8080", strings.Repeat("long", 30))
	if os.Getenv(sidecarVariable) != "" {
		if err := os.MkdirAll(filepath.Join(shared.dir, "metadata"), 0o700); err != nil {
			panic(err)
		}
	}

	ctx := context.Background()
	if dir := os.Getenv(secondVariable); dir != "" {
		_, err := objectstore.OpenServer(ctx, objectstore.ServerConfig{Dir: dir, Region: region, RootAccessKeyID: "a", RootSecret: "b"})
		fmt.Println(err)
		return 0
	}
	closeEvents, err := openEvents(ctx, filepath.Join(dir, "etude.db"))
	if err != nil {
		panic(err)
	}
	defer closeEvents()
	workingDir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	if err := leaveSocket(); err != nil {
		panic(err)
	}
	shared.server, err = objectstore.OpenServer(ctx, objectstore.ServerConfig{
		Dir: shared.dir, Region: region,
		RootAccessKeyID: rootKey.id, RootSecret: rootKey.secret,
		Key: lookUp, MaxObject: maxObject, Events: &happenings,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	shared.client, err = objectstore.NewClient(ctx, objectstore.ClientConfig{Server: shared.server})
	if err != nil {
		panic(err)
	}
	shared.http = httptest.NewServer(shared.server.Handler())
	shared.url = shared.http.URL

	code = m.Run()

	shared.http.Close()
	http.DefaultClient.CloseIdleConnections()
	if err := shared.server.Close(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := shared.server.Close(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "second close:", err)
		code = 1
	}
	if got, err := os.Getwd(); err != nil || got != workingDir {
		fmt.Fprintf(os.Stderr, "working directory after close = %q, %v; want %q\n", got, err, workingDir)
		code = 1
	}
	closeEvents()
	if code == 0 {
		// fasthttp's clock runs as long as the process, and its pool of workers
		// looks only every ten seconds whether it should end.
		err := goleak.Find(
			goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
			goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

// leaveSocket leaves the socket that a killed server leaves.
func leaveSocket() error {
	if err := os.MkdirAll(shared.dir, 0o700); err != nil {
		return err
	}
	back, err := os.Getwd()
	if err != nil {
		return err
	}
	defer func() { _ = os.Chdir(back) }()
	if err := os.Chdir(shared.dir); err != nil { // its whole path is too long
		return err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: "s3.sock"})
	if err != nil {
		return err
	}
	l.SetUnlinkOnClose(false)
	return l.Close()
}

// need skips a test whose tool is not there, and fails it in CI.
func need(t *testing.T, tool string) string {
	t.Helper()
	if _, err := os.Stat(tool); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing: %v", tool, err)
		}
		t.Skipf("%s is missing: %v", tool, err)
	}
	return tool
}

var notInBucketName = regexp.MustCompile(`[^a-z0-9]+`)

// bucket makes a bucket named after the test.
func bucket(t *testing.T) string {
	t.Helper()
	name := strings.Trim(notInBucketName.ReplaceAllString(strings.ToLower(t.Name()), "-"), "-")
	name = name[:min(len(name), 60)]
	if err := shared.client.CreateBucket(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	return name
}

// sdk is the plain SDK with the key, over HTTP, as a customer has it.
func sdk(t *testing.T, k key) *s3.Client {
	t.Helper()
	transport := &http.Transport{ExpectContinueTimeout: time.Second} // as the SDK has it
	t.Cleanup(transport.CloseIdleConnections)
	return s3.New(s3.Options{
		Region: region, BaseEndpoint: &shared.url, UsePathStyle: true,
		Credentials:      credentials.NewStaticCredentialsProvider(k.id, k.secret, ""),
		HTTPClient:       &http.Client{Transport: transport},
		RetryMaxAttempts: 1,
	})
}

func code(err error) string {
	var answer smithy.APIError
	if errors.As(err, &answer) {
		return answer.ErrorCode()
	}
	return fmt.Sprint(err)
}

func put(t *testing.T, c *s3.Client, bucket, key, body string) error {
	t.Helper()
	_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)})
	return err
}

func get(t *testing.T, c *s3.Client, bucket, key string) (string, error) {
	t.Helper()
	out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	return string(b), err
}

func list(t *testing.T, c *s3.Client, bucket string) []string {
	t.Helper()
	var keys []string
	pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	return keys
}

func TestServerFiles(t *testing.T) {
	b := bucket(t)
	if err := put(t, sdk(t, adminKey), b, "a/b.txt", "hello"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(shared.dir, "buckets", b, "a", "b.txt")
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "hello" {
		t.Errorf("file = %q, %v; want hello", got, err)
	}
	for path, want := range map[string]os.FileMode{
		path:                                 0o600,
		filepath.Dir(path):                   0o700 | os.ModeDir,
		filepath.Join(shared.dir, "buckets"): 0o700 | os.ModeDir,
		filepath.Join(shared.dir, "s3.sock"): 0o600 | os.ModeSocket,
	} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("mode of %s = %v, want %v", path, info.Mode(), want)
		}
	}
}

func TestOpenServerRefuses(t *testing.T) {
	good := objectstore.ServerConfig{Dir: t.TempDir(), Region: region, RootAccessKeyID: "a", RootSecret: "b"}
	tests := map[string]struct {
		change func(*objectstore.ServerConfig)
		want   string
	}{
		"second server": {func(*objectstore.ServerConfig) {}, "one is open in this process already"},
		"no directory":  {func(c *objectstore.ServerConfig) { c.Dir = "" }, "no directory"},
		"no region":     {func(c *objectstore.ServerConfig) { c.Region = "" }, "no region"},
		"no secret":     {func(c *objectstore.ServerConfig) { c.RootSecret = "" }, "root access key"},
		"bad size":      {func(c *objectstore.ServerConfig) { c.MaxObject = -1 }, "-1 bytes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := good
			test.change(&cfg)
			_, err := objectstore.OpenServer(t.Context(), cfg)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error = %v, want one with %q", err, test.want)
			}
		})
	}
}

// secondVariable makes the test binary no more than open a server in that
// directory and say what came of it.
const secondVariable = "ETUDE_TEST_SECOND_SERVER"

func TestOpenServerOfAnotherProcess(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), secondVariable+"="+shared.dir)
	out, err := cmd.CombinedOutput()
	if want := "another process serves this directory"; err != nil || !strings.Contains(string(out), want) {
		t.Errorf("it says %q, %v; want %q", out, err, want)
	}
	if err := put(t, sdk(t, adminKey), bucket(t), "key", "text"); err != nil {
		t.Errorf("the first server after that: %v", err)
	}
}

func TestAccessKeys(t *testing.T) {
	b := bucket(t)
	if err := put(t, sdk(t, rootKey), b, "key", "text"); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		key  key
		want string
	}{
		"root":         {rootKey, "<nil>"},
		"admin":        {adminKey, "<nil>"},
		"plain":        {plainKey, "AccessDenied"},
		"wrong secret": {key{adminKey.id, "guess"}, "SignatureDoesNotMatch"},
		"root's wrong": {key{rootKey.id, "guess"}, "SignatureDoesNotMatch"},
		"unknown":      {key{"AKIANOBODYNOBODYNOBO", "guess"}, "InvalidAccessKeyId"},
		"broken store": {key{"AKIABROKENBROKENBROK", "guess"}, "InternalError"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := get(t, sdk(t, test.key), b, "key")
			if got := code(err); got != test.want {
				t.Errorf("get = %s, want %s", got, test.want)
			}
		})
	}
}

func TestRevokedKeyEndsAtOnce(t *testing.T) {
	b := bucket(t)
	c := sdk(t, lateKey)
	set := func(on bool) {
		lateKeyOn.Lock()
		defer lateKeyOn.Unlock()
		lateKeyOn.on = on
	}
	for i, want := range []string{"InvalidAccessKeyId", "<nil>", "InvalidAccessKeyId"} {
		set(i == 1)
		if got := code(put(t, c, b, "key", "text")); got != want {
			t.Errorf("put %d = %s, want %s", i, got, want)
		}
	}
}

func TestPolicyGrantsPlainKey(t *testing.T) {
	b := bucket(t)
	root := sdk(t, rootKey)
	if err := put(t, root, b, "shared/key", "text"); err != nil {
		t.Fatal(err)
	}
	policy := func(id string) error {
		text := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":%q},"Action":"s3:GetObject","Resource":"arn:aws:s3:::%s/shared/*"}]}`, id, b)
		_, err := root.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: &b, Policy: &text})
		return err
	}
	if err := policy(plainKey.id); err != nil {
		t.Fatal(err)
	}
	if got, err := get(t, sdk(t, plainKey), b, "shared/key"); got != "text" {
		t.Errorf("get with the plain key = %q, %v", got, err)
	}
	if got := code(put(t, sdk(t, plainKey), b, "shared/key", "more")); got != "AccessDenied" {
		t.Errorf("put with the plain key = %s, want AccessDenied", got)
	}
	if got := code(policy("AKIANOBODYNOBODYNOBO")); got != "MalformedPolicy" {
		t.Errorf("policy for an unknown key = %s, want MalformedPolicy", got)
	}
}

func TestOddKeys(t *testing.T) {
	b := bucket(t)
	c := sdk(t, adminKey)
	keys := []string{
		"two words", "a+b", "100%", "%2F", "a%2Fb", "a&b=c?d#e", "semi;colon:@,$!*'()", "~tilde-._",
		"Größe/日本語/🎵.flac", "quote\"s", "back\\slash", "<xml>&amp;", "new\nline", "tab\t", " lead", "trail ",
		"...", "..a/b..", ".hidden", "dir/.sgwtmp2", "e\u0301 é", "a[b]{c}|d^e`f",
		strings.Repeat("x", 227), strings.Repeat(strings.Repeat("d", 101)+"/", 10) + "four",
	}
	for _, key := range keys {
		if err := put(t, c, b, key, "body of "+key); err != nil {
			t.Errorf("put %q: %v", key, err)
			continue
		}
		// A second time, since replacing a file needs a longer name.
		if err := put(t, c, b, key, "body of "+key); err != nil {
			t.Errorf("put %q again: %v", key, err)
		}
		if got, err := get(t, c, b, key); err != nil || got != "body of "+key {
			t.Errorf("get %q = %q, %v", key, got, err)
		}
		if info, err := shared.client.Head(t.Context(), ref(b, key)); err != nil || info.Size != int64(len("body of "+key)) {
			t.Errorf("head %q = %+v, %v", key, info, err)
		}
	}
	listed := make(map[string]bool)
	for _, key := range list(t, c, b) {
		listed[key] = true
	}
	for _, key := range keys {
		if !listed[key] {
			t.Errorf("listing lacks %q", key)
		}
		_, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &b, Key: &key})
		if err != nil {
			t.Errorf("delete %q: %v", key, err)
		}
	}
	if left := list(t, c, b); len(left) > 0 {
		t.Errorf("listing after delete = %q", left)
	}
}

// badKeys are those that would name another object's file, a file outside of
// the bucket, or no file.
var badKeys = []string{
	"../escape", "a/../../escape", "a/../b", "..", ".", "./a", "a/.", "a/..", "a/./b", "/a", "//", "a//b", "a//",
	".sgwtmp/multipart/x", ".sgwtmp", "a/.sgwtmp", "zero\x00byte", "bad\xffutf8", strings.Repeat("x", 228),
	strings.Repeat(strings.Repeat("d", 102)+"/", 10) + "last",
}

func TestBadKeysAreRefused(t *testing.T) {
	b := bucket(t)
	c := sdk(t, rootKey)
	// A file beside the buckets that nobody may reach.
	outside := filepath.Join(shared.dir, "escape")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := put(t, c, b, "here", "text"); err != nil {
		t.Fatal(err)
	}
	for _, key := range badKeys {
		if err := put(t, c, b, key, "text"); err == nil {
			t.Errorf("put %q succeeds", key)
		}
		if got, err := get(t, c, b, key); err == nil {
			t.Errorf("get %q = %q", key, got)
		}
		if _, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &b, Key: &key}); err == nil {
			t.Errorf("delete %q succeeds", key)
		}
		if _, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &b, Key: &key}); err == nil {
			t.Errorf("create upload of %q succeeds", key)
		}
		for _, source := range []string{b + "/" + key, "../" + key, ".vgwlocks/" + key} {
			_, err := c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: &b, Key: aws.String("copy"), CopySource: aws.String(escape(source))})
			if err == nil {
				t.Errorf("copy from %q succeeds", source)
			}
		}
	}
	if left := list(t, c, b); len(left) != 1 {
		t.Errorf("listing = %q, want only one", left)
	}

	del, err := c.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: &b, Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: aws.String("../escape")}, {Key: aws.String("../../escape")}, {Key: aws.String("here")},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(del.Errors) != 2 || len(del.Deleted) != 1 {
		t.Errorf("delete of three = %d errors, %d deleted; want 2 and 1", len(del.Errors), len(del.Deleted))
	}
	if got, err := os.ReadFile(outside); string(got) != "secret" {
		t.Errorf("file outside = %q, %v", got, err)
	}
}

func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

func TestKeysThatNeedFileAndDirectory(t *testing.T) {
	b := bucket(t)
	c := sdk(t, adminKey)
	if err := put(t, c, b, "a/b", "text"); err != nil {
		t.Fatal(err)
	}
	if got := code(put(t, c, b, "a", "text")); got != "ExistingObjectIsDirectory" {
		t.Errorf("put a = %s", got)
	}
	if got := code(put(t, c, b, "a/b/c", "text")); got != "ObjectParentIsFile" {
		t.Errorf("put a/b/c = %s", got)
	}
	// What is not an object is not deleted, nor what is below it.
	if _, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &b, Key: aws.String("a")}); err != nil {
		t.Errorf("delete a: %v", err)
	}
	if got, err := get(t, c, b, "a/b"); got != "text" {
		t.Errorf("get a/b = %q, %v", got, err)
	}
	if _, err := get(t, c, b, "a"); code(err) != "NoSuchKey" {
		t.Errorf("get a = %v", err)
	}
}

func TestAnonymousReadsOnlyPublished(t *testing.T) {
	b := bucket(t)
	root := sdk(t, rootKey)
	for _, key := range []string{"static/app.css", "media/song.flac", "staticky"} {
		if err := put(t, root, b, key, "text"); err != nil {
			t.Fatal(err)
		}
	}
	if err := shared.client.SetPublicRead(t.Context(), b, "static/"); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		method, path string
		want         int
	}{
		{"GET", "/static/app.css", 200},
		{"HEAD", "/static/app.css", 200},
		{"GET", "/media/song.flac", 403},
		{"GET", "/staticky", 403},
		{"GET", "/static/../media/song.flac", 400},
		{"GET", "/static/%2e%2e/media/song.flac", 400},
		{"GET", "/static%2F..%2Fmedia%2Fsong.flac", 400},
		{"GET", "/", 403},
		{"GET", "/?list-type=2", 403},
		{"GET", "/?policy", 403},
		{"PUT", "/static/app.css", 403},
		{"PUT", "/static/new", 403},
		{"DELETE", "/static/app.css", 403},
		{"POST", "/static/new?uploads", 403},
	}
	for _, test := range tests {
		if got := status(t, test.method, "/"+b+test.path); got != test.want {
			t.Errorf("%s %s = %d, want %d", test.method, test.path, got, test.want)
		}
	}
	if got := status(t, "GET", "/"); got != 403 {
		t.Errorf("listing buckets = %d, want 403", got)
	}
	if err := shared.client.SetPublicRead(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if got := status(t, "GET", "/"+b+"/static/app.css"); got != 403 {
		t.Errorf("after all is private again: %d, want 403", got)
	}
}

// status sends a request without a signature, its path untouched.
func status(t *testing.T, method, path string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, shared.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestMaxObject(t *testing.T) {
	b := bucket(t)
	c := sdk(t, adminKey)
	tooLong := strings.Repeat("x", maxObject+1)
	if got := code(put(t, c, b, "one", tooLong)); got != "EntityTooLarge" {
		t.Errorf("put = %s, want EntityTooLarge", got)
	}
	if err := put(t, sdk(t, rootKey), b, "root", tooLong); err != nil {
		t.Errorf("put with the root key: %v", err)
	}

	up, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &b, Key: aws.String("parts")})
	if err != nil {
		t.Fatal(err)
	}
	var parts []types.CompletedPart
	for i := range int32(2) {
		part, err := c.UploadPart(t.Context(), &s3.UploadPartInput{
			Bucket: &b, Key: aws.String("parts"), UploadId: up.UploadId, PartNumber: aws.Int32(i + 1),
			Body: strings.NewReader(tooLong[:maxObject/2+1]),
		})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, types.CompletedPart{PartNumber: aws.Int32(i + 1), ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32})
	}
	_, err = c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: &b, Key: aws.String("parts"), UploadId: up.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	if got := code(err); got != "EntityTooLarge" {
		t.Errorf("complete upload = %s, want EntityTooLarge", got)
	}
	if got, want := strings.Join(list(t, c, b), " "), "root"; got != want {
		t.Errorf("objects = %q, want %q", got, want)
	}
}

// The answer to a refused upload must arrive, however much of the body nobody
// reads.
func TestRefusedUploadIsAnswered(t *testing.T) {
	b := bucket(t)
	for range 20 {
		for _, size := range []int{1 << 10, 300 << 10, 1 << 20, 20 << 20} {
			_, err := sdk(t, key{adminKey.id, "guess"}).PutObject(t.Context(), &s3.PutObjectInput{
				Bucket: &b, Key: aws.String("key"), Body: strings.NewReader(strings.Repeat("x", size)),
			})
			if got := code(err); got != "SignatureDoesNotMatch" {
				t.Errorf("put of %d bytes = %s, want SignatureDoesNotMatch", size, got)
			}
		}
	}
}
