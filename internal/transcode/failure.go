package transcode

import (
	"errors"
	"fmt"
	"path"
)

// inputFailure says which of Elastic Transcoder's errors a fault of the input
// object is; an error that is none of them is returned as it is, and is tried
// again. What the store said is for the operator, and called is what people know
// the object as.
func inputFailure(err error, ref ObjectRef, called string, limit int64) error {
	switch {
	case errors.Is(err, ErrNoObject), errors.Is(err, ErrBadKey):
		return &Failure{
			Code:   3001,
			Detail: fmt.Sprintf("The specified object does not exist in the specified S3 bucket: bucket=%s, key=%s.", ref.Bucket, ref.Key),
			Reason: called + " is not where it should be.",
			Remedy: "Upload it again.",
			Log:    err.Error(),
		}
	case errors.Is(err, ErrNoBucket):
		return noBucket(err, ref)
	case errors.Is(err, ErrObjectDenied):
		return &Failure{
			Code:   3003,
			Detail: fmt.Sprintf("Amazon Elastic Transcoder does not have permission to read the specified object: bucket=%s, key=%s.", ref.Bucket, ref.Key),
			Reason: called + " may not be read by this server.",
			Remedy: "Ask the operator to let Etude read the bucket " + ref.Bucket + ".",
			Log:    err.Error(),
		}
	case errors.Is(err, ErrTooLarge):
		return &Failure{
			Code:   4002,
			Detail: fmt.Sprintf("The input file is too large: bucket=%s, key=%s, max size=%d.", ref.Bucket, ref.Key, limit),
			Reason: fmt.Sprintf("%s is larger than %d MiB.", called, limit>>20),
			Remedy: "Cut it into smaller files, or ask the operator to raise the limit.",
		}
	}
	return fmt.Errorf("fetch %s: %w", ref, err)
}

// outputFailure is the same for an output's object.
func outputFailure(err error, ref ObjectRef) (*Failure, error) {
	switch {
	case errors.Is(err, ErrObjectExists):
		return &Failure{
			Code:   3002,
			Detail: fmt.Sprintf("The specified object could not be saved in the specified bucket because an object by that name already exists: bucket=%s, key=%s.", ref.Bucket, ref.Key),
			Reason: "There is a file of that name already, and nothing is ever overwritten.",
			Remedy: "Choose another name for the output, or delete the old file.",
		}, nil
	case errors.Is(err, ErrNoBucket):
		return noBucket(err, ref), nil
	case errors.Is(err, ErrObjectDenied):
		return &Failure{
			Code:   3004,
			Detail: fmt.Sprintf("Amazon Elastic Transcoder does not have permission to write to the specified bucket: bucket=%s, key=%s.", ref.Bucket, ref.Key),
			Reason: "This server is not allowed to store the result.",
			Remedy: "Ask the operator to let Etude write to the bucket " + ref.Bucket + ".",
			Log:    err.Error(),
		}, nil
	case errors.Is(err, ErrBadKey):
		return &Failure{
			Code:   3000,
			Detail: fmt.Sprintf("The specified object could not be saved in the specified bucket because its key cannot be stored: bucket=%s, key=%s.", ref.Bucket, ref.Key),
			Reason: "The result cannot be stored under the name that was asked for.",
			Remedy: "Choose an output key without . or .. between slashes and with at most 255 bytes between them.",
			Log:    err.Error(),
		}, nil
	}
	return nil, fmt.Errorf("store %s: %w", ref, err)
}

func noBucket(err error, ref ObjectRef) *Failure {
	return &Failure{
		Code:   3005,
		Detail: fmt.Sprintf("The specified S3 bucket does not exist: bucket=%s.", ref.Bucket),
		Reason: "The place for this file does not exist any more.",
		Remedy: "Ask the operator to make the bucket " + ref.Bucket + ", or to change the pipeline.",
		Log:    err.Error(),
	}
}

// calledFile is what an input is called to people.
func calledFile(key string, inputs int) string {
	if inputs == 1 {
		return "This file"
	}
	return "The file " + path.Base(key)
}

func emptyInput(called string) *Failure {
	return &Failure{
		Code:   4000,
		Detail: "Amazon Elastic Transcoder could not interpret the media file.",
		Reason: called + " is empty.",
		Remedy: "Check the file on your computer and upload it again.",
	}
}

func inputsTooLarge(limit int64) *Failure {
	return &Failure{
		Code:   4022,
		Detail: fmt.Sprintf("The combined size of the input files is too large: max size=%d.", limit),
		Reason: fmt.Sprintf("These files together are larger than %d MiB.", limit>>20),
		Remedy: "Join fewer of them, or ask the operator to raise the limit.",
	}
}
