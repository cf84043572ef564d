package ffmpeg

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/audiofile"
)

// TestTidyTags has the names of many programs.
func TestTidyTags(t *testing.T) {
	for in, want := range map[string]string{
		"Year=2001 date=1999":                          "date=1999",
		"Album Artist=a ALBUMARTIST=b":                 "album_artist=a",
		"TRACKTOTAL=12 track=3":                        "track=3/12",
		"totaltracks=12 track=3/9":                     "track=3/9",
		"TOTALDISCS=2 DISCNUMBER=1":                    "disc=1/2",
		"DISCTOTAL=2":                                  "disctotal=2",
		"lyrics-eng=la UNSYNCEDLYRICS=lu":              "lyrics=la",
		"lyrics-deu=la lyrics=lu":                      "lyrics=lu",
		"TBPM=120 title=x":                             "title=x bpm=120",
		"Title=x TITLE=y title=z":                      "Title=x",
		"mood= title=":                                 "",
		"WM/Year=2001 WM/Lyrics=l WM/BeatsPerMinute=9": "date=2001 lyrics=l bpm=9",
	} {
		parse := func(s string) (tags []audiofile.Tag) {
			for _, field := range strings.FieldsFunc(strings.ReplaceAll(s, " Artist", "\x00Artist"), func(r rune) bool { return r == ' ' }) {
				name, value, _ := strings.Cut(strings.ReplaceAll(field, "\x00", " "), "=")
				tags = append(tags, audiofile.Tag{Name: name, Value: value})
			}
			return tags
		}
		if diff := cmp.Diff(parse(want), tidyTags(parse(in))); diff != "" {
			t.Errorf("%s (-want +got)\n%s", in, diff)
		}
	}
}

// TestWriteTags reads what it wrote, whatever is in it; that ffmpeg does, TestTags
// has.
func TestWriteTags(t *testing.T) {
	want := []audiofile.Tag{{Name: "a=b", Value: "c=d;#\\\n\\n"}, {Name: "[CHAPTER]", Value: "[STREAM]"}, {Name: "empty", Value: ""}, {Name: ";x", Value: "Ü\r\n"}}
	if diff := cmp.Diff(want, parseTags(string(writeTags(want)))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	said := ";FFMETADATA1\ntitle=x\n[CHAPTER]\ntitle=y\n"
	if got := parseTags(said); len(got) != 1 || got[0].Value != "x" {
		t.Errorf("with a chapter: %q", got)
	}
	for _, tempo := range []string{"", "x", "120;", "-1", "1e3", strings.Repeat("1", 99), "120\x00"} {
		if isTempo(audiofile.Tag{Name: "bpm", Value: tempo}) {
			t.Errorf("%q is a tempo", tempo)
		}
	}
}
