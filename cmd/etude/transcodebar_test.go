package main

import (
	"strings"
	"testing"
	"time"

	"etude/internal/transcode"
)

// TestTranscodeBar never falls, and leaves the terminal clean.
func TestTranscodeBar(t *testing.T) {
	var out strings.Builder
	b := newTranscodeBar(&out, 1, false)
	b.live = true
	for _, p := range []transcode.Progress{
		{Phase: transcode.Transcoding, Done: 0.5, Left: 65 * time.Second}, {Phase: transcode.Transcoding, Done: 0.25}, {Phase: transcode.Verifying, Done: 0.75, Left: time.Second},
	} {
		b.shown = time.Time{} // or it would not be drawn so soon
		b.show(0, p)
	}
	c := &conversion{
		Inputs:  []inputReport{{Path: "a.wav"}},
		Outputs: []outputReport{{Path: "a.flac", Codec: "flac", SampleRate: 44100, Channels: 2, Duration: 3723, Size: 3 << 20, Remark: "A remark."}},
	}
	b.ended(0, c)
	b.end()
	lines := strings.Split(out.String(), "\r")
	wants := []string{
		"", "[################................]  50 %  transcoding  1:05 left", "[################................]  50 %  transcoding",
		"[########################........]  75 %  verifying    0:01 left", "", "a.flac  flac, 44100 Hz, 2 ch, 1:02:03, 3.0 MiB\netude: a.flac: A remark.\n",
	}
	if len(lines) != len(wants) {
		t.Fatalf("wrote %q", lines)
	}
	for i, want := range wants {
		if got := strings.TrimRight(lines[i], " "); got != want {
			t.Errorf("line %d is %q, want %q", i, got, want)
		}
	}
}
