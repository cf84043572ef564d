// Package objectstore provides buckets and objects: a Server that speaks
// Amazon's S3 protocol and keeps objects as plain files in a directory, and a
// Client that does what the product needs of S3, alike on that server and on
// any other S3.
//
// It knows buckets, keys, files and bytes. It does not know jobs, users or
// what is inside an object; who may do what comes from the access keys and
// bucket policies that it is given.
package objectstore
