package web

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// document is a parsed page or part of one.
type document struct {
	t    testing.TB
	root *html.Node
}

func parse(t testing.TB, text string) *document {
	t.Helper()
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return &document{t, root}
}

// all returns the elements that a selector finds: compounds of tag, #id, .class
// and [attribute=value], with spaces for descent and none inside.
func (d *document) all(selector string) []*html.Node {
	found := []*html.Node{d.root}
	for compound := range strings.FieldsSeq(selector) {
		var next []*html.Node
		for _, from := range found {
			for n := range from.Descendants() {
				if fits(n, compound) && !slices.Contains(next, n) {
					next = append(next, n)
				}
			}
		}
		found = next
	}
	return found
}

// fits reports whether an element is what one compound asks for.
func fits(n *html.Node, compound string) bool {
	if n.Type != html.ElementNode {
		return false
	}
	compound, attrs, _ := strings.Cut(compound, "[")
	for attr := range strings.SplitSeq(attrs, "[") {
		name, value, valued := strings.Cut(strings.TrimSuffix(attr, "]"), "=")
		got, there := attribute(n, name)
		if name != "" && (!there || valued && got != value) {
			return false
		}
	}
	compound, class, _ := strings.Cut(compound, ".")
	if class != "" {
		got, _ := attribute(n, "class")
		for want := range strings.SplitSeq(class, ".") {
			if !slices.Contains(strings.Fields(got), want) {
				return false
			}
		}
	}
	tag, id, _ := strings.Cut(compound, "#")
	if got, _ := attribute(n, "id"); id != "" && got != id {
		return false
	}
	return tag == "" || tag == n.Data
}

func attribute(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// text returns an element's words with single spaces.
func text(n *html.Node) string {
	var words []string
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			words = append(words, strings.Fields(d.Data)...)
		}
	}
	return strings.Join(words, " ")
}

// has checks that the selector finds an element with the words in it.
func (d *document) has(selector, words string) {
	d.t.Helper()
	found := d.all(selector)
	for _, n := range found {
		if strings.Contains(text(n), words) {
			return
		}
	}
	var got []string
	for _, n := range found {
		got = append(got, text(n))
	}
	d.t.Errorf("%s: no element with %q among %d: %q", selector, words, len(found), got)
}

// count checks how many elements the selector finds.
func (d *document) count(selector string, want int) {
	d.t.Helper()
	if got := len(d.all(selector)); got != want {
		d.t.Errorf("%s: found %d elements, want %d", selector, got, want)
	}
}

// value returns an attribute of the only element that the selector finds.
func (d *document) value(selector, name string) string {
	d.t.Helper()
	found := d.all(selector)
	if len(found) != 1 {
		d.t.Fatalf("%s: found %d elements, want 1", selector, len(found))
	}
	v, ok := attribute(found[0], name)
	if !ok {
		d.t.Errorf("%s has no %s", selector, name)
	}
	return v
}

// fields are what a browser would send of the only form that the selector
// finds.
func (d *document) fields(selector string) url.Values {
	d.t.Helper()
	found := d.all(selector)
	if len(found) != 1 {
		d.t.Fatalf("%s: found %d forms, want 1", selector, len(found))
	}
	values := url.Values{}
	for n := range found[0].Descendants() {
		name, named := attribute(n, "name")
		if !named || n.Type != html.ElementNode || n.Data == "button" {
			continue
		}
		value, _ := attribute(n, "value")
		switch n.Data {
		case "select":
			for _, o := range (&document{d.t, n}).all("option[selected]") {
				chosen, _ := attribute(o, "value")
				values.Add(name, chosen)
			}
		case "textarea":
			if n.FirstChild != nil {
				values.Add(name, n.FirstChild.Data)
			}
		default:
			if _, checked := attribute(n, "checked"); checked || !fits(n, "[type=checkbox]") {
				values.Add(name, value)
			}
		}
	}
	return values
}
