package web

import (
	"path"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

func TestSafeName(t *testing.T) {
	long := strings.Repeat("ä", 200)
	tests := []struct{ name, in, want string }{
		{"plain", "song.wav", "song.wav"},
		{"spaces and signs stay", "My song (1) #2 & more.wav", "My song (1) #2 & more.wav"},
		{"Unix path", "/srv/music/song.wav", "song.wav"},
		{"Windows path", `C:\Users\clara\song.wav`, "song.wav"},
		{"both", `a/b\c/..\song.wav`, "song.wav"},
		{"empty", "", "file"},
		{"dot", ".", "file"},
		{"dots", "..", "file"},
		{"path of dots", "../..", "file"},
		{"only a slash", "/", "file"},
		{"only spaces", "  ", "file"},
		{"spaces around", " song.wav ", "song.wav"},
		{"hidden", ".wav", ".wav"},
		{"control characters", "so\x00ng\r\n\x7f.wav", "song.wav"},
		{"dots behind control characters", "\x01..\x02", "file"},
		{"turned writing", "song\u202evaw.exe", "songvaw.exe"},
		{"line separator", "song\u2028.wav", "song.wav"},
		{"not UTF-8", "song\xff\xfe.wav", "song_.wav"},
		{"decomposed", "e\u0301tude.wav", "étude.wav"},
		{"joined emoji stay", "👩\u200d🎤.wav", "👩\u200d🎤.wav"},
		{"long", long + ".wav", strings.Repeat("ä", 88) + ".wav"},
		{"long without extension", long, strings.Repeat("ä", 90)},
		{"long extension is none", "a." + long, "a." + strings.Repeat("ä", 89)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := safeName(tt.in); got != tt.want {
				t.Errorf("safeName(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestStem(t *testing.T) {
	for in, want := range map[string]string{"a.wav": "a", "a.b.wav": "a.b", "a": "a", ".wav": "file", "a .wav": "a", "...": ".."} {
		if got := stem(in); got != want {
			t.Errorf("stem(%q) = %q, want %q", in, got, want)
		}
	}
}

// checkSafe holds what safeName promises of every name.
func checkSafe(t interface{ Errorf(string, ...any) }, in string) {
	got := safeName(in)
	switch {
	case got == "" || got == "." || got == "..":
		t.Errorf("safeName(%q) = %q, which is no name", in, got)
	case len(got) > maxName:
		t.Errorf("safeName(%q) has %d bytes", in, len(got))
	case !utf8.ValidString(got) || !norm.NFC.IsNormalString(got):
		t.Errorf("safeName(%q) = %q, which is not UTF-8 in NFC", in, got)
	case strings.ContainsAny(got, `/\`) || strings.ContainsFunc(got, unicode.IsControl):
		t.Errorf("safeName(%q) = %q, which has what it may not", in, got)
	case safeName(got) != got:
		t.Errorf("safeName(%q) = %q, and of that %q", in, got, safeName(got))
	}
	if s := stem(got); s == "" || path.Base(s+".wav") != s+".wav" {
		t.Errorf("stem(%q) = %q, which makes no name", got, s)
	}
}

func TestSafeNameIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkSafe(t, rapid.OneOf(rapid.String(), rapid.StringN(150, 400, -1), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "name"))
	})
}

func FuzzSafeName(f *testing.F) {
	for _, seed := range []string{"", "..", "a/..", "e\u0301.wav", strings.Repeat("x", 300) + ".flac", "\xff\x00\u202e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) { checkSafe(t, name) })
}
