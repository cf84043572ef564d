package objectstore

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3api/controllers"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// gateway is the store of files with the checks that it lacks: of the keys
// that do not come in a request's path, and of sizes.
type gateway struct {
	backend.Backend
	root      string
	maxObject int64
}

// refuseBadKeys answers a request whose path has a key that checkFileKey
// refuses, before anything else looks at it.
func refuseBadKeys() fiber.Handler {
	return controllers.WrapMiddleware(func(ctx fiber.Ctx) error {
		path, err := url.PathUnescape(string(ctx.Request().URI().PathOriginal()))
		if err != nil {
			return badKey(errors.New("it is not well escaped"))
		}
		_, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		if key == "" {
			return nil // a request about a bucket
		}
		return keyFault(key)
	}, nil, nil)
}

func keyFault(key string) error {
	if err := checkFileKey(key); err != nil {
		return badKey(err)
	}
	return nil
}

func badKey(why error) error {
	return s3err.APIError{
		Code:           "InvalidArgument",
		Description:    "The object's key cannot be stored: " + why.Error() + ".",
		HTTPStatusCode: http.StatusBadRequest,
	}
}

// PutObject also serves the form upload, whose key is a field of the form.
func (g *gateway) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	if err := keyFault(deref(in.Key)); err != nil {
		return s3response.PutObjectOutput{}, err
	}
	if err := g.checkSize(ctx, deref(in.ContentLength)); err != nil {
		return s3response.PutObjectOutput{}, err
	}
	return g.Backend.PutObject(ctx, in)
}

func (g *gateway) UploadPart(ctx context.Context, in *s3.UploadPartInput) (*s3.UploadPartOutput, error) {
	if err := g.checkSize(ctx, deref(in.ContentLength)); err != nil {
		return nil, err
	}
	return g.Backend.UploadPart(ctx, in)
}

func (g *gateway) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	if g.limited(ctx) {
		size, err := g.uploadedSize(ctx, in)
		if err == nil {
			err = g.checkSize(ctx, size)
		}
		if err != nil {
			return s3response.CompleteMultipartUploadResult{}, "", err
		}
	}
	return g.Backend.CompleteMultipartUpload(ctx, in)
}

func (g *gateway) CopyObject(ctx context.Context, in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	if err := checkCopySource(deref(in.CopySource)); err != nil {
		return s3response.CopyObjectOutput{}, err
	}
	return g.Backend.CopyObject(ctx, in)
}

func (g *gateway) UploadPartCopy(ctx context.Context, in *s3.UploadPartCopyInput) (s3response.CopyPartResult, error) {
	if err := checkCopySource(deref(in.CopySource)); err != nil {
		return s3response.CopyPartResult{}, err
	}
	return g.Backend.UploadPartCopy(ctx, in)
}

func (g *gateway) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput) (s3response.DeleteResult, error) {
	var refused []types.Error
	var good []types.ObjectIdentifier
	for _, object := range in.Delete.Objects {
		if err := checkFileKey(deref(object.Key)); err != nil {
			code, message := "InvalidArgument", err.Error()
			refused = append(refused, types.Error{Key: object.Key, Code: &code, Message: &message})
			continue
		}
		good = append(good, object)
	}
	in.Delete.Objects = good
	res, err := g.Backend.DeleteObjects(ctx, in)
	res.Error = append(res.Error, refused...)
	return res, err
}

// limited reports whether the caller is held to the largest object.
func (g *gateway) limited(ctx context.Context) bool {
	account, _ := ctx.Value("account").(auth.Account)
	return g.maxObject > 0 && account.Access != g.root
}

func (g *gateway) checkSize(ctx context.Context, size int64) error {
	if g.limited(ctx) && size > g.maxObject {
		return s3err.GetEntityTooLargeErr(size, g.maxObject)
	}
	return nil
}

// uploadedSize adds up the parts that the caller wants joined.
func (g *gateway) uploadedSize(ctx context.Context, in *s3.CompleteMultipartUploadInput) (int64, error) {
	if in.MultipartUpload == nil {
		return 0, nil // the store refuses it with the right words
	}
	wanted := make(map[int]bool)
	for _, part := range in.MultipartUpload.Parts {
		wanted[int(deref(part.PartNumber))] = true
	}
	var sum int64
	page := int32(1000)
	list := &s3.ListPartsInput{Bucket: in.Bucket, Key: in.Key, UploadId: in.UploadId, MaxParts: &page}
	for {
		got, err := g.Backend.ListParts(ctx, list)
		if err != nil {
			return 0, err
		}
		for _, part := range got.Parts {
			if wanted[part.PartNumber] {
				sum += part.Size
			}
		}
		if !got.IsTruncated {
			return sum, nil
		}
		marker := strconv.Itoa(got.NextPartNumberMarker)
		list.PartNumberMarker = &marker
	}
}

// checkCopySource checks bucket and key of the header that names the object
// to copy; the gateway passes them on as they are.
func checkCopySource(source string) error {
	bucket, key, _, err := backend.ParseCopySource(source)
	if err != nil {
		return err
	}
	if !utils.IsValidBucketName(bucket) {
		return s3err.GetBucketErr(s3err.ErrInvalidBucketName, bucket)
	}
	return keyFault(key)
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// lookupTimeout bounds how long a request waits for its key's secret.
const lookupTimeout = 10 * time.Second

// accounts tells the gateway of access keys. It keeps none, so that a revoked
// one ends at once; making and changing keys is not the gateway's business.
type accounts struct {
	auth.IAMService // refuses whatever is not below
	ctx             context.Context
	secret          func(context.Context, string) (string, bool, error)
	log             *slog.Logger
}

// newAccounts asks secret, under ctx, which is the server's life: the gateway
// does not hand on that of the request.
func newAccounts(ctx context.Context, secret func(context.Context, string) (string, bool, error), log *slog.Logger) accounts {
	return accounts{IAMService: auth.NewIAMServiceSingle(auth.Account{}), ctx: ctx, secret: secret, log: log}
}

func (a accounts) GetUserAccount(id string) (auth.Account, error) {
	if a.secret == nil {
		return auth.Account{}, auth.ErrNoSuchUser
	}
	ctx, cancel := context.WithTimeout(a.ctx, lookupTimeout)
	defer cancel()
	// The gateway reuses the memory of what it passes.
	secret, admin, err := a.secret(ctx, strings.Clone(id))
	switch {
	case errors.Is(err, ErrUnknownKey) || err == nil && secret == "":
		return auth.Account{}, auth.ErrNoSuchUser
	case err != nil:
		a.log.Error("access key could not be looked up", "err", err)
		// An error without S3's code would be printed by the gateway as well.
		return auth.Account{}, s3err.GetAPIError(s3err.ErrInternalError)
	}
	role := auth.RoleUser
	if admin {
		role = auth.RoleAdmin
	}
	return auth.Account{Access: strings.Clone(id), Secret: secret, Role: role}, nil
}

// ResolveAccounts returns those of ids that are not there; the gateway asks
// before it keeps a policy that names them.
func (a accounts) ResolveAccounts(ids []string) ([]string, error) {
	missing := []string{}
	for _, id := range ids {
		switch _, err := a.GetUserAccount(id); {
		case errors.Is(err, auth.ErrNoSuchUser):
			missing = append(missing, id)
		case err != nil:
			return nil, err
		}
	}
	return missing, nil
}
