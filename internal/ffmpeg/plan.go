package ffmpeg

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"etude/internal/transcode"
)

// plan is what is done with some sources. It is a plain value, made of sources,
// presets and abilities alone.
type plan struct {
	Parts    []part        // what is decoded of each input, in their order
	Rate     int           // Hz, of the joined parts
	Channels int           // of the joined parts
	Sample   string        // ffmpeg's sample format of joined parts; empty for a single one
	Duration time.Duration // of the joined parts, as the sources say; 0 if it is not known
	Guessed  bool          // nobody promised Duration
	Most     time.Duration // more than this is not decoded
	TagsFrom string        // whose tags are carried, for -map_metadata
	TagFile  string        // in the working directory, with the tags that are carried instead; empty for none
	Tempo    string        // the tag that each container calls differently; empty for none
	Soxr     bool          // resample by libsoxr
	Slow     bool          // as in abilities
	Remark   string        // true of every output; empty for none

	Tracks  []track
	Feeds   []feed
	Heard   bool                       // one of the feeds is of all that is joined
	Refused map[int]*transcode.Failure // by the output's index
}

// track is one output that is made.
type track struct {
	*target
	cut             // of the joined parts, in samples at the plan's rate
	Output   int    // index in the Encoding
	File     string // name in the working directory
	Encoder  string // ffmpeg's name
	Profile  string // of AAC, as libfdk_aac calls it; empty for LC
	Rate     int    // Hz
	Channels int
	Layout   string // ffmpeg's name of the channels
	Sample   string // ffmpeg's sample format; empty to leave it to the encoder
	Bits     int    // of a sample; 0 for a lossy codec
	BitRate  int    // kbit/s; 0 for a lossless codec
	Dither   bool   // when samples lose bits
	Large    bool   // may be over 4 GiB
	Longer   int64  // by how many samples it may decode too long
	Remark   string // empty for none
	Covers   []cover
	Pictures []cover // that go into its tag once it is made
	Files    transcode.Layout
	Segment  time.Duration // length of a segment; 0 for none
	Loudness *transcode.LoudnessTarget
	Gain     gain    // to be applied for it
	first    float64 // the gain, in dB, that was tried first
	Split    *split  // nil if it is encoded whole
	Feed     int     // index of the feed that it is made of, if it is split
}

// What an input may be. DSD, decoded, has 352.8 kHz.
const (
	minRate     = 4000
	maxRate     = 384000
	maxChannels = 8 // "auto" passes through up to so many
)

// newPlan plans the renditions of some sources; found is what was found in each
// of them. It returns a *transcode.Failure if they are at fault.
func newPlan(found []*source, sources []transcode.Source, renditions []transcode.Rendition, can abilities, most time.Duration) (*plan, error) {
	p := &plan{Most: most, TagsFrom: "0", Soxr: can.Soxr, Slow: can.Slow, Refused: map[int]*transcode.Failure{}}
	streams, err := p.choose(found)
	if err != nil {
		return nil, err
	}
	for i, in := range streams {
		part := newPart(found[i], in, sources[i].Span)
		if f := part.refuse(in, most); f != nil {
			return nil, aboutInput(i, len(found), f)
		}
		p.Parts = append(p.Parts, part)
		p.Guessed = p.Guessed || part.Guessed && part.End == 0
	}
	p.Duration = p.sum((*part).length)
	if d := p.decodes(); d > most && !p.Guessed {
		return nil, tooLong(d, most)
	}
	in := p.join(streams)
	if found[0].Format == "ogg" {
		p.TagsFrom = fmt.Sprintf("0:s:%d", p.Parts[0].Stream) // Ogg's tags are its streams'
	}
	for i, r := range renditions {
		why := can.check(&r.Preset)
		if why == "" {
			why = checkLayout(&r)
		}
		if why != "" {
			p.Refused[i] = refused(why)
			continue
		}
		t := p.track(in, &r, can)
		t.Output = i
		p.Tracks = append(p.Tracks, t)
	}
	return p, nil
}

// choose takes a stream of each source. Either all have sound, or none can be
// joined.
func (p *plan) choose(found []*source) (streams []*stream, err error) {
	for _, src := range found {
		in, count := src.audio()
		if in == nil {
			continue
		}
		streams = append(streams, in)
		if count > 1 && p.Remark == "" {
			p.Remark = fmt.Sprintf("Only one of the file's %d audio tracks was used.", count)
		}
	}
	switch len(streams) {
	case len(found):
		return streams, nil
	case 0:
		return nil, noAudio()
	}
	return nil, someAudio(len(streams), len(found))
}

func newPart(src *source, in *stream, span transcode.Span) part {
	p := part{
		Format: src.Format, Stream: in.Index, Rate: in.Rate, Channels: in.Channels,
		Duration: src.Duration, Guessed: src.Guessed, Promised: src.Promised, Codec: in.Codec, cut: newCut(span, in.Rate),
	}
	if in.Duration > 0 {
		p.Duration = in.Duration // the rest may be a longer picture
	}
	return p
}

// refuse says what is wrong with a stream before anything is decoded.
func (p *part) refuse(in *stream, most time.Duration) error {
	switch {
	case in.Codec == "" || in.Codec == "none" || in.Codec == "unknown":
		return unsupported("The sound in this file is of a kind that cannot be read.")
	case in.Rate == 0 || in.Channels == 0:
		return unreadable("This file does not say what sound it has.", "")
	case in.Channels > maxChannels:
		return unsupported(fmt.Sprintf("This file has %d channels, and at most %d are supported.", in.Channels, maxChannels))
	case in.Rate < minRate || in.Rate > maxRate:
		return unsupported(fmt.Sprintf("This file has a sample rate of %d Hz, and %d to %d Hz are supported.", in.Rate, minRate, maxRate))
	case p.decodes() > most && !p.Guessed:
		return tooLong(p.decodes(), most)
	}
	return nil
}

// track plans one output. Its preset passed check.
func (p *plan) track(in *stream, r *transcode.Rendition, can abilities) track {
	audio := r.Preset.Audio
	options := audio.CodecOptions
	if options == nil {
		options = &transcode.AudioOptions{}
	}
	t := track{target: findTarget(r.Preset.Container, audio.Codec), cut: newCut(r.Span, p.Rate), Files: r.Layout, Segment: r.SegmentLength, Loudness: r.Loudness}
	t.File = r.Name + t.Extension
	t.Longer = t.target.Longer
	if t.Format == "fmp4" && t.Segment == 0 {
		t.Segment = usualSegment
	}
	t.Encoder = can.best(t.Encoders...)
	t.setRate(in, audio.SampleRate)
	t.setChannels(in, audio.Channels)
	switch t.codec {
	case "flac", "pcm":
		t.setDepth(in, options.BitDepth)
		t.Dither = t.dithers(in)
		t.Large = t.size(p.plays(&t), p.Most) > 3<<30
	default:
		t.setBitRate(in, audio.BitRate)
	}
	if t.codec == "AAC" {
		t.setProfile(options.Profile)
	}
	return t
}

// setRate takes the preset's sample rate or, for auto, the input's: the same or
// the next higher one that the codec has.
func (t *track) setRate(in *stream, rate string) {
	t.Rate = number(rate)
	if t.Rate == 0 {
		t.Rate = t.rate(in.Rate)
	}
}

// layouts are ffmpeg's usual channels, by their number. They are the ones that
// AAC, FLAC and WAV have in common.
var layouts = []string{"", "mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1"}

// setChannels takes the preset's channels: auto passes the input's through.
func (t *track) setChannels(in *stream, channels string) {
	t.Channels = number(channels)
	if t.Channels == 0 {
		t.Channels = min(in.Channels, t.MaxChannels)
	}
	t.Layout = layouts[t.Channels]
	if t.codec == "AAC" && t.Channels == 4 {
		t.Layout = "4.0" // AAC has no quad
	}
	if in.Channels > t.Channels && in.Channels > 2 {
		t.Remark = fmt.Sprintf("The %d channels were mixed down to %d.", in.Channels, t.Channels)
	}
}

// setDepth takes the preset's bits for a sample, or else what the input needs.
func (t *track) setDepth(in *stream, depth string) {
	t.Bits = number(depth)
	if t.Bits == 0 {
		t.Bits = 16
		if in.Bits > 16 {
			t.Bits = 24
		}
	}
	switch t.Bits {
	case 8:
		t.Sample = "u8"
	case 16:
		t.Sample = "s16"
	default:
		t.Sample = "s32"
	}
	if t.codec == "pcm" {
		t.Encoder = pcm[strconv.Itoa(t.Bits)]
	}
}

// codecName returns ffmpeg's name of the codec, which is that of the encoder
// for WAV.
func (t *track) codecName() string {
	if t.Codec == "" {
		return t.Encoder
	}
	return t.Codec
}

// dithers reports whether samples lose bits that were heard: the input's own, or
// those that computing gave them. A lossy codec's decoder computes in floating
// point; its result, put at 16 bits as it is, is what every player makes of it.
func (t *track) dithers(in *stream) bool {
	if t.Bits > 16 {
		return false // what is lost lies below any noise
	}
	if t.Bits == 8 {
		return in.Bits != 8
	}
	return in.Bits > t.Bits || in.Computed || in.Rate != t.Rate || in.Channels > t.Channels
}

// size estimates the bytes of lossless output.
func (t *track) size(d, most time.Duration) float64 {
	if d == 0 {
		d = most
	}
	return d.Seconds() * float64(t.Rate*t.Channels*t.Bits/8)
}

// setBitRate takes the preset's bit rate or, for auto, a lossy input's.
func (t *track) setBitRate(in *stream, rate string) {
	want := number(rate)
	if want == 0 {
		want = 64 * t.Channels
		if in.Bits == 0 && in.BitRate > 0 {
			want = min(max(in.BitRate/1000, 64), 320)
		}
	}
	t.BitRate = t.bitRate(want, t.Rate, t.Channels)
	if number(rate) != 0 && t.BitRate != want {
		remark := fmt.Sprintf("The bit rate is %d kbit/s, which is the nearest to %d that %s has here.", t.BitRate, want, t.codec)
		t.Remark = remarks(t.Remark, remark)
	}
}

// setProfile takes the preset's AAC profile. Elastic Transcoder chooses for
// auto by the bit rate, and advises HE-AAC for 40 to 80 kbit/s: here it is taken
// below 64 for two channels, where LC is heard to be worse, and never without
// libfdk_aac, which alone makes it.
func (t *track) setProfile(profile string) {
	if t.Encoder != "libfdk_aac" {
		return
	}
	if profile == auto && t.Channels == 2 && t.BitRate < 64 {
		profile = profileHE
	}
	switch profile {
	case profileHE:
		t.Profile = "aac_he"
	case profileHEv2:
		t.Profile = "aac_he_v2"
	default:
		return
	}
	t.Longer += 4096
}

// decodeCost is what the one process that decodes has to do, in seconds that
// could be decoded meanwhile for each second.
func (p *plan) decodeCost() float64 {
	cost := 1.0
	for _, t := range p.Tracks {
		if t.Split == nil {
			cost += t.Cost
		}
	}
	return cost
}

// cost is that of all that is to be done of a plan. To verify a track costs 1.
func (p *plan) cost() float64 {
	cost := 1.0
	for _, t := range p.Tracks {
		cost += t.Cost + 1
	}
	return cost
}

// graphs is in how many places the filters of a plan take sound in.
func (p *plan) graphs() int {
	if len(p.Parts) > 1 {
		return len(p.Parts)
	}
	return len(p.Tracks) + len(p.Feeds)
}

// sound is what an output is made of: the stream that is decoded, or what the
// filters make for the output of that index. Feeds follow the tracks.
func (p *plan) sound(i int) string {
	if len(p.Parts) > 1 {
		return outputLabel(i)
	}
	return fmt.Sprintf("0:%d", p.Parts[0].Stream)
}

// strayTags are tags that are about the input's container, and would be wrong
// in another.
var strayTags = []string{"major_brand", "minor_version", "compatible_brands", "iTunSMPB", "TLEN"}

// encodeArgs returns ffmpeg's arguments: all inputs, all tracks and all feeds.
// Other streams are left out, covers among them.
func (p *plan) encodeArgs() []string {
	args := []string{
		"-hide_banner", "-nostdin", "-nostats", "-y", "-loglevel", "level+verbose",
		"-progress", "pipe:1",
	}
	if !p.Slow {
		args = append(args, pace...)
	}
	args = append(args, "-filter_threads", "1")
	for i, in := range p.Parts {
		args = append(append(args, guard...), in.checks()...)
		args = append(args,
			"-threads", "1", "-f", in.Format,
			"-t", seconds(p.Most+time.Second), // a header may lie
			"-i", inputName(i))
	}
	index := map[string]int{}
	ours := p.covers()
	if p.TagFile != "" {
		ours = append(ours, cover{p.TagFile, commentDemuxer})
	}
	for i, c := range ours {
		index[c.File] = len(p.Parts) + i
		args = append(args, artGuard...)
		args = append(args, "-f", c.Demuxer, "-i", "file:"+c.File)
	}
	if len(p.Parts) > 1 {
		args = append(args, "-filter_complex_threads", "1", "-filter_complex", p.graph())
	}
	for i := range p.Tracks {
		args = append(args, p.trackArgs(i, index)...)
	}
	for i := range p.Feeds {
		args = append(args, p.feedArgs(i)...)
	}
	if p.asksTags() {
		args = append(args, p.saidArgs(index)...)
	}
	return args
}

// checks is what a decoder looks after. FLAC sums its frames up; what else has
// sums is often summed up wrongly.
func (p *part) checks() []string {
	if p.Format == "flac" {
		return []string{"-err_detect", "crccheck"}
	}
	return nil
}

// seconds writes a time as ffmpeg reads it.
func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

// trackArgs returns the arguments of one output. Files are not written through
// a pipe: their headers hold lengths that are known only at the end. Inputs that
// are pictures or tags are in index, by their files.
func (p *plan) trackArgs(i int, index map[string]int) []string {
	t := &p.Tracks[i]
	args := append([]string{"-map", p.sound(i)}, p.tagArgs(t, index)...)
	if len(p.Parts) == 1 {
		args = append(args, "-af", p.outputFilters(t))
	}
	args = append(args, "-c:a", t.Encoder)
	if t.BitRate > 0 {
		args = append(args, "-b:a", kbit(t.BitRate))
	}
	if t.Profile != "" {
		args = append(args, "-profile:a", t.Profile)
	}
	if t.codec == "flac" && t.Bits == 24 {
		args = append(args, "-bits_per_raw_sample", "24")
	}
	return slices.Concat(args, t.coverArgs(index), t.muxArgs())
}

// muxArgs returns those that make the file.
func (t *track) muxArgs() []string {
	format, options := t.Format, []string(nil)
	switch t.Format {
	case "mp4":
		if t.codec == "mp3" {
			// Else the edit list, in milliseconds, cuts off the last packet.
			options = []string{"-movflags", "+faststart", "-movie_timescale", strconv.Itoa(t.Rate)}
		}
	case "fmp4":
		// delay_moov has the edit list written that takes the encoder's delay
		// off; global_sidx is the one index.
		format = "mp4"
		options = []string{"-movflags", "+dash+global_sidx+skip_trailer+delay_moov", "-frag_duration", strconv.FormatInt(t.Segment.Microseconds(), 10)}
	case "mp3":
		options = []string{"-id3v2_version", "3", "-write_xing", "1"}
	case "wav":
		if t.Large {
			options = []string{"-rf64", "auto"}
		}
	case "mpegts":
		if t.Files != transcode.Whole {
			return []string{
				"-f", "hls", "-hls_flags", "single_file", "-hls_playlist_type", "vod", "-hls_list_size", "0",
				"-hls_time", seconds(t.Segment), "-hls_segment_filename", "file:" + t.File, "file:" + t.list(),
			}
		}
	}
	return append(options, "-f", format, "file:"+t.File)
}

// outputFilters returns the conversions of what the decode makes of a track. If
// that is split, it is a shell: a file with everything but the sound, of which
// it has some packets only.
func (p *plan) outputFilters(t *track) string {
	filters := p.trackFilters(t)
	if t.Split != nil {
		filters += fmt.Sprintf(",atrim=end_sample=%d", 4*t.Split.Frame)
	}
	return filters
}

// trackFilters returns the conversions of one track.
func (p *plan) trackFilters(t *track) string {
	var chain []string
	if len(p.Parts) == 1 {
		chain = p.Parts[0].filters()
	}
	chain = append(chain, t.filters()...)
	if len(chain) > 0 {
		chain = append(chain, newTime)
	}
	var options []string
	if p.Soxr {
		options = append(options, "resampler=soxr")
	}
	if p.Channels > t.Channels {
		// Or a mix in floating point may be over full scale.
		options = append(options, "rematrix_maxval=1")
	}
	if t.Dither {
		options = append(options, "dither_method=triangular")
	}
	out := fmt.Sprintf("aformat=sample_rates=%d:channel_layouts=%s", t.Rate, t.Layout)
	if loud := t.loudFilters(); loud != nil {
		chain = append(chain, convert(p.Channels, t.Channels, slices.DeleteFunc(slices.Clone(options), isDither), out+":sample_fmts=fltp"))
		chain = append(chain, loud...)
		options = slices.DeleteFunc(options, func(o string) bool { return !isDither(o) })
	}
	if t.Sample != "" {
		out += ":sample_fmts=" + t.Sample
	}
	if t.Loudness != nil {
		return strings.Join(append(chain, convert(t.Channels, t.Channels, options, out)), ",")
	}
	return strings.Join(append(chain, convert(p.Channels, t.Channels, options, out)), ",")
}

func isDither(option string) bool { return strings.HasPrefix(option, "dither_method=") }

// convert returns filters from some channels to some others and the format out.
// One aresample does it all; aformat only says what is to come out.
func convert(from, to int, options []string, out string) string {
	var chain []string
	if from == 1 && to == 2 {
		// Mixing would take 3 dB off each.
		chain = append(chain, "pan=stereo|c0=c0|c1=c0")
	}
	resample := "aresample"
	if len(options) > 0 {
		resample += "=" + strings.Join(options, ":")
	}
	return strings.Join(append(chain, resample, out), ",")
}

// coded are the tracks that have to be decoded to be verified.
func (p *plan) coded() (which []int) {
	for i := range p.Tracks {
		if p.Tracks[i].container != "wav" {
			which = append(which, i)
		}
	}
	return which
}

// fileInputs are the files of some tracks, as ffmpeg reads them again.
func (p *plan) fileInputs(which []int) (inputs [][]string) {
	for _, i := range which {
		inputs = append(inputs, []string{"-f", p.Tracks[i].Demuxer, "-i", "file:" + p.Tracks[i].File})
	}
	return inputs
}

// verifyArgs returns the arguments that decode some tracks to their ends.
func (p *plan) verifyArgs(which []int) []string { return listArgs(p.fileInputs(which), 0) }

// listArgs returns the arguments that decode inputs, but for the first few, to
// their ends, and list what comes out, as framecrc does: a line for each 65536
// samples.
func listArgs(inputs [][]string, skip int) []string {
	args := []string{
		"-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+info", "-xerror", "-filter_threads", "1",
	}
	for _, input := range inputs {
		args = append(args, guard...)
		args = append(append(args, "-threads", "1"), input...)
	}
	for i := range inputs[skip:] {
		args = append(args, "-map", fmt.Sprintf("%d:a", skip+i))
	}
	return append(args, "-af", "asetnsamples=65536:p=0", "-c:a", "pcm_s16le", "-f", "framecrc", "-flush_packets", "1", "pipe:1")
}
