package notify

import (
	"context"
	"errors"
	"maps"
	"strings"
	"unicode/utf8"
)

// maxTags is how many tags a topic may have.
const maxTags = 50

var errNoResource = &Error{Kind: ResourceNotFound, Message: "Resource does not exist", Err: ErrNotFound}

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return &Error{Kind: TagLimit, Message: "Could not complete request: tag quota of per resource exceeded"}
	}
	for key, value := range tags {
		switch {
		case key == "" || utf8.RuneCountInString(key) > 128 || !utf8.ValidString(key):
			return invalid("Invalid parameter: Tags Reason: a key has 1 to 128 characters")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return invalid("Invalid parameter: Tags Reason: a key must not begin with aws:")
		case utf8.RuneCountInString(value) > 256 || !utf8.ValidString(value):
			return invalid("Invalid parameter: Tags Reason: a value has at most 256 characters")
		}
	}
	return nil
}

// TagTopic gives a topic tags, in place of those it has of the same keys.
func (s *Service) TagTopic(ctx context.Context, arn TopicARN, tags map[string]string) error {
	if err := checkTags(tags); err != nil {
		return err
	}
	return s.changeTags(ctx, arn, func(all map[string]string) error {
		maps.Copy(all, tags)
		return checkTags(all)
	})
}

// UntagTopic takes tags away from a topic, if it has them.
func (s *Service) UntagTopic(ctx context.Context, arn TopicARN, keys []string) error {
	return s.changeTags(ctx, arn, func(all map[string]string) error {
		for _, key := range keys {
			delete(all, key)
		}
		return nil
	})
}

func (s *Service) changeTags(ctx context.Context, arn TopicARN, change func(map[string]string) error) error {
	if err := checkARN("ResourceArn", string(arn)); err != nil {
		return err
	}
	return s.changeTopic(ctx, arn, errNoResource, func(t *Topic) error {
		if t.Tags == nil {
			t.Tags = map[string]string{}
		}
		return change(t.Tags)
	})
}

// TopicTags returns a topic's tags.
func (s *Service) TopicTags(ctx context.Context, arn TopicARN) (map[string]string, error) {
	if err := checkARN("ResourceArn", string(arn)); err != nil {
		return nil, err
	}
	t, err := s.Store.Topic(ctx, arn)
	if errors.Is(err, ErrNotFound) {
		return nil, errNoResource
	}
	return t.Tags, err
}
