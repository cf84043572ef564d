package transcode_test

import (
	"testing"

	"etude/internal/transcode"
)

func TestPresetsAreListedPageByPageInBothOrders(t *testing.T) {
	w := open(t)
	for _, name := range []string{"one", "two", "three"} {
		p := transcode.Preset{Name: name, Container: "flac", Audio: &transcode.Audio{Codec: "flac"}}
		if _, err := w.CreatePreset(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	for _, descending := range []bool{false, true} {
		for _, limit := range []int{1, 7, 62, 63, 64, 65, 0} {
			seen := map[transcode.PresetID]bool{}
			last := transcode.PresetID("")
			page := transcode.Page{Descending: descending, Limit: limit}
			for {
				presets, next, err := w.ListPresets(t.Context(), page)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range presets {
					if last != "" && (p.ID < last) != descending || seen[p.ID] {
						t.Errorf("limit %d, descending %v: %s after %s", limit, descending, p.ID, last)
					}
					seen[p.ID], last = true, p.ID
				}
				if page.Token = next; next == "" {
					break
				}
			}
			if len(seen) != 65 {
				t.Errorf("limit %d, descending %v: %d presets, want 62 and 3", limit, descending, len(seen))
			}
		}
	}
}

func TestDeletePreset(t *testing.T) {
	w := open(t)
	w.put(t, "in.mp3", "music")
	p, err := w.CreatePreset(t.Context(), transcode.Preset{Name: "mine", Container: "flac", Audio: &transcode.Audio{Codec: "flac"}})
	if err != nil {
		t.Fatal(err)
	}
	id := w.create(t, w.spec(p.ID))
	if err := w.DeletePreset(t.Context(), p.ID); err != nil {
		t.Fatal(err)
	}
	w.run(t, 1)
	w.wantLine(t, id, "Complete: Complete")
	if got := w.job(t, id).Outputs[0].Preset.Name; got != "mine" {
		t.Errorf("the job's own copy of the preset has the name %q", got)
	}
	if err := w.DeletePreset(t.Context(), p.ID); !transcode.IsKind(err, transcode.NotFound) {
		t.Errorf("delete again: %v, want NotFound", err)
	}
	if err := w.DeletePreset(t.Context(), wav); !transcode.IsKind(err, transcode.Denied) {
		t.Errorf("delete a system preset: %v, want Denied", err)
	}
}

func TestEverySystemPresetIsValid(t *testing.T) {
	w := open(t)
	for _, p := range transcode.SystemPresets() {
		if _, err := w.CreatePreset(t.Context(), p); err != nil {
			t.Errorf("a preset with the settings of %s (%s): %v", p.ID, p.Name, err)
		}
	}
}

func TestBadPresets(t *testing.T) {
	w := open(t)
	audio := func(codec string, change ...func(*transcode.Audio)) *transcode.Audio {
		a := &transcode.Audio{Codec: codec}
		for _, f := range change {
			f(a)
		}
		return a
	}
	for name, p := range map[string]transcode.Preset{
		"nothing in it":        {Container: "mp4"},
		"unknown container":    {Container: "avi", Audio: audio("AAC")},
		"codec of another":     {Container: "wav", Audio: audio("AAC")},
		"no codec":             {Container: "wav", Audio: audio("")},
		"video in wav":         {Container: "wav", Audio: audio("pcm"), Video: &transcode.Video{Codec: "H.264"}},
		"profile of another":   {Container: "mp3", Audio: audio("mp3", func(a *transcode.Audio) { a.CodecOptions = &transcode.AudioOptions{Profile: "auto"} })},
		"sign of another":      {Container: "flac", Audio: audio("flac", func(a *transcode.Audio) { a.CodecOptions = &transcode.AudioOptions{Signed: "Signed"} })},
		"depth of another":     {Container: "flac", Audio: audio("flac", func(a *transcode.Audio) { a.CodecOptions = &transcode.AudioOptions{BitDepth: "32"} })},
		"bit rate out of hand": {Container: "mp3", Audio: audio("mp3", func(a *transcode.Audio) { a.BitRate = "999" })},
		"packing of another":   {Container: "wav", Audio: audio("pcm", func(a *transcode.Audio) { a.PackingMode = "OneChannelPerTrack" })},
	} {
		if _, err := w.CreatePreset(t.Context(), p); !transcode.IsKind(err, transcode.Invalid) {
			t.Errorf("%s: %v, want Invalid", name, err)
		}
	}
}
