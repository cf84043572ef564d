// Package verifytest has a publisher of SNS's for tests: it signs messages, and
// serves its certificate over TLS under the names of AWS's hosts, on loopback.
package verifytest

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
)

// CertificatePath is where the certificate is.
const CertificatePath = "/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"

// Publisher signs and serves.
type Publisher struct {
	Host    string // as in SigningCertURL
	PEM     []byte // what is served; may be changed before the first fetch
	Fetches atomic.Int64
	// Serve answers in place of the certificate, if it is set.
	Serve http.HandlerFunc

	key    *rsa.PrivateKey
	roots  *x509.CertPool
	server *httptest.Server
}

var keys = sync.OnceValue(func() (pair [2]*rsa.PrivateKey) {
	for i := range pair {
		var err error
		if pair[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			panic(err)
		}
	}
	return pair
})

// New returns a publisher of AWS's in a region, whose certificate has that
// common name. It is closed when the test ends.
func New(t testing.TB, region, commonName string) *Publisher {
	t.Helper()
	p := &Publisher{Host: "sns." + region + ".amazonaws.com", key: keys()[0], roots: x509.NewCertPool()}
	p.PEM = p.Certificate(t, commonName, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))

	host := template(p.Host, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	host.IsCA, host.BasicConstraintsValid = true, true
	der := sign(t, host, keys()[1])
	root, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	p.roots.AddCert(root)
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	p.server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: keys()[1]}}}
	p.server.Config.ErrorLog = log.New(io.Discard, "", 0) // tests break connections on purpose
	p.server.StartTLS()
	t.Cleanup(p.server.Close)
	return p
}

func (p *Publisher) serve(w http.ResponseWriter, r *http.Request) {
	p.Fetches.Add(1)
	if p.Serve != nil {
		p.Serve(w, r)
		return
	}
	if r.URL.Path != CertificatePath {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(p.PEM)
}

// Roots are what the server's TLS certificate is trusted by.
func (p *Publisher) Roots() *x509.CertPool { return p.roots }

// Dial reaches the server under any name.
func (p *Publisher) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, p.server.Listener.Addr().String())
}

// Certificate is one of the key that the publisher signs with.
func (p *Publisher) Certificate(t testing.TB, commonName string, from, to time.Time) []byte {
	t.Helper()
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: sign(t, template(commonName, from, to), p.key)})
}

func template(name string, from, to time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: from, NotAfter: to,
	}
}

func sign(t testing.TB, c *x509.Certificate, key *rsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// Message is a message's members.
type Message map[string]string

// Notification returns one that says text, as yet unsigned.
func (p *Publisher) Notification(topic, text string) Message {
	return Message{
		"Type": "Notification", "MessageId": uuid.NewString(), "TopicArn": topic, "Message": text, "Subject": "A subject",
		"Timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), "SignatureVersion": "2",
		"SigningCertURL": "https://" + p.Host + CertificatePath, "UnsubscribeURL": "https://" + p.Host + "/?Action=Unsubscribe",
	}
}

// Confirmation returns a SubscriptionConfirmation, as yet unsigned.
func (p *Publisher) Confirmation(topic, token string) Message {
	m := p.Notification(topic, "You have chosen to subscribe to the topic "+topic+".\nTo confirm the subscription, visit the SubscribeURL included in this message.")
	m["Type"], m["Token"], m["SubscribeURL"] = "SubscriptionConfirmation", token, "https://"+p.Host+"/?Action=ConfirmSubscription&TopicArn="+topic+"&Token="+token
	delete(m, "Subject")
	delete(m, "UnsubscribeURL")
	return m
}

// Sign signs m by its SignatureVersion.
func (p *Publisher) Sign(t testing.TB, m Message) Message {
	t.Helper()
	var b strings.Builder
	for _, name := range strings.Fields("Message MessageId Subject SubscribeURL Timestamp Token TopicArn Type") {
		if v, ok := m[name]; ok {
			b.WriteString(name + "\n" + v + "\n")
		}
	}
	text := b.String()
	hash, sum := crypto.SHA256, make([]byte, 0, 32)
	if m["SignatureVersion"] == "1" {
		s := sha1.Sum([]byte(text)) //nolint:gosec // what SNS signs with by default
		hash, sum = crypto.SHA1, append(sum, s[:]...)
	} else {
		s := sha256.Sum256([]byte(text))
		sum = append(sum, s[:]...)
	}
	sig, err := rsa.SignPKCS1v15(rand.Reader, p.key, hash, sum)
	if err != nil {
		t.Fatal(err)
	}
	m["Signature"] = base64.StdEncoding.EncodeToString(sig)
	return m
}

// Body is m as it is sent.
func (m Message) Body(t testing.TB) []byte {
	t.Helper()
	body, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// Header is what comes with m.
func (m Message) Header() http.Header {
	h := http.Header{}
	h.Set("X-Amz-Sns-Message-Type", m["Type"])
	h.Set("X-Amz-Sns-Message-Id", m["MessageId"])
	h.Set("X-Amz-Sns-Topic-Arn", m["TopicArn"])
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	return h
}
