package ffmpeg

import (
	"errors"
	"image"
	"os"
	"os/exec"
	"testing"
	"time"

	"etude/internal/transcode"
	"etude/internal/transcode/transcodetest"
)

// TestFailures holds every failure of the engine's to what is said of failures to
// people, and so its remarks on outputs that are not quite as they were asked for.
// It makes them as the engine does; that it does, the tests of odd files show. What
// has a process behind it keeps that one's words, for the operator only.
func TestFailures(t *testing.T) {
	const words = "[mp3float @ 0x55d] Header missing\nfile:/scratch/1/input1: Invalid data found when processing input"
	unprobed := func(tail string) error {
		return (&exitError{program: "ffprobe", state: &os.ProcessState{}, tail: tail}).probeFailure()
	}
	rejected := func(format string) error { return unprobed("[" + format + " @ 0x1] Format not on whitelist 'wav'") }
	stopped := func(signal, tail string) error {
		cmd := exec.Command("sh", "-c", "kill -"+signal+" $$")
		if err := cmd.Run(); !errors.As(err, new(*exec.ExitError)) {
			t.Fatal(err)
		}
		return (&exitError{program: "ffmpeg", state: cmd.ProcessState, tail: tail}).encodeFailure(&encodeWords{samples: []int64{7}})
	}
	said := func(err error) error { return withLog(err, words) }
	sound := stream{Type: "audio", Codec: "pcm_s16le", Rate: 44100, Channels: 2, Bits: 16}
	mp3 := transcode.Rendition{Preset: transcode.Preset{Name: "x", Container: "mp3", Audio: &transcode.Audio{Codec: "mp3"}}}
	planned := func(spoilt func(*source, *transcode.Rendition)) error {
		src, r := &source{Format: "wav", Duration: time.Minute, Said: words, Streams: []stream{sound}}, mp3
		spoilt(src, &r)
		p, err := newPlan([]*source{src}, make([]transcode.Source, 1), []transcode.Rendition{r}, abilities{Encoders: []string{"aac", "libmp3lame"}}, time.Hour)
		if err == nil {
			return p.Refused[0]
		}
		return withLog(err, probed([]*source{src}))
	}
	laidOut := func(layout transcode.Layout, container string) func(*source, *transcode.Rendition) {
		return func(_ *source, r *transcode.Rendition) {
			r.Layout, r.Preset.Container = layout, container
		}
	}
	var told []string
	for name, test := range map[string]struct {
		err  error
		code int
		log  bool // there was a process
	}{
		"empty":           {unreadable("This file is empty.", ""), 4000, false},
		"no media":        {rejected("none"), 4000, true},
		"nothing at all":  {unprobed(words), 4000, true},
		"playlist":        {rejected("hls"), 4000, true},
		"picture":         {rejected("png_pipe"), 4000, true},
		"one of several":  {aboutInput(1, 3, rejected("srt")), 4000, true},
		"nothing decodes": {nothingDecodes(words), 4000, true},
		"not described":   {planned(func(s *source, _ *transcode.Rendition) { s.Streams[0].Rate = 0 }), 4000, true},
		"no length":       {tooLong(5*time.Hour, 30*time.Minute), 4002, false},
		"long":            {planned(func(s *source, _ *transcode.Rendition) { s.Duration = 2 * time.Hour }), 4002, true},
		"unknown sound":   {planned(func(s *source, _ *transcode.Rendition) { s.Streams[0].Codec = "unknown" }), 4006, true},
		"channels":        {planned(func(s *source, _ *transcode.Rendition) { s.Streams[0].Channels = 208 }), 4006, true},
		"rate":            {planned(func(s *source, _ *transcode.Rendition) { s.Streams[0].Rate = 1 }), 4006, true},
		"no sound":        {planned(func(s *source, _ *transcode.Rendition) { s.Streams = nil }), 4008, true},
		"some sound":      {said(someAudio(1, 2)), 4026, true},
		"late":            {said(clipTooLate(3*time.Second, 2*time.Second)), 4014, true},
		"changing":        {said(changing()), 4007, true},
		"short":           {tooShort(1, "AAC"), 4007, false}, // the others' log has it
		"time":            {stopped("XCPU", words), 4007, true},
		"time, told":      {stopped("KILL", words+"\nExiting normally, received signal 24."), 4007, true},
		"size":            {stopped("XFSZ", words), 4007, true},
		"memory":          {stopped("KILL", words+"\n[error] a: Cannot allocate memory"), 4007, true},
		"artwork":         {artUnreadable(words), 4010, true},
		"own artwork":     {ownUnreadable(words), 4011, true},
		"large artwork":   {artTooLarge(4012, "The artwork", image.Config{Width: 5000, Height: 10}), 4012, false},
		"large, own":      {artTooLarge(4013, "A picture in this file", image.Config{Width: 5000, Height: 10}), 4013, false},
		"big artwork":     {artTooBig(17 << 20), 4005, false},
		"artworks":        {tooManyPictures(21), 4009, false},
		"video":           {planned(func(_ *source, r *transcode.Rendition) { r.Preset.Video = &transcode.Video{} }), 1000, false},
		"thumbnails":      {planned(func(_ *source, r *transcode.Rendition) { r.Preset.Thumbnails = &transcode.Thumbnails{} }), 1000, false},
		"nothing to make": {planned(func(_ *source, r *transcode.Rendition) { r.Preset.Audio = nil }), 1000, false},
		"no such codec":   {planned(laidOut(transcode.Whole, "mxf")), 1000, false},
		"no encoder": {planned(func(_ *source, r *transcode.Rendition) {
			r.Preset.Container, r.Preset.Audio = "ogg", &transcode.Audio{Codec: "vorbis"}
		}), 1000, false},
		"odd value": {planned(func(_ *source, r *transcode.Rendition) {
			r.Preset.Audio = &transcode.Audio{Codec: "mp3", BitRate: "999"}
		}), 1000, false},
		"odd option": {planned(func(_ *source, r *transcode.Rendition) {
			r.Preset.Audio = &transcode.Audio{Codec: "mp3", Channels: "0"}
		}), 1000, false},
		"not fragmented": {planned(laidOut(transcode.Fragmented, "mp3")), 1000, false},
		"not cut":        {planned(laidOut(transcode.SegmentFiles, "mp3")), 1000, false},
		"no segments": {planned(func(_ *source, r *transcode.Rendition) {
			r.Layout, r.Preset.Container, r.Preset.Audio = transcode.SegmentFiles, "ts", &transcode.Audio{Codec: "AAC"}
		}), 1000, false},
	} {
		t.Run(name, func(t *testing.T) {
			var f *transcode.Failure
			if !errors.As(test.err, &f) || f == nil {
				t.Fatalf("it is %v, want a failure", test.err)
			}
			if f.Code != test.code || (f.Log != "") != test.log {
				t.Errorf("failure is %+v, want code %d, and a log: %t", f, test.code, test.log)
			}
			transcodetest.CheckFailure(t, f)
			told = append(told, f.Reason, f.Remedy, f.Detail)
		})
	}
	for _, remark := range []string{
		endsEarly(0, 1, 3*time.Second, 4*time.Minute),
		endsEarly(1, 2, time.Millisecond, 90*time.Minute),
		"Parts of this file are damaged and could not be decoded.",
		"Parts of the files are damaged and could not be decoded.",
		"The sample rate or the channels change in the middle of this file; a little may be missing there.",
		"Only one of the file's 2 audio tracks was used.",
		"The 6 channels were mixed down to 2.",
		"The bit rate is 192 kbit/s, which is the nearest to 200 that mp3 has here.",
		"The tags of this file take more than 17 MiB and were left out.",
		"This file is too large to hold more than the usual tags of WAV.",
		"One picture is too large beside the others for this kind of file, and was left out.",
		"2 pictures are too large beside the others for this kind of file, and were left out.",
		"Only the first of the file's pictures was kept.",
		"A picture in this file is none that can be kept, and was left out.",
		"2 pictures in this file are none that can be kept, and were left out.",
		"There is too little sound to bring it to a loudness.",
		"The true peak is 0.3 dBTP: the encoder makes peaks above the -1.0 that were asked for.",
		"It is at -14.3 LUFS instead of -9.0: louder, its peaks would be above -1.0 dBTP, or distorted.",
	} {
		transcodetest.CheckSentence(t, remark)
		told = append(told, remark)
	}
	told = append(told, clipShort) // in AWS's own words
	sentences := transcodetest.Sentences(t, ".")
	for _, name := range []string{
		"Check",          // says why nothing can be made at all
		"CheckExtension", // is for those who run etude transcode
	} {
		delete(sentences, name)
	}
	transcodetest.CheckAllSaid(t, sentences, told)
}
