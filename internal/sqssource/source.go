// Package sqssource takes the events of an S3 that is not ours out of an SQS
// queue: it asks for messages, has what they tell kept, and only then deletes
// them. Whatever happens in between, a message comes again, and its events with
// it: who keeps them must bear that.
//
// It knows nothing of what becomes of an event.
package sqssource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"etude/internal/s3event"
)

// Config is what a Source needs. Fields without a word on their zero value must
// be set.
type Config struct {
	// QueueURL is the queue's, as Amazon tells it. One of another host than
	// Amazon's is asked at that host.
	QueueURL string
	// Region is the queue's; empty takes it from the URL, or else from AWS's own
	// settings. Credentials come from there too.
	Region string
	// Receive keeps events, all or none. When it returns nil they are safe.
	Receive func(ctx context.Context, events ...s3event.Event) error
	Logger  *slog.Logger
	// Wait is how long a request waits for messages; 0 means 20 seconds, which
	// is the longest.
	Wait time.Duration
	// Credentials replace those of AWS's settings; nil leaves them.
	Credentials aws.CredentialsProvider
}

// Source is one queue. Run may be called once.
type Source struct {
	Config
	client *sqs.Client
	bad    badMessages
}

// Open returns a Source of cfg. It asks the queue nothing yet.
func Open(ctx context.Context, cfg Config) (*Source, error) {
	u, err := CheckURL(cfg.QueueURL)
	if err != nil {
		return nil, err
	}
	if cfg.Receive == nil || cfg.Logger == nil {
		return nil, errors.New("open queue of events: Receive and Logger must be set")
	}
	if cfg.Wait == 0 {
		cfg.Wait = 20 * time.Second
	}
	if cfg.Region == "" {
		cfg.Region = regionOf(u.Host)
	}
	var opts []func(*config.LoadOptions) error
	if cfg.Region != "" {
		opts = append(opts, config.WithRegion(cfg.Region))
	}
	if cfg.Credentials != nil {
		opts = append(opts, config.WithCredentialsProvider(cfg.Credentials))
	}
	loaded, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("open queue %s: %w", cfg.QueueURL, err)
	}
	if loaded.Region == "" {
		return nil, fmt.Errorf("open queue %s: its region is not known; name it, for instance in AWS_REGION", cfg.QueueURL)
	}
	client := sqs.NewFromConfig(loaded, func(o *sqs.Options) {
		if regionOf(u.Host) == "" {
			o.BaseEndpoint = aws.String(u.Scheme + "://" + u.Host)
		}
	})
	return &Source{Config: cfg, client: client}, nil
}

// CheckURL says what is wrong with a queue's URL.
func CheckURL(queue string) (*url.URL, error) {
	u, err := url.Parse(queue)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") == "" || u.User != nil {
		return nil, fmt.Errorf("queue %.200q: write its URL, like https://sqs.eu-west-1.amazonaws.com/111122223333/uploads", queue)
	}
	return u, nil
}

// regionOf reads the region in a host of Amazon's; it is empty for others.
func regionOf(host string) string {
	part := strings.Split(host, ".")
	if len(part) >= 4 && part[0] == "sqs" && part[2] == "amazonaws" {
		return part[1]
	}
	return ""
}

// The rests after a failure: each twice as long as the one before.
const (
	firstRest = time.Second
	lastRest  = time.Minute
)

// Run takes messages until stop is closed: a request that waits for some is
// then let end, since what it gets would else be hidden for a while. When ctx
// ends, it ends at once.
func (s *Source) Run(ctx context.Context, stop <-chan struct{}) {
	failures := 0
	for {
		select {
		case <-stop:
			return
		case <-ctx.Done():
			return
		default:
		}
		err := s.take(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && failures > 0:
			s.Logger.Info("queue of events answers again", "queue", s.QueueURL, "failures", failures)
			failures = 0
		case err != nil:
			s.Logger.Warn("queue of events is tried again", "queue", s.QueueURL, "failures", failures+1, "err", err)
			rest(ctx, stop, failures)
			failures++
		}
	}
}

// rest waits before another try, not all for the same time.
func rest(ctx context.Context, stop <-chan struct{}, failures int) {
	d := min(firstRest<<min(failures, 10), lastRest)
	timer := time.NewTimer(d/2 + rand.N(d/2))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-stop:
	case <-ctx.Done():
	}
}

// take asks once for messages, and deals with what it gets.
func (s *Source) take(ctx context.Context) error {
	out, err := s.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &s.QueueURL, MaxNumberOfMessages: 10, WaitTimeSeconds: int32(s.Wait / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount},
	})
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	var events []s3event.Event
	var done []types.Message
	for _, m := range out.Messages {
		told, err := s3event.Parse([]byte(aws.ToString(m.Body)))
		if err != nil {
			s.leave(m, err)
			continue
		}
		events, done = append(events, told...), append(done, m)
	}
	if len(events) > 0 {
		if err := s.Receive(ctx, events...); err != nil {
			return fmt.Errorf("keep %d events: %w", len(events), err)
		}
	}
	if len(done) == 0 {
		return nil
	}
	return s.delete(ctx, done)
}

func (s *Source) delete(ctx context.Context, done []types.Message) error {
	in := &sqs.DeleteMessageBatchInput{QueueUrl: &s.QueueURL}
	for i, m := range done {
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle})
	}
	out, err := s.client.DeleteMessageBatch(ctx, in)
	if err != nil {
		return fmt.Errorf("delete %d messages: %w", len(done), err)
	}
	for _, f := range out.Failed {
		s.Logger.Warn("message was kept and not deleted; it will come again", "queue", s.QueueURL,
			"err", aws.ToString(f.Code)+": "+aws.ToString(f.Message))
	}
	return nil
}

// leave keeps a message that is no S3 event where it is: the queue moves it to
// its dead-letter queue when it was received too often.
func (s *Source) leave(m types.Message, err error) {
	if count, first := s.bad.note(aws.ToString(m.MessageId)); first {
		s.Logger.Error("message is no event of S3; it is left for the queue's dead-letter queue", "queue", s.QueueURL,
			"message", aws.ToString(m.MessageId), "received", m.Attributes["ApproximateReceiveCount"], "bad", count, "err", err)
	}
}

// badMessages tells those that were seen before, as long as there are not too
// many.
type badMessages struct {
	mu    sync.Mutex
	seen  map[string]bool
	count int
}

const maxSeen = 10000

func (b *badMessages) note(id string) (count int, first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen[id] {
		return b.count, false
	}
	if b.seen == nil || len(b.seen) >= maxSeen {
		b.seen = map[string]bool{}
	}
	b.seen[id] = true
	b.count++
	return b.count, true
}
