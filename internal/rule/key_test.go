package rule_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"etude/internal/rule"
	"etude/internal/transcode"
)

func endings(id transcode.PresetID) (string, error) {
	return map[transcode.PresetID]string{wav: "wav", flac: "flac", m4a: "m4a"}[id], nil
}

// keyOf is the whole key of the only output.
func keyOf(t interface{ Fatal(...any) }, prefix, outPrefix, pattern, key string) string {
	r := rule.Rule{Name: "r", Prefix: prefix, OutputKeyPrefix: outPrefix, Outputs: []rule.Output{{flac, pattern}}}
	spec, err := r.Request("p", rule.Object{ObjectRef: transcode.ObjectRef{Bucket: "bucket", Key: key}, ETag: "etag"}, endings)
	if err != nil {
		t.Fatal(err)
	}
	if spec.Inputs[0].Key != key {
		t.Fatal("the input's key was changed")
	}
	return spec.OutputKeyPrefix + spec.Outputs[0].Key
}

func TestKeyPatterns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ pattern, key, want string }{
		{"{name}.flac", "media/song.mp3", "out/song.flac"},
		{"{dir}/{name}.{ext}", "media/song.mp3", "out/song.flac"},
		{"{dir}/{name}.{ext}", "media/a/b/song.mp3", "out/a/b/song.flac"},
		{"x/{dir}/{name}.{ext}", "media/song.mp3", "out/x/song.flac"},
		{"{file}.{ext}", "media/song.mp3", "out/song.mp3.flac"},
		{"{{{name}}}.flac", "media/song.mp3", "out/{song}.flac"},
		{"{name}.flac", "media/a.b.c.mp3", "out/a.b.c.flac"},
		{"{name}.flac", "media/song", "out/song.flac"},
		{"{name}.flac", "media/.mp3", "out/.mp3.flac"},
		{"{name}.flac", "media/song.", "out/song..flac"},
		{"{name}.flac", "media/...", "out/....flac"},
		{"{dir}/{name}.flac", "media/01 Été + 100% & <b>?#.mp3", "out/01 Été + 100% & <b>?#.flac"},
		{"{dir}/{name}.flac", "media/{name}/{id}.mp3", "out/{name}/{id}.flac"},
		{"{dir}/{name}.flac", "media/a%2Fb+c.mp3", "out/a%2Fb+c.flac"},
		{"{dir}/{name}.flac", "media//song.mp3", "out/song.flac"},
		{"{dir}/{name}.flac", "media/a//song.mp3", "out/a//song.flac"},
		{"{dir}/{name}.flac", "media/../song.mp3", "out/../song.flac"}, // a key is no path
		{"{dir}/{name}.flac", "media/日本/音.mp3", "out/日本/音.flac"},
	} {
		if got := keyOf(t, "media/", "out/", tt.pattern, tt.key); got != tt.want {
			t.Errorf("%s of %q: got %q, want %q", tt.pattern, tt.key, got, tt.want)
		}
	}
}

func TestIDIsOfTheVersion(t *testing.T) {
	t.Parallel()
	r := rule.Rule{Outputs: []rule.Output{{flac, "{id}"}}}
	id := func(o rule.Object) string {
		spec, err := r.Request("p", o, endings)
		if err != nil {
			t.Fatal(err)
		}
		return spec.Outputs[0].Key
	}
	o := rule.Object{ObjectRef: transcode.ObjectRef{Bucket: "b", Key: "k"}, ETag: "1"}
	seen := map[string]bool{id(o): true}
	for _, other := range []rule.Object{
		{ObjectRef: o.ObjectRef, ETag: "2"}, {ObjectRef: o.ObjectRef, VersionID: "1"}, {ObjectRef: o.ObjectRef, VersionID: "2", ETag: "1"},
		{ObjectRef: transcode.ObjectRef{Bucket: "b", Key: "k2"}, ETag: "1"}, {ObjectRef: transcode.ObjectRef{Bucket: "bk", Key: ""}, ETag: "1"},
	} {
		if got := id(other); seen[got] || len(got) != 12 {
			t.Errorf("%+v: got %q, want another id of 12 characters", other, got)
		}
		seen[id(other)] = true
	}
	if !seen[id(o)] {
		t.Error("the id has changed")
	}
}

// TestKeysFit holds for all keys that S3 has: the output's key fits too, is of
// UTF-8 if the object's is, keeps its ending, and is not that of another object.
func TestKeysFit(t *testing.T) {
	t.Parallel()
	part := rapid.StringOfN(rapid.RuneFrom([]rune("aZ0 ._-+%&{}é日𝄞~")), 1, 700, 1000)
	rapid.Check(t, func(t *rapid.T) {
		key := "media/" + strings.Join(rapid.SliceOfN(part, 1, 4).Draw(t, "parts"), "/")
		for len(key) > 1024 {
			_, n := utf8.DecodeLastRuneInString(key)
			key = key[:len(key)-n]
		}
		if strings.HasSuffix(key, "/") {
			key = key[:len(key)-1] + "x"
		}
		pattern := rapid.SampledFrom([]string{"{name}.flac", "{dir}/{name}.flac", "{dir}/{file}.flac", "x/{dir}/{id}/{name}.flac", "{id}.flac"}).Draw(t, "pattern")
		outPrefix := rapid.SampledFrom([]string{"", "transcoded/", strings.Repeat("p", 100) + "/"}).Draw(t, "prefix")
		got := keyOf(t, "media/", outPrefix, pattern, key)
		last := got[strings.LastIndexByte(got, '/')+1:]
		if len(got) > 1024 || len(last) > 220 || !utf8.ValidString(got) || !strings.HasSuffix(got, ".flac") || !strings.HasPrefix(got, outPrefix) {
			t.Fatalf("%s of %q is %q, of %d bytes", pattern, key, got, len(got))
		}
		if long := strings.TrimSuffix(key, "x") + "y"; len(got) > 200 && len(long) <= 1024 && keyOf(t, "media/", outPrefix, pattern, long) == got && long != key && strings.Contains(pattern, "file") {
			t.Fatalf("%q and %q have the same output %q", key, long, got)
		}
	})
}
