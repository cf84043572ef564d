package snsapi

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"etude/internal/awsquery"
	"etude/internal/notify"
)

func (a *api) publish(ctx context.Context, r awsquery.Request) ([]awsquery.Element, error) {
	if r.Value("Message") == nil {
		return nil, awsquery.Null("message")
	}
	topic := r.Get("TopicArn")
	if r.Value("TopicArn") == nil {
		topic = r.Get("TargetArn")
	}
	switch {
	case r.Value("PhoneNumber") != nil:
		return nil, invalid("PhoneNumber Reason: this server sends no text messages")
	case r.Value("TopicArn") == nil && r.Value("TargetArn") == nil:
		return nil, invalid("TopicArn or TargetArn Reason: no value for required parameter")
	}
	p, err := publication(r, "", "")
	if err != nil {
		return nil, err
	}
	p.Topic = notify.TopicARN(topic)
	id, err := a.service.PublishMessage(ctx, p)
	if err != nil {
		return nil, err
	}
	return []awsquery.Element{awsquery.Text("MessageId", string(id))}, nil
}

// publication reads the parameters whose names begin with prefix; path is where
// they are in SNS's words.
func publication(r awsquery.Request, prefix, path string) (notify.Publication, error) {
	if r.Value(prefix+"MessageDeduplicationId") != nil {
		return notify.Publication{}, invalid("MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type")
	}
	p := notify.Publication{
		Subject: r.Value(prefix + "Subject"), Message: r.Get(prefix + "Message"), Structure: r.Get(prefix + "MessageStructure"),
		Attributes: map[string]notify.MessageAttribute{},
	}
	for _, entry := range r.Members(prefix + "MessageAttributes.entry") {
		name := r.Get(entry + "Name")
		a, err := attribute(r, name, entry+"Value.", path)
		if err != nil {
			return p, err
		}
		p.Attributes[name] = a
	}
	return p, nil
}

// attribute reads one message attribute. SNS says in these words that a value is
// not where its type has it.
func attribute(r awsquery.Request, name, prefix, path string) (notify.MessageAttribute, error) {
	dataType := r.Value(prefix + "DataType")
	if dataType == nil {
		return notify.MessageAttribute{}, awsquery.Null(path + "messageAttributes." + name + ".member.dataType")
	}
	a := notify.MessageAttribute{Type: *dataType}
	base, _, _ := strings.Cut(a.Type, ".")
	text, binary := r.Value(prefix+"StringValue"), r.Value(prefix+"BinaryValue")
	field, given, other := "String", text, binary
	if base == "Binary" {
		field, given, other = "Binary", binary, text
	}
	switch {
	case given != nil:
		a.Value = *given
	case other != nil && *other != "" && (base == "String" || base == "Number" || base == "Binary"):
		return a, &notify.Error{Kind: notify.InvalidValue, Message: fmt.Sprintf("The message attribute '%s' with type '%s' must use field '%s'.", name, a.Type, field)}
	}
	if base == "Binary" {
		if _, err := base64.StdEncoding.DecodeString(a.Value); err != nil {
			return a, &notify.Error{Kind: notify.InvalidValue, Message: fmt.Sprintf("The message attribute '%s' has a BinaryValue that is not base64.", name)}
		}
	}
	return a, nil
}

func (a *api) publishBatch(ctx context.Context, r awsquery.Request) ([]awsquery.Element, error) {
	topic, err := topicARN(r)
	if err != nil {
		return nil, err
	}
	var entries []notify.BatchEntry
	for i, prefix := range r.Members("PublishBatchRequestEntries.member") {
		path := fmt.Sprintf("publishBatchRequestEntries.%d.member.", i+1)
		if r.Value(prefix+"Id") == nil {
			return nil, awsquery.Null(path + "id")
		}
		if r.Value(prefix+"Message") == nil {
			return nil, awsquery.Null(path + "message")
		}
		p, err := publication(r, prefix, path)
		if err != nil {
			return nil, err
		}
		entries = append(entries, notify.BatchEntry{ID: r.Get(prefix + "Id"), Publication: p})
	}
	results, err := a.service.PublishBatch(ctx, topic, entries)
	if err != nil {
		return nil, err
	}
	good := awsquery.Group("Successful")
	for _, result := range results {
		good.Children = append(good.Children, awsquery.Group("member", awsquery.Text("Id", result.ID), awsquery.Text("MessageId", string(result.Message))))
	}
	return []awsquery.Element{awsquery.Group("Failed"), good}, nil
}
