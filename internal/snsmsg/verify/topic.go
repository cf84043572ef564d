package verify

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"etude/internal/snsmsg"
)

// Topic is one whose messages are taken.
type Topic struct {
	ARN string
	// Endpoint is where an Etude that has the topic is reached, for instance
	// https://etude.example.com; empty for a topic of AWS's. Certificates that
	// come over plain http are worth what the network in between is.
	Endpoint string

	region, suffix string // suffix ends AWS's host names in the ARN's partition
}

var (
	topicForm = regexp.MustCompile(`^arn:(aws|aws-cn|aws-us-gov):sns:([a-z]{2}(?:-[a-z]+)+-\d):\d{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?$`)
	suffixes  = map[string]string{"aws": "amazonaws.com", "aws-cn": "amazonaws.com.cn", "aws-us-gov": "amazonaws.com"}
)

// ParseTopic reads a topic as it is configured: its ARN, and for a topic of
// another Etude an equals sign and the URL where that is reached.
func ParseTopic(text string) (Topic, error) {
	arn, endpoint, elsewhere := strings.Cut(strings.TrimSpace(text), "=")
	m := topicForm.FindStringSubmatch(arn)
	if m == nil {
		return Topic{}, fmt.Errorf("topic %.300q: an ARN is like arn:aws:sns:eu-west-1:000000000000:name", arn)
	}
	t := Topic{ARN: arn, region: m[2], suffix: suffixes[m[1]]}
	if !elsewhere {
		return t, nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return Topic{}, fmt.Errorf("endpoint %.300q of topic %s: it must be like https://etude.example.com", endpoint, arn)
	}
	t.Endpoint = u.Scheme + "://" + strings.ToLower(u.Host)
	return t, nil
}

// Region is the one in the ARN.
func (t Topic) Region() string { return t.region }

// checkCertificateURL says what is wrong with the place that a message claims
// its certificate to be at. The host must be the one of the topic's region:
// patterns that are about for it also match hosts of buckets, where anybody may
// put a certificate.
func (t Topic) checkCertificateURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || len(raw) > 300 {
		return refuse(Forged, "its SigningCertURL is no URL")
	}
	want := "https://sns." + t.region + "." + t.suffix
	if t.Endpoint != "" {
		want = t.Endpoint
	}
	if u.Scheme+"://"+u.Host != want {
		return refuse(Forged, "its SigningCertURL leads to %.200q, not to %s", u.Scheme+"://"+u.Host, want)
	}
	if _, ok := snsmsg.CertificateHash(u.EscapedPath()); !ok || u.User != nil || strings.ContainsAny(raw, "?#") {
		return refuse(Forged, "its SigningCertURL %.300q does not have the form of one", raw)
	}
	return nil
}

// signers are the names of which AWS's certificates have one:
// sns.amazonaws.com in the old regions, names of their own in those that came
// later and in other partitions. An Etude's have the first.
func (t Topic) signers() []string {
	return []string{
		snsmsg.CommonName,
		"sns-signing." + t.region + "." + t.suffix,
		"sns." + t.region + "." + t.suffix,
		"sns-" + t.region + "." + t.suffix,
		"sns-us-gov-west-1.amazonaws.com", // signs for both regions of its partition
	}
}
