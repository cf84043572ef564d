package objectstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"

	"etude/internal/event"
	"etude/internal/s3event"
)

// Events keeps what happens to the server's objects, and the notification
// configurations of its buckets. It is an event.Service, which says more.
type Events interface {
	Wants(e s3event.Event) bool
	Begin(ctx context.Context, events ...s3event.Event) ([]event.Intent, error)
	End(ctx context.Context, happened []event.Intent, others ...event.Intent) error
	Pending(ctx context.Context) ([]event.Intent, error)

	Notification(bucket string) s3event.Configuration
	SetNotification(ctx context.Context, bucket string, c s3event.Configuration, opts event.SetNotificationOptions) error
	ForgetBucket(ctx context.Context, bucket string) error
}

// noEvents is for servers whose objects nobody wants to hear of.
type noEvents struct{ Events }

func (noEvents) Wants(s3event.Event) bool                        { return false }
func (noEvents) Pending(context.Context) ([]event.Intent, error) { return nil, nil }
func (noEvents) Notification(string) s3event.Configuration       { return s3event.Configuration{} }
func (noEvents) ForgetBucket(context.Context, string) error      { return nil }
func (noEvents) SetNotification(context.Context, string, s3event.Configuration, event.SetNotificationOptions) error {
	return &s3event.Error{Code: "InvalidArgument", Message: "This server sends no notifications"}
}

// keepTimeout bounds how long a request waits for the database.
const keepTimeout = 30 * time.Second

// recorder wraps changes of objects, so that no event is lost: an intent
// before, the event after and before the reply. What a crash leaves in between
// is found out by reconcile.
type recorder struct {
	events Events
	files  backend.Backend
	root   string // access key
	region string
	log    *slog.Logger

	mu     sync.Mutex
	inHand map[int64]bool // intents of requests that are served now
}

// errNotKept has clients try again what may not be lost.
var errNotKept = s3err.APIError{
	Code:           "ServiceUnavailable",
	Description:    "The event of this change could not be recorded. Please try again.",
	HTTPStatusCode: http.StatusServiceUnavailable,
}

const (
	// sourceIPHeader has the address that a request came from, for the gateway,
	// whose only peer is this process.
	sourceIPHeader = "Etude-Source-Ip"
	// sourceIP is where the gateway's context of a request has it.
	sourceIP = "etude-source-ip"
)

// keepSourceIP is a middleware of the gateway.
func keepSourceIP(ctx fiber.Ctx) error {
	ip := ctx.Get(sourceIPHeader)
	if ip == "" {
		ip = "127.0.0.1" // this process's own client
	}
	ctx.Locals(sourceIP, strings.Clone(ip))
	return ctx.Next()
}

// describe returns an event of the request. The gateway reuses the memory of
// its strings, so all are cloned.
func (r *recorder) describe(ctx context.Context, name string, bucket, key *string) s3event.Event {
	text := func(key string) string {
		s, _ := ctx.Value(key).(string)
		return strings.Clone(s)
	}
	account, _ := ctx.Value("account").(auth.Account)
	return s3event.Event{
		Name: name, Bucket: strings.Clone(deref(bucket)), Key: strings.Clone(deref(key)),
		Region: r.region, Principal: strings.Clone(account.Access), SourceIP: text(sourceIP),
		RequestID: text("request-id"), HostID: text("host-id"),
	}
}

// own reports whether an object with that metadata, put by e's principal, is
// one that this server wrote as the output of a job.
func (r *recorder) own(e s3event.Event, metadata map[string]string) bool {
	return e.Principal == r.root && metadata[writeTag] != ""
}

// context is for what has to be done for a request whether its client waits or
// not. That of the gateway has no end, and may not be kept.
func (r *recorder) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), keepTimeout)
}

func (r *recorder) begin(events ...s3event.Event) ([]event.Intent, error) {
	ctx, cancel := r.context()
	defer cancel()
	intents, err := r.events.Begin(ctx, events...)
	if err != nil {
		r.log.Error("event cannot be recorded, so the request is refused", "bucket", events[0].Bucket, "key", events[0].Key, "err", err)
		return nil, errNotKept
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range intents {
		r.inHand[i.ID] = true
	}
	return intents, nil
}

func (r *recorder) end(happened []event.Intent, others ...event.Intent) error {
	ctx, cancel := r.context()
	defer cancel()
	if err := r.events.End(ctx, happened, others...); err != nil {
		r.log.Error("event cannot be told; it will be tried again", "err", err)
		return errNotKept
	}
	return nil
}

// release leaves what was not ended to reconcile.
func (r *recorder) release(intents []event.Intent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range intents {
		delete(r.inHand, i.ID)
	}
}

// create has change make an object, which e is the event of. It completes e
// from what change returns.
func (r *recorder) create(e s3event.Event, change func(*s3event.Event) error) error {
	if !r.events.Wants(e) {
		return change(&e)
	}
	intents, err := r.begin(e)
	if err != nil {
		return err
	}
	defer r.release(intents)
	intent := intents[0]
	if err := change(&intent.Event); err != nil {
		r.failed(intent, err)
		return err
	}
	if err := syncObject(e.Bucket, e.Key); err != nil {
		r.log.Warn("object could not be synced to disk", "bucket", e.Bucket, "key", e.Key, "err", err)
	}
	intent.Event.ETag = strings.Clone(strings.Trim(intent.Event.ETag, `"`))
	intent.Event.VersionID = strings.Clone(intent.Event.VersionID)
	return r.end([]event.Intent{intent})
}

// failed ends the intent of a change that was answered with an error. In rare
// cases the object is there all the same.
func (r *recorder) failed(intent event.Intent, cause error) {
	var answer s3err.S3Error
	if errors.As(cause, &answer) && answer.StatusCode() == http.StatusPreconditionFailed {
		_ = r.end(nil, intent) // was logged
		return
	}
	happened, err := r.check(&intent, changedSince(intent, clockSlack))
	switch {
	case err != nil:
		r.log.Warn("object of a failed request could not be looked up", "bucket", intent.Event.Bucket, "key", intent.Event.Key, "err", err)
	case happened:
		_ = r.end([]event.Intent{intent}) // was logged
	default:
		_ = r.end(nil, intent) // was logged
	}
}

const (
	// clockSlack is how much the clock of files may be behind.
	clockSlack = 50 * time.Millisecond
	// crashSlack is more, as some filesystems keep no more than every second
	// one. An event too much is harmless, one too few is not.
	crashSlack = 2 * time.Second
)

func changedSince(intent event.Intent, slack time.Duration) func(time.Time) bool {
	since := intent.BeginTime.Add(-slack)
	return func(modified time.Time) bool { return !modified.Before(since) }
}

// check reports whether an intent came true, judging by the object that is
// there now, and completes its event.
func (r *recorder) check(intent *event.Intent, changed func(modified time.Time) bool) (bool, error) {
	e := &intent.Event
	ctx, cancel := r.context()
	defer cancel()
	head, err := r.files.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &e.Bucket, Key: &e.Key})
	switch {
	case isMissing(err):
		return e.Removed(), nil
	case err != nil:
		return false, err
	case e.Removed() || !changed(deref(head.LastModified)):
		return false, nil
	}
	r.complete(e, head)
	return true, nil
}

func isMissing(err error) bool {
	var answer s3err.S3Error
	return errors.As(err, &answer) && answer.StatusCode() == http.StatusNotFound
}

func (r *recorder) complete(e *s3event.Event, head *s3.HeadObjectOutput) {
	e.ETag, e.VersionID, e.Size = strings.Trim(deref(head.ETag), `"`), deref(head.VersionId), deref(head.ContentLength)
	if e.Name != s3event.CreatedCopy { // a copy of an output is nobody's output
		e.Own = r.own(*e, head.Metadata)
	}
}

// look completes e from the object as it is now.
func (r *recorder) look(e *s3event.Event) {
	ctx, cancel := r.context()
	defer cancel()
	head, err := r.files.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &e.Bucket, Key: &e.Key})
	if err != nil {
		r.log.Warn("new object could not be looked up", "bucket", e.Bucket, "key", e.Key, "err", err)
		return
	}
	etag, version := e.ETag, e.VersionID
	r.complete(e, head)
	e.ETag, e.VersionID = etag, version // another request may have replaced it already
}

// reconcile ends the intents that no request has in hand: it tells of those
// whose objects show that they came true, and forgets the others.
//
// It leaves out what was begun after the given time, if that is not zero: a
// request may not have it in hand yet.
func (r *recorder) reconcile(ctx context.Context, before time.Time) error {
	pending, err := r.events.Pending(ctx)
	if err != nil {
		return fmt.Errorf("reconcile events: %w", err)
	}
	var happened, others []event.Intent
	for _, intent := range pending {
		if r.has(intent) || !before.IsZero() && intent.BeginTime.After(before) {
			continue
		}
		changed := changedSince(intent, crashSlack)
		if intent.Event.Name == s3event.CreatedCopy || strings.HasSuffix(intent.Event.Key, "/") {
			// The time does not tell: a copy onto itself changes none, nor does a
			// directory that was there.
			changed = func(time.Time) bool { return true }
		}
		yes, err := r.check(&intent, changed)
		switch {
		case err != nil:
			r.log.Warn("object of an unfinished request could not be looked up", "bucket", intent.Event.Bucket, "key", intent.Event.Key, "err", err)
		case yes:
			happened = append(happened, intent)
		default:
			others = append(others, intent)
		}
	}
	if len(happened)+len(others) == 0 {
		return nil
	}
	if err := r.events.End(ctx, happened, others...); err != nil {
		return fmt.Errorf("reconcile events: %w", err)
	}
	r.log.Info("unfinished requests reconciled with the objects that are there", "told", len(happened), "dropped", len(others))
	return nil
}

func (r *recorder) has(intent event.Intent) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inHand[intent.ID]
}

// syncObject makes an object outlive a power cut, as the event of it does. Its
// directories may be new.
func syncObject(bucket, key string) error {
	path := filepath.Join(bucket, key)
	for {
		if err := syncFile(path); err != nil {
			return err
		}
		if path == bucket {
			return nil
		}
		path = filepath.Dir(path)
	}
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // it was deleted already
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// PutObject also serves the form upload, whose key is a field of the form.
func (g *gateway) PutObject(ctx context.Context, in s3response.PutObjectInput) (out s3response.PutObjectOutput, err error) {
	if err := keyFault(deref(in.Key)); err != nil {
		return out, err
	}
	if err := g.checkSize(ctx, deref(in.ContentLength)); err != nil {
		return out, err
	}
	e := g.describe(ctx, s3event.CreatedPut, in.Bucket, in.Key)
	if ctx.Value("object-post-result") != nil {
		e.Name = s3event.CreatedPost
	}
	e.Own = g.own(e, in.Metadata)
	err = g.create(e, func(e *s3event.Event) error {
		out, err = g.Backend.PutObject(ctx, in)
		e.ETag, e.VersionID, e.Size = out.ETag, out.VersionID, deref(in.ContentLength)
		if out.Size != nil {
			e.Size = *out.Size
		}
		return err
	})
	return out, err
}

func (g *gateway) CopyObject(ctx context.Context, in s3response.CopyObjectInput) (out s3response.CopyObjectOutput, err error) {
	if err := checkCopySource(deref(in.CopySource)); err != nil {
		return out, err
	}
	err = g.create(g.describe(ctx, s3event.CreatedCopy, in.Bucket, in.Key), func(e *s3event.Event) error {
		out, err = g.Backend.CopyObject(ctx, in)
		if err != nil {
			return err
		}
		if out.CopyObjectResult != nil {
			e.ETag = deref(out.CopyObjectResult.ETag)
		}
		e.VersionID = deref(out.VersionId)
		g.look(e)
		return nil
	})
	return out, err
}

func (g *gateway) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (out s3response.CompleteMultipartUploadResult, version string, err error) {
	if g.limited(ctx) {
		size, err := g.uploadedSize(ctx, in)
		if err == nil {
			err = g.checkSize(ctx, size)
		}
		if err != nil {
			return out, "", err
		}
	}
	err = g.create(g.describe(ctx, s3event.CreatedComplete, in.Bucket, in.Key), func(e *s3event.Event) error {
		out, version, err = g.Backend.CompleteMultipartUpload(ctx, in)
		if err != nil {
			return err
		}
		e.ETag, e.VersionID = deref(out.ETag), version
		g.look(e)
		return nil
	})
	return out, version, err
}

// removable returns the event of an object's removal, if somebody wants to hear
// of it and the object is there: S3 says nothing of what was not.
func (g *gateway) removable(ctx context.Context, bucket, key, version *string) (s3event.Event, bool) {
	e := g.describe(ctx, s3event.RemovedDelete, bucket, key)
	e.VersionID = strings.Clone(deref(version))
	if !g.events.Wants(e) {
		return e, false
	}
	look, cancel := g.context()
	defer cancel()
	_, err := g.files.HeadObject(look, &s3.HeadObjectInput{Bucket: &e.Bucket, Key: &e.Key, VersionId: version})
	return e, !isMissing(err)
}

func (g *gateway) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	e, wanted := g.removable(ctx, in.Bucket, in.Key, in.VersionId)
	if !wanted {
		return g.Backend.DeleteObject(ctx, in)
	}
	intents, err := g.begin(e)
	if err != nil {
		return nil, err
	}
	defer g.release(intents)
	out, err := g.Backend.DeleteObject(ctx, in)
	if err != nil {
		g.failed(intents[0], err)
		return out, err
	}
	if err := g.end(intents); err != nil {
		return nil, err
	}
	return out, nil
}

func (g *gateway) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput) (s3response.DeleteResult, error) {
	refused := g.leaveOutBadKeys(in)
	var events []s3event.Event
	for _, object := range in.Delete.Objects {
		if e, wanted := g.removable(ctx, in.Bucket, object.Key, object.VersionId); wanted {
			events = append(events, e)
		}
	}
	var intents []event.Intent
	if events != nil {
		var err error
		if intents, err = g.begin(events...); err != nil {
			return s3response.DeleteResult{}, err
		}
		defer g.release(intents)
	}
	res, err := g.Backend.DeleteObjects(ctx, in)
	if err == nil {
		err = g.endDeleted(intents, res.Deleted)
	}
	if err != nil {
		return s3response.DeleteResult{}, err
	}
	res.Error = append(res.Error, refused...)
	return res, nil
}

// endDeleted ends the intents of those that were deleted; the others are found
// out one by one.
func (g *gateway) endDeleted(intents []event.Intent, deleted []types.DeletedObject) error {
	gone := make(map[string]bool)
	for _, object := range deleted {
		gone[deref(object.Key)] = true
	}
	var happened []event.Intent
	for _, intent := range intents {
		if gone[intent.Event.Key] {
			happened = append(happened, intent)
		} else {
			g.failed(intent, nil)
		}
	}
	if happened == nil {
		return nil
	}
	return g.end(happened)
}

// leaveOutBadKeys takes the objects from in whose keys cannot be.
func (g *gateway) leaveOutBadKeys(in *s3.DeleteObjectsInput) (refused []types.Error) {
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
	return refused
}

// DeleteBucket has the bucket's notification configuration end with it.
func (g *gateway) DeleteBucket(ctx context.Context, bucket string) error {
	bucket = strings.Clone(bucket)
	if err := g.Backend.DeleteBucket(ctx, bucket); err != nil {
		return err
	}
	keep, cancel := g.context()
	defer cancel()
	if err := g.events.ForgetBucket(keep, bucket); err != nil {
		g.log.Error("notification configuration of a deleted bucket is left", "bucket", bucket, "err", err)
	}
	return nil
}
