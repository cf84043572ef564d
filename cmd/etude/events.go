package main

import (
	"context"
	"time"

	"etude/internal/event"
	"etude/internal/notify"
	"etude/internal/queue"
)

// openEvents opens what keeps what happens to objects. It comes before the
// objects, since the embedded S3 looks at once what became of the requests that
// a crash has cut off; those who are told come later.
func (s *server) openEvents(ctx context.Context) (err error) {
	s.events, err = event.Open(ctx, event.Config{
		Store: s.store, Logger: s.log, Node: s.cred.Node, Owner: s.Account,
		HandleRules: s.handleRules, HandleRule: s.handleRule, HasRule: s.hasRule, CheckRules: s.checkFunctions,
		MayMatch: func(bucket, key string) bool {
			return s.rules == nil || s.mayMatch(bucket, key) // nil: a crash is being cleared up
		},
		HasTopic: func(ctx context.Context, arn string) (bool, error) {
			return s.notify.HasTopic(ctx, notify.TopicARN(arn))
		},
		SendToQueue: func(ctx context.Context, arn, body string) error { return s.courier.SendToQueue(ctx, arn, body) },
	})
	return err
}

// reconcileEvents is what is to be done about events now and then.
func (s *server) reconcileEvents() []queue.Periodic {
	if s.s3 == nil {
		return nil
	}
	return []queue.Periodic{{Name: "reconcile events", Interval: time.Minute, Run: s.s3.Reconcile}}
}
