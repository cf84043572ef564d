package s3event_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"etude/internal/s3event"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

func put(key string) s3event.Event {
	return s3event.Event{
		Name: s3event.CreatedPut, Bucket: "media-bucket", Key: key, ETag: "d41d8cd98f00b204e9800998ecf8427e", Size: 1024,
		Sequencer: "000000000000002A", Time: at, Region: "eu-west-1", Principal: "AKIAEXAMPLE", Owner: "000000000000",
		SourceIP: "127.0.0.1", RequestID: "C3D13FE58DE4C810", HostID: "host+id", ConfigurationID: "uploads",
	}
}

const golden = `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-west-1","eventTime":"2026-01-02T03:04:05.678Z",` +
	`"eventName":"ObjectCreated:Put","userIdentity":{"principalId":"AKIAEXAMPLE"},"requestParameters":{"sourceIPAddress":"127.0.0.1"},` +
	`"responseElements":{"x-amz-request-id":"C3D13FE58DE4C810","x-amz-id-2":"host+id"},"s3":{"s3SchemaVersion":"1.0","configurationId":"uploads",` +
	`"bucket":{"name":"media-bucket","ownerIdentity":{"principalId":"000000000000"},"arn":"arn:aws:s3:::media-bucket"},` +
	`"object":{"key":"media/a+song+%40+%26.wav","size":1024,"eTag":"d41d8cd98f00b204e9800998ecf8427e","sequencer":"000000000000002A"}}}]}`

func TestEncodeIsAsAWSWritesIt(t *testing.T) {
	if diff := cmp.Diff(golden, string(s3event.Encode(put("media/a song @ &.wav")))); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	removed := s3event.Event{Name: s3event.RemovedDelete, Bucket: "bbb", Key: "k", VersionID: "v1", Sequencer: "01", Time: at}
	want := `"object":{"key":"k","versionId":"v1","sequencer":"01"}}}]}`
	if got := string(s3event.Encode(removed)); !strings.HasSuffix(got, want) {
		t.Errorf("removed is %s, want it to end with %s", got, want)
	}
	empty := put("dir/")
	empty.Size = 0
	if got := string(s3event.Encode(empty)); !strings.Contains(got, `"size":0`) {
		t.Errorf("an empty object is %s, want its size to be there", got)
	}
}

// awkward are keys that lose something when they are written carelessly.
var awkward = []string{
	"plain.wav", "media/with space.wav", "a+b.wav", "100%.wav", "100%25.wav", "%41", "é/ü.flac", "日本語 曲.mp3", "a&b=c?d#e", `quo"te\back`,
	"<tag>", "tab\there", "new\nline", "semi;colon", "~tilde*star", "@", "dir/", "🎵.wav", "\u2028", "a%2Fb", "a%zz",
}

func TestKeysComeBackAsTheyWere(t *testing.T) {
	for _, key := range awkward {
		got, err := s3event.Parse(s3event.Encode(put(key)))
		if err != nil {
			t.Errorf("%q: %v", key, err)
			continue
		}
		if diff := cmp.Diff([]s3event.Event{put(key)}, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", key, diff)
		}
	}
}

func TestEventsOfOtherVersionsAndServers(t *testing.T) {
	tests := []struct {
		name, json string
		want       s3event.Event
	}{
		{"a later version, with members that nobody knows",
			`{"Records":[{"eventVersion":"2.9","eventSource":"aws:s3","eventName":"ObjectCreated:CompleteMultipartUpload","new":{"a":[1]},
			"s3":{"bucket":{"name":"bbb"},"object":{"key":"a%2Fb+c","size":5368709121,"eTag":"x-2","versionId":"v","sequencer":"0A"}},"glacierEventData":null}]}`,
			s3event.Event{Name: s3event.CreatedComplete, Bucket: "bbb", Key: "a/b c", Size: 5368709121, ETag: "x-2", VersionID: "v", Sequencer: "0A"}},
		{"MinIO's",
			`{"EventName":"s3:ObjectCreated:Put","Key":"bbb/k","Records":[{"eventVersion":"2.0","eventSource":"minio:s3","eventTime":"2026-01-02T03:04:05.678Z",
			"eventName":"s3:ObjectCreated:Put","s3":{"bucket":{"name":"bbb"},"object":{"key":"k%C3%A9","size":1,"eTag":"e"}}}]}`,
			s3event.Event{Name: s3event.CreatedPut, Bucket: "bbb", Key: "ké", Size: 1, ETag: "e", Time: at}},
		{"a key that was not encoded, and a quoted ETag",
			`{"Records":[{"eventVersion":"2.2","eventSource":"aws:s3","eventTime":"yesterday","eventName":"s3:ObjectCreated:Put",
			"s3":{"bucket":{"name":"bbb"},"object":{"key":"100%.wav","eTag":"\"e\""}}}]}`,
			s3event.Event{Name: s3event.CreatedPut, Bucket: "bbb", Key: "100%.wav", ETag: "e"}},
	}
	for _, tt := range tests {
		got, err := s3event.Parse([]byte(tt.json))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff([]s3event.Event{tt.want}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// notification is the envelope of SNS around message.
func notification(message string) string {
	return `{"Type":"Notification","MessageId":"sns-1","TopicArn":"arn:aws:sns:eu-west-1:000000000000:t","Subject":"Amazon S3 Notification","Message":` +
		quote(message) + `}`
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// queued is a batch of SQS as Lambda gets it.
func queued(bodies ...string) string {
	var records []string
	for i, body := range bodies {
		records = append(records, `{"messageId":"m`+string(rune('1'+i))+`","receiptHandle":"h","body":`+quote(body)+`,"eventSource":"aws:sqs","awsRegion":"eu-west-1"}`)
	}
	return `{"Records":[` + strings.Join(records, ",") + `]}`
}

func TestParseUnwraps(t *testing.T) {
	test := string(s3event.EncodeTest("bbb", "R", "H", at))
	both := string(s3event.Encode(put("a"), put("b")))
	tests := []struct {
		name, raw string
		want      []s3event.Event
	}{
		{"an event", golden, []s3event.Event{put("media/a song @ &.wav")}},
		{"two records", both, []s3event.Event{put("a"), put("b")}},
		{"no record", `{"Records":[]}`, nil},
		{"a test event", test, nil},
		{"an SNS message", notification(both), []s3event.Event{put("a"), put("b")}},
		{"a test event in an SNS message", notification(test), nil},
		{"a batch of SQS", queued(both, test), []s3event.Event{put("a"), put("b")}},
		{"a batch of SQS with SNS messages", queued(notification(golden)), []s3event.Event{put("media/a song @ &.wav")}},
		{"a batch of SNS as Lambda gets it", `{"Records":[{"EventVersion":"1.0","EventSource":"aws:sns","Sns":{"Type":"Notification","MessageId":"x","Message":` +
			quote(golden) + `}}]}`, []s3event.Event{put("media/a song @ &.wav")}},
	}
	for _, tt := range tests {
		got, err := s3event.Parse([]byte(tt.raw))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestBatchSaysWhichMessageIsWrong(t *testing.T) {
	items, err := s3event.ParseBatch([]byte(queued(golden, "no JSON", golden)))
	if err != nil {
		t.Fatal(err)
	}
	if len(items) != 3 || items[0].ID != "m1" || len(items[0].Events) != 1 || items[0].Err != nil ||
		items[1].ID != "m2" || items[1].Events != nil || items[1].Err == nil || items[2].Err != nil {
		t.Errorf("items are %+v, want the second only to be wrong", items)
	}
	if _, err := s3event.Parse([]byte(queued(golden, "no JSON"))); err == nil || !strings.Contains(err.Error(), `"m2"`) {
		t.Errorf("Parse says %v, want it to name the message", err)
	}
}

func TestParseRefuses(t *testing.T) {
	record := func(s string) string { return `{"Records":[` + s + `]}` }
	deep := golden
	for range 5 {
		deep = notification(deep)
	}
	for name, tt := range map[string]struct{ raw, want string }{
		"nothing":                {``, "not the JSON"},
		"text":                   {`hello`, "not the JSON"},
		"null":                   {`null`, "neither Records"},
		"an array":               {`[]`, "not the JSON"},
		"another JSON":           {`{"state":"COMPLETED"}`, "neither Records"},
		"another source":         {record(`{"eventVersion":"2.1","eventSource":"aws:dynamodb","eventName":"INSERT"}`), "eventSource"},
		"no source":              {record(`{}`), "eventSource"},
		"a record that is text":  {record(`"a"`), "record 1"},
		"another major version":  {record(`{"eventVersion":"3.0","eventSource":"aws:s3"}`), "eventVersion"},
		"no name":                {record(`{"eventVersion":"2.1","eventSource":"aws:s3"}`), "eventName"},
		"no bucket":              {record(`{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put"}`), "bucket"},
		"no key":                 {record(`{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"}}}`), "key"},
		"a key that is no UTF-8": {record(`{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"%ff"}}}`), "UTF-8"},
		"a negative size":        {record(`{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k","size":-1}}}`), "-1 bytes"},
		"a confirmation":         {`{"Type":"SubscriptionConfirmation","Message":"You have chosen"}`, "confirmed"},
		"prose in a message":     {notification("hello"), "not the JSON"},
		"messages in messages":   {deep, "one within another"},
		"a mixed batch": {record(`{"eventSource":"aws:sqs","messageId":"m","body":"{}"},{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}`),
			"mixed"},
	} {
		if got, err := s3event.Parse([]byte(tt.raw)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, %v, want an error with %q", name, got, err, tt.want)
		}
	}
}

func TestTestEvent(t *testing.T) {
	want := `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-01-02T03:04:05.678Z","Bucket":"bbb","RequestId":"R","HostId":"H"}`
	if diff := cmp.Diff(want, string(s3event.EncodeTest("bbb", "R", "H", at))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSequencersArePaddedOnTheRight(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"0A", "0B", -1}, {"0B", "0A", 1}, {"0A", "0a", 0}, {"0A", "0A00", 0}, {"0A", "0A01", -1}, {"0B", "0A01", 1}, {"", "01", -1}, {"", "", 0},
	} {
		if got := s3event.CompareSequencers(tt.a, tt.b); got != tt.want {
			t.Errorf("compare %q with %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

// FuzzParse holds that whatever is read can be written and read again, and is
// the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte(golden))
	f.Add([]byte(notification(golden)))
	f.Add([]byte(queued(golden, notification(golden), "x")))
	f.Add(s3event.EncodeTest("bbb", "R", "H", at))
	f.Add([]byte(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"s3:x","s3":{"bucket":{"name":"b"},"object":{"key":"%"}}}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		events, err := s3event.Parse(raw)
		if err != nil {
			return
		}
		for _, e := range events {
			if e.Bucket == "" || e.Key == "" || e.Name == "" || e.Size < 0 || !utf8.ValidString(e.Key) {
				t.Fatalf("%+v was read", e)
			}
			again, err := s3event.Parse(s3event.Encode(e))
			if err != nil || len(again) != 1 {
				t.Fatalf("%+v is read again as %v, %v", e, again, err)
			}
			if e.Removed() {
				e.Size = 0
			}
			if e.Time.IsZero() || e.Time.Year() > 9999 {
				e.Time, again[0].Time = time.Time{}, time.Time{}
			}
			if e.Name == again[0].Name && cmp.Diff(e, again[0]) != "" || e.Key != again[0].Key {
				t.Fatalf("%+v is read again as %+v", e, again[0])
			}
		}
	})
}
