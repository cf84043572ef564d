package courier

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"net"
	netmail "net/mail"
	"net/url"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"

	"etude/internal/notify"
)

// Mail is how e-mail is sent.
type Mail struct {
	// Server is the URL of an SMTP server: smtp://user:password@host:587, or
	// smtps:// for one that speaks TLS from the beginning. With smtp, STARTTLS is
	// used where the server has it; ?tls=required insists on it, ?tls=none leaves
	// it.
	Server string
	From   string // the sender's address
	// Letter words what a message says to people; nil, or a nil Letter, leaves it
	// as it is.
	Letter func(ctx context.Context, m *notify.Message) (*Letter, error)

	from   netmail.Address
	client []mail.Option
	host   string
}

// Letter is what a message says to people.
type Letter struct {
	Text  string
	Links []Link
	Note  string // below the links
}

// Link is one that a letter has.
type Link struct{ Name, URL string }

// check reads the configuration.
func (m *Mail) check() error {
	from, err := netmail.ParseAddress(m.From)
	if err != nil {
		return fmt.Errorf("sender of e-mails %q: it must be an address like etude@example.org", m.From)
	}
	m.from = *from
	u, err := url.Parse(m.Server)
	if err != nil || u.Scheme != "smtp" && u.Scheme != "smtps" || u.Hostname() == "" {
		return errors.New("SMTP server: write it like smtp://user:password@mail.example.org:587") // the URL has a password
	}
	m.host = u.Hostname()
	m.client = []mail.Option{mail.WithTimeout(tryTime)}
	port := mail.DefaultPortTLS
	switch {
	case u.Port() != "":
		if port, err = strconv.Atoi(u.Port()); err != nil {
			return fmt.Errorf("SMTP server: the port %q is no number", u.Port())
		}
	case u.Scheme == "smtps":
		port = mail.DefaultPortSSL
	}
	m.client = append(m.client, mail.WithPort(port))
	plain := mail.SMTPAuthAutoDiscover
	switch tls := u.Query().Get("tls"); {
	case u.Scheme == "smtps":
		m.client = append(m.client, mail.WithSSL())
	case tls == "required":
		m.client = append(m.client, mail.WithTLSPolicy(mail.TLSMandatory))
	case tls == "none":
		m.client, plain = append(m.client, mail.WithTLSPolicy(mail.NoTLS)), mail.SMTPAuthPlainNoEnc
	case tls == "":
		m.client = append(m.client, mail.WithTLSPolicy(mail.TLSOpportunistic))
	default:
		return fmt.Errorf("SMTP server: tls=%.16q: it can be required or none", tls)
	}
	if password, ok := u.User.Password(); ok {
		m.client = append(m.client, mail.WithSMTPAuth(plain), mail.WithUsername(u.User.Username()), mail.WithPassword(password))
	}
	return nil
}

// mail delivers by e-mail.
func (c *Courier) mail(ctx context.Context, p notify.Parcel) (notify.Answer, error) {
	msg, err := c.letter(ctx, &p)
	if err != nil {
		return notify.Answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	client, err := mail.NewClient(c.cfg.Mail.host, c.cfg.Mail.client...)
	if err != nil {
		return notify.Answer{}, fmt.Errorf("SMTP: %w", err)
	}
	return explainMail(ctx, client.DialAndSendWithContext(ctx, msg))
}

func explainMail(ctx context.Context, err error) (notify.Answer, error) {
	if err == nil {
		return notify.Answer{Status: 250}, nil
	}
	refused, ok := errors.AsType[*mail.SendError](err)
	switch {
	case ok && refused.ErrorCode() >= 500 && (refused.Reason == mail.ErrSMTPRcptTo || refused.Reason == mail.ErrSMTPDataClose):
		// Of the address or of the message; all else is of the server's settings,
		// which somebody will mend.
		return notify.Answer{Status: refused.ErrorCode()}, fmt.Errorf("SMTP: %w: %w", err, notify.ErrPermanent)
	case ok:
		return notify.Answer{Status: refused.ErrorCode()}, fmt.Errorf("SMTP: %w", err)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return notify.Answer{}, fmt.Errorf("the SMTP server did not answer within %s", tryTime)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op
	}
	return notify.Answer{}, fmt.Errorf("SMTP: %w", err)
}

// letter writes the mail.
func (c *Courier) letter(ctx context.Context, p *notify.Parcel) (*mail.Msg, error) {
	e, err := c.Envelope(p)
	if err != nil {
		return nil, err
	}
	msg := mail.NewMsg()
	from := c.cfg.Mail.from
	if name := p.Topic.Attributes[notify.DisplayName]; name != "" {
		from.Name = oneLine(name)
	}
	msg.FromMailAddress(&from)
	if err := msg.To(p.Subscription.Endpoint); err != nil {
		return nil, fmt.Errorf("%w: %.200q is no e-mail address", notify.ErrPermanent, p.Subscription.Endpoint)
	}
	// The same for each try, so that a mail program shows a repeat once.
	id := sha256.Sum256([]byte(string(p.Message.ID) + "\n" + string(p.Subscription.ARN)))
	_, domain, _ := strings.Cut(from.Address, "@")
	msg.SetMessageIDWithValue(hex.EncodeToString(id[:16]) + "@" + domain)
	msg.SetDateWithValue(p.Message.PublishTime)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")

	letter, subject := &Letter{Text: e.Message}, "Notification Message"
	switch {
	case p.Message.Type != notify.Notification:
		subject, letter = confirmationLetter(p, e.SubscribeURL)
	case p.Subscription.Protocol == notify.EmailJSON:
		letter.Text = string(e.JSON())
	case c.cfg.Mail.Letter != nil:
		worded, err := c.cfg.Mail.Letter(ctx, &p.Message)
		if err != nil {
			return nil, err
		}
		if worded != nil {
			letter = worded
		}
	}
	if p.Message.Subject != "" {
		subject = p.Message.Subject
	}
	msg.Subject(oneLine(subject))
	if e.UnsubscribeURL != "" {
		msg.SetGenHeader("List-Unsubscribe", "<"+e.UnsubscribeURL+">")
	}
	return msg, letter.writeTo(msg, p, e.UnsubscribeURL)
}

func confirmationLetter(p *notify.Parcel, link string) (subject string, l *Letter) {
	if p.Message.Type == notify.UnsubscribeConfirmation {
		return "Subscription ended", &Letter{
			Text:  "You get no more messages of the topic\n" + string(p.Message.Topic) + ".",
			Links: []Link{{"Subscribe again", link}}, Note: "The link works for two days. If you meant to end the subscription, there is nothing to do.",
		}
	}
	return "Subscription Confirmation", &Letter{
		Text:  "You have chosen to subscribe to the topic:\n" + string(p.Message.Topic) + "\n\nTo confirm this subscription, visit the link below.",
		Links: []Link{{"Confirm subscription", link}}, Note: "The link works for two days. If this was in error, there is nothing to do.",
	}
}

func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
}

// writeTo writes the letter as text, and as HTML where there is more to it than
// text.
func (l *Letter) writeTo(msg *mail.Msg, p *notify.Parcel, unsubscribe string) error {
	var text strings.Builder
	text.WriteString(l.Text + "\n")
	for _, link := range l.Links {
		text.WriteString("\n" + link.Name + ":\n" + link.URL + "\n")
	}
	if l.Note != "" {
		text.WriteString("\n" + l.Note + "\n")
	}
	if unsubscribe != "" {
		text.WriteString("\n--\nIf you wish to stop receiving notifications from this topic, please visit the link below to unsubscribe:\n" + unsubscribe + "\n")
	}
	msg.SetBodyString(mail.TypeTextPlain, text.String())
	if p.Subscription.Protocol == notify.EmailJSON && p.Message.Type == notify.Notification {
		return nil
	}
	var page strings.Builder
	err := htmlLetter.Execute(&page, map[string]any{"Letter": l, "Paragraphs": strings.Split(l.Text, "\n\n"), "Unsubscribe": unsubscribe})
	if err != nil {
		return fmt.Errorf("write HTML: %w", err)
	}
	msg.AddAlternativeString(mail.TypeTextHTML, page.String())
	return nil
}

// htmlLetter is laid out for mail programs, which know little of styles and
// load nothing.
var htmlLetter = template.Must(template.New("letter").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"></head>
<body style="margin:0;padding:24px;font:16px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif">
<div style="max-width:36em;margin:0 auto">
{{range .Paragraphs}}<p style="margin:0 0 1em;white-space:pre-wrap;overflow-wrap:anywhere">{{.}}</p>
{{end}}{{range .Letter.Links}}<p style="margin:0 0 .75em"><a href="{{.URL}}" style="display:inline-block;padding:.5em 1em;border:1px solid;border-radius:6px;text-decoration:none">{{.Name}}</a></p>
{{end}}{{with .Letter.Note}}<p style="margin:1em 0;font-size:14px">{{.}}</p>
{{end}}{{with .Unsubscribe}}<p style="margin:2em 0 0;font-size:12px"><a href="{{.}}">Unsubscribe</a> from these notifications.</p>
{{end}}</div></body></html>
`))
