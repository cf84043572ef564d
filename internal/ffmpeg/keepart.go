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
	"strconv"
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
	inOgg  []cover
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
	if !t.inComments() {
		return k.covers, k.remark, nil
	}
	remark := k.remark
	if len(k.covers) > 1 {
		remark = remarks(remark, "Only the first of the file's pictures was kept.")
	}
	if k.inOgg == nil && len(k.covers) > 0 {
		comment, err := k.comment(k.covers[0])
		if err != nil {
			return nil, "", fmt.Errorf("keep artwork: %w", err)
		}
		k.inOgg = []cover{*comment}
	}
	return k.inOgg, remark, nil
}

// keepsArt reports whether a track's file can hold the input's pictures: besides
// those for which Elastic Transcoder knows AlbumArt, that is Ogg.
func (t *track) keepsArt() bool { return t.holdsArt() || t.inComments() }

// inComments reports whether a file holds its picture in a comment.
func (t *track) inComments() bool { return t.container == "ogg" || t.container == "oga" }

// take takes the pictures out of the input, byte by byte, and looks at each. They
// are decoded here and not by ffmpeg: what it takes for a picture need not be one
// for a player.
func (k *keeping) take(ctx context.Context) error {
	streams := k.source.pictures()
	all := len(streams)
	streams = streams[:min(all, maxPictures)]
	c := &command{
		program: k.ffmpeg, args: keepArgs(k.source.Format, streams), inputs: k.inputs[:1], dir: k.dir,
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

// comment writes a picture as Ogg has it, in a comment, which is more than fits
// into an argument: "Embedding pictures" in Xiph's description of Vorbis comments,
// with a block as in RFC 9639, 8.8.
func (k *keeping) comment(c cover) (*cover, error) {
	path := filepath.Join(k.dir, c.File)
	config, kind, err := readKind(path)
	if err != nil {
		return nil, err
	}
	picture, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	mime := "image/png"
	if kind.Extension == ".jpg" {
		mime = "image/jpeg"
	}
	number := func(b []byte, n int) []byte { return binary.BigEndian.AppendUint32(b, uint32(n)) } //nolint:gosec // at most maxArtSize
	block := number(nil, 3)                                                                       // of the front
	block = append(number(block, len(mime)), mime...)
	block = number(block, 0) // no description
	for _, n := range []int{config.Width, config.Height, 24, 0, len(picture)} {
		block = number(block, n)
	}
	block = append(block, picture...)
	text := ";FFMETADATA1\nMETADATA_BLOCK_PICTURE=" + base64.StdEncoding.EncodeToString(block) + "\n"
	made := &cover{c.File + ".txt", commentDemuxer}
	return made, os.WriteFile(filepath.Join(k.dir, made.File), []byte(text), 0o600)
}

// commentArgs put a track's picture, which is in a comment, into it.
func (t *track) commentArgs(index map[string]int) []string {
	var args []string
	for _, c := range t.Covers {
		args = append(args, "-map_metadata:g", strconv.Itoa(index[c.File])+":g")
	}
	return args
}
