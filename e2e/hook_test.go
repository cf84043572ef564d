package e2e_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"etude/internal/snsmsg"
)

const hookTopic = "arn:aws:sns:us-east-1:123456789012:transcoder"

// publisher is a topic somewhere else: it serves its certificate, and takes
// note of the subscriptions that are confirmed.
type publisher struct {
	*httptest.Server
	key       *snsmsg.Key
	confirmed chan string // tokens
}

func openPublisher(t *testing.T) *publisher {
	t.Helper()
	key, err := snsmsg.NewKey(time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	p := &publisher{key: key, confirmed: make(chan string, 10)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+snsmsg.CertificatePath(key.Hash()), func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(key.PEM()) })
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("Action") != "ConfirmSubscription" || r.FormValue("TopicArn") != hookTopic {
			http.Error(w, "not that", http.StatusBadRequest)
			return
		}
		p.confirmed <- r.FormValue("Token")
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// send signs m, posts it to the server's hook and returns the answer's status.
func (p *publisher) send(t *testing.T, s *server, m snsmsg.Message) int {
	t.Helper()
	m.MessageID, m.TopicARN, m.Timestamp = uuid.NewString(), hookTopic, snsmsg.FormatTime(time.Now())
	if err := p.key.Sign(&m, "2", p.URL); err != nil {
		t.Fatal(err)
	}
	return post(t, s, &m)
}

func post(t *testing.T, s *server, m *snsmsg.Message) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.site+"/hooks/sns", bytes.NewReader(m.JSON()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = m.Header(m.TopicARN + ":some-subscription")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

// TestHookOfAnotherPublisher confirms a subscription and tells the user of a
// job that another service has done.
func TestHookOfAnotherPublisher(t *testing.T) {
	p := openPublisher(t)
	s := startFor(t, t.TempDir(), "--hook-topics", hookTopic+"="+p.URL, "--hook-user", email)

	confirmation := snsmsg.Message{
		Type: snsmsg.SubscriptionConfirmation, Token: "the-token", Message: snsmsg.SubscribeText(hookTopic),
		SubscribeURL: "http://169.254.169.254/latest/meta-data", // to be left alone
	}
	if got := p.send(t, s, confirmation); got != http.StatusOK {
		t.Fatalf("the confirmation got %d", got)
	}
	if got := <-p.confirmed; got != "the-token" {
		t.Errorf("confirmed with the token %q", got)
	}

	done := snsmsg.Message{Type: snsmsg.Notification, Subject: "Amazon Elastic Transcoder has finished transcoding job 1700000000000-abcdef.", Message: `{
  "state" : "COMPLETED", "version" : "2012-09-25", "jobId" : "1700000000000-abcdef", "pipelineId" : "1600000000000-abcdef",
  "input" : { "key" : "in/Song & <Dance>.wav" }, "outputs" : [ { "id" : "1", "presetId" : "1351620000001-300040", "key" : "a.mp3", "status" : "Complete" } ] }`}
	if got := p.send(t, s, done); got != http.StatusOK {
		t.Fatalf("the notification got %d", got)
	}
	if page := s.signIn(t).page(t, "/messages"); !strings.Contains(page, "Your file Song &amp; &lt;Dance&gt;.wav has been processed.") {
		t.Errorf("the messages do not have it:\n%s", page)
	}

	forged := done
	forged.MessageID, forged.TopicARN, forged.Timestamp = uuid.NewString(), hookTopic, snsmsg.FormatTime(time.Now())
	if err := p.key.Sign(&forged, "2", p.URL); err != nil {
		t.Fatal(err)
	}
	forged.Message = strings.Replace(forged.Message, "COMPLETED", "ERROR", 1)
	if got := post(t, s, &forged); got != http.StatusForbidden {
		t.Errorf("a forged message got %d", got)
	}
}

func TestBadHookTopics(t *testing.T) {
	_, err := start(t.TempDir(), environment(), "--hook-topics", "jobs,arn:aws:sns:eu-west-1:1:x")
	if err == nil || strings.Count(err.Error(), "--hook-topics") < 2 {
		t.Errorf("got %v, want both faults with the option", err)
	}
}
