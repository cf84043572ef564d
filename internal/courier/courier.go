// Package courier hands messages to the endpoints of subscriptions: by HTTP, to
// SQS queues, by e-mail, and to topics at AWS. What it sends is what Amazon SNS
// sends.
//
// It tries once and tells how that went. When to try again, what is owed to
// whom, and what a message is about, others know.
package courier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"etude/internal/notify"
	"etude/internal/outbound"
	"etude/internal/snsmsg"
)

// tryTime is how long an endpoint may take to answer, as at SNS.
const tryTime = 15 * time.Second

// Config is what a Courier needs.
type Config struct {
	// Sign signs a message; the URL of the certificate begins with base.
	Sign func(m *snsmsg.Message, version, base string) error
	// Base is the URL at which this server's SNS is reached by those who get
	// messages: the links in them begin so. It is asked once a message.
	Base func() string
	// Guard says which addresses HTTP may reach.
	Guard *outbound.Guard
	// AWS is how SQS and SNS at AWS are reached; without it there are neither.
	AWS *AWS
	// Mail is how e-mail is sent; without it there is none.
	Mail   *Mail
	Logger *slog.Logger
}

// AWS is how AWS is reached.
type AWS struct {
	// Load returns AWS's configuration, with credentials, for a region.
	Load func(ctx context.Context, region string) (aws.Config, error)
	// SQSEndpoint is an SQS that is not AWS's, by its URL; empty for AWS's.
	SQSEndpoint string
	// SNSEndpoint is the same for SNS.
	SNSEndpoint string
}

// Courier delivers. All methods may be called at once from many goroutines.
type Courier struct {
	cfg    Config
	client *http.Client
	aws    *awsClients // nil without AWS
}

// New returns a Courier. The caller closes it.
func New(cfg Config) (*Courier, error) {
	if cfg.Sign == nil || cfg.Base == nil || cfg.Guard == nil || cfg.Logger == nil {
		return nil, errors.New("configure courier: Sign, Base, Guard and Logger must be set")
	}
	if cfg.Mail != nil {
		if err := cfg.Mail.check(); err != nil {
			return nil, fmt.Errorf("configure courier: %w", err)
		}
	}
	c := &Courier{cfg: cfg, client: &http.Client{Transport: cfg.Guard.Transport(), CheckRedirect: outbound.NoRedirect}}
	if cfg.AWS != nil {
		c.aws = newAWSClients(*cfg.AWS)
	}
	return c, nil
}

// Close closes the connections that are kept for the next message.
func (c *Courier) Close() { c.client.CloseIdleConnections() }

// Deliver has what delivers by each protocol that c was configured for.
func (c *Courier) Deliver() map[notify.Protocol]notify.DeliverFunc {
	all := map[notify.Protocol]notify.DeliverFunc{notify.HTTP: c.post, notify.HTTPS: c.post}
	if c.aws != nil {
		all[notify.SQS], all[notify.Elsewhere] = c.send, c.publish
	}
	if c.cfg.Mail != nil {
		all[notify.Email], all[notify.EmailJSON] = c.mail, c.mail
	}
	return all
}

// Envelope is the signed message that a parcel brings.
func (c *Courier) Envelope(p *notify.Parcel) (*snsmsg.Message, error) {
	m, base := &p.Message, c.cfg.Base()
	e := &snsmsg.Message{
		Type: string(m.Type), MessageID: string(m.ID), TopicARN: string(m.Topic),
		Message: m.BodyFor(p.Subscription.Protocol), Timestamp: snsmsg.FormatTime(m.PublishTime),
	}
	if m.Type == notify.Notification {
		e.Subject = m.Subject
		e.UnsubscribeURL = snsmsg.UnsubscribeURL(base, string(p.Subscription.ARN))
		e.Attributes = make(map[string]snsmsg.Attribute, len(m.Attributes))
		for name, a := range m.Attributes {
			e.Attributes[name] = snsmsg.Attribute(a)
		}
	} else {
		e.Token = p.Token
		e.SubscribeURL = snsmsg.SubscribeURL(base, string(m.Topic), p.Token)
	}
	version := p.Topic.Attributes[notify.SignatureVersion]
	if version == "" {
		version = "1"
	}
	if err := c.cfg.Sign(e, version, base); err != nil {
		return nil, err
	}
	return e, nil
}
