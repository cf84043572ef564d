package verify

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"etude/internal/snsmsg"
)

// MaxBody is the most that a message is in bytes: SNS takes 256 KiB, which
// JSON's escapes can make six times as long.
const MaxBody = 2 << 20

// MaxAge is how long after it was published a message is taken: it may come
// back from a dead-letter queue after 14 days.
const MaxAge = 15 * 24 * time.Hour

// maxAhead is how far the publisher's clock may be ahead.
const maxAhead = 15 * time.Minute

// Fault is why a message is refused.
type Fault int

// The faults.
const (
	Malformed  Fault = iota // it is no message of SNS's
	WrongTopic              // it is of a topic that nobody asked for
	Forged                  // its signature, or what it says of it, is not right
)

// Refusal is the error for a message that is not to be believed, now or later.
// Any other error is trouble of ours, as a certificate that cannot be had; the
// message may be sent again.
type Refusal struct {
	Fault  Fault
	Reason string // for the operator; has words of the message's
}

func (r *Refusal) Error() string { return "refuse message: " + r.Reason }

func refuse(f Fault, format string, args ...any) error {
	return &Refusal{f, fmt.Sprintf(format, args...)}
}

// IsFault reports whether err is a Refusal for that fault.
func IsFault(err error, f Fault) bool {
	var r *Refusal
	return errors.As(err, &r) && r.Fault == f
}

// Config is what a Verifier needs.
type Config struct {
	Topics []Topic // whose messages are taken; from ParseTopic
	// SHA1 takes signatures of version 1 too, which is what AWS's topics use that
	// are not set to version 2.
	SHA1 bool
	// Dial connects to where certificates are, and refuses addresses that nobody
	// should be led to.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Roots are trusted for TLS; nil means the system's.
	Roots *x509.CertPool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Verifier checks messages. It may be used at once from many goroutines.
type Verifier struct {
	topics map[string]Topic
	sha1   bool
	now    func() time.Time
	certs  *certificates
}

// New returns a Verifier.
func New(cfg Config) (*Verifier, error) {
	if cfg.Dial == nil {
		return nil, errors.New("configure verifier: Dial must be set")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	v := &Verifier{topics: map[string]Topic{}, sha1: cfg.SHA1, now: cfg.Now, certs: newCertificates(cfg)}
	for _, t := range cfg.Topics {
		if t.region == "" {
			return nil, fmt.Errorf("configure verifier: topic %q was not parsed", t.ARN)
		}
		v.topics[t.ARN] = t
	}
	return v, nil
}

// Takes reports whether messages of a topic are taken. What a request's header
// x-amz-sns-topic-arn says proves nothing, but one that is refused needs no
// reading.
func (v *Verifier) Takes(arn string) bool {
	_, ok := v.topics[arn]
	return ok
}

// Verify returns the message of a request, whatever the request's media type
// is. It uses the network only for a message of a topic that is taken, and only
// to fetch a certificate from where that topic's are. An error is a *Refusal,
// or trouble of ours.
func (v *Verifier) Verify(ctx context.Context, header http.Header, body []byte) (Message, error) {
	if len(body) > MaxBody {
		return Message{}, refuse(Malformed, "it has more than %d bytes", MaxBody)
	}
	e, err := parse(body)
	if err != nil {
		return Message{}, err
	}
	topic, ok := v.topics[e["TopicArn"]]
	if !ok {
		return Message{}, refuse(WrongTopic, "nobody asked for topic %.300q", e["TopicArn"])
	}
	for name, want := range map[string]string{snsmsg.HeaderTopic: topic.ARN, snsmsg.HeaderType: e["Type"], snsmsg.HeaderID: e["MessageId"]} {
		if got := header.Get(name); got != want {
			return Message{}, refuse(Forged, "its header %s is %.300q, and its body says %q", name, got, want)
		}
	}
	if err := v.checkSignature(ctx, topic, e); err != nil {
		return Message{}, err
	}
	m := e.message(topic)
	switch now := v.now(); {
	case m.Published.After(now.Add(maxAhead)):
		return Message{}, refuse(Forged, "it was published in the future, at %s", e["Timestamp"])
	case m.Published.Before(now.Add(-MaxAge)):
		return Message{}, refuse(Forged, "it was published long ago, at %s", e["Timestamp"])
	}
	return m, nil
}

func (v *Verifier) checkSignature(ctx context.Context, topic Topic, e envelope) error {
	switch version := e["SignatureVersion"]; {
	case version == "2", version == "1" && v.sha1:
	case version == "1":
		return refuse(Forged, "its SignatureVersion is 1, which is SHA-1: set the topic's attribute SignatureVersion to 2, or allow it")
	default:
		return refuse(Forged, "its SignatureVersion is %.40q", version)
	}
	if err := topic.checkCertificateURL(e["SigningCertURL"]); err != nil {
		return err
	}
	cert, err := v.certs.get(ctx, topic, e["SigningCertURL"])
	if err != nil {
		return err
	}
	if err := snsmsg.Verify(e.written(), cert); err != nil {
		return refuse(Forged, "%v", err)
	}
	return nil
}
