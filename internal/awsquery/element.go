package awsquery

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Element is an element of a reply, with a text or with elements within.
type Element struct {
	Name     string
	Text     string
	Children []Element
}

// Text is an element with a text.
func Text(name, text string) Element { return Element{Name: name, Text: text} }

// Group is an element with others within, which may be none.
func Group(name string, children ...Element) Element {
	return Element{Name: name, Children: children}
}

// write lays the element out as AWS's services do.
func (e *Element) write(b *bytes.Buffer, attributes, indent string) {
	b.WriteString(indent + "<" + e.Name + attributes)
	switch {
	case len(e.Children) > 0:
		b.WriteString(">\n")
		for i := range e.Children {
			e.Children[i].write(b, "", indent+"  ")
		}
		b.WriteString(indent + "</" + e.Name + ">\n")
	case e.Text == "":
		b.WriteString("/>\n")
	default:
		b.WriteString(">" + escape(e.Text) + "</" + e.Name + ">\n")
	}
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\r", "&#xD;")

// escape writes a text, in which what XML cannot hold is replaced.
func escape(text string) string {
	return escaper.Replace(strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD")))
}
