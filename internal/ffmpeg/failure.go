package ffmpeg

import (
	"errors"
	"fmt"
	"image"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"etude/internal/transcode"
)

// The failures that the media can be at fault for. Codes and, where they are
// known, details are Elastic Transcoder's: "Error Codes" in its developer
// guide.

const notSound = "This is not a sound file that can be read."

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

// someAudio is for inputs that cannot be joined.
func someAudio(with, all int) *transcode.Failure {
	return &transcode.Failure{
		Code:   4026,
		Detail: "Some of the input files have audio, and some have not.",
		Reason: fmt.Sprintf("Only %d of the %d files have sound in them, so they cannot be joined.", with, all),
		Remedy: "Leave out the files without sound.",
	}
}

// clipTooLate is for a clip of which there is nothing.
func clipTooLate(start, is time.Duration) *transcode.Failure {
	return &transcode.Failure{
		Code:   4014,
		Detail: "The clip starts after the end of the input file.",
		Reason: fmt.Sprintf("The clip is to start at %s, and there are only %s of sound.", exactly(start), exactly(is)),
		Remedy: "Choose an earlier start.",
	}
}

// exactly writes a time to the millisecond.
func exactly(d time.Duration) string {
	return strconv.FormatFloat(d.Truncate(time.Millisecond).Seconds(), 'f', -1, 64) + " s"
}

// clipShort is Elastic Transcoder's own word on a clip that ends after the end.
const clipShort = "The starting time plus the duration of a clip exceeded the length of the input file. " +
	"Amazon Elastic Transcoder created an output file that is shorter than the specified duration."

// changing is for a clip or a join of what cannot be counted.
func changing() *transcode.Failure {
	return unhandled("The sample rate or the channels change in the middle of this file, so it can be neither cut nor joined.",
		"Convert the file as a whole first.", "")
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
		fmt.Sprintf("This file is too short to be made into %s: all it has is %s.", codec, count(samples, "sample")),
		"Upload a longer file.", "")
}

const useOther = "Use a PNG or JPEG file of at most 4096 by 3072 pixels."

func artUnreadable(log string) *transcode.Failure {
	return &transcode.Failure{
		Code:   4010,
		Detail: "Amazon Elastic Transcoder could not interpret the artwork file.",
		Reason: "The artwork is not a picture that can be read.",
		Remedy: useOther, Log: log,
	}
}

func ownUnreadable(log string) *transcode.Failure {
	return &transcode.Failure{
		Code:   4011,
		Detail: "Amazon Elastic Transcoder could not interpret the embedded artwork.",
		Reason: "A picture in this file cannot be read.",
		Remedy: "Remove the picture from the file, or have it replaced by artwork of the job.", Log: log,
	}
}

func artTooLarge(code int, what string, c image.Config) *transcode.Failure {
	return &transcode.Failure{
		Code:   code,
		Detail: fmt.Sprintf("The artwork is too large: %dx%d, max %dx%d.", c.Width, c.Height, maxArtWidth, maxArtHeight),
		Reason: fmt.Sprintf("%s has %d by %d pixels.", what, c.Width, c.Height),
		Remedy: useOther,
	}
}

func artTooBig(size int64) *transcode.Failure {
	return &transcode.Failure{
		Code:   4005,
		Detail: fmt.Sprintf("The artwork file is too large: size=%d, max size=%d.", size, maxArtSize),
		Reason: fmt.Sprintf("The picture takes %d MiB, and at most 15 fit into a sound file.", size>>20),
		Remedy: "Use a smaller picture, or have it made into jpg.",
	}
}

func tooManyPictures(n int) *transcode.Failure {
	return &transcode.Failure{
		Code:   4009,
		Detail: fmt.Sprintf("There are too many artwork streams: %d, max %d.", n, maxPictures),
		Reason: fmt.Sprintf("There would be %d pictures in the file, and at most %d are possible.", n, maxPictures),
		Remedy: "Give fewer pictures, or replace those of the input.",
	}
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
	reason := notSound
	if m := refusedFormat.FindStringSubmatch(e.tail); m != nil {
		switch format := m[1]; {
		case format == "hls" || format == "concat" || format == "dash" || format == "sdp" || format == "imf":
			reason = "This is a playlist, which only names other files; those are never read."
		case strings.HasSuffix(format, "_pipe") || format == "image2" || format == "gif" || format == "webp_pipe":
			reason = "This is a picture, not a sound file."
		default:
			reason = "This file is of a kind that is not accepted."
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
	if words.empty() || undecoded.MatchString(e.tail) {
		input := 0
		if m := undecodedInput.FindStringSubmatch(e.tail); m != nil {
			input = number(m[1])
		}
		return aboutInput(input, max(len(words.streams), 1), nothingDecodes(e.tail))
	}
	return fmt.Errorf("encode: %w\n%s", e, e.tail)
}

// withLog has a failure, if err is one, keep the words of the process that is
// behind it, unless it has some.
func withLog(err error, log string) error {
	var f *transcode.Failure
	if !errors.As(err, &f) || f.Log != "" {
		return err
	}
	logged := *f
	logged.Log = log
	return &logged
}

func nothingDecodes(log string) *transcode.Failure {
	return unreadable("No sound could be decoded from this file.", log)
}

// undecoded is what ffmpeg says when it never got as far as to know what comes
// out of a decoder, or found none.
var undecoded = regexp.MustCompile(`Cannot determine format of input stream|Decoder .* not found|` +
	`file:.*: Invalid (data found when processing input|argument)|Error while opening decoder`)

// undecodedInput finds which of the inputs that was.
var undecodedInput = regexp.MustCompile(`input stream #?(\d+):`)

// noRoom is what ffmpeg says when it cannot write. It may end well all the same.
var noRoom = regexp.MustCompile(`No space left on device|Disk quota exceeded|Read-only file system`)

// ours returns the error if it is plainly not the media's fault.
func (e *exitError) ours() error {
	if sign := noRoom.FindString(e.tail); sign != "" {
		return fmt.Errorf("write outputs: %s: make room where scratch files lie: %w", strings.ToLower(sign), e)
	}
	if strings.HasPrefix(e.tail, "bwrap: ") || strings.HasPrefix(e.tail, "prlimit: ") || strings.HasPrefix(e.tail, "confine: ") {
		return e
	}
	if e.signaled(syscall.SIGKILL) && e.limited() == nil {
		return fmt.Errorf("the kernel has killed it, for want of memory, or somebody has: %w", e)
	}
	return nil
}

// limited returns a failure if one of the limits stopped the child. They are so
// wide that only a file made to do harm, or a broken one, meets them.
func (e *exitError) limited() *transcode.Failure {
	var reason string
	switch {
	case e.signaled(syscall.SIGXFSZ):
		reason = "This file could not be processed because the result would be larger than is allowed."
	case e.signaled(syscall.SIGXCPU), strings.Contains(e.tail, fmt.Sprintf("received signal %d", syscall.SIGXCPU)):
		reason = "This file could not be processed because that takes longer than is allowed."
	case strings.Contains(e.tail, "Cannot allocate memory"):
		reason = "This file could not be processed because that takes more memory than is allowed."
	default:
		return nil
	}
	return unhandled(reason, "Check the file, try a shorter one, or ask the operator to raise the limit.", e.tail)
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

func count[N time.Duration | int64](n N, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}
