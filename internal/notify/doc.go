// Package notify is the domain of topics, their subscriptions and the messages
// they carry: what is published is kept, handed to every subscription at least
// once, and not forgotten before it has arrived. The words are those of Amazon
// SNS.
//
// It knows nothing of who publishes or what a message means, and nothing of SQL
// or queues: it declares the Store that remembers, and is handed the functions
// that deliver.
package notify
