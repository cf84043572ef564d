package main

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"time"

	"etude/internal/notify"
	"etude/internal/queue"
	"etude/internal/signkey"
	"etude/internal/snsmsg"
)

// deliveryConfig is how messages are delivered.
type deliveryConfig struct {
	RetryFor    time.Duration `default:"72h" env:"ETUDE_RETRY_FOR" help:"How long a message is tried again that an endpoint has not taken, after the retries of SNS's schedule; 0 means not at all, as at AWS." placeholder:"TIME"`
	KeepMessage time.Duration `name:"keep-messages" default:"720h" env:"ETUDE_KEEP_MESSAGES" help:"How long messages are kept that were delivered; 0 means for ever. Dead letters stay." placeholder:"TIME"`
}

func (c *deliveryConfig) check(fault func(format string, args ...any)) {
	for flag, d := range map[string]time.Duration{"--retry-for": c.RetryFor, "--keep-messages": c.KeepMessage} {
		if d < 0 {
			fault("%s %s: it must be 0 or more", flag, d)
		}
	}
}

// openNotify opens topics and what delivers their messages. Nothing is delivered
// before startDelivery.
func (s *server) openNotify(ctx context.Context) (err error) {
	s.signing, err = signkey.Open(ctx, signkey.Config{Store: s.store, Master: s.cred.MasterKey, Logger: s.log})
	if err != nil {
		return err
	}
	cfg := notify.Config{
		Store: s.store, Logger: s.log, Region: s.Region, Account: s.Account, Node: s.cred.Node,
		RetryFor: s.RetryFor, KeepFor: s.KeepMessage,
		Deliver: map[notify.Protocol]notify.DeliverFunc{notify.Site: s.deliverToSite},
	}
	tokens, err := hkdf.Key(sha256.New, s.cred.MasterKey[:], nil, "confirmation tokens", len(cfg.TokenKey))
	if err != nil {
		return fmt.Errorf("derive the key of confirmation tokens: %w", err)
	}
	copy(cfg.TokenKey[:], tokens)
	s.notify, err = notify.New(cfg)
	return err
}

// startDelivery delivers from now on until close.
func (s *server) startDelivery(ctx context.Context, edgeAddr net.Addr) {
	s.linkBase = s.EdgeURL
	if s.linkBase == "" {
		s.linkBase = httpURL(edgeAddr)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- s.notify.Work(ctx, s.Drain) }()
	s.onClose(func(context.Context) error {
		cancel()
		return <-ended
	})
}

// deliveryWork is what is to be done now and then.
func (s *server) deliveryWork() []queue.Periodic {
	return []queue.Periodic{
		{Name: "delete old messages", Interval: time.Hour, Run: s.notify.Prune},
		{Name: "renew the signing key", Interval: 10 * time.Minute, Run: s.signing.Renew},
	}
}

// withCertificates serves the signing certificates on the site too, which may be
// the only one of the two with a name and port that verifiers of messages like.
func (s *server) withCertificates(site http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := snsmsg.CertificateHash(r.URL.Path); ok {
			s.signing.ServeHTTP(w, r)
			return
		}
		site.ServeHTTP(w, r)
	})
}
