package snsmsg

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // SNS's SignatureVersion 1
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// StringToSign is what a signature is of, for either version:
// https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
func (m *Message) StringToSign() string {
	lines := []string{"Message", m.Message, "MessageId", m.MessageID}
	if m.Type == Notification {
		if m.Subject != "" {
			lines = append(lines, "Subject", m.Subject)
		}
		lines = append(lines, "Timestamp", m.Timestamp)
	} else {
		lines = append(lines, "SubscribeURL", m.SubscribeURL, "Timestamp", m.Timestamp, "Token", m.Token)
	}
	lines = append(lines, "TopicArn", m.TopicARN, "Type", m.Type)
	return valid(strings.Join(lines, "\n") + "\n")
}

// CommonName is that of the certificates: SNS's own, because verifiers that
// look at the name at all, as Java's does, want this one. It is no name of a
// host that anybody would be led to by it.
const CommonName = "sns.amazonaws.com"

// Key signs messages, and is known by its certificate. It does not change.
type Key struct {
	private *rsa.PrivateKey
	cert    *x509.Certificate
}

// NewKey makes a key of 2048 bits, as SNS's are, with a certificate for it that
// it has signed itself.
func NewKey(notBefore, notAfter time.Time) (*Key, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	serial := make([]byte, 16)
	_, _ = rand.Read(serial) // never fails, see crypto/rand
	name := pkix.Name{CommonName: CommonName, Organization: []string{"Etude"}}
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), Subject: name, Issuer: name,
		NotBefore: notBefore, NotAfter: notAfter, DNSNames: []string{CommonName},
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, fmt.Errorf("make signing certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make signing certificate: %w", err)
	}
	return &Key{private, cert}, nil
}

// Private is the secret part, for ParseKey.
func (k *Key) Private() []byte { return x509.MarshalPKCS1PrivateKey(k.private) }

// PEM is the certificate: exactly one block, as verifiers want it.
func (k *Key) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.cert.Raw})
}

// Certificate is the certificate.
func (k *Key) Certificate() *x509.Certificate { return k.cert }

// ParseKey reads what Private and PEM have returned.
func ParseKey(private, certificate []byte) (*Key, error) {
	key, err := x509.ParsePKCS1PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	cert, err := ParseCertificate(certificate)
	if err != nil {
		return nil, err
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, errors.New("read signing key: its certificate is another key's")
	}
	return &Key{key, cert}, nil
}

// ParseCertificate reads a certificate that stands alone in a PEM file.
func ParseCertificate(text []byte) (*x509.Certificate, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" || len(strings.TrimSpace(string(rest))) > 0 {
		return nil, errors.New("read signing certificate: it must be exactly one PEM block of the type CERTIFICATE")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read signing certificate: %w", err)
	}
	return cert, nil
}

// Hash is 32 hexadecimal digits that tell one certificate from all others.
func (k *Key) Hash() string {
	sum := sha256.Sum256(k.cert.Raw)
	return hex.EncodeToString(sum[:16])
}

// CertificatePath is the path at which SNS serves a certificate.
func CertificatePath(hash string) string { return "/SimpleNotificationService-" + hash + ".pem" }

// CertificateHash is the inverse of CertificatePath.
func CertificateHash(path string) (hash string, ok bool) {
	hash, before := strings.CutPrefix(path, "/SimpleNotificationService-")
	hash, after := strings.CutSuffix(hash, ".pem")
	if b, err := hex.DecodeString(hash); err != nil || len(b) != 16 || strings.ToLower(hash) != hash {
		return "", false
	}
	return hash, before && after
}

// Sign signs the message, with a signature of version 1 (SHA-1) or 2 (SHA-256),
// whose certificate lies below base. A message signed twice has the same
// signature twice.
func (k *Key) Sign(m *Message, version, base string) error {
	hash, sum, err := digest(m, version)
	if err != nil {
		return err
	}
	sig, err := rsa.SignPKCS1v15(nil, k.private, hash, sum)
	if err != nil {
		return fmt.Errorf("sign message %s: %w", m.MessageID, err)
	}
	m.SignatureVersion, m.Signature = version, base64.StdEncoding.EncodeToString(sig)
	m.SigningCertURL = strings.TrimSuffix(base, "/") + CertificatePath(k.Hash())
	return nil
}

func digest(m *Message, version string) (crypto.Hash, []byte, error) {
	switch version {
	case "1":
		sum := sha1.Sum([]byte(m.StringToSign())) //nolint:gosec // SNS's SignatureVersion 1
		return crypto.SHA1, sum[:], nil
	case "2":
		sum := sha256.Sum256([]byte(m.StringToSign()))
		return crypto.SHA256, sum[:], nil
	}
	return 0, nil, fmt.Errorf("there is no SignatureVersion %.16q", version)
}

// ErrSignature is what Verify returns for a message that the certificate's key
// has not signed as it is.
var ErrSignature = errors.New("the signature is not that of this message")

// Verify holds the message's signature against a certificate, which the caller
// has reason to trust. Version 1 is no weaker here than SHA-1 is.
func Verify(m *Message, cert *x509.Certificate) error {
	hash, sum, err := digest(m, m.SignatureVersion)
	if err != nil {
		return fmt.Errorf("verify SNS message: %w", err)
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return fmt.Errorf("verify SNS message: the certificate has a key of the kind %T, not RSA", cert.PublicKey)
	}
	sig, err := base64.StdEncoding.DecodeString(m.Signature)
	if err != nil || rsa.VerifyPKCS1v15(key, hash, sum, sig) != nil {
		return fmt.Errorf("verify SNS message: %w", ErrSignature)
	}
	return nil
}
