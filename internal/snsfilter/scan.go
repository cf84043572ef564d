package snsfilter

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// token is one of JSON. SNS reads policies with the Java library Jackson, which
// reads ahead by different lengths; errors tell how far it had got, so that is
// kept here: see parser.errorf.
type token struct {
	kind       kind
	text       string // of names, strings and numbers
	begin, end int    // in bytes of the policy
}

type kind byte

const (
	objectBegin kind = '{'
	objectEnd   kind = '}'
	arrayBegin  kind = '['
	arrayEnd    kind = ']'
	name        kind = 'k'
	text_       kind = 's'
	number      kind = 'n'
	boolean     kind = 'b'
	null        kind = '0'
)

// scan returns the tokens of a JSON text.
func scan(text string) ([]token, error) {
	if err := json.Unmarshal([]byte(text), new(json.RawMessage)); err != nil {
		return nil, syntaxError(text, err)
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var all []token
	var objects []bool // for each object and array we are in, whether it is an object
	key := false       // a string would be a name
	for at := 0; ; {
		raw, err := d.Token()
		if err != nil { // the end: nothing else is wrong with it
			return all, nil
		}
		t := token{end: int(d.InputOffset())}
		t.begin = t.end - len(strings.TrimLeft(text[at:t.end], " \t\r\n,:"))
		at = t.end
		t.kind, t.text = classify(raw, key)
		switch t.kind {
		case objectBegin, arrayBegin:
			objects = append(objects, t.kind == objectBegin)
		case objectEnd, arrayEnd:
			objects = objects[:len(objects)-1]
		}
		key = len(objects) > 0 && objects[len(objects)-1] && t.kind != name
		all = append(all, t)
	}
}

func classify(raw json.Token, key bool) (kind, string) {
	switch raw := raw.(type) {
	case json.Delim:
		return kind(raw), string(raw)
	case json.Number:
		return number, raw.String()
	case bool:
		return boolean, strconv.FormatBool(raw)
	case string:
		if key {
			return name, raw
		}
		return text_, raw
	}
	return null, "null"
}

// syntaxError says where it is no JSON.
func syntaxError(text string, err error) error {
	at := len(text)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && syntax.Offset > 0 && int(syntax.Offset) < at {
		at = int(syntax.Offset) - 1
	}
	return fmt.Errorf("FilterPolicy: failed to parse JSON. %w%s", err, location(text, at))
}

// location is how SNS ends what it says of a place in a policy.
func location(text string, at int) string {
	before := text[:min(at, len(text))]
	line := 1 + strings.Count(before, "\n")
	column := 1 + len(utf16.Encode([]rune(before[strings.LastIndexByte(before, '\n')+1:])))
	return fmt.Sprintf("\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: %d, column: %d]", line, column)
}
