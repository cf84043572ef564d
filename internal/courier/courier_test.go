package courier_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/courier"
	"etude/internal/notify"
	"etude/internal/outbound"
	"etude/internal/snsmsg"
)

const (
	topic        = "arn:aws:sns:eu-west-1:000000000000:etude-jobs"
	subscription = topic + ":2bcfbf39-05c3-41de-beaa-fcfcc21c8f55"
	base         = "https://aws.example.org"
)

var published = time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)

var key = func() *snsmsg.Key {
	key, err := snsmsg.NewKey(published, published.AddDate(1, 0, 0))
	if err != nil {
		panic(err)
	}
	return key
}()

func open(t *testing.T, cfg courier.Config) *courier.Courier {
	t.Helper()
	cfg.Sign, cfg.Base, cfg.Logger = key.Sign, func() string { return base }, slog.New(slog.NewTextHandler(t.Output(), nil))
	if cfg.Guard == nil {
		cfg.Guard = outbound.New(outbound.Loopback)
	}
	c, err := courier.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func parcel(endpoint string, attributes notify.Attributes) notify.Parcel {
	return notify.Parcel{
		Message: notify.Message{
			ID: "4912a9bc-c7a6-570f-8d07-e20742a2da5c", Topic: topic, Type: notify.Notification, Subject: "Done", Body: "{\n  \"state\" : \"COMPLETED\"\n}",
			Attributes: map[string]notify.MessageAttribute{"n": {Type: "Number", Value: "1"}}, PublishTime: published,
		},
		Subscription: notify.Subscription{ARN: subscription, Topic: topic, Protocol: notify.HTTP, Endpoint: endpoint, Attributes: attributes},
		Topic:        notify.Topic{ARN: topic}, Policy: notify.EffectivePolicy(nil, attributes), Token: "t0k3n", Number: 1,
	}
}

// recorder is a receiver that keeps the bytes of a request, and answers.
func recorder(t *testing.T, answer string) (url string, requests <-chan string) {
	t.Helper()
	got := make(chan string, 10)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				var text strings.Builder
				req, err := http.ReadRequest(bufio.NewReader(io.TeeReader(conn, &text)))
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
				got <- text.String()
				_, _ = io.WriteString(conn, answer)
			}()
		}
	}()
	return "http://" + ln.Addr().String(), got
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"

func deliver(t *testing.T, c *courier.Courier, p notify.Parcel) (notify.Answer, error) {
	t.Helper()
	return c.Deliver()[p.Subscription.Protocol](t.Context(), p)
}

// signatureOf is what stands in a body where the signature is.
func signatureOf(t *testing.T, body string) string {
	t.Helper()
	m, err := snsmsg.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := snsmsg.Verify(m, key.Certificate()); err != nil {
		t.Error(err)
	}
	return m.Signature
}

// TestBytes holds what goes over the wire, but for what changes each time.
func TestBytes(t *testing.T) {
	raw, confirm, end := parcel("", notify.Attributes{notify.RawMessageDelivery: "true"}), parcel("", nil), parcel("", notify.Attributes{notify.RawMessageDelivery: "true"})
	confirm.Message.Type, confirm.Message.Subject, confirm.Message.Body = notify.SubscriptionConfirmation, "", snsmsg.SubscribeText(topic)
	end.Message.Type, end.Message.Subject, end.Message.Body = notify.UnsubscribeConfirmation, "", snsmsg.UnsubscribeText(subscription)
	confirm.Message.Attributes, end.Message.Attributes = nil, nil
	json := parcel("", notify.Attributes{notify.DeliveryPolicy: `{"requestPolicy":{"headerContentType":"application/json"}}`})
	json.Topic.Attributes = notify.Attributes{notify.SignatureVersion: "2"}
	for name, tt := range map[string]struct {
		p    notify.Parcel
		want string
	}{
		"notification": {parcel("", nil), `POST /hook?x=1 HTTP/1.1
Host: HOST
User-Agent: Amazon Simple Notification Service Agent
Content-Length: LENGTH
Accept-Encoding: gzip,deflate
Content-Type: text/plain; charset=UTF-8
x-amz-sns-message-id: 4912a9bc-c7a6-570f-8d07-e20742a2da5c
x-amz-sns-message-type: Notification
x-amz-sns-subscription-arn: arn:aws:sns:eu-west-1:000000000000:etude-jobs:2bcfbf39-05c3-41de-beaa-fcfcc21c8f55
x-amz-sns-topic-arn: arn:aws:sns:eu-west-1:000000000000:etude-jobs

{
  "Type" : "Notification",
  "MessageId" : "4912a9bc-c7a6-570f-8d07-e20742a2da5c",
  "TopicArn" : "arn:aws:sns:eu-west-1:000000000000:etude-jobs",
  "Subject" : "Done",
  "Message" : "{\n  \"state\" : \"COMPLETED\"\n}",
  "Timestamp" : "2026-01-02T03:04:05.678Z",
  "SignatureVersion" : "1",
  "Signature" : "SIGNATURE",
  "SigningCertURL" : "https://aws.example.org/SimpleNotificationService-HASH.pem",
  "UnsubscribeURL" : "https://aws.example.org/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:eu-west-1:000000000000:etude-jobs:2bcfbf39-05c3-41de-beaa-fcfcc21c8f55",
  "MessageAttributes" : {
    "n" : {"Type":"Number","Value":"1"}
  }
}`},
		"subscription confirmation": {confirm, `POST /hook?x=1 HTTP/1.1
Host: HOST
User-Agent: Amazon Simple Notification Service Agent
Content-Length: LENGTH
Accept-Encoding: gzip,deflate
Content-Type: text/plain; charset=UTF-8
x-amz-sns-message-id: 4912a9bc-c7a6-570f-8d07-e20742a2da5c
x-amz-sns-message-type: SubscriptionConfirmation
x-amz-sns-topic-arn: arn:aws:sns:eu-west-1:000000000000:etude-jobs

{
  "Type" : "SubscriptionConfirmation",
  "MessageId" : "4912a9bc-c7a6-570f-8d07-e20742a2da5c",
  "Token" : "t0k3n",
  "TopicArn" : "arn:aws:sns:eu-west-1:000000000000:etude-jobs",
  "Message" : "You have chosen to subscribe to the topic arn:aws:sns:eu-west-1:000000000000:etude-jobs.\nTo confirm the subscription, visit the SubscribeURL included in this message.",
  "SubscribeURL" : "https://aws.example.org/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-west-1:000000000000:etude-jobs&Token=t0k3n",
  "Timestamp" : "2026-01-02T03:04:05.678Z",
  "SignatureVersion" : "1",
  "Signature" : "SIGNATURE",
  "SigningCertURL" : "https://aws.example.org/SimpleNotificationService-HASH.pem"
}`},
		"unsubscribe confirmation": {end, `POST /hook?x=1 HTTP/1.1
Host: HOST
User-Agent: Amazon Simple Notification Service Agent
Content-Length: LENGTH
Accept-Encoding: gzip,deflate
Content-Type: text/plain; charset=UTF-8
x-amz-sns-message-id: 4912a9bc-c7a6-570f-8d07-e20742a2da5c
x-amz-sns-message-type: UnsubscribeConfirmation
x-amz-sns-subscription-arn: arn:aws:sns:eu-west-1:000000000000:etude-jobs:2bcfbf39-05c3-41de-beaa-fcfcc21c8f55
x-amz-sns-topic-arn: arn:aws:sns:eu-west-1:000000000000:etude-jobs

{
  "Type" : "UnsubscribeConfirmation",
  "MessageId" : "4912a9bc-c7a6-570f-8d07-e20742a2da5c",
  "Token" : "t0k3n",
  "TopicArn" : "arn:aws:sns:eu-west-1:000000000000:etude-jobs",
  "Message" : "You have chosen to deactivate subscription arn:aws:sns:eu-west-1:000000000000:etude-jobs:2bcfbf39-05c3-41de-beaa-fcfcc21c8f55.\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message.",
  "SubscribeURL" : "https://aws.example.org/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-west-1:000000000000:etude-jobs&Token=t0k3n",
  "Timestamp" : "2026-01-02T03:04:05.678Z",
  "SignatureVersion" : "1",
  "Signature" : "SIGNATURE",
  "SigningCertURL" : "https://aws.example.org/SimpleNotificationService-HASH.pem"
}`},
		"raw": {raw, `POST /hook?x=1 HTTP/1.1
Host: HOST
User-Agent: Amazon Simple Notification Service Agent
Content-Length: LENGTH
Accept-Encoding: gzip,deflate
Content-Type: text/plain; charset=UTF-8
x-amz-sns-message-id: 4912a9bc-c7a6-570f-8d07-e20742a2da5c
x-amz-sns-message-type: Notification
x-amz-sns-rawdelivery: true
x-amz-sns-subscription-arn: arn:aws:sns:eu-west-1:000000000000:etude-jobs:2bcfbf39-05c3-41de-beaa-fcfcc21c8f55
x-amz-sns-topic-arn: arn:aws:sns:eu-west-1:000000000000:etude-jobs

{
  "state" : "COMPLETED"
}`},
		"version 2 as application/json": {json, `POST /hook?x=1 HTTP/1.1
Host: HOST
User-Agent: Amazon Simple Notification Service Agent
Content-Length: LENGTH
Accept-Encoding: gzip,deflate
Content-Type: application/json
x-amz-sns-message-id: 4912a9bc-c7a6-570f-8d07-e20742a2da5c
x-amz-sns-message-type: Notification
x-amz-sns-subscription-arn: arn:aws:sns:eu-west-1:000000000000:etude-jobs:2bcfbf39-05c3-41de-beaa-fcfcc21c8f55
x-amz-sns-topic-arn: arn:aws:sns:eu-west-1:000000000000:etude-jobs

{
  "Type" : "Notification",
  "MessageId" : "4912a9bc-c7a6-570f-8d07-e20742a2da5c",
  "TopicArn" : "arn:aws:sns:eu-west-1:000000000000:etude-jobs",
  "Subject" : "Done",
  "Message" : "{\n  \"state\" : \"COMPLETED\"\n}",
  "Timestamp" : "2026-01-02T03:04:05.678Z",
  "SignatureVersion" : "2",
  "Signature" : "SIGNATURE",
  "SigningCertURL" : "https://aws.example.org/SimpleNotificationService-HASH.pem",
  "UnsubscribeURL" : "https://aws.example.org/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:eu-west-1:000000000000:etude-jobs:2bcfbf39-05c3-41de-beaa-fcfcc21c8f55",
  "MessageAttributes" : {
    "n" : {"Type":"Number","Value":"1"}
  }
}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, requests := recorder(t, ok)
			tt.p.Subscription.Endpoint = url + "/hook?x=1"
			answer, err := deliver(t, open(t, courier.Config{}), tt.p)
			if err != nil || answer != (notify.Answer{Status: 200, Body: "ok"}) {
				t.Errorf("got %+v and the error %v", answer, err)
			}
			got := <-requests
			_, body, _ := strings.Cut(got, "\r\n\r\n")
			got = strings.ReplaceAll(got, "\r\n", "\n")
			got = strings.ReplaceAll(got, strings.TrimPrefix(url, "http://"), "HOST")
			got = strings.ReplaceAll(got, fmt.Sprintf("Content-Length: %d\n", len(body)), "Content-Length: LENGTH\n")
			if name != "raw" {
				got = strings.ReplaceAll(got, signatureOf(t, body), "SIGNATURE")
			}
			got = strings.ReplaceAll(got, key.Hash(), "HASH")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	big := strings.Repeat("x", 2000)
	for name, tt := range map[string]struct {
		answer    string
		want      notify.Answer
		err       string // empty if it is delivered
		permanent bool
		gone      bool
	}{
		"204":        {"HTTP/1.1 204 No Content\r\n\r\n", notify.Answer{Status: 204}, "", false, false},
		"long":       {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + big, notify.Answer{Status: 200, Body: big[:1024]}, "", false, false},
		"not text":   {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\na\xff\xfeb", notify.Answer{Status: 200, Body: "a\uFFFDb"}, "", false, false},
		"redirect":   {"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n", notify.Answer{Status: 302}, "redirects (302)", true, false},
		"400":        {"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno", notify.Answer{Status: 400, Body: "no"}, "answered 400", true, false},
		"408":        {"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", notify.Answer{Status: 408}, "answered 408", true, false},
		"410":        {"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", notify.Answer{Status: 410}, "gone", true, true},
		"429":        {"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n", notify.Answer{Status: 429, RetryAfter: 2 * time.Minute}, "answered 429", false, false},
		"500":        {"HTTP/1.1 500 Oh\r\nRetry-After: -5\r\nContent-Length: 0\r\n\r\n", notify.Answer{Status: 500}, "answered 500", false, false},
		"503":        {"HTTP/1.1 503 Later\r\nRetry-After: Mon, 01 Jan 2001 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n", notify.Answer{Status: 503}, "answered 503", false, false},
		"closes":     {"", notify.Answer{}, "closed the connection without an answer", false, false},
		"no HTTP":    {"SSH-2.0-OpenSSH_9\r\n", notify.Answer{}, "malformed HTTP", false, false},
		"cut header": {"HTTP/1.1 200 OK\r\nConte", notify.Answer{}, "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, requests := recorder(t, tt.answer)
			answer, err := deliver(t, open(t, courier.Config{}), parcel(url, nil))
			<-requests
			if diff := cmp.Diff(tt.want, answer); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if name == "cut header" {
				if err == nil {
					t.Error("want an error")
				}
				return
			}
			if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got the error %v, want %q", err, tt.err)
			}
			if errors.Is(err, notify.ErrPermanent) != tt.permanent || errors.Is(err, notify.ErrGone) != tt.gone {
				t.Errorf("got the error %v, want it permanent: %t, gone: %t", err, tt.permanent, tt.gone)
			}
		})
	}
}

// TestEndlessAnswer has an endpoint that sends a gigabyte. It is heard out for
// a little, and cut off.
func TestEndlessAnswer(t *testing.T) {
	for _, encoding := range []string{"", "gzip"} {
		sent := make(chan int64, 1)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			var to io.Writer = w
			w.Header().Set("Content-Encoding", encoding)
			if encoding == "gzip" {
				z := gzip.NewWriter(w) // of nothing but zeros: a thousandth of it
				defer z.Close()
				to = z
			}
			n, _ := io.CopyN(to, zeros{}, 1<<30)
			sent <- n
		}))
		answer, err := deliver(t, open(t, courier.Config{}), parcel(srv.URL, nil))
		if err != nil || len(answer.Body) != notify.MaxAnswer {
			t.Errorf("got %d bytes of the answer and the error %v", len(answer.Body), err)
		}
		if n := <-sent; n == 1<<30 {
			t.Errorf("%q: all of it was taken", encoding)
		}
		srv.Close()
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestHang ends a try whose endpoint says nothing. The test's context stands for
// the 15 seconds.
func TestHang(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() // it never accepts
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	c := open(t, courier.Config{})
	_, err = c.Deliver()[notify.HTTP](ctx, parcel("http://user:s3cret@"+ln.Addr().String(), nil))
	if err == nil || errors.Is(err, notify.ErrPermanent) || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "did not answer") {
		t.Errorf("got the error %v, want that it did not answer", err)
	}
}

func TestRefused(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if _, err := deliver(t, open(t, courier.Config{}), parcel("http://"+ln.Addr().String(), nil)); err == nil || errors.Is(err, notify.ErrPermanent) {
		t.Errorf("got the error %v, want one that may pass", err)
	}
}

func TestGuarded(t *testing.T) {
	url, requests := recorder(t, ok)
	for _, endpoint := range []string{url, strings.Replace(url, "127.0.0.1", "localhost", 1)} {
		if _, err := deliver(t, open(t, courier.Config{Guard: outbound.New(nil)}), parcel(endpoint, nil)); !errors.Is(err, outbound.ErrForbidden) {
			t.Errorf("got the error %v, want %v", err, outbound.ErrForbidden)
		}
	}
	if len(requests) > 0 {
		t.Error("the endpoint was reached")
	}
}

func TestBasicAuth(t *testing.T) {
	url, requests := recorder(t, ok)
	if _, err := deliver(t, open(t, courier.Config{}), parcel(strings.Replace(url, "http://", "http://user:pass%40word@", 1), nil)); err != nil {
		t.Fatal(err)
	}
	if got, want := <-requests, "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("user:pass@word")); !strings.Contains(got, want) {
		t.Errorf("got the request %s, want it with %s", got, want)
	}
}

// TestWebhook verifies as the specification of Standard Webhooks says.
func TestWebhook(t *testing.T) {
	secrets := [][]byte{[]byte("0123456789abcdef01234567"), []byte("another secret of 24 byt")}
	var text []string
	for _, s := range secrets {
		text = append(text, "whsec_"+base64.StdEncoding.EncodeToString(s))
	}
	url, requests := recorder(t, ok)
	if _, err := deliver(t, open(t, courier.Config{}), parcel(url, notify.Attributes{notify.WebhookSecret: strings.Join(text, " ")})); err != nil {
		t.Fatal(err)
	}
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(<-requests)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		t.Fatal(err)
	}
	id, at := req.Header.Get("webhook-id"), req.Header.Get("webhook-timestamp")
	var want []string
	for _, s := range secrets {
		mac := hmac.New(sha256.New, s)
		fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
		want = append(want, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	if got := req.Header.Get("webhook-signature"); got != strings.Join(want, " ") || id != "4912a9bc-c7a6-570f-8d07-e20742a2da5c" {
		t.Errorf("got the signature %s of %s, want %s", got, id, want)
	}
	if seconds, err := time.ParseDuration(at + "s"); err != nil || time.Since(time.Unix(int64(seconds/time.Second), 0)).Abs() > time.Minute {
		t.Errorf("got the timestamp %q, want now", at)
	}
}
