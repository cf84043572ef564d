// Package s3event is what Amazon S3 says of an object, and who wants to hear
// it: events in the JSON that AWS sends, alone or wrapped in messages of SNS
// and SQS, and the notification configuration of a bucket in its XML. It
// encodes, decodes, checks and matches.
//
// It knows nothing of where events come from or how they are handed on.
package s3event

import (
	"cmp"
	"strings"
	"time"
)

// The events that this server's own S3 has, as Event.Name has them; a
// configuration writes "s3:" before. Events of other S3 servers may have other
// names.
const (
	CreatedPut      = "ObjectCreated:Put"
	CreatedPost     = "ObjectCreated:Post" // a form upload
	CreatedCopy     = "ObjectCreated:Copy"
	CreatedComplete = "ObjectCreated:CompleteMultipartUpload"
	RemovedDelete   = "ObjectRemoved:Delete"
	RemovedMarker   = "ObjectRemoved:DeleteMarkerCreated"
)

// Event is what happened to an object.
type Event struct {
	Name      string // for instance CreatedPut; without "s3:"
	Bucket    string
	Key       string // as it is, not as it is written in the JSON
	VersionID string // empty where the bucket has no versions
	ETag      string // without quotes; empty when removed
	Size      int64  // in bytes; 0 when removed
	// Sequencer tells which of two events of a key was later, see
	// CompareSequencers. It may be empty.
	Sequencer string
	Time      time.Time // to the millisecond; zero if the JSON had none

	Region          string
	Principal       string // who did it
	Owner           string // of the bucket
	SourceIP        string
	RequestID       string
	HostID          string // x-amz-id-2
	ConfigurationID string // the Target by which it was sent

	// Own says that this server wrote the object itself, as an output of a job:
	// no rule may make a job of it. The JSON does not have it, so it is false
	// in events that came from elsewhere.
	Own bool
}

// Created reports whether the event says that there is a new object.
func (e Event) Created() bool { return strings.HasPrefix(e.Name, "ObjectCreated:") }

// Removed reports whether the event says that there is an object less.
func (e Event) Removed() bool { return strings.HasPrefix(e.Name, "ObjectRemoved:") }

// CompareSequencers returns -1 if the event with the sequencer a came before
// the one with b, 1 if it came after, and 0 if they are the same one. That
// holds for two events of the same key only.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
func CompareSequencers(a, b string) int {
	n := max(len(a), len(b))
	return cmp.Compare(padRight(a, n), padRight(b, n))
}

func padRight(hex string, n int) string {
	return strings.ToUpper(hex) + strings.Repeat("0", n-len(hex))
}
