package courier

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"etude/internal/notify"
)

// awsClients are made when they are first needed, one for each region.
type awsClients struct {
	AWS

	mu     sync.Mutex
	sqs    map[string]*sqs.Client
	sns    map[string]*sns.Client
	queues map[string]string // URLs, by ARN
}

// maxQueues bounds what is remembered of queues.
const maxQueues = 1000

func newAWSClients(cfg AWS) *awsClients {
	return &awsClients{AWS: cfg, sqs: map[string]*sqs.Client{}, sns: map[string]*sns.Client{}, queues: map[string]string{}}
}

// once: the schedule of the delivery tries again, not the SDK.
const once = 1

func (a *awsClients) sqsClient(ctx context.Context, region string) (*sqs.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sqs[region] == nil {
		cfg, err := a.Load(ctx, region)
		if err != nil {
			return nil, err
		}
		a.sqs[region] = sqs.NewFromConfig(cfg, func(o *sqs.Options) {
			o.RetryMaxAttempts = once
			if a.SQSEndpoint != "" {
				o.BaseEndpoint = aws.String(a.SQSEndpoint)
			}
		})
	}
	return a.sqs[region], nil
}

func (a *awsClients) snsClient(ctx context.Context, region string) (*sns.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sns[region] == nil {
		cfg, err := a.Load(ctx, region)
		if err != nil {
			return nil, err
		}
		a.sns[region] = sns.NewFromConfig(cfg, func(o *sns.Options) {
			o.RetryMaxAttempts = once
			if a.SNSEndpoint != "" {
				o.BaseEndpoint = aws.String(a.SNSEndpoint)
			}
		})
	}
	return a.sns[region], nil
}

// queueURL asks SQS for the URL of a queue, once.
func (a *awsClients) queueURL(ctx context.Context, client *sqs.Client, queue arn.ARN) (string, error) {
	a.mu.Lock()
	known := a.queues[queue.String()]
	a.mu.Unlock()
	if known != "" {
		return known, nil
	}
	out, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(queue.Resource), QueueOwnerAWSAccountId: aws.String(queue.AccountID)})
	if err != nil {
		return "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queues) >= maxQueues {
		clear(a.queues)
	}
	a.queues[queue.String()] = aws.ToString(out.QueueUrl)
	return aws.ToString(out.QueueUrl), nil
}

func (a *awsClients) forget(queue arn.ARN) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.queues, queue.String())
}

// regionForm keeps a region to what it may be: it becomes part of the host that
// is asked, and whoever subscribes chooses it.
var regionForm = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`)

// parseARN reads the ARN of what a service has.
func parseARN(text, service string) (arn.ARN, error) {
	a, err := arn.Parse(text)
	if err != nil || a.Service != service || !regionForm.MatchString(a.Region) {
		return arn.ARN{}, fmt.Errorf("%w: %.200q is no ARN of %s", notify.ErrPermanent, text, service)
	}
	return a, nil
}

func (a *awsClients) sendMessage(ctx context.Context, to string, in *sqs.SendMessageInput) (notify.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	queue, err := parseARN(to, "sqs")
	if err != nil {
		return notify.Answer{}, err
	}
	client, err := a.sqsClient(ctx, queue.Region)
	if err != nil {
		return notify.Answer{}, err
	}
	address, err := a.queueURL(ctx, client, queue)
	if err == nil {
		in.QueueUrl = aws.String(address)
		_, err = client.SendMessage(ctx, in)
	}
	if err != nil {
		a.forget(queue) // it may have been made anew
		return explainAWS(ctx, err)
	}
	return notify.Answer{Status: 200}, nil
}

// send delivers to an SQS queue: the envelope, or the body alone and with the
// attributes where those of SQS have room for them.
func (c *Courier) send(ctx context.Context, p notify.Parcel) (notify.Answer, error) {
	in, err := c.queueMessage(&p)
	if err != nil {
		return notify.Answer{}, err
	}
	return c.aws.sendMessage(ctx, p.Subscription.Endpoint, in)
}

// maxSQSAttributes is how many attributes a message in a queue can have. SNS
// does not deliver a raw message that has more.
const maxSQSAttributes = 10

func (c *Courier) queueMessage(p *notify.Parcel) (*sqs.SendMessageInput, error) {
	e, err := c.Envelope(p)
	if err != nil {
		return nil, err
	}
	if !p.Subscription.Raw() {
		return &sqs.SendMessageInput{MessageBody: aws.String(string(e.JSON()))}, nil
	}
	if n := len(p.Message.Attributes); n > maxSQSAttributes {
		return nil, fmt.Errorf("%w: it has %d attributes, and a message in a queue can have %d", notify.ErrPermanent, n, maxSQSAttributes)
	}
	in := &sqs.SendMessageInput{MessageBody: aws.String(e.Message), MessageAttributes: map[string]sqstypes.MessageAttributeValue{}}
	for name, a := range p.Message.Attributes {
		v := sqstypes.MessageAttributeValue{DataType: aws.String(a.Type)}
		if binary(a.Type) {
			if v.BinaryValue, err = base64.StdEncoding.DecodeString(a.Value); err != nil {
				return nil, fmt.Errorf("%w: attribute %q is not base64", notify.ErrPermanent, name)
			}
		} else {
			v.StringValue = aws.String(a.Value)
		}
		in.MessageAttributes[name] = v
	}
	return in, nil
}

func binary(dataType string) bool {
	return dataType == "Binary" || strings.HasPrefix(dataType, "Binary.")
}

// SendToQueue puts a text into the SQS queue of an ARN, without an envelope.
func (c *Courier) SendToQueue(ctx context.Context, queueARN, body string) error {
	if c.aws == nil {
		return errors.New("this server has no SQS")
	}
	_, err := c.aws.sendMessage(ctx, queueARN, &sqs.SendMessageInput{MessageBody: aws.String(body)})
	return err
}

// Redrive sends a dead letter to a queue: what the subscription would have got,
// with the reason, under the names that SNS uses.
func (c *Courier) Redrive(ctx context.Context, p notify.Parcel, queueARN, reason string) error {
	if c.aws == nil {
		return errors.New("this server has no SQS")
	}
	in, err := c.queueMessage(&p)
	if err != nil {
		return err
	}
	if in.MessageAttributes == nil {
		in.MessageAttributes = map[string]sqstypes.MessageAttributeValue{}
	}
	if len(in.MessageAttributes) < maxSQSAttributes {
		in.MessageAttributes["ErrorMessage"] = sqstypes.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(reason)}
	}
	_, err = c.aws.sendMessage(ctx, queueARN, in)
	return err
}

// publish publishes to a topic at AWS. AWS gives the message an ID of its own.
func (c *Courier) publish(ctx context.Context, p notify.Parcel) (notify.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	topic, err := parseARN(p.Subscription.Endpoint, "sns")
	if err != nil {
		return notify.Answer{}, err
	}
	client, err := c.aws.snsClient(ctx, topic.Region)
	if err != nil {
		return notify.Answer{}, err
	}
	in := &sns.PublishInput{TopicArn: aws.String(p.Subscription.Endpoint), Message: aws.String(p.Message.Body)}
	if p.Message.Subject != "" {
		in.Subject = aws.String(p.Message.Subject)
	}
	for name, a := range p.Message.Attributes {
		if in.MessageAttributes == nil {
			in.MessageAttributes = map[string]snstypes.MessageAttributeValue{}
		}
		v := snstypes.MessageAttributeValue{DataType: aws.String(a.Type)}
		if binary(a.Type) {
			if v.BinaryValue, err = base64.StdEncoding.DecodeString(a.Value); err != nil {
				return notify.Answer{}, fmt.Errorf("%w: attribute %q is not base64", notify.ErrPermanent, name)
			}
		} else {
			v.StringValue = aws.String(a.Value)
		}
		in.MessageAttributes[name] = v
	}
	out, err := client.Publish(ctx, in)
	if err != nil {
		return explainAWS(ctx, err)
	}
	return notify.Answer{Status: 200, Body: "MessageId " + aws.ToString(out.MessageId)}, nil
}

// httpError is an answer of AWS's that was an error.
type httpError interface {
	error
	HTTPStatusCode() int
}

// explainAWS says which errors of AWS's are for good: that the message itself
// is refused. A queue that is missing, a permission or credentials can come.
func explainAWS(ctx context.Context, err error) (notify.Answer, error) {
	answer := notify.Answer{}
	if http, ok := errors.AsType[httpError](err); ok {
		answer.Status = http.HTTPStatusCode()
	}
	api, ok := errors.AsType[smithy.APIError](err)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return answer, fmt.Errorf("AWS did not answer within %s", tryTime)
	case !ok:
		return answer, err
	}
	err = fmt.Errorf("%s: %s", api.ErrorCode(), api.ErrorMessage())
	switch code := api.ErrorCode(); {
	case strings.Contains(code, "InvalidMessageContents"), code == "InvalidParameter", code == "InvalidParameterValue":
		err = fmt.Errorf("%w: %w", err, notify.ErrPermanent)
	}
	return answer, err
}
