// Package rulefile reads rules as people write them down: in YAML, with the line
// of whatever is wrong. It knows no rule of theirs, and looks nothing up.
package rulefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"etude/internal/rule"
	"etude/internal/transcode"
)

// maxSize is more bytes than anybody writes by hand.
const maxSize = 1 << 20

// File is what a file says. Owners are as they are written: e-mail addresses.
type File struct {
	Rules []rule.Rule
	Lines []int // where each begins
}

type ruleYAML struct {
	Name            string            `yaml:"name"`
	Bucket          string            `yaml:"bucket"`
	Prefix          string            `yaml:"prefix"`
	Suffixes        []string          `yaml:"suffixes"`
	Pipeline        string            `yaml:"pipeline"`
	OutputKeyPrefix string            `yaml:"output-key-prefix"`
	Outputs         []outputYAML      `yaml:"outputs"`
	UserMetadata    map[string]string `yaml:"user-metadata"`
	Owner           string            `yaml:"owner"`
	MaxPerHour      int               `yaml:"max-per-hour"`
	Enabled         *bool             `yaml:"enabled"`
}

type outputYAML struct {
	Preset string `yaml:"preset"`
	Key    string `yaml:"key"`
}

// The members that there are, as they are written.
var (
	fileMembers = []string{"rules"}
	ruleMembers = []string{"name", "bucket", "prefix", "suffixes", "pipeline", "output-key-prefix", "outputs", "user-metadata", "owner", "max-per-hour", "enabled"}
	outMembers  = []string{"preset", "key"}
)

// Parse reads a file. An error has all that is wrong with its form, each with
// its line; what is wrong with a rule says rule.Check.
func Parse(text []byte) (*File, error) {
	if len(text) > maxSize {
		return nil, fmt.Errorf("it has %d bytes, at most %d are read", len(text), maxSize)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return &File{}, nil
	} else if err != nil {
		return nil, plain(err)
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("line %d: a second document begins; put all rules into one list", max(more.Line, 1))
	}
	top := doc.Content[0]
	if faults := members(top, "the file", fileMembers); faults != nil {
		return nil, errors.Join(faults...)
	}
	list := member(top, "rules")
	if list.Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("line %d: rules is no list; begin each rule with a hyphen", list.Line)
	}
	var f File
	var faults []error
	for _, n := range list.Content {
		r, wrong := readRule(n)
		f.Rules, f.Lines, faults = append(f.Rules, r), append(f.Lines, n.Line), append(faults, wrong...)
	}
	return &f, errors.Join(faults...)
}

func readRule(n *yaml.Node) (rule.Rule, []error) {
	faults := members(n, "a rule", ruleMembers)
	if outs := member(n, "outputs"); outs != nil && outs.Kind == yaml.SequenceNode {
		for _, o := range outs.Content {
			faults = append(faults, members(o, "an output", outMembers)...)
		}
	}
	if faults != nil {
		return rule.Rule{}, faults
	}
	var y ruleYAML
	if err := n.Decode(&y); err != nil {
		return rule.Rule{}, []error{plain(err)}
	}
	r := rule.Rule{
		Name: y.Name, Bucket: y.Bucket, Prefix: y.Prefix, Suffixes: y.Suffixes, Pipeline: y.Pipeline, OutputKeyPrefix: y.OutputKeyPrefix,
		UserMetadata: y.UserMetadata, Owner: y.Owner, MaxPerHour: y.MaxPerHour, Enabled: y.Enabled == nil || *y.Enabled,
	}
	for _, o := range y.Outputs {
		r.Outputs = append(r.Outputs, rule.Output{PresetID: transcode.PresetID(o.Preset), KeyPattern: o.Key})
	}
	if err := r.Check(); err != nil {
		return r, []error{fmt.Errorf("line %d: rule %.80q: %w", n.Line, r.Name, err)}
	}
	return r, nil
}

// members returns what is wrong with the names in a mapping.
func members(n *yaml.Node, what string, known []string) (faults []error) {
	if n.Kind != yaml.MappingNode {
		return []error{fmt.Errorf("line %d: %s must have members: %s", n.Line, what, strings.Join(known, ", "))}
	}
	seen := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		name := n.Content[i]
		switch {
		case !slices.Contains(known, name.Value):
			faults = append(faults, fmt.Errorf("line %d: %s has no member %.60q; there are %s", name.Line, what, name.Value, strings.Join(known, ", ")))
		case seen[name.Value]:
			faults = append(faults, fmt.Errorf("line %d: %s has %s twice", name.Line, what, name.Value))
		}
		seen[name.Value] = true
	}
	return faults
}

// member returns the value of that name, or nil.
func member(n *yaml.Node, name string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return &yaml.Node{Kind: yaml.SequenceNode, Line: n.Line}
}

// plain takes the library's name off its errors.
func plain(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text = strings.TrimPrefix(text, "unmarshal errors:\n  ")
	return errors.New(text)
}
