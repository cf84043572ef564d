// Package transcode is the domain: pipelines, presets, jobs and their outputs,
// and the rules of what is legal and what runs. A Service is Elastic
// Transcoder's operations under their own names; what a job needs of the
// outside (a store, objects, an encoder) it declares as small interfaces.
//
// It knows nothing of HTTP, JSON, SQL, queues, S3 or ffmpeg. Words and rules
// are those of Amazon Elastic Transcoder's API 2012-09-25.
package transcode
