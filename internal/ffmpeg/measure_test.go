package ffmpeg_test

import (
	"bytes"
	"encoding/json"
	"image/png"
	"os"
	"testing"

	"etude/internal/ffmpeg"
	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/transcode"
)

// TestMeasuresWhatItJoins has two inputs of different rates. What is heard are
// all samples of both, joined, whatever part of them an output has.
func TestMeasuresWhatItJoins(t *testing.T) {
	t.Parallel()
	e := newEncoder(t, ffmpeg.Config{})
	const sine = "0.1*sin(2*PI*1000*t)" // -20 dBFS
	enc := transcode.Encoding{
		Inputs: []transcode.Source{
			{Path: ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "a.flac", Samples: 3 * 44100, Sound: sine})},
			{Path: ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "b.wav", Samples: 2 * 48000, Rate: 48000, Sound: sine})},
		},
		Dir: t.TempDir(), Measure: true,
		Outputs: []transcode.Rendition{{Name: "1", Preset: system(t, "300300"), Span: transcode.Span{Length: 1e9}}},
	}
	encoded, err := e.Encode(t.Context(), enc, func(transcode.Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	m := encoded.Measured
	if m == nil || m.SampleRate != 48000 || m.Channels != 2 || m.Samples != 5*48000 {
		t.Fatalf("measured %+v, want 5 s of stereo at 48 kHz", m)
	}
	wantLevel(t, "integrated loudness", m.Integrated, -20)
	wantLevel(t, "true peak", m.TruePeak, -20)
	for _, b := range transcode.ByProducts {
		content, err := os.ReadFile(m.Files[b])
		if err != nil {
			t.Fatal(err)
		}
		if b == transcode.Spectrogram {
			if _, err := png.Decode(bytes.NewReader(content)); err != nil {
				t.Errorf("%s: %v", b, err)
			}
			continue
		}
		var waveform struct {
			Length int
			Width  int `json:"samples_per_pixel"`
			Data   []int
		}
		if err := json.Unmarshal(content, &waveform); err != nil {
			t.Errorf("%s: %v", b, err)
		}
		if n := waveform.Length * waveform.Width; n < 5*48000 || n > 6*48000 || len(waveform.Data) != 2*waveform.Length {
			t.Errorf("%s: %d points of %d samples, %d numbers", b, waveform.Length, waveform.Width, len(waveform.Data))
		}
	}
}

func wantLevel(t *testing.T, what string, got *float64, want float64) {
	t.Helper()
	if got == nil || *got < want-0.15 || *got > want+0.15 {
		t.Errorf("%s: got %v, want %.1f", what, deref(got), want)
	}
}

func deref(v *float64) any {
	if v == nil {
		return nil
	}
	return *v
}

func TestMeasuresNothingUnlessAsked(t *testing.T) {
	t.Parallel()
	encoded := mustEncode(t, newEncoder(t, ffmpeg.Config{}), ffmpegtest.Clip(t, ffmpegtest.Spec{}), system(t, "300300"))
	if encoded.Measured != nil {
		t.Errorf("got %+v", encoded.Measured)
	}
}
