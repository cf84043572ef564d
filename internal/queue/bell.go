package queue

import (
	"context"
	"database/sql"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
)

// bell wakes this process's workers when a task was put, as Postgres's NOTIFY
// does for those of all nodes. It is the riverdriver.Listener of ringingDriver.
// Rings that nobody has heard yet are one.
type bell struct{ jobs, messages, events, remoteEvents chan struct{} }

func newBell() *bell {
	one := func() chan struct{} { return make(chan struct{}, 1) }
	return &bell{jobs: one(), messages: one(), events: one(), remoteEvents: one()}
}

// ring never blocks.
func (b *bell) ring(queue string) {
	c := b.messages
	switch queue {
	case jobQueue:
		c = b.jobs
	case eventQueue:
		c = b.events
	case remoteEventQueue:
		c = b.remoteEvents
	}
	select {
	case c <- struct{}{}:
	default:
	}
}

// WaitForNotification returns what River's own clients send when they insert a
// task on Postgres.
func (b *bell) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	queue := messageQueue
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-b.jobs:
		queue = jobQueue
	case <-b.messages:
	case <-b.events:
		queue = eventQueue
	case <-b.remoteEvents:
		queue = remoteEventQueue
	}
	return &riverdriver.Notification{Topic: "river_insert", Payload: `{"queue":"` + queue + `"}`}, nil
}

func (*bell) Connect(context.Context) error          { return nil }
func (*bell) Close(context.Context) error            { return nil }
func (*bell) Ping(context.Context) error             { return nil }
func (*bell) Listen(context.Context, string) error   { return nil }
func (*bell) Unlisten(context.Context, string) error { return nil }
func (*bell) Schema() string                         { return "" }
func (*bell) SetAfterConnectExec(string)             {}

// ringingDriver is River's SQLite driver with a bell. Without one River only
// polls, and either a task waits or an idle server has no rest.
type ringingDriver struct {
	*riversqlite.Driver
	bell *bell
}

var _ riverdriver.Driver[*sql.Tx] = ringingDriver{}

// SupportsListener tells River not to poll only.
func (ringingDriver) SupportsListener() bool { return true }

// GetListener returns the bell.
func (d ringingDriver) GetListener(*riverdriver.GetListenenerParams) riverdriver.Listener {
	return d.bell
}
