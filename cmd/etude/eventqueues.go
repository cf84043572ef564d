package main

import (
	"context"
	"sync"

	"etude/internal/sqssource"
)

// startEventQueues takes the events of an S3 elsewhere out of the queues that
// were named, until close: then each may end the request that it waits for, as
// long as jobs may go on.
func (s *server) startEventQueues(ctx context.Context) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := make(chan struct{})
	var running sync.WaitGroup
	for _, url := range s.EventsSQS {
		source, err := sqssource.Open(ctx, sqssource.Config{QueueURL: url, Receive: s.events.Receive, Logger: s.log})
		if err != nil {
			cancel()
			return err
		}
		running.Go(func() { source.Run(ctx, stop) })
		s.log.Info("events are taken out of a queue", "queue", url)
	}
	s.onClose(func(closing context.Context) error {
		close(stop)
		drain, over := context.WithTimeout(closing, s.Drain)
		defer over()
		defer context.AfterFunc(drain, cancel)()
		running.Wait()
		cancel()
		return nil
	})
	return nil
}
