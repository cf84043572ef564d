package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"etude/internal/awsauth"
	"etude/internal/listen"
	"etude/internal/notify"
	"etude/internal/queue"
)

// openListen opens what hands messages to programs that listen.
func (s *server) openListen() (err error) {
	auth := awsauth.Authenticator{Service: listen.ServiceName, Accounts: s.accounts}
	s.listeners, err = listen.New(listen.Config{
		Topics: s.notify, Store: s.store, Authenticate: auth.Authenticate, Logger: s.log,
		Request: s.courier.Request,
		ARN: func(name string) notify.TopicARN {
			if name == "" {
				name = topicName
			}
			return notify.TopicARN(fmt.Sprintf("arn:aws:sns:%s:%s:%s", s.Region, s.Account, name))
		},
	})
	return err
}

// listenWork is what is to be done now and then.
func (s *server) listenWork() []queue.Periodic {
	return []queue.Periodic{{Name: "end subscriptions that nobody listens to", Interval: time.Minute, Run: s.listeners.Sweep}}
}

type listenCmd struct {
	Forward  string `required:"" help:"Where each message is posted, with the headers and the body that an endpoint on the Internet would get." placeholder:"URL"`
	Topic    string `help:"ARN or name of the topic; the server's own otherwise, which is told of the first pipeline's jobs." placeholder:"ARN"`
	Endpoint string `env:"AWS_ENDPOINT_URL" help:"AWS endpoint of the Etude. Without it: that of the server that runs in --data." placeholder:"URL"`
	Data     string `default:"./etude-data" env:"ETUDE_DATA" help:"Directory of a server on this machine, for its address and its root access key. Elsewhere the access key comes from where AWS's tools look for it." placeholder:"DIR"`
}

// Run listens until ctx ends.
func (cmd *listenCmd) Run(ctx context.Context, out io.Writer) error {
	if u, err := url.Parse(cmd.Forward); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("--forward %q: it must be an http or https URL (%w)", cmd.Forward, errUsage)
	}
	if u, err := url.Parse(cmd.Endpoint); cmd.Endpoint != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return fmt.Errorf("--endpoint %q: it must be an http or https URL (%w)", cmd.Endpoint, errUsage)
	}
	c := &listen.Client{
		Endpoint: cmd.Endpoint, Topic: cmd.Topic, Region: "us-east-1", Forward: cmd.Forward,
		Told: func(e listen.Event) {
			fmt.Fprintln(out, time.Now().Format(time.TimeOnly), tellOfListening(e, cmd.Forward))
		},
	}
	if err := cmd.findServer(ctx, c); err != nil {
		return err
	}
	err := c.Run(ctx)
	var refused *listen.Refused
	if errors.As(err, &refused) && refused.Status == http.StatusForbidden {
		return fmt.Errorf("%w (etude key add makes a key; the roles submitter and admin may listen)", err)
	}
	return err
}

// findServer fills in where the server is, and the access key: the one of the
// environment, else that of a server whose directory is here, else that of AWS's
// tools, which may look for it in the network.
func (cmd *listenCmd) findServer(ctx context.Context, c *listen.Client) error {
	local, notHere := findServer(cmd.Data)
	if c.Endpoint == "" {
		if notHere != nil {
			return fmt.Errorf("there is no --endpoint, and no server runs in %s: %w", cmd.Data, notHere)
		}
		c.Endpoint = local.Edge
	}
	if os.Getenv("AWS_ACCESS_KEY_ID") == "" && os.Getenv("AWS_PROFILE") == "" && notHere == nil && c.Endpoint == local.Edge {
		var kept keptCredentials
		if err := (&dataDir{path: cmd.Data}).readJSON("credentials.json", &kept); err == nil && kept.AccessKeyID != "" {
			c.Credentials = credentials.NewStaticCredentialsProvider(kept.AccessKeyID, kept.SecretAccessKey, "")
			return nil
		}
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(c.Region))
	if err == nil {
		c.Credentials = cfg.Credentials
		_, err = cfg.Credentials.Retrieve(ctx)
	}
	if err != nil {
		return fmt.Errorf("there is no access key; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (etude key add makes one): %w", err)
	}
	return nil
}

// tellOfListening words what a listener tells of, on one line.
func tellOfListening(e listen.Event, forward string) string {
	what := e.Type
	if what == "" {
		what = "message" // it came raw
	}
	if e.Subject != "" {
		what += fmt.Sprintf(" %q", e.Subject)
	}
	switch {
	case e.Topic != "":
		return fmt.Sprintf("listening to %s, forwarding to %s", e.Topic, forward)
	case e.ID == "" && e.Type == "" && e.Err != nil && e.Wait > 0:
		return fmt.Sprintf("interrupted: %v; trying again in %s", e.Err, e.Wait.Round(100*time.Millisecond))
	case e.Status == 0:
		return fmt.Sprintf("%s %s -> failed: %v", e.ID, what, e.Err)
	case e.Err != nil:
		return fmt.Sprintf("%s %s -> %d in %s, but: %v", e.ID, what, e.Status, e.Took.Round(time.Millisecond), e.Err)
	}
	return fmt.Sprintf("%s %s -> %d in %s", e.ID, what, e.Status, e.Took.Round(time.Millisecond))
}
