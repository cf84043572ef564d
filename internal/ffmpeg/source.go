package ffmpeg

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"etude/internal/audiofile"
)

// formats are the demuxers that may read an input, by ffmpeg's names: those of
// audio, and of video that has some. None of them opens another file. Playlists
// (hls, concat, dash, sdp, imf) would: ffmpeg follows them to wherever they
// point, so they are left out, and so are pictures, subtitles and devices.
var formats = strings.Join([]string{
	"aac", "ac3", "aiff", "amr", "amrnb", "amrwb", "ape", "asf", "au", "avi", "caf", "dsf", "dts", "dtshd", "eac3",
	"flac", "flv", "iff", "latm", "loas", "matroska", "mlp", "mov", "mp3", "mpc", "mpc8", "mpeg", "mpegts", "mxf", "nut",
	"ogg", "oma", "rm", "sox", "tak", "truehd", "tta", "voc", "w64", "wav", "wtv", "wv",
}, ",")

// guard goes before an input, ours or not: only files, and only these formats.
var guard = []string{"-protocol_whitelist", "file,pipe", "-format_whitelist", formats}

// probeArgs ask ffprobe for what a source holds, as JSON, with its tags or
// without.
func probeArgs(tags bool) []string {
	entries := "format=format_name,duration" +
		":stream=index,codec_type,codec_name,sample_fmt,sample_rate,channels,bits_per_raw_sample,duration,bit_rate" +
		":stream_disposition=default,attached_pic"
	if tags {
		entries += ":format_tags:stream_tags"
	}
	return slices.Concat([]string{"-hide_banner", "-loglevel", "level+warning", "-show_entries", entries, "-print_format", "json"},
		guard, []string{inputName(0)})
}

// source is what was found in an input.
type source struct {
	Format   string        // ffmpeg's name of its demuxer
	Duration time.Duration // 0 if it is not known
	Guessed  bool          // Duration is ffmpeg's guess, not the file's own word
	Promised time.Duration // what the file's head says, where Duration is what is there; else 0
	Streams  []stream
	Sniffed  bool   // by us, and not by ffprobe
	Said     string // by ffprobe

	Tags     []audiofile.Tag // as ffprobe tells them, in the order of their names
	Untold   bool            // there are too many to be told
	TagBytes int64           // of those that are carried, where they were told
	Pictures [][]byte        // that ffmpeg does not read
}

// stream is one of a source's. The zero value of a member is one that is not
// known.
type stream struct {
	Index    int
	Type     string // audio, video, ...
	Codec    string // ffmpeg's name
	Rate     int    // Hz
	Channels int
	Bits     int  // of a sample; 0 for a lossy codec
	BitRate  int  // bit/s
	Default  bool // marked so by the file
	Picture  bool // a cover
	Computed bool // samples are the result of a computation
	Duration time.Duration
}

// parseSource reads ffprobe's JSON; words are what it said besides.
func parseSource(found, words string) (*source, error) {
	var v struct {
		Format struct {
			Name     string `json:"format_name"`
			Duration string
			Tags     map[string]string
		}
		Streams []struct {
			Index       int
			Type        string `json:"codec_type"`
			Codec       string `json:"codec_name"`
			Format      string `json:"sample_fmt"`
			Rate        string `json:"sample_rate"`
			Channels    int
			Bits        string `json:"bits_per_raw_sample"`
			Duration    string
			BitRate     string `json:"bit_rate"`
			Tags        map[string]string
			Disposition struct {
				Default int
				Picture int `json:"attached_pic"`
			}
		}
	}
	if err := json.Unmarshal([]byte(found), &v); err != nil {
		return nil, fmt.Errorf("read what ffprobe found: %w", err)
	}
	if v.Format.Name == "" {
		return nil, unreadable(notSound, words)
	}
	src := &source{
		Format:   strings.Split(v.Format.Name, ",")[0], // one demuxer may have many names
		Duration: parseSeconds(v.Format.Duration),
		Guessed:  strings.Contains(words, "Estimating duration from bitrate"),
		Said:     words + found,
	}
	for _, s := range v.Streams {
		src.Streams = append(src.Streams, stream{
			Index: s.Index, Type: s.Type, Codec: s.Codec,
			Rate: number(s.Rate), Channels: s.Channels,
			Bits: sampleBits(s.Codec, s.Format, number(s.Bits)), BitRate: number(s.BitRate),
			Default: s.Disposition.Default == 1, Picture: s.Disposition.Picture == 1,
			Duration: parseSeconds(s.Duration),
		})
	}
	tags := v.Format.Tags
	if in, _ := src.audio(); src.Format == "ogg" && in != nil {
		tags = v.Streams[slices.Index(indexes(src.Streams), in.Index)].Tags
	}
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		src.Tags = append(src.Tags, audiofile.Tag{Name: name, Value: tags[name]})
	}
	return src, nil
}

// probed is what ffprobe said of some sources, at least the end of it.
func probed(all []*source) string {
	var said strings.Builder
	for _, src := range all {
		said.WriteString(src.Said)
	}
	return strings.TrimSpace(said.String()[max(said.Len()-maxTail, 0):])
}

func indexes(streams []stream) (all []int) {
	for _, s := range streams {
		all = append(all, s.Index)
	}
	return all
}

// sampleBits returns how many bits a sample of a lossless codec has, or 0.
func sampleBits(codec, format string, raw int) int {
	if !strings.HasPrefix(codec, "pcm_") && !strings.HasPrefix(codec, "dsd_") && !lossless[codec] {
		return 0
	}
	if raw > 0 {
		return raw
	}
	switch strings.TrimSuffix(format, "p") {
	case "u8":
		return 8
	case "s16":
		return 16
	}
	return 32
}

var lossless = map[string]bool{
	"alac": true, "ape": true, "flac": true, "mlp": true, "shorten": true, "tak": true, "truehd": true, "tta": true, "wavpack": true,
}

// number reads a number that is not negative; 0 if it is none.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// parseSeconds reads a time in seconds; 0 if it is none, or beyond a century.
func parseSeconds(s string) time.Duration {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f > 0) || f > 100*365*86400 {
		return 0
	}
	return time.Duration(math.Round(f * float64(time.Second)))
}

// audio returns the stream that is transcoded: the first that the file marks as
// its default, else the first; and how many there are.
func (s *source) audio() (chosen *stream, count int) {
	for i := range s.Streams {
		t := &s.Streams[i]
		if t.Type != "audio" {
			continue
		}
		count++
		if chosen == nil || t.Default && !chosen.Default {
			chosen = t
		}
	}
	return chosen, count
}
