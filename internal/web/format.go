package web

import "etude/internal/transcode"

// format is a kind of file that an upload can be made into.
type format struct {
	Name   string // in the form
	Label  string
	Note   string
	Ext    string
	Preset transcode.PresetID
}

// formats are those that the upload form offers, after Elastic Transcoder's
// system presets.
var formats = []format{
	{"wav", "WAV", "CD quality", ".wav", "1351620000001-300300"},
	{"flac", "FLAC", "lossless", ".flac", "1351620000001-300110"},
	{"m4a", "M4A", "AAC, 256 kbit/s", ".m4a", "1351620000001-100110"},
	{"mp3", "MP3", "128 kbit/s", ".mp3", "1351620000001-300040"},
}

func formatNamed(name string) (format, bool) {
	for _, f := range formats {
		if f.Name == name {
			return f, true
		}
	}
	return format{}, false
}
