// Package listen hands a topic's messages to programs that have no address at
// which they could be reached, as those under work on somebody's laptop: such a
// program holds one connection to the server, gets each message over it as it
// would be posted, and says how it was taken. It has both ends of that.
//
// Being told of a topic is a subscription like any other, by a protocol of its
// own; when to try again, and what was tried, is the domain's. The package knows
// nothing of how messages are signed.
package listen
