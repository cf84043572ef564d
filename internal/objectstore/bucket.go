package objectstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"etude/internal/transcode"
)

// CreateBucket makes a private bucket; one that is there already, and that we
// may use, is no error.
func (c *Client) CreateBucket(ctx context.Context, name string) error {
	if _, err := c.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name}); err == nil {
		return nil
	}
	in := &s3.CreateBucketInput{Bucket: &name}
	// Amazon wants the region named, but for its first one.
	if region := c.s3.Options().Region; region != "us-east-1" {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{
			LocationConstraint: types.BucketLocationConstraint(region),
		}
	}
	_, err := c.s3.CreateBucket(ctx, in)
	var owned *types.BucketAlreadyOwnedByYou
	var answer smithy.APIError
	switch {
	case err == nil, errors.As(err, &owned):
		return nil
	case errors.As(err, &answer) && answer.ErrorCode() == "InvalidBucketName":
		return fmt.Errorf("create bucket %q: a name has 3 to 63 small letters, digits, dots and hyphens, a letter or digit first and last", name)
	}
	return bucketError("create", name, err)
}

// policy is the part of a bucket policy that we write.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html
type policy struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid       string
	Effect    string
	Principal string
	Action    string
	Resource  []string
}

// SetPublicRead lets everybody read, but not list, the objects whose keys
// begin with one of the prefixes, each of which ends with a slash. Whatever
// else the bucket's policy granted is gone; with no prefix, all is private.
func (c *Client) SetPublicRead(ctx context.Context, bucket string, prefixes ...string) error {
	if len(prefixes) == 0 {
		_, err := c.s3.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: &bucket})
		if err != nil {
			return bucketError("make private", bucket, err)
		}
		return nil
	}
	public := statement{Sid: "PublicRead", Effect: "Allow", Principal: "*", Action: "s3:GetObject"}
	for _, prefix := range prefixes {
		if len(prefix) < 2 || !strings.HasSuffix(prefix, "/") || strings.ContainsAny(prefix, "*?$") {
			return fmt.Errorf("publish bucket %q: prefix %q must be a name and a slash, without *, ? and $", bucket, prefix)
		}
		public.Resource = append(public.Resource, "arn:aws:s3:::"+bucket+"/"+prefix+"*")
	}
	text, err := json.Marshal(policy{Version: "2012-10-17", Statement: []statement{public}})
	if err != nil {
		return fmt.Errorf("publish bucket %q: %w", bucket, err)
	}
	_, err = c.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: aws.String(string(text))})
	if err != nil {
		return bucketError("publish", bucket, err)
	}
	return nil
}

// AbortStale gives up the uploads in parts that began before the time and were
// never finished, as a process leaves them that was killed; their parts take
// room until then. It returns how many it gave up.
func (c *Client) AbortStale(ctx context.Context, bucket string, before time.Time) (int, error) {
	aborted := 0
	pages := s3.NewListMultipartUploadsPaginator(c.s3, &s3.ListMultipartUploadsInput{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return aborted, bucketError("list uploads in", bucket, err)
		}
		for _, upload := range page.Uploads {
			if !aws.ToTime(upload.Initiated).Before(before) {
				continue
			}
			_, err := c.s3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
				Bucket: &bucket, Key: upload.Key, UploadId: upload.UploadId,
			})
			var gone smithy.APIError
			if errors.As(err, &gone) && gone.ErrorCode() == "NoSuchUpload" {
				continue
			}
			if err != nil {
				ref := transcode.ObjectRef{Bucket: bucket, Key: aws.ToString(upload.Key)}
				return aborted, objectError("give up the upload of", ref, err)
			}
			aborted++
		}
	}
	return aborted, nil
}

func bucketError(verb, name string, err error) error {
	switch answer, known := cause(err); {
	case answer == nil:
		return fmt.Errorf("%s bucket %q: %w", verb, name, err)
	case errors.Is(known, transcode.ErrNoObject):
		return fmt.Errorf("%s bucket %q: %w", verb, name, transcode.ErrNoBucket)
	default:
		return fmt.Errorf("%s bucket %q: S3 answers %q: %w", verb, name, answer.ErrorMessage(), known)
	}
}
