package event

import (
	"context"
	"fmt"
	"slices"
	"time"

	"etude/internal/s3event"
)

// configuration returns a bucket's notification configuration, the zero one if
// it has none. Who gets it may not change it.
func (s *Service) configuration(bucket string) s3event.Configuration {
	s.configuredMu.RLock()
	defer s.configuredMu.RUnlock()
	return s.configured[bucket]
}

// Notification returns a bucket's notification configuration, the zero one if
// it has none.
func (s *Service) Notification(bucket string) s3event.Configuration {
	c := s.configuration(bucket)
	c.Targets = slices.Clone(c.Targets)
	return c
}

// SetNotificationOptions say how a configuration is set.
type SetNotificationOptions struct {
	// SkipValidation has the targets not looked for.
	SkipValidation bool
	// RequestID and HostID stand in the test events.
	RequestID, HostID string
}

// SetNotification makes c the bucket's notification configuration, in place of
// any other, and sends a test event to its topics and queues. What S3 would
// refuse is an *s3event.Error. The caller knows that there is the bucket.
func (s *Service) SetNotification(ctx context.Context, bucket string, c s3event.Configuration, opts SetNotificationOptions) error {
	if c.EventBridge {
		return &s3event.Error{Code: "InvalidArgument", Message: "EventBridge is not supported here. Leave out EventBridgeConfiguration, and name a topic, a queue or a rule"}
	}
	if err := c.Check(); err != nil {
		return err
	}
	test := s3event.Event{Name: testEvent, Bucket: bucket, RequestID: opts.RequestID, HostID: opts.HostID, Time: s.Now()}
	var t telling
	var missing []s3event.Target
	for _, target := range c.Targets {
		tested, there := false, true
		if !opts.SkipValidation {
			var err error
			if there, err = s.reach(ctx, target, test); err != nil {
				return fmt.Errorf("look for target %q: %w", target.ARN, err)
			}
			tested = target.Kind == s3event.Queue
		}
		switch {
		case !there:
			missing = append(missing, target)
		case !tested && target.Kind != s3event.Function:
			t.add(test, target)
		}
	}
	if missing != nil {
		return s3event.Unreachable(missing...)
	}
	if s.CheckRules != nil && !opts.SkipValidation {
		if err := s.CheckRules(ctx, bucket, c.Targets); err != nil {
			return err
		}
	}
	return s.keep(ctx, bucket, c, t)
}

// reachTimeout is how long a queue may take that is to be reached.
const reachTimeout = 10 * time.Second

// reach reports whether a target is there; a queue, by sending it the test.
func (s *Service) reach(ctx context.Context, target s3event.Target, test s3event.Event) (bool, error) {
	switch {
	case target.Kind == s3event.Topic && s.HasTopic != nil:
		return s.HasTopic(ctx, target.ARN)
	case target.Kind == s3event.Function && s.HasRule != nil:
		return s.HasRule(ctx, target.FunctionName())
	case target.Kind == s3event.Queue && s.SendToQueue != nil:
		ctx, cancel := context.WithTimeout(ctx, reachTimeout)
		defer cancel()
		if err := s.SendToQueue(ctx, target.ARN, string(body(test))); err != nil {
			s.Logger.Warn("queue of a notification configuration is not reached", "queue", target.ARN, "bucket", test.Bucket, "err", err)
			return false, nil
		}
		return true, nil
	}
	return false, nil
}

// ForgetBucket removes the configuration of a bucket that is no more.
func (s *Service) ForgetBucket(ctx context.Context, bucket string) error {
	if len(s.configuration(bucket).Targets) == 0 {
		return nil
	}
	return s.keep(ctx, bucket, s3event.Configuration{}, telling{})
}

// keep keeps c and the messages and deliveries in t.
func (s *Service) keep(ctx context.Context, bucket string, c s3event.Configuration, t telling) error {
	s.configuring.Lock()
	defer s.configuring.Unlock()
	first, err := s.counter.take(ctx, len(t.deliveries))
	if err != nil {
		return fmt.Errorf("set notification of bucket %q: %w", bucket, err)
	}
	for i := range t.deliveries {
		t.deliveries[i].ID, t.deliveries[i].CreateTime = first+int64(i), s.Now()
	}
	err = s.Store.UpdateEvents(ctx, func(tx Tx) error {
		if err := tx.SetNotification(ctx, bucket, c); err != nil {
			return err
		}
		return t.write(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("set notification of bucket %q: %w", bucket, err)
	}
	s.configuredMu.Lock()
	defer s.configuredMu.Unlock()
	delete(s.configured, bucket)
	if len(c.Targets) > 0 {
		s.configured[bucket] = c
	}
	return nil
}
