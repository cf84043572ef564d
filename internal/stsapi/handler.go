package stsapi

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"etude/internal/account"
	"etude/internal/awsquery"
)

// maxBody is far above a form with an action and its version.
const maxBody = 64 << 10

// Config is what the API needs. Accounts must be set.
type Config struct {
	Accounts *account.Service
	Account  string           // number of the AWS account
	Logger   *slog.Logger     // nil logs nothing
	Now      func() time.Time // for signatures; nil means time.Now
}

// New returns a handler of the API. A request must be signed for the service
// sts in any region, by an access key of cfg.Accounts. The handler may serve
// many requests at once. It needs the path and the Host header as the client
// sent them, or signatures do not match.
func New(cfg Config) http.Handler {
	return awsquery.New(awsquery.Service{
		Name: "sts", Title: "STS", Version: "2011-06-15", Namespace: "https://sts.amazonaws.com/doc/2011-06-15/", MaxBody: maxBody,
		Accounts: cfg.Accounts, Account: cfg.Account, Logger: cfg.Logger, Now: cfg.Now,
		Denied: "AccessDenied", Internal: "InternalFailure",
		Actions: map[string]func(context.Context, awsquery.Request) ([]awsquery.Element, error){
			"GetCallerIdentity": func(_ context.Context, r awsquery.Request) ([]awsquery.Element, error) {
				return identity(r.Who, cfg.Account), nil
			},
		},
	})
}

// identity is the answer of GetCallerIdentity. It tells of the root access key
// as AWS does: its user is the account.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
func identity(who account.Identity, number string) []awsquery.Element {
	user := string(who.User)
	if who.Root {
		user = number
	}
	return []awsquery.Element{
		awsquery.Text("Arn", who.ARN(number)), awsquery.Text("UserId", user), awsquery.Text("Account", number),
	}
}
