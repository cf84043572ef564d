package web

import (
	"testing"
	"time"
)

func TestWords(t *testing.T) {
	tests := []struct{ got, want string }{
		{megabytes(0), "0 bytes"},
		{megabytes(999), "999 bytes"},
		{megabytes(1000), "1.0 kB"},
		{megabytes(999_949), "999.9 kB"},
		{megabytes(999_950), "1.0 MB"},
		{megabytes(34_100_000), "34.1 MB"},
		{megabytes(5_000_000_000_000), "5.0 TB"},
		{limit(2 << 30), "2 GiB"},
		{limit(2<<30 + 1<<20), "2049 MiB"},
		{limit(3 << 19), "1.5 MiB"},
		{limit(100), "100 bytes"},
		{clock(120 * time.Millisecond), "120 ms"},
		{clock(time.Second), "0:01"},
		{clock(187 * time.Second), "3:07"},
		{clock(3599*time.Second + 600*time.Millisecond), "1:00:00"},
		{clock(3765 * time.Second), "1:02:45"},
		{span(0), "1 s"},
		{span(89 * time.Second), "89 s"},
		{span(100 * time.Second), "2 min"},
		{span(125 * time.Minute), "2 h 5 min"},
		{codecWord("pcm_s16le"), "PCM"},
		{codecWord("aac"), "AAC"},
		{codecWord("vorbis"), "Vorbis"},
		{kilohertz(44100), "44.1 kHz"},
		{kilohertz(48000), "48 kHz"},
		{channelWord(1), "mono"},
		{channelWord(2), "stereo"},
		{channelWord(6), "6 channels"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}
