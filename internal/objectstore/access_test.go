package objectstore_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

const readUser = "arn:aws:iam::123456789012:user/reader@example.com"

func mayRead(action string) bool {
	return strings.HasPrefix(action, "s3:Get") || strings.HasPrefix(action, "s3:List")
}

func mayWrite(action string) bool {
	return mayRead(action) || slices.Contains([]string{"s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"}, action)
}

// TestRights does with each key what S3 has, and looks whom it lets; who may do
// least comes first.
func TestRights(t *testing.T) {
	b := bucket(t)
	root := sdk(t, rootKey)
	if err := put(t, root, b, "there", "text"); err != nil {
		t.Fatal(err)
	}
	upload, err := root.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &b, Key: ptr("parts")})
	if err != nil {
		t.Fatal(err)
	}
	empty := b + "-empty"
	if err := shared.client.CreateBucket(t.Context(), empty); err != nil {
		t.Fatal(err)
	}
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::` + b + `/open/*"}]}`
	type call = func(context.Context, *s3.Client) error
	reading := map[string]call{
		"ListBuckets": func(ctx context.Context, c *s3.Client) error {
			out, err := c.ListBuckets(ctx, &s3.ListBucketsInput{})
			if err == nil && !slices.ContainsFunc(out.Buckets, func(there types.Bucket) bool { return *there.Name == b }) {
				t.Errorf("list of buckets lacks %s", b)
			}
			return err
		},
		"HeadBucket": func(ctx context.Context, c *s3.Client) error {
			_, err := c.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &b})
			return err
		},
		"ListObjectsV2": func(ctx context.Context, c *s3.Client) error {
			_, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b})
			return err
		},
		"GetObject": func(ctx context.Context, c *s3.Client) error {
			out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &b, Key: ptr("there")})
			if err == nil {
				out.Body.Close()
			}
			return err
		},
		"presigned GetObject": func(ctx context.Context, c *s3.Client) error {
			r, err := s3.NewPresignClient(c).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &b, Key: ptr("there")})
			return sendTo(t, r.Method, r.URL, "", nil, err)
		},
	}
	writing := map[string]call{
		"PutObject": func(ctx context.Context, c *s3.Client) error {
			_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &b, Key: ptr("new"), Body: strings.NewReader("text")})
			return err
		},
		"presigned PutObject": func(ctx context.Context, c *s3.Client) error {
			r, err := s3.NewPresignClient(c).PresignPutObject(ctx, &s3.PutObjectInput{Bucket: &b, Key: ptr("new")})
			return sendTo(t, r.Method, r.URL, "", strings.NewReader("text"), err)
		},
		"form": func(ctx context.Context, c *s3.Client) error {
			r, err := s3.NewPresignClient(c).PresignPostObject(ctx, &s3.PutObjectInput{Bucket: &b, Key: ptr("new")})
			if err != nil {
				return err
			}
			var form bytes.Buffer
			w := multipart.NewWriter(&form)
			for name, value := range r.Values {
				_ = w.WriteField(name, value)
			}
			file, _ := w.CreateFormFile("file", "new")
			_, _ = file.Write([]byte("text"))
			_ = w.Close()
			return sendTo(t, "POST", r.URL, w.FormDataContentType(), &form, nil)
		},
		"CopyObject": func(ctx context.Context, c *s3.Client) error {
			_, err := c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &b, Key: ptr("copy"), CopySource: ptr(b + "/there")})
			return err
		},
		"CreateMultipartUpload": func(ctx context.Context, c *s3.Client) error {
			_, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &b, Key: ptr("more")})
			return err
		},
		"UploadPart": func(ctx context.Context, c *s3.Client) error {
			_, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: &b, Key: ptr("parts"), UploadId: upload.UploadId, PartNumber: ptr(int32(1)), Body: strings.NewReader("text")})
			return err
		},
		"DeleteObject": func(ctx context.Context, c *s3.Client) error {
			_, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b, Key: ptr("new")})
			return err
		},
		"DeleteObjects": func(ctx context.Context, c *s3.Client) error {
			out, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &b, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: ptr("new")}}}})
			if err == nil && len(out.Errors) > 0 {
				return errorCode(*out.Errors[0].Code)
			}
			return err
		},
	}
	governing := map[string]call{
		"CreateBucket": func(ctx context.Context, c *s3.Client) error {
			_, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: ptr(b + "2")})
			return err
		},
		"DeleteBucket": func(ctx context.Context, c *s3.Client) error {
			_, err := c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &empty})
			return err
		},
		"PutBucketPolicy": func(ctx context.Context, c *s3.Client) error {
			_, err := c.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &b, Policy: &policy})
			return err
		},
		"DeleteBucketPolicy": func(ctx context.Context, c *s3.Client) error {
			_, err := c.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: &b})
			return err
		},
		"PutBucketCors": func(ctx context.Context, c *s3.Client) error {
			_, err := c.PutBucketCors(ctx, &s3.PutBucketCorsInput{Bucket: &b, CORSConfiguration: &types.CORSConfiguration{
				CORSRules: []types.CORSRule{{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"*"}}},
			}})
			return err
		},
	}
	all := []struct {
		least int
		calls map[string]call
	}{{1, reading}, {2, writing}, {3, governing}}
	for _, as := range []struct {
		key  key
		rank int
	}{{plainKey, 0}, {readKey, 1}, {writeKey, 2}, {adminKey, 3}} {
		c := sdk(t, as.key)
		for _, group := range all {
			for _, name := range inOrder(group.calls) {
				got := code(group.calls[name](t.Context(), c))
				if got == "Forbidden" { // the answer to HEAD has no words
					got = "AccessDenied"
				}
				want := "<nil>"
				if as.rank < group.least {
					want = "AccessDenied"
				}
				if got != want {
					t.Errorf("%s with the key %s = %s, want %s", name, as.key.id, got, want)
				}
			}
		}
	}
}

// TestRefusalNamesUserAndAction holds the words of a refusal to AWS's.
func TestRefusalNamesUserAndAction(t *testing.T) {
	b := bucket(t)
	err := put(t, sdk(t, readKey), b, "key", "text")
	want := "User: " + readUser + ` is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::` + b + `/key" because no identity-based policy allows the s3:PutObject action`
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error = %v\nwant it to have %s", err, want)
	}
}

// TestPolicyReachesKeysWithRights has a policy that grants one such key more,
// and one that takes from it.
func TestPolicyReachesKeysWithRights(t *testing.T) {
	b := bucket(t)
	root := sdk(t, rootKey)
	if err := put(t, root, b, "closed", "text"); err != nil {
		t.Fatal(err)
	}
	policy := strings.NewReplacer("BUCKET", b, "KEY", readKey.id).Replace(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"KEY"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::BUCKET/drop/*"},
		{"Effect":"Deny","Principal":{"AWS":"KEY"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/closed"}]}`)
	if _, err := root.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: &b, Policy: &policy}); err != nil {
		t.Fatal(err)
	}
	c := sdk(t, readKey)
	if err := put(t, c, b, "drop/key", "text"); err != nil {
		t.Errorf("put that the policy grants: %v", err)
	}
	if got := code(put(t, c, b, "elsewhere", "text")); got != "AccessDenied" {
		t.Errorf("put elsewhere = %s, want AccessDenied", got)
	}
	if _, err := get(t, c, b, "closed"); code(err) != "AccessDenied" {
		t.Errorf("get that the policy denies: %v, want AccessDenied", err)
	}
}

type errorCode string

func (c errorCode) Error() string                 { return string(c) }
func (c errorCode) ErrorCode() string             { return string(c) }
func (c errorCode) ErrorMessage() string          { return string(c) }
func (c errorCode) ErrorFault() smithy.ErrorFault { return smithy.FaultUnknown }

// sendTo sends a request that is signed already, and returns S3's code if it
// is refused. err, if there is one, comes back.
func sendTo(t *testing.T, method, url, contentType string, body io.Reader, err error) error {
	t.Helper()
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		return err
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode < 300 {
		return err
	}
	_, rest, _ := strings.Cut(string(text), "<Code>")
	code, _, _ := strings.Cut(rest, "</Code>")
	return errorCode(code)
}

func inOrder[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func ptr[T any](v T) *T { return &v }
