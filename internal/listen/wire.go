package listen

import "net/http"

// ServiceName is what requests are signed for.
const ServiceName = "etude"

// delivery is a line of the server's answer: a message as it is posted. A line
// without an ID only says that the connection lives.
type delivery struct {
	ID     string      `json:"id,omitempty"`
	Header http.Header `json:"header,omitempty"`
	Body   string      `json:"body,omitempty"`
	// Topic, on the first line, is what is listened to.
	Topic string `json:"topic,omitempty"`
}

// report says how a delivery was taken.
type report struct {
	ID     string `json:"id"`
	Status int    `json:"status,omitempty"` // of HTTP; 0 if there was none
	Body   string `json:"body,omitempty"`   // its beginning
	Error  string `json:"error,omitempty"`  // why there was no answer
}

// refusal is an answer that says why there is no other.
type refusal struct {
	Message string `json:"message"`
}
