package etapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// findModel prints where botocore keeps AWS's service model, which newer ones no
// longer have.
const findModel = `
import botocore, os
print(os.path.join(os.path.dirname(botocore.__file__), "data/elastictranscoder/2012-09-25"))`

// TestShapesAreAWS compares the table of shapes and that of operations with
// AWS's own model.
func TestShapesAreAWS(t *testing.T) {
	var model struct {
		Operations map[string]struct {
			HTTP struct {
				Method, RequestURI string
				ResponseCode       int
			}
			Input struct{ Shape string }
		}
		Shapes map[string]modelShape
	}
	readModel(t, "service-2.json", &model)

	got, want := map[string]string{}, map[string]string{}
	for name, s := range shapes {
		got[name] = s.String()
	}
	for name, s := range model.Shapes {
		if !s.Exception {
			want[name] = s.String()
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("shapes (-AWS +ours):\n%s", diff)
	}

	clear(got)
	clear(want)
	for _, op := range operations {
		got[op.name] = fmt.Sprintf("%s /%s/%s %d %sRequest", op.method, version, op.path, op.status, op.name)
	}
	for name, op := range model.Operations {
		status := op.HTTP.ResponseCode
		if status == 0 {
			status = 200
		}
		want[name] = fmt.Sprintf("%s %s %d %s", op.HTTP.Method, op.HTTP.RequestURI, status, op.Input.Shape)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations (-AWS +ours):\n%s", diff)
	}
}

func readModel(t *testing.T, file string, model any) {
	t.Helper()
	missing := t.Skipf
	if os.Getenv("CI") == "true" {
		missing = t.Fatalf
	}
	dir, err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", findModel).Output()
	if err != nil {
		missing("there is no botocore for /usr/bin/python3: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), file))
	if err != nil {
		missing("this botocore has no model of Elastic Transcoder: %v", err)
	}
	if err := json.Unmarshal(text, model); err != nil {
		t.Fatal(err)
	}
}

type modelShape struct {
	Type, Pattern      string
	Min, Max           int
	Exception          bool
	Required           []string
	Member, Key, Value struct{ Shape string }
	Members            map[string]struct{ Shape, Location string }
}

// String is what the two forms of a shape are compared by.
func (s modelShape) String() string {
	of := s.Member.Shape + s.Value.Shape
	var b strings.Builder
	fmt.Fprintf(&b, "%s %q %d..%d %s %s", s.Type, s.Pattern, s.Min, s.Max, s.Key.Shape, of)
	for _, name := range slices.Sorted(maps.Keys(s.Members)) {
		m := s.Members[name]
		fmt.Fprintf(&b, " %s:%s,%s,%t", name, m.Shape, m.Location, slices.Contains(s.Required, name))
	}
	return b.String()
}

func (s *shape) String() string {
	types := map[kind]string{
		textKind: "string", integerKind: "integer", longKind: "long", listKind: "list", mapKind: "map", structureKind: "structure",
	}
	places := map[place]string{inPath: "uri", inQuery: "querystring"}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %q %d..%d %s %s", types[s.kind], s.pattern, s.min, s.max, s.keyName, s.ofName)
	members := slices.Clone(s.members)
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	for _, m := range members {
		fmt.Fprintf(&b, " %s:%s,%s,%t", m.name, m.shapeName, places[m.place], m.required)
	}
	return b.String()
}

func TestIsWatermarkKey(t *testing.T) {
	tests := map[string]bool{
		"":                                     false,
		".jpg":                                 false,
		"a.jpg":                                true,
		"a.jpeg":                               true,
		"logos/é.png":                          true,
		"a_png":                                true, // the pattern's dot is any character
		"a.gif":                                false,
		"a\n.jpg":                              false,
		strings.Repeat("é", 1020) + ".jpg":     true,
		strings.Repeat("é", 1021) + ".jpg":     false,
		strings.Repeat("é", 1019) + ".jpeg":    true,
		strings.Repeat("é", 1020) + ".jpeg":    false,
		strings.Repeat("a", 1<<20) + ".png":    false,
		"a.JPG":                                false,
		"\xff\xfe.png":                         true, // bad UTF-8 is refused before
		"https://etude.test/x.png?y=a.jpg.png": true,
	}
	for key, want := range tests {
		if got := isWatermarkKey(key); got != want {
			t.Errorf("isWatermarkKey(%.40q) = %t, want %t", key, got, want)
		}
	}
}
