package e2e_test

import (
	"bufio"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"etude/internal/snsmsg"
)

// deliveryEndpoint is an endpoint of a subscription, and keeps what it gets.
type deliveryEndpoint struct {
	url string
	got chan *snsmsg.Message
}

func newDeliveryEndpoint(t *testing.T) *deliveryEndpoint {
	t.Helper()
	e := &deliveryEndpoint{got: make(chan *snsmsg.Message, 10)}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		m, err := snsmsg.Parse(body)
		if err != nil || r.Header.Get(snsmsg.HeaderType) != m.Type || r.Header.Get(snsmsg.HeaderID) != m.MessageID {
			t.Errorf("got %s with the headers %v", body, r.Header)
			return
		}
		e.got <- m
	}))
	t.Cleanup(srv.Close)
	e.url = srv.URL
	return e
}

func (e *deliveryEndpoint) next(t *testing.T) *snsmsg.Message {
	t.Helper()
	select {
	case m := <-e.got:
		return m
	case <-time.After(30 * time.Second):
		t.Fatal("no message has come")
	}
	return nil
}

// validator returns what npm's sns-validator says of a message, which fetches
// the certificate by TLS from the host.
func validator(t *testing.T, tls *httptest.Server) func(m *snsmsg.Message) string {
	t.Helper()
	node, npm := need(t, "node"), need(t, "npm")
	dir := t.TempDir()
	if err := os.Symlink(nodeModules(t, npm), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"package.json", "validate.js"} {
		copyFile(t, filepath.Join("js", name), filepath.Join(dir, name))
	}
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(tls.URL, "https://")
	cmd := exec.CommandContext(t.Context(), node, filepath.Join(dir, "validate.js"), "^"+regexp.QuoteMeta(host)+"$")
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+ca, "NO_PROXY=*")
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	lines := bufio.NewScanner(out)
	return func(m *snsmsg.Message) (wrong string) {
		t.Helper()
		var compact strings.Builder
		if err := json.NewEncoder(&compact).Encode(json.RawMessage(m.JSON())); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(in, compact.String()); err != nil {
			t.Fatal(err)
		}
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &wrong) != nil {
			t.Fatalf("sns-validator has ended: %v, %q", lines.Err(), lines.Text())
		}
		return wrong
	}
}

// TestDelivery subscribes an endpoint with AWS's SDK, confirms by the link, and
// has what is delivered judged by npm's sns-validator.
func TestDelivery(t *testing.T) {
	var edge atomic.Pointer[url.URL]
	tls := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(edge.Load()) }})
	t.Cleanup(tls.Close)
	s := startFor(t, t.TempDir(), "--edge-url", tls.URL)
	at, err := url.Parse(s.edge)
	if err != nil {
		t.Fatal(err)
	}
	edge.Store(at)
	wrong := validator(t, tls)
	ctx := testContext(t)
	client := sns.NewFromConfig(s.awsConfig(), func(o *sns.Options) { o.BaseEndpoint = aws.String(s.edge) })
	topic, err := client.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("told")})
	if err != nil {
		t.Fatal(err)
	}
	e := newDeliveryEndpoint(t)
	_, err = client.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("http"), Endpoint: aws.String(e.url)})
	if err != nil {
		t.Fatal(err)
	}
	accept := func(m *snsmsg.Message, kind, version string) {
		t.Helper()
		if m.Type != kind || m.SignatureVersion != version || m.TopicARN != aws.ToString(topic.TopicArn) {
			t.Errorf("got %s", m.JSON())
		}
		if why := wrong(m); why != "" {
			t.Errorf("sns-validator refuses %s of version %s: %s", kind, version, why)
		}
		forged := *m
		forged.Message += "."
		if why := wrong(&forged); why == "" {
			t.Errorf("sns-validator takes a forged %s", kind)
		}
	}
	ask := e.next(t)
	accept(ask, snsmsg.SubscriptionConfirmation, "1")
	resp, err := tls.Client().Get(ask.SubscribeURL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: status %d", ask.SubscribeURL, resp.StatusCode)
	}

	publish := func(text string) {
		t.Helper()
		if _, err := client.Publish(ctx, &sns.PublishInput{TopicArn: topic.TopicArn, Subject: aws.String("Subject"), Message: aws.String(text)}); err != nil {
			t.Fatal(err)
		}
	}
	publish("Größe <1> & \"more\"\n")
	accept(e.next(t), snsmsg.Notification, "1")
	if _, err := client.SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{
		TopicArn: topic.TopicArn, AttributeName: aws.String("SignatureVersion"), AttributeValue: aws.String("2"),
	}); err != nil {
		t.Fatal(err)
	}
	publish("second")
	last := e.next(t)
	accept(last, snsmsg.Notification, "2")

	// Whoever has the link may end it, and the endpoint is told. sns-validator
	// leaves out the Token of what it verifies here, also of AWS's messages.
	if resp, err = tls.Client().Get(last.UnsubscribeURL); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	end := e.next(t)
	resp, err = tls.Client().Get(end.SigningCertURL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := snsmsg.ParseCertificate(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := snsmsg.Verify(end, cert); err != nil || end.Type != snsmsg.UnsubscribeConfirmation {
		t.Errorf("got %s: %v", end.JSON(), err)
	}
}
