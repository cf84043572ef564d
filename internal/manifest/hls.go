package manifest

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// HLSVersion is one of the two kinds of HLS that Elastic Transcoder made.
type HLSVersion int

// The versions.
const (
	HLSv3 HLSVersion = 3 // each segment is a file; audio is in the video's
	HLSv4 HLSVersion = 4 // segments are ranges of one file; audio has its own
)

func (v HLSVersion) check() error {
	if v != HLSv3 && v != HLSv4 {
		return fmt.Errorf("version %d is neither 3 nor 4", v)
	}
	return nil
}

// HLSMaster is the playlist that a player opens: one line for each rendition to
// choose from.
type HLSMaster struct {
	Name       string // of the master playlist itself
	Version    HLSVersion
	Renditions []Rendition // in the order of preference; at least one
}

// WriteHLSMaster writes a master playlist. BANDWIDTH is rounded down to a
// multiple of 1000, as Elastic Transcoder did.
//
// In HLSv4, each audio rendition is also an EXT-X-MEDIA, in a group of its own.
// If there is video, each rendition of video alone is offered with each audio;
// first of all with the first, which is thereby the default. If there is none,
// the audio renditions are offered themselves. For one audio rendition, and for
// several videos with one, that is what Elastic Transcoder wrote; how it paired
// several of both it never said.
func WriteHLSMaster(w io.Writer, m HLSMaster) error {
	text, err := m.text()
	if err != nil {
		return fmt.Errorf("write HLS master playlist %q: %w", m.Name, err)
	}
	return flush(w, fmt.Sprintf("HLS master playlist %q", m.Name), text)
}

func (m *HLSMaster) text() (string, error) {
	if err := m.Version.check(); err != nil {
		return "", err
	}
	if len(m.Renditions) == 0 {
		return "", errors.New("there is no rendition")
	}
	variants, err := m.variants()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("#EXTM3U\n")
	if m.Version == HLSv4 {
		for i, v := range audios(variants) {
			fmt.Fprintf(&b, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"%s\",NAME=\"Default\",AUTOSELECT=YES,DEFAULT=YES,URI=\"%s\"\n", group(i), v.uri)
		}
		if err := m.writeIFrames(&b); err != nil {
			return "", err
		}
		variants = pair(variants)
	}
	for _, v := range variants {
		b.WriteString(v.String())
	}
	return b.String(), nil
}

func (m *HLSMaster) writeIFrames(b *strings.Builder) error {
	for _, r := range m.Renditions {
		if r.IFrames == nil {
			continue
		}
		uri, err := reference(m.Name, r.IFrames.Name)
		if err != nil {
			return err
		}
		if r.IFrames.Bandwidth <= 0 {
			return fmt.Errorf("key frames of rendition %q: bandwidth %d is not over 0", r.Name, r.IFrames.Bandwidth)
		}
		fmt.Fprintf(b, "#EXT-X-I-FRAME-STREAM-INF:PROGRAM-ID=1,BANDWIDTH=%d%s,URI=\"%s\"\n",
			thousands(r.IFrames.Bandwidth), codecs(r.Codecs), uri)
	}
	return nil
}

// variant is an EXT-X-STREAM-INF.
type variant struct {
	*Rendition
	uri       string
	bandwidth int64 // bit/s, of all that is played together
	codecs    []string
	group     string // of audio; empty for none
}

func (m *HLSMaster) variants() ([]variant, error) {
	variants := make([]variant, len(m.Renditions))
	for i := range m.Renditions {
		r := &m.Renditions[i]
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("rendition %q: %w", r.Name, err)
		}
		bandwidth, err := r.bandwidth()
		if err != nil {
			return nil, fmt.Errorf("rendition %q: %w", r.Name, err)
		}
		uri, err := reference(m.Name, r.Name)
		if err != nil {
			return nil, err
		}
		variants[i] = variant{Rendition: r, uri: uri, bandwidth: bandwidth, codecs: r.Codecs}
	}
	return variants, nil
}

func (v variant) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "#EXT-X-STREAM-INF:PROGRAM-ID=1,BANDWIDTH=%d", thousands(v.bandwidth))
	if v.video() {
		fmt.Fprintf(&b, ",RESOLUTION=%dx%d", v.Width, v.Height)
	}
	b.WriteString(codecs(v.codecs))
	if v.group != "" {
		fmt.Fprintf(&b, ",AUDIO=\"%s\"", v.group)
	}
	fmt.Fprintf(&b, "\n%s\n", v.uri)
	return b.String()
}

// pair gives each variant of HLSv4 its audio; see WriteHLSMaster.
func pair(variants []variant) []variant {
	sounds := audios(variants)
	if len(sounds) == 0 {
		return variants
	}
	var paired []variant
	for i, sound := range sounds {
		for _, v := range variants {
			switch {
			case !v.video():
				continue
			case v.hasAudio():
				if i > 0 {
					continue
				}
			default:
				v.bandwidth += sound.bandwidth
				v.codecs = append(v.codecs[:len(v.codecs):len(v.codecs)], sound.codecs...)
				v.group = group(i)
			}
			paired = append(paired, v)
		}
	}
	if len(paired) > 0 {
		return paired
	}
	for i := range sounds {
		sounds[i].group = group(i)
	}
	return sounds
}

// audios are the variants that are audio and nothing else.
func audios(variants []variant) []variant {
	var found []variant
	for _, v := range variants {
		if !v.video() {
			found = append(found, v)
		}
	}
	return found
}

func (r *Rendition) hasAudio() bool {
	for _, codec := range r.Codecs {
		if strings.HasPrefix(codec, "mp4a.") {
			return true
		}
	}
	return false
}

// group is the id of the i-th audio rendition's group.
func group(i int) string { return "audio-" + strconv.Itoa(i) }

func codecs(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return `,CODECS="` + strings.Join(list, ",") + `"`
}

// thousands rounds a bandwidth down to a multiple of 1000, but not to 0.
func thousands(bandwidth int64) int64 { return max(bandwidth/1000*1000, 1000) }

// HLSMedia is the playlist of one rendition: its segments.
type HLSMedia struct {
	Name     string // of the playlist itself
	Version  HLSVersion
	Segments []Segment // at least one, each with the name of its file; v4 needs sizes
	IFrames  bool      // v4: each segment is a key frame, lasting until the next
}

// WriteHLSMedia writes a media playlist of a recording that is complete. The
// target duration is the longest segment's, rounded up; a rounding error of the
// smallest kind lifts it by a second, as it did at Elastic Transcoder.
func WriteHLSMedia(w io.Writer, m HLSMedia) error {
	text, err := m.text()
	if err != nil {
		return fmt.Errorf("write HLS media playlist %q: %w", m.Name, err)
	}
	return flush(w, fmt.Sprintf("HLS media playlist %q", m.Name), text)
}

func (m *HLSMedia) text() (string, error) {
	if err := m.check(); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:%d\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-ALLOW-CACHE:YES\n#EXT-X-TARGETDURATION:%d\n",
		m.Version, targetDuration(m.Segments))
	if m.IFrames {
		b.WriteString("#EXT-X-I-FRAMES-ONLY\n")
	}
	for i, s := range m.Segments {
		uri, err := reference(m.Name, s.Name)
		if err != nil {
			return "", fmt.Errorf("segment %d: %w", i, err)
		}
		fmt.Fprintf(&b, "#EXTINF:%s,\n", m.Version.seconds(s.Duration))
		if m.Version == HLSv4 {
			fmt.Fprintf(&b, "#EXT-X-BYTERANGE:%d@%d\n", s.Size, s.Offset)
		}
		b.WriteString(uri + "\n")
	}
	b.WriteString("#EXT-X-ENDLIST\n")
	return b.String(), nil
}

func (m *HLSMedia) check() error {
	if err := m.Version.check(); err != nil {
		return err
	}
	if m.IFrames && m.Version != HLSv4 {
		return fmt.Errorf("a playlist of key frames cannot have version %d; it needs 4", m.Version)
	}
	if len(m.Segments) == 0 {
		return errors.New("there is no segment")
	}
	for i, s := range m.Segments {
		if m.Version == HLSv4 && s.Size == 0 {
			return fmt.Errorf("segment %d has no size, which version 4 needs", i)
		}
	}
	return checkSegments(m.Segments)
}

// seconds is a duration as Elastic Transcoder put it in EXTINF: with six decimals
// in v3; in v4 with all that its bits hold, and one at least.
func (v HLSVersion) seconds(s float64) string {
	if v == HLSv3 {
		return strconv.FormatFloat(s, 'f', 6, 64)
	}
	text := strconv.FormatFloat(s, 'f', -1, 64)
	if !strings.ContainsRune(text, '.') {
		text += ".0"
	}
	return text
}

// targetDuration in seconds is no less than any segment's.
func targetDuration(segments []Segment) int64 {
	longest := 0.0
	for _, s := range segments {
		longest = max(longest, s.Duration)
	}
	return int64(math.Ceil(longest))
}
