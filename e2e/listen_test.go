package e2e_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"etude/internal/snsmsg"
)

// posted is a message that a program got.
type posted struct {
	header http.Header
	body   []byte
}

// program is what somebody works on: an HTTP server that only this machine
// reaches.
func program(t *testing.T) (url string, got <-chan posted) {
	t.Helper()
	all := make(chan posted, 20)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		all <- posted{r.Header, body}
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/hooks", all
}

// listen runs etude listen, and returns the lines that it prints, once it
// listens.
func (s *server) listen(t *testing.T, args ...string) (lines <-chan string, stop func()) {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"listen", "--endpoint", s.edge}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey}
	var faults strings.Builder
	cmd.Stderr = &faults
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	printed := make(chan string, 100)
	go func() {
		defer close(printed)
		for in := bufio.NewScanner(out); in.Scan(); {
			printed <- in.Text()
		}
	}()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		_ = cmd.Process.Signal(syscall.SIGINT)
		for range printed {
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("etude listen: %v\n%s", err, faults.String())
		}
	}
	t.Cleanup(stop)
	if first := <-printed; !strings.Contains(first, "listening to arn:aws:sns:") {
		t.Fatalf("etude listen says %q\n%s", first, faults.String())
	}
	return printed, stop
}

// TestListen has a job's notifications posted to a local program, signed as for
// an endpoint on the Internet.
func TestListen(t *testing.T) {
	s := startFor(t, t.TempDir())
	url, got := program(t)
	lines, stop := s.listen(t, "--forward", url)
	if res, body := s.signIn(t).upload(t, "song.wav", strings.NewReader("no sound at all")); res.StatusCode != http.StatusOK {
		t.Fatalf("upload: %s\n%s", res.Status, body)
	}
	for state := ""; state != "ERROR"; {
		p := <-got
		m, err := snsmsg.Parse(p.body)
		if err != nil {
			t.Fatal(err)
		}
		if p.header.Get(snsmsg.HeaderID) != m.MessageID || p.header.Get("Content-Type") != snsmsg.ContentType || p.header.Get("User-Agent") != snsmsg.UserAgent {
			t.Errorf("headers are %v", p.header)
		}
		s.verify(t, m)
		for _, known := range []string{"PROGRESSING", "COMPLETED", "WARNING", "ERROR"} {
			if strings.Contains(m.Message, `"state" : "`+known+`"`) {
				state = known
			}
		}
	}
	for line := range lines {
		if !strings.Contains(line, "-> 200 in") {
			t.Errorf("etude listen says %q", line)
		}
		if strings.Contains(line, "has failed") {
			break
		}
	}
	subs := func() int {
		t.Helper()
		out, err := sns.NewFromConfig(s.awsConfig()).ListSubscriptions(t.Context(), &sns.ListSubscriptionsInput{})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, sub := range out.Subscriptions {
			if aws.ToString(sub.Protocol) == "listen" {
				n++
			}
		}
		return n
	}
	if n := subs(); n != 1 {
		t.Errorf("%d subscriptions while it listens, want 1", n)
	}
	stop()
	if n := subs(); n != 0 {
		t.Errorf("%d subscriptions after its end, want none", n)
	}
}

// verify holds a message against the certificate that it names.
func (s *server) verify(t *testing.T, m *snsmsg.Message) {
	t.Helper()
	if !strings.HasPrefix(m.SigningCertURL, s.edge+"/SimpleNotificationService-") {
		t.Fatalf("the certificate is at %q", m.SigningCertURL)
	}
	res, err := http.Get(m.SigningCertURL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := snsmsg.ParseCertificate(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := snsmsg.Verify(m, cert); err != nil {
		t.Error(err)
	}
}

// TestListenIsRefused ends at once, with what to do.
func TestListenIsRefused(t *testing.T) {
	s := shared(t)
	for name, args := range map[string][]string{
		"--forward":         {"--forward", "localhost:9000", "--endpoint", s.edge},
		"there is no":       {"--forward", "http://localhost:1", "--endpoint", s.edge, "--topic", "none"},
		"no server runs in": {"--forward", "http://localhost:1", "--data", t.TempDir()},
	} {
		cmd := exec.Command(binary, append([]string{"listen"}, args...)...)
		cmd.Env = []string{"HOME=" + t.TempDir(), "AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey}
		out, err := cmd.CombinedOutput()
		if name == "there is no" {
			name = "arn:aws:sns:eu-west-1:000000000000:none"
		}
		if err == nil || !strings.Contains(string(out), name) {
			t.Errorf("%v: %v, %s; want %q in it", args, err, out, name)
		}
	}
}

// TestEtudeListensToEtude subscribes one server's hook to another one's topic:
// the handshake, the signature, and a message to the user.
func TestEtudeListensToEtude(t *testing.T) {
	from := startFor(t, t.TempDir())
	const topic = "arn:aws:sns:eu-west-1:000000000000:etude-jobs"
	to := startFor(t, t.TempDir(), "--hook-topics", topic+"="+from.edge, "--hook-user", email)
	client := sns.NewFromConfig(from.awsConfig())
	_, err := client.SetTopicAttributes(t.Context(), &sns.SetTopicAttributesInput{
		TopicArn: aws.String(topic), AttributeName: aws.String("SignatureVersion"), AttributeValue: aws.String("2"),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: aws.String(topic), Protocol: aws.String("http"), Endpoint: aws.String(to.site + "/hooks/sns")})
	if err != nil {
		t.Fatal(err)
	}
	page := to.signIn(t)
	ctx := t.Context()
	told := page.events(t, ctx)
	confirmed := func() bool {
		out, err := client.ListSubscriptionsByTopic(ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: aws.String(topic)})
		if err != nil {
			t.Fatal(err)
		}
		for _, sub := range out.Subscriptions {
			if aws.ToString(sub.Protocol) == "http" && aws.ToString(sub.SubscriptionArn) != "PendingConfirmation" {
				return true
			}
		}
		return false
	}
	for !confirmed() {
	}
	if res, body := from.signIn(t).upload(t, "noise.wav", strings.NewReader("no sound at all")); res.StatusCode != http.StatusOK {
		t.Fatalf("upload: %s\n%s", res.Status, body)
	}
	for !strings.Contains(page.page(t, "/messages"), "Your file noise.wav could not be processed.") {
		if err := told.next(); err != nil {
			t.Fatal(err)
		}
	}
}
