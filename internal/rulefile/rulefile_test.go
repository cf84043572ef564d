package rulefile_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/rule"
	"etude/internal/rulefile"
)

const whole = `# Masters become all kinds.
rules:
  - name: masters
    bucket: media
    prefix: masters/
    suffixes: [.wav, .flac]
    pipeline: Audio Files
    output-key-prefix: transcoded/
    outputs:
      - {preset: 1351620000001-300110, key: "{dir}/{name}.flac"}
      - preset: 1351620000001-100110
        key: "{dir}/{name}.m4a"
    user-metadata: {from: masters}
    owner: ann@example.com
    max-per-hour: 500
  - name: off
    pipeline: 1531234567890-abcdef
    outputs: [{preset: 1351620000001-300110, key: "{id}"}]
    enabled: false
`

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := rulefile.Parse([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	want := &rulefile.File{
		Rules: []rule.Rule{{
			Name: "masters", Bucket: "media", Prefix: "masters/", Suffixes: []string{".wav", ".flac"}, Pipeline: "Audio Files",
			OutputKeyPrefix: "transcoded/", UserMetadata: map[string]string{"from": "masters"}, Owner: "ann@example.com", MaxPerHour: 500, Enabled: true,
			Outputs: []rule.Output{{PresetID: "1351620000001-300110", KeyPattern: "{dir}/{name}.flac"}, {PresetID: "1351620000001-100110", KeyPattern: "{dir}/{name}.m4a"}},
		}, {
			Name: "off", Pipeline: "1531234567890-abcdef", Outputs: []rule.Output{{PresetID: "1351620000001-300110", KeyPattern: "{id}"}},
		}},
		Lines: []int{3, 16},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	for _, empty := range []string{"", "# nothing\n", "rules:\n  []\n", "{}"} {
		if f, err := rulefile.Parse([]byte(empty)); err != nil || len(f.Rules) != 0 {
			t.Errorf("%q: got %v, %v; want no rules", empty, f, err)
		}
	}
}

func TestFaultsNameTheirLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ old, to, want string }{
		{"prefix: masters/", "prefixes: masters/", `line 5: a rule has no member "prefixes"; there are name, bucket`},
		{"key: \"{id}\"", "pattern: \"{id}\"", `line 18: an output has no member "pattern"; there are preset, key`},
		{"bucket: media", "name: media", `line 4: a rule has name twice`},
		{"max-per-hour: 500", "max-per-hour: many", "line 15: cannot unmarshal !!str `many` into int"},
		{"{dir}/{name}.m4a", "{dir}/{nme}.m4a", `line 3: rule "masters": output 2: key pattern "{dir}/{nme}.m4a": there is no {nme}`},
		{"name: off", "name: o f f", `line 16: rule "o f f": name`},
		{"rules:", "rules: 7\nx:", `line 3: the file has no member "x"`},
		{"suffixes: [.wav, .flac]", "suffixes: [.wav", "line"},
		{"enabled: false", "enabled: false\n---\nrules: []", "a second document"},
	} {
		text := strings.Replace(whole, tt.old, tt.to, 1)
		if text == whole {
			t.Fatalf("%q is not there", tt.old)
		}
		if _, err := rulefile.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.to, err, tt.want)
		}
	}
	for text, want := range map[string]string{
		"- a": "must have members: rules", "7": "must have members", "rules: 7": "is no list", "rules: [7]": "line 1: a rule must have members",
		strings.Repeat("#", 2<<20): "bytes",
	} {
		if _, err := rulefile.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: got %v, want %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("rules: &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := rulefile.Parse(text)
		if err == nil && len(file.Rules) != len(file.Lines) {
			t.Errorf("%d rules, %d lines", len(file.Rules), len(file.Lines))
		}
	})
}
