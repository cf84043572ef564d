package rule_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/rule"
	"etude/internal/transcode"
)

func TestRulesAreKept(t *testing.T) {
	t.Parallel()
	w := open(t)
	r := w.media(func(r *rule.Rule) {
		r.Suffixes, r.UserMetadata, r.MaxPerHour = []string{".wav", ".mp3"}, map[string]string{"k": "v"}, 7
	})
	made, err := w.Create(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	r.CreateTime = made.CreateTime
	if diff := cmp.Diff(&r, made); diff != "" {
		t.Errorf("rule as given (-) and as kept (+):\n%s", diff)
	}
	if _, err := w.Create(t.Context(), r); !rule.IsKind(err, rule.Exists) {
		t.Errorf("the same again: got %v, want it refused", err)
	}
	r.Prefix = "music/"
	if made, err = w.Change(t.Context(), r); err != nil || made.Prefix != "music/" {
		t.Errorf("changed: got %+v, %v", made, err)
	}
	if made, err = w.Disable(t.Context(), "media"); err != nil || made.Enabled {
		t.Errorf("disabled: got %+v, %v", made, err)
	}
	if err := w.Delete(t.Context(), "media"); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"delete": w.Delete(t.Context(), "media"),
		"read":   func() error { _, err := w.Rule(t.Context(), "media"); return err }(),
		"enable": func() error { _, err := w.Enable(t.Context(), "media"); return err }(),
		"change": func() error { _, err := w.Change(t.Context(), r); return err }(),
	} {
		if !rule.IsKind(err, rule.NotFound) {
			t.Errorf("%s a rule that is gone: got %v, want not found", name, err)
		}
	}
}

func TestBadRules(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.newPipeline(t, "twice", w.bucket, w.bucket)
	w.newPipeline(t, "twice", w.bucket, w.bucket)
	w.newPipeline(t, "elsewhere", w.other, w.other)
	for want, change := range map[string]func(*rule.Rule){
		"name":                           func(r *rule.Rule) { r.Name = "a b" },
		"bucket \"B\"":                   func(r *rule.Rule) { r.Bucket = "B" },
		"must name one":                  func(r *rule.Rule) { r.Bucket = "" },
		"prefix: it has":                 func(r *rule.Rule) { r.Prefix = strings.Repeat("x", 1025) },
		"suffix \"\"":                    func(r *rule.Rule) { r.Suffixes = []string{""} },
		"name one, by its id":            func(r *rule.Rule) { r.Pipeline = "" },
		"there is no pipeline":           func(r *rule.Rule) { r.Pipeline = "none" },
		"there are 2 pipelines":          func(r *rule.Rule) { r.Pipeline = "twice" },
		"reads from":                     func(r *rule.Rule) { r.Pipeline = "elsewhere" },
		"outputs: there are 0":           func(r *rule.Rule) { r.Outputs = nil },
		"has no preset":                  func(r *rule.Rule) { r.Outputs[0].PresetID = "" },
		"preset was not found":           func(r *rule.Rule) { r.Outputs[0].PresetID = "1351620000001-999999" },
		"there is no {nam}":              func(r *rule.Rule) { r.Outputs[0].KeyPattern = "{nam}.wav" },
		"without a }":                    func(r *rule.Rule) { r.Outputs[0].KeyPattern = "{name.wav" },
		"a } without":                    func(r *rule.Rule) { r.Outputs[0].KeyPattern = "name}.wav" },
		"gives all objects the same key": func(r *rule.Rule) { r.Outputs[0].KeyPattern = "{dir}/song.{ext}" },
		"same as an earlier one":         func(r *rule.Rule) { r.Outputs[1] = r.Outputs[0] },
		"1 to 512 bytes":                 func(r *rule.Rule) { r.Outputs[0].KeyPattern = "" },
		"must be 0 or more":              func(r *rule.Rule) { r.MaxPerHour = -1 },
		"UserMetadata":                   func(r *rule.Rule) { r.UserMetadata = map[string]string{"": "v"} },
	} {
		_, err := w.Create(t.Context(), w.media(change))
		if !rule.IsFault(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a fault with %q", err, want)
		}
	}
	if all, err := w.Rules(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("rules = %v, %v; want none", all, err)
	}
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	r := rule.Rule{Name: "r", Bucket: "bucket", Prefix: "media/", Suffixes: []string{".wav", ".mp3"}}
	for key, want := range map[string]string{
		"media/a.wav": "", "media/a/b.mp3": "", "media/.mp3": "",
		"Media/a.wav": "begin with", "media/a.WAV": `".wav" or ".mp3"`, "media/a.wav/": `".wav" or ".mp3"`, "a.wav": "begin with",
	} {
		got := r.Refusal(transcode.ObjectRef{Bucket: "bucket", Key: key})
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: got %q, want %q", key, got, want)
		}
	}
	r.Suffixes = nil
	for _, key := range []string{"media/", "media/folder/"} {
		if got := r.Refusal(transcode.ObjectRef{Bucket: "bucket", Key: key}); !strings.Contains(got, "slash") {
			t.Errorf("%q: got %q, want it refused as a folder", key, got)
		}
	}
	if got := r.Refusal(transcode.ObjectRef{Bucket: "other", Key: "media/a"}); !strings.Contains(got, `"other"`) {
		t.Errorf("another bucket: got %q", got)
	}
}

// TestCircles are rules that would start themselves, or each other, without end.
func TestCircles(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.newPipeline(t, "across", w.bucket, w.other)
	w.newPipeline(t, "back", w.other, w.bucket)
	to := func(name, bucket, prefix, pipeline, out string, suffixes ...string) rule.Rule {
		return w.media(func(r *rule.Rule) {
			r.Name, r.Bucket, r.Prefix, r.Pipeline, r.OutputKeyPrefix, r.Suffixes = name, bucket, prefix, pipeline, out, suffixes
			r.Outputs = []rule.Output{{flac, "{name}.flac"}}
		})
	}
	in := w.bucket
	for _, tt := range []struct {
		what  string
		rules []rule.Rule
		want  string // of the last one; empty where all is well
	}{
		{"its own prefix", []rule.Rule{to("a", in, "media/", "Audio Files", "media/out/")}, `rule "a" would start itself: its outputs go to s3://` + in + "/media/out/"},
		{"outputs around its prefix", []rule.Rule{to("a", in, "media/in/", "Audio Files", "media/")}, `would start itself`},
		{"everything in the bucket", []rule.Rule{to("a", in, "", "Audio Files", "transcoded/")}, `would start itself`},
		{"a suffix that outputs have not", []rule.Rule{to("a", in, "", "Audio Files", "transcoded/", ".mp3", ".wav")}, ""},
		{"a suffix that outputs have", []rule.Rule{to("a", in, "", "Audio Files", "transcoded/", ".mp3", "flac")}, `would start itself`},
		{"another bucket", []rule.Rule{to("a", in, "", "across", "")}, ""},
		{"there and back", []rule.Rule{to("a", in, "", "across", ""), to("b", w.other, "", "back", "")},
			`rule "b" would start itself over others: outputs of "b" go to s3://` + in + `/*, where "a" takes s3://` + in + `/*; outputs of "a" go to`},
		{"over three", []rule.Rule{
			to("a", in, "1/", "Audio Files", "2/"), to("b", in, "2/", "Audio Files", "3/"), to("c", in, "3/", "Audio Files", "1/"),
		}, `outputs of "c" go to`},
		{"a chain with an end", []rule.Rule{to("a", in, "1/", "Audio Files", "2/"), to("b", in, "2/", "Audio Files", "3/")}, ""},
		{"back, but of another suffix", []rule.Rule{to("a", in, "", "across", "", ".mp3"), to("b", w.other, "", "back", "")}, ""},
	} {
		var err error
		for _, r := range tt.rules {
			_, err = w.Create(t.Context(), r)
		}
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: got %v, want it made", tt.what, err)
		case tt.want != "" && (!rule.IsKind(err, rule.Recursion) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "Choose another")):
			t.Errorf("%s: got %v, want %q and the remedy", tt.what, err, tt.want)
		}
		for _, r := range tt.rules {
			if err := w.Delete(t.Context(), r.Name); err != nil && !rule.IsKind(err, rule.NotFound) {
				t.Fatal(err)
			}
		}
	}
}

func TestPatternsThatLookAtTheOutputsPrefix(t *testing.T) {
	t.Parallel()
	w := open(t)
	// The prefix ends within a name, and the pattern goes on.
	_, err := w.Create(t.Context(), w.media(func(r *rule.Rule) {
		r.OutputKeyPrefix, r.Outputs = "me", []rule.Output{{flac, "dia/{name}.flac"}}
	}))
	if !rule.IsKind(err, rule.Recursion) {
		t.Errorf("got %v, want it refused", err)
	}
	_, err = w.Create(t.Context(), w.media(func(r *rule.Rule) {
		r.Suffixes, r.OutputKeyPrefix, r.Outputs = []string{".mp3"}, "media/", []rule.Output{{flac, "{name}.{ext}"}, {m4a, "{id}{ext}"}}
	}))
	if err != nil {
		t.Errorf("outputs with other endings: got %v, want it made", err)
	}
}

func TestOverlap(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.create(t, w.media())
	named := func(change func(*rule.Rule)) rule.Rule {
		return w.media(func(r *rule.Rule) { r.Name, r.OutputKeyPrefix = "second", "second/" }, change)
	}
	_, err := w.Create(t.Context(), named(func(r *rule.Rule) { r.Prefix = "media/live/" }))
	if !rule.IsKind(err, rule.Overlap) || !strings.Contains(err.Error(), "etude rule disable media") {
		t.Errorf("got %v, want an overlap with the remedy", err)
	}
	w.create(t, named(func(r *rule.Rule) { r.Prefix, r.Enabled = "media/live/", false }))
	if _, err := w.Enable(t.Context(), "second"); !rule.IsKind(err, rule.Overlap) {
		t.Errorf("enabled: got %v, want an overlap", err)
	}
	if _, err := w.Disable(t.Context(), "media"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Enable(t.Context(), "second"); err != nil {
		t.Errorf("enabled in the other's place: %v", err)
	}
	if _, err := w.Enable(t.Context(), "media"); !rule.IsKind(err, rule.Overlap) {
		t.Errorf("the first one enabled again: got %v, want an overlap", err)
	}
}

func TestTriggers(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.create(t, w.media())
	w.create(t, w.media(func(r *rule.Rule) { r.Name, r.Bucket, r.Prefix = "sent", "", "" }))
	for _, tt := range []struct {
		what   string
		bucket string
		part   rule.Trigger
		want   rule.Kind
	}{
		{"a place of its own", w.bucket, rule.Trigger{Rule: "sent", Bucket: w.bucket, Prefix: "inbox/"}, 0},
		{"where another one takes", w.bucket, rule.Trigger{Rule: "sent", Bucket: w.bucket, Prefix: "media/x/"}, rule.Overlap},
		{"its own outputs", w.bucket, rule.Trigger{Rule: "sent", Bucket: w.bucket, Prefix: "trans"}, rule.Recursion},
		{"another bucket than its pipeline's", w.other, rule.Trigger{Rule: "sent", Bucket: w.other}, rule.Invalid},
		{"a rule that is not there", w.bucket, rule.Trigger{Rule: "none", Bucket: w.bucket, Prefix: "inbox/"}, rule.NotFound},
		{"what the rule takes anyway", w.bucket, rule.Trigger{Rule: "media", Bucket: w.bucket, Prefix: "media/"}, 0},
	} {
		err := w.CheckTriggers(t.Context(), tt.bucket, []rule.Trigger{tt.part})
		if tt.want == 0 && err != nil || tt.want != 0 && !rule.IsKind(err, tt.want) {
			t.Errorf("%s: got %v, want kind %d", tt.what, err, tt.want)
		}
	}
	w.triggers = []rule.Trigger{{Rule: "sent", Bucket: w.bucket, Prefix: "inbox/"}}
	_, err := w.Create(t.Context(), w.media(func(r *rule.Rule) { r.Name, r.Prefix = "third", "inbox/a/" }))
	if !rule.IsKind(err, rule.Overlap) {
		t.Errorf("a rule where a configuration sends to another: got %v, want an overlap", err)
	}
}
