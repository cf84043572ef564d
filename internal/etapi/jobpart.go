package etapi

import "etude/internal/transcode"

// The parts that an input or output of a job may have, read and spelled. Each is
// echoed as it was sent; a part that was not given is nil.

type timeSpanJSON struct{ StartTime, Duration *string }

func timeSpan(d document) *transcode.TimeSpan {
	if d == nil {
		return nil
	}
	return &transcode.TimeSpan{StartTime: d.text("StartTime"), Duration: d.text("Duration")}
}

func newTimeSpanJSON(t *transcode.TimeSpan) *timeSpanJSON {
	if t == nil {
		return nil
	}
	return &timeSpanJSON{orNull(t.StartTime), orNull(t.Duration)}
}

type clipJSON struct{ TimeSpan *timeSpanJSON }

// composition tells no list from an empty one.
func composition(d document) []transcode.TimeSpan {
	if !d.has("Composition") {
		return nil
	}
	spans := []transcode.TimeSpan{}
	for _, clip := range d.structures("Composition") {
		span := transcode.TimeSpan{}
		if t := timeSpan(clip.structure("TimeSpan")); t != nil {
			span = *t
		}
		spans = append(spans, span)
	}
	return spans
}

func newCompositionJSON(spans []transcode.TimeSpan) []clipJSON {
	if spans == nil {
		return nil
	}
	clips := make([]clipJSON, 0, len(spans))
	for i := range spans {
		clips = append(clips, clipJSON{newTimeSpanJSON(&spans[i])})
	}
	return clips
}

// encryptionJSON has no key: with the mode s3 there is none.
type encryptionJSON struct {
	Mode                              string
	Key, KeyMd5, InitializationVector *string
}

func encryption(d document) *transcode.Encryption {
	if d.text("Mode") == "" {
		return nil
	}
	return &transcode.Encryption{Mode: d.text("Mode")}
}

func newEncryptionJSON(e *transcode.Encryption) *encryptionJSON {
	if e == nil {
		return nil
	}
	return &encryptionJSON{Mode: e.Mode}
}

// inputCaptionsJSON and captionsJSON have empty lists: captions that are to be
// read or written are refused.
type inputCaptionsJSON struct {
	MergePolicy    *string
	CaptionSources []struct{}
}

type captionsJSON struct {
	inputCaptionsJSON
	CaptionFormats []struct{}
}

func captions(d document) *transcode.Captions {
	if d == nil {
		return nil
	}
	return &transcode.Captions{MergePolicy: d.text("MergePolicy")}
}

func newInputCaptionsJSON(c *transcode.Captions) *inputCaptionsJSON {
	if c == nil {
		return nil
	}
	return &inputCaptionsJSON{orNull(c.MergePolicy), []struct{}{}}
}

func newCaptionsJSON(c *transcode.Captions) *captionsJSON {
	if c == nil {
		return nil
	}
	return &captionsJSON{*newInputCaptionsJSON(c), []struct{}{}}
}

type albumArtJSON struct {
	MergePolicy *string
	Artwork     []artworkJSON // never null
}

type artworkJSON struct {
	InputKey       *string
	MaxWidth       *string
	MaxHeight      *string
	SizingPolicy   *string
	PaddingPolicy  *string
	AlbumArtFormat *string
	Encryption     *encryptionJSON
}

func albumArt(d document) *transcode.AlbumArt {
	if d == nil {
		return nil
	}
	art := &transcode.AlbumArt{MergePolicy: d.text("MergePolicy")}
	for _, w := range d.structures("Artwork") {
		art.Artwork = append(art.Artwork, transcode.Artwork{
			InputKey:      w.text("InputKey"),
			MaxWidth:      w.text("MaxWidth"),
			MaxHeight:     w.text("MaxHeight"),
			SizingPolicy:  w.text("SizingPolicy"),
			PaddingPolicy: w.text("PaddingPolicy"),
			Format:        w.text("AlbumArtFormat"),
			Encryption:    encryption(w.structure("Encryption")),
		})
	}
	return art
}

func newAlbumArtJSON(art *transcode.AlbumArt) *albumArtJSON {
	if art == nil {
		return nil
	}
	out := &albumArtJSON{orNull(art.MergePolicy), make([]artworkJSON, 0, len(art.Artwork))}
	for _, w := range art.Artwork {
		out.Artwork = append(out.Artwork, artworkJSON{
			InputKey:       orNull(w.InputKey),
			MaxWidth:       orNull(w.MaxWidth),
			MaxHeight:      orNull(w.MaxHeight),
			SizingPolicy:   orNull(w.SizingPolicy),
			PaddingPolicy:  orNull(w.PaddingPolicy),
			AlbumArtFormat: orNull(w.Format),
			Encryption:     newEncryptionJSON(w.Encryption),
		})
	}
	return out
}
