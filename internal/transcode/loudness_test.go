package transcode_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/transcode"
)

func TestParseLoudness(t *testing.T) {
	for text, want := range map[string]*transcode.LoudnessTarget{
		"-14":                {Integrated: -14, TruePeak: -1},
		" -14.5 LUFS ":       {Integrated: -14.5, TruePeak: -1},
		"-16 LUFS -1.5 dBTP": {Integrated: -16, TruePeak: -1.5},
		"-23lufs/-2dbtp":     {Integrated: -23, TruePeak: -2},
		"-16 / 0":            {Integrated: -16, TruePeak: 0},
		"-40 -9":             {Integrated: -40, TruePeak: -9},
		"off":                nil,
	} {
		got, err := transcode.ParseLoudness(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v\n%s", text, err, diff)
		}
	}
	for _, text := range []string{"", "loud", "-14 dB", "14", "-41", "-4.9", "-14/1", "-14/-10", "-14 -1 -1", "-14-1x", "--14", "-1e1"} {
		if got, err := transcode.ParseLoudness(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, got)
		}
	}
}

func TestLoudnessOfAJob(t *testing.T) {
	w := open(t)
	w.put(t, "in.mp3", "sound")
	spec := w.spec(wav, flac, wav)
	spec.UserMetadata = map[string]string{"etude:loudness": "-14", "etude:loudness:2": "-23 LUFS -2 dBTP", "etude:loudness:3": "off"}
	id := w.create(t, spec)
	w.run(t, 9)
	w.wantLine(t, id, "Complete: Complete Complete Complete")
	var got []*transcode.LoudnessTarget
	for _, r := range w.encoder.Calls()[0].Outputs {
		got = append(got, r.Loudness)
	}
	want := []*transcode.LoudnessTarget{{Integrated: -14, TruePeak: -1}, {Integrated: -23, TruePeak: -2}, nil}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoudnessIsCheckedAtOnce(t *testing.T) {
	w := open(t)
	for key, tt := range map[string]struct{ value, says string }{
		"etude:loudness":   {"14", `The UserMetadata pair "etude:loudness": a loudness must be from -40 to -5 LUFS, not 14.`},
		"etude:loudness:1": {"quiet", `The UserMetadata pair "etude:loudness:1": "quiet" is no loudness; write LUFS from -40 to -5, or with the true peak: -16 LUFS -1 dBTP.`},
		"etude:loudness:2": {"-14", `The UserMetadata key "etude:loudness:2" names no output: after etude:loudness: comes the output's number, from 1 to 1.`},
		"etude:loudness:":  {"-14", `names no output`},
		"etude:loudness:a": {"-14", `names no output`},
	} {
		spec := w.spec(wav)
		spec.UserMetadata = map[string]string{key: tt.value}
		_, err := w.CreateJob(t.Context(), spec)
		if !transcode.IsKind(err, transcode.Invalid) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s=%s: got %v, want %q", key, tt.value, err, tt.says)
		}
	}
}
