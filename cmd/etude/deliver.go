package main

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"etude/internal/courier"
	"etude/internal/etapi"
	"etude/internal/listen"
	"etude/internal/notify"
	"etude/internal/outbound"
	"etude/internal/queue"
	"etude/internal/signkey"
	"etude/internal/snsmsg"
	"etude/internal/transcode"
)

// deliveryConfig is how messages are delivered.
type deliveryConfig struct {
	AllowEndpoints string   `env:"ETUDE_ALLOW_ENDPOINTS" help:"Networks besides the public Internet that messages may be sent to, as 10.0.0.0/8,192.168.1.5; none for no other. Without it: this machine itself (127.0.0.0/8, ::1), if the database is the embedded one." placeholder:"CIDR,..."`
	SMTP           string   `name:"smtp" env:"ETUDE_SMTP" help:"Mail server for subscriptions by e-mail; smtps:// for TLS from the beginning. Better set in the environment than here." placeholder:"smtp://USER:PASSWORD@HOST:587"`
	MailFrom       string   `env:"ETUDE_MAIL_FROM" help:"Sender of the e-mails." placeholder:"ADDRESS"`
	AWSTopics      []string `name:"aws-topics" env:"ETUDE_AWS_TOPICS" help:"Topics at AWS that pipelines may name, as ARNs; one that ends with * means all that begin so. Credentials come from where AWS's tools look for them." placeholder:"ARN,..."`
	SQSEndpoint    string   `name:"sqs-endpoint" env:"ETUDE_SQS_ENDPOINT" help:"An SQS that is not AWS's, for subscriptions by sqs." placeholder:"URL"`
	SNSEndpoint    string   `name:"sns-endpoint" env:"ETUDE_SNS_ENDPOINT" help:"An SNS that is not AWS's, for --aws-topics." placeholder:"URL"`

	RetryFor    time.Duration `default:"72h" env:"ETUDE_RETRY_FOR" help:"How long a message is tried again that an endpoint has not taken, after the retries of SNS's schedule; 0 means not at all, as at AWS." placeholder:"TIME"`
	KeepMessage time.Duration `name:"keep-messages" default:"720h" env:"ETUDE_KEEP_MESSAGES" help:"How long messages are kept that were delivered; 0 means for ever. Dead letters stay." placeholder:"TIME"`
}

func (c *deliveryConfig) check(fault func(format string, args ...any)) {
	for flag, d := range map[string]time.Duration{"--retry-for": c.RetryFor, "--keep-messages": c.KeepMessage} {
		if d < 0 {
			fault("%s %s: it must be 0 or more", flag, d)
		}
	}
	if _, err := outbound.ParseNetworks(c.AllowEndpoints); err != nil && c.AllowEndpoints != "none" {
		fault("--allow-endpoints: %w", err)
	}
	if (c.SMTP == "") != (c.MailFrom == "") {
		fault("ETUDE_SMTP and ETUDE_MAIL_FROM: set both or none")
	}
	for _, topic := range c.AWSTopics {
		if !awsTopicForm.MatchString(topic) {
			fault("--aws-topics %q: it must be the ARN of a topic, or the beginning of some and *", topic)
		}
	}
	for flag, raw := range map[string]string{"--sqs-endpoint": c.SQSEndpoint, "--sns-endpoint": c.SNSEndpoint} {
		if u, err := url.Parse(raw); raw != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
			fault("%s %q: it must be an http or https URL", flag, raw)
		}
	}
}

// awsTopicForm holds that at least region and account are named: no pattern
// takes the topics of this server for AWS's by accident.
var awsTopicForm = regexp.MustCompile(`^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:([A-Za-z0-9_-]{1,256}|[A-Za-z0-9_-]{0,255}\*)$`)

// allowed are the networks that messages may be sent to besides the public
// Internet.
func (c *config) allowed() []netip.Prefix {
	switch {
	case c.AllowEndpoints == "none":
		return nil
	case c.AllowEndpoints == "" && c.DatabaseURL == "":
		return outbound.Loopback
	}
	networks, _ := outbound.ParseNetworks(c.AllowEndpoints) // checked before
	return networks
}

// isAWSTopic reports whether a topic is one of AWS's. This server's own never
// are.
func (c *config) isAWSTopic(arn notify.TopicARN) bool {
	if strings.HasPrefix(string(arn), "arn:aws:sns:"+c.Region+":"+c.Account+":") {
		return false
	}
	return slices.ContainsFunc(c.AWSTopics, func(pattern string) bool {
		begin, many := strings.CutSuffix(pattern, "*")
		return string(arn) == pattern || many && strings.HasPrefix(string(arn), begin)
	})
}

// openNotify opens topics and what delivers their messages. Nothing is delivered
// before startDelivery.
func (s *server) openNotify(ctx context.Context) (err error) {
	s.signing, err = signkey.Open(ctx, signkey.Config{Store: s.store, Master: s.cred.MasterKey, Logger: s.log})
	if err != nil {
		return err
	}
	guard := outbound.New(s.allowed())
	s.courier, err = s.newCourier(guard)
	if err != nil {
		return err
	}
	s.onClose(func(context.Context) error { s.courier.Close(); return nil })
	cfg := notify.Config{
		Store: s.store, Logger: s.log, Region: s.Region, Account: s.Account, Node: s.cred.Node,
		RetryFor: s.RetryFor, KeepFor: s.KeepMessage,
		Deliver: s.courier.Deliver(), Redrive: s.courier.Redrive, IsElsewhere: s.isAWSTopic, CheckURL: guard.CheckURL,
	}
	cfg.Deliver[notify.Site] = s.deliverToSite
	cfg.Deliver[listen.Protocol] = func(ctx context.Context, p notify.Parcel) (notify.Answer, error) { return s.listeners.Deliver(ctx, p) }
	tokens, err := hkdf.Key(sha256.New, s.cred.MasterKey[:], nil, "confirmation tokens", len(cfg.TokenKey))
	if err != nil {
		return fmt.Errorf("derive the key of confirmation tokens: %w", err)
	}
	copy(cfg.TokenKey[:], tokens)
	if s.notify, err = notify.New(cfg); err != nil {
		return err
	}
	return s.openListen()
}

func (s *server) newCourier(guard *outbound.Guard) (*courier.Courier, error) {
	cfg := courier.Config{
		Sign: s.signing.Sign, Base: func() string { return s.linkBase }, Guard: guard, Logger: s.log,
		AWS: &courier.AWS{Load: loadAWS, SQSEndpoint: s.SQSEndpoint, SNSEndpoint: s.SNSEndpoint},
	}
	if s.SMTP != "" {
		cfg.Mail = &courier.Mail{Server: s.SMTP, From: s.MailFrom, Letter: s.letter}
	}
	return courier.New(cfg)
}

// loadAWS reads the configuration and credentials that AWS's tools would use.
func loadAWS(ctx context.Context, region string) (aws.Config, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(region))
	if err != nil {
		return cfg, fmt.Errorf("load AWS's configuration: %w", err)
	}
	return cfg, nil
}

// mailLinkLife is how long the download links in e-mails work: as long as S3
// lets them.
const mailLinkLife = 7 * 24 * time.Hour

// letter words the notifications of jobs for people, with links to what was
// made.
func (s *server) letter(ctx context.Context, m *notify.Message) (*courier.Letter, error) {
	event, err := etapi.ParseNotification(m.BodyFor(notify.Email))
	if err != nil {
		return nil, nil //nolint:nilerr // it is of something else, and goes as it is
	}
	job, err := s.jobs.ReadJob(ctx, event.JobID)
	if transcode.IsKind(err, transcode.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if event.State != "COMPLETED" && event.State != "ERROR" {
		return &courier.Letter{Text: fmt.Sprintf("Your file %s is being processed.", path.Base(event.Input.Key)), Note: "Job " + string(job.ID)}, nil
	}
	_, text := sayHowItEnded(job)
	l := &courier.Letter{Text: text, Note: "Job " + string(job.ID)}
	pipeline, err := s.jobs.ReadPipeline(ctx, job.Pipeline)
	if transcode.IsKind(err, transcode.NotFound) {
		return l, nil
	}
	if err != nil {
		return nil, err
	}
	for _, o := range job.Outputs {
		if o.Status != transcode.Complete || o.SegmentDuration != "" {
			continue
		}
		ref := transcode.ObjectRef{Bucket: pipeline.Content.Bucket, Key: job.OutputKeyPrefix + o.Key}
		link, err := s.objects.PresignGet(ctx, s.downloadBase(), ref, path.Base(o.Key), mailLinkLife)
		if err != nil {
			return nil, err
		}
		l.Links = append(l.Links, courier.Link{Name: "Download " + path.Base(o.Key), URL: link})
	}
	if len(l.Links) > 0 {
		l.Note = "The links work for 7 days, for everybody who has them. " + l.Note
	}
	return l, nil
}

// downloadBase is where browsers find objects.
func (s *server) downloadBase() string {
	if base := s.publicEdge(); base != "" {
		return base
	}
	return s.linkBase
}

// startDelivery delivers from now on until close.
func (s *server) startDelivery(ctx context.Context, edgeAddr net.Addr) {
	s.linkBase = s.EdgeURL
	if s.linkBase == "" {
		s.linkBase = httpURL(edgeAddr)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- s.notify.Work(ctx, s.Drain) }()
	if s.AllowEndpoints == "" && s.DatabaseURL == "" {
		s.log.Info("messages may be sent to this machine itself (127.0.0.0/8, ::1); say --allow-endpoints none where others may subscribe")
	}
	s.onClose(func(context.Context) error {
		cancel()
		return <-ended
	})
}

// deliveryWork is what is to be done now and then.
func (s *server) deliveryWork() []queue.Periodic {
	return []queue.Periodic{
		{Name: "delete old messages", Interval: time.Hour, Run: s.notify.Prune},
		{Name: "renew the signing key", Interval: 10 * time.Minute, Run: s.signing.Renew},
	}
}

// withCertificates serves the signing certificates on the site too, which may be
// the only one of the two with a name and port that verifiers of messages like.
func (s *server) withCertificates(site http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := snsmsg.CertificateHash(r.URL.Path); ok {
			s.signing.ServeHTTP(w, r)
			return
		}
		site.ServeHTTP(w, r)
	})
}
