package web

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	maxName      = 180 // bytes of a file's name; what is made of it may add a few
	maxExtension = 20  // bytes, with the dot; more is no extension
	noName       = "file"
)

// safeName makes of what a browser calls a file a name that is fit for a part
// of a key and for any file system: the last element of a path of whatever
// system, valid UTF-8 in NFC, without control characters and those that turn
// the direction of writing, of 1 to 180 bytes with the extension kept, and
// neither "." nor "..". A name that is one already stays as it is.
func safeName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.ToValidUTF8(name, "_")
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
			return -1
		}
		return r
	}, name)
	name = shorten(strings.TrimSpace(norm.NFC.String(name)))
	if name == "" || name == "." || name == ".." {
		return noName
	}
	return name
}

// shorten cuts a name before its extension.
func shorten(name string) string {
	if len(name) <= maxName {
		return name
	}
	ext := path.Ext(name)
	if len(ext) > maxExtension {
		ext = ""
	}
	return strings.TrimSpace(cut(name[:len(name)-len(ext)], maxName-len(ext)) + ext)
}

// cut returns the first n bytes of s, or less to end with a whole rune.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// stem returns a safe name without its extension; it is never empty.
func stem(name string) string {
	if s := strings.TrimSpace(strings.TrimSuffix(name, path.Ext(name))); s != "" {
		return s
	}
	return noName
}
