package s3event

import (
	"strings"
)

// ARN is an Amazon Resource Name, cut at its colons.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
type ARN struct {
	Partition, Service, Region, Account string
	Resource                            string // may have colons and slashes
}

// ParseARN reports false if s is no ARN.
func ParseARN(s string) (ARN, bool) {
	part := strings.SplitN(s, ":", 6)
	if len(part) != 6 || part[0] != "arn" || part[1] == "" || part[2] == "" || part[5] == "" {
		return ARN{}, false
	}
	return ARN{Partition: part[1], Service: part[2], Region: part[3], Account: part[4], Resource: part[5]}, true
}

// FunctionName returns the name in the ARN of a function, without the version
// or alias that may follow; it is empty if it is none of a function.
func (a ARN) FunctionName() string {
	kind, rest, _ := strings.Cut(a.Resource, ":")
	if a.Service != "lambda" || kind != "function" {
		return ""
	}
	name, _, _ := strings.Cut(rest, ":")
	return name
}
