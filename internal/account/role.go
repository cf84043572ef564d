package account

import (
	"fmt"
	"slices"
	"strings"
)

// Role says what an access key may do; the zero Role may do nothing.
type Role string

// The roles. Each may do what those before it may.
const (
	// ReadOnly may look: at pipelines, presets and jobs, buckets and objects,
	// topics and subscriptions.
	ReadOnly Role = "read-only"
	// Submitter may also make and cancel jobs, put and delete objects, and
	// subscribe to topics.
	Submitter Role = "submitter"
	// Admin may do everything.
	Admin Role = "admin"
)

var roles = []Role{ReadOnly, Submitter, Admin}

// Action is an operation in the words of IAM policies: the service, a colon,
// the operation, as in "s3:PutObject". Those of a service are listed at
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
type Action string

// reading has, by service, what the operations that change nothing begin with.
var reading = map[string][]string{
	"elastictranscoder": {"List", "Read"},
	"s3":                {"Get", "List"},
	"sns":               {"Get", "List"},
	"sts":               {"GetCallerIdentity"},
}

// submitting is what it takes to run jobs on files of one's own, and to be told
// how they end. TestRole is there for old programs, which call it first; it
// changes nothing. Who publishes could tell others of jobs that there are not,
// and who ends a subscription could keep theirs from them, so that is not here.
var submitting = []Action{
	"elastictranscoder:CreateJob",
	"elastictranscoder:CancelJob",
	"elastictranscoder:TestRole",

	"sns:Subscribe",
	"sns:ConfirmSubscription",

	"s3:PutObject",
	"s3:PutObjectTagging",
	"s3:PutObjectVersionTagging",
	"s3:DeleteObject",
	"s3:DeleteObjectVersion",
	"s3:DeleteObjectTagging",
	"s3:DeleteObjectVersionTagging",
	"s3:AbortMultipartUpload",
}

// May reports whether the role allows an action. This is the only place that
// says so: transports ask.
func (r Role) May(a Action) bool {
	switch r {
	case Admin:
		return true
	case Submitter:
		return a.reads() || slices.Contains(submitting, a)
	case ReadOnly:
		return a.reads()
	}
	return false
}

func (a Action) reads() bool {
	service, operation, _ := strings.Cut(string(a), ":")
	return slices.ContainsFunc(reading[service], func(verb string) bool { return strings.HasPrefix(operation, verb) })
}

// ParseRole returns the role of that name, or an error that wraps ErrBadRole.
func ParseRole(name string) (Role, error) {
	if role := Role(name); slices.Contains(roles, role) {
		return role, nil
	}
	return "", fmt.Errorf("role %.64q: %w", name, ErrBadRole)
}

// Refusal is what an identity is told that may not do an action, in AWS's
// words but for the reason. accountID is the number of the AWS account in ARNs.
func (i Identity) Refusal(a Action, accountID string) string {
	return fmt.Sprintf("User: %s is not authorized to perform: %s because the role of its access key is %s", i.ARN(accountID), a, i.Role)
}

// ARN names the identity as IAM does: the root access key is the account's
// root, any other is its user's.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
func (i Identity) ARN(accountID string) string {
	if i.Root {
		return "arn:aws:iam::" + accountID + ":root"
	}
	name := i.Email
	if name == "" {
		name = string(i.User)
	}
	return "arn:aws:iam::" + accountID + ":user/" + name
}
