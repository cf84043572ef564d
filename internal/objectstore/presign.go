package objectstore

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"etude/internal/transcode"
)

// maxPresign is how long a signed URL can hold:
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
const maxPresign = 7 * 24 * time.Hour

// PresignGet returns a URL with which anybody can read the object until
// expires has passed (seven days at most). base is where that reader reaches
// the S3, as in "http://media.example.org:4566"; it must get there unchanged,
// since the name of the host is signed. Empty is the client's own endpoint,
// which the embedded server does not have. With a downloadName a browser saves
// the object under that name, else it may show it. Whether the object exists
// is not asked.
func (c *Client) PresignGet(ctx context.Context, base string, ref transcode.ObjectRef, downloadName string, expires time.Duration) (string, error) {
	signed, err := c.presignGet(ctx, base, ref, downloadName, expires)
	if err != nil {
		return "", objectError("sign a link to", ref, err)
	}
	return signed, nil
}

func (c *Client) presignGet(ctx context.Context, base string, ref transcode.ObjectRef, downloadName string, expires time.Duration) (string, error) {
	if err := c.checkKey(ref); err != nil {
		return "", err
	}
	if expires < time.Second || expires > maxPresign {
		return "", fmt.Errorf("it cannot hold for %s; from a second to %s it can", expires, maxPresign)
	}
	if base == "" && c.embedded {
		return "", errors.New("no public URL of the server is given")
	}
	if base != "" {
		if u, err := url.Parse(base); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return "", fmt.Errorf("the server's public URL %q is not one of http or https with a host", base)
		}
	}
	in := &s3.GetObjectInput{Bucket: &ref.Bucket, Key: &ref.Key}
	if downloadName != "" {
		in.ResponseContentDisposition = aws.String(attachment(downloadName))
	}
	signer := s3.NewPresignClient(c.s3, s3.WithPresignExpires(expires), s3.WithPresignClientFromClientOptions(func(o *s3.Options) {
		// A browser would not send the header that asks for a checksum.
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		if base != "" {
			o.BaseEndpoint = &base
		}
	}))
	req, err := signer.PresignGetObject(ctx, in)
	if err != nil {
		return "", err
	}
	return req.URL, nil
}

// attachment is the Content-Disposition to save a file as name (RFC 6266). An
// old reader takes the first form, which is ASCII, any other the second, which
// is UTF-8 (RFC 8187).
func attachment(name string) string {
	var ascii, ext strings.Builder
	for _, r := range strings.ToValidUTF8(name, "_") {
		switch {
		case r < ' ' || r == 0x7f || r == '/' || r == '\\':
			r = '_' // no name of a file has these
			fallthrough
		case r < 0x80 && r != '"' && r != '%':
			ascii.WriteRune(r)
		default:
			ascii.WriteByte('_')
		}
		ext.WriteRune(r)
	}
	// PathEscape leaves some bytes as they are that RFC 8187 does not allow.
	escaped := strings.NewReplacer(
		"'", "%27", "(", "%28", ")", "%29", "*", "%2A", ",", "%2C", ";", "%3B",
		":", "%3A", "=", "%3D", "@", "%40", "&", "%26",
	).Replace(url.PathEscape(ext.String()))
	return fmt.Sprintf(`attachment; filename="%s"; filename*=UTF-8''%s`, ascii.String(), escaped)
}
