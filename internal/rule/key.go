package rule

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"etude/internal/transcode"
)

// Object is an object as a rule sees it.
type Object struct {
	transcode.ObjectRef
	VersionID string
	ETag      string
}

// id is the same for the same version of an object, and another one for each
// other: short, of lower-case letters and digits.
func (o Object) id() string {
	version := "v" + o.VersionID
	if o.VersionID == "" {
		version = "e" + o.ETag
	}
	return digest(o.Bucket, o.Key, version)[:12]
}

func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil)))
}

// Placeholders are what a key pattern may have in braces, each with what takes
// its place. Braces that are meant are doubled. What takes a place is never
// looked at for placeholders again, whatever is in the object's key.
//
// Of the key media/live/01 Intro.mp3, under a rule with the prefix media/:
var Placeholders = []struct{ Name, Meaning string }{
	{"name", "the last part of the key without its ending: 01 Intro"},
	{"file", "the last part of the key: 01 Intro.mp3"},
	{"dir", "the folders between the rule's prefix and the last part: live; a slash that follows an empty one is left out"},
	{"id", "12 letters and digits, the same for the same version of the object: a key with it is never taken by another one"},
	{"ext", "the ending that files of the output's preset have: flac"},
}

// piece is a part of a pattern: literal text, or a placeholder.
type piece struct {
	text  string
	place bool
}

func parsePattern(pattern string) ([]piece, error) {
	var pieces []piece
	var text strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case (c == '{' || c == '}') && strings.HasPrefix(pattern[i+1:], string(c)):
			text.WriteByte(c)
			i++
		case c == '}':
			return nil, fmt.Errorf("key pattern %.100q has a } without a {; to mean a brace, write it twice", pattern)
		case c == '{':
			name, _, closed := strings.Cut(pattern[i+1:], "}")
			if !closed {
				return nil, fmt.Errorf("key pattern %.100q has a { without a }; to mean a brace, write it twice", pattern)
			}
			if !isPlaceholder(name) {
				return nil, fmt.Errorf("key pattern %.100q: there is no {%.40s}; there are %s", pattern, name, placeholderNames())
			}
			pieces = append(pieces, piece{text: text.String()}, piece{name, true})
			text.Reset()
			i += len(name) + 1
		default:
			text.WriteByte(c)
		}
	}
	return append(pieces, piece{text: text.String()}), nil
}

func isPlaceholder(name string) bool {
	for _, p := range Placeholders {
		if p.Name == name {
			return true
		}
	}
	return false
}

func placeholderNames() string {
	var names []string
	for _, p := range Placeholders {
		names = append(names, "{"+p.Name+"}")
	}
	return strings.Join(names, ", ")
}

// checkPattern finds what is wrong with a pattern. One that gives every object
// the same key is: nothing is ever overwritten.
func checkPattern(pattern string) error {
	if pattern == "" || len(pattern) > maxPattern || !utf8.ValidString(pattern) {
		return fmt.Errorf("key pattern %.100q: it must have 1 to %d bytes of UTF-8", pattern, maxPattern)
	}
	pieces, err := parsePattern(pattern)
	if err != nil {
		return err
	}
	for _, p := range pieces {
		if p.place && p.text != "dir" && p.text != "ext" {
			return nil
		}
	}
	return fmt.Errorf("key pattern %.100q gives all objects the same key, and nothing is ever overwritten: put {name}, {file} or {id} into it", pattern)
}

// maxPart is how many bytes an output's key has between two slashes at the
// most, so that every store can keep it as a file.
const maxPart = 220

// outputKey makes an output's key, without the rule's prefix of them. Where it
// would be too long for a key, or its last part for a name, {name} and {file}
// are cut, and then {dir}; a mark that no other object has tells that.
func (r *Rule) outputKey(pattern string, o Object, ext string) (string, error) {
	pieces, err := parsePattern(pattern)
	if err != nil {
		return "", err
	}
	dir, file := path.Split(strings.TrimPrefix(o.Key, r.Prefix))
	dir = strings.TrimSuffix(dir, "/")
	name := stem(file)
	mark := "~" + o.id()[:8]
	for range 3 {
		key := fill(pieces, map[string]string{"name": name, "file": file, "dir": dir, "id": o.id(), "ext": ext})
		tooLong := len(r.OutputKeyPrefix) + len(key) - maxKey
		if long := len(path.Base("/"+key)) - maxPart; long > tooLong {
			tooLong = long
		}
		switch {
		case key == "" || strings.HasSuffix(key, "/"):
			return "", fmt.Errorf("key pattern %.100q makes %.100q of %.100q, which is no file's key", pattern, key, o.Key)
		case tooLong <= 0:
			return key, nil
		case len(name) > len(mark)+1 && !strings.HasSuffix(name, mark):
			file = shorten(file, len(file)-tooLong-len(mark)) + mark
			name = shorten(name, len(name)-tooLong-len(mark)) + mark
		default:
			dir = shorten(dir, len(dir)-tooLong-len(mark)) + mark
		}
	}
	return "", fmt.Errorf("key pattern %.100q makes a key of more than %d bytes of %.100q", pattern, maxKey, o.Key)
}

// stem is a file's name without its ending. A dot at the beginning or the end
// is part of the name.
func stem(file string) string {
	ext := path.Ext(file)
	if ext == file || ext == "." {
		return file
	}
	return strings.TrimSuffix(file, ext)
}

// fill puts values into the places.
func fill(pieces []piece, values map[string]string) string {
	var b strings.Builder
	for i, p := range pieces {
		text := p.text
		switch {
		case p.place:
			text = values[p.text]
		case i > 0 && pieces[i-1].text == "dir" && values["dir"] == "":
			text = strings.TrimPrefix(text, "/")
		}
		b.WriteString(text)
	}
	return b.String()
}

// shorten cuts s to at most n bytes and at least one character, between two
// characters.
func shorten(s string, n int) string {
	n = max(n, 1)
	for n < len(s) && n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	if n >= len(s) {
		return s
	}
	return s[:n]
}

// ends returns what all keys of an output begin and end with, as far as that is
// known before an object is.
func (r *Rule) ends(o Output, ext string) (first, last string) {
	pieces, err := parsePattern(o.KeyPattern)
	if err != nil {
		return r.OutputKeyPrefix, ""
	}
	for i, p := range pieces {
		if p.place && p.text == "ext" {
			pieces[i] = piece{text: ext}
		}
	}
	var begin, end strings.Builder
	begin.WriteString(r.OutputKeyPrefix)
	places := 0
	for _, p := range pieces {
		switch {
		case p.place:
			places++
			end.Reset()
			continue
		case places == 0:
			begin.WriteString(p.text)
		}
		end.WriteString(p.text)
	}
	return begin.String(), end.String()
}

// Ending returns the usual ending of the files that a preset makes, without a
// dot.
func Ending(p *transcode.Preset) string {
	switch {
	case p.Container == "mp4" && p.Video == nil:
		return "m4a"
	case p.Container == "fmp4":
		return "mp4"
	case p.Container == "ogg" || p.Container == "oga":
		return "ogg"
	}
	return p.Container
}
