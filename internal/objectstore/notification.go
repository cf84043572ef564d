package objectstore

import (
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3api/controllers"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"

	"etude/internal/event"
	"etude/internal/s3event"
)

// maxNotification is the most bytes of a configuration; a hundred targets with
// the longest filters are less.
const maxNotification = 1 << 20

// notifications answers the two requests about a bucket's notification
// configuration, which the gateway does not have. It comes before the gateway's
// own checks, so it makes them itself, in the same order.
type notifications struct {
	gw     *gateway
	iam    auth.IAMService
	root   middlewares.RootUserConfig
	region string
}

// handle is a middleware of the gateway: what it is not about goes on.
func (n *notifications) handle(ctx fiber.Ctx) error {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(string(ctx.Request().URI().PathOriginal()), "/"), "/")
	method := ctx.Method()
	if key != "" || bucket == "" || !ctx.Request().URI().QueryArgs().Has("notification") || method != fiber.MethodPut && method != fiber.MethodGet {
		return ctx.Next()
	}
	requestID, hostID := utils.EnsureRequestIDs(ctx)
	ctx.Response().Header.SetContentType(fiber.MIMEApplicationXML)
	body, err := n.answer(ctx, strings.Clone(bucket), event.SetNotificationOptions{
		RequestID: strings.Clone(requestID), HostID: strings.Clone(hostID),
		SkipValidation: strings.EqualFold(ctx.Get("X-Amz-Skip-Destination-Validation"), "true"),
	})
	if err == nil {
		return ctx.Status(http.StatusOK).Send(body)
	}
	var fault *s3event.Error
	if errors.As(err, &fault) {
		return ctx.Status(http.StatusBadRequest).Send(faultXML(fault, requestID, hostID))
	}
	// The gateway's own way to answer an error.
	return controllers.WrapMiddleware(func(fiber.Ctx) error { return err }, nil, nil)(ctx)
}

func (n *notifications) answer(ctx fiber.Ctx, bucket string, opts event.SetNotificationOptions) ([]byte, error) {
	put := ctx.Method() == fiber.MethodPut
	action, permission := auth.GetBucketNotificationAction, auth.PermissionRead
	if put {
		action, permission = auth.PutBucketNotificationAction, auth.PermissionWrite
		if ctx.Request().Header.ContentLength() > maxNotification {
			return nil, s3err.GetEntityTooLargeErr(int64(ctx.Request().Header.ContentLength()), maxNotification)
		}
	}
	if err := n.authorize(ctx, bucket, action, permission); err != nil {
		return nil, err
	}
	if !put {
		return n.gw.events.Notification(bucket).XML(), nil
	}
	if err := middlewares.VerifyChecksums(false, true, false)(ctx); err != nil {
		return nil, err
	}
	c, err := s3event.ParseConfiguration(ctx.BodyRaw())
	if err != nil {
		return nil, err
	}
	keep, cancel := n.gw.context()
	defer cancel()
	err = n.gw.events.SetNotification(keep, bucket, c, opts)
	if fault := (*s3event.Error)(nil); err != nil && !errors.As(err, &fault) {
		n.gw.log.Error("notification configuration is not kept", "bucket", bucket, "err", err)
		return nil, errNotKept
	}
	return nil, err
}

// authorize holds the request to what the gateway holds all others to:
// signature, bucket, owner, and the right to the action, by role or policy.
func (n *notifications) authorize(ctx fiber.Ctx, bucket string, action auth.Action, permission auth.Permission) error {
	utils.ContextKeyRegion.Set(ctx, n.region)
	utils.ContextKeyRootAccessKey.Set(ctx, n.root.Access)
	utils.ContextKeyAccount.Set(ctx, auth.Account{})
	utils.ContextKeyIsRoot.Set(ctx, false)
	for _, verify := range []fiber.Handler{
		middlewares.VerifyPresignedV4Signature(n.root, n.iam, n.region, false),
		middlewares.VerifyV4Signature(n.root, n.iam, n.region, false, true, false),
	} {
		if err := verify(ctx); err != nil {
			return err
		}
	}
	if !utils.IsValidBucketName(bucket) {
		return s3err.GetBucketErr(s3err.ErrInvalidBucketName, bucket)
	}
	data, err := n.gw.GetBucketAcl(context.Background(), &s3.GetBucketAclInput{Bucket: &bucket})
	if err != nil {
		return err
	}
	acl, err := auth.ParseACL(data)
	if err != nil {
		return err
	}
	if acl.Owner == "" {
		acl.Owner = n.root.Access
	}
	if owner := ctx.Get("X-Amz-Expected-Bucket-Owner"); owner != "" && owner != acl.Owner {
		return s3err.GetAPIError(s3err.ErrAccessDenied)
	}
	account, _ := utils.ContextKeyAccount.Get(ctx).(auth.Account)
	isRoot, _ := utils.ContextKeyIsRoot.Get(ctx).(bool)
	return auth.VerifyAccess(ctx, n.gw, auth.AccessOptions{
		Acl: acl, AclPermission: permission, IsRoot: isRoot, Acc: account,
		Bucket: bucket, Actions: []auth.Action{action}, Iam: n.iam,
	})
}

// faultXML is S3's answer with the arguments that are at fault: the single one
// without a number, as in most errors, or each with its own.
func faultXML(fault *s3event.Error, requestID, hostID string) []byte {
	var b strings.Builder
	element := func(name, text string) {
		b.WriteString("<" + name + ">")
		_ = xml.EscapeText(&b, []byte(text)) // a Builder takes all
		b.WriteString("</" + name + ">")
	}
	b.WriteString(xml.Header + "<Error>")
	element("Code", fault.Code)
	element("Message", fault.Message)
	for i, argument := range fault.Arguments {
		number := ""
		if fault.Numbered {
			number = strconv.Itoa(i + 1)
		}
		element("ArgumentName"+number, argument.Name)
		element("ArgumentValue"+number, argument.Value)
	}
	element("RequestId", requestID)
	element("HostId", hostID)
	b.WriteString("</Error>")
	return []byte(b.String())
}
