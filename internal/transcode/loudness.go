package transcode

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// LoudnessKey is the key of a job's UserMetadata that says how loud its outputs
// are to be; with a colon and an output's number after it, how loud that one is.
// It is an extension of ours: see docs/extensions.md.
const LoudnessKey = "etude:loudness"

// What a loudness may be.
const (
	minLoudness, maxLoudness = -40.0, -5.0 // LUFS
	minTruePeak, maxTruePeak = -9.0, 0.0   // dBTP
	usualTruePeak            = -1.0
)

var loudnessValue = regexp.MustCompile(`(?i)^\s*(-?\d+(?:\.\d+)?)\s*(?:LUFS)?(?:\s*/\s*|\s+)?(?:(-?\d+(?:\.\d+)?)\s*(?:dBTP)?)?\s*$`)

// ParseLoudness reads a loudness as people write it: -14, "-14 LUFS", or with
// the true peak "-16 LUFS -1.5 dBTP" and "-16/-1.5". The true peak is -1 dBTP
// where none is given. "off" is nil.
func ParseLoudness(text string) (*LoudnessTarget, error) {
	if strings.EqualFold(strings.TrimSpace(text), "off") {
		return nil, nil
	}
	m := loudnessValue.FindStringSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("%q is no loudness; write LUFS from %v to %v, or with the true peak: -16 LUFS -1 dBTP", text, minLoudness, maxLoudness)
	}
	t := LoudnessTarget{TruePeak: usualTruePeak}
	t.Integrated, _ = strconv.ParseFloat(m[1], 64) // digits
	if m[2] != "" {
		t.TruePeak, _ = strconv.ParseFloat(m[2], 64)
	}
	switch {
	case t.Integrated < minLoudness || t.Integrated > maxLoudness:
		return nil, fmt.Errorf("a loudness must be from %v to %v LUFS, not %v", minLoudness, maxLoudness, t.Integrated)
	case t.TruePeak < minTruePeak || t.TruePeak > maxTruePeak:
		return nil, fmt.Errorf("a true peak must be from %v to %v dBTP, not %v", minTruePeak, maxTruePeak, t.TruePeak)
	}
	return &t, nil
}

// checkLoudness finds what is wrong with what UserMetadata says of loudness, for
// a job with so many outputs.
func checkLoudness(metadata map[string]string, outputs int) error {
	var keys []string
	for key := range metadata {
		if key == LoudnessKey || strings.HasPrefix(key, LoudnessKey+":") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		if number, ok := strings.CutPrefix(key, LoudnessKey+":"); ok {
			if n, err := strconv.Atoi(number); err != nil || n < 1 || n > outputs || strconv.Itoa(n) != number {
				return invalid("The UserMetadata key %q names no output: after %s: comes the output's number, from 1 to %d.", key, LoudnessKey, outputs)
			}
		}
		if _, err := ParseLoudness(metadata[key]); err != nil {
			return invalid("The UserMetadata pair %q: %v.", key, err)
		}
	}
	return nil
}

// loudness is how loud an output of the job is to be; nil for as loud as its
// input is.
func (j *Job) loudness(o *Output) *LoudnessTarget {
	value, ok := j.UserMetadata[LoudnessKey+":"+o.ID]
	if !ok {
		value, ok = j.UserMetadata[LoudnessKey]
	}
	if !ok {
		return nil
	}
	target, err := ParseLoudness(value)
	if err != nil {
		return nil // of a job that was made before the key meant anything
	}
	return target
}
