package edge

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// unknownService is the code of the error for a service that is not served. It
// goes with status 400, which no SDK retries.
const unknownService = "UnknownServiceException"

// queryError is an error in the Query protocol's shape.
type queryError struct {
	XMLName xml.Name `xml:"ErrorResponse"`
	Type    string   `xml:"Error>Type"`
	Code    string   `xml:"Error>Code"`
	Message string   `xml:"Error>Message"`
}

// jsonError is an error in the shape of the JSON protocols: some SDKs look for
// the code in the body, others in the header that comes with it.
type jsonError struct {
	Type    string `json:"__type"`
	Message string `json:"message"`
}

// s3Error is an error in S3's shape.
type s3Error struct {
	XMLName xml.Name `xml:"Error"`
	Code    string
	Message string
}

// notServed tells the caller that there is no such service here, in words that
// its SDK can read.
func notServed(w http.ResponseWriter, r *http.Request, service string, served []string) {
	message := fmt.Sprintf("This endpoint does not serve %.64q. It serves %s. Give the client another endpoint for that service.", service, list(served))
	w.Header().Set("x-amzn-ErrorType", unknownService)
	if wantsXML(r, service) {
		writeXML(w, "text/xml", queryError{Type: "Sender", Code: unknownService, Message: message})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	// Should this fail, then nobody is there to be told.
	_ = json.NewEncoder(w).Encode(jsonError{Type: unknownService, Message: message})
}

// wantsXML reports whether r is of a protocol that answers in XML: Query, which
// sends a form or names its Action in the URL, or REST-XML. The latter shows in
// no request without a body, so the services that use it have to be named.
func wantsXML(r *http.Request, service string) bool {
	return service == "cloudfront" || service == "route53" || isQuery(r)
}

// isQuery reports whether r is of the Query protocol.
func isQuery(r *http.Request) bool {
	contentType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return contentType == "application/x-www-form-urlencoded" || r.URL.Query().Has("Action")
}

// objectsElsewhere answers S3 requests where there is no S3 server.
func objectsElsewhere(w http.ResponseWriter, _ *http.Request) {
	writeXML(w, "application/xml", s3Error{
		Code:    "InvalidRequest",
		Message: "This endpoint does not serve S3: the objects are kept in another S3 server, which this one was set up with. Give the S3 client that server's endpoint (AWS_ENDPOINT_URL_S3).",
	})
}

func writeXML(w http.ResponseWriter, contentType string, v any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(http.StatusBadRequest)
	// Should this fail, then nobody is there to be told.
	_, _ = io.WriteString(w, xml.Header)
	_ = xml.NewEncoder(w).Encode(v)
}

// list writes names as a sentence does.
func list(names []string) string {
	switch n := len(names); n {
	case 0:
		return "none"
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
}
