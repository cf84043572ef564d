package snsapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"etude/internal/awsquery"
	"etude/internal/notify"
)

func (a *api) createTopic(ctx context.Context, r awsquery.Request) ([]awsquery.Element, error) {
	name, err := r.Need("Name")
	if err != nil {
		return nil, err
	}
	tags, err := tags(r)
	if err != nil {
		return nil, err
	}
	if r.Get("DataProtectionPolicy") != "" {
		return nil, invalid("DataProtectionPolicy Reason: this server has none")
	}
	arn, err := a.service.CreateTopic(ctx, notify.TopicSpec{Name: name, Attributes: attributes(r), Tags: tags})
	if err != nil {
		return nil, err
	}
	return []awsquery.Element{awsquery.Text("TopicArn", string(arn))}, nil
}

func attributes(r awsquery.Request) notify.Attributes {
	all := notify.Attributes{}
	r.Pairs("Attributes.entry", "key", "value", func(key, value string) { all[key] = value })
	return all
}

func tags(r awsquery.Request) (map[string]string, error) {
	all, twice := map[string]string{}, false
	r.Pairs("Tags.member", "Key", "Value", func(key, value string) {
		_, was := all[key]
		twice = twice || was
		all[key] = value
	})
	if twice {
		return nil, invalid("Duplicated keys are not allowed.")
	}
	return all, nil
}

// topicARN is the parameter TopicArn.
func topicARN(r awsquery.Request) (notify.TopicARN, error) {
	arn, err := r.Need("TopicArn")
	return notify.TopicARN(arn), err
}

func (a *api) deleteTopic(ctx context.Context, r awsquery.Request) ([]awsquery.Element, error) {
	arn, err := topicARN(r)
	if err != nil {
		return nil, err
	}
	return nil, a.service.DeleteTopic(ctx, arn)
}

func (a *api) listTopics(ctx context.Context, r awsquery.Request) ([]awsquery.Element, error) {
	after, err := nextToken(r)
	if err != nil {
		return nil, err
	}
	topics, more, err := a.service.ListTopics(ctx, notify.TopicARN(after))
	if err != nil {
		return nil, err
	}
	list := awsquery.Group("Topics")
	for _, t := range topics {
		list.Children = append(list.Children, awsquery.Group("member", awsquery.Text("TopicArn", string(t.ARN))))
		after = string(t.ARN)
	}
	return page1(list, more, after), nil
}

// page1 is a page of a list, with a token for the next if there are more.
func page1(list awsquery.Element, more bool, last string) []awsquery.Element {
	if !more {
		return []awsquery.Element{list}
	}
	return []awsquery.Element{list, awsquery.Text("NextToken", base64.RawURLEncoding.EncodeToString([]byte(last)))}
}

func nextToken(r awsquery.Request) (after string, err error) {
	last, err := base64.RawURLEncoding.DecodeString(r.Get("NextToken"))
	if err != nil || len(last) > 0 && !strings.HasPrefix(string(last), "arn:") {
		return "", invalid("NextToken Reason: it is none that this server has given out")
	}
	return string(last), nil
}

func (a *api) getTopicAttributes(ctx context.Context, r awsquery.Request) ([]awsquery.Element, error) {
	arn, err := topicARN(r)
	if err != nil {
		return nil, err
	}
	t, counts, err := a.service.Topic(ctx, arn)
	if err != nil {
		return nil, err
	}
	policy, exclusive, err := notify.ParseTopicPolicy(t.Attributes[notify.DeliveryPolicy])
	if err != nil {
		return nil, err
	}
	all := map[string]string{
		"DisplayName": "", "Policy": a.defaultPolicy(arn), "Owner": a.account, "TopicArn": string(arn),
		"SubscriptionsConfirmed": strconv.Itoa(counts.Confirmed), "SubscriptionsPending": strconv.Itoa(counts.Pending),
		"SubscriptionsDeleted":    strconv.Itoa(counts.Deleted),
		"EffectiveDeliveryPolicy": policy.TopicJSON(exclusive),
	}
	maps.Copy(all, t.Attributes)
	return []awsquery.Element{entries(all)}, nil
}

// entries is a map of attributes.
func entries(all map[string]string) awsquery.Element {
	list := awsquery.Group("Attributes")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list.Children = append(list.Children, awsquery.Group("entry", awsquery.Text("key", name), awsquery.Text("value", all[name])))
	}
	return list
}

// defaultPolicy is what SNS says of a topic whose Policy nobody has set.
func (a *api) defaultPolicy(arn notify.TopicARN) string {
	type statement struct {
		Sid, Effect string
		Principal   map[string]string
		Action      []string
		Resource    notify.TopicARN
		Condition   map[string]map[string]string
	}
	text, err := json.Marshal(struct {
		Version   string
		ID        string `json:"Id"`
		Statement []statement
	}{"2008-10-17", "__default_policy_ID", []statement{{
		"__default_statement_ID", "Allow", map[string]string{"AWS": "*"},
		[]string{
			"SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission", "SNS:RemovePermission", "SNS:DeleteTopic",
			"SNS:Subscribe", "SNS:ListSubscriptionsByTopic", "SNS:Publish",
		},
		arn, map[string]map[string]string{"StringEquals": {"AWS:SourceOwner": a.account}},
	}}})
	if err != nil {
		panic(err) // of strings, which cannot fail
	}
	return string(text)
}

func (a *api) setTopicAttributes(ctx context.Context, r awsquery.Request) ([]awsquery.Element, error) {
	arn, err := topicARN(r)
	if err != nil {
		return nil, err
	}
	name, err := r.Need("AttributeName")
	if err != nil {
		return nil, err
	}
	return nil, a.service.SetTopicAttribute(ctx, arn, name, r.Get("AttributeValue"))
}

func resourceARN(r awsquery.Request) (notify.TopicARN, error) {
	arn, err := r.Need("ResourceArn")
	return notify.TopicARN(arn), err
}

// none is the result of actions that answer with nothing, but in an element.
var none = []awsquery.Element{}

func (a *api) tagResource(ctx context.Context, r awsquery.Request) ([]awsquery.Element, error) {
	arn, err := resourceARN(r)
	if err != nil {
		return nil, err
	}
	tags, err := tags(r)
	if err != nil {
		return nil, err
	}
	return none, a.service.TagTopic(ctx, arn, tags)
}

func (a *api) untagResource(ctx context.Context, r awsquery.Request) ([]awsquery.Element, error) {
	arn, err := resourceARN(r)
	if err != nil {
		return nil, err
	}
	return none, a.service.UntagTopic(ctx, arn, r.List("TagKeys.member"))
}

func (a *api) listTagsForResource(ctx context.Context, r awsquery.Request) ([]awsquery.Element, error) {
	arn, err := resourceARN(r)
	if err != nil {
		return nil, err
	}
	all, err := a.service.TopicTags(ctx, arn)
	if err != nil {
		return nil, err
	}
	list := awsquery.Group("Tags")
	for _, key := range slices.Sorted(maps.Keys(all)) {
		list.Children = append(list.Children, awsquery.Group("member", awsquery.Text("Key", key), awsquery.Text("Value", all[key])))
	}
	return []awsquery.Element{list}, nil
}
