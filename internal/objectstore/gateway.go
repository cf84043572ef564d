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
	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3api/controllers"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// gateway is the store of files with what it lacks: checks of the keys that do
// not come in a request's path, and of sizes; and events.
type gateway struct {
	backend.Backend
	*recorder
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

func (g *gateway) UploadPart(ctx context.Context, in *s3.UploadPartInput) (*s3.UploadPartOutput, error) {
	if err := g.checkSize(ctx, deref(in.ContentLength)); err != nil {
		return nil, err
	}
	return g.Backend.UploadPart(ctx, in)
}

func (g *gateway) UploadPartCopy(ctx context.Context, in *s3.UploadPartCopyInput) (s3response.CopyPartResult, error) {
	if err := checkCopySource(deref(in.CopySource)); err != nil {
		return s3response.CopyPartResult{}, err
	}
	return g.Backend.UploadPartCopy(ctx, in)
}

// ListBuckets lists all buckets to whom the gateway let pass: their names are
// no more than what s3:ListAllMyBuckets is about.
func (g *gateway) ListBuckets(ctx context.Context, in s3response.ListBucketsInput) (s3response.ListAllMyBucketsResult, error) {
	in.IsAdmin = true
	return g.Backend.ListBuckets(ctx, in)
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
	key             func(context.Context, string) (Key, error)
	log             *slog.Logger
}

// The gateway asks for a decision on each action only of who has this method.
var _ auth.PolicyEvaluator = accounts{}

// newAccounts asks key, under ctx, which is the server's life: the gateway
// does not hand on that of the request.
func newAccounts(ctx context.Context, key func(context.Context, string) (Key, error), log *slog.Logger) accounts {
	return accounts{IAMService: auth.NewIAMServiceSingle(auth.Account{}), ctx: ctx, key: key, log: log}
}

// lookUp returns an access key, or the error that the gateway understands.
func (a accounts) lookUp(id string) (Key, error) {
	if a.key == nil {
		return Key{}, auth.ErrNoSuchUser
	}
	ctx, cancel := context.WithTimeout(a.ctx, lookupTimeout)
	defer cancel()
	// The gateway reuses the memory of what it passes.
	key, err := a.key(ctx, strings.Clone(id))
	switch {
	case errors.Is(err, ErrUnknownKey) || err == nil && key.Secret == "":
		return Key{}, auth.ErrNoSuchUser
	case err != nil:
		a.log.Error("access key could not be looked up", "err", err)
		// An error without S3's code would be printed by the gateway as well.
		return Key{}, s3err.GetAPIError(s3err.ErrInternalError)
	}
	return key, nil
}

func (a accounts) GetUserAccount(id string) (auth.Account, error) {
	key, err := a.lookUp(id)
	if err != nil {
		return auth.Account{}, err
	}
	role := auth.RoleUser
	if key.Admin {
		role = auth.RoleAdmin
	}
	return auth.Account{Access: strings.Clone(id), Secret: key.Secret, Role: role}, nil
}

// What a key's rights say of an action: the gateway's policyDecisionNoMatch and
// policyDecisionAllow, which it does not export. Where there is no match, a
// bucket's policy may still grant the action.
const (
	noMatch = 0
	allowed = 1
)

// EvaluatePolicy says which of the actions a key may do, on each resource the
// same. The gateway asks it with the signature checked, for keys that are no
// admin's.
func (a accounts) EvaluatePolicy(id, _ string, actions []auth.Action, resources []string, _ map[string][]string) (auth.PolicyEvaluation, error) {
	key, err := a.lookUp(id)
	if errors.Is(err, auth.ErrNoSuchUser) {
		// It was removed since its signature was checked.
		return auth.PolicyEvaluation{}, s3err.GetInvalidAccessKeyIdErr(strings.Clone(id))
	}
	if err != nil {
		return auth.PolicyEvaluation{}, err
	}
	eval := auth.PolicyEvaluation{PrincipalArn: key.User}
	for range resources {
		eval.Decisions = append(eval.Decisions, nil)
		row := &eval.Decisions[len(eval.Decisions)-1]
		for _, action := range actions {
			if key.Admin || key.May != nil && key.May(strings.Clone(string(action))) {
				*row = append(*row, allowed)
			} else {
				*row = append(*row, noMatch)
			}
		}
	}
	return eval, nil
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
