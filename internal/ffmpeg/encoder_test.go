package ffmpeg_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"etude/internal/ffmpeg"
	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/transcode"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// system returns one of Elastic Transcoder's presets by the end of its id.
func system(t testing.TB, number string) transcode.Preset {
	t.Helper()
	for _, p := range transcode.SystemPresets() {
		if string(p.ID) == "1351620000001-"+number {
			return p
		}
	}
	t.Fatalf("there is no system preset %s", number)
	panic("unreachable")
}

// custom returns a preset with audio alone.
func custom(container string, audio transcode.Audio) transcode.Preset {
	return transcode.Preset{Name: container, Container: container, Audio: &audio, Type: transcode.CustomPreset}
}

func newEncoder(t testing.TB, cfg ffmpeg.Config) *ffmpeg.Encoder {
	t.Helper()
	ffmpegtest.Need(t)
	e, err := ffmpeg.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// encode makes presets of an input, under the names 1, 2, ...
func encode(t testing.TB, e *ffmpeg.Encoder, input string, presets ...transcode.Preset) (*transcode.Encoded, error) {
	t.Helper()
	enc := transcode.Encoding{Inputs: []transcode.Source{{Path: input}}, Dir: t.TempDir()}
	for i, p := range presets {
		enc.Outputs = append(enc.Outputs, transcode.Rendition{Name: strconv.Itoa(i + 1), Preset: p})
	}
	return e.Encode(t.Context(), enc, func(transcode.Progress) {})
}

func mustEncode(t testing.TB, e *ffmpeg.Encoder, input string, presets ...transcode.Preset) *transcode.Encoded {
	t.Helper()
	encoded, err := encode(t, e, input, presets...)
	if err != nil {
		t.Fatal(err)
	}
	if len(encoded.Outputs) != len(presets) {
		t.Fatalf("%d outputs, want %d", len(encoded.Outputs), len(presets))
	}
	return encoded
}

// five are the presets that most jobs are about.
func five(t testing.TB) []transcode.Preset {
	return []transcode.Preset{
		system(t, "300300"), system(t, "300110"), system(t, "100110"), system(t, "300040"), system(t, "300200"),
	}
}

// TestEncode reads back what comes of many inputs. All five outputs are 44.1 kHz
// stereo.
func TestEncode(t *testing.T) {
	e := newEncoder(t, ffmpeg.Config{})
	tests := map[string]struct {
		spec   ffmpegtest.Spec
		remark string
	}{
		"cd":        {spec: ffmpegtest.Spec{Samples: 70001}},
		"mp3":       {spec: ffmpegtest.Spec{Name: "a.mp3", Samples: 70001}},
		"aac":       {spec: ffmpegtest.Spec{Name: "a.m4a"}},
		"vorbis":    {spec: ffmpegtest.Spec{Name: "a.ogg", Codec: "libvorbis"}},
		"opus":      {spec: ffmpegtest.Spec{Name: "a.opus", Codec: "libopus", Rate: 48000}},
		"mono":      {spec: ffmpegtest.Spec{Channels: 1, Rate: 22050}},
		"surround":  {spec: ffmpegtest.Spec{Name: "a.flac", Channels: 6, Rate: 48000}, remark: "The 6 channels were mixed down to 2."},
		"telephone": {spec: ffmpegtest.Spec{Rate: 8000, Codec: "pcm_alaw"}},
		"studio":    {spec: ffmpegtest.Spec{Name: "a.flac", Rate: 96000, Codec: "flac", Args: []string{"-sample_fmt", "s32"}}},
		"float":     {spec: ffmpegtest.Spec{Codec: "pcm_f32le", Rate: 48000}},
		"silence":   {spec: ffmpegtest.Spec{Sound: "0"}},
		"short":     {spec: ffmpegtest.Spec{Samples: 3000}},
		"matroska":  {spec: ffmpegtest.Spec{Name: "a.mka", Codec: "flac"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			input := ffmpegtest.Clip(t, test.spec)
			in := ffmpegtest.Probe(t, input)
			exact := (in.Samples*44100*2/int64(in.Rate) + 1) / 2
			encoded := mustEncode(t, e, input, five(t)...)
			if got, want := encoded.Inputs[0].FileSize, fileSize(t, input); got != want {
				t.Errorf("the input has %d bytes, want %d", got, want)
			}
			for i, want := range []struct {
				codec        string
				bits         int
				contentType  string
				longer       int64
				bitRate      int
				headerLonger time.Duration
			}{
				{codec: "pcm_s16le", bits: 16, contentType: "audio/wav"},
				{codec: "flac", bits: 16, contentType: "audio/flac"},
				{codec: "aac", contentType: "audio/mp4", longer: 1023},
				{codec: "mp3", contentType: "audio/mpeg", bitRate: 128000, headerLonger: 80 * time.Millisecond},
				{codec: "pcm_u8", bits: 8, contentType: "audio/wav"},
			} {
				out := encoded.Outputs[i]
				got := ffmpegtest.Probe(t, out.Files[0].Path)
				if got.Codec != want.codec || got.Bits != want.bits || got.Rate != 44100 || got.Channels != 2 || got.Streams != 1 {
					t.Errorf("%s: got %+v", want.codec, got)
				}
				slack := int64(0)
				if in.Rate != 44100 {
					slack = 1
				}
				if got.Samples < exact-slack || got.Samples > exact+slack+want.longer {
					t.Errorf("%s: %d samples, want %d", want.codec, got.Samples, exact)
				}
				if want.bitRate > 0 && got.BitRate != want.bitRate {
					t.Errorf("%s: %d bit/s, want %d", want.codec, got.BitRate, want.bitRate)
				}
				is := time.Duration(exact) * time.Second / 44100
				if got.Duration < is-time.Millisecond || got.Duration > is+time.Millisecond+want.headerLonger {
					t.Errorf("%s: the header says %v, want %v", want.codec, got.Duration, is)
				}
				m := out.Made
				if want.codec == "aac" { // whose end ffmpeg 5.1 does not heed
					if m.Samples < exact-slack || m.Samples > exact+slack {
						t.Errorf("aac: Made says %d samples, want %d", m.Samples, exact)
					}
					got.Samples = m.Samples
				}
				if m.Codec != got.Codec || m.SampleRate != 44100 || m.Channels != 2 || m.Samples != got.Samples ||
					m.Size != fileSize(t, out.Files[0].Path) || m.SHA256 != fileSum(t, out.Files[0].Path) ||
					m.Duration != time.Duration(got.Samples)*time.Second/44100 {
					t.Errorf("%s: Made is %+v, want what was read back: %+v", want.codec, m, got)
				}
				if out.Files[0].ContentType != want.contentType || out.Remark != test.remark || out.Failure != nil {
					t.Errorf("%s: content type %q, remark %q, failure %v", want.codec, out.Files[0].ContentType, out.Remark, out.Failure)
				}
			}
			checkHeaders(t, encoded.Outputs[0].Files[0].Path, encoded.Outputs[1].Files[0].Path, exact)
		})
	}
}

// TestEncodeLossless finds that no sample is changed where none has to be.
func TestEncodeLossless(t *testing.T) {
	e := newEncoder(t, ffmpeg.Config{})
	for name, spec := range map[string]ffmpegtest.Spec{
		"wav": {Samples: 50001},
		"mp3": {Samples: 50001, Name: "a.mp3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			input := ffmpegtest.Clip(t, spec)
			encoded := mustEncode(t, e, input, system(t, "300300"), system(t, "300110"))
			// ffmpeg's own decode, put at 16 bits by nothing but ffmpeg.
			own := filepath.Join(t.TempDir(), "own.wav")
			ffmpegtest.Run(t, "-i", input, "-c:a", "pcm_s16le", own)
			want := ffmpegtest.Decode(t, own)
			for _, out := range encoded.Outputs {
				if got := ffmpegtest.Decode(t, out.Files[0].Path); !slices.Equal(got, want) {
					t.Errorf("%s differs from the input", out.Made.Codec)
				}
			}
		})
	}
}

// TestEncodeAuto makes presets that follow the input.
func TestEncodeAuto(t *testing.T) {
	e := newEncoder(t, ffmpeg.Config{})
	follow := func(container, codec, rate, depth string) transcode.Preset {
		return custom(container, transcode.Audio{
			Codec: codec, SampleRate: "auto", BitRate: rate, Channels: "auto",
			CodecOptions: &transcode.AudioOptions{BitDepth: depth, Profile: "auto"},
		})
	}
	presets := []transcode.Preset{
		follow("wav", "pcm", "", "24"), follow("wav", "pcm", "", "32"), follow("flac", "flac", "", "24"),
		follow("ogg", "flac", "", "16"), follow("oga", "flac", "", ""), follow("mp4", "AAC", "160", ""), follow("mp3", "mp3", "320", ""),
		follow("mp2", "mp2", "320", ""), follow("ogg", "vorbis", "320", ""), follow("oga", "vorbis", "64", ""),
	}
	tests := map[string]struct {
		spec ffmpegtest.Spec
		want []string
	}{
		"studio": {
			spec: ffmpegtest.Spec{Name: "a.flac", Rate: 96000, Args: []string{"-sample_fmt", "s32"}},
			want: []string{
				"pcm_s24le 96000 2 24", "pcm_s32le 96000 2 32", "flac 96000 2 24",
				"flac 96000 2 16", "flac 96000 2 24", "aac 96000 2 0", "mp3 48000 2 0",
				"mp2 48000 2 0", "vorbis 48000 2 0", "vorbis 48000 2 0",
			},
		},
		"telephone": {
			spec: ffmpegtest.Spec{Rate: 8000, Channels: 1},
			want: []string{
				"pcm_s24le 8000 1 24", "pcm_s32le 8000 1 32", "flac 8000 1 24",
				"flac 8000 1 16", "flac 8000 1 16", "aac 8000 1 0", "mp3 8000 1 0",
				"mp2 16000 1 0", "vorbis 8000 1 0", "vorbis 8000 1 0",
			},
		},
		"surround": {
			spec: ffmpegtest.Spec{Name: "a.flac", Channels: 6, Rate: 44100},
			want: []string{
				"pcm_s24le 44100 6 24", "pcm_s32le 44100 6 32", "flac 44100 6 24",
				"flac 44100 6 16", "flac 44100 6 24", "aac 44100 6 0", "mp3 44100 2 0",
				"mp2 44100 2 0", "vorbis 44100 2 0", "vorbis 44100 2 0",
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			encoded := mustEncode(t, e, ffmpegtest.Clip(t, test.spec), presets...)
			for i, out := range encoded.Outputs {
				f := ffmpegtest.Probe(t, out.Files[0].Path)
				if got := fmt.Sprint(f.Codec, " ", f.Rate, " ", f.Channels, " ", f.Bits); got != test.want[i] {
					t.Errorf("output %d is %s, want %s", i+1, got, test.want[i])
				}
			}
		})
	}
}

// TestEncodeMonoToStereo wants two identical channels, as loud as the one.
func TestEncodeMonoToStereo(t *testing.T) {
	e := newEncoder(t, ffmpeg.Config{})
	input := ffmpegtest.Clip(t, ffmpegtest.Spec{Channels: 1, Samples: 20000})
	out := mustEncode(t, e, input, system(t, "300300")).Outputs[0]
	mono, stereo := ffmpegtest.Decode(t, input), ffmpegtest.Decode(t, out.Files[0].Path)
	if len(stereo) != 2*len(mono) {
		t.Fatalf("%d bytes, want twice %d", len(stereo), len(mono))
	}
	for i := 0; i < len(mono); i += 4 {
		if want := string(mono[i : i+4]); string(stereo[2*i:2*i+4]) != want || string(stereo[2*i+4:2*i+8]) != want {
			t.Fatalf("sample %d: % x, want % x twice", i/4, stereo[2*i:2*i+8], want)
		}
	}
}

// TestEncodeTags carries tags into every container, and none that are about one.
func TestEncodeTags(t *testing.T) {
	e := newEncoder(t, ffmpeg.Config{})
	tags := map[string]string{"title": "Étude № 1; =\\", "artist": "ショパン"}
	for _, spec := range []ffmpegtest.Spec{
		{Name: "a.mp3", Cover: true, Tags: tags}, {Name: "a.ogg", Codec: "libvorbis", Tags: tags}, {Name: "a.m4a", Tags: tags},
	} {
		t.Run(spec.Name, func(t *testing.T) {
			t.Parallel()
			ogg := custom("ogg", transcode.Audio{Codec: "vorbis", BitRate: "96"})
			for _, out := range mustEncode(t, e, ffmpegtest.Clip(t, spec), append(five(t), ogg)...).Outputs {
				f := ffmpegtest.Probe(t, out.Files[0].Path)
				for key, want := range tags {
					if got := f.Tags[key]; got != want {
						t.Errorf("%s: %s is %q, want %q", f.Codec, key, got, want)
					}
				}
				if _, stray := f.Tags["major_brand"]; stray && f.Codec != "aac" {
					t.Errorf("%s has MP4's own tags: %v", f.Codec, f.Tags)
				}
			}
		})
	}
}

func TestEncodeProgress(t *testing.T) {
	e := newEncoder(t, ffmpeg.Config{})
	input := ffmpegtest.Clip(t, ffmpegtest.Spec{Samples: 20 * 44100})
	enc := transcode.Encoding{Inputs: []transcode.Source{{Path: input}}, Dir: t.TempDir()}
	for i, p := range five(t) {
		enc.Outputs = append(enc.Outputs, transcode.Rendition{Name: strconv.Itoa(i), Preset: p})
	}
	var got []transcode.Progress
	if _, err := e.Encode(t.Context(), enc, func(p transcode.Progress) { got = append(got, p) }); err != nil {
		t.Fatal(err)
	}
	phases := []transcode.Phase{transcode.Probing, transcode.Transcoding, transcode.Verifying}
	between := 0
	for i, p := range got {
		if i > 0 && (p.Done < got[i-1].Done || slices.Index(phases, p.Phase) < slices.Index(phases, got[i-1].Phase)) {
			t.Errorf("%+v comes after %+v", p, got[i-1])
		}
		for name, o := range p.Outputs {
			if was, ok := got[i-1].Outputs[name]; ok && (o.Done < was.Done || slices.Index(phases, o.Phase) < slices.Index(phases, was.Phase)) {
				t.Errorf("output %s: %+v comes after %+v", name, o, was)
			}
		}
		if p.Phase == transcode.Transcoding && p.Done > 0.05 && p.Done < 0.9 {
			between++
		}
	}
	if first, last := got[0], got[len(got)-1]; first.Phase != transcode.Probing || first.Done != 0 || last.Phase != transcode.Verifying || last.Done != 1 {
		t.Errorf("progress goes from %+v to %+v", first, last)
	}
	for i := range enc.Outputs {
		o := got[len(got)-1].Outputs[strconv.Itoa(i)]
		if o.Phase != transcode.Verifying || o.Done < 0.999 {
			t.Errorf("output %d ends as %+v", i, o)
		}
	}
	if between == 0 {
		t.Errorf("no progress on the way: %+v", got)
	}
}

// TestEncodeStall kills an ffmpeg that does nothing.
func TestEncodeStall(t *testing.T) {
	ffmpegtest.Need(t)
	// Answers like ffmpeg, and then hangs.
	fake := filepath.Join(t.TempDir(), "ffmpeg")
	script := "#!/bin/sh\ncase \"$*\" in *-encoders*) echo 'ffmpeg version 0' >&2; exit;; esac\nexec sleep 100\n"
	if err := os.WriteFile(fake, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	e, err := ffmpeg.New(ffmpeg.Config{FFmpeg: fake, Stall: 200 * time.Millisecond, Sandbox: ffmpeg.Limits})
	if err != nil {
		t.Fatal(err)
	}
	_, err = encode(t, e, ffmpegtest.Clip(t, ffmpegtest.Spec{}), system(t, "300300"))
	var f *transcode.Failure
	if err == nil || errors.As(err, &f) || err.Error() != "encode: ffmpeg made no progress for 200ms" {
		t.Errorf("error is %v", err)
	}
}

func TestEncodeMany(t *testing.T) {
	t.Parallel()
	e := newEncoder(t, ffmpeg.Config{})
	input := ffmpegtest.Clip(t, ffmpegtest.Spec{Samples: 5000})
	errs := make(chan error)
	for range 4 {
		go func() {
			_, err := encode(t, e, input, system(t, "300110"))
			errs <- err
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestEncodeNames(t *testing.T) {
	e := newEncoder(t, ffmpeg.Config{})
	input := ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "-i $(touch x);'\"%d é.wav", Samples: 1000})
	for _, name := range []string{"-y", "$(touch x)", "a b", "%03d", "é"} {
		dir := t.TempDir()
		enc := transcode.Encoding{Inputs: []transcode.Source{{Path: input}}, Dir: dir, Outputs: []transcode.Rendition{{Name: name, Preset: system(t, "300300")}}}
		got, err := e.Encode(t.Context(), enc, nil)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if want := filepath.Join(dir, name+".wav"); got.Outputs[0].Files[0].Path != want {
			t.Errorf("%q became %q", name, got.Outputs[0].Files[0].Path)
		}
		if files, _ := os.ReadDir(dir); len(files) != 1 {
			t.Errorf("%q: %v", name, files)
		}
	}
	for _, name := range []string{"", ".", "..", "../x", "a/b", "a\\b", "pipe:1", "a\x00b"} {
		enc := transcode.Encoding{Inputs: []transcode.Source{{Path: input}}, Dir: t.TempDir(), Outputs: []transcode.Rendition{{Name: name, Preset: system(t, "300300")}}}
		if _, err := e.Encode(t.Context(), enc, nil); err == nil {
			t.Errorf("%q was taken for a name", name)
		}
	}
}

func TestNew(t *testing.T) {
	if _, err := ffmpeg.New(ffmpeg.Config{FFmpeg: "/nowhere/ffmpeg"}); err == nil {
		t.Error("a program that is not there was taken")
	}
	if _, err := ffmpeg.New(ffmpeg.Config{Sandbox: "none"}); err == nil {
		t.Error("a mode that is none was taken")
	}
}
