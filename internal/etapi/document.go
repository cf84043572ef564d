package etapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// document is a JSON object as it came, or the members of a request as they
// will be checked. Its methods are for what has been checked: a member that is
// absent or null reads as the zero value.
type document map[string]any

// parseBody reads the body of a request. Absent, empty, null and {} are the
// same. Of a name that comes twice the last one counts.
func parseBody(body []byte) (document, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return document{}, nil
	}
	if !utf8.Valid(body) {
		return nil, serialization("The request body is not valid UTF-8.")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, serialization("The request body ends within its JSON.")
		}
		return nil, serialization("The request body is not valid JSON: %v.", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, serialization("The request body has more than one JSON value.")
	}
	switch v := v.(type) {
	case nil:
		return document{}, nil
	case map[string]any:
		return v, nil
	}
	return nil, wrongType("request", "a structure", v)
}

func (d document) text(name string) string {
	s, _ := d[name].(string)
	return s
}

// textOrNil tells an empty text from none.
func (d document) textOrNil(name string) *string {
	s, ok := d[name].(string)
	if !ok {
		return nil
	}
	return &s
}

// structure returns nil if there is none.
func (d document) structure(name string) document {
	m, _ := d[name].(map[string]any)
	return m
}

// has tells a list or structure that is there, and may be empty, from none.
func (d document) has(name string) bool { return d[name] != nil }

// list returns a list of strings, nil if there is none.
func (d document) list(name string) (texts []string) {
	items, _ := d[name].([]any)
	for _, item := range items {
		t, _ := item.(string)
		texts = append(texts, t)
	}
	return texts
}

// structures returns a list of structures.
func (d document) structures(name string) []document {
	items, _ := d[name].([]any)
	list := make([]document, 0, len(items))
	for _, item := range items {
		m, _ := item.(map[string]any)
		list = append(list, m)
	}
	return list
}

// texts returns a map of strings, nil if there is none.
func (d document) texts(name string) map[string]string {
	m, ok := d[name].(map[string]any)
	if !ok {
		return nil
	}
	texts := make(map[string]string, len(m))
	for k, v := range m {
		texts[k], _ = v.(string)
	}
	return texts
}

// given reports whether a member says anything: null, an empty list and a
// structure of such members do not.
func (d document) given(name string) bool {
	switch v := d[name].(type) {
	case nil:
		return false
	case []any:
		return len(v) > 0
	case map[string]any:
		for inner := range v {
			if document(v).given(inner) {
				return true
			}
		}
		return false
	}
	return true
}

// wrongType is the answer to JSON of another type than the shape at a path.
// The text for objects is the one that Elastic Transcoder was seen to answer.
func wrongType(at, want string, v any) error {
	token := "NULL_VALUE"
	switch v := v.(type) {
	case map[string]any:
		return serialization("Start of structure or map found where not expected.")
	case []any:
		return serialization("Start of list found where not expected at '%s'.", at)
	case string:
		token = "STRING_VALUE"
	case json.Number:
		token = "NUMBER_VALUE"
	case bool:
		token = map[bool]string{true: "TRUE_VALUE", false: "FALSE_VALUE"}[v]
	}
	return serialization("%s can not be converted to %s at '%s'.", token, want, at)
}

func serialization(format string, args ...any) error {
	return &apiError{exception: serializationException, message: fmt.Sprintf(format, args...)}
}
