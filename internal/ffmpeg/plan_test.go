package ffmpeg

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"etude/internal/transcode"
	"etude/internal/transcode/transcodetest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestPlan has a file for each case, in the form of txtar: what ffmpeg can do,
// what ffprobe found of each input and the presets go in; the arguments of both ffmpegs come
// out, or the failure.
func TestPlan(t *testing.T) {
	files, err := filepath.Glob("testdata/plan/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			head, sections := readArchive(string(content))
			var got strings.Builder
			fmt.Fprintf(&got, "%s-- ffmpeg --\n%s-- source --\n%s-- presets --\n%s", head, sections["ffmpeg"], sections["source"], sections["presets"])
			for _, name := range []string{"covers", "cores"} {
				if sections[name] != "" {
					got.WriteString("-- " + name + " --\n" + sections[name])
				}
			}
			got.WriteString(planned(t, sections))
			if *update {
				if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(content), got.String()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// readArchive splits a text at its lines "-- name --".
func readArchive(text string) (head string, sections map[string]string) {
	sections = map[string]string{}
	parts := strings.Split("\n"+text, "\n-- ")
	for _, part := range parts[1:] {
		name, content, _ := strings.Cut(part, " --\n")
		sections[name] = strings.TrimSuffix(content, "\n") + "\n"
	}
	return parts[0][1:] + "\n", sections
}

// planned is the answer to a case.
func planned(t *testing.T, in map[string]string) string {
	can := abilities{Encoders: strings.Fields(in["ffmpeg"])}
	slices.Sort(can.Encoders)
	can.Soxr = can.encodes("libsoxr")
	var found []*source
	var sources []transcode.Source
	for line := range strings.Lines(in["source"]) {
		words, json, _ := strings.Cut(line, "{")
		span, words := readSpan(t, words)
		src, err := parseSource("{"+json, words)
		if err != nil {
			return "-- failure --\n" + failureText(t, err)
		}
		found, sources = append(found, src), append(sources, transcode.Source{Span: span})
	}
	p, err := newPlan(found, sources, readRenditions(t, in["presets"]), can, 12*time.Hour)
	if err != nil {
		return "-- failure --\n" + failureText(t, err)
	}
	var b strings.Builder
	for line := range strings.Lines(in["covers"]) {
		fields := strings.Fields(line) // the output's number, the file, its demuxer
		i := number(fields[0]) - 1
		p.Tracks[i].Covers = append(p.Tracks[i].Covers, cover{fields[1], fields[2]})
	}
	for i := range transcode.MaxOutputs {
		if f := p.Refused[i]; f != nil {
			fmt.Fprintf(&b, "-- refused %d --\n%s", i+1, failureText(t, f))
		}
	}
	for _, track := range p.Tracks {
		if remark := remarks(p.Remark, track.Remark); remark != "" {
			fmt.Fprintf(&b, "-- remark %d --\n%s\n", track.Output+1, remark)
		}
	}
	if cores := strings.TrimSpace(in["cores"]); cores != "" {
		p.splitTracks(number(cores), usualLength)
		fmt.Fprintf(&b, "-- segments --\n%s", showSegments(p))
	}
	fmt.Fprintf(&b, "-- encode --\n%s-- verify --\n%s", showArgs(p.encodeArgs()), showArgs(p.verifyArgs(p.coded())))
	return b.String()
}

// showSegments writes, for each track that is split, its encoder and how it is
// cut.
func showSegments(p *plan) string {
	var b strings.Builder
	for _, t := range p.Tracks {
		s := t.Split
		if s == nil {
			continue
		}
		_, to := s.own(max(s.Count-1, 0))
		fmt.Fprintf(&b, "%s: %d segments of %d packets of %d samples, %d of %d, the last to %d; each after %d more, and with %d more\n%s\n",
			t.File, s.Count-s.Tail, s.Length, s.Frame, s.Tail, s.Short, to, s.Warm, s.Overlap, showArgs(t.laneArgs()))
	}
	return b.String()
}

func failureText(t *testing.T, err error) string {
	var f *transcode.Failure
	if !errors.As(err, &f) {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d: %s\n%s %s\n", f.Code, f.Detail, f.Reason, f.Remedy)
}

var spanWords = regexp.MustCompile(`^(\S+)\+(\S+) `)

// readSpan takes a span off the front of a line: "10s+5s " begins at 10 seconds
// and lasts 5.
func readSpan(t *testing.T, line string) (s transcode.Span, rest string) {
	m := spanWords.FindStringSubmatch(line)
	if m == nil {
		return s, line
	}
	var errs [2]error
	s.Start, errs[0] = time.ParseDuration(m[1])
	s.Length, errs[1] = time.ParseDuration(m[2])
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return s, line[len(m[0]):]
}

var layoutNames = map[string]transcode.Layout{"segments": transcode.SegmentFiles, "ranges": transcode.ByteRanges, "fragments": transcode.Fragmented}

// readRenditions reads one in each line: the end of a system preset's id, or
// JSON; ahead of it a span, or a layout with the length of its segments, as
// "segments=10s".
func readRenditions(t *testing.T, text string) []transcode.Rendition {
	var all []transcode.Rendition
	for line := range strings.Lines(text) {
		r := transcode.Rendition{Name: strconv.Itoa(len(all) + 1)}
		r.Span, line = readSpan(t, strings.TrimSpace(line))
		if word, rest, found := strings.Cut(line, " "); found && strings.Contains(word, "=") {
			name, duration, _ := strings.Cut(word, "=")
			r.Layout, line = layoutNames[name], rest
			var err error
			if r.SegmentLength, err = time.ParseDuration(duration); err != nil {
				t.Fatal(err)
			}
		}
		if strings.HasPrefix(line, "{") {
			if err := json.Unmarshal([]byte(line), &r.Preset); err != nil {
				t.Fatal(err)
			}
		} else {
			r.Preset = systemPreset(t, line)
		}
		all = append(all, r)
	}
	return all
}

func systemPreset(t testing.TB, number string) transcode.Preset {
	i := slices.IndexFunc(transcode.SystemPresets(), func(p transcode.Preset) bool {
		return strings.HasSuffix(string(p.ID), "-"+number)
	})
	if i < 0 {
		t.Fatalf("there is no system preset %s", number)
	}
	return transcode.SystemPresets()[i]
}

// showArgs writes a line for what is common, each input and each output.
func showArgs(args []string) string {
	var b strings.Builder
	for i, arg := range args {
		switch {
		case arg == guard[0], arg == "-map", arg == artGuard[0], arg == "-filter_complex_threads",
			arg == "-map_metadata" && strings.HasPrefix(args[i-1], "file:"):
			b.WriteByte('\n')
		case i > 0:
			b.WriteByte(' ')
		}
		b.WriteString(arg)
	}
	text := strings.ReplaceAll(b.String(), strings.Join(guard, " "), "GUARD")
	return strings.ReplaceAll(text, strings.Join(artGuard, " "), "ARTGUARD") + "\n"
}

// TestCheck asks for every preset of Elastic Transcoder's that has no video, and
// for some that nobody can make.
func TestCheck(t *testing.T) {
	can := abilities{Encoders: []string{"aac", "flac", "libmp3lame", "libvorbis", "mp2"}}
	for _, p := range transcode.SystemPresets() {
		possible := p.Video == nil
		if why := can.check(&p); (why == "") != possible {
			t.Errorf("%s %s: %q", p.ID, p.Name, why)
		}
	}
	audio := func(container string, a transcode.Audio) transcode.Preset {
		return transcode.Preset{Name: "x", Container: container, Audio: &a}
	}
	options := func(o transcode.AudioOptions) *transcode.AudioOptions { return &o }
	for want, p := range map[string]transcode.Preset{
		`Video cannot be made yet: preset "x" has video settings.`:                                                     {Name: "x", Video: &transcode.Video{}},
		`Thumbnails cannot be made yet: preset "x" has settings for them.`:                                             {Name: "x", Thumbnails: &transcode.Thumbnails{}},
		`There is nothing to be made: preset "x" has neither audio nor video settings.`:                                {Name: "x"},
		`The codec pcm in the container mxf cannot be made yet, which preset "x" asks for.`:                            audio("mxf", transcode.Audio{Codec: "pcm"}),
		`A file without video cannot be without audio too (Channels 0), but preset "x" asks for it.`:                   audio("wav", transcode.Audio{Codec: "pcm", Channels: "0"}),
		`Channels cannot be "3", but preset "x" asks for it.`:                                                          audio("wav", transcode.Audio{Codec: "pcm", Channels: "3"}),
		`The codec mp3 cannot have a sample rate of "96000", but preset "x" asks for it.`:                              audio("mp3", transcode.Audio{Codec: "mp3", SampleRate: "96000"}),
		`The codec pcm cannot have a sample rate of "1", but preset "x" asks for it.`:                                  audio("wav", transcode.Audio{Codec: "pcm", SampleRate: "1"}),
		`The codec mp3 cannot have a bit rate of "999" kbit/s, but preset "x" asks for it.`:                            audio("mp3", transcode.Audio{Codec: "mp3", BitRate: "999"}),
		`Audio cannot be packed as "OneChannelPerTrack" in wav, but preset "x" asks for it.`:                           audio("wav", transcode.Audio{Codec: "pcm", PackingMode: "OneChannelPerTrack"}),
		`HE-AAC needs an encoder that this server does not have, but preset "x" asks for it.`:                          audio("mp4", transcode.Audio{Codec: "AAC", CodecOptions: options(transcode.AudioOptions{Profile: "HE-AAC"})}),
		`AAC cannot have the profile "Main", but preset "x" asks for it.`:                                              audio("mp4", transcode.Audio{Codec: "AAC", CodecOptions: options(transcode.AudioOptions{Profile: "Main"})}),
		`The codec flac cannot have a bit depth of "8", but preset "x" asks for it.`:                                   audio("flac", transcode.Audio{Codec: "flac", CodecOptions: options(transcode.AudioOptions{BitDepth: "8"})}),
		`The codec pcm cannot have a bit depth of "20", but preset "x" asks for it.`:                                   audio("wav", transcode.Audio{Codec: "pcm", CodecOptions: options(transcode.AudioOptions{BitDepth: "20"})}),
		`The container wav cannot have the bit order "BigEndian", but preset "x" asks for it.`:                         audio("wav", transcode.Audio{Codec: "pcm", CodecOptions: options(transcode.AudioOptions{BitOrder: "BigEndian"})}),
		`The container wav has Unsigned samples at this bit depth and cannot have others, but preset "x" asks for it.`: audio("wav", transcode.Audio{Codec: "pcm", CodecOptions: options(transcode.AudioOptions{BitDepth: "8", Signed: "Signed"})}),
	} {
		if got := can.check(&p); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		transcodetest.CheckFailure(t, refused(want))
	}
	fdk := abilities{Encoders: []string{"aac", "libfdk_aac"}}
	for _, profile := range []string{"HE-AAC", "HE-AACv2"} {
		p := audio("mp4", transcode.Audio{Codec: "AAC", Channels: "2", CodecOptions: options(transcode.AudioOptions{Profile: profile})})
		if why := fdk.check(&p); why != "" {
			t.Errorf("%s with libfdk_aac: %s", profile, why)
		}
	}
	none := audio("mp3", transcode.Audio{Codec: "mp3"})
	if got := fdk.check(&none); !strings.Contains(got, "no encoder for mp3") {
		t.Errorf("without an encoder: %q", got)
	}
}

func TestParseAbilities(t *testing.T) {
	banner := "ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026 the FFmpeg developers\n  configuration: --enable-gpl --enable-libsoxr --enable-shared\n"
	list := "Encoders:\n V..... = Video\n A..... = Audio\n ------\n V....D libx264  libx264 H.264 (codec h264)\n A..... aac  AAC (Advanced Audio Coding)\n A....D flac   FLAC\n"
	got, err := parseAbilities(banner, list)
	if err != nil {
		t.Fatal(err)
	}
	want := abilities{Version: "5.1.9-0+deb12u1", Encoders: []string{"aac", "flac", "libx264"}, Soxr: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := parseAbilities("sh: not found", ""); err == nil {
		t.Error("something that is not ffmpeg was taken for it")
	}
}

func TestSpoken(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "less than a second", 700 * time.Millisecond: "less than a second", time.Second: "1 second", 3400 * time.Millisecond: "3 seconds",
		100 * time.Second: "100 seconds", 4 * time.Minute: "4 minutes", 4*time.Minute + time.Second: "4 minutes 1 second",
		time.Hour: "1 hour", 12*time.Hour + 90*time.Second: "12 hours 1 minute",
	} {
		if got := spoken(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

// TestDecodedLine reads the statistics of an old ffmpeg and of a new one.
func TestDecodedLine(t *testing.T) {
	for _, line := range []string{
		"[verbose]   Input stream #0:1 (audio): 193 packets read (120999 bytes); 193 frames decoded (220260 samples); ",
		"[verbose]   Input stream #0:1 (audio): 193 packets read (120999 bytes); 193 frames decoded; 2 decode errors (220260 samples); ",
	} {
		w := encodeWords{streams: []int{1}, samples: []int64{-1}}
		w.line(line)
		if w.samples[0] != 220260 || w.damaged != strings.Contains(line, "errors") {
			t.Errorf("%s: %+v", line, w)
		}
	}
}

// TestPlanAll plans all of Elastic Transcoder's audio presets for many kinds of
// input. There is a line for each: the filters, the encoder and the muxer.
func TestPlanAll(t *testing.T) {
	input := func(codec, format string, rate, channels, bits int, more string) string {
		return fmt.Sprintf(`{"streams":[{"index":0,"codec_name":%q,"codec_type":"audio","sample_fmt":%q,"sample_rate":"%d","channels":%d,"bits_per_raw_sample":"%d","bit_rate":"192000"}%s],"format":{"format_name":%q,"duration":"200.0"}}`,
			codec, format, rate, channels, bits, more, codec)
	}
	cover := `,{"index":1,"codec_name":"mjpeg","codec_type":"video","disposition":{"attached_pic":1}}`
	kinds := []struct {
		name   string
		inputs []string // each after its span, if it has one
	}{
		{"CD", []string{input("pcm_s16le", "s16", 44100, 2, 0, "")}},
		{"MP3 with a cover", []string{input("mp3", "fltp", 44100, 2, 0, cover)}},
		{"telephone, mono", []string{input("pcm_mulaw", "s16", 8000, 1, 0, "")}},
		{"DVD, 24 bits", []string{input("flac", "s32", 48000, 2, 24, "")}},
		{"studio, 192 kHz", []string{input("flac", "s32", 192000, 2, 24, "")}},
		{"floating point, mono", []string{input("pcm_f32le", "flt", 96000, 1, 0, "")}},
		{"8 bits", []string{input("pcm_u8", "u8", 22050, 1, 0, "")}},
		{"six channels", []string{input("ac3", "fltp", 48000, 6, 0, "")}},
		{"a clip", []string{"10s+5s " + input("mp3", "fltp", 44100, 2, 0, "")}},
		{"two that are joined", []string{input("pcm_s16le", "s16", 44100, 2, 0, ""), input("mp3", "fltp", 48000, 1, 0, "")}},
	}
	can := abilities{Encoders: []string{"aac", "flac", "libmp3lame", "libtwolame", "libvorbis", "mp2"}, Soxr: true}
	var b strings.Builder
	for _, kind := range kinds {
		fmt.Fprintf(&b, "-- %s --\n", kind.name)
		var found []*source
		var sources []transcode.Source
		for _, line := range kind.inputs {
			span, json := readSpan(t, line)
			src, err := parseSource(json, "")
			if err != nil {
				t.Fatal(err)
			}
			found, sources = append(found, src), append(sources, transcode.Source{Span: span})
		}
		for _, preset := range transcode.SystemPresets() {
			if preset.Video != nil || preset.Audio == nil {
				continue
			}
			id := strings.TrimPrefix(string(preset.ID), "1351620000001-")
			p, err := newPlan(found, sources, []transcode.Rendition{{Name: id, Preset: preset}}, can, 12*time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			if f := p.Refused[0]; f != nil {
				fmt.Fprintf(&b, "%s: %s\n", id, f.Reason)
				continue
			}
			p.splitTracks(2, usualLength)
			track := &p.Tracks[0]
			args := strings.Join(p.trackArgs(0, nil), " ")
			_, after, _ := strings.Cut(args, "TLEN= ")
			if len(p.Parts) > 1 {
				after = p.outputFilters(track) + " " + after
			}
			segments := "whole"
			if s := track.Split; s != nil {
				segments = fmt.Sprintf("%d x %d", s.Count-s.Tail, s.Length)
				if s.Tail > 0 {
					segments += fmt.Sprintf(" + %d x %d", s.Tail, s.Short)
				}
			}
			fmt.Fprintf(&b, "%s: %s | %s\n", id, strings.TrimPrefix(after, "-af "), segments)
		}
	}
	const file = "testdata/plan-all.txt"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestSegmentsCover: segments follow each other without a gap, whatever is cut,
// and each encoder's packets fall into the turns of one that encodes everything.
// Patches need no sound but what a segment keeps, and that is little.
func TestSegmentsCover(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tracks := []track{
			{target: findTarget("mp4", "AAC"), Encoder: "aac"}, {target: findTarget("mp3", "mp3"), Encoder: "libmp3lame"},
		}
		track := rapid.SampledFrom(tracks).Draw(t, "track")
		track.Rate = rapid.SampledFrom([]int{8000, 11025, 22050, 24000, 44100, 48000}).Draw(t, "rate")
		track.Channels = rapid.IntRange(1, 2).Draw(t, "channels")
		s := track.splitting()
		n := rapid.Int64Range(1, int64(track.Rate)*8*3600).Draw(t, "samples")
		cores := rapid.IntRange(2, 64).Draw(t, "cores")
		s.divide(n, samples(usualLength, track.Rate), track.Channels, cores)
		if size := s.Length * s.Frame * int64(track.Channels) * 4; size > mostPart+s.Unit*s.Frame*8 {
			t.Errorf("a segment has %d bytes of sound", size)
		}
		packets, at, given := s.packets(n), int64(0), []int64{0, 0}
		for k := int64(0); at < packets; k++ {
			from, to := s.own(k)
			if from != at || to <= from || from%s.Unit != 0 {
				t.Fatalf("segment %d has packets %d to %d, after %d", k, from, to, at)
			}
			at = to
			lane := rapid.IntRange(0, len(given)-1).Draw(t, "lane")
			p := s.piece(k, given[lane])
			if (p.From-p.At)%s.Unit != 0 || k > 0 && p.From > from-s.Warm || k == 0 && p.From != 0 || p.From < 0 || p.To < to+s.Overlap {
				t.Errorf("segment %d, packets %d to %d: an encoder that was given %d frames is given %+v", k, from, to, given[lane], p)
			}
			given[lane] += p.To - p.From
			if k == 0 {
				continue
			}
			first, end := s.around(k)
			for _, times := range patchTimes {
				patch, last := s.patch(k, times)
				if patch.From%s.Unit != 0 || patch.From > max(from-times*s.Warm, 0) || last < min(from+times*s.Warm, to) || last+s.Ahead >= patch.To {
					t.Errorf("segment %d, packets %d to %d: a patch is given %+v up to packet %d", k, from, to, patch, last)
				}
				if first > min(patch.From, p.From) || patch.To > min(end, p.To) || (end-first)*s.Frame*int64(track.Channels)*4 > 3<<20 {
					t.Errorf("segment %d: it has %+v, a patch %+v; kept is %d to %d", k, p, patch, first, end)
				}
			}
		}
	})
}
