package snsapi_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/google/go-cmp/cmp"

	"etude/internal/account"
	"etude/internal/notify"
)

// TestXML holds the replies to the byte, laid out as SNS's are.
func TestXML(t *testing.T) {
	s := newServer(t)
	topic := prefix + "jobs"
	for _, tt := range []struct {
		name, form string
		status     int
		want       string
	}{
		{"CreateTopic", form("CreateTopic", "Name", "jobs", "Attributes.entry.1.key", "DisplayName", "Attributes.entry.1.value", `A "B" <C>`), 200,
			`<CreateTopicResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">
  <CreateTopicResult>
    <TopicArn>arn:aws:sns:eu-west-1:123456789012:jobs</TopicArn>
  </CreateTopicResult>
  <ResponseMetadata>
    <RequestId>ID</RequestId>
  </ResponseMetadata>
</CreateTopicResponse>
`},
		{"ListSubscriptions of none", form("ListSubscriptionsByTopic", "TopicArn", topic), 200,
			`<ListSubscriptionsByTopicResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">
  <ListSubscriptionsByTopicResult>
    <Subscriptions/>
  </ListSubscriptionsByTopicResult>
  <ResponseMetadata>
    <RequestId>ID</RequestId>
  </ResponseMetadata>
</ListSubscriptionsByTopicResponse>
`},
		{"Subscribe", form("Subscribe", "TopicArn", topic, "Protocol", "https", "Endpoint", "https://ann:s@cret@example.com/a@b"), 200,
			`<SubscribeResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">
  <SubscribeResult>
    <SubscriptionArn>pending confirmation</SubscriptionArn>
  </SubscribeResult>
  <ResponseMetadata>
    <RequestId>ID</RequestId>
  </ResponseMetadata>
</SubscribeResponse>
`},
		{"ListSubscriptions", form("ListSubscriptions"), 200,
			`<ListSubscriptionsResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">
  <ListSubscriptionsResult>
    <Subscriptions>
      <member>
        <TopicArn>arn:aws:sns:eu-west-1:123456789012:jobs</TopicArn>
        <Protocol>https</Protocol>
        <SubscriptionArn>PendingConfirmation</SubscriptionArn>
        <Owner>123456789012</Owner>
        <Endpoint>https://****:****@example.com/a@b</Endpoint>
      </member>
    </Subscriptions>
  </ListSubscriptionsResult>
  <ResponseMetadata>
    <RequestId>ID</RequestId>
  </ResponseMetadata>
</ListSubscriptionsResponse>
`},
		{"GetTopicAttributes", form("GetTopicAttributes", "TopicArn", topic), 200,
			`<GetTopicAttributesResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">
  <GetTopicAttributesResult>
    <Attributes>
` + entry("DisplayName", `A &quot;B&quot; &lt;C&gt;`) +
				entry("EffectiveDeliveryPolicy", quoted(`{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}}`)) +
				entry("Owner", number) +
				entry("Policy", quoted(`{"Version":"2008-10-17","Id":"__default_policy_ID","Statement":[{"Sid":"__default_statement_ID","Effect":"Allow","Principal":{"AWS":"*"},"Action":["SNS:GetTopicAttributes","SNS:SetTopicAttributes","SNS:AddPermission","SNS:RemovePermission","SNS:DeleteTopic","SNS:Subscribe","SNS:ListSubscriptionsByTopic","SNS:Publish"],"Resource":"arn:aws:sns:eu-west-1:123456789012:jobs","Condition":{"StringEquals":{"AWS:SourceOwner":"123456789012"}}}]}`)) +
				entry("SubscriptionsConfirmed", "0") + entry("SubscriptionsDeleted", "0") + entry("SubscriptionsPending", "1") + entry("TopicArn", topic) +
				`    </Attributes>
  </GetTopicAttributesResult>
  <ResponseMetadata>
    <RequestId>ID</RequestId>
  </ResponseMetadata>
</GetTopicAttributesResponse>
`},
		{"TagResource", form("TagResource", "ResourceArn", topic, "Tags.member.1.Key", "a", "Tags.member.1.Value", "1"), 200,
			`<TagResourceResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">
  <TagResourceResult/>
  <ResponseMetadata>
    <RequestId>ID</RequestId>
  </ResponseMetadata>
</TagResourceResponse>
`},
		{"DeleteTopic", form("DeleteTopic", "TopicArn", topic), 200,
			`<DeleteTopicResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">
  <ResponseMetadata>
    <RequestId>ID</RequestId>
  </ResponseMetadata>
</DeleteTopicResponse>
`},
		{"GetTopicAttributes of none", form("GetTopicAttributes", "TopicArn", topic), 404,
			`<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">
  <Error>
    <Type>Sender</Type>
    <Code>NotFound</Code>
    <Message>Topic does not exist</Message>
  </Error>
  <RequestId>ID</RequestId>
</ErrorResponse>
`},
	} {
		status, got := s.post(t, tt.form)
		if diff := cmp.Diff(tt.want, got); diff != "" || status != tt.status {
			t.Errorf("%s: status %d, want %d; want (-), got (+):\n%s", tt.name, status, tt.status, diff)
		}
	}
}

func entry(key, value string) string {
	return "      <entry>\n        <key>" + key + "</key>\n        <value>" + value + "</value>\n      </entry>\n"
}

func quoted(text string) string { return strings.ReplaceAll(text, `"`, "&quot;") }

// TestRefused has what SNS was recorded to say, and what Etude adds.
func TestRefused(t *testing.T) {
	s := newServer(t)
	topic := s.topic(t, "jobs")
	sub := s.subscribe(t, topic, "sqs", "arn:aws:sqs:eu-west-1:123456789012:q", map[string]string{"RawMessageDelivery": "true"})
	const missing = "1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null"
	subscribe := func(pairs ...string) string {
		return form("Subscribe", append([]string{"TopicArn", topic}, pairs...)...)
	}
	hook := func(name, value string) string {
		return subscribe("Protocol", "http", "Endpoint", "http://example.com/", "Attributes.entry.1.key", name, "Attributes.entry.1.value", value)
	}
	publish := func(pairs ...string) string { return form("Publish", append([]string{"TopicArn", topic}, pairs...)...) }
	attribute := func(name, kind, field, value string) string {
		return publish("Message", "m", "MessageAttributes.entry.1.Name", name, "MessageAttributes.entry.1.Value.DataType", kind, "MessageAttributes.entry.1.Value."+field, value)
	}
	batch := func(pairs ...string) string {
		all := []string{"TopicArn", topic}
		for i := 0; i < len(pairs); i += 2 {
			p := fmt.Sprintf("PublishBatchRequestEntries.member.%d.", i/2+1)
			all = append(all, p+"Id", pairs[i], p+"Message", pairs[i+1])
		}
		return form("PublishBatch", all...)
	}
	set := func(name, value string) string {
		return form("SetSubscriptionAttributes", "SubscriptionArn", sub, "AttributeName", name, "AttributeValue", value)
	}
	setTopic := func(name, value string) string {
		return form("SetTopicAttributes", "TopicArn", topic, "AttributeName", name, "AttributeValue", value)
	}
	create := func(pairs ...string) string {
		return form("CreateTopic", append([]string{"Name", "jobs"}, pairs...)...)
	}
	big := strings.Repeat("x", 256<<10)
	tests := []struct {
		form   string
		status int
		want   string
	}{
		{form("CreateTopic"), 400, "ValidationError: " + fmt.Sprintf(missing, "name")},
		{form("CreateTopic", "Name", ""), 400, "InvalidParameter: Invalid parameter: Topic Name"},
		{form("CreateTopic", "Name", "jobs.fifo"), 400, "InvalidParameter: Invalid parameter: Topic Name"},
		{create("Attributes.entry.1.key", "DisplayName", "Attributes.entry.1.value", "x"), 400, "InvalidParameter: Invalid parameter: Attributes Reason: Topic already exists with different attributes"},
		{create("Tags.member.1.Key", "a", "Tags.member.1.Value", "1"), 400, "InvalidParameter: Invalid parameter: Tags Reason: Topic already exists with different tags"},
		{create("Attributes.entry.1.key", "FifoTopic", "Attributes.entry.1.value", "true"), 400, "InvalidParameter: Invalid parameter: Attributes Reason: FifoTopic: this server has standard topics only"},
		{create("Attributes.entry.1.key", "Fifo", "Attributes.entry.1.value", "x"), 400, "InvalidParameter: Invalid parameter: Attributes Reason: Unknown attribute Fifo"},
		{create("Tags.member.1.Key", "a", "Tags.member.1.Value", "1", "Tags.member.2.Key", "a", "Tags.member.2.Value", "2"), 400, "InvalidParameter: Invalid parameter: Duplicated keys are not allowed."},
		{form("GetTopicAttributes", "TopicArn", "jobs"), 400, "InvalidParameter: Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1"},
		{form("GetTopicAttributes", "TopicArn", prefix+"none"), 404, "NotFound: Topic does not exist"},
		{form("DeleteTopic", "TopicArn", "arn:aws:sns:us-east-1:123456789012:jobs"), 400, "InvalidParameter: Invalid parameter: TopicArn Reason: the topics of this server begin with " + prefix},
		{setTopic("Owner", "x"), 400, "InvalidParameter: Invalid parameter: AttributeName"},
		{setTopic("SignatureVersion", "3"), 400, "InvalidParameter: Invalid parameter: SignatureVersion: Invalid value [3]. Must be 1 or 2."},
		{setTopic("DisplayName", "a\nb"), 400, "InvalidParameter: Invalid parameter: DisplayName: it may have 100 characters, and no control characters"},
		{setTopic("Policy", "allow"), 400, "InvalidParameter: Invalid parameter: Policy: it is not the JSON of a policy"},
		{setTopic("DeliveryPolicy", `{"http":{"defaultHealthyRetryPolicy":{"numRetries":101}}}`), 400, "InvalidParameter: Invalid parameter: DeliveryPolicy: numRetries must be 0 to 100"},

		{subscribe("Protocol", "test-protocol", "Endpoint", "x"), 400, "InvalidParameter: Invalid parameter: Amazon SNS does not support this protocol string: test-protocol"},
		{subscribe("Protocol", "lambda", "Endpoint", "x"), 400, "InvalidParameter: Invalid parameter: Protocol Reason: this server does not deliver by lambda, but by email, http, https, sqs"},
		{subscribe("Protocol", "http", "Endpoint", "https://example.com"), 400, "InvalidParameter: Invalid parameter: Endpoint must match the specified protocol"},
		{subscribe("Protocol", "http"), 400, "InvalidParameter: Invalid parameter: Endpoint must match the specified protocol"},
		{subscribe("Protocol", "http", "Endpoint", "http:///path"), 400, "InvalidParameter: Invalid parameter: Endpoint Reason: it names no host"},
		{subscribe("Protocol", "http", "Endpoint", "http://169.254.169.254/latest"), 400, "InvalidParameter: Invalid parameter: Endpoint Reason: that address is not public"},
		{subscribe("Protocol", "http", "Endpoint", "http://x/\r\nHost: y"), 400, "InvalidParameter: Invalid parameter: Endpoint Reason: it may have 2048 bytes, and no control characters"},
		{subscribe("Protocol", "email", "Endpoint", "Ann <ann@example.com>"), 400, "InvalidParameter: Invalid parameter: Email address"},
		{subscribe("Protocol", "sqs", "Endpoint", "https://sqs.eu-west-1.amazonaws.com/1/q"), 400, "InvalidParameter: Invalid parameter: SQS endpoint ARN"},
		{subscribe("Protocol", "sqs", "Endpoint", "arn:aws:sqs:eu-west-1:123456789012:q.fifo"), 400, "InvalidParameter: Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"},
		{subscribe("Protocol", "sqs", "Endpoint", "arn:aws:sqs:eu-west-1:123456789012:q", "Attributes.entry.1.key", "RawMessageDelivery", "Attributes.entry.1.value", "false"), 400, "InvalidParameter: Invalid parameter: Attributes Reason: Subscription already exists with different attributes"},
		{form("Subscribe", "TopicArn", prefix+"none", "Protocol", "http", "Endpoint", "http://example.com/"), 404, "NotFound: Topic does not exist"},
		{hook("RawMessageDelivery", "wrongvalue"), 400, "InvalidParameter: Invalid parameter: Attributes Reason: RawMessageDelivery: Invalid value [wrongvalue]. Must be true or false."},
		{hook("Colour", "red"), 400, "InvalidParameter: Invalid parameter: Attributes Reason: Unknown attribute Colour"},
		{hook("FilterPolicy", `{"a":["x"],"b":{"c":["y"]}}`), 400, "InvalidParameter: Invalid parameter: Attributes Reason: Filter policy scope MessageAttributes does not support nested filter policy"},
		{hook("WebhookSecret", "short"), 400, "InvalidParameter: Invalid parameter: Attributes Reason: WebhookSecret: it must be whsec_ and the base64 of 24 to 64 random bytes; while one takes the place of another, both with a space between them"},
		{subscribe("Protocol", "email", "Endpoint", "a@example.com", "Attributes.entry.1.key", "RawMessageDelivery", "Attributes.entry.1.value", "true"), 400, "InvalidParameter: Invalid parameter: Attributes Reason: Delivery protocol [email] does not support raw message delivery."},

		{set("fake-attribute", "x"), 400, "InvalidParameter: Invalid parameter: AttributeName"},
		{set("RawMessageDelivery", "test-ValUe"), 400, "InvalidParameter: Invalid parameter: RawMessageDelivery: Invalid value [test-ValUe]. Must be true or false."},
		{set("RawMessageDelivery", ""), 400, "InvalidParameter: Invalid parameter: RawMessageDelivery: Invalid value []. Must be true or false."},
		{set("RedrivePolicy", `{"deadLetterTargetArn":"fake-arn"}`), 400, "InvalidParameter: Invalid parameter: RedrivePolicy: deadLetterTargetArn is an invalid arn"},
		{set("FilterPolicyScope", "RandomValue"), 400, "InvalidParameter: Invalid parameter: FilterPolicyScope: Invalid value [RandomValue]. Please use either MessageBody or MessageAttributes"},
		{set("FilterPolicy", `{"key_a":"value_one"}`), 400, "InvalidParameter: Invalid parameter: FilterPolicy: &quot;key_a&quot; must be an object or an array\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 11]"},
		{set("DeliveryPolicy", `{"healthyRetryPolicy":{"minDelayTarget":0}}`), 400, "InvalidParameter: Invalid parameter: DeliveryPolicy: minDelayTarget must be 1 to 3600 seconds"},
		{form("GetSubscriptionAttributes", "SubscriptionArn", topic+":7d2f6c2e-6e0c-4a1f-8e3e-6a3c1f0a9b11"), 404, "NotFound: Subscription does not exist"},
		{form("Unsubscribe", "SubscriptionArn", "a"), 400, "InvalidParameter: Invalid parameter: SubscriptionArn Reason: An ARN must have at least 6 elements, not 1"},
		{form("Unsubscribe", "SubscriptionArn", "arn:aws:sns:eu:1"), 400, "InvalidParameter: Invalid parameter: SubscriptionArn Reason: An ARN must have at least 6 elements, not 5"},
		{form("Unsubscribe", "SubscriptionArn", topic), 400, "InvalidParameter: Invalid parameter: SubscriptionId"},
		{form("Unsubscribe"), 400, "InvalidParameter: Invalid parameter: SubscriptionArn Reason: no value for required parameter"},
		{form("ConfirmSubscription", "TopicArn", topic, "Token", "short"), 400, "InvalidParameter: Invalid token"},
		{form("ConfirmSubscription", "TopicArn", topic, "Token", strings.Repeat("a1", 32)), 400, "InvalidParameter: Invalid parameter: Token"},
		{form("ConfirmSubscription", "TopicArn", "jobs", "Token", strings.Repeat("a1", 32)), 400, "InvalidParameter: Invalid parameter: Topic"},
		{form("ListTopics", "NextToken", "abc"), 400, "InvalidParameter: Invalid parameter: NextToken Reason: it is none that this server has given out"},

		{form("Publish", "Message", "m"), 400, "InvalidParameter: Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter"},
		{form("Publish", "TopicArn", topic), 400, "ValidationError: " + fmt.Sprintf(missing, "message")},
		{form("Publish", "TopicArn", "", "Message", "m"), 400, "InvalidParameter: Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1"},
		{form("Publish", "TopicArn", prefix+"none", "Message", "m"), 404, "NotFound: Topic does not exist"},
		{form("Publish", "PhoneNumber", "+123", "Message", "m"), 400, "InvalidParameter: Invalid parameter: PhoneNumber Reason: this server sends no text messages"},
		{publish("Message", ""), 400, "InvalidParameter: Invalid parameter: Empty message"},
		{publish("Message", "m", "Subject", ""), 400, "InvalidParameter: Invalid parameter: Subject"},
		{publish("Message", "m", "Subject", "a\nb"), 400, "InvalidParameter: Invalid parameter: Subject"},
		{publish("Message", "m", "Subject", strings.Repeat("ü", 101)), 400, "InvalidParameter: Invalid parameter: Subject"},
		{publish("Message", big+"x"), 400, "InvalidParameter: Invalid parameter: Message too long"},
		{publish("Message", big[:len(big)-10], "MessageAttributes.entry.1.Name", "name", "MessageAttributes.entry.1.Value.DataType", "String", "MessageAttributes.entry.1.Value.StringValue", "v"), 400, "InvalidParameter: Invalid parameter: Message too long"},
		{publish("Message", "{}", "MessageStructure", "json"), 400, "InvalidParameter: Invalid parameter: Message Structure - No default entry in JSON message body"},
		{publish("Message", `{"default":1}`, "MessageStructure", "json"), 400, "InvalidParameter: Invalid parameter: Message Structure - No default entry in JSON message body"},
		{publish("Message", `{"default"`, "MessageStructure", "json"), 400, "InvalidParameter: Invalid parameter: Message Structure - JSON message body failed to parse"},
		{attribute("attr1", "String", "StringValue", ""), 400, "ParameterValueInvalid: The message attribute 'attr1' must contain non-empty message attribute value for message attribute type 'String'."},
		{attribute("attr1", "String", "BinaryValue", "AgME"), 400, "ParameterValueInvalid: The message attribute 'attr1' with type 'String' must use field 'String'."},
		{attribute("attr1", "Binary", "StringValue", "x"), 400, "ParameterValueInvalid: The message attribute 'attr1' with type 'Binary' must use field 'Binary'."},
		{attribute("attr1", "Number", "BinaryValue", "AgME"), 400, "ParameterValueInvalid: The message attribute 'attr1' with type 'Number' must use field 'String'."},
		{attribute("attr1", "Stringprefixed", "StringValue", "x"), 400, "ParameterValueInvalid: The message attribute 'attr1' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."},
		{attribute("attr1", "Number", "StringValue", "one"), 400, "ParameterValueInvalid: Could not cast message attribute 'attr1' value to number."},
		{attribute(strings.Repeat("n", 256), "String", "StringValue", "x"), 400, "ParameterValueInvalid: Length of message attribute name must be less than 256 bytes."},
		{attribute("a^b", "String", "StringValue", "x"), 400, "ParameterValueInvalid: Invalid non-alphanumeric character '#x5E' was found in the message attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots."},
		{attribute(".a", "String", "StringValue", "x"), 400, "ParameterValueInvalid: Invalid message attribute name starting with character '.' was found."},
		{attribute("a.", "String", "StringValue", "x"), 400, "ParameterValueInvalid: Invalid message attribute name ending with character '.' was found."},
		{attribute("a..b", "String", "StringValue", "x"), 400, "ParameterValueInvalid: Message attribute name can not have successive '.' character."},
		{publish("Message", "m", "MessageAttributes.entry.1.Name", "attr1", "MessageAttributes.entry.1.Value.StringValue", "x"), 400, "ValidationError: " + fmt.Sprintf(missing, "messageAttributes.attr1.member.dataType")},
		{batch(), 400, "EmptyBatchRequest: The batch request doesn't contain any entries."},
		{batch("1", "a", "1", "b"), 400, "BatchEntryIdsNotDistinct: Two or more batch entries in the request have the same Id."},
		{batch("a b", "a"), 400, "InvalidBatchEntryId: The Id of a batch entry in a batch request doesn't abide by the specification."},
		{batch("1", "a", "2", "b", "3", "c", "4", "d", "5", "e", "6", "f", "7", "g", "8", "h", "9", "i", "10", "j", "11", "k"), 400, "TooManyEntriesInBatchRequest: The batch request contains more entries than permissible."},
		{batch("1", big, "2", "x"), 400, "BatchRequestTooLong: The length of all the messages put together is more than the limit."},
		{form("PublishBatch", "TopicArn", prefix+"none", "PublishBatchRequestEntries.member.1.Id", "1", "PublishBatchRequestEntries.member.1.Message", "m"), 404, "NotFound: Topic does not exist"},

		{form("TagResource", "ResourceArn", prefix+"none"), 404, "ResourceNotFound: Resource does not exist"},
		{form("ListTagsForResource", "ResourceArn", prefix+"none"), 404, "ResourceNotFound: Resource does not exist"},
		{form("TagResource", "ResourceArn", topic, "Tags.member.1.Key", "aws:x"), 400, "InvalidParameter: Invalid parameter: Tags Reason: a key must not begin with aws:"},

		{form("GetSMSAttributes"), 400, "InvalidAction: Could not find operation GetSMSAttributes for version 2010-03-31: Etude&apos;s SNS has version 2010-03-31, and not all of its operations."},
		{"Action=ListTopics&Version=2011-01-01", 400, "InvalidAction: Could not find operation ListTopics for version 2011-01-01: Etude&apos;s SNS has version 2010-03-31, and not all of its operations."},
		{"Version=2010-03-31", 400, "MissingAction: The request names no Action."},
		{"%zz", 400, "MalformedQueryString: The form in the request's body could not be read: invalid URL escape &quot;%zz&quot;."},
	}
	for _, tt := range tests {
		status, body := s.post(t, tt.form)
		got := between(body, "<Code>", "</Code>") + ": " + between(body, "<Message>", "</Message>")
		if want := strings.ReplaceAll(tt.want, "&apos;", "'"); got != want || status != tt.status {
			t.Errorf("%.200s:\ngot  %d %s\nwant %d %s", tt.form, status, got, tt.status, want)
		}
	}
}

func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}

func TestTopics(t *testing.T) {
	s := newServer(t)
	c := s.sdk(account.Admin)
	for range 2 { // the second time it is there already
		out, err := c.CreateTopic(t.Context(), &sns.CreateTopicInput{
			Name: aws.String("jobs"), Attributes: map[string]string{"DisplayName": "Jobs", "FifoTopic": "false"},
			Tags: []types.Tag{{Key: aws.String("k1"), Value: aws.String("v1")}, {Key: aws.String("k2"), Value: aws.String("v2")}},
		})
		if err != nil || *out.TopicArn != prefix+"jobs" {
			t.Fatalf("got %v, %v", out, err)
		}
	}
	topic := s.topic(t, "jobs") // without saying what it has
	set := func(name, value string) {
		t.Helper()
		if _, err := c.SetTopicAttributes(t.Context(), &sns.SetTopicAttributesInput{TopicArn: &topic, AttributeName: &name, AttributeValue: &value}); err != nil {
			t.Error(said(err))
		}
	}
	set("SignatureVersion", "2")
	set("Policy", `{"Version":"2008-10-17","Statement":[]}`)
	set("DeliveryPolicy", `{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":5,"maxDelayTarget":6,"numRetries":1}}}`)
	set("DisplayName", "")
	got, err := c.GetTopicAttributes(t.Context(), &sns.GetTopicAttributesInput{TopicArn: &topic})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"DisplayName": "", "SignatureVersion": "2", "Policy": `{"Version":"2008-10-17","Statement":[]}`, "Owner": number, "TopicArn": topic,
		"DeliveryPolicy":          `{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":5,"maxDelayTarget":6,"numRetries":1}}}`,
		"EffectiveDeliveryPolicy": `{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":5,"maxDelayTarget":6,"numRetries":1,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}}`,
		"SubscriptionsConfirmed":  "0", "SubscriptionsPending": "0", "SubscriptionsDeleted": "0",
	}
	if diff := cmp.Diff(want, got.Attributes); diff != "" {
		t.Errorf("attributes: want (-), got (+):\n%s", diff)
	}
	if _, err := c.UntagResource(t.Context(), &sns.UntagResourceInput{ResourceArn: &topic, TagKeys: []string{"k1", "none"}}); err != nil {
		t.Error(said(err))
	}
	if _, err := c.TagResource(t.Context(), &sns.TagResourceInput{ResourceArn: &topic, Tags: []types.Tag{{Key: aws.String("k2"), Value: aws.String("v2b")}}}); err != nil {
		t.Error(said(err))
	}
	tags, err := c.ListTagsForResource(t.Context(), &sns.ListTagsForResourceInput{ResourceArn: &topic})
	if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].Key != "k2" || *tags.Tags[0].Value != "v2b" {
		t.Errorf("tags = %+v, %v", tags, err)
	}
	for range 2 {
		if _, err := c.DeleteTopic(t.Context(), &sns.DeleteTopicInput{TopicArn: &topic}); err != nil {
			t.Error(said(err))
		}
	}
}

// TestPages has more than fit on one, deleted and made between two pages.
func TestPages(t *testing.T) {
	s := newServer(t)
	topic := s.topic(t, "a")
	for i := range 104 {
		if _, err := s.service.CreateTopic(t.Context(), notify.TopicSpec{Name: fmt.Sprint("topic", i)}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.service.Subscribe(t.Context(), notify.SubscriptionSpec{Topic: notify.TopicARN(topic), Protocol: notify.SQS, Endpoint: fmt.Sprint("arn:aws:sqs:eu-west-1:1:q", i)}); err != nil {
			t.Fatal(err)
		}
	}
	c := s.sdk(account.ReadOnly)
	sizes := func(next func(token *string) (int, *string, error)) (all []int) {
		t.Helper()
		for token, more := (*string)(nil), true; more; more = token != nil {
			var n int
			var err error
			if n, token, err = next(token); err != nil {
				t.Fatal(said(err))
			}
			all = append(all, n)
		}
		return all
	}
	for name, got := range map[string][]int{
		"topics": sizes(func(token *string) (int, *string, error) {
			out, err := c.ListTopics(t.Context(), &sns.ListTopicsInput{NextToken: token})
			return len(out.Topics), out.NextToken, err
		}),
		"subscriptions": sizes(func(token *string) (int, *string, error) {
			out, err := c.ListSubscriptions(t.Context(), &sns.ListSubscriptionsInput{NextToken: token})
			return len(out.Subscriptions), out.NextToken, err
		}),
		"subscriptions of a topic": sizes(func(token *string) (int, *string, error) {
			out, err := c.ListSubscriptionsByTopic(t.Context(), &sns.ListSubscriptionsByTopicInput{TopicArn: &topic, NextToken: token})
			return len(out.Subscriptions), out.NextToken, err
		}),
	} {
		want := []int{100, 4}
		if name == "topics" {
			want[1] = 5
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: want (-), got (+):\n%s", name, diff)
		}
	}
}

func TestSubscriptions(t *testing.T) {
	s := newServer(t)
	c := s.sdk(account.Admin)
	topic := s.topic(t, "jobs")
	const queue = "arn:aws:sqs:eu-west-1:123456789012:q"
	sub := s.subscribe(t, topic, "sqs", queue, map[string]string{"RawMessageDelivery": "true", "FilterPolicyScope": "MessageBody"})
	for _, same := range []map[string]string{nil, {}, {"RawMessageDelivery": "true"}} {
		if again := s.subscribe(t, topic, "sqs", queue, same); again != sub {
			t.Errorf("with %v: got %s, want %s again", same, again, sub)
		}
	}
	set := func(name, value string) {
		t.Helper()
		if _, err := c.SetSubscriptionAttributes(t.Context(), &sns.SetSubscriptionAttributesInput{SubscriptionArn: &sub, AttributeName: &name, AttributeValue: &value}); err != nil {
			t.Error(said(err))
		}
	}
	set("FilterPolicy", `{"state":["COMPLETED"],"input":{"key":[{"suffix":".wav"}]}}`)
	set("RedrivePolicy", `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:dead"}`)
	got, err := c.GetSubscriptionAttributes(t.Context(), &sns.GetSubscriptionAttributesInput{SubscriptionArn: &sub})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"SubscriptionArn": sub, "TopicArn": topic, "Owner": number, "Protocol": "sqs", "Endpoint": queue,
		"PendingConfirmation": "false", "ConfirmationWasAuthenticated": "true", "RawMessageDelivery": "true",
		"FilterPolicy": `{"state":["COMPLETED"],"input":{"key":[{"suffix":".wav"}]}}`, "FilterPolicyScope": "MessageBody",
		"RedrivePolicy":         `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:dead"}`,
		"SubscriptionPrincipal": "arn:aws:iam::123456789012:root",
	}
	if diff := cmp.Diff(want, got.Attributes); diff != "" {
		t.Errorf("attributes: want (-), got (+):\n%s", diff)
	}
	// The nested policy does not go with the other scope.
	_, err = c.SetSubscriptionAttributes(t.Context(), &sns.SetSubscriptionAttributesInput{SubscriptionArn: &sub, AttributeName: aws.String("FilterPolicyScope"), AttributeValue: aws.String("MessageAttributes")})
	if want := "InvalidParameter: Invalid parameter: Filter policy scope MessageAttributes does not support nested filter policy"; said(err) != want {
		t.Errorf("got %s, want %s", said(err), want)
	}
	set("FilterPolicy", "")
	set("FilterPolicyScope", "MessageAttributes")

	secret := "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
	hook := s.subscribe(t, topic, "https", "https://example.com/", map[string]string{"WebhookSecret": secret})
	got, err = c.GetSubscriptionAttributes(t.Context(), &sns.GetSubscriptionAttributesInput{SubscriptionArn: &hook})
	if err != nil || got.Attributes["PendingConfirmation"] != "true" || got.Attributes["ConfirmationWasAuthenticated"] != "false" {
		t.Errorf("pending: got %v, %v", got.Attributes, err)
	}
	if text := fmt.Sprint(got.Attributes); strings.Contains(text, "whsec") || !strings.Contains(text, `"healthyRetryPolicy"`) {
		t.Errorf("got %s, want no secret, and the delivery policy", text)
	}
	for range 2 {
		if _, err := c.Unsubscribe(t.Context(), &sns.UnsubscribeInput{SubscriptionArn: &sub}); err != nil {
			t.Error(said(err))
		}
	}
	if again := s.subscribe(t, topic, "sqs", queue, nil); again == sub {
		t.Error("a subscription that was ended came back")
	}
}

// tokens are those that a subscription's endpoint is told, oldest first.
func (s *server) tokens(t *testing.T, kind notify.MessageType) (all []string) {
	t.Helper()
	for _, m := range s.messages(t) {
		if m.Type == kind {
			all = append(all, s.service.Token(&m))
		}
	}
	return all
}

func TestConfirmation(t *testing.T) {
	s := newServer(t)
	topic := s.topic(t, "jobs")
	other := s.topic(t, "others")
	sub := s.subscribe(t, topic, "http", "http://example.com/", nil)
	s.subscribe(t, topic, "http", "http://example.com/", nil) // asks again
	tokens := s.tokens(t, notify.SubscriptionConfirmation)
	if len(tokens) != 2 || tokens[0] == tokens[1] || len(tokens[0]) != 64 {
		t.Fatalf("tokens = %q, want two of 64 digits", tokens)
	}
	link := func(topic, token string) string {
		return "Action=ConfirmSubscription&TopicArn=" + topic + "&Token=" + token
	}
	wrong := strings.Map(func(r rune) rune {
		if r == '0' {
			return '1'
		}
		return '0'
	}, tokens[0])
	for name, query := range map[string]string{
		"another topic":  link(other, tokens[0]),
		"a guess":        link(topic, wrong),
		"no such topic":  link(prefix+"none", tokens[0]),
		"upper case":     link(topic, strings.ToUpper(tokens[0])),
		"the hash of it": link(topic, strings.Repeat("ab", 32)),
	} {
		if status, body := s.get(t, query); status != 400 || !strings.Contains(body, "<Message>Invalid parameter: Token</Message>") {
			t.Errorf("%s: got %d %s", name, status, body)
		}
	}
	if status, body := s.get(t, link(topic, tokens[0])+"&AuthenticateOnUnsubscribe=true"); status != 403 || !strings.Contains(body, "<Code>AuthorizationError</Code>") {
		t.Errorf("unsigned, to be locked: got %d %s", status, body)
	}
	want := `<ConfirmSubscriptionResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">
  <ConfirmSubscriptionResult>
    <SubscriptionArn>` + sub + `</SubscriptionArn>
  </ConfirmSubscriptionResult>
  <ResponseMetadata>
    <RequestId>ID</RequestId>
  </ResponseMetadata>
</ConfirmSubscriptionResponse>
`
	for _, token := range []string{tokens[0], tokens[0], tokens[1]} { // again, and by the other
		if status, body := s.get(t, link(topic, token)); status != 200 || body != want {
			t.Errorf("confirm: got %d %s\nwant %s", status, body, want)
		}
	}
	got, err := s.store.Subscription(t.Context(), notify.SubscriptionARN(sub))
	if err != nil || !got.Confirmed || got.Authenticated || got.LockUnsubscribe {
		t.Errorf("got %+v, %v, want it confirmed by nobody known", got, err)
	}

	s.now = s.now.Add(time.Second)
	// Whoever has the link may end it; the endpoint is told how to restore it.
	unsubscribe := "Action=Unsubscribe&SubscriptionArn=" + sub
	for range 2 {
		if status, body := s.get(t, unsubscribe); status != 200 || !strings.Contains(body, "<UnsubscribeResponse ") {
			t.Errorf("unsubscribe: got %d %s", status, body)
		}
	}
	if status, _ := s.get(t, link(topic, tokens[0])); status != 400 {
		t.Errorf("the token that confirmed it restored it: %d", status)
	}
	restore := s.tokens(t, notify.UnsubscribeConfirmation)
	if len(restore) != 1 {
		t.Fatalf("%d messages tell how to restore it, want 1", len(restore))
	}
	if status, body := s.get(t, link(topic, restore[0])); status != 200 || body != want {
		t.Errorf("restore: got %d %s", status, body)
	}
	s.get(t, unsubscribe)
	again := s.subscribe(t, topic, "http", "http://example.com/", nil)
	if again == sub {
		t.Error("a subscription that was ended came back")
	}
	restore = s.tokens(t, notify.UnsubscribeConfirmation)
	if status, body := s.get(t, link(topic, restore[1])); status != 400 || !strings.Contains(body, "subscribed again since") {
		t.Errorf("restore beside another: got %d %s", status, body)
	}

	// A token lives two days.
	fresh := s.tokens(t, notify.SubscriptionConfirmation)[2]
	s.now = s.now.Add(48*time.Hour + time.Second)
	if status, body := s.get(t, link(topic, fresh)); status != 400 || !strings.Contains(body, "two days") {
		t.Errorf("after two days: got %d %s", status, body)
	}
}

func TestLockedSubscriptions(t *testing.T) {
	s := newServer(t)
	topic := s.topic(t, "jobs")
	hook := s.subscribe(t, topic, "http", "http://example.com/", nil)
	_, err := s.sdk(account.Submitter).ConfirmSubscription(t.Context(), &sns.ConfirmSubscriptionInput{
		TopicArn: &topic, Token: aws.String(s.tokens(t, notify.SubscriptionConfirmation)[0]), AuthenticateOnUnsubscribe: aws.String("true"),
	})
	if err != nil {
		t.Fatal(said(err))
	}
	for _, sub := range []string{
		hook, s.subscribe(t, topic, "sqs", "arn:aws:sqs:eu-west-1:123456789012:q", nil), s.subscribe(t, topic, "site", "", nil),
	} {
		if status, body := s.get(t, "Action=Unsubscribe&SubscriptionArn="+sub); status != 403 || !strings.Contains(body, "<Code>AuthorizationError</Code>") {
			t.Errorf("%s, unsigned: got %d %s", sub, status, body)
		}
		if _, err := s.sdk(account.Admin).Unsubscribe(t.Context(), &sns.UnsubscribeInput{SubscriptionArn: &sub}); err != nil {
			t.Error(said(err))
		}
	}
	if n := len(s.tokens(t, notify.UnsubscribeConfirmation)); n != 0 {
		t.Errorf("%d endpoints were told how to restore what its owner has ended", n)
	}
}

// TestUnsigned has all but the two links refused, and a page for browsers.
func TestUnsigned(t *testing.T) {
	s := newServer(t)
	for _, query := range []string{"Action=ListTopics", "Action=Publish&TopicArn=" + prefix + "jobs&Message=m", "Action=", "", "Action=Unsubscribe%00"} {
		if status, body := s.get(t, query); status != 403 || !strings.Contains(body, "<Code>MissingAuthenticationToken</Code>") {
			t.Errorf("%q: got %d %s", query, status, body)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/", strings.NewReader("Action=Unsubscribe&SubscriptionArn=x"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if status, body := s.send(t, r); status != 403 || !strings.Contains(body, "<Code>MissingAuthenticationToken</Code>") {
		t.Errorf("POST: got %d %s", status, body)
	}
	status, body := s.get(t, "Action=ConfirmSubscription&TopicArn="+prefix+"<b>&Token=x", "text/html,application/xhtml+xml")
	if status != 400 || !strings.HasPrefix(body, "<!DOCTYPE html>") || !strings.Contains(body, "Invalid parameter: Topic") || strings.Contains(body, "<b>") {
		t.Errorf("page: got %d %s", status, body)
	}
	topic := s.topic(t, "jobs")
	s.subscribe(t, topic, "email", "ann@example.com", nil)
	status, body = s.get(t, "Action=ConfirmSubscription&TopicArn="+topic+"&Token="+s.tokens(t, notify.SubscriptionConfirmation)[0], "text/html")
	if status != 200 || !strings.Contains(body, "<h1>Subscription confirmed</h1>") {
		t.Errorf("page: got %d %s", status, body)
	}
}

func TestRoles(t *testing.T) {
	s := newServer(t)
	topic := s.topic(t, "jobs")
	for role, want := range map[account.Role]map[string]bool{
		account.ReadOnly: {"list": true}, account.Submitter: {"list": true, "subscribe": true}, account.Admin: {"list": true, "subscribe": true, "publish": true},
	} {
		c := s.sdk(role)
		for name, call := range map[string]func() error{
			"list": func() error { _, err := c.ListTopics(t.Context(), nil); return err },
			"subscribe": func() error {
				_, err := c.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: &topic, Protocol: aws.String("http"), Endpoint: aws.String("http://example.com")})
				return err
			},
			"publish": func() error {
				_, err := c.Publish(t.Context(), &sns.PublishInput{TopicArn: &topic, Message: aws.String("m")})
				return err
			},
		} {
			err := said(call())
			if want[name] != (err == "") || err != "" && !strings.HasPrefix(err, "AuthorizationError: User: arn:aws:iam::123456789012:user/ann@example.com is not authorized to perform: sns:") {
				t.Errorf("%s may %s: got %q, want it allowed: %t", role, name, err, want[name])
			}
		}
	}
}

func TestPublish(t *testing.T) {
	s := newServer(t)
	c := s.sdk(account.Admin)
	topic := s.topic(t, "jobs")
	start := len(s.messages(t))
	one, err := c.Publish(t.Context(), &sns.PublishInput{
		TargetArn: &topic, Subject: aws.String("Grüße"), Message: aws.String(`{"default":"d","email":"e","sqs":"q","lambda":"l","http":5}`), MessageStructure: aws.String("json"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"s": {DataType: aws.String("String"), StringValue: aws.String("x & y")}, "n": {DataType: aws.String("Number.int"), StringValue: aws.String("-1.5e3")},
			"b": {DataType: aws.String("Binary"), BinaryValue: []byte{2, 3, 255}}, "a": {DataType: aws.String("String.Array"), StringValue: aws.String(`["p",1]`)},
		},
	})
	if err != nil {
		t.Fatal(said(err))
	}
	batch, err := c.PublishBatch(t.Context(), &sns.PublishBatchInput{TopicArn: &topic, PublishBatchRequestEntries: []types.PublishBatchRequestEntry{
		{Id: aws.String("x"), Message: aws.String("first")},
		{Id: aws.String("y_-2"), Message: aws.String("second"), Subject: aws.String("s"), MessageGroupId: aws.String("g"), MessageAttributes: map[string]types.MessageAttributeValue{"k": {DataType: aws.String("String"), StringValue: aws.String("v")}}},
	}})
	if err != nil {
		t.Fatal(said(err))
	}
	if len(batch.Failed) != 0 || len(batch.Successful) != 2 || *batch.Successful[1].Id != "y_-2" {
		t.Fatalf("batch: got %+v", batch)
	}
	big := bytes.Repeat([]byte("x"), 256<<10)
	if _, err := c.Publish(t.Context(), &sns.PublishInput{TopicArn: &topic, Message: aws.String(string(big))}); err != nil {
		t.Errorf("the longest message: %s", said(err))
	}
	got := s.messages(t)[start:]
	at := s.now.UTC().Truncate(time.Millisecond)
	want := []notify.Message{
		{
			ID: notify.MessageID(*one.MessageId), Topic: notify.TopicARN(topic), Type: notify.Notification, Subject: "Grüße", Body: "d", PublishTime: at,
			Bodies: map[notify.Protocol]string{"email": "e", "sqs": "q"},
			Attributes: map[string]notify.MessageAttribute{
				"s": {Type: "String", Value: "x & y"}, "n": {Type: "Number.int", Value: "-1.5e3"}, "b": {Type: "Binary", Value: "AgP/"}, "a": {Type: "String.Array", Value: `["p",1]`},
			},
		},
		{ID: notify.MessageID(*batch.Successful[0].MessageId), Topic: notify.TopicARN(topic), Type: notify.Notification, Body: "first", PublishTime: at},
		{
			ID: notify.MessageID(*batch.Successful[1].MessageId), Topic: notify.TopicARN(topic), Type: notify.Notification, Subject: "s", Body: "second", PublishTime: at,
			Attributes: map[string]notify.MessageAttribute{"k": {Type: "String", Value: "v"}},
		},
	}
	if diff := cmp.Diff(want, got[:3]); diff != "" {
		t.Errorf("messages: want (-), got (+):\n%s", diff)
	}
}

// TestPresigned has a request whose parameters and signature are in its URL.
func TestPresigned(t *testing.T) {
	s := newServer(t)
	if status, body := s.send(t, s.presign(t, "Action=CreateTopic&Name=presigned")); status != 200 || !strings.Contains(body, prefix+"presigned") {
		t.Errorf("got %d %s", status, body)
	}
}
