package ffmpeg

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"etude/internal/transcode"
)

// extensions are the endings of files, with the container that each means and
// the codec that is made where nobody says more.
var extensions = []struct{ ending, container, codec string }{
	{".wav", "wav", "pcm"},
	{".flac", "flac", "flac"},
	{".mp3", "mp3", "mp3"},
	{".m4a", "mp4", "AAC"},
	{".mp4", "mp4", "AAC"},
	{".m4b", "mp4", "AAC"},
	{".ogg", "ogg", "vorbis"},
	{".oga", "oga", "flac"},
	{".webm", "webm", "vorbis"},
	{".mp2", "mp2", "mp2"},
	{".ts", "ts", "AAC"},
	{".fmp4", "fmp4", "AAC"},
}

// usualBitRates are, in kbit/s, those of the presets that are made where nobody
// says more: the best that Elastic Transcoder's own presets have, where it has
// one for the codec.
var usualBitRates = map[string]string{"AAC": "256", "mp3": "320", "mp2": "256", "vorbis": "192"}

// Extensions returns the endings of files that can be made, with the dot.
func Extensions() []string {
	var all []string
	for _, e := range extensions {
		all = append(all, e.ending)
	}
	return all
}

// Extension returns the usual ending of a file that a preset makes, with the
// dot; empty for a preset that Check refuses.
func Extension(p *transcode.Preset) string {
	if p.Audio == nil {
		return ""
	}
	t := findTarget(p.Container, p.Audio.Codec)
	if t == nil {
		return ""
	}
	return t.Extension
}

// CheckExtension says why a preset does not go with the name of a file, in one
// sentence, or returns "".
func CheckExtension(name string, p *transcode.Preset) string {
	ending := strings.ToLower(filepath.Ext(name))
	for _, e := range extensions {
		if e.ending == ending && e.container == p.Container {
			return ""
		}
	}
	return fmt.Sprintf("%s makes files of the kind %s, not %s.", presetLabel(p), Extension(p), ending)
}

func presetLabel(p *transcode.Preset) string {
	if p.ID != "" {
		return fmt.Sprintf("Preset %s (%s)", p.ID, p.Name)
	}
	return fmt.Sprintf("Preset %q", p.Name)
}

// PresetFor returns the preset that is meant by a file's name alone: the input's
// own sample rate and channels, the input's own bits for a sample where nothing
// is lost, and else a bit rate at which nothing is heard of the loss. Of a name
// that means none, it says what would.
func PresetFor(name string) (transcode.Preset, error) {
	ending := strings.ToLower(filepath.Ext(name))
	for _, e := range extensions {
		if e.ending != ending {
			continue
		}
		return transcode.Preset{
			Name: "as the input", Container: e.container,
			Audio: &transcode.Audio{Codec: e.codec, SampleRate: auto, Channels: auto, BitRate: usualBitRates[e.codec]},
		}, nil
	}
	switch ending {
	case ".aac":
		return transcode.Preset{}, fmt.Errorf("%q: bare AAC frames have no length and no tags, so they are not made; name the file .m4a", name)
	case "":
		return transcode.Preset{}, fmt.Errorf("%q: its name has no ending that says what it is to be, such as .flac", name)
	}
	return transcode.Preset{}, fmt.Errorf("%q: files of the kind %s cannot be made; those that can are %s", name, ending, strings.Join(slices.Sorted(slices.Values(Extensions())), " "))
}
