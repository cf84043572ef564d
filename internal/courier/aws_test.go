package courier_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"etude/internal/courier"
	"etude/internal/mototest"
	"etude/internal/notify"
)

func load(_ context.Context, region string) (aws.Config, error) {
	return aws.Config{Region: region, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}, nil
}

// queue makes a queue and returns its ARN and what it gives out.
func queue(t *testing.T, url, name string) (arn string, receive func() []string) {
	t.Helper()
	cfg, _ := load(t.Context(), "eu-west-1")
	client := sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.BaseEndpoint = aws.String(url) })
	made, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(name)})
	if err != nil {
		t.Fatal(err)
	}
	return "arn:aws:sqs:eu-west-1:123456789012:" + name, func() (all []string) {
		out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: made.QueueUrl, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"}, VisibilityTimeout: 1000,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			text := []string{aws.ToString(m.Body)}
			for name, v := range m.MessageAttributes {
				text = append(text, name+"="+aws.ToString(v.DataType)+":"+aws.ToString(v.StringValue)+string(v.BinaryValue))
			}
			all = append(all, strings.Join(text, "|"))
		}
		return all
	}
}

func TestAWS(t *testing.T) {
	url := mototest.Start(t)
	c := open(t, courier.Config{AWS: &courier.AWS{Load: load, SQSEndpoint: url, SNSEndpoint: url}})
	t.Run("queue", func(t *testing.T) { testQueue(t, c, url) })
	t.Run("topic elsewhere", func(t *testing.T) { testElsewhere(t, c, url) })
}

func testQueue(t *testing.T, c *courier.Courier, url string) {
	arn, receive := queue(t, url, "jobs")
	p := parcel(arn, nil)
	p.Subscription.Protocol = notify.SQS
	if answer, err := deliver(t, c, p); err != nil || answer.Status != 200 {
		t.Fatalf("got %+v and the error %v", answer, err)
	}
	e, err := c.Envelope(&p)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{string(e.JSON())}, receive()); diff != "" {
		t.Errorf("envelope (-want +got):\n%s", diff)
	}

	raw := parcel(arn, notify.Attributes{notify.RawMessageDelivery: "true"})
	raw.Subscription.Protocol = notify.SQS
	raw.Message.Attributes = map[string]notify.MessageAttribute{"b": {Type: "Binary", Value: "aGk="}}
	if _, err := deliver(t, c, raw); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{raw.Message.Body + "|b=Binary:hi"}, receive()); diff != "" {
		t.Errorf("raw (-want +got):\n%s", diff)
	}

	if err := c.Redrive(t.Context(), p, arn, "it answered 404"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{string(e.JSON()) + "|ErrorMessage=String:it answered 404"}, receive()); diff != "" {
		t.Errorf("dead letter (-want +got):\n%s", diff)
	}

	for endpoint, permanent := range map[string]bool{"arn:aws:sqs:eu-west-1:123456789012:none": false, "arn:aws:sns:eu-west-1:123456789012:jobs": true, "jobs": true} {
		p.Subscription.Endpoint = endpoint
		if _, err := deliver(t, c, p); err == nil || errors.Is(err, notify.ErrPermanent) != permanent {
			t.Errorf("%s: got the error %v, want it permanent: %t", endpoint, err, permanent)
		}
	}
}

// testElsewhere publishes to a topic of a server that is not ours, to which a
// queue there is subscribed.
func testElsewhere(t *testing.T, c *courier.Courier, url string) {
	arn, receive := queue(t, url, "told")
	cfg, _ := load(t.Context(), "eu-west-1")
	client := sns.NewFromConfig(cfg, func(o *sns.Options) { o.BaseEndpoint = aws.String(url) })
	made, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("theirs")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: made.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String(arn), Attributes: map[string]string{"RawMessageDelivery": "true"},
	}); err != nil {
		t.Fatal(err)
	}
	p := parcel(aws.ToString(made.TopicArn), nil)
	p.Subscription.Protocol = notify.Elsewhere
	answer, err := deliver(t, c, p)
	if err != nil || !strings.HasPrefix(answer.Body, "MessageId ") {
		t.Fatalf("got %+v and the error %v", answer, err)
	}
	if diff := cmp.Diff([]string{p.Message.Body + "|n=Number:1"}, receive()); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	p.Subscription.Endpoint += "-none"
	if answer, err := deliver(t, c, p); err == nil || answer.Status != 404 {
		t.Errorf("no topic: got %+v and the error %v", answer, err)
	}
}

// TestBadARNs has regions that would have AWS's SDK ask another host.
func TestBadARNs(t *testing.T) {
	asked := false
	c := open(t, courier.Config{AWS: &courier.AWS{Load: func(ctx context.Context, region string) (aws.Config, error) {
		asked = true
		return load(ctx, region)
	}}})
	for _, endpoint := range []string{
		"arn:aws:sqs:example.org/?x=:123456789012:jobs", "arn:aws:sqs:user@169.254.169.254#:123456789012:jobs", "arn:aws:sqs::123456789012:jobs",
		"arn:aws:sns:us-east-1:123456789012:jobs", "arn:aws:sqs:us-east-1", "jobs", "",
	} {
		p := parcel(endpoint, nil)
		p.Subscription.Protocol = notify.SQS
		if _, err := deliver(t, c, p); !errors.Is(err, notify.ErrPermanent) {
			t.Errorf("%s: got the error %v, want %v", endpoint, err, notify.ErrPermanent)
		}
	}
	p := parcel("arn:aws:sns:x.example.org/:123456789012:jobs", nil)
	p.Subscription.Protocol = notify.Elsewhere
	if _, err := deliver(t, c, p); !errors.Is(err, notify.ErrPermanent) || asked {
		t.Errorf("got the error %v, AWS's configuration asked for: %t", err, asked)
	}
}
