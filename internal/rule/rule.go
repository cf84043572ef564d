package rule

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"etude/internal/transcode"
)

// Rule says which objects become jobs, and which jobs.
type Rule struct {
	Name string // letters, digits, - and _; unique
	// Bucket, Prefix and Suffixes say which objects: those of the bucket whose
	// keys begin with Prefix and end with one of Suffixes, of which none means
	// any. Without a Bucket it is only for what a bucket's notification
	// configuration sends to it.
	Bucket   string
	Prefix   string
	Suffixes []string

	Pipeline        string // its id, or the name that exactly one pipeline has
	OutputKeyPrefix string
	Outputs         []Output
	UserMetadata    map[string]string
	// Owner is the user who is told of the jobs where it is not known who has
	// written the object.
	Owner string
	// MaxPerHour is how many jobs it may make in an hour, on one node; one more
	// and it is paused. 0 means DefaultMaxPerHour.
	MaxPerHour int

	Enabled bool
	// Paused is why the rule has been stopped without anybody's asking; empty if
	// it was not. To enable it lets it go on.
	Paused     string
	Source     Source
	CreateTime time.Time
}

// Output is one output of the jobs that a rule makes.
type Output struct {
	PresetID transcode.PresetID
	// KeyPattern is what its key is made of, without the OutputKeyPrefix; see
	// Placeholders.
	KeyPattern string
}

// Source says who keeps a rule.
type Source string

// The sources. Rules of a file are what the file says whenever the server
// starts.
const (
	Kept     Source = ""
	FromFile Source = "file"
)

// DefaultMaxPerHour is more than one machine transcodes: only what feeds itself
// comes near.
const DefaultMaxPerHour = 200_000

// Active reports whether the rule makes jobs.
func (r *Rule) Active() bool { return r.Enabled && r.Paused == "" }

// watches are the objects that the rule takes by itself.
func (r *Rule) watches() []watch {
	if r.Bucket == "" {
		return nil
	}
	return []watch{{r.Name, r.Bucket, r.Prefix, r.Suffixes}}
}

// Refusal says why the rule does not take an object; it is empty if it does.
func (r *Rule) Refusal(ref transcode.ObjectRef) string {
	switch {
	case r.Bucket == "":
		return "it takes only what a bucket's notification configuration sends to it"
	case r.Bucket != ref.Bucket:
		return fmt.Sprintf("it takes objects of the bucket %q, this one is of %q", r.Bucket, ref.Bucket)
	case !strings.HasPrefix(ref.Key, r.Prefix):
		return fmt.Sprintf("it takes keys that begin with %q", r.Prefix)
	case len(r.Suffixes) > 0 && !slices.ContainsFunc(r.Suffixes, func(s string) bool { return strings.HasSuffix(ref.Key, s) }):
		return fmt.Sprintf("it takes keys that end with %s", quoted(r.Suffixes))
	}
	return folderRefusal(ref.Key)
}

// folderRefusal is about what only stands for a folder.
func folderRefusal(key string) string {
	if key == "" || strings.HasSuffix(key, "/") {
		return "its key ends with a slash, as that of an empty folder does"
	}
	return ""
}

func quoted(all []string) string {
	q := make([]string, len(all))
	for i, s := range all {
		q[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(q, " or ")
}

// Limits of a rule.
const (
	maxSuffixes = 50
	maxKey      = 1024 // bytes, S3's
	maxPattern  = 512  // bytes
)

var (
	nameForm   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	bucketForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
)

// Check returns every fault of a rule that shows without looking at anything
// else, each with the member's name.
func (r *Rule) Check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !nameForm.MatchString(r.Name) {
		fault("name %.80q: it must have 1 to 64 letters, digits, - and _", r.Name)
	}
	if r.Bucket != "" && !bucketForm.MatchString(r.Bucket) {
		fault("bucket %.80q: S3 wants 3 to 63 lower-case letters, digits, dots and hyphens", r.Bucket)
	}
	if r.Bucket == "" && (r.Prefix != "" || len(r.Suffixes) > 0) {
		fault("bucket: a rule with a prefix or a suffix must name one")
	}
	if len(r.Prefix) > maxKey {
		fault("prefix: it has %d bytes, keys have at most %d", len(r.Prefix), maxKey)
	}
	if len(r.Suffixes) > maxSuffixes {
		fault("suffixes: there are %d, at most %d are possible", len(r.Suffixes), maxSuffixes)
	}
	for _, s := range r.Suffixes {
		if s == "" || len(s) > maxKey {
			fault("suffix %.80q: it must have 1 to %d bytes; without any suffix a rule takes all", s, maxKey)
		}
	}
	if r.Pipeline == "" {
		fault("pipeline: name one, by its id or its name")
	}
	if len(r.OutputKeyPrefix) > maxPattern {
		fault("output key prefix: it has %d bytes, at most %d are possible", len(r.OutputKeyPrefix), maxPattern)
	}
	if r.MaxPerHour < 0 {
		fault("max per hour %d: it must be 0 or more", r.MaxPerHour)
	}
	faults = append(faults, r.checkOutputs()...)
	return errors.Join(faults...)
}

func (r *Rule) checkOutputs() (faults []error) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if len(r.Outputs) == 0 || len(r.Outputs) > transcode.MaxOutputs {
		fault("outputs: there are %d, from 1 to %d are possible", len(r.Outputs), transcode.MaxOutputs)
	}
	seen := map[string]bool{}
	for i, o := range r.Outputs {
		if o.PresetID == "" {
			fault("output %d has no preset", i+1)
		}
		if err := checkPattern(o.KeyPattern); err != nil {
			fault("output %d: %w", i+1, err)
		}
		if pair := o.KeyPattern + "\x00" + string(o.PresetID); seen[pair] {
			fault("output %d is the same as an earlier one", i+1)
		} else {
			seen[pair] = true
		}
	}
	return faults
}
