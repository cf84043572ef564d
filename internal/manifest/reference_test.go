package manifest_test

import (
	"bytes"
	"encoding/xml"
	"net/url"
	"strings"
	"testing"

	"etude/internal/manifest"
)

func TestReference(t *testing.T) {
	tests := []struct{ manifest, file, want string }{
		{"song.m3u8", "song00000.ts", "song00000.ts"},
		{"a/b/song.m3u8", "a/b/song00000.ts", "song00000.ts"},
		{"a/b/song.m3u8", "a/b/c/song00000.ts", "c/song00000.ts"},
		{"a/prefix-list", "a/prefix-song.ts", "prefix-song.ts"},
		{"a/m", "a/it's (live), no. 1 & 2 = $3!.ts", "it's%20(live),%20no.%201%20%26%202%20=%20$3!.ts"},
		{"m", "50%.ts", "50%25.ts"},
		{"m", "#1?.ts", "%231%3F.ts"},
		{"m", "1+1=2.ts", "1%2B1=2.ts"},
		{"m", "http://evil.example/x.ts", "http%3A//evil.example/x.ts"},
		{"m", "größe 日本.ts", "gr%C3%B6%C3%9Fe%20%E6%97%A5%E6%9C%AC.ts"},
		{"m", "a\"\\\r\n#EXT-X-KEY\x00\xff", "a%22%5C%0D%0A%23EXT-X-KEY%00%FF"},
		{"a/m", "a//b.ts", ".//b.ts"},
		{"m", "/b.ts", ".//b.ts"},
		{"m", "a//...b/.c", "a//...b/.c"},
	}
	for _, tt := range tests {
		got, err := uri(tt.manifest, tt.file)
		if err != nil || got != tt.want {
			t.Errorf("%q in %q: got %q, %v; want %q", tt.file, tt.manifest, got, err, tt.want)
		}
	}
}

// uri is how a media playlist names a file.
func uri(name, file string) (string, error) {
	var b bytes.Buffer
	err := manifest.WriteHLSMedia(&b, manifest.HLSMedia{Name: name, Version: manifest.HLSv3, Segments: []manifest.Segment{{Name: file, Duration: 1}}})
	_, line, _ := strings.Cut(b.String(), "#EXTINF:1.000000,\n")
	return strings.TrimSuffix(line, "\n#EXT-X-ENDLIST\n"), err
}

// FuzzReference holds that whoever follows a name in a manifest arrives at the
// file that was meant, in both formats.
func FuzzReference(f *testing.F) {
	f.Add("folder/", "file.ts")
	f.Add("", "/")
	f.Add("a b/%2e%2e/", "//x:y@z?#&<>\"'\\\n日本\xff")
	f.Fuzz(func(t *testing.T, folder, file string) {
		if folder != "" && !strings.HasSuffix(folder, "/") {
			folder += "/"
		}
		ref, err := uri(folder+"m", folder+file)
		if err != nil {
			return
		}
		if strings.ContainsFunc(ref, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' }) {
			t.Errorf("%q has what a playlist's line may not have", ref)
		}
		base := &url.URL{Scheme: "http", Host: "host.example", Path: "/bucket/"}
		parsed, err := url.Parse(ref)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := base.ResolveReference(parsed), "/bucket/"+file; got.Path != want || got.Host != base.Host || got.RawQuery != "" || got.Fragment != "" {
			t.Errorf("%q leads to %q, want path %q", ref, got, want)
		}

		var b bytes.Buffer
		if err := manifest.WriteDASH(&b, manifest.DASH{Name: folder + "m", Duration: 1, Renditions: []manifest.Rendition{{
			Name: folder + file, Codecs: []string{manifest.AACLC}, Bandwidth: 1,
			Init: manifest.Range{First: 0, Last: 1}, Index: manifest.Range{First: 2, Last: 3},
		}}}); err != nil {
			t.Fatal(err)
		}
		var mpd struct {
			BaseURL string `xml:"Period>AdaptationSet>Representation>BaseURL"`
		}
		if err := xml.Unmarshal(b.Bytes(), &mpd); err != nil || mpd.BaseURL != ref {
			t.Errorf("MPD has BaseURL %q, %v; want %q", mpd.BaseURL, err, ref)
		}
	})
}
