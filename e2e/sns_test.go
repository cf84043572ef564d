package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/go-cmp/cmp"

	"etude/internal/ffmpeg/ffmpegtest"
)

// snsActions are those of SNS's that Etude has, in the order in which the
// scenario comes to them.
var snsActions = []string{
	"CreateTopic", "SetTopicAttributes", "GetTopicAttributes", "ListTopics", "TagResource", "ListTagsForResource", "UntagResource",
	"Subscribe", "ListSubscriptionsByTopic", "ConfirmSubscription", "SetSubscriptionAttributes", "GetSubscriptionAttributes", "ListSubscriptions",
	"Publish", "PublishBatch", "Unsubscribe", "DeleteTopic",
}

// TestSNSClients has every client do every action, with an endpoint that is told
// of it. With -v it prints who could do what, as a table in Markdown.
func TestSNSClients(t *testing.T) {
	s := shared(t)
	clients := []*client{
		{name: "aws-sdk-go-v2", open: func(t *testing.T, s *server) (caller, string) {
			return sdkCaller(t, sns.NewFromConfig(s.awsConfig()), "sns")
		}},
		{name: "boto3", open: func(t *testing.T, s *server) (caller, string) {
			return s.plainPythonCaller(t, need(t, "/usr/bin/python3"))
		}},
		{name: "boto3 of today", open: func(t *testing.T, s *server) (caller, string) {
			return s.plainPythonCaller(t, newPython(t))
		}},
		{name: "JavaScript SDK v2", open: func(t *testing.T, s *server) (caller, string) { return s.nodeCaller(t, "bridge2.js", "SNS") }},
		{name: "JavaScript SDK v3", open: func(t *testing.T, s *server) (caller, string) { return s.nodeCaller(t, "bridge.js", "SNS") }},
		{name: "AWS CLI", open: func(t *testing.T, s *server) (caller, string) {
			return s.commandCaller(t, "sns", s.awsEnvironment(t), need(t, "/usr/bin/aws"))
		}},
	}
	t.Run("all", func(t *testing.T) {
		for i, c := range clients {
			c.did = map[string]string{}
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				call, version := c.open(t, s)
				c.version = version
				snsScenario{scenario{t: t, call: call, did: c.did}, newEndpoint(t)}.play(fmt.Sprint("client-", i))
				for _, action := range snsActions {
					if c.did[action] == "" {
						t.Errorf("%s was not tried", action)
					}
				}
			})
		}
	})
	t.Logf("what worked:\n%s", table(clients, snsActions))
}

func (s *server) plainPythonCaller(t *testing.T, python string) (caller, string) {
	return bridge(t, append(s.awsEnvironment(t), "SERVICE=sns"), python, "testdata/bridge.py")
}

// endpoint is an HTTP server that messages are delivered to.
type endpoint struct {
	*httptest.Server
	got chan members
}

func newEndpoint(t *testing.T) *endpoint {
	e := &endpoint{got: make(chan members, 100)}
	e.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m members
		if body, err := io.ReadAll(r.Body); err == nil && json.Unmarshal(body, &m) == nil {
			e.got <- m
		}
	}))
	t.Cleanup(e.Close)
	return e
}

// next waits for the next message, which is of that type.
func (e *endpoint) next(t *testing.T, kind string) members {
	t.Helper()
	select {
	case m := <-e.got:
		if m["Type"] != kind {
			t.Fatalf("got %v, want a %s", m, kind)
		}
		return m
	case <-testContext(t).Done():
		t.Fatalf("the endpoint got no %s", kind)
		return nil
	}
}

// snsScenario is the life of a topic with a subscription.
type snsScenario struct {
	scenario
	endpoint *endpoint
}

func (s snsScenario) play(name string) {
	anything := func(members) error { return nil }
	has := func(path, want string) func(members) error {
		return func(reply members) error {
			text, err := json.Marshal(reply)
			if err == nil && !strings.Contains(string(text), want) {
				err = fmt.Errorf("%s is not in %s of %s", want, path, text)
			}
			return err
		}
	}
	topic, _ := s.do("CreateTopic", members{
		"Name": name, "Attributes": members{"DisplayName": "Jobs & more"}, "Tags": []any{members{"Key": "team", "Value": "audio é"}},
	}, anything)["TopicArn"].(string)
	if !strings.HasSuffix(topic, ":"+name) {
		s.t.Fatalf("CreateTopic: the ARN is %q", topic)
	}
	s.do("SetTopicAttributes", members{"TopicArn": topic, "AttributeName": "SignatureVersion", "AttributeValue": "2"}, anything)
	s.do("GetTopicAttributes", members{"TopicArn": topic}, func(reply members) error {
		attributes, _ := reply["Attributes"].(members)
		if attributes["DisplayName"] != "Jobs & more" || attributes["SignatureVersion"] != "2" || attributes["SubscriptionsConfirmed"] != "0" {
			return fmt.Errorf("the attributes are %v", attributes)
		}
		return nil
	})
	s.do("ListTopics", members{}, has("Topics", topic))
	s.do("TagResource", members{"ResourceArn": topic, "Tags": []any{members{"Key": "b", "Value": ""}}}, anything)
	s.do("UntagResource", members{"ResourceArn": topic, "TagKeys": []any{"b", "c"}}, anything)
	s.do("ListTagsForResource", members{"ResourceArn": topic}, func(reply members) error {
		if tags, _ := reply["Tags"].([]any); len(tags) != 1 {
			return fmt.Errorf("the tags are %v, want one", reply["Tags"])
		}
		return nil
	})
	sub := s.subscribe(topic)
	s.publish(topic, sub)

	s.do("Unsubscribe", members{"SubscriptionArn": sub}, anything)
	s.do("DeleteTopic", members{"TopicArn": topic}, anything)
	_, err := s.call(s.t, "GetTopicAttributes", members{"TopicArn": topic})
	var said *callError
	if !errors.As(err, &said) || !slices.Contains([]string{"NotFound", "NotFoundException"}, said.code) || !strings.Contains(said.message, "Topic does not exist") {
		s.t.Errorf("GetTopicAttributes of what was deleted: %v, want NotFound", err)
	}
}

// subscribe has the endpoint subscribed and confirmed, with a filter policy.
func (s snsScenario) subscribe(topic string) (sub string) {
	s.do("Subscribe", members{"TopicArn": topic, "Protocol": "http", "Endpoint": s.endpoint.URL + "/hook"}, func(reply members) error {
		if reply["SubscriptionArn"] != "pending confirmation" {
			return fmt.Errorf("the ARN is %v", reply["SubscriptionArn"])
		}
		return nil
	})
	s.do("ListSubscriptionsByTopic", members{"TopicArn": topic}, func(reply members) error {
		subs, _ := reply["Subscriptions"].([]any)
		if len(subs) != 1 || subs[0].(members)["SubscriptionArn"] != "PendingConfirmation" {
			return fmt.Errorf("the subscriptions are %v", subs)
		}
		return nil
	})
	asked := s.endpoint.next(s.t, "SubscriptionConfirmation")
	s.do("ConfirmSubscription", members{"TopicArn": topic, "Token": asked["Token"]}, func(reply members) error {
		if sub, _ = reply["SubscriptionArn"].(string); !strings.HasPrefix(sub, topic+":") {
			return fmt.Errorf("the ARN is %q", sub)
		}
		return nil
	})
	s.do("SetSubscriptionAttributes", members{
		"SubscriptionArn": sub, "AttributeName": "FilterPolicy", "AttributeValue": `{"kind":["good"],"n":[{"numeric":[">",5]}]}`,
	}, func(members) error { return nil })
	s.do("GetSubscriptionAttributes", members{"SubscriptionArn": sub}, func(reply members) error {
		attributes, _ := reply["Attributes"].(members)
		if attributes["PendingConfirmation"] != "false" || attributes["ConfirmationWasAuthenticated"] != "true" || attributes["FilterPolicyScope"] != "MessageAttributes" {
			return fmt.Errorf("the attributes are %v", attributes)
		}
		return nil
	})
	s.do("ListSubscriptions", members{}, func(reply members) error {
		subs, _ := reply["Subscriptions"].([]any)
		for _, item := range subs {
			if item.(members)["SubscriptionArn"] == sub {
				return nil
			}
		}
		return fmt.Errorf("%s is not in %v", sub, subs)
	})
	return sub
}

// publish has one message held back and two let pass.
func (s snsScenario) publish(topic, sub string) {
	attributes := func(kind, n string) members {
		return members{"kind": members{"DataType": "String", "StringValue": kind}, "n": members{"DataType": "Number", "StringValue": n}}
	}
	var published, batched string
	s.do("Publish", members{
		"TopicArn": topic, "Subject": "Täst", "Message": "one\n&<>\"é", "MessageAttributes": attributes("good", "6"),
	}, func(reply members) error {
		published, _ = reply["MessageId"].(string)
		return nil
	})
	s.do("PublishBatch", members{"TopicArn": topic, "PublishBatchRequestEntries": []any{
		members{"Id": "a", "Message": "held back", "MessageAttributes": attributes("good", "5")},
		members{"Id": "b", "Message": `{"default":"two","http":"two for http"}`, "MessageStructure": "json", "MessageAttributes": attributes("good", "10")},
	}}, func(reply members) error {
		good, _ := reply["Successful"].([]any)
		if len(good) != 2 {
			return fmt.Errorf("got %v, want two successful", reply)
		}
		batched, _ = good[1].(members)["MessageId"].(string)
		return nil
	})
	got := map[any]members{}
	for range 2 {
		m := s.endpoint.next(s.t, "Notification")
		got[m["MessageId"]] = m
	}
	one, two := got[published], got[batched]
	if one["Message"] != "one\n&<>\"é" || one["Subject"] != "Täst" || one["TopicArn"] != topic || one["SignatureVersion"] != "2" || two["Message"] != "two for http" {
		s.t.Errorf("the endpoint got %v\nand %v", one, two)
	}
	if link, _ := one["UnsubscribeURL"].(string); !strings.HasSuffix(link, "Action=Unsubscribe&SubscriptionArn="+sub) {
		s.t.Errorf("the UnsubscribeURL is %q", link)
	}
}

// TestPipelineTellsAnHTTPEndpoint has real jobs that end well, with a remark, and
// not at all, and what Elastic Transcoder would have posted of them.
func TestPipelineTellsAnHTTPEndpoint(t *testing.T) {
	ffmpegtest.Need(t)
	s := shared(t)
	e := newEndpoint(t)
	ctx, topics, c := testContext(t), sns.NewFromConfig(s.awsConfig()), s.et()
	topic, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("told")})
	if err != nil {
		t.Fatal(err)
	}
	arn := topic.TopicArn
	if _, err := topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: arn, Protocol: aws.String("http"), Endpoint: aws.String(e.URL)}); err != nil {
		t.Fatal(err)
	}
	// As a program does that follows the link in the message.
	link, _ := e.next(t, "SubscriptionConfirmation")["SubscribeURL"].(string)
	if status := s.anonymous(t, link); status != http.StatusOK {
		t.Fatalf("GET of the SubscribeURL %s = %d, want 200", link, status)
	}
	p, err := c.CreatePipeline(ctx, &elastictranscoder.CreatePipelineInput{
		Name: aws.String("told"), InputBucket: aws.String("media"), OutputBucket: aws.String("media"), Role: aws.String(clientRole),
		Notifications: &types.Notifications{Progressing: arn, Completed: arn, Warning: arn, Error: arn},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.put(t, "media/told/song.wav", song(t, 2))
	for name, tt := range map[string]struct {
		input  types.JobInput
		states []string
	}{
		"well":    {types.JobInput{Key: aws.String("media/told/song.wav")}, []string{"PROGRESSING", "COMPLETED"}},
		"short":   {types.JobInput{Key: aws.String("media/told/song.wav"), TimeSpan: &types.TimeSpan{StartTime: aws.String("1"), Duration: aws.String("9")}}, []string{"PROGRESSING", "WARNING", "COMPLETED"}},
		"missing": {types.JobInput{Key: aws.String("media/told/none.wav")}, []string{"PROGRESSING", "ERROR"}},
	} {
		made, err := c.CreateJob(ctx, &elastictranscoder.CreateJobInput{
			PipelineId: p.Pipeline.Id, Inputs: []types.JobInput{tt.input}, OutputKeyPrefix: aws.String("told/"), UserMetadata: map[string]string{"album": "1+1"},
			Output: &types.CreateJobOutput{Key: aws.String(name + ".mp3"), PresetId: aws.String("1351620000001-300040")},
		})
		if err != nil {
			t.Fatal(err)
		}
		job := s.await(t, *made.Job.Id)
		got := map[string]members{}
		for range tt.states {
			m := e.next(t, "Notification")
			var event struct{ State string }
			if err := json.Unmarshal([]byte(m["Message"].(string)), &event); err != nil {
				t.Fatalf("%s: %v in %v", name, err, m)
			}
			got[event.State] = m
		}
		for _, state := range tt.states {
			subject, message := wantTold(job, state, tt.input.TimeSpan)
			if got[state]["Subject"] != subject {
				t.Errorf("%s, %s: the subject is %q, want %q", name, state, got[state]["Subject"], subject)
			}
			if diff := cmp.Diff(message, got[state]["Message"]); diff != "" {
				t.Errorf("%s, %s: the message (-want +got):\n%s", name, state, diff)
			}
		}
	}
}

// wantTold writes what Elastic Transcoder tells of a job with one output.
func wantTold(job *types.Job, state string, clip *types.TimeSpan) (subject, message string) {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	id, out := *job.Id, job.Outputs[0]
	detail, code := aws.ToString(out.StatusDetail), ""
	if state == "ERROR" {
		code, _, _ = strings.Cut(detail, " ")
	}
	line(`{`)
	line(`  "state" : %q,`, state)
	if code != "" {
		line(`  "errorCode" : %s,`, code)
		line(`  "messageDetails" : %q,`, detail)
	}
	line(`  "version" : "2012-09-25",`)
	line(`  "jobId" : %q,`, id)
	line(`  "pipelineId" : %q,`, *job.PipelineId)
	line(`  "input" : {`)
	if clip == nil {
		line(`    "key" : %q`, *job.Input.Key)
	} else {
		line(`    "key" : %q,`, *job.Input.Key)
		line(`    "timeSpan" : {`)
		line(`      "startTime" : %q,`, *clip.StartTime)
		line(`      "duration" : %q`, *clip.Duration)
		line(`    }`)
	}
	line(`  },`)
	line(`  "inputCount" : 1,`)
	line(`  "outputKeyPrefix" : "told/",`)
	line(`  "outputs" : [ {`)
	line(`    "id" : "1",`)
	line(`    "presetId" : "1351620000001-300040",`)
	line(`    "key" : %q,`, *out.Key)
	switch state {
	case "PROGRESSING":
		line(`    "status" : "Progressing"`)
	case "ERROR":
		line(`    "status" : "Error",`)
		line(`    "statusDetail" : %q,`, detail)
		line(`    "errorCode" : %s`, code)
	default:
		line(`    "status" : "Complete",`)
		if detail != "" {
			line(`    "statusDetail" : %q,`, detail)
		}
		line(`    "duration" : %d`, *out.Duration)
	}
	line(`  } ],`)
	line(`  "userMetadata" : {`)
	line(`    "album" : "1+1"`)
	line(`  }`)
	b.WriteString(`}`)
	subjects := map[string]string{
		"PROGRESSING": "Amazon Elastic Transcoder has scheduled job %s for transcoding.",
		"COMPLETED":   "Amazon Elastic Transcoder has finished transcoding job %s.",
		"WARNING":     "The Amazon Elastic Transcoder job %s has a warning.",
		"ERROR":       "The Amazon Elastic Transcoder job %s has failed.",
	}
	return fmt.Sprintf(subjects[state], id), b.String()
}
