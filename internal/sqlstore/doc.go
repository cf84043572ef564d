// Package sqlstore remembers what the domains know (pipelines, jobs and their
// attempts, topics and their messages, users' messages, accounts, sessions) in
// SQLite or in Postgres: the same tables, the same queries, and one suite of
// tests for both. It migrates its schema when it is opened. On SQLite, writers who
// come at once share one durable commit.
//
// It decides nothing: which job may run and who may see what is the domains'
// affair. It knows no queue either, only the function that it is given to put a
// task into a transaction.
package sqlstore
