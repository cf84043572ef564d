package objectstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"etude/internal/objectstore"
	"etude/internal/transcode"
)

func ref(bucket, key string) transcode.ObjectRef {
	return transcode.ObjectRef{Bucket: bucket, Key: key}
}

// file makes a file with the text and returns its path.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStoreHeadFetchDelete(t *testing.T) {
	b := bucket(t)
	ctx := t.Context()
	object := ref(b, "a/b ü.flac")
	for name, text := range map[string]string{"some": "hello", "empty": "", "large": strings.Repeat("0123456789", 2<<20)} {
		t.Run(name, func(t *testing.T) {
			stored, err := shared.client.Store(ctx, file(t, text), object, "audio/flac", "job/output")
			if err != nil {
				t.Fatal(err)
			}
			head, err := shared.client.Head(ctx, object)
			if err != nil {
				t.Fatal(err)
			}
			if head.LastModified.Before(time.Now().Add(-time.Minute)) {
				t.Errorf("LastModified = %v, want now", head.LastModified)
			}
			want := transcode.ObjectInfo{Size: int64(len(text)), ETag: stored.ETag, ContentType: "audio/flac", Origin: "job/output"}
			if diff := cmp.Diff(want, stored); diff != "" {
				t.Errorf("Store (-want +got):\n%s", diff)
			}
			want.LastModified = head.LastModified
			if diff := cmp.Diff(want, head); diff != "" {
				t.Errorf("Head (-want +got):\n%s", diff)
			}
			if len(head.ETag) != 32 {
				t.Errorf("ETag = %q, want 32 digits", head.ETag)
			}

			path := filepath.Join(t.TempDir(), "copy")
			fetched, err := shared.client.Fetch(ctx, object, path, head.Size)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(head, fetched); diff != "" {
				t.Errorf("Fetch (-want +got):\n%s", diff)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != text {
				t.Errorf("fetched %d bytes, %v; want %d", len(got), err, len(text))
			}
			if got, err := shared.client.Read(ctx, object, head.Size); err != nil || string(got) != text {
				t.Errorf("read %d bytes, %v; want %d", len(got), err, len(text))
			}
			if _, err := shared.client.Read(ctx, object, head.Size-1); head.Size > 0 && !errors.Is(err, transcode.ErrTooLarge) {
				t.Errorf("Read of a byte too much = %v, want ErrTooLarge", err)
			}

			for range 2 {
				if err := shared.client.Delete(ctx, object); err != nil {
					t.Errorf("Delete: %v", err)
				}
			}
			if _, err := shared.client.Head(ctx, object); !errors.Is(err, transcode.ErrNoObject) {
				t.Errorf("Head after Delete = %v, want ErrNoObject", err)
			}
			if _, err := shared.client.Read(ctx, object, 1); !errors.Is(err, transcode.ErrNoObject) {
				t.Errorf("Read after Delete = %v, want ErrNoObject", err)
			}
		})
	}
}

func TestStoreNeverOverwrites(t *testing.T) {
	b := bucket(t)
	object := ref(b, "key")
	if _, err := shared.client.Store(t.Context(), file(t, "first"), object, "", ""); err != nil {
		t.Fatal(err)
	}
	_, err := shared.client.Store(t.Context(), file(t, strings.Repeat("second", 4<<20)), object, "", "")
	if !errors.Is(err, transcode.ErrObjectExists) {
		t.Errorf("second Store = %v, want ErrObjectExists", err)
	}
	if got, _ := get(t, sdk(t, rootKey), b, "key"); got != "first" {
		t.Errorf("object has %d bytes, want the first's", len(got))
	}
}

func TestStoresOfOneKeyAtOnce(t *testing.T) {
	b := bucket(t)
	const n = 8
	for round := range 5 {
		object := ref(b, fmt.Sprintf("key-%d", round))
		errs := make([]error, n)
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range n {
			path := file(t, strings.Repeat(string(rune('a'+i)), 300_000))
			wg.Go(func() {
				<-start
				_, errs[i] = shared.client.Store(t.Context(), path, object, "", "")
			})
		}
		close(start)
		wg.Wait()

		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner >= 0:
				t.Errorf("round %d: %d and %d both stored", round, winner, i)
			case err == nil:
				winner = i
			case !errors.Is(err, transcode.ErrObjectExists):
				t.Errorf("round %d: Store %d = %v, want ErrObjectExists", round, i, err)
			}
		}
		if winner < 0 {
			t.Fatalf("round %d: nobody stored", round)
		}
		if got, err := get(t, sdk(t, rootKey), b, object.Key); err != nil || got != strings.Repeat(string(rune('a'+winner)), 300_000) {
			t.Errorf("round %d: the object is not the winner's: %v", round, err)
		}
	}
}

// The condition of the write alone, without the look that Store takes before,
// for both ways that an object can come about.
func TestIfNoneMatchHolds(t *testing.T) {
	b := bucket(t)
	c := sdk(t, rootKey)
	if err := put(t, c, b, "key", "first"); err != nil {
		t.Fatal(err)
	}
	_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &b, Key: aws.String("key"), IfNoneMatch: aws.String("*"), Body: strings.NewReader("x")})
	if got := code(err); got != "PreconditionFailed" {
		t.Errorf("put = %s, want PreconditionFailed", got)
	}
	up, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &b, Key: aws.String("key")})
	if err != nil {
		t.Fatal(err)
	}
	part, err := c.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: &b, Key: aws.String("key"), UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: &b, Key: aws.String("key"), UploadId: up.UploadId, IfNoneMatch: aws.String("*"),
		MultipartUpload: completed(part),
	})
	if got := code(err); got != "PreconditionFailed" {
		t.Errorf("complete upload = %s, want PreconditionFailed", got)
	}
}

func TestFetchLeavesNothingOnError(t *testing.T) {
	b := bucket(t)
	if err := put(t, sdk(t, rootKey), b, "key", "0123456789"); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		ref  transcode.ObjectRef
		max  int64
		want error
	}{
		"too large":  {ref(b, "key"), 9, transcode.ErrTooLarge},
		"no object":  {ref(b, "none"), 9, transcode.ErrNoObject},
		"no bucket":  {ref(b+"-none", "key"), 9, transcode.ErrNoBucket},
		"bad bucket": {ref("Not_A_Bucket", "key"), 9, transcode.ErrNoBucket},
		"bad key":    {ref(b, "../key"), 9, transcode.ErrBadKey},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "copy")
			_, err := shared.client.Fetch(t.Context(), test.ref, path, test.max)
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), fmt.Sprintf("%q", test.ref)) {
				t.Errorf("Fetch = %v, want %v with the object's name", err, test.want)
			}
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a file is left: %v", err)
			}
		})
	}
	t.Run("file exists", func(t *testing.T) {
		path := file(t, "mine")
		if _, err := shared.client.Fetch(t.Context(), ref(b, "key"), path, 10); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Fetch = %v, want ErrExist", err)
		}
		if got, _ := os.ReadFile(path); string(got) != "mine" {
			t.Errorf("file = %q, want it untouched", got)
		}
	})
}

// external is a client of an S3 that the handler plays.
func external(t *testing.T, h http.Handler) *objectstore.Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return externalAt(t, srv.URL, rootKey)
}

func externalAt(t *testing.T, url string, k key) *objectstore.Client {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": k.id, "AWS_SECRET_ACCESS_KEY": k.secret, "AWS_SESSION_TOKEN": "",
		"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
		"AWS_PROFILE": "", "AWS_MAX_ATTEMPTS": "2",
	} {
		t.Setenv(name, value)
	}
	c, err := objectstore.NewClient(t.Context(), objectstore.ClientConfig{Endpoint: url, Region: region})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFetchNoticesDamage(t *testing.T) {
	tests := map[string]func(http.ResponseWriter){
		"cut short": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "0123")
		},
		"changed": func(w http.ResponseWriter) {
			w.Header().Set("x-amz-checksum-crc32", "AAAAAA==")
			io.WriteString(w, "0123456789")
		},
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			c := external(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w) }))
			path := filepath.Join(t.TempDir(), "copy")
			if _, err := c.Fetch(t.Context(), ref("bucket", "key"), path, 1000); err == nil {
				t.Error("Fetch succeeds")
			}
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a file is left: %v", err)
			}
		})
	}
}

// An SDK sends a write again whose answer it lost, and then meets the object
// that it wrote.
func TestStoreKnowsItsOwnWrite(t *testing.T) {
	b := bucket(t)
	proxied := shared.server.Handler()
	var puts int
	c := external(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut {
			proxied.ServeHTTP(w, r)
			return
		}
		if puts++; puts == 1 {
			proxied.ServeHTTP(httptest.NewRecorder(), r)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		proxied.ServeHTTP(w, r)
	}))
	info, err := c.Store(t.Context(), file(t, "text"), ref(b, "key"), "text/plain", "")
	if err != nil {
		t.Fatal(err)
	}
	if puts != 2 || info.Size != 4 || info.ETag == "" {
		t.Errorf("%d puts gave %+v", puts, info)
	}
}

func TestExternalClient(t *testing.T) {
	b := bucket(t)
	c := externalAt(t, shared.url, adminKey)
	if _, err := c.Store(t.Context(), file(t, "text"), ref(b, "key"), "", "o"); err != nil {
		t.Fatal(err)
	}
	if info, err := c.Head(t.Context(), ref(b, "key")); err != nil || info.Size != 4 || info.Origin != "o" {
		t.Errorf("Head = %+v, %v", info, err)
	}
	if _, err := c.Head(t.Context(), ref(b, "none")); !errors.Is(err, transcode.ErrNoObject) {
		t.Errorf("Head of nothing = %v, want ErrNoObject", err)
	}
	if _, err := c.Head(t.Context(), ref(b+"-none", "key")); !errors.Is(err, transcode.ErrNoBucket) {
		t.Errorf("Head in no bucket = %v, want ErrNoBucket", err)
	}
	denied := externalAt(t, shared.url, plainKey)
	if _, err := denied.Head(t.Context(), ref(b, "key")); !errors.Is(err, transcode.ErrObjectDenied) {
		t.Errorf("Head with the plain key = %v, want ErrObjectDenied", err)
	}
	if _, err := denied.Store(t.Context(), file(t, "x"), ref(b, "key2"), "", ""); !errors.Is(err, transcode.ErrObjectDenied) {
		t.Errorf("Store with the plain key = %v, want ErrObjectDenied", err)
	}
}

func TestCollidingKeys(t *testing.T) {
	b := bucket(t)
	if _, err := shared.client.Store(t.Context(), file(t, "x"), ref(b, "a/b"), "", ""); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "a/b/c"} {
		_, err := shared.client.Store(t.Context(), file(t, "x"), ref(b, key), "", "")
		if !errors.Is(err, transcode.ErrBadKey) || !strings.Contains(err.Error(), "objects as files") {
			t.Errorf("Store %q = %v, want ErrBadKey that says why", key, err)
		}
		if _, err := shared.client.Head(t.Context(), ref(b, key)); !errors.Is(err, transcode.ErrNoObject) {
			t.Errorf("Head %q = %v, want ErrNoObject", key, err)
		}
	}
}

func TestBadKeys(t *testing.T) {
	b := bucket(t)
	for _, key := range append(badKeys, "") {
		_, err := shared.client.Store(t.Context(), file(t, "x"), ref(b, key), "", "")
		if !errors.Is(err, transcode.ErrBadKey) {
			t.Errorf("Store %q = %v, want ErrBadKey", key, err)
		}
	}
}

func TestPut(t *testing.T) {
	b := bucket(t)
	for name, size := range map[string]int{"empty": 0, "small": 1000, "one part": 8 << 20, "parts": 20<<20 + 1} {
		t.Run(name, func(t *testing.T) {
			want := bytes.Repeat([]byte("x"), size)
			// A reader that cannot seek and gives odd pieces.
			info, err := shared.client.Put(t.Context(), ref(b, name), iotest.HalfReader(bytes.NewReader(want)), int64(size), "audio/flac")
			if err != nil {
				t.Fatal(err)
			}
			head, err := shared.client.Head(t.Context(), ref(b, name))
			if err != nil {
				t.Fatal(err)
			}
			head.LastModified = time.Time{}
			if diff := cmp.Diff(head, info); diff != "" {
				t.Errorf("Put (-Head +Put):\n%s", diff)
			}
			if got, err := get(t, sdk(t, rootKey), b, name); err != nil || got != string(want) {
				t.Errorf("got %d bytes, %v; want %d", len(got), err, size)
			}
		})
	}
}

func TestPutLeavesNothingOnError(t *testing.T) {
	broken := errors.New("line is dead")
	zeros := func(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }
	tests := map[string]struct {
		body func(cancel func()) io.Reader
		max  int64
		want error
	}{
		"too large":       {func(func()) io.Reader { return zeros(101) }, 100, transcode.ErrTooLarge},
		"parts too large": {func(func()) io.Reader { return zeros(20<<20 + 1) }, 20 << 20, transcode.ErrTooLarge},
		"endless":         {func(func()) io.Reader { return zeroReader{} }, 20 << 20, transcode.ErrTooLarge},
		"breaks":          {func(func()) io.Reader { return io.MultiReader(zeros(10), iotest.ErrReader(broken)) }, 100, broken},
		"parts break":     {func(func()) io.Reader { return io.MultiReader(zeros(20<<20), iotest.ErrReader(broken)) }, 1 << 30, broken},
		"canceled": {func(cancel func()) io.Reader {
			return io.MultiReader(zeros(20<<20), readerFunc(func([]byte) (int, error) { cancel(); return 0, nil }), zeros(20<<20))
		}, 1 << 30, context.Canceled},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := bucket(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, err := shared.client.Put(ctx, ref(b, "key"), test.body(cancel), test.max, "")
			if !errors.Is(err, test.want) {
				t.Errorf("Put = %v, want %v", err, test.want)
			}
			nothingLeft(t, b)
		})
	}
}

func nothingLeft(t *testing.T, b string) {
	t.Helper()
	c := sdk(t, rootKey)
	if got := list(t, c, b); len(got) > 0 {
		t.Errorf("objects %q are left", got)
	}
	ups, err := c.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &b})
	if err != nil {
		t.Fatal(err)
	}
	if len(ups.Uploads) > 0 {
		t.Errorf("%d uploads are left", len(ups.Uploads))
	}
	err = filepath.WalkDir(filepath.Join(shared.dir, "buckets", b), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Errorf("file %s is left", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type readerFunc func([]byte) (int, error)

// Read calls f once; there is nothing after it.
func (f readerFunc) Read(p []byte) (int, error) {
	if n, err := f(p); err != nil {
		return n, err
	}
	return 0, io.EOF
}

func TestAbortStale(t *testing.T) {
	b := bucket(t)
	c := sdk(t, rootKey)
	for _, key := range []string{"one", "two words"} {
		if _, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &b, Key: &key}); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		before time.Time
		want   int
	}{{time.Now().Add(-time.Hour), 0}, {time.Now().Add(time.Hour), 2}, {time.Now().Add(time.Hour), 0}} {
		if got, err := shared.client.AbortStale(t.Context(), b, test.before); err != nil || got != test.want {
			t.Errorf("AbortStale = %d, %v; want %d", got, err, test.want)
		}
	}
	nothingLeft(t, b)
}

func TestCreateBucket(t *testing.T) {
	b := bucket(t)
	if err := shared.client.CreateBucket(t.Context(), b); err != nil {
		t.Errorf("second time: %v", err)
	}
	for _, name := range []string{"", "ab", "Upper", "..", "a/b"} {
		if err := shared.client.CreateBucket(t.Context(), name); err == nil {
			t.Errorf("CreateBucket %q succeeds", name)
		}
	}
	for _, prefix := range []string{"", "/", "static", "*/", "s?/", "${x}/"} {
		if err := shared.client.SetPublicRead(t.Context(), b, prefix); err == nil {
			t.Errorf("SetPublicRead %q succeeds", prefix)
		}
	}
	if err := shared.client.SetPublicRead(t.Context(), b+"-none", "static/"); !errors.Is(err, transcode.ErrNoBucket) {
		t.Errorf("SetPublicRead without bucket = %v, want ErrNoBucket", err)
	}
}

func TestPresignGet(t *testing.T) {
	b := bucket(t)
	object := ref(b, "a b+c/ü%.flac")
	if err := put(t, sdk(t, rootKey), b, object.Key, "text"); err != nil {
		t.Fatal(err)
	}
	url, err := shared.client.PresignGet(t.Context(), shared.url, object, `Übung "1" 50%.flac`, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 || string(body) != "text" {
		t.Errorf("get = %s %q", resp.Status, body)
	}
	want := `attachment; filename="_bung _1_ 50_.flac"; filename*=UTF-8''%C3%9Cbung%20%221%22%2050%25.flac`
	if got := resp.Header.Get("Content-Disposition"); got != want {
		t.Errorf("Content-Disposition = %s\nwant %s", got, want)
	}
	path := strings.TrimPrefix(url, shared.url)
	if got := status(t, "GET", strings.Replace(path, "Signature=", "Signature=0", 1)); got != 403 {
		t.Errorf("with another signature = %d, want 403", got)
	}
	if got := status(t, "GET", strings.Replace(path, "a%20b", "a%20c", 1)); got != 403 {
		t.Errorf("with another key = %d, want 403", got)
	}
	for _, expires := range []time.Duration{0, -time.Second, 8 * 24 * time.Hour} {
		if _, err := shared.client.PresignGet(t.Context(), shared.url, object, "", expires); err == nil {
			t.Errorf("PresignGet for %v succeeds", expires)
		}
	}
	for _, base := range []string{"", "localhost:4566", "ftp://host", "http://"} {
		if _, err := shared.client.PresignGet(t.Context(), base, object, "", time.Minute); err == nil {
			t.Errorf("PresignGet with base %q succeeds", base)
		}
	}
}
