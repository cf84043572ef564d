package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"etude/internal/mototest"
	"etude/internal/s3event"
)

// TestBucketNotificationClients has AWS's clients set up who is told of a
// bucket's new objects, as their users do, and read it back.
func TestBucketNotificationClients(t *testing.T) {
	s := shared(t)
	topic := "arn:aws:sns:eu-west-1:000000000000:etude-jobs" // is there since the first start
	for name, open := range map[string]func(*testing.T, *server) caller{
		"Go": goS3Caller,
		"boto3": func(t *testing.T, s *server) caller {
			env := append(s.awsEnvironment(t), "SERVICE=s3")
			call, _ := bridge(t, env, need(t, "/usr/bin/python3"), "testdata/bridge.py")
			return call
		},
		"JavaScript": javaScriptS3Caller,
		"AWS CLI":    cliS3Caller,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bucket := "events-" + strings.ReplaceAll(strings.ToLower(name), " ", "-")
			if _, err := s.s3().CreateBucket(testContext(t), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
				t.Fatal(err)
			}
			call := open(t, s)
			put := func(target string) error {
				_, err := call(t, "PutBucketNotificationConfiguration", members{"Bucket": bucket, "NotificationConfiguration": members{
					"TopicConfigurations": []any{members{
						"Id": "new files", "TopicArn": target, "Events": []any{"s3:ObjectCreated:*"},
						"Filter": members{"Key": members{"FilterRules": []any{members{"Name": "prefix", "Value": "médiä/a b"}, members{"Name": "suffix", "Value": ".wav"}}}},
					}},
				}})
				return err
			}
			if err := put(topic); err != nil {
				t.Fatal(err)
			}
			got, err := call(t, "GetBucketNotificationConfiguration", members{"Bucket": bucket})
			if err != nil {
				t.Fatal(err)
			}
			text, _ := json.Marshal(got["TopicConfigurations"])
			for _, want := range []string{`"new files"`, topic, `"s3:ObjectCreated:*"`, `"médiä/a b"`, `".wav"`} {
				if !strings.Contains(string(text), want) {
					t.Errorf("configuration is %s, want it to have %s", text, want)
				}
			}
			var refused *callError
			if err := put(topic + "-2"); !errors.As(err, &refused) || refused.code != "InvalidArgument" ||
				!strings.Contains(refused.message, "Unable to validate the following destination configurations") {
				t.Errorf("a topic that is not there: %v", err)
			}
		})
	}
}

// goS3Caller is AWS's SDK for Go.
func goS3Caller(t *testing.T, s *server) caller {
	call, _ := sdkCaller(t, s.s3(), "s3")
	return call
}

func javaScriptS3Caller(t *testing.T, s *server) caller {
	call, _ := s.nodeCaller(t, "bridge2.js", "S3")
	return call
}

func cliS3Caller(t *testing.T, s *server) caller {
	program := need(t, "/usr/bin/aws")
	env := s.awsEnvironment(t)
	return func(t *testing.T, operation string, params members) (members, error) {
		text, err := json.Marshal(params)
		if err != nil {
			return nil, err
		}
		command := strings.ToLower(wordStart.ReplaceAllString(operation, "$1-$2"))
		var out, errText bytes.Buffer
		cmd := exec.CommandContext(testContext(t), program, "--endpoint-url", s.edge, "--output", "json", "s3api", command, "--cli-input-json", string(text))
		cmd.Env = slices.Concat(env, []string{"AWS_PAGER=", "NO_PROXY=*"})
		cmd.Stdout, cmd.Stderr = &out, &errText
		if err := cmd.Run(); err != nil {
			if m := cliError.FindStringSubmatch(errText.String()); m != nil {
				return nil, &callError{m[1], m[2]}
			}
			return nil, errors.New(errText.String())
		}
		reply := members{}
		if out.Len() == 0 {
			return reply, nil
		}
		return reply, json.Unmarshal(out.Bytes(), &reply)
	}
}

// TestRuleOfABucketsConfiguration has an upload start the rule that the bucket's
// configuration names, also where the rule itself does not look.
func TestRuleOfABucketsConfiguration(t *testing.T) {
	s := startFor(t, filepath.Join(t.TempDir(), "data"))
	function := "arn:aws:lambda:eu-west-1:000000000000:function:media"
	c := s.s3()
	call := goS3Caller(t, s)
	_, err := call(t, "PutBucketNotificationConfiguration", members{"Bucket": "media", "NotificationConfiguration": members{
		"LambdaFunctionConfigurations": []any{members{
			"LambdaFunctionArn": function, "Events": []any{"s3:ObjectCreated:*"},
			"Filter": members{"Key": members{"FilterRules": []any{members{"Name": "prefix", "Value": "elsewhere/"}}}},
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"elsewhere/a b+c.wav", "media/b.wav", "nowhere/c.wav"} {
		if _, err := c.PutObject(testContext(t), &s3.PutObjectInput{Bucket: aws.String("media"), Key: &key, Body: strings.NewReader("no sound")}); err != nil {
			t.Fatal(err)
		}
	}
	got := s.inputs(t, 2)
	if want := []string{"elsewhere/a b+c.wav", "media/b.wav"}; !slices.Equal(got, want) {
		t.Errorf("jobs have the inputs %q, want %q", got, want)
	}
}

// TestQueueAndTopicOfABucketsConfiguration has events arrive in a real queue:
// straight, and over a topic that the queue subscribes to.
func TestQueueAndTopicOfABucketsConfiguration(t *testing.T) {
	endpoint := mototest.Start(t)
	queues := sqs.New(sqs.Options{
		Region: "eu-west-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
	made, err := queues.CreateQueue(testContext(t), &sqs.CreateQueueInput{QueueName: aws.String("uploads")})
	if err != nil {
		t.Fatal(err)
	}
	receive := func() string {
		t.Helper()
		out, err := queues.ReceiveMessage(testContext(t), &sqs.ReceiveMessageInput{QueueUrl: made.QueueUrl, WaitTimeSeconds: 20})
		if err != nil || len(out.Messages) != 1 {
			t.Fatalf("received %v and %v, want a message", out, err)
		}
		_, err = queues.DeleteMessage(testContext(t), &sqs.DeleteMessageInput{QueueUrl: made.QueueUrl, ReceiptHandle: out.Messages[0].ReceiptHandle})
		if err != nil {
			t.Fatal(err)
		}
		return *out.Messages[0].Body
	}
	s, err := start(filepath.Join(t.TempDir(), "data"), environment("AWS_ACCESS_KEY_ID=id", "AWS_SECRET_ACCESS_KEY=secret"), "--sqs-endpoint", endpoint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("stop: %v\n%s", err, s.log)
		}
	})
	const queue = "arn:aws:sqs:eu-west-1:123456789012:uploads" // moto's account
	topics := sns.NewFromConfig(s.awsConfig())
	topic, err := topics.CreateTopic(testContext(t), &sns.CreateTopicInput{Name: aws.String("uploads")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := topics.Subscribe(testContext(t), &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String(queue)}); err != nil {
		t.Fatal(err)
	}

	call := goS3Caller(t, s)
	put := func(name, kind, arn string) error {
		_, err := call(t, "PutBucketNotificationConfiguration", members{"Bucket": "media", "NotificationConfiguration": members{
			name: []any{members{kind: arn, "Events": []any{"s3:ObjectCreated:*"}}},
		}})
		return err
	}
	for _, target := range []struct{ name, kind, arn string }{
		{"QueueConfigurations", "QueueArn", queue}, {"TopicConfigurations", "TopicArn", *topic.TopicArn},
	} {
		if err := put(target.name, target.kind, target.arn); err != nil {
			t.Fatalf("%s: %v\n%s", target.kind, err, s.log)
		}
		if test := receive(); !strings.Contains(test, "s3:TestEvent") {
			t.Errorf("%s: first came %s, want a test event", target.kind, test)
		}
		key := "elsewhere/" + target.kind + " é+%.wav"
		if _, err := s.s3().PutObject(testContext(t), &s3.PutObjectInput{Bucket: aws.String("media"), Key: &key, Body: strings.NewReader("no sound")}); err != nil {
			t.Fatal(err)
		}
		body := receive()
		events, err := s3event.Parse([]byte(body))
		if err != nil || len(events) != 1 || events[0].Key != key || events[0].Size != 8 || events[0].Name != s3event.CreatedPut || events[0].Principal != accessKey {
			t.Errorf("%s: %v and %v, want the upload of %q: %s", target.kind, events, err, key, body)
		}
	}
	var refused *callError
	if err := put("QueueConfigurations", "QueueArn", queue+"-2"); !errors.As(err, &refused) || refused.code != "InvalidArgument" {
		t.Errorf("a queue that is not there: %v, want it refused", err)
	}
}

// inputs waits until there are n jobs and returns their input keys.
func (s *server) inputs(t *testing.T, n int) (keys []string) {
	t.Helper()
	ctx := testContext(t)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for len(keys) < n {
		select {
		case <-ctx.Done():
			t.Fatalf("there are %d jobs, of %q; want %d", len(keys), keys, n)
		case <-tick.C:
		}
		keys = nil
		for _, status := range []string{"Submitted", "Progressing", "Complete", "Error"} {
			out, err := s.et().ListJobsByStatus(ctx, &elastictranscoder.ListJobsByStatusInput{Status: &status})
			if err != nil {
				t.Fatal(err)
			}
			for _, j := range out.Jobs {
				keys = append(keys, aws.ToString(j.Input.Key))
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys) // one may have moved on between two lists
}

// TestKilledServerLosesNoEvent is a small run of the measurement of a hundred
// thousand objects.
func TestKilledServerLosesNoEvent(t *testing.T) {
	program := filepath.Join(t.TempDir(), "kill")
	if out, err := exec.CommandContext(t.Context(), need(t, "go"), "build", "-buildvcs=false", "-o", program, "../bench/kill").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), program, "-binary", binary, "-objects", "400", "-kills", "4", "-clients", "8")
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("kill: %v", err)
	}
	t.Logf("%s", out)
}
