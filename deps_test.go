// Package etude_test holds what is true of the repository as a whole: which
// package may know which, that each says what it is for, and what no file may
// give away. It reads sources only, and knows nothing of what they do.
package etude_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "etude"

// mayImport lists, for each package below internal, which others of ours it may
// know.
var mayImport = map[string][]string{
	// The domains: plain Go, none knows another.
	"account":   {"seal"},
	"event":     {"s3event"},
	"hook":      {"snsmsg", "snsmsg/verify"},
	"inbox":     {"watch"},
	"notify":    {"snsfilter", "snsmsg"},
	"transcode": {"manifest", "watch"},
	// Rules ask for jobs, and are about nothing else: they stand on that domain.
	"rule":     {"s3event", "transcode"},
	"rulefile": {"rule", "transcode"},

	// The transports.
	"edge":   {"sigv4"},
	"etapi":  {"transcode", "account", "awsauth", "sigv4"},
	"listen": {"account", "notify", "sigv4"},
	"snsapi": {"notify", "account", "awsquery"},
	"stsapi": {"account", "awsquery"},
	"web":    {"transcode", "notify", "account", "hook", "inbox", "rule", "s3event", "snsmsg", "snsmsg/verify"},

	"awslambda": {"rule", "s3event", "transcode"},

	// The adapters.
	"courier":     {"notify", "outbound", "snsmsg"},
	"objectstore": {"transcode", "event", "s3event"},
	"queue":       {"transcode", "notify", "event"},
	"sqssource":   {"s3event"},
	"sqlstore":    {"transcode", "notify", "signkey", "account", "event", "hook", "inbox", "rule", "s3event"},
	"ffmpeg":      {"audiofile", "confine", "manifest", "measure", "transcode"},

	// Leaves and build tools.
	"confine":           nil,
	"awsauth":           {"account", "sigv4"},
	"awsquery":          {"account", "awsauth", "sigv4"},
	"audiofile":         nil,
	"manifest":          nil,
	"outbound":          nil,
	"s3event":           nil,
	"seal":              nil,
	"measure":           nil,
	"sigv4":             nil,
	"signkey":           {"seal", "snsmsg"},
	"snsfilter":         nil,
	"snsmsg":            nil,
	"snsmsg/verify":     {"snsmsg"},
	"tune":              nil,
	"watch":             nil,
	"web/assets/bundle": nil,
}

// onlyIn lists, for what we borrow, the packages below internal that may touch
// it. A row covers the packages below it too.
var onlyIn = map[string][]string{
	"database/sql": {"sqlstore", "queue"},
	"net/http":     {"awsauth", "awsquery", "courier", "edge", "etapi", "hook", "listen", "notify", "objectstore", "outbound", "signkey", "sigv4", "snsapi", "snsmsg", "snsmsg/verify", "stsapi", "web"},
	"os/exec":      {"ffmpeg"},
	"testing":      nil,

	"github.com/aws/aws-sdk-go-v2/feature/s3":  {"objectstore"},
	"github.com/aws/aws-sdk-go-v2/service/s3":  {"objectstore"},
	"github.com/aws/aws-sdk-go-v2/service/sns": {"courier"},
	"github.com/aws/aws-sdk-go-v2/service/sqs": {"courier", "sqssource"},
	"github.com/wneessen/go-mail":              {"courier"},
	"github.com/evanw/esbuild":                 {"web/assets/bundle"},
	"github.com/jackc/pgx/v5":                  {"queue", "sqlstore"},
	"github.com/mewkiz/flac":                   {"ffmpeg"},
	"github.com/riverqueue/river":              {"queue"},
	"github.com/versity/versitygw":             {"objectstore"},
	"gonum.org/v1/gonum":                       {"measure"},
	"modernc.org/sqlite":                       {"sqlstore"},
}

// TestImports keeps the arrows of ARCHITECTURE.md. It reads the sources itself:
// what "go list" reads, the test cache does not see, and a broken arrow would
// pass as cached. Tests, and packages named ...test that help them, are free.
func TestImports(t *testing.T) {
	unseen := maps.Clone(mayImport)
	for _, file := range goFiles(t, "internal") {
		pkg := strings.TrimPrefix(path.Dir(file), "internal/")
		if strings.HasSuffix(file, "_test.go") || strings.HasSuffix(pkg, "test") {
			continue
		}
		delete(unseen, pkg)
		if _, known := mayImport[pkg]; !known {
			t.Errorf("%s: package %s has no row in mayImport", file, pkg)
			continue
		}
		for _, imp := range imports(t, file) {
			if why := refuse(pkg, imp); why != "" {
				t.Errorf("%s: %s imports %s; %s", file, pkg, imp, why)
			}
		}
	}
	for pkg := range unseen {
		t.Errorf("mayImport has a row for %s, which is no package", pkg)
	}
}

// refuse says why pkg, below internal, may not import imp; it is empty if it may.
func refuse(pkg, imp string) string {
	if dep, ours := strings.CutPrefix(imp, module+"/"); ours {
		dep, within := strings.CutPrefix(dep, "internal/")
		if !within || !slices.Contains(mayImport[pkg], dep) {
			return "of ours it may import " + strconv.Quote(strings.Join(mayImport[pkg], " "))
		}
		return ""
	}
	for lib, users := range onlyIn {
		if (imp == lib || strings.HasPrefix(imp, lib+"/")) && !slices.Contains(users, pkg) {
			return "that is for " + strconv.Quote(strings.Join(users, " "))
		}
	}
	return ""
}

func TestRefuse(t *testing.T) {
	tests := []struct {
		pkg, imp string
		refused  bool
	}{
		{"etapi", "etude/internal/transcode", false},
		{"etapi", "etude/internal/web", true},
		{"sqlstore", "etude/internal/queue", true},
		{"transcode", "etude/internal/notify", true},
		{"web", "etude/cmd/etude", true},
		{"queue", "etude/internal/sqlstore/sqlstoretest", true},
		{"queue", "github.com/riverqueue/river/riverdriver", false},
		{"web", "github.com/riverqueue/river", true},
		{"ffmpeg", "net/http", true},
		{"transcode", "context", false},
	}
	for _, tt := range tests {
		if why := refuse(tt.pkg, tt.imp); (why != "") != tt.refused {
			t.Errorf("%s importing %s: got %q, want it refused: %t", tt.pkg, tt.imp, why, tt.refused)
		}
	}
}

// imports are the import paths of a Go file.
func imports(t *testing.T, file string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, spec := range f.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, imp)
	}
	return paths
}

// goFiles are the module's Go files in dir and below.
func goFiles(t *testing.T, dir string) []string {
	t.Helper()
	return slices.DeleteFunc(files(t, dir), func(file string) bool {
		return path.Ext(file) != ".go" || strings.HasPrefix(file, "tools/") || strings.Contains(file, "/testdata/")
	})
}

// files are the regular files in dir and below that people wrote: not what was
// installed, built, or left by a run.
func files(t *testing.T, dir string) []string {
	t.Helper()
	made := []string{".git", "bin", "demo-out", "dist", "etude-data", "node_modules"}
	var found []string
	err := fs.WalkDir(os.DirFS("."), dir, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(made, d.Name()):
			return fs.SkipDir
		case d.Name() == ".git": // a worktree has a file
		case d.Type().IsRegular():
			found = append(found, file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
