package s3event_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/s3event"
)

const (
	queueARN    = "arn:aws:sqs:eu-west-1:000000000000:uploads"
	topicARN    = "arn:aws:sns:eu-west-1:000000000000:uploads"
	functionARN = "arn:aws:lambda:eu-west-1:000000000000:function:to-flac"
)

// rule writes one element of a configuration.
func rule(kind, arn, id string, events []string, prefix, suffix string) string {
	var b strings.Builder
	b.WriteString("<" + kind + "Configuration>")
	if id != "" {
		b.WriteString("<Id>" + id + "</Id>")
	}
	b.WriteString("<" + kind + ">" + arn + "</" + kind + ">")
	for _, e := range events {
		b.WriteString("<Event>" + e + "</Event>")
	}
	if prefix != "" || suffix != "" {
		b.WriteString("<Filter><S3Key>")
		if prefix != "" {
			b.WriteString("<FilterRule><Name>prefix</Name><Value>" + prefix + "</Value></FilterRule>")
		}
		if suffix != "" {
			b.WriteString("<FilterRule><Name>suffix</Name><Value>" + suffix + "</Value></FilterRule>")
		}
		b.WriteString("</S3Key></Filter>")
	}
	b.WriteString("</" + kind + "Configuration>")
	return b.String()
}

func configuration(rules ...string) string {
	return `<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` + strings.Join(rules, "") + `</NotificationConfiguration>`
}

var created = []string{"s3:ObjectCreated:*"}

// The examples of
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
func TestFilterExamplesOfTheGuide(t *testing.T) {
	const ambiguous = "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type."
	put, post, del := []string{"s3:ObjectCreated:Put"}, []string{"s3:ObjectCreated:Post"}, []string{"s3:ObjectRemoved:*"}
	tests := []struct {
		name, xml, refused string
	}{
		{"a prefix", configuration(rule("Queue", queueARN, "1", put, "images/", "")), ""},
		{"prefixes that do not overlap", configuration(
			rule("Queue", queueARN, "1", put, "images/", ""), rule("Queue", queueARN, "2", put, "logs/", "")), ""},
		{"suffixes that do not overlap", configuration(
			rule("Queue", queueARN, "1", put, "", ".jpg"), rule("Queue", queueARN, "2", put, "", ".png")), ""},
		{"prefixes that overlap, suffixes that do not", configuration(
			rule("CloudFunction", functionARN, "1", put, "images", ".jpg"), rule("CloudFunction", functionARN, "2", put, "images", ".png")), ""},

		{"an event for all and one for a prefix", configuration(
			rule("Topic", topicARN, "1", created, "", ""), rule("Queue", queueARN, "2", put, "images", "")), ambiguous},
		{"prefixes that overlap", configuration(
			rule("Topic", topicARN, "1", created, "images", ""), rule("Topic", topicARN, "2", created, "images/a", "")), ambiguous},
		{"suffixes that overlap", configuration(
			rule("Topic", topicARN, "1", put, "", "jpg"), rule("Topic", topicARN, "2", put, "", "pg")), ambiguous},

		{"prefixes and suffixes that overlap", configuration(
			rule("Topic", topicARN, "1", created, "images", "jpg"), rule("Queue", queueARN, "2", put, "images", ".jpg")), ambiguous},
		{"the same filter for other events", configuration(
			rule("Topic", topicARN, "1", put, "images", "jpg"), rule("Queue", queueARN, "2", append(post, del...), "images", "jpg")), ""},
		{"a prefix in an URL's writing", configuration(
			rule("Topic", topicARN, "1", put, "my+songs", ""), rule("Queue", queueARN, "2", put, "my songs/", "")), ambiguous},
	}
	for _, tt := range tests {
		c, err := s3event.ParseConfiguration([]byte(tt.xml))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		got := ""
		if fault := (&s3event.Error{}); errors.As(c.Check(), &fault) {
			got = fault.Message
		}
		if got != tt.refused {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.refused)
		}
	}
}

func TestConfigurationIsReadAndWritten(t *testing.T) {
	text := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + configuration(
		rule("Queue", queueARN, "", created, "", ""), // after the topics in the answer
		rule("Topic", topicARN, "t&amp;1", []string{"s3:ObjectCreated:Put", "s3:ObjectRemoved:*"}, "a &lt;b", ".wav"),
		"<EventBridgeConfiguration/>") + "\n"
	got, err := s3event.ParseConfiguration([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Targets) != 2 || got.Targets[1].ID == "" {
		t.Fatalf("got %+v, want two targets, of which the one without an ID was given one", got)
	}
	got.Targets[1].ID = "given"
	want := s3event.Configuration{EventBridge: true, Targets: []s3event.Target{
		{ID: "t&1", Kind: s3event.Topic, ARN: topicARN, Events: []string{"s3:ObjectCreated:Put", "s3:ObjectRemoved:*"}, Prefix: "a <b", Suffix: ".wav"},
		{ID: "given", Kind: s3event.Queue, ARN: queueARN, Events: created},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	wantXML := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` +
		`<TopicConfiguration><Id>t&amp;1</Id><Topic>` + topicARN + `</Topic><Event>s3:ObjectCreated:Put</Event><Event>s3:ObjectRemoved:*</Event>` +
		`<Filter><S3Key><FilterRule><Name>Prefix</Name><Value>a &lt;b</Value></FilterRule><FilterRule><Name>Suffix</Name><Value>.wav</Value></FilterRule></S3Key></Filter>` +
		`</TopicConfiguration><QueueConfiguration><Id>given</Id><Queue>` + queueARN + `</Queue><Event>s3:ObjectCreated:*</Event></QueueConfiguration>` +
		`<EventBridgeConfiguration></EventBridgeConfiguration></NotificationConfiguration>`
	if diff := cmp.Diff(wantXML, string(got.XML())); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	again, err := s3event.ParseConfiguration(got.XML())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("read again (-want +got):\n%s", diff)
	}
	if got := string(s3event.Configuration{}.XML()); !strings.HasSuffix(got, `<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></NotificationConfiguration>`) {
		t.Errorf("without targets it is %s, want the empty element", got)
	}
}

func TestConfigurationFaults(t *testing.T) {
	const form, arn = "The XML you provided was not well-formed or did not validate against our published schema", "The ARN could not be parsed"
	long := strings.Repeat("a", 1025)
	filter := func(rules string) string {
		return configuration(`<QueueConfiguration><Queue>` + queueARN + `</Queue><Event>s3:ObjectCreated:*</Event><Filter><S3Key>` + rules + `</S3Key></Filter></QueueConfiguration>`)
	}
	name := func(n string) string { return "<FilterRule><Name>" + n + "</Name><Value>x</Value></FilterRule>" }
	for _, tt := range []struct {
		name, xml, want string
		argument        s3event.Argument
	}{
		{"nothing", "", form, s3event.Argument{}},
		{"no XML", "{}", form, s3event.Argument{}},
		{"another element", "<Delete/>", form, s3event.Argument{}},
		{"another namespace", `<NotificationConfiguration xmlns="urn:x"/>`, form, s3event.Argument{}},
		{"cut off", strings.TrimSuffix(configuration(), "</NotificationConfiguration>"), form, s3event.Argument{}},
		{"two documents", configuration() + configuration(), form, s3event.Argument{}},
		{"no ARN", configuration(`<TopicConfiguration><Event>s3:ObjectCreated:*</Event></TopicConfiguration>`), form, s3event.Argument{}},
		{"no event", configuration(rule("Topic", topicARN, "1", nil, "", "")), form, s3event.Argument{}},
		{"a filter without a value", filter("<FilterRule><Name>prefix</Name></FilterRule>"), form, s3event.Argument{}},
		{"text in place of an ARN", configuration(rule("Queue", "uploads", "1", created, "", "")), arn, s3event.Argument{Name: "Queue", Value: "uploads"}},
		{"an ARN of another service", configuration(rule("Topic", queueARN, "1", created, "", "")), arn, s3event.Argument{Name: "Topic", Value: queueARN}},
		{"a Lambda ARN of no function", configuration(rule("CloudFunction", "arn:aws:lambda:eu-west-1:000000000000:layer:x", "1", created, "", "")), arn,
			s3event.Argument{Name: "CloudFunction", Value: "arn:aws:lambda:eu-west-1:000000000000:layer:x"}},
		{"a FIFO queue", configuration(rule("Queue", queueARN+".fifo", "1", created, "", "")),
			"FIFO topics and queues are not supported by S3 event notifications. Name a standard one", s3event.Argument{Name: "Queue", Value: queueARN + ".fifo"}},
		{"a FIFO topic", configuration(rule("Topic", topicARN+".fifo", "1", created, "", "")),
			"FIFO topics and queues are not supported by S3 event notifications. Name a standard one", s3event.Argument{Name: "Topic", Value: topicARN + ".fifo"}},
		{"an unknown event", configuration(rule("Queue", queueARN, "1", []string{"s3:ObjectCreated:Nothing"}, "", "")),
			"The event is not supported for notifications", s3event.Argument{Name: "Event", Value: "s3:ObjectCreated:Nothing"}},
		{"an event that never happens here", configuration(rule("Queue", queueARN, "1", []string{"s3:ObjectRestore:Completed"}, "", "")),
			"The event is not supported for notifications", s3event.Argument{Name: "Event", Value: "s3:ObjectRestore:Completed"}},
		{"another filter", filter(name("infix")), "filter rule name must be either prefix or suffix", s3event.Argument{Name: "FilterRule.Name", Value: "infix"}},
		{"two prefixes", filter(name("prefix") + name("Prefix")), "Cannot specify more than one prefix rule in a filter.", s3event.Argument{Name: "FilterRule.Name", Value: "Prefix"}},
		{"two suffixes", filter(name("suffix") + name("suffix")), "Cannot specify more than one suffix rule in a filter.", s3event.Argument{Name: "FilterRule.Name", Value: "suffix"}},
		{"a long prefix", configuration(rule("Queue", queueARN, "1", created, long, "")),
			"Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation", s3event.Argument{Name: "Prefix", Value: long}},
		{"an ID twice", configuration(rule("Queue", queueARN, "1", created, "a", ""), rule("Queue", queueARN, "1", created, "b", "")),
			"Same ID used for multiple configurations. IDs must be unique", s3event.Argument{Name: "Id", Value: "1"}},
		{"a long ID", configuration(rule("Queue", queueARN, long, created, "", "")), "The ID of a configuration has 1 to 255 characters", s3event.Argument{Name: "Id", Value: long}},
		{"too many targets", configuration(strings.Repeat(rule("Queue", queueARN, "", created, "", ""), 101)),
			"The configuration has 101 targets; a bucket may have at most 100", s3event.Argument{}},
	} {
		c, err := s3event.ParseConfiguration([]byte(tt.xml))
		if err == nil {
			err = c.Check()
		}
		want := &s3event.Error{Code: "InvalidArgument", Message: tt.want}
		if tt.want == form {
			want.Code = "MalformedXML"
		}
		if tt.argument != (s3event.Argument{}) {
			want.Arguments = []s3event.Argument{tt.argument}
		}
		var got *s3event.Error
		errors.As(err, &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestMatch(t *testing.T) {
	c := s3event.Configuration{Targets: []s3event.Target{
		{ID: "all", Events: []string{"s3:ObjectCreated:*"}},
		{ID: "songs", Events: []string{"s3:ObjectCreated:Put", "s3:ObjectCreated:Post"}, Prefix: "my+songs/", Suffix: ".wav"},
		{ID: "gone", Events: []string{"s3:ObjectRemoved:Delete"}, Prefix: "my"},
	}}
	for _, tt := range []struct {
		name, key string
		want      []string
	}{
		{s3event.CreatedPut, "my songs/a.wav", []string{"all", "songs"}},
		{s3event.CreatedPut, "my+songs/a.wav", []string{"all", "songs"}},
		{s3event.CreatedPost, "my songs/a.wav", []string{"all", "songs"}},
		{s3event.CreatedCopy, "my songs/a.wav", []string{"all"}},
		{s3event.CreatedComplete, "your songs/a.wav", []string{"all"}},
		{s3event.CreatedPut, "my songs/a.WAV", []string{"all"}},
		{s3event.RemovedDelete, "my songs/a.wav", []string{"gone"}},
		{s3event.RemovedMarker, "my songs/a.wav", nil},
		{"ObjectTagging:Put", "my songs/a.wav", nil},
	} {
		var got []string
		for _, target := range c.Match(s3event.Event{Name: tt.name, Key: tt.key}) {
			got = append(got, target.ID)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s of %s (-want +got):\n%s", tt.name, tt.key, diff)
		}
	}
}

func TestFunctionNames(t *testing.T) {
	for arn, want := range map[string]string{
		functionARN: "to-flac", functionARN + ":$LATEST": "to-flac", queueARN: "", "": "", "arn:aws:lambda:a:b:function:": "", "a:b": "",
	} {
		if got := (s3event.Target{ARN: arn}).FunctionName(); got != want {
			t.Errorf("function in %q is %q, want %q", arn, got, want)
		}
	}
}

func FuzzParseConfiguration(f *testing.F) {
	f.Add([]byte(configuration(rule("Queue", queueARN, "1", created, "a", "b"), "<EventBridgeConfiguration/>")))
	f.Add([]byte(configuration()))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := s3event.ParseConfiguration(text)
		if err != nil || c.Check() != nil {
			return
		}
		again, err := s3event.ParseConfiguration(c.XML())
		if err != nil {
			t.Fatalf("%s is not read again: %v", c.XML(), err)
		}
		if diff := cmp.Diff(c, again); diff != "" {
			t.Fatalf("read again (-want +got):\n%s", diff)
		}
	})
}
