package etapi

import (
	"context"

	"etude/internal/transcode"
)

// createPreset warns of a preset that this server keeps and cannot make. AWS
// only warns of H.264 settings beyond their level.
func (a *api) createPreset(ctx context.Context, in request) (any, error) {
	p, err := a.Service.CreatePreset(ctx, preset(in.document))
	if err != nil {
		return nil, err
	}
	reply := struct {
		Preset  presetJSON
		Warning string
	}{Preset: a.presetJSON(p)}
	if why := a.Service.Encoder.Check(p); why != "" {
		reply.Warning = "The preset was created, but this server refuses jobs that use it: " + why
	}
	return reply, nil
}

func (a *api) deletePreset(ctx context.Context, in request) (any, error) {
	return success{"true"}, a.Service.DeletePreset(ctx, transcode.PresetID(in.text("Id")))
}

// preset reads a CreatePresetRequest whose shape was checked.
func preset(d document) transcode.Preset {
	return transcode.Preset{
		Name:        d.text("Name"),
		Description: d.text("Description"),
		Container:   d.text("Container"),
		Audio:       audio(d.structure("Audio")),
		Video:       video(d.structure("Video")),
		Thumbnails:  thumbnails(d.structure("Thumbnails")),
	}
}

func audio(d document) *transcode.Audio {
	if d == nil {
		return nil
	}
	a := &transcode.Audio{
		Codec:       d.text("Codec"),
		SampleRate:  d.text("SampleRate"),
		BitRate:     d.text("BitRate"),
		Channels:    d.text("Channels"),
		PackingMode: d.text("AudioPackingMode"),
	}
	if o := d.structure("CodecOptions"); o != nil {
		a.CodecOptions = &transcode.AudioOptions{
			Profile: o.text("Profile"), BitDepth: o.text("BitDepth"), BitOrder: o.text("BitOrder"), Signed: o.text("Signed"),
		}
	}
	return a
}

func video(d document) *transcode.Video {
	if d == nil {
		return nil
	}
	v := &transcode.Video{
		Codec:              d.text("Codec"),
		CodecOptions:       d.texts("CodecOptions"),
		KeyframesMaxDist:   d.text("KeyframesMaxDist"),
		FixedGOP:           d.text("FixedGOP"),
		BitRate:            d.text("BitRate"),
		FrameRate:          d.text("FrameRate"),
		MaxFrameRate:       d.text("MaxFrameRate"),
		Resolution:         d.text("Resolution"),
		AspectRatio:        d.text("AspectRatio"),
		MaxWidth:           d.text("MaxWidth"),
		MaxHeight:          d.text("MaxHeight"),
		DisplayAspectRatio: d.text("DisplayAspectRatio"),
		SizingPolicy:       d.text("SizingPolicy"),
		PaddingPolicy:      d.text("PaddingPolicy"),
	}
	for _, w := range d.structures("Watermarks") {
		v.Watermarks = append(v.Watermarks, transcode.Watermark{
			ID:               w.text("Id"),
			MaxWidth:         w.text("MaxWidth"),
			MaxHeight:        w.text("MaxHeight"),
			SizingPolicy:     w.text("SizingPolicy"),
			HorizontalAlign:  w.text("HorizontalAlign"),
			HorizontalOffset: w.text("HorizontalOffset"),
			VerticalAlign:    w.text("VerticalAlign"),
			VerticalOffset:   w.text("VerticalOffset"),
			Opacity:          w.text("Opacity"),
			Target:           w.text("Target"),
		})
	}
	return v
}

func thumbnails(d document) *transcode.Thumbnails {
	if d == nil {
		return nil
	}
	return &transcode.Thumbnails{
		Format:        d.text("Format"),
		Interval:      d.text("Interval"),
		Resolution:    d.text("Resolution"),
		AspectRatio:   d.text("AspectRatio"),
		MaxWidth:      d.text("MaxWidth"),
		MaxHeight:     d.text("MaxHeight"),
		SizingPolicy:  d.text("SizingPolicy"),
		PaddingPolicy: d.text("PaddingPolicy"),
	}
}
