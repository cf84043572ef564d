package verify_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"etude/internal/snsmsg"
	"etude/internal/snsmsg/verify"
	"etude/internal/snsmsg/verify/verifytest"
)

const (
	region = "eu-west-1"
	arn    = "arn:aws:sns:eu-west-1:123456789012:jobs"
)

// world is a publisher and a verifier of its topic.
type world struct {
	*verifytest.Publisher
	*verify.Verifier
	t   *testing.T
	now time.Time
}

func newWorld(t *testing.T, change ...func(*world, *verify.Config)) *world {
	t.Helper()
	w := &world{Publisher: verifytest.New(t, region, "sns.amazonaws.com"), t: t, now: time.Now()}
	cfg := verify.Config{
		Topics: []verify.Topic{topic(t, arn)}, Dial: w.Dial, Roots: w.Roots(),
		Now: func() time.Time { return w.now },
	}
	for _, c := range change {
		c(w, &cfg)
	}
	var err error
	if w.Verifier, err = verify.New(cfg); err != nil {
		t.Fatal(err)
	}
	return w
}

func topic(t *testing.T, text string) verify.Topic {
	t.Helper()
	parsed, err := verify.ParseTopic(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func (w *world) verify(m verifytest.Message) (verify.Message, error) {
	w.t.Helper()
	return w.Verify(w.t.Context(), m.Header(), m.Body(w.t))
}

func TestGoodMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, c *verify.Config) { c.SHA1 = true })
	for _, version := range []string{"1", "2"} {
		m := w.Notification(arn, "Ünicode, \"quotes\",\nlines & <tags>\u2028")
		m["SignatureVersion"] = version
		got, err := w.verify(w.Sign(t, m))
		if err != nil {
			t.Fatalf("version %s: %v", version, err)
		}
		published, _ := time.Parse(time.RFC3339, m["Timestamp"])
		want := verify.Message{Type: snsmsg.Notification, ID: m["MessageId"], Topic: topic(t, arn), Subject: "A subject", Text: m["Message"], Published: published}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(verify.Topic{})); diff != "" {
			t.Errorf("version %s (-want +got):\n%s", version, diff)
		}
	}

	bare := w.Notification(arn, "no subject")
	delete(bare, "Subject")
	if _, err := w.verify(w.Sign(t, bare)); err != nil {
		t.Error(err)
	}
	c, err := w.verify(w.Sign(t, w.Confirmation(arn, "a-token")))
	if err != nil || c.Type != snsmsg.SubscriptionConfirmation || c.Token != "a-token" {
		t.Errorf("confirmation = %+v, %v", c, err)
	}
	if got := w.Fetches.Load(); got != 1 {
		t.Errorf("the certificate was fetched %d times, want once", got)
	}
}

// TestUnsignedMembersAreNotBelieved changes what nobody signs.
func TestUnsignedMembersAreNotBelieved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.Sign(t, w.Notification(arn, "text"))
	m["Token"], m["UnsubscribeURL"], m["message"], m["TYPE"] = "planted", "http://127.0.0.1/", "other text", "SubscriptionConfirmation"
	got, err := w.verify(m)
	if err != nil || got.Token != "" || got.Text != "text" || got.Type != snsmsg.Notification {
		t.Errorf("got %+v, %v; want what was signed only", got, err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	const other = "arn:aws:sns:eu-west-1:123456789012:others"
	certAt := func(u string) func(*world, verifytest.Message) {
		return func(_ *world, m verifytest.Message) { m["SigningCertURL"] = u }
	}
	for _, tt := range []struct {
		name   string
		fault  verify.Fault
		why    string
		change func(w *world, m verifytest.Message) // before it is signed
		spoil  func(m verifytest.Message, h http.Header)
		online bool // the refusal takes the certificate
	}{
		{name: "other topic", fault: verify.WrongTopic, why: "nobody asked", change: func(_ *world, m verifytest.Message) { m["TopicArn"] = other }},
		{name: "header of another topic", fault: verify.Forged, why: "X-Amz-Sns-Topic-Arn", spoil: func(_ verifytest.Message, h http.Header) { h.Set("X-Amz-Sns-Topic-Arn", other) }},
		{name: "body of another topic", fault: verify.WrongTopic, why: "nobody asked", spoil: func(m verifytest.Message, _ http.Header) { m["TopicArn"] = other }},
		{name: "no header", fault: verify.Forged, why: "X-Amz-Sns-Topic-Arn", spoil: func(_ verifytest.Message, h http.Header) { h.Del("X-Amz-Sns-Topic-Arn") }},
		{name: "header of another type", fault: verify.Forged, why: "Message-Type", spoil: func(_ verifytest.Message, h http.Header) { h.Set("X-Amz-Sns-Message-Type", "SubscriptionConfirmation") }},
		{name: "header of another message", fault: verify.Forged, why: "Message-Id", spoil: func(_ verifytest.Message, h http.Header) { h.Set("X-Amz-Sns-Message-Id", "x") }},
		{name: "unknown type", fault: verify.Malformed, why: "none of SNS's", change: func(_ *world, m verifytest.Message) { m["Type"] = "Carrier-Pigeon" }},
		{name: "SHA-1", fault: verify.Forged, why: "SignatureVersion is 1", change: func(_ *world, m verifytest.Message) { m["SignatureVersion"] = "1" }},
		{name: "version 3", fault: verify.Forged, why: "SignatureVersion", change: func(_ *world, m verifytest.Message) { m["SignatureVersion"] = "3" }},
		{name: "changed text", fault: verify.Forged, why: "not that of this message", online: true, spoil: func(m verifytest.Message, _ http.Header) { m["Message"] = "other" }},
		{name: "added subject", fault: verify.Forged, why: "not that of this message", online: true, change: func(_ *world, m verifytest.Message) { delete(m, "Subject") }, spoil: func(m verifytest.Message, _ http.Header) { m["Subject"] = "s" }},
		{name: "signature of nothing", fault: verify.Forged, why: "not that of this message", online: true, spoil: func(m verifytest.Message, _ http.Header) { m["Signature"] = "" }},
		{name: "signature that is none", fault: verify.Forged, why: "not that of this message", online: true, spoil: func(m verifytest.Message, _ http.Header) { m["Signature"] = "%%%" }},
		{name: "old", fault: verify.Forged, why: "long ago", online: true, change: func(_ *world, m verifytest.Message) { m["Timestamp"] = "2020-01-01T00:00:00.000Z" }},
		{name: "from the future", fault: verify.Forged, why: "in the future", online: true, change: func(w *world, m verifytest.Message) {
			m["Timestamp"] = w.now.Add(time.Hour).UTC().Format(time.RFC3339)
		}},
		{name: "no time", fault: verify.Malformed, why: "Timestamp", change: func(_ *world, m verifytest.Message) { m["Timestamp"] = "yesterday" }},
		{name: "no id", fault: verify.Malformed, why: "no MessageId", change: func(_ *world, m verifytest.Message) { delete(m, "MessageId") }},
		{name: "an id that is none", fault: verify.Malformed, why: "UUID", change: func(_ *world, m verifytest.Message) { m["MessageId"] = "1 OR 1=1" }},
		{name: "two lines", fault: verify.Malformed, why: "more than one line", change: func(_ *world, m verifytest.Message) { m["Subject"] = "a\nTimestamp\nb" }},
		{name: "confirmation without token", fault: verify.Malformed, why: "Token", change: func(_ *world, m verifytest.Message) { m["Type"] = "SubscriptionConfirmation" }},

		{name: "certificate over http", fault: verify.Forged, why: "leads to", change: certAt("http://sns.eu-west-1.amazonaws.com" + verifytest.CertificatePath)},
		{name: "certificate of another region", fault: verify.Forged, why: "leads to", change: certAt("https://sns.us-east-1.amazonaws.com" + verifytest.CertificatePath)},
		{name: "certificate in a bucket", fault: verify.Forged, why: "leads to", change: certAt("https://sns.s3-us-west-2.amazonaws.com" + verifytest.CertificatePath)},
		{name: "certificate with user", fault: verify.Forged, why: "leads to", change: certAt("https://sns.eu-west-1.amazonaws.com@127.0.0.1" + verifytest.CertificatePath)},
		{name: "certificate with userinfo", fault: verify.Forged, why: "form", change: certAt("https://u:p@sns.eu-west-1.amazonaws.com" + verifytest.CertificatePath)},
		{name: "certificate with port", fault: verify.Forged, why: "leads to", change: certAt("https://sns.eu-west-1.amazonaws.com:444" + verifytest.CertificatePath)},
		{name: "certificate with query", fault: verify.Forged, why: "form", change: certAt("https://sns.eu-west-1.amazonaws.com" + verifytest.CertificatePath + "?x")},
		{name: "certificate with fragment", fault: verify.Forged, why: "form", change: certAt("https://sns.eu-west-1.amazonaws.com" + verifytest.CertificatePath + "#x")},
		{name: "certificate elsewhere", fault: verify.Forged, why: "form", change: certAt("https://sns.eu-west-1.amazonaws.com/../x.pem")},
		{name: "certificate inside", fault: verify.Forged, why: "leads to", change: certAt("https://169.254.169.254/latest/meta-data")},
		{name: "certificate nowhere", fault: verify.Forged, why: "no URL", change: certAt("https://sns.eu-west-1.amazonaws.com/%zz")},
		{name: "certificate that is not there", fault: verify.Forged, why: "404", online: true, change: certAt("https://sns.eu-west-1.amazonaws.com" + strings.Replace(verifytest.CertificatePath, "0", "f", 1))},
		{name: "certificate of somebody else", fault: verify.Forged, why: "not of SNS", online: true, change: func(w *world, _ verifytest.Message) {
			w.PEM = w.Certificate(w.t, "www.example.com", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
		}},
		{name: "certificate that ran out", fault: verify.Forged, why: "is good from", online: true, change: func(w *world, _ verifytest.Message) {
			w.PEM = w.Certificate(w.t, "sns.amazonaws.com", time.Now().Add(-time.Hour), time.Now().Add(-time.Minute))
		}},
		{name: "certificate of tomorrow", fault: verify.Forged, why: "is good from", online: true, change: func(w *world, _ verifytest.Message) {
			w.PEM = w.Certificate(w.t, "sns.amazonaws.com", time.Now().Add(time.Hour), time.Now().Add(2*time.Hour))
		}},
		{name: "two certificates", fault: verify.Forged, why: "exactly one PEM block", online: true, change: func(w *world, _ verifytest.Message) { w.PEM = append(w.PEM, w.PEM...) }},
		{name: "words for a certificate", fault: verify.Forged, why: "exactly one PEM block", online: true, change: func(w *world, _ verifytest.Message) { w.PEM = []byte("hello") }},
		{name: "broken certificate", fault: verify.Forged, why: "read signing certificate", online: true, change: func(w *world, _ verifytest.Message) {
			w.PEM = []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
		}},
		{name: "endless certificate", fault: verify.Forged, why: "more than", online: true, change: func(w *world, _ verifytest.Message) { w.PEM = make([]byte, 1<<20) }},
		{name: "certificate that leads on", fault: verify.Forged, why: "302", online: true, change: func(w *world, _ verifytest.Message) {
			w.Serve = func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, "/elsewhere", http.StatusFound) }
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			m := w.Notification(arn, "text")
			if tt.change != nil {
				tt.change(w, m)
			}
			w.Sign(t, m)
			h := m.Header()
			if tt.spoil != nil {
				tt.spoil(m, h)
			}
			_, err := w.Verify(t.Context(), h, m.Body(t))
			if !verify.IsFault(err, tt.fault) || !strings.Contains(err.Error(), tt.why) {
				t.Errorf("got %v, want fault %d with %q", err, tt.fault, tt.why)
			}
			if asked := w.Fetches.Load() > 0; asked != tt.online {
				t.Errorf("the network was used: %t, want %t", asked, tt.online)
			}
		})
	}
}

func TestMalformedBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, body := range map[string]string{
		"nothing": "", "words": "hello", "a list": "[]", "null": "null", "a number": "1", "cut off": `{"Type":"Notif`,
		"no members": "{}", "not UTF-8": "{\"Type\":\"\xff\"}", "numbers": `{"Type":1,"MessageId":2}`,
		"huge": `{"Message":"` + strings.Repeat("x", verify.MaxBody) + `"}`, "deep": strings.Repeat("[", 100_000),
	} {
		if _, err := w.Verify(t.Context(), http.Header{}, []byte(body)); !verify.IsFault(err, verify.Malformed) {
			t.Errorf("%s: got %v, want it to be malformed", name, err)
		}
	}
}

// TestOurTrouble is no refusal, so that the publisher sends again.
func TestOurTrouble(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*world, *verify.Config){
		"no trust in the host": func(_ *world, c *verify.Config) { c.Roots = x509.NewCertPool() },
		"no connection":        func(_ *world, c *verify.Config) { c.Dial = offline },
		"the publisher is ill": func(w *world, _ *verify.Config) {
			w.Serve = func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusServiceUnavailable) }
		},
		"it closes the connection": func(w *world, _ *verify.Config) {
			w.Serve = func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		},
	} {
		w := newWorld(t, change)
		_, err := w.verify(w.Sign(t, w.Notification(arn, "text")))
		var refusal *verify.Refusal
		if err == nil || errors.As(err, &refusal) {
			t.Errorf("%s: got %v, want trouble that is no refusal", name, err)
		}
	}
}

// offline connects to nothing.
func offline(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("there is no network")
}

func TestCertificateIsFetchedOnceAndAgainAfterADay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.PEM = w.Certificate(t, "sns.amazonaws.com", time.Now().Add(-time.Hour), time.Now().Add(240*time.Hour))
	hold := make(chan struct{})
	asked := make(chan struct{}, 100)
	w.Serve = func(rw http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-hold
		_, _ = rw.Write(w.PEM)
	}
	m := w.Sign(t, w.Notification(arn, "text"))
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := w.verify(m); err != nil {
				t.Error(err)
			}
		})
	}
	<-asked
	close(hold)
	all.Wait()
	if got := w.Fetches.Load(); got != 1 {
		t.Errorf("%d fetches for 20 messages at once, want 1", got)
	}
	w.now = w.now.Add(25 * time.Hour)
	if _, err := w.verify(w.Sign(t, w.Notification(arn, "text"))); err != nil || w.Fetches.Load() != 2 {
		t.Errorf("after a day: %v and %d fetches, want 2", err, w.Fetches.Load())
	}
}

func TestForgeriesAreNotFetchedForAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.Sign(t, w.Notification(arn, "text"))
	if _, err := w.verify(good); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		m := w.Notification(arn, "text")
		m["SigningCertURL"] = fmt.Sprintf("https://%s/SimpleNotificationService-%032x.pem", w.Host, i)
		for range 2 {
			if _, err := w.verify(w.Sign(t, m)); !verify.IsFault(err, verify.Forged) {
				t.Fatalf("got %v", err)
			}
		}
	}
	if got := w.Fetches.Load(); got != 201 {
		t.Errorf("%d fetches, want one for each place", got)
	}
	if _, err := w.verify(good); err != nil || w.Fetches.Load() != 201 {
		t.Errorf("the good certificate was pushed out: %v", err)
	}
}

func TestTopicOfAnotherEtude(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, c *verify.Config) {
		c.Topics = []verify.Topic{topic(t, arn+"=https://sns.eu-west-1.amazonaws.com")} // the test's host has only that name
	})
	if _, err := w.verify(w.Sign(t, w.Notification(arn, "text"))); err != nil {
		t.Error(err)
	}
}

func TestParseTopic(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		arn:                             true,
		" " + arn + " ":                 true,
		arn + ".fifo":                   true,
		arn + "=http://127.0.0.1:4566":  true,
		arn + "=https://Example.com/":   true,
		"":                              false,
		"jobs":                          false,
		"arn:aws:sqs:eu-west-1:1:x":     false,
		arn + ":11111111":               false,
		arn + "=":                       false,
		arn + "=ftp://example.com":      false,
		arn + "=https://u@example.com":  false,
		arn + "=https://example.com/x":  false,
		arn + "=https://example.com?x":  false,
		"arn:aws:sns:evil.com/:1:topic": false,
	} {
		if _, err := verify.ParseTopic(text); (err == nil) != good {
			t.Errorf("%q: got %v, want it taken: %t", text, err, good)
		}
	}
}

// FuzzVerify feeds the parser: nothing that comes makes it panic, use the
// network or pass.
func FuzzVerify(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"Type":"Notification","MessageId":"a","TopicArn":"` + arn + `"}`, `{"Type":null,"Message":{"a":[1]}}`, "[[[[", "\xff"} {
		f.Add([]byte(seed), arn, "Notification")
	}
	parsed, err := verify.ParseTopic(arn)
	if err != nil {
		f.Fatal(err)
	}
	v, err := verify.New(verify.Config{Topics: []verify.Topic{parsed}, Dial: offline})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, topicHeader, typeHeader string) {
		h := http.Header{}
		h.Set("X-Amz-Sns-Topic-Arn", topicHeader)
		h.Set("X-Amz-Sns-Message-Type", typeHeader)
		if m, err := v.Verify(t.Context(), h, body); err == nil {
			t.Errorf("%q passed as %+v", body, m)
		}
	})
}

func TestBadConfiguration(t *testing.T) {
	t.Parallel()
	if _, err := verify.New(verify.Config{Topics: []verify.Topic{topic(t, arn)}}); err == nil {
		t.Error("a verifier that cannot dial was made")
	}
	if _, err := verify.New(verify.Config{Topics: []verify.Topic{{ARN: arn}}, Dial: offline}); err == nil {
		t.Error("a topic that was not parsed was taken")
	}
}
