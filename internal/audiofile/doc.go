// Package audiofile reads and writes what lies around sound in a file: the
// boxes of an MP4, the headers of AAC's, MP3's and FLAC's frames, the chunks of
// a WAV, the comments of an Ogg, the tags ID3 and APE. It says from where to where a file plays, to the sample, and whether
// two encodings of the same sound may be joined at a frame.
//
// It decodes nothing, starts nothing, and knows nothing of jobs and presets.
package audiofile
