package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/sync/errgroup"

	"etude/internal/etapi"
	"etude/internal/ffmpeg"
	"etude/internal/transcode"
)

type transcodeCmd struct {
	In          []string `arg:"" optional:"" help:"Files to be read." placeholder:"IN"`
	Output      []string `short:"o" sep:"none" help:"File to be made; its ending says what it is to be. Repeat it for several. {name} stands for the input's name without its ending, {dir} for its directory; a directory gets files named after the inputs, with --preset saying what they are." placeholder:"OUT"`
	Preset      []string `short:"p" sep:"none" help:"How outputs are made: once for all of them, or once for each -o in their order. A system preset's id, the last digits of it, its name, or a JSON file as 'aws elastictranscoder read-preset' prints it; - for what the ending means by itself." placeholder:"PRESET"`
	Join        bool     `help:"Join all inputs, in their order, into one."`
	Start       string   `help:"Where in the input, or in what was joined, outputs begin: 90.5 or 00:01:30.5." placeholder:"TIME"`
	Length      string   `help:"How long outputs play." placeholder:"TIME"`
	Loudness    string   `help:"How loud outputs are to be: --loudness=-14, or with the true peak that nothing may be above, --loudness='-16 LUFS -1.5 dBTP'." placeholder:"LUFS"`
	Force       bool     `short:"f" help:"Replace files that are there."`
	JSON        bool     `name:"json" help:"Print what was made and what was not as one JSON document."`
	Quiet       bool     `short:"q" help:"Say only what went wrong."`
	Jobs        int      `short:"j" default:"0" help:"How many inputs are worked on at once; 0 means one for each core." placeholder:"N"`
	ListPresets bool     `help:"List the presets there are, and end."`
	sandboxFlag
}

// sandboxFlag is how ffmpeg is locked in.
type sandboxFlag struct {
	Sandbox string `default:"auto" enum:"${sandboxes}" env:"ETUDE_SANDBOX" help:"How ffmpeg is locked in: ${sandboxes}. See docs/sandbox.md." placeholder:"MODE"`
}

// sandboxes are the modes there are, as a flag wants them.
func sandboxes() string {
	var names []string
	for _, m := range ffmpeg.Modes() {
		names = append(names, string(m))
	}
	return strings.Join(names, ",")
}

// The exit statuses of transcode besides 0; docs/transcode.md promises them.
const (
	exitMedia = 1 // an output could not be made of the input
	exitUsage = 2 // the command line does not hold
	exitOurs  = 3 // ffmpeg, the disk or we are at fault
)

// exitError ends the program with a status. Without an error there is nothing
// to be said any more.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf("%w (see etude transcode --help)", fmt.Errorf(format, args...))}
}

// transcodeReport is the document of --json; docs/transcode.md describes it.
type transcodeReport struct {
	Version     string        `json:"version"`
	ExitStatus  int           `json:"exit_status"`
	Conversions []*conversion `json:"conversions"`
}

// conversion is one run of the engine: some inputs, joined, and the files made
// of them.
type conversion struct {
	Inputs   []inputReport  `json:"inputs"`
	Outputs  []outputReport `json:"outputs"`
	Failure  *failureReport `json:"failure,omitempty"` // of all outputs
	presets  []transcode.Preset
	loudness *transcode.LoudnessTarget
	internal error
}

type inputReport struct {
	Path     string  `json:"path"`
	Size     int64   `json:"size,omitempty"`
	Duration float64 `json:"duration,omitempty"` // seconds
}

type outputReport struct {
	Path       string         `json:"path"`
	Preset     string         `json:"preset,omitempty"` // its id; none for what the ending means
	Made       bool           `json:"made"`
	Codec      string         `json:"codec,omitempty"`
	Profile    string         `json:"profile,omitempty"`
	SampleRate int            `json:"sample_rate,omitempty"` // Hz
	Channels   int            `json:"channels,omitempty"`
	Samples    int64          `json:"samples,omitempty"`  // per channel
	Duration   float64        `json:"duration,omitempty"` // seconds
	Size       int64          `json:"size,omitempty"`
	SHA256     string         `json:"sha256,omitempty"`
	Loudness   *loudReport    `json:"loudness,omitempty"` // where one was asked for
	Remark     string         `json:"remark,omitempty"`
	Failure    *failureReport `json:"failure,omitempty"`
}

// loudReport has no level of what is silent, or too short to be measured.
type loudReport struct {
	Integrated *float64 `json:"integrated_lufs,omitempty"`
	Range      float64  `json:"range_lu"`
	TruePeak   *float64 `json:"true_peak_dbtp,omitempty"`
	Gain       float64  `json:"gain_db"`
	Limited    bool     `json:"limited"`
}

type failureReport struct {
	Code   int    `json:"code,omitempty"` // Elastic Transcoder's; 0 for a fault of ours
	Reason string `json:"reason"`
	Remedy string `json:"remedy,omitempty"`
	Log    string `json:"log,omitempty"`
}

func reportFailure(f *transcode.Failure) *failureReport {
	return &failureReport{Code: f.Code, Reason: f.Reason, Remedy: f.Remedy, Log: f.Log}
}

// Run converts. What it says goes to standard error, the JSON document to out.
func (cmd *transcodeCmd) Run(ctx context.Context, out io.Writer) error {
	if cmd.ListPresets {
		return cmd.listPresets(out)
	}
	span, err := transcode.ParseSpan(cmd.Start, cmd.Length)
	if err != nil {
		return usage("--start and --length: %w", err)
	}
	var loudness *transcode.LoudnessTarget
	if cmd.Loudness != "" {
		if loudness, err = transcode.ParseLoudness(cmd.Loudness); err != nil {
			return usage("--loudness: %w", err)
		}
	}
	all, err := cmd.conversions()
	if err != nil {
		return err
	}
	for _, c := range all {
		c.loudness = loudness
	}
	encoder, err := ffmpeg.New(ffmpeg.Config{Sandbox: ffmpeg.Mode(cmd.Sandbox)})
	if err != nil {
		return &exitError{exitOurs, err}
	}
	if err := checkPresets(all, encoder); err != nil {
		return err
	}
	bar := newTranscodeBar(os.Stderr, len(all), cmd.Quiet)
	var group errgroup.Group
	group.SetLimit(cmd.atOnce())
	for i, c := range all {
		group.Go(func() error {
			c.run(ctx, encoder, span, cmd.Force, func(p transcode.Progress) { bar.show(i, p) })
			bar.ended(i, c)
			return nil
		})
	}
	_ = group.Wait() // each has its own errors
	bar.end()
	if ctx.Err() != nil {
		return &exitError{130, errors.New("interrupted")}
	}
	return cmd.conclude(out, all)
}

func (cmd *transcodeCmd) atOnce() int {
	if cmd.Jobs > 0 {
		return cmd.Jobs
	}
	return runtime.NumCPU()
}

// conclude says what was made, and with what status the program ends.
func (cmd *transcodeCmd) conclude(out io.Writer, all []*conversion) error {
	status := 0
	for _, c := range all {
		status = max(status, c.status())
	}
	if cmd.JSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(transcodeReport{version, status, all}); err != nil {
			return &exitError{exitOurs, fmt.Errorf("print JSON: %w", err)}
		}
	}
	if status > 0 {
		return &exitError{status: status}
	}
	return nil
}

func (c *conversion) status() int {
	switch {
	case c.internal != nil:
		return exitOurs
	case c.Failure != nil || slices.ContainsFunc(c.Outputs, func(o outputReport) bool { return o.Failure != nil && o.Failure.Code > 0 }):
		return exitMedia
	}
	return 0
}

// conversions is the command line, checked and taken apart.
func (cmd *transcodeCmd) conversions() ([]*conversion, error) {
	switch {
	case len(cmd.In) == 0:
		return nil, usage("name a file to be read")
	case len(cmd.Output) == 0:
		return nil, usage("say with -o what is to be made, for instance -o %s.flac", stem(cmd.In[0]))
	case cmd.Jobs < 0:
		return nil, usage("--jobs %d: it must be 0 or more", cmd.Jobs)
	case len(cmd.Preset) > 1 && len(cmd.Preset) != len(cmd.Output):
		return nil, usage("there are %d presets and %d outputs: give --preset once for all outputs, or once for each", len(cmd.Preset), len(cmd.Output))
	}
	for _, in := range cmd.In {
		info, err := os.Stat(in)
		switch {
		case in == "-":
			return nil, usage("standard input cannot be read: sound is decoded from a file, whose end may say how it begins")
		case err != nil:
			return nil, usage("read %q: %w", in, errors.Unwrap(err))
		case !info.Mode().IsRegular():
			return nil, usage("read %q: it is not a file", in)
		}
	}
	presets := make([]*transcode.Preset, len(cmd.Output))
	for i := range cmd.Output {
		if len(cmd.Preset) == 0 {
			break
		}
		var err error
		if presets[i], err = findPreset(cmd.Preset[min(i, len(cmd.Preset)-1)]); err != nil {
			return nil, err
		}
	}
	groups := [][]string{cmd.In}
	if !cmd.Join {
		groups = nil
		for _, in := range cmd.In {
			groups = append(groups, []string{in})
		}
	}
	var all []*conversion
	taken := map[string]string{}
	for _, inputs := range groups {
		c := &conversion{}
		for _, in := range inputs {
			c.Inputs = append(c.Inputs, inputReport{Path: in})
		}
		for i, pattern := range cmd.Output {
			if err := c.addOutput(pattern, presets[i], taken, cmd.Force); err != nil {
				return nil, err
			}
		}
		all = append(all, c)
	}
	return all, nil
}

// addOutput takes up one output of the command line; taken has all that came
// before, with the input that each is made of.
func (c *conversion) addOutput(pattern string, preset *transcode.Preset, taken map[string]string, force bool) error {
	path, err := outputPath(pattern, c.Inputs[0].Path, preset)
	if err != nil {
		return err
	}
	if preset == nil {
		p, err := ffmpeg.PresetFor(path)
		if err != nil {
			return usage("-o %w", err)
		}
		preset = &p
	}
	if why := ffmpeg.CheckExtension(path, preset); why != "" {
		return usage("-o %q: %s", path, why)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return &exitError{exitOurs, err}
	}
	if of, twice := taken[abs]; twice {
		if of != c.Inputs[0].Path {
			return usage("%q would be made of %q and of %q: write {name} in it, or join them with --join", path, of, c.Inputs[0].Path)
		}
		return usage("%q is to be made twice", path)
	}
	taken[abs] = c.Inputs[0].Path
	if err := checkTarget(abs, force); err != nil {
		return err
	}
	c.Outputs = append(c.Outputs, outputReport{Path: path, Preset: string(preset.ID)})
	c.presets = append(c.presets, *preset)
	return nil
}

// outputPath fills a pattern in.
func outputPath(pattern, input string, preset *transcode.Preset) (string, error) {
	if info, err := os.Stat(pattern); strings.HasSuffix(pattern, string(filepath.Separator)) || err == nil && info.IsDir() {
		if preset == nil {
			return "", usage("-o %q is a directory: say with --preset what is to be made, or name a file", pattern)
		}
		return filepath.Join(pattern, stem(input)+ffmpeg.Extension(preset)), nil
	}
	if pattern == "-" {
		return "", usage("standard output cannot be written: most kinds of files have lengths in their heads that are known at the end")
	}
	return strings.NewReplacer("{name}", stem(input), "{dir}", filepath.Dir(input)).Replace(pattern), nil
}

// stem is a file's name without directories and ending.
func stem(path string) string {
	name := filepath.Base(path)
	return strings.TrimSuffix(name, filepath.Ext(name))
}

const systemName = "System preset: "

// findPreset returns the preset that a word means; nil for the one that is
// meant by a file's ending.
func findPreset(word string) (*transcode.Preset, error) {
	if word == "-" {
		return nil, nil
	}
	if strings.HasSuffix(strings.ToLower(word), ".json") {
		return readPreset(word)
	}
	for _, p := range transcode.SystemPresets() {
		_, digits, _ := strings.Cut(string(p.ID), "-")
		if string(p.ID) == word || digits == word || strings.EqualFold(p.Name, word) || strings.EqualFold(strings.TrimPrefix(p.Name, systemName), word) {
			return &p, nil
		}
	}
	return nil, usage("--preset %q: there is no such preset; etude transcode --list-presets lists them", word)
}

// readPreset reads a file with one custom preset.
func readPreset(path string) (*transcode.Preset, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, usage("--preset: %w", err)
	}
	export, err := etapi.ParseExport(text)
	if err != nil {
		return nil, usage("--preset %s: %w", path, err)
	}
	if n := len(export.Presets); n != 1 {
		return nil, usage("--preset %s: there are %d custom presets in it, and it takes one", path, n)
	}
	return &export.Presets[0], nil
}

// checkPresets asks whether the ffmpeg that is installed can make all of it.
func checkPresets(all []*conversion, encoder *ffmpeg.Encoder) error {
	for _, p := range all[0].presets { // the others have the same
		if why := encoder.Check(&p); why != "" {
			return usage("%s", why)
		}
	}
	return nil
}

func (cmd *transcodeCmd) listPresets(out io.Writer) error {
	encoder, err := ffmpeg.New(ffmpeg.Config{Sandbox: ffmpeg.Mode(cmd.Sandbox)})
	if err != nil {
		return &exitError{exitOurs, err}
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tENDING\tNAME")
	for _, p := range transcode.SystemPresets() {
		if encoder.Check(&p) == "" {
			fmt.Fprintf(w, "%s\t%s\t%s\n", p.ID, ffmpeg.Extension(&p), strings.TrimPrefix(p.Name, systemName))
		}
	}
	if err := w.Flush(); err != nil {
		return &exitError{exitOurs, err}
	}
	return nil
}
