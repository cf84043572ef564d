package objectstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"

	"etude/internal/transcode"
)

const (
	// partSize and uploadConcurrency bound the memory of a streamed upload:
	// one part more than are on their way is held.
	partSize          = 8 << 20
	uploadConcurrency = 2

	// maxParts is S3's limit for one upload.
	maxParts = 10000

	// maxSinglePut is S3's limit for an object that is put in one request.
	maxSinglePut = 5 << 30

	// remoteSinglePut is what we send to another machine in one request; more
	// goes in parts, so that a broken connection costs a part and not all.
	remoteSinglePut = 64 << 20

	// abortTimeout bounds the clearing up after an upload that was given up;
	// the upload's own context is often over by then.
	abortTimeout = 30 * time.Second

	// originTag is the metadata that says what an object came from; writeTag
	// is another, by which one call of Store knows its own object again.
	originTag = "etude-origin"
	writeTag  = "etude-write"
)

// ClientConfig says which S3 to use: Server, or else an external one.
type ClientConfig struct {
	// Server is the embedded server; the other fields are then not used.
	Server *Server

	// Endpoint is the URL of an S3 that is not Amazon's; buckets are then
	// named in the path. Empty is Amazon S3.
	Endpoint string

	// Region is the external S3's. Empty leaves it to AWS's own settings:
	// environment, shared configuration, instance. Credentials come from
	// there too, unless AccessKeyID and Secret are set.
	Region              string
	AccessKeyID, Secret string
}

// Client reads and writes objects. It is a transcode.Objects. All methods may
// be called at once from many goroutines.
type Client struct {
	s3        *s3.Client
	uploads   *transfermanager.Client
	embedded  bool
	singlePut int64 // larger files go in parts
}

var _ transcode.Objects = (*Client)(nil)

// NewClient returns a client of the S3 that cfg names. It asks that S3
// nothing yet; only finding credentials may take ctx's time.
func NewClient(ctx context.Context, cfg ClientConfig) (*Client, error) {
	c := &Client{embedded: cfg.Server != nil, singlePut: remoteSinglePut}
	if c.embedded {
		c.s3 = embeddedS3(cfg.Server)
		c.singlePut = maxSinglePut
	} else {
		var err error
		if c.s3, err = externalS3(ctx, cfg); err != nil {
			return nil, fmt.Errorf("set up S3 client: %w", err)
		}
	}
	c.uploads = transfermanager.New(c.s3, func(o *transfermanager.Options) {
		o.PartSizeBytes = partSize
		o.MultipartUploadThreshold = partSize
		o.Concurrency = uploadConcurrency
		o.FailTimeout = abortTimeout
	})
	return c, nil
}

func embeddedS3(srv *Server) *s3.Client {
	return s3.New(s3.Options{
		Region:       srv.cfg.Region,
		BaseEndpoint: aws.String("http://localhost"), // a name only: see dialSocket
		UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: srv.cfg.RootAccessKeyID, SecretAccessKey: srv.cfg.RootSecret}, nil
		}),
		HTTPClient: &http.Client{Transport: srv.transport},
		// Hashing what goes through a socket of our own guards nothing that
		// the checksum, which is sent with it, does not.
		APIOptions: []func(*middleware.Stack) error{v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware},
		DisableLogOutputChecksumValidationSkipped: true,
	})
}

func externalS3(ctx context.Context, cfg ClientConfig) (*s3.Client, error) {
	var opts []func(*config.LoadOptions) error
	if cfg.Region != "" {
		opts = append(opts, config.WithRegion(cfg.Region))
	}
	if cfg.AccessKeyID != "" {
		opts = append(opts, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(cfg.AccessKeyID, cfg.Secret, "")))
	}
	loaded, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, err
	}
	if loaded.Region == "" {
		return nil, errors.New("no region is known; name one, for instance in AWS_REGION")
	}
	return s3.NewFromConfig(loaded, func(o *s3.Options) {
		if cfg.Endpoint != "" {
			o.BaseEndpoint = aws.String(cfg.Endpoint)
			o.UsePathStyle = true
		}
		o.DisableLogOutputChecksumValidationSkipped = true
	}), nil
}

// Head returns what is known of the object.
func (c *Client) Head(ctx context.Context, ref transcode.ObjectRef) (transcode.ObjectInfo, error) {
	out, err := c.head(ctx, ref)
	if err != nil {
		return transcode.ObjectInfo{}, objectError("look up", ref, err)
	}
	return transcode.ObjectInfo{
		Size:         aws.ToInt64(out.ContentLength),
		ETag:         unquote(out.ETag),
		VersionID:    version(out.VersionId),
		ContentType:  aws.ToString(out.ContentType),
		Origin:       out.Metadata[originTag],
		LastModified: aws.ToTime(out.LastModified),
	}, nil
}

func (c *Client) head(ctx context.Context, ref transcode.ObjectRef) (*s3.HeadObjectOutput, error) {
	if err := c.checkKey(ref); err != nil {
		return nil, err
	}
	out, err := c.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &ref.Bucket, Key: &ref.Key})
	if means(err, transcode.ErrNoObject) {
		// The answer to HEAD has no body to say what is missing.
		if _, bucketErr := c.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &ref.Bucket}); means(bucketErr, transcode.ErrNoObject) {
			return nil, transcode.ErrNoBucket
		}
	}
	return out, err
}

// Fetch copies the object into a new file at path, which must not exist. More
// than max bytes are ErrTooLarge. The bytes are counted, and checked against
// the object's checksum where it has one for the whole; after an error there
// is no file.
func (c *Client) Fetch(ctx context.Context, ref transcode.ObjectRef, path string, max int64) (transcode.ObjectInfo, error) {
	if err := c.checkKey(ref); err != nil {
		return transcode.ObjectInfo{}, objectError("fetch", ref, err)
	}
	out, err := c.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &ref.Bucket, Key: &ref.Key})
	if err != nil {
		return transcode.ObjectInfo{}, objectError("fetch", ref, err)
	}
	defer out.Body.Close()

	size := aws.ToInt64(out.ContentLength)
	if size > max {
		return transcode.ObjectInfo{}, objectError("fetch", ref, tooLarge(max))
	}
	if err := writeFile(path, out.Body, size); err != nil {
		return transcode.ObjectInfo{}, objectError("fetch", ref, err)
	}
	return transcode.ObjectInfo{
		Size:         size,
		ETag:         unquote(out.ETag),
		VersionID:    version(out.VersionId),
		ContentType:  aws.ToString(out.ContentType),
		Origin:       out.Metadata[originTag],
		LastModified: aws.ToTime(out.LastModified),
	}, nil
}

// Read returns all of an object of at most max bytes.
func (c *Client) Read(ctx context.Context, ref transcode.ObjectRef, max int64) ([]byte, error) {
	content, err := c.readAll(ctx, ref, max)
	if err != nil {
		return nil, objectError("read", ref, err)
	}
	return content, nil
}

func (c *Client) readAll(ctx context.Context, ref transcode.ObjectRef, max int64) ([]byte, error) {
	if err := c.checkKey(ref); err != nil {
		return nil, err
	}
	out, err := c.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &ref.Bucket, Key: &ref.Key})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	content, err := io.ReadAll(io.LimitReader(out.Body, max+1))
	if err == nil && int64(len(content)) > max {
		err = tooLarge(max)
	}
	return content, err
}

// writeFile makes path from exactly size bytes of r, or leaves nothing.
func writeFile(path string, r io.Reader, size int64) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			os.Remove(path)
		}
	}()
	n, err := io.Copy(f, r)
	if err == nil && n != size {
		err = fmt.Errorf("it has %d bytes, not the %d that were announced", n, size)
	}
	return err
}

// Store puts the file at path under ref, whole or not at all, and never over
// an object that is there: that is ErrObjectExists. Of several at once, one
// wins. The object keeps origin, a short ASCII text, as user metadata.
// LastModified of the result is not set, as S3 does not tell it.
func (c *Client) Store(ctx context.Context, path string, ref transcode.ObjectRef, contentType, origin string) (transcode.ObjectInfo, error) {
	info, err := c.store(ctx, path, ref, contentType, origin)
	if err != nil {
		return transcode.ObjectInfo{}, objectError("store", ref, err)
	}
	return info, nil
}

func (c *Client) store(ctx context.Context, path string, ref transcode.ObjectRef, contentType, origin string) (transcode.ObjectInfo, error) {
	// This only spares sending the bytes; the condition of the write decides.
	switch _, err := c.head(ctx, ref); {
	case err == nil:
		return transcode.ObjectInfo{}, transcode.ErrObjectExists
	case errors.Is(err, transcode.ErrBadKey), errors.Is(err, transcode.ErrNoBucket):
		return transcode.ObjectInfo{}, err
	}

	f, err := os.Open(path)
	if err != nil {
		return transcode.ObjectInfo{}, err
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return transcode.ObjectInfo{}, err
	}
	if !stat.Mode().IsRegular() {
		return transcode.ObjectInfo{}, fmt.Errorf("%q is not a regular file", path)
	}

	tag := rand.Text()
	metadata := map[string]string{writeTag: tag}
	if origin != "" {
		metadata[originTag] = origin
	}
	info, err := c.putNew(ctx, f, stat.Size(), ref, contentType, metadata)
	if means(err, transcode.ErrObjectExists) {
		// The SDK tries again when an answer got lost; then what stands in the
		// way is our own object.
		out, headErr := c.head(ctx, ref)
		if headErr != nil || out.Metadata[writeTag] != tag {
			return transcode.ObjectInfo{}, err
		}
		info.ETag, info.VersionID = unquote(out.ETag), version(out.VersionId)
	} else if err != nil {
		return transcode.ObjectInfo{}, err
	}
	info.Size, info.ContentType, info.Origin = stat.Size(), contentType, origin
	return info, nil
}

// putNew puts f's bytes where no object is yet.
func (c *Client) putNew(ctx context.Context, f *os.File, size int64, ref transcode.ObjectRef, contentType string, metadata map[string]string) (transcode.ObjectInfo, error) {
	if size <= c.singlePut {
		out, err := c.s3.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &ref.Bucket, Key: &ref.Key, IfNoneMatch: aws.String("*"),
			Body: f, ContentLength: &size, ContentType: optional(contentType), Metadata: metadata,
		})
		if err != nil {
			return transcode.ObjectInfo{}, err
		}
		return transcode.ObjectInfo{ETag: unquote(out.ETag), VersionID: version(out.VersionId)}, nil
	}
	out, err := c.uploads.UploadObject(ctx, &transfermanager.UploadObjectInput{
		Bucket: &ref.Bucket, Key: &ref.Key, IfNoneMatch: aws.String("*"),
		Body: f, ContentType: optional(contentType), Metadata: metadata,
	})
	if err != nil {
		return transcode.ObjectInfo{}, err
	}
	return transcode.ObjectInfo{ETag: unquote(out.ETag), VersionID: version(out.VersionID)}, nil
}

// Put puts what r gives, up to its end, under ref, over any object that is
// there. It holds a few parts in memory at most. When r fails, gives more than
// max bytes (ErrTooLarge) or ctx ends, neither object nor part is left.
// LastModified of the result is not set.
func (c *Client) Put(ctx context.Context, ref transcode.ObjectRef, r io.Reader, max int64, contentType string) (transcode.ObjectInfo, error) {
	if err := c.checkKey(ref); err != nil {
		return transcode.ObjectInfo{}, objectError("put", ref, err)
	}
	body := &boundedReader{ctx: ctx, r: r, max: max}
	out, err := c.uploads.UploadObject(ctx, &transfermanager.UploadObjectInput{
		Bucket: &ref.Bucket, Key: &ref.Key, Body: body, ContentType: optional(contentType),
	}, func(o *transfermanager.Options) {
		o.PartSizeBytes = partSizeFor(max)
	})
	if body.err != nil {
		err = body.err // the SDK's account of it is longer and says less
	}
	if err != nil {
		return transcode.ObjectInfo{}, objectError("put", ref, err)
	}
	return transcode.ObjectInfo{
		Size:        body.n,
		ETag:        unquote(out.ETag),
		VersionID:   version(out.VersionID),
		ContentType: contentType,
	}, nil
}

// partSizeFor returns how large parts must be for limit bytes to fit.
func partSizeFor(limit int64) int64 {
	return max(partSize, limit/maxParts+1)
}

// boundedReader fails when r has more than max bytes, and keeps its failure.
type boundedReader struct {
	ctx context.Context
	r   io.Reader
	max int64
	n   int64
	err error // why reading ended; nil at r's end
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.ctx.Err() != nil {
		b.err = context.Cause(b.ctx)
		return 0, b.err
	}
	n, err := b.r.Read(p)
	b.n += int64(n)
	if b.n > b.max {
		b.err = tooLarge(b.max)
		return 0, b.err
	}
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// Delete removes the object; one that is not there is no error.
func (c *Client) Delete(ctx context.Context, ref transcode.ObjectRef) error {
	if err := c.checkKey(ref); err != nil {
		return objectError("delete", ref, err)
	}
	_, err := c.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &ref.Bucket, Key: &ref.Key})
	if err != nil && !means(err, transcode.ErrNoObject) {
		return objectError("delete", ref, err)
	}
	return nil
}

func (c *Client) checkKey(ref transcode.ObjectRef) error {
	check := checkKey
	if c.embedded {
		check = checkFileKey
	}
	if err := check(ref.Key); err != nil {
		return fmt.Errorf("%v: %w", err, transcode.ErrBadKey)
	}
	return nil
}

func tooLarge(max int64) error {
	return fmt.Errorf("more than %d bytes: %w", max, transcode.ErrTooLarge)
}

func unquote(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }

// version leaves out what S3 calls the only version of an object.
func version(id *string) string {
	if v := aws.ToString(id); v != "null" {
		return v
	}
	return ""
}

// optional leaves out what is empty.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
