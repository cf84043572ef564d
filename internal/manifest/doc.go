// Package manifest writes HLS and MPEG-DASH manifests from a list of
// renditions, and reads from a fragmented MP4 file what DASH must say of it. It
// is pure: it knows nothing of jobs, of where files are kept, or of how they
// were made.
//
// Manifests look as Elastic Transcoder's did: the same tags and attributes in
// the same order, down to the form of a number. Nobody published its rules; what
// is said here of its habits was read off manifests that its users published
// between 2013 and 2022. The formats themselves are RFC 8216 (HLS) and
// ISO/IEC 23009-1 (DASH).
//
// Every file, manifests too, has a name: parts joined by slashes, below a root
// that all of them share, as an object's key is. Names are given as they are: a
// manifest names other files relative to its own folder and escapes them, so
// they must be in that folder or below it.
//
// The writers write once, when all is known to be right: on a bad value they
// return an error that names it, and write nothing.
package manifest
