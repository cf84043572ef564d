package audiofile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Tag is one thing that a file says of itself, as "title", under ffmpeg's names
// where that has one.
type Tag struct{ Name, Value string }

// ID3 is a tag as ID3v2.3 has it, which all players read; those of 2.4 are read
// by fewer.
type ID3 struct {
	Tags     []Tag
	Pictures []Picture // the first is that of the front
	Padding  int64     // bytes of nothing at its end
}

// Picture is one that goes into a tag.
type Picture struct {
	MIME string
	Size int64 // bytes
	Data io.Reader
}

// id3Frames are the frames of ID3v2.3, 4.2.1, and those of iTunes and of 2.4
// that players expect in it too, by ffmpeg's names.
var id3Frames = map[string]string{
	"title": "TIT2", "artist": "TPE1", "album": "TALB", "album_artist": "TPE2", "performer": "TPE3", "composer": "TCOM", "genre": "TCON",
	"copyright": "TCOP", "encoded_by": "TENC", "encoder": "TSSE", "language": "TLAN", "publisher": "TPUB", "disc": "TPOS", "track": "TRCK",
	"bpm": "TBPM", "compilation": "TCMP", "album-sort": "TSOA", "artist-sort": "TSOP", "title-sort": "TSOT",
}

var id3Names = func() map[string]string {
	names := map[string]string{"TDRC": "date", "TDRL": "date"}
	for name, frame := range id3Frames {
		names[frame] = name
	}
	return names
}()

// noLanguage is said where a frame has to say the language of its text. It is
// seldom true, and what players look for.
const noLanguage = "eng"

var (
	yearFirst = regexp.MustCompile(`^\d{4}`)
	fullDate  = regexp.MustCompile(`^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)\S*)?$`)
	ownFrame  = regexp.MustCompile(`^T[A-WYZ0-9][A-Z0-9]{2}$`)
)

// frames are a tag's text.
func (t *ID3) frames() []byte {
	var out []byte
	frame := func(kind string, body []byte) {
		out = append(binary.BigEndian.AppendUint32(append(out, kind...), uint32(len(body))), 0, 0)
		out = append(out, body...)
	}
	for _, tag := range t.Tags {
		name, value := strings.ToLower(tag.Name), strings.ReplaceAll(tag.Value, "\x00", "")
		switch kind := id3Frames[name]; {
		case value == "":
		case kind != "":
			frame(kind, id3Text("", value))
		case name == "comment":
			frame("COMM", id3Text(noLanguage, "", value))
		case name == "lyrics":
			frame("USLT", id3Text(noLanguage, "", value))
		case name == "date":
			if m := fullDate.FindStringSubmatch(value); m != nil {
				frame("TYER", id3Text("", m[1]))
				frame("TDAT", id3Text("", m[3]+m[2]))
				if m[4] != "" {
					frame("TIME", id3Text("", m[4]+m[5]))
				}
				break
			}
			if year := yearFirst.FindString(value); year != "" {
				frame("TYER", id3Text("", year))
			}
			if len(value) != 4 {
				frame("TXXX", id3Text("", name, value))
			}
		case strings.HasPrefix(tag.Name, privatePrefix):
			frame("PRIV", []byte(strings.TrimPrefix(tag.Name, privatePrefix)+"\x00"+unescape(value)))
		case ownFrame.MatchString(tag.Name):
			frame(tag.Name, id3Text("", value))
		default:
			frame("TXXX", id3Text("", strings.ReplaceAll(tag.Name, "\x00", ""), value))
		}
	}
	return out
}

// privatePrefix is what ffmpeg has before the owner of a private frame; in its
// content it writes every byte that is no letter of ASCII's as \xHH.
const privatePrefix = "id3v2_priv."

var escaped = regexp.MustCompile(`\\x[0-9A-Fa-f]{2}`)

func unescape(s string) string {
	return escaped.ReplaceAllStringFunc(s, func(hex string) string {
		n, _ := strconv.ParseUint(hex[2:], 16, 8) // which is two digits
		return string([]byte{byte(n)})
	})
}

// id3Text returns the body of a frame: the encoding, what comes before the
// texts, and these, with an end after each but the last. Only ASCII is written as
// Latin-1, for which many players take their own country's instead.
func id3Text(head string, texts ...string) []byte {
	wide := slices.ContainsFunc(texts, func(s string) bool {
		return strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
	})
	if !wide {
		return append([]byte("\x00"+head), strings.Join(texts, "\x00")...)
	}
	out := []byte("\x01" + head)
	for i, text := range texts {
		if i > 0 {
			out = append(out, 0, 0)
		}
		out = append(out, 0xff, 0xfe)
		for _, u := range utf16.Encode([]rune(text)) {
			out = binary.LittleEndian.AppendUint16(out, u)
		}
	}
	return out
}

// pictureHead is what comes before a picture: one of a kind and a description
// may be in a tag.
func pictureHead(i int, p Picture) []byte {
	kind, description := "\x03", ""
	if i > 0 {
		kind, description = "\x00", fmt.Sprint("Picture ", i+1)
	}
	body := "\x00" + p.MIME + "\x00" + kind + description + "\x00"
	head := binary.BigEndian.AppendUint32([]byte("APIC"), uint32(int64(len(body))+p.Size))
	return append(append(head, 0, 0), body...)
}

// MaxID3 is how many bytes a tag can have: ID3v2.3, 3.1.
const MaxID3 = 1<<28 - 1 + id3Head

const id3Head = 10

// Size is how many bytes the tag takes.
func (t *ID3) Size() int64 {
	n := id3Head + int64(len(t.frames())) + t.Padding
	for i, p := range t.Pictures {
		n += int64(len(pictureHead(i, p))) + p.Size
	}
	return n
}

// Write writes the tag, Size bytes. It is an error if that is more than MaxID3,
// or if a picture is not of its size.
func (t *ID3) Write(w io.Writer) error {
	size := t.Size()
	if size > MaxID3 {
		return fmt.Errorf("write ID3: it takes %d bytes, and at most %d are possible", size, MaxID3)
	}
	n := size - id3Head
	head := []byte{'I', 'D', '3', 3, 0, 0, byte(n >> 21 & 127), byte(n >> 14 & 127), byte(n >> 7 & 127), byte(n & 127)}
	if _, err := w.Write(append(head, t.frames()...)); err != nil {
		return fmt.Errorf("write ID3: %w", err)
	}
	for i, p := range t.Pictures {
		if _, err := w.Write(pictureHead(i, p)); err != nil {
			return fmt.Errorf("write ID3: %w", err)
		}
		if _, err := io.CopyN(w, p.Data, p.Size); err != nil {
			return fmt.Errorf("write ID3: picture %d: %w", i+1, err)
		}
	}
	if _, err := io.CopyN(w, zeros{}, t.Padding); err != nil {
		return fmt.Errorf("write ID3: %w", err)
	}
	return nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// maxText is how many bytes of text are read of a tag.
const maxText = 15 << 20

// maxFrames is how many frames or items are looked at.
const maxFrames = 1 << 16

// errText says that there is more.
var errText = errors.New("its text is too large")

// ReadID3 reads the text of a tag of version 2.3 or 2.4 that lies at the
// beginning of r; pictures are passed over. A tag that is broken is read as far
// as it goes.
func ReadID3(r io.ReaderAt) ([]Tag, error) {
	head := make([]byte, id3Head)
	if _, err := r.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("read ID3: %w", err)
	}
	length := ID3Length(head)
	if length == 0 || head[3] < 3 || head[3] > 4 {
		return nil, fmt.Errorf("read ID3: it begins with %q", head[:4])
	}
	version, flags := head[3], head[5]
	body := io.NewSectionReader(r, id3Head, length-id3Head)
	if flags&0x80 != 0 && version == 3 { // all of it is unsynchronised
		if body.Size() > maxText {
			return nil, fmt.Errorf("read ID3: %w", errText)
		}
		raw, err := io.ReadAll(body)
		if err != nil {
			return nil, fmt.Errorf("read ID3: %w", err)
		}
		raw = synchronise(raw)
		body = io.NewSectionReader(bytes.NewReader(raw), 0, int64(len(raw)))
	}
	at := int64(0)
	if flags&0x40 != 0 { // there is an extended head
		if _, err := body.ReadAt(head[:4], 0); err != nil {
			return nil, nil //nolint:nilerr // there is nothing in it
		}
		if at = int64(binary.BigEndian.Uint32(head)) + 4; version == 4 {
			at = synchsafe(head)
		}
	}
	all := id3Reader{version: version}
	read := int64(0)
	for range maxFrames {
		if _, err := body.ReadAt(head, at); err != nil || head[0] == 0 {
			break
		}
		n := int64(binary.BigEndian.Uint32(head[4:]))
		if version == 4 {
			n = synchsafe(head[4:])
		}
		at += id3Head
		if n > body.Size()-at {
			break
		}
		if kind := string(head[:4]); kind[0] == 'T' || kind == "COMM" || kind == "USLT" {
			if read += n; read > maxText {
				return nil, fmt.Errorf("read ID3: %w", errText)
			}
			content := make([]byte, n)
			if _, err := body.ReadAt(content, at); err != nil {
				break
			}
			all.frame(kind, head[9], content)
		}
		at += n
	}
	return all.finish(), nil
}

// synchsafe reads a number of 7 bits in each byte.
func synchsafe(b []byte) int64 {
	return int64(b[0]&127)<<21 | int64(b[1]&127)<<14 | int64(b[2]&127)<<7 | int64(b[3]&127)
}

// synchronise takes out the zeros that keep players from hearing a tag.
func synchronise(b []byte) []byte { return bytes.ReplaceAll(b, []byte{0xff, 0}, []byte{0xff}) }

// id3Reader collects what frames say.
type id3Reader struct {
	version         byte
	tags            []Tag
	year, day, time string // of 2.3's date
}

func (r *id3Reader) frame(kind string, flags byte, b []byte) {
	if r.version == 4 {
		if flags&0x01 != 0 && len(b) >= 4 { // its length comes first
			b = b[4:]
		}
		if flags&0x02 != 0 {
			b = synchronise(b)
		}
	}
	if r.version == 3 && flags&0xc0 != 0 || r.version == 4 && flags&0x0c != 0 || len(b) < 1 {
		return // compressed or encrypted
	}
	encoding, b := b[0], b[1:]
	if kind == "COMM" || kind == "USLT" {
		if len(b) < 3 {
			return
		}
		b = b[3:] // the language
	}
	texts := id3Texts(encoding, b)
	value := strings.Join(texts, ";")
	name := id3Names[kind]
	switch {
	case kind == "TYER":
		r.year = value
		return
	case kind == "TDAT":
		r.day = value
		return
	case kind == "TIME":
		r.time = value
		return
	case kind == "TXXX" || kind == "COMM" || kind == "USLT":
		if len(texts) == 0 {
			return
		}
		name, value = texts[0], strings.Join(texts[1:], ";")
		if name == "" {
			name = map[string]string{"COMM": "comment", "USLT": "lyrics"}[kind]
		}
	case kind == "TCON":
		value = oldGenre(value)
	case name == "":
		name = kind
	}
	if name != "" && value != "" {
		r.tags = append(r.tags, Tag{name, value})
	}
}

// finish returns the tags, each name once.
func (r *id3Reader) finish() []Tag {
	if len(r.year) == 4 {
		date := r.year
		if len(r.day) == 4 {
			date += "-" + r.day[2:] + "-" + r.day[:2]
			if len(r.time) == 4 {
				date += "T" + r.time[:2] + ":" + r.time[2:]
			}
		}
		r.tags = append(r.tags, Tag{"date", date})
	}
	return Merge(r.tags)
}

// Merge puts tags together; of those of one name, in whatever case, the first
// is kept that has a value.
func Merge(lists ...[]Tag) []Tag {
	var all []Tag
	seen := map[string]bool{}
	for _, list := range lists {
		for _, t := range list {
			if name := strings.ToLower(t.Name); t.Value != "" && !seen[name] {
				seen[name] = true
				all = append(all, t)
			}
		}
	}
	return all
}

// id3Texts reads the texts of a frame: ID3v2.4, 4. Ends that follow the last are
// no texts.
func id3Texts(encoding byte, b []byte) (texts []string) {
	switch encoding {
	case 0:
		texts = strings.Split(latin1(b), "\x00")
	case 3:
		texts = strings.Split(strings.ToValidUTF8(string(b), "\ufffd"), "\x00")
	case 1, 2:
		order := binary.ByteOrder(binary.BigEndian)
		var units []uint16
		for i := 0; i+1 < len(b); i += 2 {
			first := len(units) == 0 || units[len(units)-1] == 0
			switch {
			case encoding == 1 && first && b[i] == 0xff && b[i+1] == 0xfe:
				order = binary.LittleEndian
			case encoding == 1 && first && b[i] == 0xfe && b[i+1] == 0xff:
				order = binary.BigEndian
			default:
				units = append(units, order.Uint16(b[i:]))
			}
		}
		texts = strings.Split(string(utf16.Decode(units)), "\x00")
	}
	for len(texts) > 1 && texts[len(texts)-1] == "" {
		texts = texts[:len(texts)-1]
	}
	return texts
}

func latin1(b []byte) string {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

// oldGenre reads a genre that is named by ID3v1's number, as "(17)" or "17", and
// maybe refined, as "(17)Hard rock": ID3v2.3, 4.2.1.
func oldGenre(s string) string {
	m := numbered.FindStringSubmatch(s)
	if m == nil || m[1] == "" && m[3] != "" {
		return s
	}
	if m[3] != "" {
		return m[3]
	}
	if n, err := strconv.Atoi(m[1] + m[2]); err == nil && n < len(genres) {
		return genres[n]
	}
	return s
}

var numbered = regexp.MustCompile(`^(?:\((\d{1,3})\)|(\d{1,3}))(.*)$`)

// genres are those of ID3v2.3's appendix A that ID3v1 has.
var genres = strings.Split("Blues,Classic Rock,Country,Dance,Disco,Funk,Grunge,Hip-Hop,Jazz,Metal,New Age,Oldies,Other,Pop,R&B,Rap,Reggae,Rock,"+
	"Techno,Industrial,Alternative,Ska,Death Metal,Pranks,Soundtrack,Euro-Techno,Ambient,Trip-Hop,Vocal,Jazz+Funk,Fusion,Trance,Classical,"+
	"Instrumental,Acid,House,Game,Sound Clip,Gospel,Noise,AlternRock,Bass,Soul,Punk,Space,Meditative,Instrumental Pop,Instrumental Rock,Ethnic,"+
	"Gothic,Darkwave,Techno-Industrial,Electronic,Pop-Folk,Eurodance,Dream,Southern Rock,Comedy,Cult,Gangsta,Top 40,Christian Rap,Pop/Funk,"+
	"Jungle,Native American,Cabaret,New Wave,Psychadelic,Rave,Showtunes,Trailer,Lo-Fi,Tribal,Acid Punk,Acid Jazz,Polka,Retro,Musical,"+
	"Rock & Roll,Hard Rock", ",")
