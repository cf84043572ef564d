package s3event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// eventVersion is the version of the JSON that Encode writes. What has another
// minor version is read as well.
const eventVersion = "2.1"

// timeFormat is how AWS writes a time: in UTC, with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z"

// The JSON, in the order of its members at AWS.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
type (
	envelope struct {
		Records []record `json:"Records"`
	}
	record struct {
		EventVersion string       `json:"eventVersion"`
		EventSource  string       `json:"eventSource"`
		AWSRegion    string       `json:"awsRegion"`
		EventTime    string       `json:"eventTime"`
		EventName    string       `json:"eventName"`
		UserIdentity principal    `json:"userIdentity"`
		Parameters   parameters   `json:"requestParameters"`
		Response     responseIDs  `json:"responseElements"`
		S3           recordEntity `json:"s3"`
	}
	principal struct {
		PrincipalID string `json:"principalId"`
	}
	parameters struct {
		SourceIP string `json:"sourceIPAddress"`
	}
	responseIDs struct {
		RequestID string `json:"x-amz-request-id"`
		HostID    string `json:"x-amz-id-2"`
	}
	recordEntity struct {
		SchemaVersion   string       `json:"s3SchemaVersion"`
		ConfigurationID string       `json:"configurationId"`
		Bucket          recordBucket `json:"bucket"`
		Object          recordObject `json:"object"`
	}
	recordBucket struct {
		Name  string    `json:"name"`
		Owner principal `json:"ownerIdentity"`
		ARN   string    `json:"arn"`
	}
	recordObject struct {
		Key       string `json:"key"`
		Size      *int64 `json:"size,omitempty"`
		ETag      string `json:"eTag,omitempty"`
		VersionID string `json:"versionId,omitempty"`
		Sequencer string `json:"sequencer,omitempty"`
	}
)

// Encode returns the JSON of events, as S3 sends it.
func Encode(events ...Event) []byte {
	all := envelope{Records: make([]record, 0, len(events))}
	for _, e := range events {
		all.Records = append(all.Records, e.record())
	}
	return encode(all)
}

// encode leaves <, > and & as they are, as AWS does.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // these types have nothing that could fail
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func (e Event) record() record {
	r := record{
		EventVersion: eventVersion, EventSource: "aws:s3", AWSRegion: e.Region,
		EventTime: e.Time.UTC().Format(timeFormat), EventName: e.Name,
		UserIdentity: principal{e.Principal}, Parameters: parameters{e.SourceIP},
		Response: responseIDs{RequestID: e.RequestID, HostID: e.HostID},
		S3: recordEntity{
			SchemaVersion: "1.0", ConfigurationID: e.ConfigurationID,
			Bucket: recordBucket{Name: e.Bucket, Owner: principal{e.Owner}, ARN: "arn:aws:s3:::" + e.Bucket},
			Object: recordObject{Key: EncodeKey(e.Key), ETag: e.ETag, VersionID: e.VersionID, Sequencer: e.Sequencer},
		},
	}
	if !e.Removed() {
		r.S3.Object.Size = &e.Size
	}
	return r
}

// EncodeKey returns a key as events have it: like a value of an HTML form, but
// for the slashes.
func EncodeKey(key string) string {
	return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
}

// DecodeKey returns the key that an event has as encoded. What cannot have been
// encoded, because a percent sign stands alone, is taken as it is.
func DecodeKey(encoded string) string {
	key, err := url.QueryUnescape(encoded)
	if err != nil {
		return encoded
	}
	return key
}

// event reads a record, of any version 2 and of any S3 server.
func (r record) event() (Event, error) {
	object := r.S3.Object
	e := Event{
		Name:   strings.TrimPrefix(r.EventName, "s3:"), // some other servers write it before
		Bucket: r.S3.Bucket.Name, Key: DecodeKey(object.Key), VersionID: object.VersionID,
		ETag: strings.Trim(object.ETag, `"`), Sequencer: object.Sequencer,
		Region: r.AWSRegion, Principal: r.UserIdentity.PrincipalID, Owner: r.S3.Bucket.Owner.PrincipalID,
		SourceIP: r.Parameters.SourceIP, RequestID: r.Response.RequestID, HostID: r.Response.HostID,
		ConfigurationID: r.S3.ConfigurationID,
	}
	if object.Size != nil {
		e.Size = *object.Size
	}
	if at, err := time.Parse(time.RFC3339, r.EventTime); err == nil {
		e.Time = at.UTC().Truncate(time.Millisecond)
	}
	major, _, _ := strings.Cut(r.EventVersion, ".")
	switch {
	case !strings.HasSuffix(r.EventSource, ":s3"):
		return Event{}, fmt.Errorf("its eventSource is %.64q, want \"aws:s3\"", r.EventSource)
	case major != "2":
		return Event{}, fmt.Errorf("its eventVersion is %.64q, want 2.x", r.EventVersion)
	case e.Name == "":
		return Event{}, errors.New("it has no eventName")
	case e.Bucket == "":
		return Event{}, errors.New("it names no bucket")
	case e.Key == "":
		return Event{}, errors.New("it names no object key")
	case !utf8.ValidString(e.Key):
		return Event{}, fmt.Errorf("its object key %.64q is not UTF-8", e.Key)
	case e.Size < 0:
		return Event{}, fmt.Errorf("its object has %d bytes", e.Size)
	}
	return e, nil
}

// EncodeTest returns the JSON that S3 sends to a topic or queue when a
// configuration that names it is put.
func EncodeTest(bucket, requestID, hostID string, at time.Time) []byte {
	return encode(testEvent{
		Service: "Amazon S3", Event: testEventName, Time: at.UTC().Format(timeFormat),
		Bucket: bucket, RequestID: requestID, HostID: hostID,
	})
}

const testEventName = "s3:TestEvent"

type testEvent struct {
	Service   string `json:"Service"`
	Event     string `json:"Event"`
	Time      string `json:"Time"`
	Bucket    string `json:"Bucket"`
	RequestID string `json:"RequestId"`
	HostID    string `json:"HostId"`
}
