package ffmpeg_test

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"etude/internal/ffmpeg"
	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/transcode"
)

const clipShort = "The starting time plus the duration of a clip exceeded the length of the input file. Amazon Elastic Transcoder created an output file that is shorter than the specified duration."

// encodeAll makes renditions of sources; those without a name are called 1, 2, ...
func encodeAll(t testing.TB, e *ffmpeg.Encoder, inputs []transcode.Source, outputs ...transcode.Rendition) (*transcode.Encoded, error) {
	t.Helper()
	for i := range outputs {
		if outputs[i].Name == "" {
			outputs[i].Name = strconv.Itoa(i + 1)
		}
	}
	enc := transcode.Encoding{Inputs: inputs, Dir: t.TempDir(), Outputs: outputs}
	return e.Encode(t.Context(), enc, func(transcode.Progress) {})
}

func mustEncodeAll(t testing.TB, e *ffmpeg.Encoder, inputs []transcode.Source, outputs ...transcode.Rendition) *transcode.Encoded {
	t.Helper()
	encoded, err := encodeAll(t, e, inputs, outputs...)
	if err != nil {
		t.Fatal(err)
	}
	for i, out := range encoded.Outputs {
		if out.Failure != nil {
			t.Fatalf("output %d failed: %+v", i+1, out.Failure)
		}
	}
	return encoded
}

// same is a preset that changes nothing of 16 bits.
func same() transcode.Preset {
	return custom("wav", transcode.Audio{Codec: "pcm", SampleRate: "auto", Channels: "auto", CodecOptions: &transcode.AudioOptions{BitDepth: "16"}})
}

func span(start, length int) transcode.Span {
	return transcode.Span{Start: time.Duration(start) * time.Millisecond, Length: time.Duration(length) * time.Millisecond}
}

// TestEncodeClip cuts sources and outputs, to the sample.
func TestEncodeClip(t *testing.T) {
	e := newEncoder(t, ffmpeg.Config{})
	const n = 2*44100 + 17
	for _, spec := range []ffmpegtest.Spec{{Samples: n}, {Name: "a.mp3", Samples: n}, {Name: "a.m4a", Samples: n}} {
		t.Run(spec.Name, func(t *testing.T) {
			t.Parallel()
			input := ffmpegtest.Clip(t, spec)
			all := decode16(t, input)
			for name, test := range map[string]struct {
				source, output transcode.Span
				first, last    int
				remark         string
			}{
				"source":   {source: span(500, 250), first: 22050, last: 33075},
				"output":   {output: span(500, 250), first: 22050, last: 33075},
				"both":     {source: span(500, 1000), output: span(100, 300), first: 26460, last: 39690},
				"to end":   {source: span(1999, 0), first: 88156, last: len(all)},
				"beyond":   {source: span(1000, 5000), first: 44100, last: len(all), remark: clipShort},
				"beyond 2": {output: span(1000, 5000), first: 44100, last: len(all), remark: clipShort},
				"twice":    {source: span(1000, 5000), output: span(500, 5000), first: 66150, last: len(all), remark: clipShort},
			} {
				if spec.Name != "" && name != "both" && name != "beyond" {
					continue // what is compressed differs only in how it is decoded
				}
				encoded := mustEncodeAll(t, e, []transcode.Source{{Path: input, Span: test.source}},
					transcode.Rendition{Preset: same(), Span: test.output}, transcode.Rendition{Preset: system(t, "100110"), Span: test.output})
				out := encoded.Outputs[0]
				if got, want := decode16(t, out.Files[0].Path), all[test.first:test.last]; !slices.Equal(got, want) {
					t.Errorf("%s: %d samples that differ from the %d wanted", name, len(got), len(want))
				}
				if out.Remark != test.remark || encoded.Outputs[1].Remark != test.remark {
					t.Errorf("%s: remarks are %q and %q, want %q", name, out.Remark, encoded.Outputs[1].Remark, test.remark)
				}
				got, want := encoded.Inputs[0].Duration, time.Duration(len(all))*time.Second/44100
				if d := got - want; d < -50*time.Millisecond || d > 50*time.Millisecond {
					t.Errorf("%s: the input lasts %v, want %v", name, got, want)
				}
			}
		})
	}
}

// decode16 returns the samples of a stereo file, those of both channels as one,
// put at 16 bits by nothing but ffmpeg.
func decode16(t testing.TB, path string) []string {
	t.Helper()
	raw := t.TempDir() + "/raw"
	ffmpegtest.Run(t, "-i", "file:"+path, "-c:a", "pcm_s16le", "-f", "s16le", raw)
	var samples []string
	for s := range slices.Chunk(readFile(t, raw), 4) {
		samples = append(samples, string(s))
	}
	return samples
}

// TestEncodeClipTooLate has nothing left, of the input or of one output.
func TestEncodeClipTooLate(t *testing.T) {
	t.Parallel()
	e := newEncoder(t, ffmpeg.Config{})
	input := ffmpegtest.Clip(t, ffmpegtest.Spec{})
	for _, start := range []int{1000, 5000, 80_000_000} {
		_, err := encodeAll(t, e, []transcode.Source{{Path: input, Span: span(start, 100)}}, transcode.Rendition{Preset: same()}, transcode.Rendition{Preset: system(t, "100110")})
		wantFailure(t, err, 4014, "there are only 1 s of sound")
	}
	var outputs []transcode.Rendition
	for _, p := range append(five(t), system(t, "500060")) {
		outputs = append(outputs, transcode.Rendition{Preset: p, Span: span(1000, 0)})
	}
	outputs = append(outputs, transcode.Rendition{Preset: system(t, "200060"), Span: span(1000, 0), Layout: transcode.ByteRanges, SegmentLength: time.Second})
	encoded, err := encodeAll(t, e, []transcode.Source{{Path: input}}, append(outputs, transcode.Rendition{Preset: same()})...)
	if err != nil {
		t.Fatal(err)
	}
	for i, out := range encoded.Outputs {
		if last := i == len(outputs); last && out.Failure == nil && out.Made.Samples == 44100 {
			continue
		}
		if out.Failure == nil {
			t.Fatalf("output %d: made %+v", i+1, out.Made)
		}
		wantFailure(t, out.Failure, 4014, "start at 1 s")
	}
}

// TestEncodeClipChanging cannot count what changes its rate.
func TestEncodeClipChanging(t *testing.T) {
	t.Parallel()
	e := newEncoder(t, ffmpeg.Config{})
	first := readFile(t, ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "1.mp3"}))
	second := readFile(t, ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "2.mp3", Rate: 48000}))
	input := writeFile(t, append(first, second...))
	_, err := encodeAll(t, e, []transcode.Source{{Path: input, Span: span(500, 0)}}, transcode.Rendition{Preset: same()})
	wantFailure(t, err, 4007, "neither cut nor joined")
	_, err = encodeAll(t, e, []transcode.Source{{Path: input}, {Path: input}}, transcode.Rendition{Preset: same()})
	wantFailure(t, err, 4007, "Input 1 of 2: The sample rate")
	encoded, err := encodeAll(t, e, []transcode.Source{{Path: input}}, transcode.Rendition{Preset: same(), Span: span(500, 0)}, transcode.Rendition{Preset: same()})
	if err != nil {
		t.Fatal(err)
	}
	if f := encoded.Outputs[1].Failure; f != nil {
		t.Error(f)
	}
	wantFailure(t, encoded.Outputs[0].Failure, 4007, "neither cut nor joined")
}

// TestEncodeJoin joins inputs of one form, without a change to a sample.
func TestEncodeJoin(t *testing.T) {
	t.Parallel()
	e := newEncoder(t, ffmpeg.Config{})
	a := ffmpegtest.Clip(t, ffmpegtest.Spec{Samples: 10001})
	b := ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "b.flac", Samples: 20003, Sound: "0.3*sin(500*t)", Args: []string{"-sample_fmt", "s16"}})
	encoded := mustEncodeAll(t, e, []transcode.Source{{Path: a}, {Path: b, Span: span(100, 200)}, {Path: a}},
		transcode.Rendition{Preset: same()}, transcode.Rendition{Preset: system(t, "300110"), Span: span(200, 300)}, transcode.Rendition{Preset: system(t, "100110")})
	want := slices.Concat(decode16(t, a), decode16(t, b)[4410:13230], decode16(t, a))
	if got := decode16(t, encoded.Outputs[0].Files[0].Path); !slices.Equal(got, want) {
		t.Errorf("%d samples that differ from the %d wanted", len(got), len(want))
	}
	if got := decode16(t, encoded.Outputs[1].Files[0].Path); !slices.Equal(got, want[8820:8820+13230]) {
		t.Errorf("the clip of all has %d samples that differ from those wanted", len(got))
	}
	for i, want := range []time.Duration{10001 * time.Second / 44100, 20003 * time.Second / 44100, 10001 * time.Second / 44100} {
		if d := encoded.Inputs[i].Duration - want; d < -time.Millisecond || d > time.Millisecond {
			t.Errorf("input %d lasts %v, want %v", i+1, encoded.Inputs[i].Duration, want)
		}
	}
}

// TestEncodeJoinMixed joins inputs that differ in everything.
func TestEncodeJoinMixed(t *testing.T) {
	t.Parallel()
	e := newEncoder(t, ffmpeg.Config{})
	var inputs []transcode.Source
	seconds := 0.0
	for _, spec := range []ffmpegtest.Spec{
		{Rate: 22050, Channels: 1, Samples: 22051}, {Name: "b.mp3", Samples: 44111}, {Name: "c.flac", Rate: 96000, Channels: 6, Samples: 48001},
		{Name: "d.m4a", Rate: 48000, Samples: 48007}, {Name: "e.opus", Codec: "libopus", Rate: 48000, Samples: 9999},
	} {
		path := ffmpegtest.Clip(t, spec)
		f := ffmpegtest.Probe(t, path)
		seconds += float64(f.Samples) / float64(f.Rate)
		inputs = append(inputs, transcode.Source{Path: path})
	}
	encoded := mustEncodeAll(t, e, inputs, transcode.Rendition{Preset: same()}, transcode.Rendition{Preset: system(t, "300110")},
		transcode.Rendition{Preset: system(t, "100110")}, transcode.Rendition{Preset: system(t, "300040")})
	for i, want := range []struct {
		rate, channels int
		longer         int64
	}{{96000, 6, 0}, {44100, 2, 0}, {44100, 2, 1023}, {44100, 2, 47}} {
		m := encoded.Outputs[i].Made
		exact := int64(seconds*float64(want.rate) + 0.5)
		if m.SampleRate != want.rate || m.Channels != want.channels || m.Samples < exact-6 || m.Samples > exact+6+want.longer {
			t.Errorf("output %d is %+v, want %+v with %d samples", i+1, m, want, exact)
		}
	}
}

func TestEncodeJoinFailures(t *testing.T) {
	t.Parallel()
	e := newEncoder(t, ffmpeg.Config{})
	sound := transcode.Source{Path: ffmpegtest.Clip(t, ffmpegtest.Spec{})}
	silent := t.TempDir() + "/silent.mp4"
	ffmpegtest.Run(t, "-f", "lavfi", "-i", "testsrc=s=64x64:d=0.2", "-c:v", "mpeg4", silent)
	head := transcode.Source{Path: t.TempDir() + "/head"}
	if err := os.WriteFile(head.Path, wavFile(2, 44100, 0), 0o600); err != nil {
		t.Fatal(err)
	}
	text := t.TempDir() + "/text"
	for name, test := range map[string]struct {
		inputs []transcode.Source
		code   int
		reason string
	}{
		"some silent":  {[]transcode.Source{sound, {Path: silent}, sound}, 4026, "Only 2 of the 3 files have sound"},
		"all silent":   {[]transcode.Source{{Path: silent}, {Path: silent}}, 4008, "no sound"},
		"empty":        {[]transcode.Source{sound, head}, 4000, "Input 2 of 2: No sound could be decoded"},
		"late":         {[]transcode.Source{sound, {Path: sound.Path, Span: span(2000, 0)}}, 4014, "Input 2 of 2: The clip is to start at 2 s"},
		"no file":      {[]transcode.Source{sound, {Path: text}}, 0, ""},
		"nothing":      {nil, 0, ""},
		"a playlist":   {[]transcode.Source{sound, {Path: playlist(t)}}, 4000, "Input 2 of 2: This is a playlist"},
		"longer":       {[]transcode.Source{sound, {Path: sound.Path, Span: span(0, 0)}}, -1, ""},
		"clips, short": {[]transcode.Source{{Path: sound.Path, Span: span(0, 1)}, {Path: sound.Path, Span: span(0, 1)}}, -1, ""},
	} {
		encoded, err := encodeAll(t, e, test.inputs, transcode.Rendition{Preset: same()})
		switch {
		case test.code > 0:
			wantFailure(t, err, test.code, test.reason)
		case (err == nil) != (test.code < 0):
			t.Errorf("%s: error is %v, %+v", name, err, encoded)
		}
	}
}

// TestEncodeJoinTruncated says which input is short.
func TestEncodeJoinTruncated(t *testing.T) {
	t.Parallel()
	e := newEncoder(t, ffmpeg.Config{})
	sound := ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "a.flac", Samples: 5 * 44100, Args: []string{"-sample_fmt", "s16"}})
	whole := readFile(t, sound)
	inputs := []transcode.Source{{Path: sound, Span: span(0, 100)}, {Path: writeFile(t, whole[:len(whole)/2])}, {Path: sound}}
	outputs := []transcode.Rendition{{Preset: same()}, {Preset: same(), Span: span(50, 0)}}
	encoded := mustEncodeAll(t, e, inputs, outputs...)
	for i, out := range encoded.Outputs {
		if !strings.HasPrefix(out.Remark, "Input 2 ends after ") || !strings.HasSuffix(out.Remark, "; its header promises 5 seconds.") {
			t.Errorf("output %d: remark is %q", i+1, out.Remark)
		}
	}
	// What is not needed is not looked at.
	outputs = []transcode.Rendition{{Preset: same(), Span: span(20, 1000)}, {Preset: system(t, "300110"), Span: span(50, 40)}}
	for i, out := range mustEncodeAll(t, e, inputs, outputs...).Outputs {
		if out.Remark != "" || out.Made.Samples != []int64{44100, 1764}[i] {
			t.Errorf("output %d: remark is %q, made %+v", i+1, out.Remark, out.Made)
		}
	}
}

func playlist(t testing.TB) string {
	return writeFile(t, []byte("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/passwd\n"))
}
