package ffmpeg

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// encodeWords reads what ffmpeg says when it encodes.
type encodeWords struct {
	streams []int          // the inputs', that are decoded
	samples []int64        // per channel, decoded from each; -1 until it is known
	damaged bool           // some of the inputs did not decode
	graphs  int            // how often the way out of an input was set up
	fed     map[int]int64  // samples per channel that each encoder got
	inputs  map[int]string // the first word on the sound of each input
	begun   bool           // the words on inputs are over
}

func newEncodeWords(p *plan) *encodeWords {
	w := &encodeWords{fed: map[int]int64{}, inputs: map[int]string{}}
	for _, in := range p.Parts {
		w.streams, w.samples = append(w.streams, in.Stream), append(w.samples, -1)
	}
	return w
}

var (
	// Newer versions of ffmpeg add the decoder's errors.
	decodedLine = regexp.MustCompile(`^\[verbose\] +Input stream #(\d+):(\d+) \(audio\): .* frames decoded(?:; (\d+) decode errors)? \((\d+) samples\)`)
	fedLine     = regexp.MustCompile(`^\[verbose\] +Output stream #(\d+):0 \(audio\): \d+ frames encoded \((\d+) samples\)`)
	inputLine   = regexp.MustCompile(`^\[info\] +Stream #(\d+):(\d+).*?: Audio: (\w+).*?, (\d+) Hz, (\w+),`)
	graphLine   = regexp.MustCompile(`^\[graph_\d+_in_\d+_\d+ @ \w+\] \[verbose\] tb:`)
	damagedLine = regexp.MustCompile(`Error while decoding stream #\d+:|Error submitting (a )?packet to (the )?decoder|CRC error at PTS`)
)

func (w *encodeWords) line(line string) {
	w.begun = w.begun || strings.HasPrefix(line, "[info] Output #")
	if m := inputLine.FindStringSubmatch(line); m != nil && !w.begun && w.inputs[number(m[1])] == "" {
		w.inputs[number(m[1])] = fmt.Sprintf("#%s %s %s %s", m[2], m[3], m[4], m[5])
	}
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
	if m == nil {
		return
	}
	if i := number(m[1]); i < len(w.streams) && number(m[2]) == w.streams[i] {
		w.samples[i] = int64(number(m[4]))
		w.damaged = w.damaged || number(m[3]) > 0
	}
}

// differ reports whether an input that was sniffed is something else.
func (w *encodeWords) differ(p *plan) bool {
	for i, in := range p.Parts {
		want := fmt.Sprintf("#%d %s %d %s", in.Stream, in.Codec, in.Rate, layouts[in.Channels])
		if in.Sniffed && w.inputs[i] != want {
			return true
		}
	}
	return false
}

// empty reports whether nothing came out of the first input.
func (w *encodeWords) empty() bool { return w.samples[0] == 0 }

// decoded is what came out of the inputs.
type decoded struct {
	inputs  []time.Duration // how long each plays
	wants   []int64         // samples per channel that each track of the plan is to have
	clips   []string        // remark on each track
	fed     []int64         // samples per channel that the encoder of each track got
	sounds  map[int]*splitSound
	resized int    // of how many parts the sample rate was changed before they were joined
	changes int    // how often an input changed its rate or channels
	remark  string // on what is missing; empty for none
	log     string
}

// decoded judges what came out of the inputs of a plan. Tracks of which there is
// nothing are refused.
func (w *encodeWords) decoded(p *plan, log string) (*decoded, error) {
	if sign := noRoom.FindString(log); sign != "" {
		return nil, fmt.Errorf("write outputs: %s: make room where scratch files lie", strings.ToLower(sign))
	}
	if slices.Contains(w.samples, -1) {
		return nil, fmt.Errorf("encode: ffmpeg did not say how much it decoded\n%s", log)
	}
	d := &decoded{log: log, changes: max(w.graphs/p.graphs()-1, 0)}
	total, needed := int64(0), p.needed()
	for i := range p.Parts {
		if total >= needed {
			d.inputs = append(d.inputs, p.Parts[i].Duration) // it was not read any more
			continue
		}
		n, err := d.part(p, i, w, needed-total)
		if err != nil {
			return nil, aboutInput(i, len(p.Parts), err)
		}
		total += n
	}
	if is := length(total, p.Rate); is > p.Most {
		return nil, tooLong(is, p.Most)
	}
	for i := range p.Tracks {
		d.track(p, &p.Tracks[i], total, w.fed[i])
	}
	switch {
	case d.remark != "":
	case d.changes > 0:
		d.remark = "The sample rate or the channels change in the middle of this file; a little may be missing there."
	case w.damaged && len(p.Parts) > 1:
		d.remark = "Parts of the files are damaged and could not be decoded."
	case w.damaged:
		d.remark = "Parts of this file are damaged and could not be decoded."
	}
	return d, nil
}

// part judges one input, and returns how many samples it adds to what is joined;
// more than are needed, it may not have been asked for.
func (d *decoded) part(p *plan, i int, w *encodeWords, needed int64) (int64, error) {
	in, n := &p.Parts[i], w.samples[i]
	if n == 0 {
		return 0, nothingDecodes(d.log)
	}
	if d.changes > 0 {
		whole := slices.IndexFunc(p.Tracks, func(t track) bool { return t.whole() })
		if len(p.Parts) > 1 || !in.whole() || whole < 0 {
			return 0, changing()
		}
		// The sum of samples at different rates is no length.
		n = convertSamples(w.fed[whole], p.Tracks[whole].Rate, in.Rate)
	}
	is := length(n, in.Rate)
	if is > p.Most {
		return 0, tooLong(is, p.Most)
	}
	if n <= in.Start {
		return 0, clipTooLate(length(in.Start, in.Rate), is)
	}
	has, beyond := in.of(n, in.Rate)
	adds := convertSamples(has, in.Rate, p.Rate)
	ended := adds < needed && (in.End == 0 || n < in.End) // else there may be more
	promised := max(in.Duration, in.Promised)
	missing := promised - is
	switch {
	case beyond && ended:
		d.remark = remarks(d.remark, clipShort)
	case ended && (!in.Guessed || in.Promised > 0) && missing > time.Second/2+promised/1000:
		d.remark = remarks(d.remark, endsEarly(i, len(p.Parts), is, promised))
	case !ended:
		is = max(is, in.Duration)
	}
	d.inputs = append(d.inputs, is)
	if in.Rate != p.Rate {
		d.resized++
	}
	return adds, nil
}

func endsEarly(i, n int, is, promised time.Duration) string {
	which := "This file"
	if n > 1 {
		which = fmt.Sprintf("Input %d", i+1)
	}
	return fmt.Sprintf("%s ends after %s; its header promises %s.", which, spoken(is), spoken(promised))
}

// track judges one output: total is how many samples were joined, fed how many
// its encoder got.
func (d *decoded) track(p *plan, t *track, total, fed int64) {
	has, beyond := t.of(total, p.Rate)
	want, remark := convertSamples(has, p.Rate, t.Rate), ""
	switch {
	case d.changes > 0 && !t.whole():
		p.Refused[t.Output] = changing()
	case d.changes > 0:
		want = fed
	case has == 0:
		p.Refused[t.Output] = clipTooLate(length(t.Start, p.Rate), length(total, p.Rate))
	case beyond:
		remark = clipShort
	}
	d.wants, d.clips, d.fed = append(d.wants, want), append(d.clips, remark), append(d.fed, fed)
}

// convertSamples returns how many samples some are at another rate, rounded.
func convertSamples(n int64, from, to int) int64 {
	whole, rest := n/int64(from), n%int64(from)
	return whole*int64(to) + (rest*int64(to)+int64(from)/2)/int64(from)
}
