package objectstore_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
)

// configure has all that happens in a bucket sent to a rule or topic.
func configure(t *testing.T, bucket, arn string) {
	t.Helper()
	if _, err := sdk(t, adminKey).PutBucketNotificationConfiguration(t.Context(), configuring(bucket, arn)); err != nil {
		t.Fatal(err)
	}
}

func configuring(bucket, arn string) *s3.PutBucketNotificationConfigurationInput {
	events := []types.Event{"s3:ObjectCreated:*", "s3:ObjectRemoved:*"}
	filter := &types.NotificationConfigurationFilter{Key: &types.S3KeyFilter{FilterRules: []types.FilterRule{
		{Name: types.FilterRuleNamePrefix, Value: ptr("in/")}, {Name: types.FilterRuleNameSuffix, Value: ptr("")},
	}}}
	if strings.Contains(bucket, "crashes") {
		filter = nil
	}
	c := &types.NotificationConfiguration{}
	if strings.Contains(arn, ":sns:") {
		c.TopicConfigurations = []types.TopicConfiguration{{Id: ptr("one"), TopicArn: &arn, Events: events, Filter: filter}}
	} else {
		c.LambdaFunctionConfigurations = []types.LambdaFunctionConfiguration{{Id: ptr("one"), LambdaFunctionArn: &arn, Events: events, Filter: filter}}
	}
	return &s3.PutBucketNotificationConfigurationInput{Bucket: &bucket, NotificationConfiguration: c}
}

func TestNotificationConfiguration(t *testing.T) {
	b := bucket(t)
	c := sdk(t, adminKey)
	get := func() *s3.GetBucketNotificationConfigurationOutput {
		t.Helper()
		out, err := c.GetBucketNotificationConfiguration(t.Context(), &s3.GetBucketNotificationConfigurationInput{Bucket: &b})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got := get(); got.TopicConfigurations != nil || got.LambdaFunctionConfigurations != nil {
		t.Errorf("a new bucket has %+v", got)
	}
	configure(t, b, eventTopic)
	got := get().TopicConfigurations
	want := configuring(b, eventTopic).NotificationConfiguration.TopicConfigurations
	want[0].Filter.Key.FilterRules = []types.FilterRule{{Name: "Prefix", Value: ptr("in/")}}
	if len(got) != 1 || *got[0].Id != "one" || *got[0].TopicArn != eventTopic || len(got[0].Events) != 2 || len(got[0].Filter.Key.FilterRules) != 1 ||
		got[0].Filter.Key.FilterRules[0].Name != "Prefix" || *got[0].Filter.Key.FilterRules[0].Value != "in/" {
		t.Errorf("configuration is %+v, want %+v", got, want)
	}
	configure(t, b, eventRule) // in its place
	if got := get(); got.TopicConfigurations != nil || len(got.LambdaFunctionConfigurations) != 1 {
		t.Errorf("configuration is %+v, want the rule only", got)
	}
	_, err := c.PutBucketNotificationConfiguration(t.Context(), &s3.PutBucketNotificationConfigurationInput{Bucket: &b, NotificationConfiguration: &types.NotificationConfiguration{}})
	if err != nil {
		t.Fatal(err)
	}
	if got := get(); got.LambdaFunctionConfigurations != nil {
		t.Errorf("configuration is %+v, want none", got)
	}

	// A bucket of the same name is not told of what an earlier one was.
	configure(t, b, eventTopic)
	if _, err := c.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: &b}); err != nil {
		t.Fatal(err)
	}
	if err := shared.client.CreateBucket(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if got := get(); got.TopicConfigurations != nil {
		t.Errorf("configuration is %+v, want none", got)
	}
}

func TestNotificationConfigurationsThatAreRefused(t *testing.T) {
	b := bucket(t)
	c := sdk(t, adminKey)
	putIt := func(in *s3.PutBucketNotificationConfigurationInput) error {
		_, err := c.PutBucketNotificationConfiguration(t.Context(), in)
		return err
	}
	overlap := configuring(b, eventTopic)
	overlap.NotificationConfiguration.TopicConfigurations = append(overlap.NotificationConfiguration.TopicConfigurations, types.TopicConfiguration{
		TopicArn: ptr(eventTopic), Events: []types.Event{"s3:ObjectCreated:Put"},
	})
	bridge := &s3.PutBucketNotificationConfigurationInput{Bucket: &b, NotificationConfiguration: &types.NotificationConfiguration{EventBridgeConfiguration: &types.EventBridgeConfiguration{}}}
	none := configuring("no-such-bucket", eventTopic)
	for _, tt := range []struct {
		name       string
		in         *s3.PutBucketNotificationConfigurationInput
		code, want string
	}{
		{"no topic", configuring(b, eventTopic+"2"), "InvalidArgument", "Unable to validate the following destination configurations"},
		{"no rule", configuring(b, eventRule+"2"), "InvalidArgument", "Unable to validate the following destination configurations"},
		{"no ARN", configuring(b, "uploads"), "InvalidArgument", "The ARN could not be parsed"},
		{"overlap", overlap, "InvalidArgument", "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type."},
		{"EventBridge", bridge, "InvalidArgument", "EventBridge is not supported here"},
		{"no bucket", none, "NoSuchBucket", ""},
	} {
		if err := putIt(tt.in); code(err) != tt.code || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s: %s", tt.name, err, tt.code, tt.want)
		}
	}
	skip := configuring(b, eventTopic+"2")
	skip.SkipDestinationValidation = ptr(true)
	if err := putIt(skip); err != nil {
		t.Errorf("without validation: %v", err)
	}
	if _, err := c.GetBucketNotificationConfiguration(t.Context(), &s3.GetBucketNotificationConfigurationInput{Bucket: ptr("no-such-bucket")}); code(err) != "NoSuchBucket" {
		t.Errorf("get of no bucket: %v, want NoSuchBucket", err)
	}
	owner := &s3.GetBucketNotificationConfigurationInput{Bucket: &b, ExpectedBucketOwner: ptr("somebody")}
	if _, err := c.GetBucketNotificationConfiguration(t.Context(), owner); code(err) != "AccessDenied" {
		t.Errorf("another owner: %v, want AccessDenied", err)
	}
}

func TestNotificationErrorIsAsS3s(t *testing.T) {
	b := bucket(t)
	in := configuring(b, eventTopic+"<2")
	in.NotificationConfiguration.TopicConfigurations = append(in.NotificationConfiguration.TopicConfigurations,
		types.TopicConfiguration{TopicArn: ptr(eventTopic + "3"), Events: []types.Event{"s3:ObjectCreated:*"}, Filter: &types.NotificationConfigurationFilter{
			Key: &types.S3KeyFilter{FilterRules: []types.FilterRule{{Name: types.FilterRuleNamePrefix, Value: ptr("out/")}}},
		}})
	var body string
	_, err := sdk(t, adminKey).PutBucketNotificationConfiguration(t.Context(), in, func(o *s3.Options) {
		o.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err == nil {
				b, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				body = string(b)
				resp.Body = io.NopCloser(strings.NewReader(body))
				if resp.Header.Get("Content-Type") != "application/xml" || resp.StatusCode != http.StatusBadRequest {
					t.Errorf("answer is %s with %s", resp.Status, resp.Header)
				}
			}
			return resp, err
		})}
	})
	if err == nil {
		t.Fatal("there was no error")
	}
	head, _, _ := strings.Cut(body, "<RequestId>")
	want := `<?xml version="1.0" encoding="UTF-8"?>` + "\n<Error><Code>InvalidArgument</Code><Message>Unable to validate the following destination configurations</Message>" +
		"<ArgumentName1>" + eventTopic + "&lt;2</ArgumentName1><ArgumentValue1>The destination topic does not exist</ArgumentValue1>" +
		"<ArgumentName2>" + eventTopic + "3</ArgumentName2><ArgumentValue2>The destination topic does not exist</ArgumentValue2>"
	if diff := cmp.Diff(want, head); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestNotificationRights(t *testing.T) {
	b := bucket(t)
	for _, tt := range []struct {
		name         string
		key          key
		toGet, toPut string
	}{
		{"root", rootKey, "", ""},
		{"admin", adminKey, "", ""},
		{"reader", readKey, "", "AccessDenied"},
		{"writer", writeKey, "", "AccessDenied"},
		{"nobody", plainKey, "AccessDenied", "AccessDenied"},
		{"wrong secret", key{adminKey.id, "wrong"}, "SignatureDoesNotMatch", "SignatureDoesNotMatch"},
		{"unknown key", key{"AKIANOBODY", "x"}, "InvalidAccessKeyId", "InvalidAccessKeyId"},
	} {
		c := sdk(t, tt.key)
		_, getErr := c.GetBucketNotificationConfiguration(t.Context(), &s3.GetBucketNotificationConfigurationInput{Bucket: &b})
		_, putErr := c.PutBucketNotificationConfiguration(t.Context(), configuring(b, eventTopic))
		for what, is := range map[string]struct {
			err  error
			want string
		}{"get": {getErr, tt.toGet}, "put": {putErr, tt.toPut}} {
			if is.want == "" && is.err != nil || is.want != "" && code(is.err) != is.want {
				t.Errorf("%s by %s: %v, want %q", what, tt.name, is.err, is.want)
			}
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodPut} {
		for _, path := range []string{"/" + b + "?notification", "/" + b + "/?notification=", "/" + b + "?x=y&notification"} {
			if got := status(t, method, path); got != http.StatusForbidden && got != http.StatusBadRequest {
				t.Errorf("unsigned %s %s: %d", method, path, got)
			}
		}
	}
	// An object may be called so.
	if err := put(t, sdk(t, adminKey), b, "notification", "text"); err != nil {
		t.Error(err)
	}
	if got, err := get(t, sdk(t, adminKey), b, "notification"); err != nil || got != "text" {
		t.Errorf("object is %q, %v", got, err)
	}
}

func TestNotificationWithAWSCommandLine(t *testing.T) {
	const aws = "/usr/bin/aws"
	need(t, aws)
	b := bucket(t)
	env := awsEnv(t)
	configuration := `{"TopicConfigurations":[{"Id":"new files","TopicArn":"` + eventTopic + `","Events":["s3:ObjectCreated:*"],` +
		`"Filter":{"Key":{"FilterRules":[{"Name":"prefix","Value":"médiä/"},{"Name":"suffix","Value":".wav"}]}}}]}`
	tool(t, env, aws, "--endpoint-url", shared.url, "s3api", "put-bucket-notification-configuration", "--bucket", b, "--notification-configuration", configuration)
	got := tool(t, env, aws, "--endpoint-url", shared.url, "s3api", "get-bucket-notification-configuration", "--bucket", b, "--query", "TopicConfigurations[0].[Id, TopicArn, Events[0], Filter.Key.FilterRules[0].Value]", "--output", "text")
	if want := "new files\t" + eventTopic + "\ts3:ObjectCreated:*\tmédiä/"; strings.TrimSpace(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
