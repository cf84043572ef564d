package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"etude/internal/account"
	"etude/internal/etapi"
	"etude/internal/hook"
	"etude/internal/inbox"
	"etude/internal/outbound"
	"etude/internal/queue"
	"etude/internal/s3event"
	"etude/internal/snsmsg/verify"
	"etude/internal/transcode"
)

// hookConfig is what serve may be told of topics of other publishers.
type hookConfig struct {
	HookTopics []string `env:"ETUDE_HOOK_TOPICS" help:"ARNs of topics of other publishers, as of AWS, whose messages are taken at /hooks/sns on the site; for a topic of another Etude, ARN=URL with where its AWS endpoint is." placeholder:"ARN,..."`
	HookSHA1   bool     `name:"hook-sha1" env:"ETUDE_HOOK_SHA1" help:"Take messages with signatures of version 1 (SHA-1) too, which AWS's topics use that are not set to version 2."`
	HookUser   string   `env:"ETUDE_HOOK_USER" help:"E-mail address of the account that is told of jobs which came over --hook-topics and are not this server's." placeholder:"EMAIL"`
}

func (c *hookConfig) topics() (topics []verify.Topic, faults []error) {
	for _, text := range c.HookTopics {
		t, err := verify.ParseTopic(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("--hook-topics: %w", err))
		}
		topics = append(topics, t)
	}
	return topics, faults
}

// openHooks makes what listens to topics of other publishers, if there are any.
func (s *server) openHooks(context.Context) error {
	topics, _ := s.topics() // check has seen the faults
	if len(topics) == 0 {
		return nil
	}
	dial := hookDial(topics)
	v, err := verify.New(verify.Config{Topics: topics, SHA1: s.HookSHA1, Dial: dial})
	if err != nil {
		return err
	}
	c := confirmer{client: &http.Client{
		Timeout: 10 * time.Second, CheckRedirect: outbound.NoRedirect,
		Transport: &http.Transport{DialContext: dial, TLSHandshakeTimeout: 5 * time.Second, MaxIdleConns: 4, IdleConnTimeout: time.Minute},
	}}
	s.hooks, err = hook.New(hook.Config{Store: s.store, Verifier: v, Logger: s.log, Handle: s.handleHook, Confirm: c.confirm})
	return err
}

// hookDial reaches the endpoints that the operator has named, wherever they
// are, and else only public addresses.
func hookDial(topics []verify.Topic) func(ctx context.Context, network, address string) (net.Conn, error) {
	guarded := outbound.New(nil).Dialer()
	var named []string
	for _, t := range topics {
		if u, err := url.Parse(t.Endpoint); t.Endpoint != "" && err == nil {
			port := u.Port()
			if port == "" {
				port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
			}
			named = append(named, net.JoinHostPort(u.Hostname(), port))
		}
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if slices.Contains(named, address) {
			return (&net.Dialer{Timeout: guarded.Timeout}).DialContext(ctx, network, address)
		}
		return guarded.DialContext(ctx, network, address)
	}
}

// hookWork is what a node does now and then about messages that came.
func (s *server) hookWork() []queue.Periodic {
	if s.hooks == nil {
		return nil
	}
	return []queue.Periodic{{Name: "work received messages", Interval: 10 * time.Second, Run: s.hooks.Work}}
}

// confirmer agrees to subscriptions at the publisher.
type confirmer struct{ client *http.Client }

// confirm calls ConfirmSubscription, which needs no credentials: the token is
// one.
func (c confirmer) confirm(ctx context.Context, topic verify.Topic, token string) error {
	if topic.Endpoint != "" {
		return c.confirmAtEtude(ctx, topic, token)
	}
	// Nothing of the environment: who may set AWS_ENDPOINT_URL for other purposes
	// does not mean this.
	client := sns.New(sns.Options{Region: topic.Region(), Credentials: aws.AnonymousCredentials{}, HTTPClient: c.client, RetryMaxAttempts: 1})
	_, err := client.ConfirmSubscription(ctx, &sns.ConfirmSubscriptionInput{TopicArn: &topic.ARN, Token: &token})
	return err
}

// confirmAtEtude does the same at the endpoint that the operator has named: an
// unsigned request for the action goes as a GET.
func (c confirmer) confirmAtEtude(ctx context.Context, topic verify.Topic, token string) error {
	query := url.Values{"Action": {"ConfirmSubscription"}, "TopicArn": {topic.ARN}, "Token": {token}, "Version": {"2010-03-31"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, topic.Endpoint+"/?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	res, err := c.client.Do(req)
	if err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), url.QueryEscape(token), "...")) // it is a secret
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer is %s", res.Status)
	}
	return nil
}

// handleHook acts on what a topic of another publisher said. A message that
// means nothing here is done with: to have it again would change nothing.
func (s *server) handleHook(ctx context.Context, m hook.Message) error {
	if _, err := etapi.ParseNotification(m.Body); err == nil {
		return s.tellOfJob(ctx, m.ID, m.Body, s.tellHookUser)
	}
	if events, err := s3event.Parse([]byte(m.Body)); err == nil {
		for _, e := range events {
			if err := s.handleRules(ctx, e); err != nil {
				return err
			}
		}
		return nil
	}
	s.log.Warn("message of a topic means nothing here", "topic", m.Topic, "message", m.ID, "subject", m.Subject)
	return nil
}

// tellHookUser tells the user who is configured of a job that is not ours.
func (s *server) tellHookUser(ctx context.Context, source string, event *etapi.Event) error {
	if s.HookUser == "" {
		return nil
	}
	u, err := s.accounts.UserByEmail(ctx, s.HookUser)
	if errors.Is(err, account.ErrNotFound) {
		s.log.Warn("--hook-user is no account, so nobody is told", "job", event.JobID)
		return nil
	}
	if err != nil {
		return err
	}
	kind, text := sayHowItEndedElsewhere(event)
	return s.inbox.Tell(ctx, inbox.Message{User: string(u.ID), Source: source, Kind: kind, Text: text})
}

// sayHowItEndedElsewhere is what is told of a job of which only the
// notification is known.
func sayHowItEndedElsewhere(event *etapi.Event) (inbox.Kind, string) {
	name := path.Base(event.Input.Key)
	failed, why := 0, event.MessageDetails
	for _, o := range event.Outputs {
		if o.Status == transcode.Failed {
			failed++
			why = cmp.Or(why, o.StatusDetail)
		}
	}
	switch {
	case event.State == "COMPLETED":
		return inbox.Good, fmt.Sprintf("Your file %s has been processed.", name)
	case failed < len(event.Outputs):
		return inbox.Bad, fmt.Sprintf("Your file %s has been processed, but %d of its %d results could not be made. %s", name, failed, len(event.Outputs), why)
	}
	return inbox.Bad, fmt.Sprintf("Your file %s could not be processed. %s", name, why)
}
