package courier_test

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"etude/internal/courier"
	"etude/internal/notify"
)

// mailServer is an SMTP server that keeps what it takes.
type mailServer struct {
	refuse *smtp.SMTPError // what it answers to each recipient; nil for none

	mu   sync.Mutex
	got  []string
	from []string
	to   []string
}

func (s *mailServer) NewSession(*smtp.Conn) (smtp.Session, error) {
	return &mailSession{server: s}, nil
}

type mailSession struct {
	server *mailServer
	known  bool
}

func (*mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "user" || password != "p@ss" {
			return smtp.ErrAuthFailed
		}
		s.known = true
		return nil
	}), nil
}

func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	if !s.known {
		return smtp.ErrAuthRequired
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.from = append(s.server.from, from)
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.server.refuse != nil {
		return s.server.refuse
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.to = append(s.server.to, to)
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.got = append(s.server.got, string(text))
	return err
}

func (*mailSession) Reset()        {}
func (*mailSession) Logout() error { return nil }

// serveMail returns the URL of a server.
func serveMail(t *testing.T, s *mailServer) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := smtp.NewServer(s)
	srv.Domain, srv.AllowInsecureAuth = "localhost", true
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(ln) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return "smtp://user:p%40ss@" + ln.Addr().String() + "?tls=none"
}

// letter is what a person sees of a mail.
type letter struct{ From, To, Subject, ID, Unsubscribe, Text, HTML string }

func readMail(t *testing.T, text string) (l letter) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	words := new(mime.WordDecoder)
	header := func(name string) string {
		s, err := words.DecodeHeader(m.Header.Get(name))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	l = letter{From: header("From"), To: header("To"), Subject: header("Subject"), ID: header("Message-ID"), Unsubscribe: header("List-Unsubscribe")}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	read := func(r io.Reader, encoding string) string {
		if encoding == "quoted-printable" {
			r = quotedprintable.NewReader(r)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(b), "\r\n", "\n")
	}
	if kind == "text/plain" {
		l.Text = read(m.Body, m.Header.Get("Content-Transfer-Encoding"))
		return l
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return l
		}
		if err != nil {
			t.Fatal(err)
		}
		body := read(part, part.Header.Get("Content-Transfer-Encoding"))
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/html") {
			l.HTML = body
		} else {
			l.Text = body
		}
	}
}

func mailParcel(protocol notify.Protocol) notify.Parcel {
	p := parcel("anna@example.org", nil)
	p.Subscription.Protocol = protocol
	p.Message.Attributes = nil
	return p
}

const unsubscribe = base + "/?Action=Unsubscribe&SubscriptionArn=" + subscription

func TestMail(t *testing.T) {
	server := &mailServer{}
	c := open(t, courier.Config{Mail: &courier.Mail{
		Server: serveMail(t, server), From: "Etude <etude@example.org>",
		Letter: func(_ context.Context, m *notify.Message) (*courier.Letter, error) {
			if !strings.Contains(m.Body, "COMPLETED") {
				return nil, nil
			}
			return &courier.Letter{
				Text: "Your file <b>ü.wav has been processed.", Links: []courier.Link{{Name: "ü.flac", URL: "https://aws.example.org/media/u.flac?X-Amz-Signature=1&a=2"}}, Note: "For 7 days.",
			}, nil
		},
	}})
	p := mailParcel(notify.Email)
	p.Topic.Attributes = notify.Attributes{notify.DisplayName: "Mein\r\nStudio"}
	plain, asJSON, confirm := mailParcel(notify.Email), mailParcel(notify.EmailJSON), mailParcel(notify.Email)
	plain.Message.Body, plain.Message.Subject = "Größe <1\r\n.\r\nBcc: x@example.org", ""
	confirm.Message.Type, confirm.Message.Subject = notify.SubscriptionConfirmation, ""
	for _, p := range []notify.Parcel{p, p, plain, asJSON, confirm} {
		if answer, err := deliver(t, c, p); err != nil || answer.Status != 250 {
			t.Fatalf("got %+v and the error %v", answer, err)
		}
	}
	var got []letter
	for i, text := range server.got {
		l := readMail(t, text)
		if server.from[i] != "etude@example.org" || server.to[i] != "anna@example.org" || l.To != "<anna@example.org>" {
			t.Errorf("the mail went from %s to %s", server.from[i], server.to[i])
		}
		got = append(got, l)
	}
	if got[0].ID != got[1].ID {
		t.Errorf("the same mail has the IDs %s and %s", got[0].ID, got[1].ID)
	}
	foot := "\n--\nIf you wish to stop receiving notifications from this topic, please visit the link below to unsubscribe:\n" + unsubscribe + "\n"
	e, err := c.Envelope(&asJSON)
	if err != nil {
		t.Fatal(err)
	}
	want := []letter{
		{From: `"Mein Studio" <etude@example.org>`, Subject: "Done", Unsubscribe: "<" + unsubscribe + ">",
			Text: "Your file <b>ü.wav has been processed.\n\nü.flac:\nhttps://aws.example.org/media/u.flac?X-Amz-Signature=1&a=2\n\nFor 7 days.\n" + foot},
		{},
		{From: `"Etude" <etude@example.org>`, Subject: "Notification Message", Unsubscribe: "<" + unsubscribe + ">",
			Text: "Größe <1\n.\nBcc: x@example.org\n" + foot},
		{From: `"Etude" <etude@example.org>`, Subject: "Done", Unsubscribe: "<" + unsubscribe + ">", Text: string(e.JSON()) + "\n" + foot},
		{From: `"Etude" <etude@example.org>`, Subject: "Subscription Confirmation",
			Text: "You have chosen to subscribe to the topic:\n" + topic + "\n\nTo confirm this subscription, visit the link below.\n\nConfirm subscription:\n" +
				base + "/?Action=ConfirmSubscription&TopicArn=" + topic + "&Token=t0k3n\n\nThe link works for two days. If this was in error, there is nothing to do.\n"},
	}
	for i, w := range want {
		if i == 1 {
			continue
		}
		html := got[i].HTML
		got[i].HTML, got[i].ID, got[i].To = "", "", ""
		if diff := cmp.Diff(w, got[i]); diff != "" {
			t.Errorf("mail %d (-want +got):\n%s", i, diff)
		}
		if (html == "") != (i == 3) {
			t.Errorf("mail %d: got the HTML %s", i, html)
		}
		if i == 0 && (!strings.Contains(html, "Your file &lt;b&gt;ü.wav") || !strings.Contains(html, `href="https://aws.example.org/media/u.flac?X-Amz-Signature=1&amp;a=2"`)) {
			t.Errorf("got the HTML %s", html)
		}
	}
}

func TestMailRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		server    string // instead of one that works
		refuse    *smtp.SMTPError
		status    int
		permanent bool
	}{
		"no such user":   {"", &smtp.SMTPError{Code: 550, Message: "no such user"}, 550, true},
		"greylisted":     {"", &smtp.SMTPError{Code: 451, Message: "later"}, 451, false},
		"wrong password": {"wrong", nil, 0, false},
		"nobody there":   {"smtp://127.0.0.1:1?tls=none", nil, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := serveMail(t, &mailServer{refuse: tt.refuse})
			switch tt.server {
			case "":
			case "wrong":
				url = strings.Replace(url, "p%40ss", "wrong", 1)
			default:
				url = tt.server
			}
			c := open(t, courier.Config{Mail: &courier.Mail{Server: url, From: "etude@example.org"}})
			answer, err := deliver(t, c, mailParcel(notify.Email))
			if err == nil || answer.Status != tt.status || errors.Is(err, notify.ErrPermanent) != tt.permanent || strings.Contains(err.Error(), "p%40ss") {
				t.Errorf("got %+v and the error %v, want the status %d, permanent: %t", answer, err, tt.status, tt.permanent)
			}
		})
	}
}

func TestBadMailConfig(t *testing.T) {
	for server, from := range map[string]string{
		"http://mail.example.org": "a@b.org", "mail.example.org:25": "a@b.org", "smtp://": "a@b.org", "smtp://h?tls=perhaps": "a@b.org", "smtp://h": "nobody",
	} {
		m := &courier.Mail{Server: server, From: from}
		if _, err := courier.New(courier.Config{Sign: key.Sign, Base: func() string { return "" }, Mail: m}); err == nil {
			t.Errorf("%s from %s: want an error", server, from)
		}
	}
}
