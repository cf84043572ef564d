package web

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"etude/internal/inbox"
	"etude/internal/transcode"
)

// noon is when all stories take place.
var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// story is a page with canned data, and what is to be found on it.
type story struct {
	name  string
	page  string
	data  any
	check func(d *document)
}

func stories(t testing.TB) []story {
	t.Helper()
	files, err := newAssets()
	if err != nil {
		t.Fatal(err)
	}
	urls := files.links()
	around := func(title string, at place, pending []inbox.Message) frame {
		f := frame{Title: title, Assets: urls, User: "clara@example.org", Events: at.events(), Tab: at.view, Badge: newBadge(len(pending))}
		if at.view != "messages" {
			f.Banners = newInbox(pending, maxBanners, at.path())
		}
		return f
	}
	form := uploadForm{Formats: formats, Max: 2 << 30, Limit: limit(2 << 30)}
	lib, one, box := place{view: "library"}, place{view: "file", job: jobID(1)}, place{view: "messages"}
	hostile := `"><script>alert(1)<img src=x onerror=alert(1)>.wav`

	ops := opsStories(func(at string) opsPage {
		f := around("", place{view: "ops", ops: at}, nil)
		f.Admin = true
		return opsPage{frame: f}
	})
	return append(ops, []story{
		{"signin", "signin", signInPage{frame: frame{Title: "Sign in", Assets: urls}, Next: "/"}, func(d *document) {
			d.count("form[action=/signin] input[name=password]", 1)
			d.count(".notice", 0)
			d.count("nav", 0)
			d.count("body[sse-connect]", 0)
		}},
		{"signin-refused", "signin", signInPage{frame: frame{Title: "Sign in", Assets: urls}, Next: "/messages", Email: "clara@example.org", Fault: "E-mail address and password do not match."}, func(d *document) {
			d.has(".notice", "do not match")
			if got := d.value("input[name=next]", "value"); got != "/messages" {
				t.Errorf("next is %q, want /messages", got)
			}
			d.count("input[value=clara@example.org]", 1)
		}},
		{"library-empty", "library", libraryPage{frame: around("Library", lib, nil), Upload: form, Files: fileList{Newest: true}}, func(d *document) {
			d.has("#files .empty", "Your first recording goes here.")
			d.count("form#upload input[type=file][multiple]", 1)
			d.count("input[name=format][checked]", len(formats))
			d.count(".message", 0)
			d.count(".badge", 0)
		}},
		{"library", "library", libraryPage{frame: around("Library", lib, someMessages(5)), Upload: form, Files: someFiles()}, func(d *document) {
			d.count("#files .file", 5)
			d.has("#job-"+string(jobID(1))+" .state", "Encoding")
			d.has("#job-"+string(jobID(1))+" .state", "42 %")
			d.count("#job-"+string(jobID(1))+" progress[value=0.420]", 1)
			d.has("#job-"+string(jobID(2))+" .state", "Waiting for its turn")
			d.has("#job-"+string(jobID(3))+" .state", "Ready")
			d.count("#job-"+string(jobID(3))+" a.chip", 4)
			d.count("#job-"+string(jobID(3))+" progress", 0)
			d.has("#job-"+string(jobID(4))+" .state", "Failed")
			d.has("#job-"+string(jobID(5))+" .state", "3 of 4 ready")
			d.count("#banners .message", maxBanners)
			d.has("#banners .more", "2 more")
			d.has(".badge", "5")
			d.count(".pager a[rel=next]", 1)
		}},
		{"library-without-script", "library", libraryPage{frame: withoutScript(around("Library", lib, nil)), Upload: form, Files: fileList{Newest: true}}, func(d *document) {
			d.count("script", 0)
			d.count("form#upload .drop-bar button", 1)
		}},
		{"library-fault", "library", libraryPage{frame: around("Library", lib, nil), Upload: form, Files: fileList{Newest: true}, Fault: "No format was chosen. Tick at least one."}, func(d *document) {
			d.has(".notice[role=alert]", "No format was chosen.")
		}},
		{"library-hostile", "library", libraryPage{frame: around("Library", lib, nil), Upload: form, Files: fileList{Rows: []row{newRow(namedJob(1, hostile), transcode.Progress{}, noon)}}}, func(d *document) {
			d.has("#files h3", "<script>alert(1)")
			d.count("#files script", 0)
			d.count("#files img", 0)
		}},
		{"file-live", "file", filePage{frame: around("Sonata", one, nil), File: newFile(runningJob(1), someProgress(), 34_100_000, noon)}, func(d *document) {
			d.has("#file .state", "Encoding")
			d.has("#file .state", "about 21 s left")
			d.count("#file progress", 5)
			d.has("#output-1", "WAV checking Uncompressed, 16 bit 91 % about 21 s left")
			d.has("#output-2 .card-top", "encoding")
			d.has("#output-2 .card-time", "71 % about 6 s left")
			d.count("#output-2 progress[value=0.710]", 1)
			d.has("#output-3 .card-time", "28 % about 21 s left")
			d.has("#output-4", "looking into it")
			d.has("#output-4 .card-time", "2 %")
			d.has(".input", "34.1 MB")
			d.count(".card", 4)
			d.count(".card a", 0)
			d.count("a#get-original", 1)
		}},
		{"file-storing", "file", filePage{frame: around("Sonata", one, nil), File: newFile(storingJob(1), transcode.Progress{
			Phase: transcode.Uploading, Done: 0.975, Outputs: map[string]transcode.OutputProgress{"3": {Phase: transcode.Uploading, Done: 0.95}, "4": {Phase: transcode.Verifying, Done: 0.95}},
		}, 34_100_000, noon)}, func(d *document) {
			d.has("#file .state", "Storing the results")
			d.count(".card a.button", 2)
			d.count(".card progress", 2)
			d.has("#output-3 .card-top", "storing")
			d.has("#output-4 .card-top", "checking")
		}},
		{"file-playlist-failed", "file", filePage{frame: around("Radio", one, nil), File: newFile(playlistJob(1), transcode.Progress{}, 34_100_000, noon)}, func(d *document) {
			d.count(".card", 5)
			d.has("#file .state", "Ready, but not its playlist")
			d.has("#output-playlist-1", "There is a file of that name already")
			d.has("#output-playlist-1", "delete the old file")
			d.has("#output-playlist-1 .detail", "3002 ")
		}},
		{"file-ready", "file", filePage{frame: around("Sonata", one, someMessages(1)), File: newFile(readyJob(1), transcode.Progress{}, 34_100_000, noon)}, func(d *document) {
			d.has("#file .state", "Ready")
			d.count("#file progress", 0)
			d.has("#output-1 .facts", "44.1 kHz")
			d.has("#output-1 .facts", "stereo")
			d.has("#output-1 .facts", "3:07")
			d.has("#output-2 .facts", "FLAC")
			if got, want := d.value("a#get-2", "href"), fileURL(jobID(1))+"/outputs/2/download"; got != want {
				t.Errorf("the second output's download is %q, want %q", got, want)
			}
			d.count(".card code.hash", 4)
			if got, want := d.value("#player audio", "src"), fileURL(jobID(1))+"/outputs/2/play"; got != want {
				t.Errorf("the player plays %q, want the FLAC: %q", got, want)
			}
			d.has("#player .loudness", "−9.8 LUFS, range 6 LU, true peak +0.4 dBTP")
		}},
		{"file-failed", "file", filePage{frame: around("Noise", one, nil), File: newFile(failedJob(1), transcode.Progress{}, 512, noon)}, func(d *document) {
			d.has(".notice", "This is not a sound file that can be read.")
			d.has(".notice", "Check that it plays on your computer")
			d.has("#output-1 .detail", "4000 ")
			d.count(".card a", 0)
		}},
		{"file-mixed", "file", filePage{frame: around("Concert", one, nil), File: newFile(mixedJob(1), transcode.Progress{}, 34_100_000, noon)}, func(d *document) {
			d.has("#file .state", "3 of 4 ready")
			d.count(".notice", 0)
			d.has("#output-1 .remark", "This file ends after 3 s; its header promises 3:07.")
			d.count(".remark", 1)
			d.has("#output-4", "There is a file of that name already")
			d.has("#output-4", "Choose another name")
			d.count(".card a.button", 3)
		}},
		{"messages", "messages", messagesPage{frame: around("Messages", box, someMessages(4)), Inbox: newInbox(someMessages(4), inbox.MaxPending, box.path())}, func(d *document) {
			d.count("#inbox .message", 4)
			d.count("#banners", 0)
			d.count("form[action=/messages/dismiss] input[name=last][value=4]", 1)
			d.count("form[action=/messages/3/dismiss] input[name=from][value=/messages]", 1)
			d.count(".message a[href="+fileURL(jobID(4))+"]", 1)
		}},
		{"messages-empty", "messages", messagesPage{frame: around("Messages", box, nil)}, func(d *document) {
			d.has("#inbox .empty", "All read.")
		}},
		{"error", "error", errorPage{frame: frame{Title: titles[404], Assets: urls}, Status: 404, Message: "There is nothing at this address, or nothing that is yours to see."}, func(d *document) {
			d.has("h1", "Not found")
			d.count("a[href=/]", 2)
		}},
	}...)
}

func withoutScript(f frame) frame {
	f.Assets.Script = ""
	return f
}

func TestStories(t *testing.T) {
	for _, s := range stories(t) {
		t.Run(s.name, func(t *testing.T) {
			d := parse(t, tell(t, s))
			s.check(d)
			d.count("main", 1)
			d.count("h1", 1)
			d.count("title", 1)
			checkForStrictPolicy(d)
			checkIDs(d)
		})
	}
}

// tell renders a story.
func tell(t testing.TB, s story) string {
	t.Helper()
	var buf bytes.Buffer
	if err := pages[s.page].ExecuteTemplate(&buf, "layout", s.data); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// checkForStrictPolicy finds what the Content-Security-Policy would refuse.
func checkForStrictPolicy(d *document) {
	d.t.Helper()
	d.count("style", 0)
	for n := range d.root.Descendants() {
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				d.t.Errorf("<%s %s> is refused by our own policy", n.Data, a.Key)
			}
		}
		if src, _ := attribute(n, "src"); n.Data == "script" && !strings.HasPrefix(src, "/assets/") {
			d.t.Errorf("a script comes from %q", src)
		}
	}
}

func checkIDs(d *document) {
	d.t.Helper()
	seen := map[string]bool{}
	for n := range d.root.Descendants() {
		if id, ok := attribute(n, "id"); ok && seen[id] {
			d.t.Errorf("two elements have the id %q", id)
		} else if ok {
			seen[id] = true
		}
	}
}

func jobID(n int) transcode.JobID {
	return transcode.JobID(fmt.Sprintf("%013d-abc%03d", noon.UnixMilli()-int64(n)*600_000, n))
}

// namedJob is a job that waits.
func namedJob(n int, name string) *transcode.Job {
	j := &transcode.Job{
		ID: jobID(n), Owner: "u", Status: transcode.Submitted, SubmitTime: noon.Add(-time.Duration(n) * 10 * time.Minute),
		Inputs: []transcode.Input{{Key: "media/x/" + name}}, OutputKeyPrefix: "transcoded/x/",
	}
	presets := transcode.SystemPresets()
	for i, f := range formats {
		o := transcode.Output{ID: strconv.Itoa(i + 1), Key: stem(name) + f.Ext, PresetID: f.Preset, Status: transcode.Submitted}
		for _, p := range presets {
			if p.ID == f.Preset {
				o.Preset = p
			}
		}
		j.Outputs = append(j.Outputs, o)
	}
	return j
}

func runningJob(n int) *transcode.Job {
	j := namedJob(n, "Sonata No. 14 in C-sharp minor, first movement (rehearsal, second take).wav")
	j.Status, j.StartTime = transcode.Progressing, noon.Add(-12*time.Second)
	for i := range j.Outputs {
		j.Outputs[i].Status = transcode.Progressing
	}
	return j
}

func readyJob(n int) *transcode.Job {
	j := namedJob(n, "Étude in E major.flac")
	j.Status, j.StartTime, j.FinishTime = transcode.Complete, noon.Add(-time.Minute), noon.Add(-39*time.Second)
	length := 187 * time.Second
	loud, peak := -9.84, 0.42
	j.Measured = &transcode.Measurement{
		SampleRate: 44100, Channels: 2, Samples: 187 * 44100, Kept: true,
		Loudness: transcode.Loudness{Integrated: &loud, Range: 6.1, TruePeak: &peak, SamplePeak: &peak},
	}
	j.Inputs[0].Detected = &transcode.Detected{FileSize: 34_100_000, Duration: length}
	for i, m := range []transcode.Made{
		{Codec: "pcm_s16le", Size: 32_986_844}, {Codec: "flac", Size: 17_204_112}, {Codec: "aac", Size: 6_013_220}, {Codec: "mp3", Size: 2_993_115},
	} {
		m.Duration, m.SampleRate, m.Channels, m.Samples = length, 44100, 2, 187*44100
		m.SHA256 = strings.Repeat(fmt.Sprintf("%02x9c4f1e", i*37+11), 8)
		j.Outputs[i].Status, j.Outputs[i].Made = transcode.Complete, &m
	}
	return j
}

// someProgress is that of a runningJob: each output is in a phase of its own.
func someProgress() transcode.Progress {
	return transcode.Progress{Phase: transcode.Transcoding, Done: 0.42, Left: 21 * time.Second, Outputs: map[string]transcode.OutputProgress{
		"1": {Phase: transcode.Verifying, Done: 0.91, Left: 21 * time.Second},
		"2": {Phase: transcode.Transcoding, Done: 0.71, Left: 6 * time.Second},
		"3": {Phase: transcode.Transcoding, Done: 0.28, Left: 21 * time.Second},
		"4": {Phase: transcode.Probing, Done: 0.02},
	}}
}

// storingJob has two outputs stored and two not yet.
func storingJob(n int) *transcode.Job {
	j := readyJob(n)
	j.Status, j.FinishTime = transcode.Progressing, time.Time{}
	for i := range j.Outputs[2:] {
		j.Outputs[2+i].Status, j.Outputs[2+i].Made = transcode.Progressing, nil
	}
	return j
}

// playlistJob has all its outputs, and could not have its playlist.
func playlistJob(n int) *transcode.Job {
	j := readyJob(n)
	j.Status = transcode.Failed
	f := mixedJob(n).Outputs[3]
	j.Playlists = []transcode.Playlist{{Name: "radio/all", Format: "HLSv3", Status: transcode.Failed, StatusDetail: f.StatusDetail, Failure: f.Failure}}
	return j
}

func failedJob(n int) *transcode.Job {
	j := namedJob(n, "holiday.wav")
	j.Status, j.StartTime, j.FinishTime = transcode.Failed, noon.Add(-time.Minute), noon.Add(-59*time.Second)
	for i := range j.Outputs {
		j.Outputs[i].Status = transcode.Failed
		j.Outputs[i].StatusDetail = "4000 1f6b2f7e-41a0-4a6c-9d5c-3f6f6f3b9f01: Amazon Elastic Transcoder could not interpret the media file."
		j.Outputs[i].Failure = &transcode.Failure{
			Code: 4000, Reason: "This is not a sound file that can be read.",
			Remedy: "Check that it plays on your computer, and save it there in another format if it does.",
		}
	}
	return j
}

func mixedJob(n int) *transcode.Job {
	j := readyJob(n)
	j.Status = transcode.Failed
	o := &j.Outputs[3]
	o.Status, o.Made = transcode.Failed, nil
	j.Outputs[0].StatusDetail = "This file ends after 3 s; its header promises 3:07."
	o.StatusDetail = "3002 1f6b2f7e-41a0-4a6c-9d5c-3f6f6f3b9f01: The specified object could not be saved in the specified bucket because an object by that name already exists: bucket=etude, key=transcoded/x/a.mp3."
	o.Failure = &transcode.Failure{
		Code: 3002, Reason: "There is a file of that name already, and nothing is ever overwritten.",
		Remedy: "Choose another name for the output, or delete the old file.",
	}
	return j
}

func someFiles() fileList {
	list := fileList{Newest: true, Older: "/?before=" + string(jobID(5))}
	list.Rows = append(list.Rows, newRow(runningJob(1), transcode.Progress{Phase: transcode.Transcoding, Done: 0.42}, noon))
	list.Rows = append(list.Rows, newRow(namedJob(2, "field-recording-2026-03-14T10-32-07+01-00-left-channel-microphone-A.aiff"), transcode.Progress{}, noon))
	for _, j := range []*transcode.Job{readyJob(3), failedJob(4), mixedJob(5)} {
		list.Rows = append(list.Rows, newRow(j, transcode.Progress{}, noon))
	}
	return list
}

func someMessages(n int) []inbox.Message {
	var all []inbox.Message
	for id := n; id > 0; id-- {
		m := inbox.Message{
			ID: int64(id), Kind: inbox.Good, Job: string(jobID(id)), CreateTime: noon.Add(-time.Duration(n-id) * time.Hour),
			Text: "Your file Étude in E major.flac has been processed. All 4 formats are ready.",
		}
		if id%2 == 0 {
			m.Kind, m.Text = inbox.Bad, "Your file holiday.wav could not be processed. This is not a sound file that can be read."
		}
		all = append(all, m)
	}
	return all
}
