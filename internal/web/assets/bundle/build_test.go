package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// site is a source tree with one borrowed package.
var site = map[string]string{
	"js/site.js":                               `import { greet } from "@scope/greeter"; document.title = greet("you");`,
	"css/site.css":                             "body {\n  color: #112233;\n  background: url(dot.svg);\n}\n",
	"css/dot.svg":                              `<svg xmlns="http://www.w3.org/2000/svg"/>`,
	"node_modules/@scope/greeter/LICENSE":      "Do as you please.",
	"node_modules/@scope/greeter/package.json": `{"name": "@scope/greeter", "main": "lib/index.js"}`,
	"node_modules/@scope/greeter/lib/index.js": `export const greet = (who) => "hello " + who; export const unused = 1;`,
	"dist/.keep":                               "",
}

// tree writes site into a fresh directory, with the given files instead of, or
// beside, its own; an empty content leaves a file out.
func tree(t *testing.T, changes map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	files := maps.Clone(site)
	maps.Copy(files, changes)
	for name, content := range files {
		if content == "" && name != "dist/.keep" {
			continue
		}
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func readManifest(t *testing.T, dir string) map[string]string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "dist", manifestName))
	if err != nil {
		t.Fatal(err)
	}
	var manifest map[string]string
	if err := json.Unmarshal(content, &manifest); err != nil {
		t.Fatal(err)
	}
	return manifest
}

func dist(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "dist"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestBundle(t *testing.T) {
	dir := tree(t, nil)
	if err := run(dir); err != nil {
		t.Fatal(err)
	}

	manifest := readManifest(t, dir)
	if got, want := slices.Sorted(maps.Keys(manifest)), []string{"site.css", "site.js"}; !cmp.Equal(got, want) {
		t.Errorf("manifest names %q, want %q", got, want)
	}
	hashed := regexp.MustCompile(`^site-[A-Z0-9]{8}\.(js|css)$`)
	holds := map[string]string{"site.js": "hello ", "site.css": `url("./dot-`}
	for name, file := range manifest {
		if !hashed.MatchString(file) {
			t.Errorf("%s is written to %q, want a name with a hash", name, file)
		}
		content, err := os.ReadFile(filepath.Join(dir, "dist", file))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(content), holds[name]) {
			t.Errorf("%s has no %q in it: %s", name, holds[name], content)
		}
	}
	got, err := os.ReadFile(filepath.Join(dir, "dist", "licenses.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("@scope/greeter\n\nDo as you please.\n\n", string(got)); diff != "" {
		t.Errorf("licences (-want +got):\n%s", diff)
	}
}

func TestBundleReplacesAnEarlierOne(t *testing.T) {
	dir := tree(t, nil)
	if err := run(dir); err != nil {
		t.Fatal(err)
	}
	first, names := readManifest(t, dir), dist(t, dir)

	if err := run(dir); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(names, dist(t, dir)); diff != "" {
		t.Errorf("the same sources gave other files (-first +second):\n%s", diff)
	}

	changed := `document.title = "changed";`
	if err := os.WriteFile(filepath.Join(dir, "js/site.js"), []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(dir); err != nil {
		t.Fatal(err)
	}
	now := readManifest(t, dir)
	if now["site.js"] == first["site.js"] {
		t.Errorf("site.js changed and is still %q", now["site.js"])
	}
	if now["site.css"] != first["site.css"] {
		t.Errorf("site.css did not change and went from %q to %q", first["site.css"], now["site.css"])
	}
	if names := dist(t, dir); slices.Contains(names, first["site.js"]) || !slices.Contains(names, ".keep") {
		t.Errorf("dist holds %q, want .keep and not the old %s", names, first["site.js"])
	}
}

func TestBundleRefuses(t *testing.T) {
	tests := []struct {
		name    string
		changes map[string]string
		want    string
	}{
		{"a script that does not parse", map[string]string{"js/site.js": "let = ;"}, `js/site.js:1:7: Unexpected ";"`},
		{"a package that is not installed", map[string]string{"js/site.js": `import "absent";`}, `Could not resolve "absent"`},
		{"no styles", map[string]string{"css/site.css": ""}, `Could not resolve "css/site.css"`},
		{"a package without a licence", map[string]string{"node_modules/@scope/greeter/LICENSE": ""}, "find licence of node_modules/@scope/greeter"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := tree(t, tt.changes)
			err := run(dir)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
			if got, want := dist(t, dir), []string{".keep"}; !cmp.Equal(got, want) {
				t.Errorf("a failed build left %q in dist, want %q", got, want)
			}
		})
	}
}
