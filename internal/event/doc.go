// Package event is the domain of what happens to objects and who is told of
// it. The object store says beforehand that an object is about to change, and
// afterwards that it has; between the two an intent is kept, so that a crash
// loses no event. What has happened is handed on at least once: to rules, to
// topics, to queues, as the bucket's notification configuration says.
//
// It knows nothing of S3 requests, of what a rule makes of an event, of SQL or
// of queues: it declares the Store that remembers, and is handed the functions
// that act.
package event
