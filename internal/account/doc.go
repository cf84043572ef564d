// Package account is the domain of who may use Etude: users of the site, and
// access keys of programs with the roles that say what each may do. It hashes
// passwords, seals the secrets of access keys, and slows down who guesses.
//
// It knows nothing of sessions, cookies, signatures or SQL.
package account
