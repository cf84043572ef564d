package main

import (
	"testing"

	"etude/internal/inbox"
	"etude/internal/transcode"
)

func TestSayHowItEnded(t *testing.T) {
	taken := &transcode.Failure{Reason: "It is taken.", Remedy: "Choose another."}
	want := &transcode.Failure{Reason: "An output is missing.", Remedy: "Look there."}
	good, bad := transcode.Output{}, transcode.Output{Failure: taken}
	for name, c := range map[string]struct {
		outputs   []transcode.Output
		playlists []transcode.Playlist
		kind      inbox.Kind
		text      string
	}{
		"all well":             {[]transcode.Output{good}, []transcode.Playlist{{}}, inbox.Good, "Your file song.wav has been processed."},
		"an output fails":      {[]transcode.Output{good, bad}, nil, inbox.Bad, "Your file song.wav has been processed, but 1 of its 2 results could not be made. It is taken. Choose another."},
		"only a playlist":      {[]transcode.Output{good}, []transcode.Playlist{{Failure: taken}}, inbox.Bad, "Your file song.wav has been processed, but 1 of its 2 results could not be made. It is taken. Choose another."},
		"all for one's fault":  {[]transcode.Output{bad}, []transcode.Playlist{{Failure: want}}, inbox.Bad, "Your file song.wav could not be processed. It is taken. Choose another."},
		"some for one's fault": {[]transcode.Output{good, bad}, []transcode.Playlist{{Failure: want}}, inbox.Bad, "Your file song.wav has been processed, but 2 of its 3 results could not be made. It is taken. Choose another."},
	} {
		t.Run(name, func(t *testing.T) {
			kind, text := sayHowItEnded(&transcode.Job{
				Inputs: []transcode.Input{{Key: "media/x/song.wav"}}, Outputs: c.outputs, Playlists: c.playlists,
			})
			if kind != c.kind || text != c.text {
				t.Errorf("got %s %q\nwant %s %q", kind, text, c.kind, c.text)
			}
		})
	}
}
