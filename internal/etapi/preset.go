package etapi

import (
	"context"

	"etude/internal/transcode"
)

type presetJSON struct {
	ID          string `json:"Id"`
	ARN         string `json:"Arn"`
	Name        string
	Description *string
	Container   string
	Audio       *audioJSON
	Video       *videoJSON
	Thumbnails  *thumbnailsJSON
	Type        string
}

type audioJSON struct {
	Codec            *string
	SampleRate       *string
	BitRate          *string
	Channels         *string
	AudioPackingMode *string
	CodecOptions     *audioOptionsJSON
}

type audioOptionsJSON struct {
	Profile, BitDepth, BitOrder, Signed *string
}

type videoJSON struct {
	Codec              *string
	CodecOptions       map[string]string
	KeyframesMaxDist   *string
	FixedGOP           *string
	BitRate            *string
	FrameRate          *string
	MaxFrameRate       *string
	Resolution         *string
	AspectRatio        *string
	MaxWidth           *string
	MaxHeight          *string
	DisplayAspectRatio *string
	SizingPolicy       *string
	PaddingPolicy      *string
	Watermarks         []watermarkJSON // never null
}

type watermarkJSON struct {
	ID               *string `json:"Id"`
	MaxWidth         *string
	MaxHeight        *string
	SizingPolicy     *string
	HorizontalAlign  *string
	HorizontalOffset *string
	VerticalAlign    *string
	VerticalOffset   *string
	Opacity          *string
	Target           *string
}

type thumbnailsJSON struct {
	Format        *string
	Interval      *string
	Resolution    *string
	AspectRatio   *string
	MaxWidth      *string
	MaxHeight     *string
	SizingPolicy  *string
	PaddingPolicy *string
}

func (a *api) presetJSON(p *transcode.Preset) presetJSON {
	return presetJSON{
		ID:          string(p.ID),
		ARN:         a.Service.ARN("preset", string(p.ID)),
		Name:        p.Name,
		Description: orNull(p.Description),
		Container:   p.Container,
		Audio:       newAudioJSON(p.Audio),
		Video:       newVideoJSON(p.Video),
		Thumbnails:  newThumbnailsJSON(p.Thumbnails),
		Type:        string(p.Type),
	}
}

func newAudioJSON(a *transcode.Audio) *audioJSON {
	if a == nil {
		return nil
	}
	out := &audioJSON{
		Codec:            orNull(a.Codec),
		SampleRate:       orNull(a.SampleRate),
		BitRate:          orNull(a.BitRate),
		Channels:         orNull(a.Channels),
		AudioPackingMode: orNull(a.PackingMode),
	}
	if o := a.CodecOptions; o != nil {
		out.CodecOptions = &audioOptionsJSON{
			Profile: orNull(o.Profile), BitDepth: orNull(o.BitDepth), BitOrder: orNull(o.BitOrder), Signed: orNull(o.Signed),
		}
	}
	return out
}

func newVideoJSON(v *transcode.Video) *videoJSON {
	if v == nil {
		return nil
	}
	out := &videoJSON{
		Codec:              orNull(v.Codec),
		CodecOptions:       v.CodecOptions,
		KeyframesMaxDist:   orNull(v.KeyframesMaxDist),
		FixedGOP:           orNull(v.FixedGOP),
		BitRate:            orNull(v.BitRate),
		FrameRate:          orNull(v.FrameRate),
		MaxFrameRate:       orNull(v.MaxFrameRate),
		Resolution:         orNull(v.Resolution),
		AspectRatio:        orNull(v.AspectRatio),
		MaxWidth:           orNull(v.MaxWidth),
		MaxHeight:          orNull(v.MaxHeight),
		DisplayAspectRatio: orNull(v.DisplayAspectRatio),
		SizingPolicy:       orNull(v.SizingPolicy),
		PaddingPolicy:      orNull(v.PaddingPolicy),
		Watermarks:         make([]watermarkJSON, 0, len(v.Watermarks)),
	}
	for _, w := range v.Watermarks {
		out.Watermarks = append(out.Watermarks, watermarkJSON{
			ID:               orNull(w.ID),
			MaxWidth:         orNull(w.MaxWidth),
			MaxHeight:        orNull(w.MaxHeight),
			SizingPolicy:     orNull(w.SizingPolicy),
			HorizontalAlign:  orNull(w.HorizontalAlign),
			HorizontalOffset: orNull(w.HorizontalOffset),
			VerticalAlign:    orNull(w.VerticalAlign),
			VerticalOffset:   orNull(w.VerticalOffset),
			Opacity:          orNull(w.Opacity),
			Target:           orNull(w.Target),
		})
	}
	return out
}

func newThumbnailsJSON(t *transcode.Thumbnails) *thumbnailsJSON {
	if t == nil {
		return nil
	}
	return &thumbnailsJSON{
		Format:        orNull(t.Format),
		Interval:      orNull(t.Interval),
		Resolution:    orNull(t.Resolution),
		AspectRatio:   orNull(t.AspectRatio),
		MaxWidth:      orNull(t.MaxWidth),
		MaxHeight:     orNull(t.MaxHeight),
		SizingPolicy:  orNull(t.SizingPolicy),
		PaddingPolicy: orNull(t.PaddingPolicy),
	}
}

func (a *api) listPresets(ctx context.Context, in request) (any, error) {
	presets, next, err := a.Service.ListPresets(ctx, in.page())
	if err != nil {
		return nil, err
	}
	out := struct {
		Presets       []presetJSON
		NextPageToken *string
	}{make([]presetJSON, 0, len(presets)), orNull(next)}
	for i := range presets {
		out.Presets = append(out.Presets, a.presetJSON(&presets[i]))
	}
	return out, nil
}

func (a *api) readPreset(ctx context.Context, in request) (any, error) {
	p, err := a.Service.ReadPreset(ctx, transcode.PresetID(in.text("Id")))
	if err != nil {
		return nil, err
	}
	return struct{ Preset presetJSON }{a.presetJSON(p)}, nil
}
