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

// cause returns the domain's error for what S3 answered, err itself where
// there is none, nil for nil.
func cause(err error) error {
	var answer smithy.APIError
	if errors.As(err, &answer) {
		if known, ok := causes[answer.ErrorCode()]; ok {
			return known
		}
	}
	return err
}

// objectError says what could not be done to ref. For what the domain has an
// error, the SDK's long report of the request is left out.
func objectError(verb string, ref fmt.Stringer, err error) error {
	known := cause(err)
	if known == err {
		return fmt.Errorf("%s %q: %w", verb, ref, err)
	}
	var answer smithy.APIError
	errors.As(err, &answer)
	switch answer.ErrorCode() {
	case "ExistingObjectIsDirectory":
		return fmt.Errorf("%s %q: the embedded server keeps objects as files, and there are objects whose keys go on after this one with a slash: %w", verb, ref, known)
	case "ObjectParentIsFile":
		return fmt.Errorf("%s %q: the embedded server keeps objects as files, and a part of this key before a slash is an object already: %w", verb, ref, known)
	}
	if message := answer.ErrorMessage(); known == transcode.ErrObjectDenied && message != "" {
		return fmt.Errorf("%s %q: S3 answers %q: %w", verb, ref, message, known)
	}
	return fmt.Errorf("%s %q: %w", verb, ref, known)
}
