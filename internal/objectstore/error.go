package objectstore

import (
	"errors"
	"fmt"

	"github.com/aws/smithy-go"

	"etude/internal/transcode"
)

// causes tells what S3's error codes mean to the domain; "NotFound",
// "Forbidden" and "BadRequest" are what the SDK makes of an answer to HEAD,
// which has no body. The last two of ErrBadKey are the embedded server's, where
// a file and a directory would need the same name.
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
var causes = map[string]error{
	"NoSuchKey":                 transcode.ErrNoObject,
	"NoSuchVersion":             transcode.ErrNoObject,
	"NotFound":                  transcode.ErrNoObject,
	"NoSuchBucket":              transcode.ErrNoBucket,
	"InvalidBucketName":         transcode.ErrNoBucket,
	"PreconditionFailed":        transcode.ErrObjectExists,
	"AccessDenied":              transcode.ErrObjectDenied,
	"Forbidden":                 transcode.ErrObjectDenied,
	"InvalidAccessKeyId":        transcode.ErrObjectDenied,
	"SignatureDoesNotMatch":     transcode.ErrObjectDenied,
	"EntityTooLarge":            transcode.ErrTooLarge,
	"KeyTooLongError":           transcode.ErrBadKey,
	"ExistingObjectIsDirectory": transcode.ErrBadKey,
	"ObjectParentIsFile":        transcode.ErrBadKey,
}

// cause returns the domain's error for what S3 answered, and the answer; err
// itself and nil where the domain has none. It returns nil for nil.
func cause(err error) (answer smithy.APIError, known error) {
	if errors.As(err, &answer) {
		if known, ok := causes[answer.ErrorCode()]; ok {
			return answer, known
		}
	}
	return nil, err
}

// means reports whether S3 answered what is target to the domain.
func means(err, target error) bool {
	_, known := cause(err)
	return errors.Is(known, target)
}

// objectError says what could not be done to ref. For what the domain has an
// error, the SDK's long report of the request is left out.
func objectError(verb string, ref fmt.Stringer, err error) error {
	answer, known := cause(err)
	if answer == nil {
		return fmt.Errorf("%s %q: %w", verb, ref, err)
	}
	switch answer.ErrorCode() {
	case "ExistingObjectIsDirectory":
		return fmt.Errorf("%s %q: the embedded server keeps objects as files, and there are objects whose keys go on after this one with a slash: %w", verb, ref, known)
	case "ObjectParentIsFile":
		return fmt.Errorf("%s %q: the embedded server keeps objects as files, and a part of this key before a slash is an object already: %w", verb, ref, known)
	}
	if message := answer.ErrorMessage(); errors.Is(known, transcode.ErrObjectDenied) && message != "" {
		return fmt.Errorf("%s %q: S3 answers %q: %w", verb, ref, message, known)
	}
	return fmt.Errorf("%s %q: %w", verb, ref, known)
}
