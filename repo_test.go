package etude_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPackageComments asks every package for a comment in the usual form. A
// directory that has nothing but tests says in one of those what they are for.
func TestPackageComments(t *testing.T) {
	type dir struct{ code, tests []string }
	dirs := map[string]*dir{}
	for _, file := range goFiles(t, ".") {
		d := dirs[path.Dir(file)]
		if d == nil {
			d = &dir{}
			dirs[path.Dir(file)] = d
		}
		if strings.HasSuffix(file, "_test.go") {
			d.tests = append(d.tests, file)
		} else {
			d.code = append(d.code, file)
		}
	}
	for name, d := range dirs {
		files := d.code
		if len(files) == 0 {
			files = d.tests
		}
		comments := 0
		for _, file := range files {
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc == nil {
				continue
			}
			comments++
			if want := opening(f); !strings.HasPrefix(f.Doc.Text(), want) {
				t.Errorf("%s: the package comment does not begin with %q", file, want)
			}
		}
		if comments != 1 {
			t.Errorf("%s: %d files have a package comment, want 1", name, comments)
		}
	}
}

// opening is how a file's package comment has to begin.
func opening(f *ast.File) string {
	if f.Name.Name == "main" {
		return "Command "
	}
	return "Package " + f.Name.Name + " "
}

// homes finds paths into somebody's home or working directory. The brackets keep
// it from finding itself.
var homes = regexp.MustCompile(`(^|[^\w./~$}-])/([h]ome/\w|[U]sers/\w|[r]oot/|[w]ork/)`)

// TestNoPathsOfOneMachine keeps out what works, or makes sense, only on the
// machine where it was written.
func TestNoPathsOfOneMachine(t *testing.T) {
	for _, file := range files(t, ".") {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(content, 0) >= 0 {
			continue // not text
		}
		for i, line := range strings.Split(string(content), "\n") {
			if m := homes.FindString(line); m != "" {
				t.Errorf("%s:%d: %q leads into one machine's directories", file, i+1, strings.TrimSpace(line))
			}
		}
	}
}

func TestHomes(t *testing.T) {
	// Put together here, for the same reason as the brackets.
	tests := map[string]bool{
		"/" + "root/x":                     true,
		`dir: "/` + `home/ada/etude"`:      true,
		"(/" + "Users/ada)":                true,
		"see /" + "work/main":              true,
		"https://example.com/" + "work/it": false,
		"$HOME/" + "work/x":                false,
		"./" + "root/":                     false,
		"/var/lib/etude":                   false,
	}
	for line, want := range tests {
		if got := homes.MatchString(line); got != want {
			t.Errorf("%q: got %t, want %t", line, got, want)
		}
	}
}

// TestLockFilesNameNoHost lets everybody install from the registry that their
// own npm is set to, and no other.
func TestLockFilesNameNoHost(t *testing.T) {
	locks := slices.DeleteFunc(files(t, "."), func(file string) bool { return path.Base(file) != "package-lock.json" })
	if want := []string{"e2e/js/package-lock.json", "internal/web/assets/package-lock.json"}; !slices.Equal(locks, want) {
		t.Errorf("the lock files are %q, want %q", locks, want)
	}
	for _, file := range locks {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(content, []byte(`"integrity"`)) {
			t.Errorf("%s: no package has its hash", file)
		}
		for i, line := range strings.Split(string(content), "\n") {
			if strings.Contains(line, `"resolved"`) {
				t.Errorf("%s:%d: %s", file, i+1, strings.TrimSpace(line))
			}
		}
	}
}
