package transcode

import (
	"slices"
	"strconv"
)

// codecs are those that a container may hold, after "Settings in Elastic
// Transcoder presets" in its developer guide.
var codecs = map[string]struct{ video, audio []string }{
	"flac": {nil, []string{"flac"}},
	"flv":  {[]string{"H.264"}, []string{"AAC", "mp3"}},
	"fmp4": {[]string{"H.264"}, []string{"AAC"}},
	"gif":  {[]string{"gif"}, nil},
	"mp2":  {nil, []string{"mp2"}},
	"mp3":  {nil, []string{"mp3"}},
	"mp4":  {[]string{"H.264"}, []string{"AAC", "mp3"}},
	"mpg":  {[]string{"mpeg2"}, []string{"mp2"}},
	"mxf":  {[]string{"mpeg2"}, []string{"pcm"}},
	"oga":  {nil, []string{"flac", "vorbis"}},
	"ogg":  {nil, []string{"flac", "vorbis"}},
	"ts":   {[]string{"H.264"}, []string{"AAC", "mp3"}},
	"wav":  {nil, []string{"pcm"}},
	"webm": {[]string{"vp8", "vp9"}, []string{"vorbis"}},
}

// check finds settings that contradict each other. The form of each has been
// checked. The texts of AWS's own answers are not known.
func (p *Preset) check() error {
	if p.Audio == nil && p.Video == nil {
		return invalid("A preset needs Audio or Video settings.")
	}
	allowed, ok := codecs[p.Container]
	if !ok {
		return invalid("The container %q is not known.", p.Container)
	}
	if p.Audio != nil {
		if err := p.Audio.check(p.Container, allowed.audio); err != nil {
			return err
		}
	}
	if p.Video == nil {
		return nil
	}
	switch {
	case !slices.Contains(allowed.video, p.Video.Codec):
		return invalid("The video codec %s is not allowed in the container %s.", orNone(p.Video.Codec), p.Container)
	case p.Video.CodecOptions == nil && p.Video.Codec != "gif":
		return invalid("The ''codecOptions'' field in video is not allowed to be null.")
	case p.Thumbnails == nil && p.Container != "gif":
		return invalid("The thumbnails are not allowed to be null for a preset with video.")
	}
	return nil
}

func (a *Audio) check(container string, allowed []string) error {
	o := AudioOptions{}
	if a.CodecOptions != nil {
		o = *a.CodecOptions
	}
	rate, _ := strconv.Atoi(a.BitRate)
	lossless := a.Codec == "pcm" || a.Codec == "flac"
	depths := map[string][]string{"pcm": {"8", "16", "24", "32"}, "flac": {"16", "24"}}[a.Codec]
	switch {
	case !slices.Contains(allowed, a.Codec):
		return invalid("The audio codec %s is not allowed in the container %s.", orNone(a.Codec), container)
	case o.Profile != "" && a.Codec != "AAC":
		return invalid("A Profile is only allowed for the audio codec AAC.")
	case (o.Signed != "" || o.BitOrder != "") && a.Codec != "pcm":
		return invalid("Signed and BitOrder are only allowed for the audio codec pcm.")
	case o.BitDepth != "" && !slices.Contains(depths, o.BitDepth):
		return invalid("The BitDepth %s is not allowed for the audio codec %s.", o.BitDepth, a.Codec)
	case a.BitRate != "" && !lossless && (rate < 8 || rate > 320):
		return invalid("The audio BitRate must be from 8 to 320.")
	case container == "mxf" && a.SampleRate != "48000":
		return invalid("The SampleRate must be 48000 for the container mxf.")
	case a.PackingMode != "" && a.PackingMode != "SingleTrack" && container != "mxf":
		return invalid("The AudioPackingMode %s is only allowed for the container mxf.", a.PackingMode)
	}
	return nil
}

func orNone(codec string) string {
	if codec == "" {
		return "null"
	}
	return codec
}
