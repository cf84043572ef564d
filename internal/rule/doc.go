// Package rule is the domain of rules: "objects like this become jobs like
// that". A Service keeps them, refuses those that would start themselves or each
// other without end, and makes the job of an event, of a file that a listing
// shows, and of one that is just being uploaded on the site: one job for each
// version of an object, whoever comes first and however often.
//
// It stands on the domain of jobs and knows their specs. It knows nothing of
// HTTP, SQL, S3's API, queues, nor of how a request or an event is spelled.
package rule
