package ffmpeg_test

import (
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"etude/internal/ffmpeg"
	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/transcode"
)

// TestLoudnessTarget brings soft and loud music to a loudness, through codecs
// that keep samples and codecs that do not. What comes out is measured here by
// ffmpeg itself.
func TestLoudnessTarget(t *testing.T) {
	t.Parallel()
	e := newEncoder(t, ffmpeg.Config{})
	// Bursts, of which a limiter has something to do.
	const music = "(0.1+0.8*gt(mod(t\\,0.5)\\,0.495))*sin(2*PI*440*t)+0.05*random(0)"
	input := ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "in.wav", Samples: 3 * 44100, Sound: music})
	target := transcode.LoudnessTarget{Integrated: -14, TruePeak: -1.5}
	var outputs []transcode.Rendition
	for i, preset := range []string{"300300", "100110", "300010", "200060"} { // WAV, AAC, MP3, TS
		outputs = append(outputs, transcode.Rendition{Name: strconv.Itoa(i + 1), Preset: system(t, preset), Loudness: &target})
	}
	outputs[3].Layout, outputs[3].SegmentLength = transcode.ByteRanges, 1e9
	soft := transcode.LoudnessTarget{Integrated: -30, TruePeak: -1}
	outputs = append(outputs,
		transcode.Rendition{Name: "soft", Preset: system(t, "300110"), Loudness: &soft},
		transcode.Rendition{Name: "part", Preset: system(t, "300110"), Loudness: &soft, Span: transcode.Span{Start: 5e8, Length: 2e9}},
		transcode.Rendition{Name: "as-it-is", Preset: system(t, "300110")},
	)
	encoded, err := e.Encode(t.Context(), transcode.Encoding{Inputs: []transcode.Source{{Path: input}}, Dir: t.TempDir(), Outputs: outputs}, func(transcode.Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range encoded.Outputs {
		name := outputs[i].Name + " " + outputs[i].Preset.Container
		if o.Failure != nil {
			t.Fatalf("%s: %v", name, o.Failure)
		}
		l := o.Made.Loudness
		if outputs[i].Loudness == nil {
			if l != nil || o.Made.Samples != 3*44100 {
				t.Errorf("%s: %+v", name, o.Made)
			}
			continue
		}
		t.Logf("%s: %.2f LUFS, %.2f dBTP, gain %.2f dB, limited %t, %d samples, %q", name, *l.Integrated, *l.TruePeak, l.Gain, l.Limited, o.Made.Samples, o.Remark)
		heard := loudness(t, o.Files[0].Path)
		want := outputs[i].Loudness
		if heard.integrated < want.Integrated-0.4 || heard.integrated > want.Integrated+0.4 {
			t.Errorf("%s: ffmpeg hears %.1f LUFS, want %.1f", name, heard.integrated, want.Integrated)
		}
		if heard.truePeak > want.TruePeak+0.25 {
			t.Errorf("%s: ffmpeg hears a true peak of %.1f dBTP, want %.1f at most", name, heard.truePeak, want.TruePeak)
		}
		if o.Remark != "" {
			t.Errorf("%s: remark %q", name, o.Remark)
		}
	}
	if n := encoded.Outputs[0].Made.Samples; n != 3*44100 {
		t.Errorf("the WAV has %d samples, want %d", n, 3*44100)
	}
}

// TestLoudnessOfSilence has nothing that could be brought to one.
func TestLoudnessOfSilence(t *testing.T) {
	t.Parallel()
	enc := transcode.Encoding{
		Inputs:  []transcode.Source{{Path: ffmpegtest.Clip(t, ffmpegtest.Spec{Sound: "0"})}},
		Dir:     t.TempDir(),
		Outputs: []transcode.Rendition{{Name: "1", Preset: system(t, "300110"), Loudness: &transcode.LoudnessTarget{Integrated: -14, TruePeak: -1}}},
	}
	encoded, err := newEncoder(t, ffmpeg.Config{}).Encode(t.Context(), enc, func(transcode.Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	o := encoded.Outputs[0]
	if o.Failure != nil || o.Made.Loudness == nil || o.Made.Loudness.Integrated != nil || o.Remark == "" {
		t.Errorf("got %+v, want it made with a remark", o)
	}
}

type heard struct{ integrated, truePeak float64 }

// loudness is what ffmpeg's ebur128 says of a file.
func loudness(t *testing.T, path string) heard {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-hide_banner", "-i", "file:"+path,
		"-af", "ebur128=peak=true:framelog=verbose", "-f", "null", "-").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var h heard
	for pattern, v := range map[string]*float64{`Summary:[\s\S]*I:\s+(\S+) LUFS`: &h.integrated, `Summary:[\s\S]*Peak:\s+(\S+) dBFS`: &h.truePeak} {
		m := regexp.MustCompile(pattern).FindSubmatch(out)
		if m == nil {
			t.Fatalf("no %s in\n%s", pattern, out)
		}
		if *v, err = strconv.ParseFloat(string(m[1]), 64); err != nil {
			t.Fatal(err)
		}
	}
	return h
}
