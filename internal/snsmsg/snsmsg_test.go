package snsmsg_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/snsmsg"
)

const topic = "arn:aws:sns:eu-west-1:000000000000:etude-jobs"

var published = time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.FixedZone("", 3600))

func newKey(t *testing.T) *snsmsg.Key {
	t.Helper()
	key, err := snsmsg.NewKey(published, published.AddDate(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func notification() *snsmsg.Message {
	return &snsmsg.Message{
		Type: snsmsg.Notification, MessageID: "4912a9bc", TopicARN: topic, Subject: "Done <&> \"é\"",
		Message: "{\n  \"state\" : \"COMPLETED\"\n}", Timestamp: snsmsg.FormatTime(published),
		UnsubscribeURL: snsmsg.UnsubscribeURL("https://aws.example.org/", topic+":1"),
		Attributes:     map[string]snsmsg.Attribute{"b": {"Number", "1"}, "a": {"String", "x\ty"}},
	}
}

func confirmation() *snsmsg.Message {
	return &snsmsg.Message{
		Type: snsmsg.SubscriptionConfirmation, MessageID: "4912a9bc", Token: "t0k3n", TopicARN: topic,
		Message: snsmsg.SubscribeText(topic), SubscribeURL: snsmsg.SubscribeURL("https://aws.example.org", topic, "t0k3n"),
		Timestamp: snsmsg.FormatTime(published),
	}
}

func TestJSON(t *testing.T) {
	for name, tt := range map[string]struct {
		m    *snsmsg.Message
		want string
	}{
		"notification": {notification(), `{
  "Type" : "Notification",
  "MessageId" : "4912a9bc",
  "TopicArn" : "arn:aws:sns:eu-west-1:000000000000:etude-jobs",
  "Subject" : "Done <&> \"é\"",
  "Message" : "{\n  \"state\" : \"COMPLETED\"\n}",
  "Timestamp" : "2026-01-02T02:04:05.678Z",
  "SignatureVersion" : "1",
  "Signature" : "SIG",
  "SigningCertURL" : "CERT",
  "UnsubscribeURL" : "https://aws.example.org/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:eu-west-1:000000000000:etude-jobs:1",
  "MessageAttributes" : {
    "a" : {"Type":"String","Value":"x\ty"},
    "b" : {"Type":"Number","Value":"1"}
  }
}`},
		"confirmation": {confirmation(), `{
  "Type" : "SubscriptionConfirmation",
  "MessageId" : "4912a9bc",
  "Token" : "t0k3n",
  "TopicArn" : "arn:aws:sns:eu-west-1:000000000000:etude-jobs",
  "Message" : "You have chosen to subscribe to the topic arn:aws:sns:eu-west-1:000000000000:etude-jobs.\nTo confirm the subscription, visit the SubscribeURL included in this message.",
  "SubscribeURL" : "https://aws.example.org/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-west-1:000000000000:etude-jobs&Token=t0k3n",
  "Timestamp" : "2026-01-02T02:04:05.678Z",
  "SignatureVersion" : "1",
  "Signature" : "SIG",
  "SigningCertURL" : "CERT"
}`},
	} {
		t.Run(name, func(t *testing.T) {
			tt.m.SignatureVersion, tt.m.Signature, tt.m.SigningCertURL = "1", "SIG", "CERT"
			if diff := cmp.Diff(tt.want, string(tt.m.JSON())); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
			read, err := snsmsg.Parse(tt.m.JSON())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.m, read); diff != "" {
				t.Errorf("written (-), read (+):\n%s", diff)
			}
		})
	}
}

func TestStringToSign(t *testing.T) {
	want := "Message\n{\n  \"state\" : \"COMPLETED\"\n}\nMessageId\n4912a9bc\nSubject\nDone <&> \"é\"\nTimestamp\n2026-01-02T02:04:05.678Z\n" +
		"TopicArn\n" + topic + "\nType\nNotification\n"
	if diff := cmp.Diff(want, notification().StringToSign()); diff != "" {
		t.Errorf("notification: want (-), got (+):\n%s", diff)
	}
	m := notification()
	m.Subject = ""
	if got := m.StringToSign(); strings.Contains(got, "Subject") {
		t.Errorf("no subject: got %q", got)
	}
	want = "Message\n" + snsmsg.SubscribeText(topic) + "\nMessageId\n4912a9bc\nSubscribeURL\n" + confirmation().SubscribeURL +
		"\nTimestamp\n2026-01-02T02:04:05.678Z\nToken\nt0k3n\nTopicArn\n" + topic + "\nType\nSubscriptionConfirmation\n"
	if diff := cmp.Diff(want, confirmation().StringToSign()); diff != "" {
		t.Errorf("confirmation: want (-), got (+):\n%s", diff)
	}
}

func TestSign(t *testing.T) {
	key := newKey(t)
	stored, err := snsmsg.ParseKey(key.Private(), key.PEM())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := snsmsg.ParseCertificate(key.PEM())
	if err != nil {
		t.Fatal(err)
	}
	other := newKey(t).Certificate()
	for _, version := range []string{"1", "2"} {
		for name, m := range map[string]*snsmsg.Message{"notification": notification(), "confirmation": confirmation()} {
			t.Run(name+version, func(t *testing.T) {
				if err := key.Sign(m, version, "https://aws.example.org/"); err != nil {
					t.Fatal(err)
				}
				if want := "https://aws.example.org/SimpleNotificationService-" + key.Hash() + ".pem"; m.SigningCertURL != want {
					t.Errorf("got the certificate's URL %s, want %s", m.SigningCertURL, want)
				}
				signature := m.Signature
				if err := stored.Sign(m, version, "https://aws.example.org"); err != nil || m.Signature != signature {
					t.Errorf("the stored key signs otherwise (error %v)", err)
				}
				read, err := snsmsg.Parse(m.JSON())
				if err != nil {
					t.Fatal(err)
				}
				if err := snsmsg.Verify(read, cert); err != nil {
					t.Error(err)
				}
				if err := snsmsg.Verify(read, other); !errors.Is(err, snsmsg.ErrSignature) {
					t.Errorf("another certificate: got the error %v, want %v", err, snsmsg.ErrSignature)
				}
				for what, change := range map[string]func(m *snsmsg.Message){
					"message":   func(m *snsmsg.Message) { m.Message += " " },
					"id":        func(m *snsmsg.Message) { m.MessageID += "0" },
					"topic":     func(m *snsmsg.Message) { m.TopicARN += "0" },
					"time":      func(m *snsmsg.Message) { m.Timestamp = snsmsg.FormatTime(published.Add(time.Hour)) },
					"type":      func(m *snsmsg.Message) { m.Type = snsmsg.UnsubscribeConfirmation },
					"version":   func(m *snsmsg.Message) { m.SignatureVersion = string([]byte{'1' + '2' - m.SignatureVersion[0]}) },
					"no sig":    func(m *snsmsg.Message) { m.Signature = "" },
					"junk":      func(m *snsmsg.Message) { m.Signature = "%" },
					"unknown":   func(m *snsmsg.Message) { m.SignatureVersion = "3" },
					"truncated": func(m *snsmsg.Message) { m.Signature = m.Signature[4:] },
				} {
					forged := *read
					change(&forged)
					if snsmsg.Verify(&forged, cert) == nil {
						t.Errorf("%s changed: the signature still holds", what)
					}
				}
			})
		}
	}
	if err := key.Sign(notification(), "3", ""); err == nil {
		t.Error("version 3: want an error")
	}
}

// TestSignDamagedText has bytes that no JSON carries: what is signed is what
// the endpoint will read.
func TestSignDamagedText(t *testing.T) {
	key, m := newKey(t), notification()
	m.Message, m.Subject = "a\xff\xfeb\u2028</script>\x00\x1f", "\xc3"
	if err := key.Sign(m, "2", "https://aws.example.org"); err != nil {
		t.Fatal(err)
	}
	read, err := snsmsg.Parse(m.JSON())
	if err != nil {
		t.Fatal(err)
	}
	if err := snsmsg.Verify(read, key.Certificate()); err != nil {
		t.Errorf("message %q: %v", read.Message, err)
	}
}

func TestParse(t *testing.T) {
	for _, body := range []string{"", "null", "[]", `{"Type":"x","MessageId":"1","TopicArn":"t"}`, `{"Type":"Notification","TopicArn":"t"}`,
		`{"Type":"Notification","MessageId":1,"TopicArn":"t"}`, `{"Type":"Notification","MessageId":"1"}`} {
		if m, err := snsmsg.Parse([]byte(body)); err == nil {
			t.Errorf("%s: got %+v, want an error", body, m)
		}
	}
}

func TestCertificate(t *testing.T) {
	key := newKey(t)
	cert := key.Certificate()
	if cert.Subject.CommonName != snsmsg.CommonName || cert.IsCA || !cert.NotAfter.Equal(published.AddDate(1, 0, 0).Truncate(time.Second)) {
		t.Errorf("got the certificate of %s until %s", cert.Subject, cert.NotAfter)
	}
	two := append(key.PEM(), newKey(t).PEM()...)
	for what, text := range map[string][]byte{"two": two, "none": nil, "text": []byte("x"), "cut": key.PEM()[:300]} {
		if _, err := snsmsg.ParseCertificate(text); err == nil {
			t.Errorf("%s: want an error", what)
		}
	}
	if _, err := snsmsg.ParseKey(newKey(t).Private(), key.PEM()); err == nil {
		t.Error("another's certificate: want an error")
	}
	for path, want := range map[string]bool{
		snsmsg.CertificatePath(key.Hash()):                                    true,
		snsmsg.CertificatePath(strings.ToUpper(key.Hash()) + "A"):             false,
		"/SimpleNotificationService-0123456789ABCDEF0123456789ABCDEF.pem":     false,
		"/SimpleNotificationService-0123.pem":                                 false,
		"/SimpleNotificationService-..%2f0123456789abcdef0123456789abcd.pem":  false,
		"/x/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem":   false,
		"/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem/":    false,
		"/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem.pem": false,
		"/SimpleNotificationService-0123456789abcdef0123456789abcdef":         false,
	} {
		if _, ok := snsmsg.CertificateHash(path); ok != want {
			t.Errorf("path %s: got %t, want %t", path, ok, want)
		}
	}
}
