package ffmpeg

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"etude/internal/transcode"
)

// target is a codec in a container, which is what a preset asks for.
type target struct {
	container, codec string // as the API spells them

	Format      string   // ffmpeg's muxer
	Demuxer     string   // the demuxer that reads it again
	Extension   string   // of the file, with the dot
	ContentType string   //
	Codec       string   // ffmpeg's name of the codec
	Encoders    []string // those that make it, the best first
	MaxChannels int

	Rates []int // Hz, ascending; nil for any

	// Longer and Shorter are by how many samples a file may decode too long or
	// too short, though it was made right. The reasons are beside the values.
	Longer, Shorter int64
	// Shortest is how many samples there must be for a file that plays; less
	// than one means one.
	Shortest int64
	// Frame is how many samples a packet has, where segments are cut between
	// packets; 0 elsewhere.
	Frame int64
	// Cost is what a second costs to encode, in seconds that could be decoded
	// meanwhile. It only spreads progress.
	Cost float64
}

var (
	mpegRates = []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}
	mp2Rates  = []int{16000, 22050, 24000, 32000, 44100, 48000}
	aacRates  = []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000}

	vorbisRates = []int{8000, 16000, 22050, 32000, 44100, 48000}
)

// usualSegment is how long the segments of a fragmented MP4 are where nobody
// says; Elastic Transcoder's own length is not known.
const usualSegment = 5 * time.Second

// targets are what can be made. See "Preset Settings: Container" in Elastic
// Transcoder's developer guide for which codec may be in which container.
var targets = []target{
	{
		container: "mp4", codec: "AAC",
		Format: "mp4", Demuxer: "mov", Extension: ".m4a", ContentType: "audio/mp4",
		Codec: "aac", Encoders: []string{"libfdk_aac", "aac"}, MaxChannels: 6, Rates: aacRates,
		// Of one sample, ffmpeg 5.1 reads none.
		Shortest: 2, Cost: 30,
	},
	{
		container: "fmp4", codec: "AAC",
		Format: "fmp4", Demuxer: "mov", Extension: ".fmp4", ContentType: "audio/mp4",
		Codec: "aac", Encoders: []string{"libfdk_aac", "aac"}, MaxChannels: 6, Rates: aacRates,
		// There is an edit list to take off the encoder's delay (1024), but of
		// fragments ffmpeg 5.1 heeds none.
		Longer: 2047, Shortest: 2, Cost: 30,
	},
	{
		container: "ts", codec: "AAC",
		Format: "mpegts", Demuxer: "mpegts", Extension: ".ts", ContentType: "video/MP2T",
		Codec: "aac", Encoders: []string{"libfdk_aac", "aac"}, MaxChannels: 6, Rates: aacRates,
		// A stream has no way to tell the encoder's delay (1024).
		Longer: 2047, Shortest: 2, Frame: 1024, Cost: 30,
	},
	{
		container: "ts", codec: "mp3",
		Format: "mpegts", Demuxer: "mpegts", Extension: ".ts", ContentType: "video/MP2T",
		Codec: "mp3", Encoders: []string{"libmp3lame"}, MaxChannels: 2, Rates: mpegRates[3:],
		// Nor its delay of 1105, nor what fills the last frames.
		Longer: 1105 + 2*1152, Shortest: 2, Frame: 1152, Cost: 10,
	},
	{
		container: "mp4", codec: "mp3",
		Format: "mp4", Demuxer: "mov", Extension: ".mp4", ContentType: "audio/mp4",
		Codec: "mp3", Encoders: []string{"libmp3lame"}, MaxChannels: 2, Rates: mpegRates[3:], // MP4 has no MPEG 2.5
		Longer: 1152 + 1152, Cost: 10,
	},
	{
		container: "webm", codec: "vorbis",
		Format: "webm", Demuxer: "matroska", Extension: ".webm", ContentType: "audio/webm",
		Codec: "vorbis", Encoders: []string{"libvorbis"}, MaxChannels: 2, Rates: vorbisRates,
		Shorter: 128, Longer: 2048, Cost: 10,
	},
	{
		container: "mp3", codec: "mp3",
		Format: "mp3", Demuxer: "mp3", Extension: ".mp3", ContentType: "audio/mpeg",
		Codec: "mp3", Encoders: []string{"libmp3lame"}, MaxChannels: 2, Rates: mpegRates,
		Cost: 10,
	},
	{
		container: "mp2", codec: "mp2",
		Format: "mp2", Demuxer: "mp3", Extension: ".mp2", ContentType: "audio/mpeg",
		Codec: "mp2", Encoders: []string{"libtwolame", "mp2"}, MaxChannels: 2, Rates: mp2Rates,
		// There is no header to tell the length or the encoder's delay (481 or
		// 512 samples): whole frames of 1152 are heard. Nor is one frame alone
		// taken for mp2 by any player.
		Longer: 2*1152 + 512, Shortest: 2 * 1152, Cost: 5,
	},
	{
		container: "flac", codec: "flac",
		Format: "flac", Demuxer: "flac", Extension: ".flac", ContentType: "audio/flac",
		Codec: "flac", Encoders: []string{"flac"}, MaxChannels: 8, Cost: 1.5,
	},
	{
		container: "ogg", codec: "flac",
		Format: "ogg", Demuxer: "ogg", Extension: ".ogg", ContentType: "audio/ogg",
		Codec: "flac", Encoders: []string{"flac"}, MaxChannels: 8, Cost: 1.5,
	},
	{
		container: "oga", codec: "flac",
		Format: "oga", Demuxer: "ogg", Extension: ".oga", ContentType: "audio/ogg",
		Codec: "flac", Encoders: []string{"flac"}, MaxChannels: 8, Cost: 1.5,
	},
	{
		container: "ogg", codec: "vorbis",
		Format: "ogg", Demuxer: "ogg", Extension: ".ogg", ContentType: "audio/ogg",
		Codec: "vorbis", Encoders: []string{"libvorbis"}, MaxChannels: 2, Rates: vorbisRates,
		// The last page has the exact length. ffmpeg 5.1 loses the last 128
		// samples of some files when it reads them, and of clips that are
		// shorter than a block or two it hears all of it.
		Shorter: 128, Longer: 2048, Cost: 10,
	},
	{
		container: "oga", codec: "vorbis",
		Format: "oga", Demuxer: "ogg", Extension: ".oga", ContentType: "audio/ogg",
		Codec: "vorbis", Encoders: []string{"libvorbis"}, MaxChannels: 2, Rates: vorbisRates,
		Shorter: 128, Longer: 2048, Cost: 10,
	},
	{
		container: "wav", codec: "pcm",
		Format: "wav", Demuxer: "wav", Extension: ".wav", ContentType: "audio/wav",
		MaxChannels: 8, Cost: 0.3,
	},
}

func findTarget(container, codec string) *target {
	for i := range targets {
		if t := &targets[i]; t.container == container && t.codec == codec {
			return t
		}
	}
	return nil
}

const (
	auto = "auto"

	profileLC   = "AAC-LC"
	profileHE   = "HE-AAC"
	profileHEv2 = "HE-AACv2"
)

// pcm is the codec of WAV's samples, by their bits.
var pcm = map[string]string{"8": "pcm_u8", "16": "pcm_s16le", "24": "pcm_s24le", "32": "pcm_s32le"}

// check says why a preset cannot be made, in one sentence, or returns "".
func (a abilities) check(p *transcode.Preset) string {
	label := fmt.Sprintf("preset %q", p.Name)
	if p.ID != "" {
		label = "preset " + string(p.ID)
	}
	audio := p.Audio
	switch {
	case p.Video != nil:
		return fmt.Sprintf("Video cannot be made yet: %s has video settings.", label)
	case p.Thumbnails != nil:
		return fmt.Sprintf("Thumbnails cannot be made yet: %s has settings for them.", label)
	case audio == nil:
		return fmt.Sprintf("There is nothing to be made: %s has neither audio nor video settings.", label)
	}
	t := findTarget(p.Container, audio.Codec)
	if t == nil {
		return fmt.Sprintf("The codec %s in the container %s cannot be made yet, which %s asks for.", audio.Codec, p.Container, label)
	}
	if len(t.Encoders) > 0 && a.best(t.Encoders...) == "" {
		return fmt.Sprintf("This server has no encoder for %s, which %s asks for.", audio.Codec, label)
	}
	if why := checkValues(t, audio); why != "" {
		return fmt.Sprintf("%s, but %s asks for it.", why, label)
	}
	if why := a.checkOptions(t, audio); why != "" {
		return fmt.Sprintf("%s, but %s asks for it.", why, label)
	}
	return ""
}

// checkLayout says why a rendition cannot be laid out as it is asked for, in one
// sentence, or returns "".
func checkLayout(r *transcode.Rendition) string {
	container := r.Preset.Container
	switch r.Layout {
	case transcode.Whole:
		return ""
	case transcode.Fragmented:
		if container == "fmp4" {
			return ""
		}
		return fmt.Sprintf("The container %s cannot be fragmented.", container)
	}
	if container != "ts" {
		return fmt.Sprintf("The container %s cannot be cut into segments.", container)
	}
	if r.SegmentLength <= 0 {
		return "Segments need a length."
	}
	return ""
}

func checkValues(t *target, audio *transcode.Audio) string {
	switch audio.Channels {
	case "", auto, "1", "2":
	case "0":
		return "A file without video cannot be without audio too (Channels 0)"
	default:
		return fmt.Sprintf("Channels cannot be %q", audio.Channels)
	}
	if rate := audio.SampleRate; rate != "" && rate != auto {
		hz := number(rate)
		if hz < 8000 || hz > 192000 || t.Rates != nil && !slices.Contains(t.Rates, hz) {
			return fmt.Sprintf("The codec %s cannot have a sample rate of %q", audio.Codec, rate)
		}
	}
	if rate := audio.BitRate; t.lossy() && rate != "" && rate != auto {
		if kbit := number(rate); kbit < 8 || kbit > 512 {
			return fmt.Sprintf("The codec %s cannot have a bit rate of %q kbit/s", audio.Codec, rate)
		}
	}
	if mode := audio.PackingMode; mode != "" && mode != "SingleTrack" {
		return fmt.Sprintf("Audio cannot be packed as %q in %s", mode, t.container)
	}
	return ""
}

func (a abilities) checkOptions(t *target, audio *transcode.Audio) string {
	o := audio.CodecOptions
	if o == nil {
		return ""
	}
	switch t.codec {
	case "AAC":
		return a.checkProfile(o.Profile, audio.Channels)
	case "flac":
		if o.BitDepth != "" && o.BitDepth != "16" && o.BitDepth != "24" {
			return fmt.Sprintf("The codec flac cannot have a bit depth of %q", o.BitDepth)
		}
	case "pcm":
		if _, ok := pcm[o.BitDepth]; !ok && o.BitDepth != "" {
			return fmt.Sprintf("The codec pcm cannot have a bit depth of %q", o.BitDepth)
		}
		if o.BitOrder != "" && o.BitOrder != "LittleEndian" {
			return fmt.Sprintf("The container wav cannot have the bit order %q", o.BitOrder)
		}
		if want := signed(o.BitDepth); o.Signed != "" && o.Signed != want {
			return fmt.Sprintf("The container wav has %s samples at this bit depth and cannot have others", want)
		}
	}
	return ""
}

// signed says which samples WAV has: see Microsoft's "Multiple Channel Audio
// Data and WAVE Files".
func signed(depth string) string {
	if depth == "8" {
		return "Unsigned"
	}
	return "Signed"
}

func (a abilities) checkProfile(profile, channels string) string {
	switch profile {
	case "", auto, profileLC:
		return ""
	case profileHE, profileHEv2:
		if !a.encodes("libfdk_aac") {
			return profile + " needs an encoder that this server does not have"
		}
		if profile == profileHEv2 && channels != "2" {
			return "HE-AACv2 is for two channels and cannot be made of others"
		}
		return ""
	}
	return fmt.Sprintf("AAC cannot have the profile %q", profile)
}

// lossy reports whether the codec has a bit rate to choose.
func (t *target) lossy() bool { return t.codec != "flac" && t.codec != "pcm" }

// rate returns the sample rate, of those that the codec has, for an input's:
// the same, else the next higher, else the highest.
func (t *target) rate(input int) int {
	if t.Rates == nil {
		return input
	}
	i, _ := slices.BinarySearch(t.Rates, input)
	return t.Rates[min(i, len(t.Rates)-1)]
}

// The bit rates of MPEG audio in kbit/s, by layer and by whether the sample
// rate is one of MPEG-1: ISO/IEC 11172-3 and 13818-3. Stereo in layer II has
// none of the first four but 64, mono none above 192.
var (
	layer3High = []int{32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}
	layer3Low  = []int{8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}
	layer2Mono = []int{32, 48, 56, 64, 80, 96, 112, 128, 160, 192}
	layer2High = []int{64, 96, 112, 128, 160, 192, 224, 256, 320, 384}
)

// bitRate returns the bit rate that is nearest to the one wanted, in kbit/s,
// of those that the codec has at a sample rate and a number of channels.
func (t *target) bitRate(want, rate, channels int) int {
	var has []int
	switch {
	case t.codec == "mp3" && rate >= 32000:
		has = layer3High
	case t.codec == "mp3" && rate < 16000:
		has = layer3Low[:8] // MPEG 2.5: what LAME makes of it
	case t.codec == "mp3", t.codec == "mp2" && rate < 32000:
		has = layer3Low
	case t.codec == "mp2" && channels == 1:
		has = layer2Mono
	case t.codec == "mp2":
		has = layer2High
	case t.codec == "AAC":
		// At most 6144 bits for each channel in a frame of 1024 samples.
		return min(want, 6*channels*rate/1000)
	default:
		most := vorbisMost[rate][min(channels, 2)-1]
		return max(min(want, most), most/8)
	}
	best := has[0]
	for _, b := range has {
		if abs(b-want) < abs(best-want) {
			best = b
		}
	}
	return best
}

// vorbisMost are the highest bit rates, in kbit/s, that libvorbis takes at a
// sample rate for one channel and for two, found by trying.
var vorbisMost = map[int][2]int{
	8000: {32, 64}, 16000: {96, 192}, 22050: {64, 128}, 32000: {128, 320}, 44100: {192, 500}, 48000: {192, 500},
}

func abs(n int) int { return max(n, -n) }

func kbit(n int) string { return strconv.Itoa(n) + "k" }
