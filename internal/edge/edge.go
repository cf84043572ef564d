// Package edge is the one endpoint that programs talk to. It hands each request
// to the AWS service that it was signed for, and tells who asks for another
// service which ones there are.
//
// It verifies no signature, reads no body and knows no operation: the services
// do. Nor does it clean paths, redirect or change a request in any way, since
// Host, path and query are part of what was signed.
package edge

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"etude/internal/sigv4"
)

// Names of services in credential scopes.
const (
	s3                = "s3"
	elasticTranscoder = "elastictranscoder"
	sns               = "sns"
)

// transcoderPath begins every path of Elastic Transcoder's API:
// https://docs.aws.amazon.com/elastictranscoder/latest/developerguide/making-http-requests.html
const transcoderPath = "/2012-09-25/"

// certificatePath begins the path of every certificate of SNS's.
const certificatePath = "/SimpleNotificationService-"

// Config says who serves what.
type Config struct {
	// S3 serves requests signed for S3, and unsigned ones: objects that are
	// public, browsers' form uploads, preflights. Nil means that the objects are
	// kept elsewhere; who asks for them is told so.
	S3 http.Handler
	// Services has the other services, by their name in credential scopes, like
	// "elastictranscoder". Nil handlers, and one for "s3", are ignored.
	Services map[string]http.Handler
	// Certificates serves the certificates that SNS's messages are signed with, to
	// everybody who asks for a path like that; nil means that there are none. No
	// bucket has such a name.
	Certificates http.Handler
}

// New returns the handler of the edge. It keeps no state: as many goroutines
// may use it as its services allow.
//
// The service is the one in the Signature Version 4 credential scope, be it in
// the Authorization header or in a presigned query. A request without a scope
// goes to Elastic Transcoder if its path begins with /2012-09-25/ (a bucket of
// that name is reached by signed requests only); to SNS if it is of the Query
// protocol, as the links in SNS's messages are; and else to S3.
func New(cfg Config) http.Handler {
	e := &edge{s3: cfg.S3, services: maps.Clone(cfg.Services), certificates: cfg.Certificates}
	maps.DeleteFunc(e.services, func(name string, h http.Handler) bool { return h == nil || name == s3 })
	e.served = slices.Sorted(maps.Keys(e.services))
	if e.s3 == nil {
		e.s3 = http.HandlerFunc(objectsElsewhere)
	} else {
		e.served = append(e.served, s3)
	}
	return e
}

type edge struct {
	s3           http.Handler
	services     map[string]http.Handler
	certificates http.Handler
	served       []string
}

func (e *edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	scope, signed := sigv4.ParseScope(r)
	service := scope.Service
	if !signed {
		service = e.unsignedService(r)
	}
	switch handler := e.services[service]; {
	case !signed && e.certificates != nil && strings.HasPrefix(r.URL.Path, certificatePath):
		e.certificates.ServeHTTP(w, r)
	case service == s3:
		e.s3.ServeHTTP(w, r)
	case handler != nil:
		handler.ServeHTTP(w, r)
	default:
		notServed(w, r, service, e.served)
	}
}

// unsignedService returns the service that a request without a scope is for.
func (e *edge) unsignedService(r *http.Request) string {
	switch {
	case e.services[elasticTranscoder] != nil && strings.HasPrefix(r.URL.Path, transcoderPath):
		return elasticTranscoder
	case e.services[sns] != nil && r.URL.Path == "/" && isQuery(r):
		return sns
	}
	return s3
}
