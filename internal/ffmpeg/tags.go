package ffmpeg

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"etude/internal/audiofile"
)

// mostTags is how many bytes of tags are carried: as much as a block of FLAC or
// an element of Matroska holds, and far more than anybody reads.
const mostTags = 15 << 20

// mostProbed is how much of ffprobe's words is read: more than tags of mostTags
// take.
const mostProbed = 32 << 20

// noTags is a plan's TagsFrom for none at all.
const noTags = "-1"

// Files in the working directory, in ffmpeg's own form: the tags that outputs
// get, and those that ffmpeg gave them.
const (
	tagsFile = "tags.txt"
	saidFile = "tags-said.txt"
)

// tags is the input whose tags are carried, or noTags.
func (p *plan) tags() string {
	if p.TagsFrom == noTags {
		return noTags
	}
	return "0"
}

// tagNames are what programs call tags for which ffmpeg has another name, in
// lower case: in APE, Vorbis comments and ASF names are free, and of ID3 and MP4
// ffmpeg does not know them all.
var tagNames = map[string]string{
	"album artist": "album_artist", "albumartist": "album_artist", "year": "date", "wm/year": "date",
	"tracknumber": "track", "track number": "track", "discnumber": "disc", "disc number": "disc",
	"unsyncedlyrics": "lyrics", "unsynced lyrics": "lyrics", "uslt": "lyrics", "wm/lyrics": "lyrics",
	"tbpm": "bpm", "tmpo": "bpm", "wm/beatsperminute": "bpm",
}

// tagTotals are the names of how many there are of something.
var tagTotals = map[string]string{"tracktotal": "track", "totaltracks": "track", "disctotal": "disc", "totaldiscs": "disc"}

// oddTags are signs, in upper case, of tags that ffmpeg does not carry as they
// should be.
var oddTags = []string{"USLT", "TBPM", "BPM=", "TOTAL=", "TOTALTRACKS=", "TOTALDISCS=", "LYRICS=", "ALBUM ARTIST="}

// tidyTags returns tags under ffmpeg's names, and each once. There is one name
// for which that depends on the container, "bpm".
func tidyTags(tags []audiofile.Tag) []audiofile.Tag {
	var proper, renamed []audiofile.Tag
	totals := map[string]string{}
	for _, t := range tags {
		name := strings.ToLower(t.Name)
		own := tagNames[name]
		if strings.HasPrefix(name, "lyrics-") { // of a language
			own = "lyrics"
		}
		switch of := tagTotals[name]; {
		case of != "":
			totals[of] = cmp.Or(totals[of], t.Value)
		case own != "":
			renamed = append(renamed, audiofile.Tag{Name: own, Value: t.Value})
		default:
			proper = append(proper, t)
		}
	}
	all := audiofile.Merge(proper, renamed)
	for _, of := range []string{"track", "disc"} {
		total := totals[of]
		i := slices.IndexFunc(all, func(t audiofile.Tag) bool { return strings.EqualFold(t.Name, of) })
		switch {
		case total == "":
		case i < 0:
			all = append(all, audiofile.Tag{Name: of + "total", Value: total})
		case !strings.Contains(all[i].Value, "/"):
			all[i].Value += "/" + total
		}
	}
	return all
}

// ownTags returns all tags of a source that was probed: those that ffprobe told,
// and those that ffmpeg does not read; and whether there are any of the latter.
func (s *source) ownTags(path string, size int64) (tags []audiofile.Tag, more bool, err error) {
	if s.Format != "mp3" && s.Format != "aac" && s.Format != "wav" {
		return s.Tags, false, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, false, err
	}
	defer file.Close()
	if s.Format == "wav" {
		// Where there is a list of the older kind too, ffmpeg reads that alone.
		chunk, err := audiofile.FindChunk(file, size, "id3 ", "ID3 ")
		if err != nil || chunk == nil {
			return s.Tags, false, err
		}
		found, err := audiofile.ReadID3(chunk)
		if err != nil {
			return s.Tags, false, nil //nolint:nilerr // a tag that is none is no reason to have no music
		}
		return audiofile.Merge(found, s.Tags), len(found) > 0, nil
	}
	found, pictures, err := audiofile.APE(file, size)
	if len(s.pictures()) == 0 {
		s.Pictures = pictures[:min(len(pictures), maxPictures)]
	}
	if err != nil || len(found) == 0 {
		return s.Tags, false, nil //nolint:nilerr // as above
	}
	head := make([]byte, 10)
	if _, err := file.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	if audiofile.ID3Length(head) > 0 {
		return audiofile.Merge(s.Tags, found), true, nil
	}
	return audiofile.Merge(found, s.Tags), true, nil // ID3v1 is cut off at 30 letters
}

// planTags decides which tags the outputs get. What was sniffed has none but
// those that ffmpeg carries by itself.
func (r *encode) planTags(p *plan, src *source) error {
	if src.Sniffed {
		return nil
	}
	tags, more, err := src.ownTags(r.inputs[0], r.sizes[0])
	if err != nil {
		return fmt.Errorf("read tags: %w", err)
	}
	for _, t := range tags {
		src.TagBytes += int64(len(t.Name) + len(t.Value))
	}
	if src.Untold || src.TagBytes > mostTags {
		p.TagsFrom, src.TagBytes = noTags, 0
		p.Remark = remarks(p.Remark, fmt.Sprintf("The tags of this file take more than %d MiB and were left out.", mostTags>>20))
		return nil
	}
	tidy := tidyTags(tags)
	if !more && slices.Equal(tidy, tags) && !slices.ContainsFunc(tidy, isTempo) {
		return nil
	}
	if i := slices.IndexFunc(tidy, isTempo); i >= 0 {
		p.Tempo = tidy[i].Value
		tidy = slices.Delete(tidy, i, i+1)
	}
	p.TagFile = tagsFile
	if err := r.writeOwn(tagsFile, writeTags(tidy)); err != nil {
		return fmt.Errorf("write tags: %w", err)
	}
	return nil
}

// isTempo reports whether a tag is a tempo, and one that may be an argument.
func isTempo(t audiofile.Tag) bool {
	return strings.EqualFold(t.Name, "bpm") && tempo.MatchString(t.Value)
}

var tempo = regexp.MustCompile(`^[0-9]{1,9}([.,][0-9]{1,9})?$`)

// tempoName is what ffmpeg calls the tempo in a track's container.
func (t *track) tempoName() string {
	switch {
	case t == nil || t.hasID3():
		return "TBPM"
	case t.Demuxer == "mov":
		return "tmpo"
	}
	return "BPM"
}

// hasID3 reports whether a track's file has a tag that is written by us, or again
// by us: ffmpeg puts none into WAV, and comments and lyrics into frames in which
// no player looks for them.
func (t *track) hasID3() bool { return t.container == "wav" || t.container == "mp3" }

// tagArgs returns the arguments that give tags to a track, or to the file that
// tells them if that is nil. index has the inputs that are files of ours.
func (p *plan) tagArgs(t *track, index map[string]int) []string {
	// What an input says of its stream would become tags in Ogg.
	args := []string{"-map_metadata", p.tags(), "-map_chapters", "-1", "-map_metadata:s:a", "-1"}
	if t == nil {
		args = args[:4]
	}
	switch {
	case p.TagFile != "":
		args[1] = strconv.Itoa(index[p.TagFile])
	case p.TagsFrom != p.tags():
		args = append(args, "-map_metadata:g", p.TagsFrom)
	}
	for _, tag := range strayTags {
		args = append(args, "-metadata", tag+"=")
	}
	if p.Tempo != "" {
		args = append(args, "-metadata", t.tempoName()+"="+p.Tempo)
	}
	return args
}

// asksTags reports whether ffmpeg is to tell which tags it carries.
func (p *plan) asksTags() bool {
	return p.TagsFrom != noTags && slices.ContainsFunc(p.Tracks, func(t track) bool { return t.hasID3() || t.hasEdit() })
}

// saidArgs returns those that have it do so.
func (p *plan) saidArgs(index map[string]int) []string {
	return append(p.tagArgs(nil, index), "-f", "ffmetadata", "file:"+saidFile)
}

// tagEscapes are the letters that mean something in ffmpeg's own form: "Metadata"
// in its documentation of formats. A name that begins with a bracket would begin
// a section.
const tagEscapes = "=;#\\\n"

func writeTags(tags []audiofile.Tag) []byte {
	var b strings.Builder
	b.WriteString(";FFMETADATA1\n")
	escape := func(s string) {
		for _, c := range []byte(s) {
			if c == 0 {
				continue
			}
			if strings.IndexByte(tagEscapes, c) >= 0 || c == '[' {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
		}
	}
	for _, t := range tags {
		escape(t.Name)
		b.WriteByte('=')
		escape(t.Value)
		b.WriteByte('\n')
	}
	return []byte(b.String())
}

// parseTags reads what ffmpeg wrote, of the whole file and not of its streams.
func parseTags(said string) (tags []audiofile.Tag) {
	_, said, _ = strings.Cut(said, "\n")
	var field, name strings.Builder
	named, escaped := false, false
	for _, c := range []byte(said) {
		switch {
		case escaped:
			field.WriteByte(c)
			escaped = false
		case c == '\\':
			escaped = true
		case c == '=' && !named:
			named = true
			name, field = field, strings.Builder{}
		case c == '\n':
			if !named && strings.HasPrefix(field.String(), "[") {
				return tags
			}
			if named {
				tags = append(tags, audiofile.Tag{Name: name.String(), Value: field.String()})
			}
			field.Reset()
			named = false
		default:
			field.WriteByte(c)
		}
	}
	return tags
}

// said returns the tags that ffmpeg gave to outputs, but for the one that is about
// itself.
func (r *encode) said() ([]audiofile.Tag, error) {
	raw, err := r.readOwn(saidFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read tags: %w", err)
	}
	return slices.DeleteFunc(parseTags(string(raw)), func(t audiofile.Tag) bool { return t.Name == "encoder" }), nil
}

// atoms are the tags for which ffmpeg 5.1 writes an atom of MP4's, and TBPM, which
// it calls otherwise there.
var atoms = []string{
	"title", "artist", "album", "album_artist", "composer", "date", "comment", "genre", "copyright", "grouping", "lyrics", "description", "synopsis",
	"show", "episode_id", "network", "keywords", "episode_sort", "season_number", "media_type", "hd_video", "gapless_playback", "compilation",
	"track", "disc", "tmpo", "tbpm",
}

// freeTags are those for which it writes none.
func freeTags(said []audiofile.Tag) (free []audiofile.Tag) {
	for _, t := range said {
		if !slices.Contains(atoms, strings.ToLower(t.Name)) && t.Name != "" && t.Value != "" {
			free = append(free, t)
		}
	}
	return free
}

// finishTags puts tags and pictures where ffmpeg cannot put them, into the file
// of a track that is otherwise done.
func (r *encode) finishTags(t *track, said []audiofile.Tag) error {
	pictures := t.Pictures
	switch {
	case t.inComments() && len(t.Covers) > 1:
	case t.container == "wav" && len(said)+len(t.Pictures) > 0:
	case t.container == "mp3" && slices.ContainsFunc(said, func(tag audiofile.Tag) bool {
		return strings.EqualFold(tag.Name, "comment") || strings.EqualFold(tag.Name, "lyrics")
	}):
		pictures = t.Covers
	default:
		return nil
	}
	file, err := r.openOwn(t.File, os.O_RDWR)
	if err != nil {
		return err
	}
	if t.inComments() {
		err = audiofile.SplitPictures(file)
	} else {
		err = r.writeID3(t, file, &audiofile.ID3{Tags: said}, pictures)
	}
	return errors.Join(err, file.Close())
}

// writeID3 writes a tag into a chunk of a WAV, or in the place of the one of an
// MP3, which is never shorter than the same in the right frames.
func (r *encode) writeID3(t *track, file *os.File, tag *audiofile.ID3, pictures []cover) error {
	for _, p := range pictures {
		picture, err := r.openOwn(p.File, os.O_RDONLY)
		if err != nil {
			return err
		}
		defer picture.Close()
		info, err := picture.Stat()
		if err != nil {
			return err
		}
		tag.Pictures = append(tag.Pictures, audiofile.Picture{MIME: p.mime(), Size: info.Size(), Data: picture})
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if t.container == "wav" {
		err := audiofile.AppendChunk(file, info.Size(), "id3 ", tag.Size(), tag.Write)
		if errors.Is(err, audiofile.ErrNoRoom) {
			t.Remark = remarks(t.Remark, "This file is too large to hold more than the usual tags of WAV.")
			return nil
		}
		return err
	}
	head := make([]byte, 10)
	if _, err := file.ReadAt(head, 0); err != nil {
		return err
	}
	if tag.Padding = audiofile.ID3Length(head) - tag.Size(); tag.Padding < 0 {
		return nil // it has no tag, or an unusual one
	}
	return tag.Write(io.NewOffsetWriter(file, 0))
}
