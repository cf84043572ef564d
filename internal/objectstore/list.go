package objectstore

import (
	"context"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// List returns at most limit keys of a bucket that begin with prefix and follow
// after, in S3's order: by their bytes. No more than 1000 come at once.
func (c *Client) List(ctx context.Context, bucket, prefix, after string, limit int) (keys []string, err error) {
	in := &s3.ListObjectsV2Input{
		Bucket: &bucket, Prefix: optional(prefix), StartAfter: optional(after), MaxKeys: aws.Int32(int32(min(limit, 1000))),
		EncodingType: types.EncodingTypeUrl, // since XML cannot have all keys
	}
	for len(keys) < limit {
		out, err := c.s3.ListObjectsV2(ctx, in)
		if err != nil {
			return nil, bucketError("list", bucket, err)
		}
		for _, o := range out.Contents {
			key, err := listedKey(aws.ToString(o.Key), out.EncodingType)
			if err != nil {
				return nil, bucketError("list", bucket, err)
			}
			keys = append(keys, key)
		}
		if !aws.ToBool(out.IsTruncated) {
			break
		}
		in.ContinuationToken = out.NextContinuationToken
	}
	return keys, nil
}

// listedKey is the key that a list has. Not every server encodes them when
// asked to, but each says whether it has.
func listedKey(listed string, encoding types.EncodingType) (string, error) {
	if encoding != types.EncodingTypeUrl {
		return listed, nil
	}
	key, err := url.QueryUnescape(listed)
	if err != nil {
		return "", fmt.Errorf("read the key %q: %w", listed, err)
	}
	return key, nil
}
