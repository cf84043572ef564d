package snsapi

import (
	"context"
	"maps"
	"strconv"
	"strings"

	"etude/internal/awsquery"
	"etude/internal/notify"
)

func (a *api) subscribe(ctx context.Context, r awsquery.Request) ([]awsquery.Element, error) {
	topic, err := topicARN(r)
	if err != nil {
		return nil, err
	}
	protocol, err := r.Need("Protocol")
	if err != nil {
		return nil, err
	}
	sub, err := a.service.Subscribe(ctx, notify.SubscriptionSpec{
		Topic: topic, Protocol: notify.Protocol(protocol), Endpoint: r.Get("Endpoint"), Attributes: attributes(r),
	})
	if err != nil {
		return nil, err
	}
	arn := string(sub.ARN)
	if !sub.Confirmed && !strings.EqualFold(r.Get("ReturnSubscriptionArn"), "true") {
		arn = "pending confirmation"
	}
	return []awsquery.Element{awsquery.Text("SubscriptionArn", arn)}, nil
}

func (a *api) confirmSubscription(ctx context.Context, r awsquery.Request) ([]awsquery.Element, error) {
	topic, err := topicARN(r)
	if err != nil {
		return nil, err
	}
	token, err := r.Need("Token")
	if err != nil {
		return nil, err
	}
	sub, err := a.service.ConfirmSubscription(ctx, topic, token, r.Signed, strings.EqualFold(r.Get("AuthenticateOnUnsubscribe"), "true"))
	if err != nil {
		return nil, err
	}
	return []awsquery.Element{awsquery.Text("SubscriptionArn", string(sub.ARN))}, nil
}

// subscriptionARN is the parameter SubscriptionArn; without it, SNS has the
// words that it has for an empty one.
func subscriptionARN(r awsquery.Request) notify.SubscriptionARN {
	return notify.SubscriptionARN(r.Get("SubscriptionArn"))
}

func (a *api) unsubscribe(ctx context.Context, r awsquery.Request) ([]awsquery.Element, error) {
	return nil, a.service.Unsubscribe(ctx, subscriptionARN(r), r.Signed)
}

func (a *api) listSubscriptions(ctx context.Context, r awsquery.Request) ([]awsquery.Element, error) {
	return a.list(ctx, r, "")
}

func (a *api) listSubscriptionsByTopic(ctx context.Context, r awsquery.Request) ([]awsquery.Element, error) {
	topic, err := topicARN(r)
	if err != nil {
		return nil, err
	}
	if topic == "" {
		return nil, invalid("TopicArn Reason: no value for required parameter")
	}
	return a.list(ctx, r, topic)
}

func (a *api) list(ctx context.Context, r awsquery.Request, topic notify.TopicARN) ([]awsquery.Element, error) {
	after, err := nextToken(r)
	if err != nil {
		return nil, err
	}
	subs, more, err := a.service.ListSubscriptions(ctx, topic, notify.SubscriptionARN(after))
	if err != nil {
		return nil, err
	}
	list := awsquery.Group("Subscriptions")
	for _, sub := range subs {
		arn := string(sub.ARN)
		if after = arn; !sub.Confirmed {
			arn = "PendingConfirmation"
		}
		list.Children = append(list.Children, awsquery.Group("member",
			awsquery.Text("TopicArn", string(sub.Topic)), awsquery.Text("Protocol", string(sub.Protocol)), awsquery.Text("SubscriptionArn", arn),
			awsquery.Text("Owner", a.account), awsquery.Text("Endpoint", masked(sub.Endpoint)),
		))
	}
	return page1(list, more, after), nil
}

// masked hides the name and password that an endpoint may have: all that is
// before the last @ of where the host is.
func masked(endpoint string) string {
	scheme, rest, ok := strings.Cut(endpoint, "://")
	if !ok {
		return endpoint
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if at < 0 {
		return endpoint
	}
	return scheme + "://****:****" + rest[at:]
}

func (a *api) getSubscriptionAttributes(ctx context.Context, r awsquery.Request) ([]awsquery.Element, error) {
	sub, policy, err := a.service.Subscription(ctx, subscriptionARN(r))
	if err != nil {
		return nil, err
	}
	all := map[string]string{notify.RawMessageDelivery: "false"}
	maps.Copy(all, sub.Attributes)
	delete(all, notify.WebhookSecret) // nobody is told it again
	maps.Copy(all, map[string]string{
		"SubscriptionArn": string(sub.ARN), "TopicArn": string(sub.Topic), "Owner": a.account,
		"Protocol": string(sub.Protocol), "Endpoint": masked(sub.Endpoint),
		"PendingConfirmation":          strconv.FormatBool(!sub.Confirmed),
		"ConfirmationWasAuthenticated": strconv.FormatBool(sub.Authenticated),
		"SubscriptionPrincipal":        "arn:aws:iam::" + a.account + ":root",
	})
	if all[notify.FilterPolicy] != "" && all[notify.FilterPolicyScope] == "" {
		all[notify.FilterPolicyScope] = "MessageAttributes"
	}
	if all[notify.FilterPolicy] == "" {
		delete(all, notify.FilterPolicyScope) // as SNS does
	}
	if sub.Protocol == notify.HTTP || sub.Protocol == notify.HTTPS {
		all["EffectiveDeliveryPolicy"] = policy.SubscriptionJSON()
	}
	return []awsquery.Element{entries(all)}, nil
}

func (a *api) setSubscriptionAttributes(ctx context.Context, r awsquery.Request) ([]awsquery.Element, error) {
	name, err := r.Need("AttributeName")
	if err != nil {
		return nil, err
	}
	return nil, a.service.SetSubscriptionAttribute(ctx, subscriptionARN(r), name, r.Get("AttributeValue"))
}
