// Package transcodetest holds what is true of everything that people are told of
// jobs, for the tests of those who say it. It knows nothing of how a job fails.
package transcodetest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"etude/internal/transcode"
)

// codes are those of jobs that have failed: "Error Codes" in Elastic
// Transcoder's developer guide.
var codes = [][2]int{{1000, 1001}, {2000, 2000}, {3000, 3006}, {4000, 4026}, {4100, 4106}, {9000, 9001}, {9999, 9999}}

// CheckFailure wants a failure to be one of Elastic Transcoder's, and to say what
// is wrong, and what can be done, in words for the person who uploaded the file.
func CheckFailure(t testing.TB, f *transcode.Failure) {
	t.Helper()
	if !slices.ContainsFunc(codes, func(c [2]int) bool { return c[0] <= f.Code && f.Code <= c[1] }) {
		t.Errorf("code %d is none of Elastic Transcoder's: %+v", f.Code, f)
	}
	if !strings.HasSuffix(f.Detail, ".") {
		t.Errorf("code %d: the detail is no sentence: %q", f.Code, f.Detail)
	}
	CheckSentence(t, f.Reason)
	CheckSentence(t, f.Remedy)
}

// jargon is what only we understand, or what is nobody's business.
var jargon = regexp.MustCompile(`(?i)\b(ff(mpeg|probe)|lib[a-z0-9]+_\w+|libav\w*|demux\w*|mux\w*|stderr|exit status|signal \w+|errno|nil|null|panic|goroutine|context canceled|EOF)\b|%!|\bfile:|(^|\s)/\w|0x[0-9a-f]|pcm_|_pipe`)

// CheckSentence wants one sentence for people.
func CheckSentence(t testing.TB, s string) {
	t.Helper()
	first, _ := utf8.DecodeRuneInString(s)
	body := strings.TrimSuffix(s, ".")
	switch {
	case !unicode.IsUpper(first) && !unicode.IsDigit(first):
		t.Errorf("it begins in the middle: %q", s)
	case body == s || strings.HasSuffix(body, ".") || strings.ContainsAny(s, "\n\r\t"):
		t.Errorf("it is not a sentence with a full stop: %q", s)
	case secondSentence.MatchString(body):
		t.Errorf("it is more than one sentence: %q", s)
	case len(s) > 250:
		t.Errorf("it is too long to be read: %q", s)
	case jargon.MatchString(s):
		t.Errorf("nobody understands %q in %q", jargon.FindString(s), s)
	}
}

var secondSentence = regexp.MustCompile(`[.!?] +\p{Lu}`)

// Sentences returns the sentences in the sources of a package: what ends in a
// full stop and has several words. They are regular expressions for the whole of
// what comes of them, by where they stand.
func Sentences(t testing.TB, dir string) map[string][]string {
	t.Helper()
	return sentencesOf(declarations(t, dir), func(string) bool { return true })
}

// FailureSentences returns those that are said when something fails: in functions
// that make a Failure or call one which does, and in what these name that is no
// function.
func FailureSentences(t testing.TB, dir string) map[string][]string {
	t.Helper()
	all := declarations(t, dir)
	makers := map[string]bool{}
	for name, nodes := range all {
		makers[name] = slices.ContainsFunc(nodes, makesFailure)
	}
	said := maps.Clone(makers)
	for name, nodes := range all {
		said[name] = said[name] || slices.ContainsFunc(nodes, func(n ast.Node) bool { return isFunc(n) && uses(n, makers) })
	}
	return sentencesOf(all, func(name string) bool {
		if said[name] || isFunc(all[name][0]) {
			return said[name]
		}
		for by, nodes := range all {
			if said[by] && slices.ContainsFunc(nodes, func(n ast.Node) bool { return uses(n, map[string]bool{name: true}) }) {
				return true
			}
		}
		return false
	})
}

func sentencesOf(all map[string][]ast.Node, in func(name string) bool) map[string][]string {
	found := map[string][]string{}
	for name, nodes := range all {
		if !in(name) {
			continue
		}
		for _, node := range nodes {
			found[name] = append(found[name], sentences(node)...)
		}
	}
	return found
}

func isFunc(node ast.Node) bool {
	_, is := node.(*ast.FuncDecl)
	return is
}

// declarations are what the sources of a package declare, but for types, by name.
// Methods of several types may have one name.
func declarations(t testing.TB, dir string) map[string][]ast.Node {
	t.Helper()
	all := map[string][]ast.Node{}
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no sources in %q: %v", dir, err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			for name, node := range named(decl) {
				all[name] = append(all[name], node)
			}
		}
	}
	return all
}

func named(decl ast.Decl) map[string]ast.Node {
	if f, ok := decl.(*ast.FuncDecl); ok {
		return map[string]ast.Node{f.Name.Name: f}
	}
	all := map[string]ast.Node{}
	for _, spec := range decl.(*ast.GenDecl).Specs {
		if v, ok := spec.(*ast.ValueSpec); ok {
			for _, name := range v.Names {
				all[name.Name] = v
			}
		}
	}
	return all
}

func makesFailure(node ast.Node) bool {
	return contains(node, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return false
		}
		switch of := lit.Type.(type) {
		case *ast.Ident:
			return of.Name == "Failure" && len(lit.Elts) > 0
		case *ast.SelectorExpr:
			return of.Sel.Name == "Failure" && len(lit.Elts) > 0
		}
		return false
	})
}

func uses(node ast.Node, names map[string]bool) bool {
	return contains(node, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		return ok && names[id.Name]
	})
}

func contains(node ast.Node, is func(ast.Node) bool) (found bool) {
	ast.Inspect(node, func(n ast.Node) bool {
		found = found || n != nil && is(n)
		return !found
	})
	return found
}

func sentences(node ast.Node) (found []string) {
	ast.Inspect(node, func(n ast.Node) bool {
		expr, ok := n.(ast.Expr)
		if !ok {
			return true
		}
		text, ok := joined(expr)
		if !ok {
			return true
		}
		if strings.HasSuffix(text, ".") && strings.Contains(text, " ") {
			found = append(found, "^"+verb.ReplaceAllString(regexp.QuoteMeta(text), ".*")+"$")
		}
		return false
	})
	return found
}

var verb = regexp.MustCompile(`%[\\.0-9]*[a-z]`)

// joined is a string with all that is added to it; what is no literal becomes a
// verb.
func joined(expr ast.Expr) (text string, ok bool) {
	switch e := expr.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		left, isLeft := joined(e.X)
		right, isRight := joined(e.Y)
		if e.Op != token.ADD || !isLeft && !isRight {
			return "", false
		}
		if !isLeft {
			left = "%v"
		}
		if !isRight {
			right = "%v"
		}
		return left + right, true
	}
	return "", false
}

// CheckAllSaid wants each of the Sentences of a package to have been said: so
// that a new one is not forgotten.
func CheckAllSaid(t testing.TB, sentences map[string][]string, said []string) {
	t.Helper()
	for where, all := range sentences {
		for _, s := range all {
			is := regexp.MustCompile("(?s)" + s)
			if !slices.ContainsFunc(said, is.MatchString) {
				t.Errorf("%s says what no test has heard: %s", where, s)
			}
		}
	}
}
