package manifest

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// DASH is a presentation of on-demand MPEG-DASH: each rendition one fragmented
// MP4 file with an index.
type DASH struct {
	Name       string      // of the manifest itself
	Duration   float64     // seconds; if 0, that of the longest rendition's segments
	Renditions []Rendition // in the order of preference; at least one
}

// WriteDASH writes an MPD of the on-demand profile. Video comes first, then
// audio, each kind in an AdaptationSet of its own.
//
// Elastic Transcoder said of video's AdaptationSet that its segments are aligned
// and left audio's bare. For several audio renditions that would keep a player
// from switching between them, so it is said of those too, if it is true.
func WriteDASH(w io.Writer, d DASH) error {
	text, err := d.text()
	if err != nil {
		return fmt.Errorf("write MPEG-DASH manifest %q: %w", d.Name, err)
	}
	return flush(w, fmt.Sprintf("MPEG-DASH manifest %q", d.Name), text)
}

func (d *DASH) text() (string, error) {
	if len(d.Renditions) == 0 {
		return "", errors.New("there is no rendition")
	}
	var video, audio []Rendition
	longest := 0.0
	for _, r := range d.Renditions {
		if err := r.checkDASH(); err != nil {
			return "", fmt.Errorf("rendition %q: %w", r.Name, err)
		}
		longest = max(longest, duration(r.Segments))
		if r.video() {
			video = append(video, r)
		} else {
			audio = append(audio, r)
		}
	}
	if d.Duration != 0 {
		longest = d.Duration
	}
	if !(longest > 0 && !math.IsInf(longest, 1)) {
		return "", fmt.Errorf("a duration of %v s is not over 0", longest)
	}
	var b strings.Builder
	length := fmt.Sprintf("PT%.3fS", longest)
	b.WriteString(`<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n")
	fmt.Fprintf(&b, `<MPD mediaPresentationDuration="%s" minBufferTime="PT1.500S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" type="static" xmlns="urn:mpeg:dash:schema:mpd:2011">`+"\n", length)
	fmt.Fprintf(&b, "    <Period duration=\"%s\">\n", length)
	if err := d.writeSet(&b, video, "VIDEO", len(video) > 0); err != nil {
		return "", err
	}
	if err := d.writeSet(&b, audio, "AUDIO", len(audio) > 1 && aligned(audio)); err != nil {
		return "", err
	}
	b.WriteString("    </Period>\n</MPD>\n")
	return b.String(), nil
}

func (r *Rendition) checkDASH() error {
	if len(r.Codecs) == 0 {
		return errors.New("it has no codecs")
	}
	for _, rng := range []Range{r.Init, r.Index} {
		if rng.First < 0 || rng.Last <= rng.First {
			return fmt.Errorf("bytes %v are no range; initialization is %v, index is %v", rng, r.Init, r.Index)
		}
	}
	return r.check()
}

// aligned says whether segments of all renditions begin at the same moments, to
// the millisecond; not if that is unknown.
func aligned(renditions []Rendition) bool {
	first := renditions[0].Segments
	for _, r := range renditions {
		if len(r.Segments) != len(first) || len(first) == 0 {
			return false
		}
		var a, b float64
		for i := range first[:len(first)-1] {
			a += first[i].Duration
			b += r.Segments[i].Duration
			if math.Abs(a-b) > 0.001 {
				return false
			}
		}
	}
	return true
}

// writeSet writes the AdaptationSet of one kind, if there is any of it.
func (d *DASH) writeSet(b *strings.Builder, renditions []Rendition, kind string, aligned bool) error {
	if len(renditions) == 0 {
		return nil
	}
	b.WriteString("        <AdaptationSet")
	if aligned {
		b.WriteString(` segmentAlignment="true" subsegmentAlignment="true" subsegmentStartsWithSAP="1"`)
	}
	b.WriteString(">\n")
	for i := range renditions {
		r := &renditions[i]
		if err := d.writeRepresentation(b, r, fmt.Sprintf("%s-%d", kind, i+1), strings.ToLower(kind)); err != nil {
			return fmt.Errorf("rendition %q: %w", r.Name, err)
		}
	}
	b.WriteString("        </AdaptationSet>\n")
	return nil
}

func (d *DASH) writeRepresentation(b *strings.Builder, r *Rendition, id, kind string) error {
	uri, err := reference(d.Name, r.Name)
	if err != nil {
		return err
	}
	bandwidth, err := r.bandwidth()
	if err != nil {
		return err
	}
	b.WriteString("            <Representation")
	attribute(b, "audioSamplingRate", positive(r.SampleRate))
	attribute(b, "bandwidth", strconv.FormatInt(bandwidth, 10))
	attribute(b, "codecs", strings.Join(r.Codecs, ","))
	attribute(b, "frameRate", r.FrameRate)
	attribute(b, "height", positive(r.Height))
	attribute(b, "id", id)
	attribute(b, "mimeType", kind+"/mp4")
	attribute(b, "startWithSAP", "1")
	attribute(b, "width", positive(r.Width))
	b.WriteString(">\n")
	if r.Channels > 0 {
		fmt.Fprintf(b, `                <AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="%d"/>`+"\n", r.Channels)
	}
	fmt.Fprintf(b, "                <BaseURL>%s</BaseURL>\n", escapeXML(uri))
	fmt.Fprintf(b, "                <SegmentBase indexRange=\"%v\" indexRangeExact=\"true\">\n", r.Index)
	fmt.Fprintf(b, "                    <Initialization range=\"%v\"/>\n", r.Init)
	b.WriteString("                </SegmentBase>\n            </Representation>\n")
	return nil
}

// attribute writes an attribute, unless it is empty.
func attribute(b *strings.Builder, name, value string) {
	if value != "" {
		fmt.Fprintf(b, ` %s="%s"`, name, escapeXML(value))
	}
}

// positive is n, or empty if it is not over 0.
func positive(n int) string {
	if n <= 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func escapeXML(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
