// Package etapi is Elastic Transcoder's REST API, version 2012-09-25, over a
// transcode.Service: routes, shapes of requests, spelling of replies, AWS's
// exceptions, and the text of the messages that pipelines send to their topics.
//
// It checks form and leaves meaning to the domain. It knows nothing of SQL, S3
// or ffmpeg, does not deliver messages, and keeps no state.
//
// Facts are from AWS's service model for "Elastic Transcoder" and its API
// reference, https://docs.aws.amazon.com/elastictranscoder/latest/developerguide/api-reference.html;
// where real replies were seen to differ from those, this follows the replies.
package etapi
