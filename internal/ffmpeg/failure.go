package ffmpeg

import (
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"time"

	"etude/internal/transcode"
)

// The failures that the media can be at fault for. Codes and, where they are
// known, details are Elastic Transcoder's: "Error Codes" in its developer
// guide.

const checkFile = "Check that the file plays on your computer, then upload it again."

func unreadable(reason, log string) *transcode.Failure {
	return &transcode.Failure{
		Code:   4000,
		Detail: "Amazon Elastic Transcoder could not interpret the media file.",
		Reason: reason, Remedy: checkFile, Log: log,
	}
}

func unsupported(reason string) *transcode.Failure {
	return &transcode.Failure{
		Code:   4006,
		Detail: "Amazon Elastic Transcoder does not support the format of the input file for transcoding.",
		Reason: reason,
		Remedy: "Save the sound in a common format, such as FLAC, WAV or MP3, and upload that.",
	}
}

func unhandled(reason, remedy, log string) *transcode.Failure {
	return &transcode.Failure{
		Code:   4007,
		Detail: "Amazon Elastic Transcoder found a problem with your input file.",
		Reason: reason, Remedy: remedy, Log: log,
	}
}

func noAudio() *transcode.Failure {
	return &transcode.Failure{
		Code:   4008,
		Detail: "The preset and the input file do not match: the preset has audio settings, and the input file has no audio.",
		Reason: "This file has no sound in it.",
		Remedy: "Upload a file that has sound, or choose a preset without audio.",
	}
}

func tooLong(d, most time.Duration) *transcode.Failure {
	return &transcode.Failure{
		Code:   4002,
		Detail: fmt.Sprintf("The input file is too long: duration=%.0fs, max duration=%.0fs.", d.Seconds(), most.Seconds()),
		Reason: fmt.Sprintf("This file plays for %s, and at most %s are accepted.", spoken(d), spoken(most)),
		Remedy: "Cut it into shorter files, or ask the operator to raise the limit.",
	}
}

func tooShort(samples int64, codec string) *transcode.Failure {
	return unhandled(
		fmt.Sprintf("This file is too short to be made into %s: its number of samples is %d.", codec, samples),
		"Upload a longer file.", "")
}

// refused is for a preset that the engine should never have been given.
func refused(why string) *transcode.Failure {
	return &transcode.Failure{
		Code: 1000, Detail: why, Reason: why,
		Remedy: "Choose another preset.",
	}
}

var refusedFormat = regexp.MustCompile(`(?m)^\[(\w+)[, @].*Format not on whitelist`)

// probeFailure says why ffprobe could not read the input.
func (e *exitError) probeFailure() error {
	if err := e.ours(); err != nil {
		return fmt.Errorf("probe input: %w", err)
	}
	if f := e.limited(); f != nil {
		return f
	}
	reason := "This is not a sound file that can be read."
	if m := refusedFormat.FindStringSubmatch(e.tail); m != nil {
		switch format := m[1]; {
		case format == "hls" || format == "concat" || format == "dash" || format == "sdp" || format == "imf":
			reason = "This is a playlist, which only names other files; those are never read."
		case strings.HasSuffix(format, "_pipe") || format == "image2" || format == "gif" || format == "webp_pipe":
			reason = "This is a picture, not a sound file."
		default:
			reason = fmt.Sprintf("This file is of a kind that is not accepted (%s).", format)
		}
	}
	return unreadable(reason, e.tail)
}

// encodeFailure says why ffmpeg could not make the outputs.
func (e *exitError) encodeFailure(words *encodeWords) error {
	if err := e.ours(); err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	if f := e.limited(); f != nil {
		return f
	}
	if words.counted && words.samples == 0 || undecoded.MatchString(e.tail) {
		return nothingDecodes(e.tail)
	}
	return fmt.Errorf("encode: %w\n%s", e, e.tail)
}

func nothingDecodes(log string) *transcode.Failure {
	return unreadable("No sound could be decoded from this file.", log)
}

// undecoded is what ffmpeg says when it never got as far as to know what comes
// out of a decoder, or found none.
var undecoded = regexp.MustCompile(`Cannot determine format of input stream|Decoder .* not found|` +
	`file:.*: Invalid (data found when processing input|argument)|Error while opening decoder`)

// noRoom is what ffmpeg says when it cannot write. It may end well all the same.
var noRoom = regexp.MustCompile(`No space left on device|Disk quota exceeded|Read-only file system`)

// ours returns the error if it is plainly not the media's fault.
func (e *exitError) ours() error {
	if sign := noRoom.FindString(e.tail); sign != "" {
		return fmt.Errorf("write outputs: %s: make room where scratch files lie: %w", strings.ToLower(sign), e)
	}
	if strings.HasPrefix(e.tail, "bwrap: ") || strings.HasPrefix(e.tail, "prlimit: ") {
		return e
	}
	return nil
}

// limited returns a failure if one of the limits stopped the child. They are so
// wide that only a file made to do harm, or a broken one, meets them.
func (e *exitError) limited() *transcode.Failure {
	var what string
	switch {
	case e.signaled(syscall.SIGXFSZ):
		what = "output would be larger than is allowed"
	case e.signaled(syscall.SIGXCPU), strings.Contains(e.tail, fmt.Sprintf("received signal %d", syscall.SIGXCPU)):
		what = "processing takes longer than is allowed"
	case strings.Contains(e.tail, "Cannot allocate memory"):
		what = "processing takes more memory than is allowed"
	default:
		return nil
	}
	return unhandled("This file could not be processed: "+what+".",
		"Check the file, try a shorter one, or ask the operator to raise the limit.", e.tail)
}

// encodeWords reads what ffmpeg says when it encodes.
type encodeWords struct {
	stream  int           // the input's, that is transcoded
	samples int64         // per channel, decoded from it
	counted bool          // samples is known
	damaged bool          // some of the input did not decode
	graphs  int           // how often conversions were set up
	fed     map[int]int64 // samples per channel that each encoder got
}

var (
	// Newer versions of ffmpeg add the decoder's errors.
	decodedLine = regexp.MustCompile(`^\[verbose\]   Input stream #0:(\d+) \(audio\): .* frames decoded(?:; (\d+) decode errors)? \((\d+) samples\)`)
	fedLine     = regexp.MustCompile(`^\[verbose\]   Output stream #(\d+):0 \(audio\): \d+ frames encoded \((\d+) samples\)`)
	graphLine   = regexp.MustCompile(`^\[graph_\d+_in_\d+_\d+ @ \w+\] \[verbose\] tb:`)
	damagedLine = regexp.MustCompile(`Error while decoding stream #0:|Error submitting (a )?packet to (the )?decoder`)
)

func (w *encodeWords) line(line string) {
	if damagedLine.MatchString(line) {
		w.damaged = true
	}
	if graphLine.MatchString(line) {
		w.graphs++
	}
	if m := fedLine.FindStringSubmatch(line); m != nil {
		w.fed[number(m[1])] = int64(number(m[2]))
	}
	m := decodedLine.FindStringSubmatch(line)
	if m == nil || number(m[1]) != w.stream {
		return
	}
	w.counted = true
	w.samples = int64(number(m[3]))
	if number(m[2]) > 0 {
		w.damaged = true
	}
}

// decoded is what came out of an input.
type decoded struct {
	duration time.Duration
	wants    []int64 // samples per channel that each track of the plan is to have
	changes  int     // how often the input changed its rate or channels
	remark   string  // on what is missing; empty for none
	log      string
}

// decoded judges what came out of the input of a plan.
func (w *encodeWords) decoded(p *plan, most time.Duration, log string) (*decoded, error) {
	if sign := noRoom.FindString(log); sign != "" {
		return nil, fmt.Errorf("write outputs: %s: make room where scratch files lie", strings.ToLower(sign))
	}
	if !w.counted {
		return nil, fmt.Errorf("encode: ffmpeg did not say how much it decoded\n%s", log)
	}
	if w.samples == 0 {
		return nil, nothingDecodes(log)
	}
	d := &decoded{log: log, duration: length(w.samples, p.Rate), changes: max(w.graphs/len(p.Tracks)-1, 0)}
	for i := range p.Tracks {
		d.wants = append(d.wants, p.Tracks[i].wants(p, w.samples))
		if d.changes > 0 {
			// The sum of samples at different rates is no length.
			d.wants[i] = w.fed[i]
			d.duration = length(w.fed[i], p.Tracks[i].Rate)
		}
	}
	is := d.duration
	if is > most {
		return nil, tooLong(is, most)
	}
	missing := p.Duration - is
	switch {
	case !p.Guessed && missing > time.Second/2+p.Duration/1000:
		d.remark = fmt.Sprintf("This file ends after %s; its header promises %s.", spoken(is), spoken(p.Duration))
	case d.changes > 0:
		d.remark = "The sample rate or the channels change in the middle of this file; a little may be missing there."
	case w.damaged:
		d.remark = "Parts of this file are damaged and could not be decoded."
	}
	return d, nil
}

// spoken says a duration in words.
func spoken(d time.Duration) string {
	switch seconds := d.Round(time.Second) / time.Second; {
	case d < time.Second:
		return "less than a second"
	case seconds < 120:
		return count(seconds, "second")
	case seconds < 60*60:
		return both(seconds, "minute", "second")
	default:
		return both(seconds/60, "hour", "minute")
	}
}

// both says a number of small units in large ones and small ones: 60 to one.
func both(n time.Duration, large, small string) string {
	words := count(n/60, large)
	if n%60 > 0 {
		words += " " + count(n%60, small)
	}
	return words
}

func count(n time.Duration, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}
