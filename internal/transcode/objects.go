package transcode

import (
	"context"
	"errors"
	"time"
)

// ObjectRef names one object of a store: a bucket and a key in it. A key is
// data, never a path on a disk of ours.
type ObjectRef struct {
	Bucket string
	Key    string
}

// String returns the object as s3://bucket/key, for errors and logs.
func (r ObjectRef) String() string { return "s3://" + r.Bucket + "/" + r.Key }

// ObjectInfo is what a store says of an object.
type ObjectInfo struct {
	Size         int64  // bytes
	ETag         string // without quotes
	VersionID    string // empty where the bucket keeps no versions
	ContentType  string
	Origin       string // as given to Store; empty for objects of others
	LastModified time.Time
}

// What a store of objects answers; an implementation wraps them with the
// object it speaks of.
var (
	ErrNoObject     = errors.New("object does not exist")
	ErrNoBucket     = errors.New("bucket does not exist")
	ErrObjectExists = errors.New("an object by that name already exists")
	ErrObjectDenied = errors.New("access to the object is denied")
	ErrBadKey       = errors.New("key cannot be stored")
	ErrTooLarge     = errors.New("larger than the limit")
)

// Objects is what a job needs of a store of objects. All methods may be called
// at once from many goroutines.
type Objects interface {
	// Head returns what is known of the object, or ErrNoObject, ErrNoBucket,
	// ErrObjectDenied, ErrBadKey.
	Head(ctx context.Context, ref ObjectRef) (ObjectInfo, error)

	// Fetch copies the object into a new file at path. An object of more than
	// max bytes is ErrTooLarge. After an error no file is left.
	Fetch(ctx context.Context, ref ObjectRef, path string, max int64) (ObjectInfo, error)

	// Read returns all of an object of at most max bytes; a larger one is
	// ErrTooLarge.
	Read(ctx context.Context, ref ObjectRef, max int64) ([]byte, error)

	// Store puts the file at path under ref, whole or not at all, and never
	// over an object that is there: that is ErrObjectExists. The object keeps
	// origin, a short ASCII text, as user metadata "etude-origin".
	Store(ctx context.Context, path string, ref ObjectRef, contentType, origin string) (ObjectInfo, error)

	// Delete removes the object; one that is not there is no error.
	Delete(ctx context.Context, ref ObjectRef) error
}
