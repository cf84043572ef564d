package etapi

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestModelIsAWS compares what we describe the API with to what AWS described
// it with, but for words.
func TestModelIsAWS(t *testing.T) {
	for name, ours := range map[string][]byte{
		"service-2.json": ServiceModel(), "paginators-1.json": Paginators(), "waiters-2.json": Waiters(),
	} {
		var want, got map[string]any
		readModel(t, name, &want)
		if err := json.Unmarshal(ours, &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(plain(want), plain(got)); diff != "" {
			t.Errorf("%s (-AWS +ours):\n%s", name, diff)
		}
	}
}

// plain leaves out of a model what has no meaning for a client: words and marks
// for people, numbers that are as if they were not there, the order of
// exceptions; and what only newer models than the one compared with have.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range []string{"documentation", "deprecated", "protocols", "auth"} {
			// A member may bear such a name too, and is no text then.
			if _, isMember := v[name].(map[string]any); !isMember {
				delete(v, name)
			}
		}
		for name, usual := range map[string]float64{"min": 0, "responseCode": 200} {
			if v[name] == usual {
				delete(v, name)
			}
		}
		for name := range v {
			v[name] = plain(v[name])
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
		slices.SortFunc(v, func(a, b any) int { return strings.Compare(jsonText(a), jsonText(b)) })
	}
	return v
}

func jsonText(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// TestModelWords holds that what people read is there, and is our own.
func TestModelWords(t *testing.T) {
	var ours, aws struct {
		Operations map[string]struct{ Documentation string }
	}
	readModel(t, "service-2.json", &aws)
	if err := json.Unmarshal(ServiceModel(), &ours); err != nil {
		t.Fatal(err)
	}
	for name, op := range ours.Operations {
		if !strings.HasSuffix(op.Documentation, ".") {
			t.Errorf("%s is described as %q, want a sentence", name, op.Documentation)
		}
		if strings.Contains(aws.Operations[name].Documentation, strings.TrimSuffix(op.Documentation, ".")) {
			t.Errorf("%s is described in AWS's words", name)
		}
	}
	if len(descriptions) != len(operations) {
		t.Errorf("%d operations are described, want %d", len(descriptions), len(operations))
	}
}

// TestModelIsStable holds that the files are the same each time, and readable:
// who keeps them under version control sees what a new version changed.
func TestModelIsStable(t *testing.T) {
	for name, write := range map[string]func() []byte{
		"service": ServiceModel, "paginators": Paginators, "waiters": Waiters, "endpoints": EndpointRules,
	} {
		first := write()
		if again := write(); string(first) != string(again) {
			t.Errorf("%s differs from one time to the next", name)
		}
		if !regexp.MustCompile(`(?s)^\{\n  "\w+".*\n\}\n$`).Match(first) || !json.Valid(first) {
			t.Errorf("%s is no indented JSON object: %.80q", name, first)
		}
	}
}
