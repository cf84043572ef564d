package e2e_test

import (
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/mail"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/emersion/go-smtp"

	"etude/internal/ffmpeg/ffmpegtest"
)

// mailbox is an SMTP server's backend, and keeps the text of what it gets.
type mailbox struct{ got chan string }

func (b *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return b, nil }
func (*mailbox) Mail(string, *smtp.MailOptions) error          { return nil }
func (*mailbox) Rcpt(string, *smtp.RcptOptions) error          { return nil }
func (*mailbox) Reset()                                        {}
func (*mailbox) Logout() error                                 { return nil }

func (b *mailbox) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	part, err := multipart.NewReader(m.Body, params["boundary"]).NextRawPart()
	if err != nil {
		return err
	}
	text, err := io.ReadAll(quotedprintable.NewReader(part))
	b.got <- string(text)
	return err
}

func (b *mailbox) next(t *testing.T) string {
	t.Helper()
	select {
	case text := <-b.got:
		return text
	case <-time.After(time.Minute):
		t.Fatal("no mail has come")
	}
	return ""
}

var link = regexp.MustCompile(`http://\S+`)

// follow gets the links of a mail, but the one to unsubscribe.
func follow(t *testing.T, text string, unsubscribe bool) (n int) {
	t.Helper()
	for _, u := range link.FindAllString(text, -1) {
		if strings.Contains(u, "Action=Unsubscribe") != unsubscribe {
			continue
		}
		resp, err := http.Get(u)
		if err != nil {
			t.Fatal(err)
		}
		size, _ := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || size == 0 {
			t.Errorf("GET %s: status %d, %d bytes", u, resp.StatusCode, size)
		}
		n++
	}
	return n
}

// TestMail subscribes an address, confirms by the link in the mail, and
// downloads by the links in the mail what a job has made.
func TestMail(t *testing.T) {
	ffmpegtest.Need(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	box := &mailbox{got: make(chan string, 10)}
	srv := smtp.NewServer(box)
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { srv.Close() })

	s := startFor(t, t.TempDir(), "--smtp", "smtp://"+ln.Addr().String()+"?tls=none", "--mail-from", "etude@example.org")
	client := sns.NewFromConfig(s.awsConfig(), func(o *sns.Options) { o.BaseEndpoint = aws.String(s.edge) })
	topics, err := client.ListTopics(testContext(t), nil)
	if err != nil || len(topics.Topics) != 1 {
		t.Fatalf("got the topics %+v and the error %v", topics, err)
	}
	if _, err := client.Subscribe(testContext(t), &sns.SubscribeInput{
		TopicArn: topics.Topics[0].TopicArn, Protocol: aws.String("email"), Endpoint: aws.String("anna@example.org"),
	}); err != nil {
		t.Fatal(err)
	}
	if n := follow(t, box.next(t), false); n != 1 {
		t.Fatalf("the first mail has %d links, want one to confirm", n)
	}
	s.put(t, "media/mail/song.wav", song(t, 2))
	s.await(t, *s.createJob(t, "media/mail/song.wav", "transcoded/mail/").Id)
	var last string
	for !strings.Contains(last, "has been processed") {
		last = box.next(t)
	}
	if n := follow(t, last, false); n != 3 {
		t.Errorf("the mail has %d links, want one for each of 3 files:\n%s", n, last)
	}
	if n := follow(t, last, true); n != 1 {
		t.Errorf("the mail has %d links to unsubscribe:\n%s", n, last)
	}
}
