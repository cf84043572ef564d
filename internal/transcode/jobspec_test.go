package transcode_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/transcode"
)

func TestBadJobs(t *testing.T) {
	w := open(t)
	w.encoder.Refuse = func(p *transcode.Preset) string {
		if p.Video != nil {
			return "Video cannot be made."
		}
		return ""
	}
	span := func(start, duration string) *transcode.TimeSpan {
		return &transcode.TimeSpan{StartTime: start, Duration: duration}
	}
	art := func(a ...transcode.Artwork) *transcode.AlbumArt {
		return &transcode.AlbumArt{MergePolicy: "Replace", Artwork: a}
	}
	for name, c := range map[string]struct {
		change func(*transcode.JobSpec)
		kind   transcode.Kind
		says   string
	}{
		"no input":              {func(s *transcode.JobSpec) { s.Inputs = nil }, transcode.Invalid, "Input"},
		"input without key":     {func(s *transcode.JobSpec) { s.Inputs[0].Key = "" }, transcode.Invalid, "Key"},
		"too many inputs":       {func(s *transcode.JobSpec) { s.Inputs = make([]transcode.Input, 201) }, transcode.Invalid, "200"},
		"no output":             {func(s *transcode.JobSpec) { s.Outputs = nil }, transcode.Invalid, "Output"},
		"too many outputs":      {func(s *transcode.JobSpec) { s.Outputs = make([]transcode.OutputSpec, 31) }, transcode.Invalid, "30"},
		"output without key":    {func(s *transcode.JobSpec) { s.Outputs[0].Key = "" }, transcode.Invalid, "Key"},
		"output without preset": {func(s *transcode.JobSpec) { s.Outputs[0].PresetID = "" }, transcode.Invalid, "PresetId"},
		"unknown preset":        {func(s *transcode.JobSpec) { s.Outputs[0].PresetID = "1351620000001-999999" }, transcode.NotFound, "presetId=1351620000001-999999"},
		"unknown pipeline":      {func(s *transcode.JobSpec) { s.Pipeline = "1351620000001-999999" }, transcode.NotFound, "The specified pipeline was not found: account=000000000000, pipelineId=1351620000001-999999."},
		"video":                 {func(s *transcode.JobSpec) { s.Outputs[0].PresetID = "1351620000001-000001" }, transcode.Invalid, "Video cannot be made."},
		"metadata":              {func(s *transcode.JobSpec) { s.UserMetadata = map[string]string{"é": ""} }, transcode.Invalid, "UserMetadata"},
		"span out of hand":      {func(s *transcode.JobSpec) { s.Inputs[0].TimeSpan = span("86400", "") }, transcode.Invalid, "24 hours"},
		"span of nothing":       {func(s *transcode.JobSpec) { s.Outputs[0].Composition = []transcode.TimeSpan{*span("", "0")} }, transcode.Invalid, "above 0"},
		"two clips":             {func(s *transcode.JobSpec) { s.Outputs[0].Composition = make([]transcode.TimeSpan, 2) }, transcode.Invalid, "Composition"},
		"segments of wav":       {func(s *transcode.JobSpec) { s.Outputs[0].SegmentDuration = "10" }, transcode.Invalid, "ts or fmp4"},
		"segments too long":     {func(s *transcode.JobSpec) { s.Outputs[0].PresetID, s.Outputs[0].SegmentDuration = ts, "61" }, transcode.Invalid, "1 to 60"},
		"art in wav":            {func(s *transcode.JobSpec) { s.Outputs[0].AlbumArt = art(transcode.Artwork{InputKey: "a.png"}) }, transcode.Invalid, "flac, mp3 and mp4"},
		"art without a key":     {func(s *transcode.JobSpec) { s.Outputs[0].AlbumArt = art(transcode.Artwork{}) }, transcode.Invalid, "InputKey"},
		"odd art": {func(s *transcode.JobSpec) {
			s.Outputs[0].AlbumArt = art(transcode.Artwork{InputKey: "a", MaxWidth: "33"})
		}, transcode.Invalid, "even number"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := w.spec(wav)
			c.change(&spec)
			_, err := w.CreateJob(t.Context(), spec)
			var e *transcode.Error
			if !errors.As(err, &e) || e.Kind != c.kind || !strings.Contains(e.Message, c.says) {
				t.Errorf("create: %v, want kind %d with %q", err, c.kind, c.says)
			}
		})
	}
	if tasks := w.tasks.All(); len(tasks) != 0 {
		t.Errorf("refused jobs queued %v", tasks)
	}
}

func TestSameDedupeKeyIsOneJob(t *testing.T) {
	w := open(t)
	spec := w.spec(wav)
	spec.DedupeKey = "bucket/key/etag"
	first, second := w.create(t, spec), w.create(t, spec)
	if first != second {
		t.Errorf("jobs %s and %s, want one", first, second)
	}
	if n := len(w.tasks.All()); n != 1 {
		t.Errorf("%d tasks, want 1", n)
	}
}

// TestTimeSpans: what is asked for reaches the encoder.
func TestTimeSpansReachTheEncoder(t *testing.T) {
	for start, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, "5.": 5 * time.Second, "90.5": 90500 * time.Millisecond,
		"1:30": 90 * time.Second, "01:01:01.001": time.Hour + time.Minute + 1001*time.Millisecond, "86399.999": 24*time.Hour - time.Millisecond,
	} {
		t.Run(start, func(t *testing.T) {
			w := open(t)
			w.put(t, "in.mp3", "music")
			spec := w.spec(wav)
			spec.Inputs = append(spec.Inputs, spec.Inputs[0])
			spec.Inputs[1].TimeSpan = &transcode.TimeSpan{StartTime: start, Duration: "10"}
			w.create(t, spec)
			w.run(t, 1)
			calls := w.encoder.Calls()
			if len(calls) != 1 {
				t.Fatalf("encoded %d times, want once", len(calls))
			}
			got := []transcode.Span{calls[0].Inputs[0].Span, calls[0].Inputs[1].Span}
			if diff := cmp.Diff([]transcode.Span{{}, {Start: want, Length: 10 * time.Second}}, got); diff != "" {
				t.Errorf("spans (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlaylists(t *testing.T) {
	for name, c := range map[string]struct {
		format string
		preset transcode.PresetID
		want   map[string]string // key to something in it
	}{
		"v3":   {"HLSv3", ts, map[string]string{"out/hls/a00000.ts": "output 1", "out/hls/a00001.ts": "output 1", "out/hls/a.m3u8": "a00001.ts", "out/hls/main.m3u8": "a.m3u8"}},
		"v4":   {"HLSv4", ts, map[string]string{"out/hls/a.ts": "output 1", "out/hls/a_v4.m3u8": "#EXT-X-BYTERANGE", "out/hls/main.m3u8": "a_v4.m3u8"}},
		"dash": {"MPEG-DASH", fmp4, map[string]string{"out/hls/a": "output 1", "out/hls/main.mpd": "<BaseURL>a</BaseURL>"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			w.put(t, "in.mp3", "music")
			spec := w.spec(c.preset, wav)
			spec.Outputs[0].Key, spec.Outputs[0].SegmentDuration = "hls/a", "10"
			spec.Playlists = []transcode.PlaylistSpec{{Name: "hls/main", Format: c.format, OutputKeys: []string{"hls/a"}}}
			id := w.create(t, spec)
			w.run(t, 1)
			w.wantLine(t, id, "Complete: Complete Complete Complete")
			for key, text := range c.want {
				if got := w.get(t, key); !strings.Contains(got, text) {
					t.Errorf("object %s = %q, want %q in it", key, got, text)
				}
			}
		})
	}
}

func TestPlaylistOfAFailedOutput(t *testing.T) {
	w := open(t)
	w.put(t, "in.mp3", "music")
	w.put(t, "out/a00001.ts", "somebody's")
	spec := w.spec(ts)
	spec.Outputs[0].Key, spec.Outputs[0].SegmentDuration = "a", "10"
	spec.Playlists = []transcode.PlaylistSpec{{Name: "main", Format: "HLSv3", OutputKeys: []string{"a"}}}
	id := w.create(t, spec)
	w.run(t, 1)
	w.wantLine(t, id, "Error: Error/3002 Error/1001")
	if got := w.get(t, "out/a00000.ts"); got != "" {
		t.Error("a segment of an output that failed is left")
	}
	if got := w.get(t, "out/a00001.ts"); got != "somebody's" {
		t.Errorf("somebody's object = %q", got)
	}
}

func TestBadPlaylists(t *testing.T) {
	w := open(t)
	p := func(name, format string, keys ...string) transcode.PlaylistSpec {
		return transcode.PlaylistSpec{Name: name, Format: format, OutputKeys: keys}
	}
	for says, playlists := range map[string][]transcode.PlaylistSpec{
		"no Name":                 {p("", "HLSv3", "x/a")},
		"Two Playlists":           {p("x/m", "HLSv3", "x/a"), p("x/m", "HLSv3", "x/a")},
		"Smooth":                  {p("x/m", "Smooth", "x/a")},
		"no Format":               {p("x/m", "", "x/a")},
		"no OutputKeys":           {p("x/m", "HLSv3")},
		"none of the job's":       {p("x/m", "HLSv3", "x/z")},
		"takes outputs in":        {p("x/m", "MPEG-DASH", "x/a")},
		"needs a SegmentDuration": {p("x/m", "HLSv3", "x/b")},
		"same SegmentDuration":    {p("x/m", "HLSv3", "x/a", "x/c")},
		"both HLSv3 and HLSv4":    {p("x/m", "HLSv3", "x/a"), p("x/n", "HLSv4", "x/a")},
		"All outputs in a playlist must begin identically to the playlist name upto the last / character.": {p("y/m", "HLSv3", "x/a")},
	} {
		spec := w.spec(ts, ts, ts)
		for i, key := range []string{"x/a", "x/b", "x/c"} {
			spec.Outputs[i].Key = key
		}
		spec.Outputs[0].SegmentDuration, spec.Outputs[2].SegmentDuration = "10.0", "9"
		spec.Playlists = playlists
		if _, err := w.CreateJob(t.Context(), spec); !transcode.IsKind(err, transcode.Invalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

func TestArtworkReachesTheEncoder(t *testing.T) {
	w := open(t)
	w.put(t, "in.mp3", "music")
	w.put(t, "cover.png", "picture")
	spec := w.spec(flac, flac)
	for i, key := range []string{"cover.png", "missing.png"} {
		spec.Outputs[i].AlbumArt = &transcode.AlbumArt{MergePolicy: "Append", Artwork: []transcode.Artwork{{InputKey: key, MaxWidth: "300", Format: "jpg"}}}
	}
	id := w.create(t, spec)
	w.run(t, 1)
	w.wantLine(t, id, "Error: Complete Error/3001")
	art := w.encoder.Calls()[0].Outputs[0].Art
	if art == nil || art.MergePolicy != "Append" || len(art.Pictures) != 1 {
		t.Fatalf("art = %+v", art)
	}
	if p := art.Pictures[0]; p.MaxWidth != 300 || p.MaxHeight != 600 || p.Format != "jpg" {
		t.Errorf("picture = %+v", p)
	}
}

func TestUserMetadataLimits(t *testing.T) {
	w := open(t)
	many := map[string]string{}
	for i := range 11 {
		many[strconv.Itoa(i)] = ""
	}
	for name, m := range map[string]map[string]string{
		"eleven pairs": many, "empty key": {"": "x"}, "long key": {strings.Repeat("k", 129): ""}, "long value": {"k": strings.Repeat("v", 257)}, "newline": {"k": "a\nb"},
	} {
		spec := w.spec(wav)
		spec.UserMetadata = m
		if _, err := w.CreateJob(t.Context(), spec); !transcode.IsKind(err, transcode.Invalid) {
			t.Errorf("%s: %v, want Invalid", name, err)
		}
	}
}
