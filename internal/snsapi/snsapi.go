// Package snsapi is Amazon SNS's API for topics, subscriptions and publishing,
// over the Query protocol that its SDKs speak.
//
// It decides nothing: what is legal and what becomes of a message is
// notify.Service's affair. Nor does it know how messages are delivered. Facts are
// from https://docs.aws.amazon.com/sns/latest/api/ and from recorded replies.
package snsapi

import (
	"context"
	"errors"
	"html"
	"log/slog"
	"net/http"
	"time"

	"etude/internal/account"
	"etude/internal/awsquery"
	"etude/internal/notify"
)

// maxBody is above a batch of the greatest length, all of it escaped.
const maxBody = 2 << 20

// Config is what the API needs. Service and Accounts must be set.
type Config struct {
	Service  *notify.Service
	Accounts *account.Service
	Account  string           // number of the AWS account
	Logger   *slog.Logger     // nil logs nothing
	Now      func() time.Time // for signatures; nil means time.Now
}

// New returns a handler of the API. A request must be signed for the service
// sns in any region, by an access key of cfg.Accounts whose role allows the
// action; but anybody may ask by GET for ConfirmSubscription, with a token, and
// for Unsubscribe. The handler may serve many requests at once. It needs the path
// and the Host header as the client sent them, or signatures do not match.
func New(cfg Config) http.Handler {
	a := &api{cfg.Service, cfg.Account}
	return awsquery.New(awsquery.Service{
		Name: "sns", Title: "SNS", Version: "2010-03-31", Namespace: "http://sns.amazonaws.com/doc/2010-03-31/", MaxBody: maxBody,
		Accounts: cfg.Accounts, Account: cfg.Account, Logger: cfg.Logger, Now: cfg.Now,
		Denied: "AuthorizationError", Internal: "InternalError",
		AnyVersion: true, // the links in messages name none
		Unsigned:   map[string]bool{"ConfirmSubscription": true, "Unsubscribe": true},
		Fault:      fault,
		Page:       page,
		Actions: map[string]func(context.Context, awsquery.Request) ([]awsquery.Element, error){
			"CreateTopic":               a.createTopic,
			"DeleteTopic":               a.deleteTopic,
			"ListTopics":                a.listTopics,
			"GetTopicAttributes":        a.getTopicAttributes,
			"SetTopicAttributes":        a.setTopicAttributes,
			"Subscribe":                 a.subscribe,
			"ConfirmSubscription":       a.confirmSubscription,
			"Unsubscribe":               a.unsubscribe,
			"ListSubscriptions":         a.listSubscriptions,
			"ListSubscriptionsByTopic":  a.listSubscriptionsByTopic,
			"GetSubscriptionAttributes": a.getSubscriptionAttributes,
			"SetSubscriptionAttributes": a.setSubscriptionAttributes,
			"Publish":                   a.publish,
			"PublishBatch":              a.publishBatch,
			"TagResource":               a.tagResource,
			"UntagResource":             a.untagResource,
			"ListTagsForResource":       a.listTagsForResource,
		},
	})
}

type api struct {
	service *notify.Service
	account string
}

// faults says what each kind of the domain's errors is on the wire:
// https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html and the errors of
// each action.
var faults = map[notify.Kind]awsquery.Fault{
	notify.Invalid:             {Status: http.StatusBadRequest, Code: "InvalidParameter"},
	notify.InvalidValue:        {Status: http.StatusBadRequest, Code: "ParameterValueInvalid"},
	notify.NotFound:            {Status: http.StatusNotFound, Code: "NotFound"},
	notify.Denied:              {Status: http.StatusForbidden, Code: "AuthorizationError"},
	notify.ResourceNotFound:    {Status: http.StatusNotFound, Code: "ResourceNotFound"},
	notify.TagLimit:            {Status: http.StatusBadRequest, Code: "TagLimitExceeded"},
	notify.EmptyBatch:          {Status: http.StatusBadRequest, Code: "EmptyBatchRequest"},
	notify.TooManyEntries:      {Status: http.StatusBadRequest, Code: "TooManyEntriesInBatchRequest"},
	notify.EntryIDsNotDistinct: {Status: http.StatusBadRequest, Code: "BatchEntryIdsNotDistinct"},
	notify.InvalidEntryID:      {Status: http.StatusBadRequest, Code: "InvalidBatchEntryId"},
	notify.BatchTooLong:        {Status: http.StatusBadRequest, Code: "BatchRequestTooLong"},
}

func fault(err error) *awsquery.Fault {
	known, ok := errors.AsType[*notify.Error](err)
	if !ok {
		return nil
	}
	f, ok := faults[known.Kind]
	if !ok {
		return nil
	}
	f.Message = known.Message
	return &f
}

func invalid(message string) error {
	return &notify.Error{Kind: notify.Invalid, Message: "Invalid parameter: " + message}
}

// page is what people see who open a link that they were sent.
func page(action string, result []awsquery.Element, f *awsquery.Fault) string {
	title, text := "Subscription confirmed", "From now on you get the messages of this topic."
	if action == "Unsubscribe" {
		title, text = "Subscription ended", "You get no more messages of this topic. A last one tells you how to restore the subscription."
	}
	if f != nil {
		title, text = "That did not work", f.Message
	}
	if len(result) == 1 {
		text += " Your subscription is " + result[0].Text + "."
	}
	return "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">" +
		"<title>" + title + "</title></head>\n<body>\n<main>\n<h1>" + title + "</h1>\n<p>" + html.EscapeString(text) + "</p>\n</main>\n</body>\n</html>\n"
}
