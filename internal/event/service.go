package event

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"etude/internal/s3event"
)

// ErrNotFound is a Store's answer for what it does not have.
var ErrNotFound = errors.New("not found")

// Config is what a Service needs. Store, Logger and Node must be set; who has
// no function for a kind of target refuses configurations that name one.
type Config struct {
	Store  Store
	Logger *slog.Logger
	Node   string // whose intents are this Service's
	Owner  string // whose the buckets are, as events say it; may be empty

	// HandleRules has every rule look at an event. An error means that it is to
	// be tried again; what a rule cannot do for good is no error. Nil means that
	// there are no rules.
	HandleRules func(ctx context.Context, e s3event.Event) error
	// MayMatch reports false where no rule can be about an object; it is asked
	// in the midst of a request and must be quick. Nil means that each may be.
	MayMatch func(bucket, key string) bool
	// HandleRule has the rule of that name handle an event, whatever the rule
	// itself says of bucket and key. Its errors are as those of HandleRules.
	HandleRule func(ctx context.Context, e s3event.Event, rule string) error
	// HasRule and HasTopic report whether there is what a configuration names.
	HasRule  func(ctx context.Context, rule string) (bool, error)
	HasTopic func(ctx context.Context, arn string) (bool, error)
	// CheckRules returns an *s3event.Error if a configuration would have rules
	// start themselves or each other without end. Nil holds no such against one.
	CheckRules func(ctx context.Context, bucket string, targets []s3event.Target) error
	// SendToQueue puts a message into the SQS queue of that ARN.
	SendToQueue func(ctx context.Context, arn, body string) error

	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Service is what happens to objects. All methods may be called at once from
// many goroutines.
type Service struct {
	Config

	// configured has the configurations of buckets that have one.
	configured   map[string]s3event.Configuration
	configuredMu sync.RWMutex
	configuring  sync.Mutex // whoever changes one

	counter counter
}

// Open returns a Service of cfg with the configurations that are kept.
func Open(ctx context.Context, cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Logger == nil || cfg.Node == "" {
		return nil, errors.New("open events: Store, Logger and Node must be set")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Service{Config: cfg}
	s.counter.store = cfg.Store
	var err error
	if s.configured, err = cfg.Store.Notifications(ctx); err != nil {
		return nil, fmt.Errorf("open events: %w", err)
	}
	waiting, err := cfg.Store.CountEventDeliveries(ctx)
	if err != nil {
		return nil, fmt.Errorf("open events: %w", err)
	}
	if waiting > 0 {
		cfg.Logger.Info("events wait to be handed on", "waiting", waiting)
	}
	return s, nil
}

// Store remembers intents, deliveries and configurations. All methods may be
// called at once from many goroutines.
type Store interface {
	// UpdateEvents runs fn in one transaction; see transcode.Store.Update.
	UpdateEvents(ctx context.Context, fn func(Tx) error) error
	// Intents returns a node's intents, oldest first.
	Intents(ctx context.Context, node string) ([]Intent, error)
	// EventDelivery returns ErrNotFound for what it does not have.
	EventDelivery(ctx context.Context, id int64) (Delivery, error)
	// EventDeliveries returns deliveries that wait, oldest first, max at most.
	EventDeliveries(ctx context.Context, max int) ([]Delivery, error)
	// CountEventDeliveries returns how many wait.
	CountEventDeliveries(ctx context.Context) (int, error)
	// Notifications returns the configurations of all buckets that have one, in
	// a map that is the caller's.
	Notifications(ctx context.Context) (map[string]s3event.Configuration, error)
}

// Tx is one transaction on a Store.
type Tx interface {
	InsertIntents(ctx context.Context, node string, all []Intent) error
	// DeleteIntents removes those that are there.
	DeleteIntents(ctx context.Context, ids []int64) error
	// InsertEventDelivery keeps d, and queues the task Deliver for it.
	InsertEventDelivery(ctx context.Context, d Delivery) error
	// UpdateEventDelivery writes the tries and the last error of one that is
	// there.
	UpdateEventDelivery(ctx context.Context, d Delivery) error
	DeleteEventDelivery(ctx context.Context, id int64) error
	// PublishEvent publishes a message to a topic.
	PublishEvent(ctx context.Context, topic, subject, body string) error
	// SetNotification keeps a bucket's configuration; one without targets is
	// removed.
	SetNotification(ctx context.Context, bucket string, c s3event.Configuration) error
	// ReserveNumbers returns the first of n numbers that nobody gets again, and
	// that are higher than all that were reserved before.
	ReserveNumbers(ctx context.Context, n int64) (first int64, err error)
}

// block is how many numbers are reserved at once; those that a crash leaves
// unused are a gap and no more.
const block = 4096

// counter gives numbers that rise, also over restarts.
type counter struct {
	store Store

	mu   sync.Mutex
	next int64
	end  int64 // the first that is not reserved
}

// take returns the first of n numbers in a row.
func (c *counter) take(ctx context.Context, n int) (first int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next+int64(n) > c.end {
		want := max(block, int64(n))
		err := c.store.UpdateEvents(ctx, func(tx Tx) (err error) {
			first, err = tx.ReserveNumbers(ctx, want)
			return err
		})
		if err != nil {
			return 0, err
		}
		c.next, c.end = first, first+want
	}
	first = c.next
	c.next += int64(n)
	return first, nil
}
