package main

import (
	"testing"

	"etude/internal/etapi"
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

func TestSayHowItEndedElsewhere(t *testing.T) {
	failed := etapi.EventOutput{Status: transcode.Failed, StatusDetail: "3001 x: It is not there."}
	for name, c := range map[string]struct {
		event etapi.Event
		kind  inbox.Kind
		text  string
	}{
		"all well": {etapi.Event{State: "COMPLETED", Outputs: make([]etapi.EventOutput, 1)}, inbox.Good, "Your file song.wav has been processed."},
		"some fail": {etapi.Event{State: "ERROR", Outputs: []etapi.EventOutput{{}, failed}}, inbox.Bad,
			"Your file song.wav has been processed, but 1 of its 2 results could not be made. 3001 x: It is not there."},
		"all fail": {etapi.Event{State: "ERROR", MessageDetails: "4000 y: No sound.", Outputs: []etapi.EventOutput{failed}}, inbox.Bad,
			"Your file song.wav could not be processed. 4000 y: No sound."},
	} {
		c.event.Input.Key = "media/x/song.wav"
		if kind, text := sayHowItEndedElsewhere(&c.event); kind != c.kind || text != c.text {
			t.Errorf("%s: got %s %q\nwant %s %q", name, kind, text, c.kind, c.text)
		}
	}
}
