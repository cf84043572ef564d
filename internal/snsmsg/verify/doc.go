// Package verify tells messages that an SNS topic has sent from forged ones: it
// checks what an HTTP endpoint received against the topics it may come from,
// the certificate it names, and its signature.
//
// It knows what AWS and Etude sign, and nothing of what becomes of a message:
// telling repeats, confirming subscriptions and acting on the text are the
// caller's.
package verify
