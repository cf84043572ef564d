package sqssource_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"etude/internal/mototest"
	"etude/internal/s3event"
	"etude/internal/sqssource"
)

var keys = credentials.NewStaticCredentialsProvider("key", "secret", "")

// queues are a queue with a dead-letter queue, of which a message that is not
// deleted comes at once again.
type queues struct {
	client    *sqs.Client
	url, dead string
	log       *lines
	received  chan s3event.Event
	fail      atomic.Bool // has Receive fail
	failed    chan struct{}
}

func newQueues(t *testing.T, endpoint, name string) *queues {
	t.Helper()
	q := &queues{
		client: sqs.New(sqs.Options{Region: "eu-west-1", BaseEndpoint: &endpoint, Credentials: keys}), log: &lines{},
		received: make(chan s3event.Event, 100), failed: make(chan struct{}, 100),
	}
	dead, err := q.client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(name + "-dead")})
	if err != nil {
		t.Fatal(err)
	}
	made, err := q.client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(name), Attributes: map[string]string{
		"VisibilityTimeout": "0",
		"RedrivePolicy":     `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:` + name + `-dead","maxReceiveCount":"3"}`,
	}})
	if err != nil {
		t.Fatal(err)
	}
	q.url, q.dead = *made.QueueUrl, *dead.QueueUrl
	return q
}

func (q *queues) send(t *testing.T, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if _, err := q.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
}

// left is how many messages a queue has.
func (q *queues) left(t *testing.T, url string) string {
	t.Helper()
	out, err := q.client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Attributes["ApproximateNumberOfMessages"] + "+" + out.Attributes["ApproximateNumberOfMessagesNotVisible"]
}

// run runs a source; end stops it and waits for its end.
func (q *queues) run(t *testing.T) (end func()) {
	t.Helper()
	source, err := sqssource.Open(t.Context(), sqssource.Config{
		QueueURL: q.url, Region: "eu-west-1", Credentials: keys, Wait: time.Second, Logger: slog.New(slog.NewTextHandler(q.log, nil)),
		Receive: func(_ context.Context, events ...s3event.Event) error {
			if q.fail.Load() {
				q.failed <- struct{}{}
				return errors.New("the database is away")
			}
			for _, e := range events {
				q.received <- e
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { source.Run(t.Context(), stop) })
	return func() {
		close(stop)
		running.Wait()
	}
}

// lines is a log that a test can read.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func event(key string) string {
	return string(s3event.Encode(s3event.Event{Name: s3event.CreatedPut, Bucket: "bucket", Key: key, ETag: "tag", Time: time.UnixMilli(1)}))
}

func md5of(text string) string { return fmt.Sprintf("%x", md5.Sum([]byte(text))) }

func notification(message string) string {
	return fmt.Sprintf(`{"Type":"Notification","Message":%q}`, message)
}

func TestQueue(t *testing.T) {
	t.Parallel()
	endpoint := mototest.Start(t)
	t.Run("messages are kept and then deleted", func(t *testing.T) { testTake(t, newQueues(t, endpoint, "taken")) })
	t.Run("what is not kept is not deleted", func(t *testing.T) { testFailure(t, newQueues(t, endpoint, "failing")) })
}

func testTake(t *testing.T, q *queues) {
	test := string(s3event.EncodeTest("bucket", "r", "h", time.UnixMilli(1)))
	q.send(t, event("a b+é.mp3"), notification(event("b")), test, notification(test), `{"hello":1}`, "no JSON", event("c"))
	end := q.run(t)
	got := map[string]bool{}
	for range 3 {
		got[(<-q.received).Key] = true
	}
	end() // only now all of what was received is deleted
	if !got["a b+é.mp3"] || !got["b"] || !got["c"] {
		t.Errorf("received %v, want a b+é.mp3, b and c", got)
	}
	// What is no event is left, and so comes again until it is dead.
	end = q.run(t)
	q.send(t, event("d"), event("e"))
	<-q.received
	<-q.received
	end()
	for q.left(t, q.dead) != "2+0" { // moto moves them when it is asked
		if _, err := q.client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &q.url, MaxNumberOfMessages: 10}); err != nil {
			t.Fatal(err)
		}
	}
	if left := q.left(t, q.url); left != "0+0" {
		t.Errorf("the queue has %s messages left, want none", left)
	}
	if n := strings.Count(q.log.String(), "no event of S3"); n < 2 || n > 4 { // once for each message and source
		t.Errorf("the log tells %d times of bad messages:\n%s", n, q.log)
	}
	select {
	case e := <-q.received:
		t.Errorf("received %q too", e.Key)
	default:
	}
}

func testFailure(t *testing.T, q *queues) {
	q.fail.Store(true)
	q.send(t, event("a"))
	end := q.run(t)
	<-q.failed
	q.fail.Store(false)
	if e := <-q.received; e.Key != "a" {
		t.Errorf("received %q, want a", e.Key)
	}
	end()
	if left := q.left(t, q.url); left != "0+0" {
		t.Errorf("the queue has %s messages left, want none", left)
	}
	if log := q.log.String(); !strings.Contains(log, "the database is away") || !strings.Contains(log, "answers again") {
		t.Errorf("log:\n%s", log)
	}
}

// TestRequestIsLetEnd has the stop come while a request waits for messages.
func TestRequestIsLetEnd(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan struct{}), make(chan struct{})
	var deletes atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".DeleteMessageBatch") {
			deletes.Add(1)
			fmt.Fprint(w, `{"Successful":[{"Id":"0"}],"Failed":[]}`)
			return
		}
		asked <- struct{}{}
		<-answer
		fmt.Fprintf(w, `{"Messages":[{"MessageId":"m","ReceiptHandle":"h","Body":%q,"MD5OfBody":"%s"}]}`, event("a"), md5of(event("a")))
	}))
	t.Cleanup(server.Close)
	q := &queues{url: server.URL + "/123456789012/q", log: &lines{}, received: make(chan s3event.Event, 1)}
	end := q.run(t)
	<-asked
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		end()
	}()
	close(answer)
	if e := <-q.received; e.Key != "a" {
		t.Errorf("received %q, want a", e.Key)
	}
	<-ended
	if deletes.Load() != 1 {
		t.Errorf("%d deletions, want 1:\n%s", deletes.Load(), q.log)
	}
}

func TestBadURLs(t *testing.T) {
	t.Parallel()
	for _, u := range []string{"", "uploads", "arn:aws:sqs:eu-west-1:123456789012:q", "ftp://host/q", "https://sqs.eu-west-1.amazonaws.com/", "https://a:b@host/1/q"} {
		if _, err := sqssource.CheckURL(u); err == nil || !strings.Contains(err.Error(), "write its URL") {
			t.Errorf("%q: got %v, want it refused", u, err)
		}
	}
}
