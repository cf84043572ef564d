package web

import (
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"etude/internal/inbox"
	"etude/internal/transcode"
)

// frame is what every page has.
type frame struct {
	Title   string
	Assets  links
	User    string // e-mail address; empty for nobody
	Admin   bool   // who may see the operators' pages
	Events  string // URL of the stream that keeps the page current
	Tab     string // the part of the site that the page belongs to
	Badge   badge
	Banners inboxView

	pending []inbox.Message // what Badge counts
}

// The pages, a struct each.
type (
	signInPage struct {
		frame
		Email string
		Next  string
		Fault string
	}
	libraryPage struct {
		frame
		Upload uploadForm
		Files  fileList
		Fault  string
	}
	filePage struct {
		frame
		File  fileView
		Nonce string // of the player's style sheet
	}
	messagesPage struct {
		frame
		Inbox inboxView
	}
	errorPage struct {
		frame
		Status  int
		Message string
	}
)

// uploadForm is the form for new files.
type uploadForm struct {
	Formats []format
	Max     int64
	Limit   string
}

// fileList is a page of the library.
type fileList struct {
	Rows   []row
	Newest bool   // it begins with the newest file
	Older  string // URL of the next page; empty for none
}

// tone is how something goes, and so its colour.
type tone string

const (
	waiting tone = "wait"
	busy    tone = "busy"
	good    tone = "good"
	bad     tone = "bad"
	mixed   tone = "mixed" // some of it good, some bad
)

// row is a file in the library.
type row struct {
	ID      transcode.JobID
	Name    string
	URL     string
	Tone    tone
	State   string
	Time    string // what is left of it or what it took; may be empty
	Live    bool
	Done    string // 0 to 1
	Percent int
	Added   moment
	Facts   []string
	Chips   []chip
}

// chip is an output in a row.
type chip struct {
	ID    string
	Label string
	Tone  tone
	Word  string // what Tone means
	URL   string // of its download; empty while there is none
}

// fileView is all there is to say of one file.
type fileView struct {
	row
	Original string // URL of its download
	Input    []fact
	Reason   string // why nothing could be made of it, if so
	Remedy   string
	Player   *player
	Cards    []card
}

// fact is a line of a list.
type fact struct {
	Name, Value string
	Code        bool // Value is for machines
}

// card is an output, or a playlist, on the page of its file.
type card struct {
	chip
	Name    string // for the progress bar
	Live    bool   // it is being made
	Done    string // 0 to 1
	Percent int
	Time    string // what is left of it; may be empty

	Note   string
	Facts  []fact
	Remark string // on what was made, though not quite as asked for
	Reason string
	Remedy string
	Detail string
}

func fileURL(id transcode.JobID) string { return "/files/" + url.PathEscape(string(id)) }

// inputName returns the name of the file that a job is about.
func inputName(j *transcode.Job) string {
	if len(j.Inputs) == 0 {
		return string(j.ID)
	}
	return lastElement(j.Inputs[0].Key)
}

func lastElement(key string) string {
	if i := strings.LastIndexByte(strings.TrimRight(key, "/"), '/'); i >= 0 {
		key = key[i+1:]
	}
	return key
}

// newRow words a job whose attempt is as far as p.
func newRow(j *transcode.Job, p transcode.Progress, now time.Time) row {
	r := row{
		ID: j.ID, Name: inputName(j), URL: fileURL(j.ID),
		Live: !j.Status.Final(), Done: fmt.Sprintf("%.3f", p.Done), Percent: int(p.Done * 100),
		Added: momentOf(j.SubmitTime),
	}
	r.Tone, r.State = state(j, p)
	r.Time = timing(j, p, now)
	if len(j.Inputs) > 0 && j.Inputs[0].Detected != nil {
		if d := j.Inputs[0].Detected; d.Duration > 0 {
			r.Facts = append(r.Facts, clock(d.Duration), megabytes(d.FileSize))
		} else {
			r.Facts = append(r.Facts, megabytes(d.FileSize))
		}
	}
	for i := range j.Outputs {
		r.Chips = append(r.Chips, newChip(j, &j.Outputs[i]))
	}
	return r
}

var phaseWords = map[transcode.Phase]string{
	transcode.Fetching:    "Fetching the file",
	transcode.Probing:     "Looking into it",
	transcode.Transcoding: "Encoding",
	transcode.Verifying:   "Checking the results",
	transcode.Uploading:   "Storing the results",
}

// outputPhaseWords are those of one output.
var outputPhaseWords = map[transcode.Phase]string{
	transcode.Fetching:    "fetching",
	transcode.Probing:     "looking into it",
	transcode.Transcoding: "encoding",
	transcode.Verifying:   "checking",
	transcode.Uploading:   "storing",
}

func state(j *transcode.Job, p transcode.Progress) (tone, string) {
	made := 0
	for _, o := range j.Outputs {
		if o.Status == transcode.Complete {
			made++
		}
	}
	switch {
	case j.Status == transcode.Submitted:
		return waiting, "Waiting for its turn"
	case j.Status == transcode.Progressing && phaseWords[p.Phase] != "":
		return busy, phaseWords[p.Phase]
	case j.Status == transcode.Progressing:
		return busy, "Starting"
	case j.Status == transcode.Complete:
		return good, "Ready"
	case j.Status == transcode.Canceled:
		return bad, "Canceled"
	case made == len(j.Outputs):
		return mixed, "Ready, but not its playlist"
	case made > 0:
		return mixed, fmt.Sprintf("%d of %d ready", made, len(j.Outputs))
	}
	return bad, "Failed"
}

// timing words how long a job takes yet, or took. An estimate from less than a
// twentieth of the work would jump about.
func timing(j *transcode.Job, p transcode.Progress, now time.Time) string {
	switch {
	case j.Status.Final() && !j.StartTime.IsZero() && j.FinishTime.After(j.StartTime):
		return "took " + span(j.FinishTime.Sub(j.StartTime))
	case j.Status == transcode.Progressing && p.Left > 0:
		return "about " + span(p.Left) + " left"
	case j.Status != transcode.Progressing || p.Done < 0.05 || !now.After(j.StartTime):
		return ""
	}
	left := time.Duration(float64(now.Sub(j.StartTime)) * (1 - p.Done) / p.Done)
	return "about " + span(left) + " left"
}

func newChip(j *transcode.Job, o *transcode.Output) chip {
	c := chip{ID: o.ID, Label: label(o)}
	switch o.Status {
	case transcode.Submitted:
		c.Tone, c.Word = waiting, "waiting"
	case transcode.Progressing:
		c.Tone, c.Word = busy, "in the works"
	case transcode.Complete:
		c.Tone, c.Word = good, "ready"
		if !j.OneObject(o) {
			break // there is no one file to be had
		}
		c.URL = fileURL(j.ID) + "/outputs/" + url.PathEscape(o.ID) + "/download"
	case transcode.Canceled:
		c.Tone, c.Word = bad, "canceled"
	default:
		c.Tone, c.Word = bad, "failed"
	}
	return c
}

// label names the kind of file that an output is.
func label(o *transcode.Output) string {
	if ext := strings.TrimPrefix(path.Ext(o.Key), "."); ext != "" && len(ext) <= 5 {
		return strings.ToUpper(ext)
	}
	if o.Preset.Container != "" {
		return strings.ToUpper(o.Preset.Container)
	}
	return "Output " + o.ID
}

// newFile words a job at length. size is the input's in bytes, 0 where it is not
// known.
func newFile(j *transcode.Job, p transcode.Progress, size int64, now time.Time) fileView {
	v := fileView{row: newRow(j, p, now), Original: fileURL(j.ID) + "/original/download"}
	if len(j.Inputs) > 0 && j.Inputs[0].Detected != nil {
		if d := j.Inputs[0].Detected; d.Duration > 0 {
			v.Input = append(v.Input, fact{Name: "Length", Value: clock(d.Duration)})
		}
	}
	if size > 0 {
		v.Input = append(v.Input, fact{Name: "Size", Value: megabytes(size)})
	}
	v.Player = newPlayer(j)
	if f := commonFailure(j); f != nil {
		v.Reason, v.Remedy = f.Reason, f.Remedy
	}
	for i := range j.Outputs {
		v.Cards = append(v.Cards, newCard(j, &j.Outputs[i], p.Output(j.Outputs[i].ID), v.Reason))
	}
	for i := range j.Playlists {
		if c := newPlaylistCard(i, &j.Playlists[i]); c.Tone == bad {
			v.Cards = append(v.Cards, c) // else it is the way that others are found
		}
	}
	return v
}

// commonFailure returns why no output could be made, if that is the same for
// all of them; it is then said once.
func commonFailure(j *transcode.Job) *transcode.Failure {
	var common *transcode.Failure
	for i := range j.Outputs {
		f := j.Outputs[i].Failure
		if f == nil || common != nil && (f.Reason != common.Reason || f.Remedy != common.Remedy) {
			return nil
		}
		common = f
	}
	return common
}

// newCard words an output that is as far as p; told is what was said already.
func newCard(j *transcode.Job, o *transcode.Output, p transcode.OutputProgress, told string) card {
	c := card{chip: newChip(j, o), Note: note(&o.Preset)}
	if !j.OneObject(o) {
		c.Note += ", in segments for players"
	}
	if o.Status == transcode.Progressing {
		c.Live, c.Name = true, c.Label+", "+c.Note
		c.Done, c.Percent = fmt.Sprintf("%.3f", p.Done), int(p.Done*100)
		if word, ok := outputPhaseWords[p.Phase]; ok {
			c.Word = word
		}
		if p.Left > 0 {
			c.Time = "about " + span(p.Left) + " left"
		}
	}
	if o.Status == transcode.Failed {
		c.Detail = o.StatusDetail
		if o.Failure != nil && told == "" {
			c.Reason, c.Remedy = o.Failure.Reason, o.Failure.Remedy
		}
	}
	if o.Status == transcode.Complete {
		c.Remark = o.StatusDetail
	}
	if m := o.Made; m != nil {
		c.Facts = []fact{
			{Name: "Codec", Value: codecWord(m.Codec)},
			{Name: "Sample rate", Value: kilohertz(m.SampleRate)},
			{Name: "Channels", Value: channelWord(m.Channels)},
			{Name: "Length", Value: clock(m.Duration)},
			{Name: "Size", Value: megabytes(m.Size)},
		}
		if m.Loudness != nil && m.Loudness.Integrated != nil {
			c.Facts = append(c.Facts, fact{Name: "Loudness", Value: signed(*m.Loudness.Integrated) + " LUFS"},
				fact{Name: "True peak", Value: signed(*m.Loudness.TruePeak) + " dBTP"})
		}
		if m.SHA256 != "" {
			c.Facts = append(c.Facts, fact{Name: "SHA-256", Value: m.SHA256, Code: true})
		}
	}
	return c
}

// newPlaylistCard words the nth playlist, for one that could not be made.
func newPlaylistCard(n int, p *transcode.Playlist) card {
	c := card{chip: chip{ID: fmt.Sprintf("playlist-%d", n+1), Label: p.Name, Tone: waiting}, Note: "Playlist, " + p.Format}
	if p.Failure != nil {
		c.Tone, c.Word = bad, "failed"
		c.Reason, c.Remedy, c.Detail = p.Failure.Reason, p.Failure.Remedy, p.StatusDetail
	}
	return c
}

// note words what a preset asks for.
func note(p *transcode.Preset) string {
	a := p.Audio
	switch {
	case a == nil:
		return ""
	case a.Codec == "pcm" && a.CodecOptions != nil:
		return "Uncompressed, " + a.CodecOptions.BitDepth + " bit"
	case a.Codec == "flac":
		return "Lossless, compressed"
	case a.BitRate != "":
		return strings.ToUpper(a.Codec) + ", " + a.BitRate + " kbit/s"
	}
	return strings.ToUpper(a.Codec)
}

// badge is the count of messages in the header.
type badge struct {
	Count int
	Text  string
}

func newBadge(count int) badge {
	if count >= inbox.MaxPending {
		return badge{Count: count, Text: fmt.Sprintf("%d+", inbox.MaxPending-1)}
	}
	return badge{Count: count, Text: strconv.Itoa(count)}
}

// inboxView is messages to be shown: some above a page, all on their own.
type inboxView struct {
	Messages []messageView
	More     int    // that are not shown
	Last     int64  // the newest message's ID
	From     string // the path to come back to
}

// messageView is one message.
type messageView struct {
	ID   int64
	Tone tone
	Text string
	When moment
	URL  string // of the file that it is about; may be empty
	From string // the path to come back to
}

// maxBanners is how many messages stand above a page.
const maxBanners = 3

func newInbox(pending []inbox.Message, limit int, from string) inboxView {
	v := inboxView{From: from}
	for i, m := range pending {
		v.Last = max(v.Last, m.ID)
		if i >= limit {
			v.More++
			continue
		}
		mv := messageView{ID: m.ID, Tone: good, Text: m.Text, When: momentOf(m.CreateTime), From: from}
		if m.Kind == inbox.Bad {
			mv.Tone = bad
		}
		if transcode.ValidID(m.Job) {
			mv.URL = fileURL(transcode.JobID(m.Job))
		}
		v.Messages = append(v.Messages, mv)
	}
	return v
}
