package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"etude/internal/etapi"
	"etude/internal/inbox"
	"etude/internal/notify"
	"etude/internal/transcode"
)

// deliverToSite makes a notification of a job that has ended a message to its
// owner. Whatever else comes over the topic is none of the users' business.
func (s *server) deliverToSite(ctx context.Context, p notify.Parcel) (notify.Answer, error) {
	nobody := func(context.Context, string, *etapi.Event) error { return nil }
	return notify.Answer{}, s.tellOfJob(ctx, string(p.Message.ID), p.Message.BodyFor(notify.Site), nobody)
}

// tellOfJob tells the owner of the job that a notification is about how that
// has ended, once for each source. What is about no job of ours is elsewhere's.
func (s *server) tellOfJob(ctx context.Context, source, body string, elsewhere func(ctx context.Context, source string, event *etapi.Event) error) error {
	event, err := etapi.ParseNotification(body)
	if err != nil || event.State != "COMPLETED" && event.State != "ERROR" {
		return nil
	}
	job, err := s.jobs.ReadJob(ctx, event.JobID)
	switch {
	case transcode.IsKind(err, transcode.NotFound):
		return elsewhere(ctx, source, &event)
	case err != nil:
		return err
	case job.Owner == "" || !job.Status.Final():
		return nil
	}
	kind, text := sayHowItEnded(job)
	return s.inbox.Tell(ctx, inbox.Message{
		User: job.Owner, Source: source, Kind: kind, Text: text, Job: string(job.ID),
	})
}

// sayHowItEnded is what the owner of a job is told.
func sayHowItEnded(job *transcode.Job) (inbox.Kind, string) {
	name := path.Base(job.Inputs[0].Key)
	failed, results := 0, len(job.Outputs)+len(job.Playlists)
	var why *transcode.Failure
	for _, p := range job.Playlists {
		if p.Failure != nil {
			failed, why = failed+1, p.Failure
		}
	}
	for _, o := range job.Outputs { // a playlist may have failed for want of one
		if o.Failure != nil {
			failed, why = failed+1, o.Failure
		}
	}
	switch {
	case why == nil:
		return inbox.Good, fmt.Sprintf("Your file %s has been processed.", name)
	case failed < results:
		return inbox.Bad, fmt.Sprintf("Your file %s has been processed, but %d of its %d results could not be made. %s %s",
			name, failed, results, why.Reason, why.Remedy)
	}
	return inbox.Bad, fmt.Sprintf("Your file %s could not be processed. %s %s", name, why.Reason, why.Remedy)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
