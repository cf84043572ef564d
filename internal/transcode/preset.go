package transcode

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

// Preset says how one output is made. Values are the API's strings, "auto"
// among them, and are echoed as they were given; an empty string is a member
// that was not given.
type Preset struct {
	ID          PresetID
	Name        string
	Description string
	Container   string
	Audio       *Audio      // nil for no audio
	Video       *Video      // nil for no video
	Thumbnails  *Thumbnails // nil for none
	Type        PresetType
}

// PresetType tells Etude's built-in presets from those its users made.
type PresetType string

// The types, as the API spells them.
const (
	SystemPreset PresetType = "System"
	CustomPreset PresetType = "Custom"
)

// Audio is a preset's audio settings.
type Audio struct {
	Codec        string // AAC, flac, mp2, mp3, pcm or vorbis
	SampleRate   string // Hz, or auto
	BitRate      string // kbit/s; not used by flac and pcm
	Channels     string // auto, 0, 1 or 2
	PackingMode  string
	CodecOptions *AudioOptions // nil where not given
}

// AudioOptions is what only some codecs have.
type AudioOptions struct {
	Profile  string // AAC: auto, AAC-LC, HE-AAC or HE-AACv2
	BitDepth string // flac, pcm: bits
	BitOrder string // pcm: LittleEndian
	Signed   string // pcm: Signed or Unsigned
}

// Video is a preset's video settings.
type Video struct {
	Codec              string
	CodecOptions       map[string]string
	KeyframesMaxDist   string
	FixedGOP           string
	BitRate            string
	FrameRate          string
	MaxFrameRate       string
	Resolution         string
	AspectRatio        string
	MaxWidth           string
	MaxHeight          string
	DisplayAspectRatio string
	SizingPolicy       string
	PaddingPolicy      string
	Watermarks         []Watermark
}

// Watermark is a place for a picture over the video.
type Watermark struct {
	ID               string
	MaxWidth         string
	MaxHeight        string
	SizingPolicy     string
	HorizontalAlign  string
	HorizontalOffset string
	VerticalAlign    string
	VerticalOffset   string
	Opacity          string
	Target           string
}

// Thumbnails is a preset's thumbnail settings.
type Thumbnails struct {
	Format        string
	Interval      string
	Resolution    string
	AspectRatio   string
	MaxWidth      string
	MaxHeight     string
	SizingPolicy  string
	PaddingPolicy string
}

//go:embed systempresets.json
var systemPresetsJSON []byte

// systemPresets are the presets that Elastic Transcoder came with, ascending
// by id. The file is embedded, so one that does not parse is a fault of the
// build.
var systemPresets = sync.OnceValue(func() []Preset {
	var presets []Preset
	if err := json.Unmarshal(systemPresetsJSON, &presets); err != nil {
		panic(fmt.Sprintf("parse the embedded system presets: %v", err))
	}
	return presets
})

// SystemPresets returns Elastic Transcoder's own presets in the order of their
// ids. The caller may change the slice, not what its presets point to.
func SystemPresets() []Preset { return slices.Clone(systemPresets()) }

func systemPreset(id PresetID) (*Preset, bool) {
	for _, p := range systemPresets() {
		if p.ID == id {
			return &p, true
		}
	}
	return nil, false
}
