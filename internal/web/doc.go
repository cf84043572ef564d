// Package web provides the pages that people see: sign-in, library, files and
// messages, uploads and downloads, and the stream of events that keeps an open
// page current. Every page is rendered on the server from a struct of its own
// and works without script; the script only makes it live.
//
// It knows HTTP, HTML and the words that people are told. What is legal and
// what becomes of a file is decided by the domains that it calls; it does not
// know SQL, S3's protocol or how media are encoded.
package web
