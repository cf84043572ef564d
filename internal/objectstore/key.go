package objectstore

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	// maxKey is S3's limit, in bytes:
	// https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
	maxKey = 1024

	// maxSegment is how long a file name may be (255 bytes nearly everywhere)
	// less the 28 bytes that the gateway adds to it while it replaces a file.
	maxSegment = 255 - 28

	// reservedSegment is where the gateway keeps the parts of unfinished
	// uploads, inside of each bucket. It does not guard them, and leaves
	// directories of that name out of listings wherever they are.
	reservedSegment = ".sgwtmp"
)

// checkKey returns why no S3 can hold an object of that key, or nil.
func checkKey(key string) error {
	switch {
	case key == "":
		return errors.New("it is empty")
	case len(key) > maxKey:
		return fmt.Errorf("it has %d bytes; S3 takes at most %d", len(key), maxKey)
	case !utf8.ValidString(key):
		return errors.New("it is not UTF-8")
	}
	return nil
}

// checkFileKey returns why the embedded server, which keeps objects as files,
// cannot hold an object of that key, or nil. It refuses every key that would
// name the same file as another one: the gateway joins paths, and would take
// "a/../b" and "a//b" for "b" and "a/b".
func checkFileKey(key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if strings.ContainsRune(key, 0) {
		return errors.New("it has a zero byte")
	}
	// One slash at the end is S3's custom for an empty folder.
	for segment := range strings.SplitSeq(strings.TrimSuffix(key, "/"), "/") {
		switch {
		case segment == "":
			return errors.New("it begins with a slash or has two in a row; this server keeps objects as files and cannot tell them apart from one")
		case segment == "." || segment == "..":
			return fmt.Errorf("it has the part %q, which means a directory; leave it out", segment)
		case segment == reservedSegment:
			return fmt.Errorf("it has the part %q, which is reserved for unfinished uploads", segment)
		case len(segment) > maxSegment:
			return fmt.Errorf("it has %d bytes between two slashes; this server keeps objects as files, whose names take at most %d", len(segment), maxSegment)
		}
	}
	return nil
}
