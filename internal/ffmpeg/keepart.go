package ffmpeg

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"etude/internal/audiofile"
)

// keeping is what becomes of an input's own pictures where nobody has said
// anything of pictures: those that are some are kept, and it is told if others
// were not. A picture is no reason to have no music.
type keeping struct {
	*encode
	source *source
	done   bool
	covers []cover
	remark string
	inOgg  []cover // the comment that they are in, once for each
}

// of returns the pictures that go into a track, and a remark on those that do
// not. The error is a fault of ours.
func (k *keeping) of(ctx context.Context, t *track) ([]cover, string, error) {
	if len(k.source.pictures()) == 0 || !t.keepsArt() {
		return nil, "", nil
	}
	if !k.done {
		k.done = true
		if err := k.take(ctx); err != nil {
			return nil, "", err
		}
	}
	room, cost := int64(maxArtSizes), func(n int64) int64 { return n }
	if t.inComments() {
		room, cost = maxInComments-k.source.TagBytes, commentSize
	}
	fit, err := k.fit(k.covers, room, cost)
	if err != nil {
		return nil, "", err
	}
	remark := remarks(k.remark, unfit(len(k.covers)-len(fit)))
	if !t.inComments() || len(fit) == 0 {
		return fit, remark, nil
	}
	if k.inOgg == nil {
		comment, err := k.comment(fit)
		if err != nil {
			return nil, "", fmt.Errorf("keep artwork: %w", err)
		}
		k.inOgg = slices.Repeat([]cover{*comment}, len(fit))
	}
	return k.inOgg, remark, nil
}

// maxInComments is how much room there is in a block of FLAC's comments, whose
// length has 24 bits in Ogg too, with some for what ffmpeg says of itself.
const maxInComments = 1<<24 - 1<<14

// commentSize is what a picture of a size takes in a comment.
func commentSize(n int64) int64 {
	return int64(base64.StdEncoding.EncodedLen(int(n)+64)) + int64(len(audiofile.NextPicture))
}

// keepsArt reports whether a track's file can hold the input's pictures: besides
// those for which Elastic Transcoder knows AlbumArt, these are Ogg and WAV.
func (t *track) keepsArt() bool {
	return t.holdsArt() || t.inComments() || t.container == "wav"
}

// inComments reports whether a file holds its picture in a comment.
func (t *track) inComments() bool { return t.container == "ogg" || t.container == "oga" }

// take takes the pictures out of the input, byte by byte, and looks at each. They
// are decoded here and not by ffmpeg: what it takes for a picture need not be one
// for a player.
func (k *keeping) take(ctx context.Context) error {
	streams := k.source.pictures()
	all := len(streams)
	streams = streams[:min(all, maxPictures)]
	taken, err := k.takeOut(k.source)
	if err != nil {
		return err
	}
	if !taken {
		c := &command{
			program: k.ffmpeg, purpose: "pictures", args: keepArgs(k.source.Format, streams), inputs: k.inputs[:1], dir: k.dir,
			cpu: k.cpu(0, 0), stall: k.cfg.Stall,
		}
		_, err := k.sandbox.run(ctx, c)
		var exit *exitError
		if err != nil && !errors.As(err, &exit) {
			return err
		}
		if exit != nil && exit.ours() != nil {
			return fmt.Errorf("keep artwork: %w", exit.ours())
		}
	}
	for i := range streams {
		file := extractedName(i)
		demuxer, err := checkPicture(filepath.Join(k.dir, file))
		if err != nil {
			if err := os.Remove(filepath.Join(k.dir, file)); err != nil && !os.IsNotExist(err) {
				return fmt.Errorf("keep artwork: %w", err)
			}
			continue
		}
		k.covers = append(k.covers, cover{file, demuxer})
	}
	switch left := all - len(k.covers); {
	case left == 1:
		k.remark = "A picture in this file is none that can be kept, and was left out."
	case left > 1:
		k.remark = fmt.Sprintf("%d pictures in this file are none that can be kept, and were left out.", left)
	}
	return nil
}

// keepArgs are extractArgs that go on after a picture that is none.
func keepArgs(format string, streams []int) []string {
	args := extractArgs(format, streams)
	for i, arg := range args {
		if arg == "-xerror" {
			return append(args[:i:i], args[i+1:]...)
		}
	}
	return args
}

// checkPicture decodes a picture to its end, and returns the demuxer that reads
// it.
func checkPicture(path string) (demuxer string, err error) {
	config, k, err := readKind(path)
	if err != nil {
		return "", err
	}
	if k.Extension == ".gif" || config.Width > maxArtWidth || config.Height > maxArtHeight {
		return "", image.ErrFormat
	}
	if err := checkArtSize(path); err != nil {
		return "", err
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	if _, _, err := image.Decode(file); err != nil {
		return "", err
	}
	return k.Demuxer, nil
}

// commentDemuxer reads what comment writes.
const commentDemuxer = "ffmetadata"

// comment writes pictures as Ogg has them, in a comment, which is more than fits
// into an argument. ffmpeg knows one comment of a name; it is made into several
// when the file is there.
func (k *keeping) comment(covers []cover) (*cover, error) {
	text := []byte(";FFMETADATA1\n" + audiofile.PictureComment + "=")
	for i, c := range covers {
		block, err := k.block(c, i == 0)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			text = append(text, audiofile.NextPicture...)
		}
		text = base64.StdEncoding.AppendEncode(text, block)
	}
	made := &cover{covers[0].File + ".txt", commentDemuxer}
	return made, k.writeOwn(made.File, append(text, '\n'))
}

// block returns what is in a comment: "Embedding pictures" in Xiph's description
// of Vorbis comments, with a block as in RFC 9639, 8.8.
func (k *keeping) block(c cover, front bool) ([]byte, error) {
	config, _, err := readKind(filepath.Join(k.dir, c.File))
	if err != nil {
		return nil, err
	}
	picture, err := k.readOwn(c.File)
	if err != nil {
		return nil, err
	}
	number := func(b []byte, n int) []byte { return binary.BigEndian.AppendUint32(b, uint32(n)) } //nolint:gosec // at most maxArtSize
	block := number(nil, 0)                                                                       // another
	if front {
		block = number(nil, 3)
	}
	block = append(number(block, len(c.mime())), c.mime()...)
	block = number(block, 0) // no description
	for _, n := range []int{config.Width, config.Height, 24, 0, len(picture)} {
		block = number(block, n)
	}
	return append(block, picture...), nil
}

// mime is a picture's type.
func (c cover) mime() string {
	if c.Demuxer == kinds["jpeg"].Demuxer {
		return "image/jpeg"
	}
	return "image/png"
}

// commentArgs put a track's pictures, which are in one comment, into it.
func (t *track) commentArgs(index map[string]int) []string {
	if len(t.Covers) == 0 {
		return nil
	}
	return []string{"-map_metadata:g", strconv.Itoa(index[t.Covers[0].File]) + ":g"}
}
