package s3event

import (
	"bytes"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html
type (
	configurationXML struct {
		XMLName     xml.Name    `xml:"NotificationConfiguration"`
		Namespace   string      `xml:"xmlns,attr,omitempty"`
		Topics      []targetXML `xml:"TopicConfiguration"`
		Queues      []targetXML `xml:"QueueConfiguration"`
		Functions   []targetXML `xml:"CloudFunctionConfiguration"`
		EventBridge *struct{}   `xml:"EventBridgeConfiguration"`
	}
	targetXML struct {
		ID       string     `xml:"Id,omitempty"`
		Topic    *string    `xml:"Topic"`
		Queue    *string    `xml:"Queue"`
		Function *string    `xml:"CloudFunction"`
		Events   []string   `xml:"Event"`
		Filter   *filterXML `xml:"Filter"`
	}
	filterXML struct {
		Key *struct {
			Rules []filterRuleXML `xml:"FilterRule"`
		} `xml:"S3Key"`
	}
	filterRuleXML struct {
		Name  *string `xml:"Name"`
		Value *string `xml:"Value"`
	}
)

func malformed() *Error {
	return &Error{Code: "MalformedXML", Message: "The XML you provided was not well-formed or did not validate against our published schema"}
}

// ParseConfiguration reads the XML of a configuration. It gives an ID to
// targets that have none. What cannot be read is an *Error; what it says is for
// Check to judge.
func ParseConfiguration(text []byte) (Configuration, error) {
	var in configurationXML
	d := xml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&in); err != nil {
		return Configuration{}, malformed()
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) && !onlySpace(text[d.InputOffset():], err) {
		return Configuration{}, malformed()
	}
	if ns := in.XMLName.Space; ns != "" && ns != namespace {
		return Configuration{}, malformed()
	}
	c := Configuration{EventBridge: in.EventBridge != nil}
	for _, group := range []struct {
		kind Kind
		list []targetXML
	}{{Topic, in.Topics}, {Queue, in.Queues}, {Function, in.Functions}} {
		for _, t := range group.list {
			target, err := t.target(group.kind)
			if err != nil {
				return Configuration{}, err
			}
			c.Targets = append(c.Targets, target)
		}
	}
	return c, nil
}

// onlySpace reports whether nothing but space follows the document.
func onlySpace(rest []byte, err error) bool {
	return err == nil && len(bytes.TrimSpace(rest)) == 0
}

func (t targetXML) target(kind Kind) (Target, error) {
	arn := map[Kind]*string{Topic: t.Topic, Queue: t.Queue, Function: t.Function}[kind]
	if arn == nil || len(t.Events) == 0 {
		return Target{}, malformed()
	}
	target := Target{ID: t.ID, Kind: kind, ARN: strings.TrimSpace(*arn)}
	if target.ID == "" {
		target.ID = rand.Text()
	}
	for _, event := range t.Events {
		target.Events = append(target.Events, strings.TrimSpace(event))
	}
	if t.Filter == nil || t.Filter.Key == nil {
		return target, nil
	}
	return target, t.Filter.read(&target)
}

func (f *filterXML) read(into *Target) error {
	seen := map[string]bool{}
	for _, rule := range f.Key.Rules {
		if rule.Name == nil || rule.Value == nil {
			return malformed()
		}
		name := strings.ToLower(*rule.Name)
		if name != "prefix" && name != "suffix" {
			return invalid("filter rule name must be either prefix or suffix", "FilterRule.Name", *rule.Name)
		}
		if seen[name] {
			return invalid("Cannot specify more than one "+name+" rule in a filter.", "FilterRule.Name", *rule.Name)
		}
		seen[name] = true
		if name == "prefix" {
			into.Prefix = *rule.Value
		} else {
			into.Suffix = *rule.Value
		}
	}
	return nil
}

// XML returns the configuration as S3 answers it.
func (c Configuration) XML() []byte {
	out := configurationXML{Namespace: namespace}
	for _, t := range c.Targets {
		x := targetXML{ID: t.ID, Events: t.Events, Filter: t.filter()}
		switch t.Kind {
		case Topic:
			x.Topic = &t.ARN
			out.Topics = append(out.Topics, x)
		case Queue:
			x.Queue = &t.ARN
			out.Queues = append(out.Queues, x)
		case Function:
			x.Function = &t.ARN
			out.Functions = append(out.Functions, x)
		}
	}
	if c.EventBridge {
		out.EventBridge = &struct{}{}
	}
	text, err := xml.Marshal(out)
	if err != nil {
		panic(err) // these types have nothing that could fail
	}
	return append([]byte(xml.Header), text...)
}

// filter writes the names as S3 answers them, whatever their case was.
func (t Target) filter() *filterXML {
	var rules []filterRuleXML
	for _, r := range [][2]string{{"Prefix", t.Prefix}, {"Suffix", t.Suffix}} {
		if r[1] != "" {
			rules = append(rules, filterRuleXML{Name: &r[0], Value: &r[1]})
		}
	}
	if rules == nil {
		return nil
	}
	f := &filterXML{}
	f.Key = &struct {
		Rules []filterRuleXML `xml:"FilterRule"`
	}{rules}
	return f
}
