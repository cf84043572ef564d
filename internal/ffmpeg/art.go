package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/gif" // the kinds of pictures that are taken
	_ "image/jpeg"
	_ "image/png"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"etude/internal/transcode"
)

// Limits of "Album Art" in Elastic Transcoder's developer guide.
const (
	maxPictures  = 20
	maxArtWidth  = 4096
	maxArtHeight = 3072
)

// maxArtSize is what fits into a block of FLAC, with room for its head, and
// maxArtSizes what all pictures of a file may take: they are held in memory when
// an MP4 is made, and ID3 has room for four times as much.
const (
	maxArtSize  = 16<<20 - 1<<10
	maxArtSizes = 64 << 20
)

// kind is a kind of picture.
type kind struct {
	Demuxer   string // ffmpeg's
	Extension string // with the dot
}

// kinds are those that are taken, by the names of Go's decoders. A GIF is its
// first frame.
var kinds = map[string]kind{
	"png":  {"png_pipe", ".png"},
	"jpeg": {"jpeg_pipe", ".jpg"},
	"gif":  {"gif", ".gif"},
}

// artGuard goes before a picture as guard does before an input: none of these
// formats names another file, as SVG does.
var artGuard = []string{"-protocol_whitelist", "file,pipe", "-format_whitelist", "png_pipe,jpeg_pipe,gif,ffmetadata"}

// cover is a picture in the working directory that goes into outputs as it is.
type cover struct {
	File    string
	Demuxer string
}

// holdsArt reports whether a track's container can hold pictures.
func (t *track) holdsArt() bool {
	return t.container == "mp3" || t.container == "flac" || t.container == "mp4"
}

// mergeArt puts the pictures that were given together with those of the input,
// after "AlbumArt" in Elastic Transcoder's developer guide.
func mergeArt[T any](policy string, given, own []T) []T {
	switch policy {
	case "Prepend":
		return slices.Concat(given, own)
	case "Append":
		return slices.Concat(own, given)
	case "Fallback":
		if len(own) > 0 {
			return own
		}
	}
	return given
}

// keepsOwn reports whether only the input's own pictures are asked for, by saying
// nothing or, as in Elastic Transcoder's developer guide, by a list to be joined
// with them that is empty.
func keepsOwn(art *transcode.Art) bool {
	return art == nil || len(art.Pictures) == 0 && len(mergeArt(art.MergePolicy, nil, []int{0})) > 0
}

// addArt makes the pictures of a plan's tracks, and drops the tracks for which
// that is not possible. The input's own pictures are those of the first input.
// Where nothing is said of pictures, those are kept as far as can be; so they are
// where they are only to be passed on, in files for which Elastic Transcoder
// knows no AlbumArt.
func (r *encode) addArt(ctx context.Context, p *plan, src *source, renditions []transcode.Rendition) error {
	own := ownArt{encode: r, source: src}
	kept := keeping{encode: r, source: src}
	var tracks []track
	for _, t := range p.Tracks {
		if art := renditions[t.Output].Art; art == nil || keepsOwn(art) && !t.holdsArt() {
			covers, remark, err := kept.of(ctx, &t)
			if err != nil {
				return err
			}
			t.Remark = remarks(t.Remark, remark)
			if t.container == "wav" {
				t.Pictures = covers
			} else {
				t.Covers = covers
			}
		} else if t.holdsArt() {
			covers, err := own.merged(ctx, art, t.Output)
			var failure *transcode.Failure
			if errors.As(err, &failure) {
				p.Refused[t.Output] = failure
				continue
			}
			if err != nil {
				return err
			}
			kept, err := r.fit(covers, maxArtSizes, func(n int64) int64 { return n })
			if err != nil {
				return err
			}
			t.Covers, t.Remark = kept, remarks(t.Remark, unfit(len(covers)-len(kept)))
		}
		tracks = append(tracks, t)
	}
	p.Tracks = tracks
	return nil
}

// fit returns those of some pictures, in their order, that together take no more
// than so much room.
func (r *encode) fit(covers []cover, room int64, cost func(size int64) int64) (fit []cover, err error) {
	for _, c := range covers {
		info, err := os.Stat(filepath.Join(r.dir, c.File))
		if err != nil {
			return nil, fmt.Errorf("read artwork: %w", err)
		}
		if n := cost(info.Size()); n <= room {
			room -= n
			fit = append(fit, c)
		}
	}
	return fit, nil
}

// unfit is the remark on so many pictures that do not fit.
func unfit(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "One picture is too large beside the others for this kind of file, and was left out."
	}
	return fmt.Sprintf("%d pictures are too large beside the others for this kind of file, and were left out.", n)
}

// ownArt is the pictures of an input, taken out when they are first needed.
type ownArt struct {
	*encode
	source *source
	taken  bool
	covers []cover
	err    error
}

// merged returns the pictures of one output.
func (o *ownArt) merged(ctx context.Context, art *transcode.Art, output int) ([]cover, error) {
	streams := o.source.pictures()
	keepsOwn := len(mergeArt(art.MergePolicy, nil, streams)) > 0
	if n := len(mergeArt(art.MergePolicy, make([]int, len(art.Pictures)), streams)); n > maxPictures {
		return nil, tooManyPictures(n)
	}
	if keepsOwn && !o.taken {
		o.taken = true
		o.covers, o.err = o.extract(ctx, o.source)
	}
	if keepsOwn && o.err != nil {
		return nil, o.err
	}
	var given []cover
	for i, picture := range art.Pictures {
		if art.MergePolicy == "Fallback" && keepsOwn {
			break
		}
		c, err := o.convert(ctx, picture, fmt.Sprintf("art-%d-%d", output+1, i+1))
		if err != nil {
			return nil, err
		}
		given = append(given, *c)
	}
	if !keepsOwn {
		return given, nil
	}
	return mergeArt(art.MergePolicy, given, o.covers), nil
}

// inTag is the index of the first cover that ffmpeg does not read; those of the
// others are below.
const inTag = -1

// pictures are the indexes of a source's covers: streams, or else those that
// ffmpeg does not read.
func (s *source) pictures() []int {
	var all []int
	for i := range s.Pictures {
		all = append(all, inTag-i)
	}
	for _, t := range s.Streams {
		if t.Type == "video" && t.Picture {
			all = append(all, t.Index)
		}
	}
	return all
}

// extract takes the input's own pictures out of it, byte by byte, and decodes
// each to see whether it is one.
func (r *encode) extract(ctx context.Context, src *source) ([]cover, error) {
	streams := src.pictures()
	taken, err := r.takeOut(src)
	if err != nil {
		return nil, err
	}
	if !taken {
		c := &command{
			program: r.ffmpeg, purpose: "pictures", args: extractArgs(src.Format, streams), inputs: r.inputs[:1], dir: r.dir,
			cpu: r.cpu(0, 0), stall: r.cfg.Stall,
		}
		if err := r.picture(ctx, c, ownUnreadable); err != nil {
			return nil, err
		}
	}
	var covers []cover
	for i := range streams {
		file := extractedName(i)
		config, k, err := readKind(filepath.Join(r.dir, file))
		switch {
		case errors.Is(err, image.ErrFormat), err == nil && k.Extension == ".gif":
			return nil, ownUnreadable("it is neither PNG nor JPEG")
		case err != nil:
			return nil, artError(err, ownUnreadable)
		case config.Width > maxArtWidth || config.Height > maxArtHeight:
			return nil, artTooLarge(4013, "A picture in this file", config)
		}
		if err := checkArtSize(filepath.Join(r.dir, file)); err != nil {
			return nil, err
		}
		check := &command{program: r.ffmpeg, purpose: "pictures", args: checkArtArgs(k, file), dir: r.dir, cpu: r.cpu(0, 0), stall: r.cfg.Stall}
		if err := r.picture(ctx, check, ownUnreadable); err != nil {
			return nil, err
		}
		covers = append(covers, cover{file, k.Demuxer})
	}
	return covers, nil
}

// takeOut writes the pictures that ffmpeg does not read where it would have put
// them, and reports whether there are any: then there are no others.
func (r *encode) takeOut(src *source) (bool, error) {
	for i, picture := range src.Pictures {
		if err := r.writeOwn(extractedName(i), picture); err != nil {
			return false, fmt.Errorf("take out artwork: %w", err)
		}
	}
	return len(src.Pictures) > 0, nil
}

func extractedName(i int) string { return fmt.Sprintf("own-%d", i+1) }

func extractArgs(format string, streams []int) []string {
	args := slices.Concat([]string{"-hide_banner", "-nostdin", "-y", "-loglevel", "level+warning", "-xerror"}, guard,
		[]string{"-f", format, "-i", inputName(0)})
	for i, stream := range streams {
		args = append(args, "-map", fmt.Sprintf("0:%d", stream), "-c", "copy", "-frames:v", "1", "-f", "image2pipe", "file:"+extractedName(i))
	}
	return args
}

func checkArtArgs(k *kind, file string) []string {
	return slices.Concat(artArgs(), []string{"-f", k.Demuxer, "-i", "file:" + file, "-map", "0:v:0", "-frames:v", "1", "-f", "null", "-"})
}

// artArgs are what comes before a picture that must be whole.
func artArgs() []string {
	return slices.Concat([]string{"-hide_banner", "-nostdin", "-y", "-loglevel", "level+warning", "-xerror", "-filter_threads", "1"},
		artGuard, []string{"-threads", "1", "-err_detect", "explode"})
}

// convert makes the picture that goes into an output of one that was given.
func (r *encode) convert(ctx context.Context, p transcode.Picture, name string) (*cover, error) {
	path, _, err := openFile(p.Path)
	if err != nil {
		return nil, fmt.Errorf("open artwork: %w", err)
	}
	config, k, err := readKind(path)
	if err != nil {
		return nil, artError(err, artUnreadable)
	}
	if config.Width > maxArtWidth || config.Height > maxArtHeight {
		return nil, artTooLarge(4012, "The artwork", config)
	}
	format := p.Format
	if format == "" && k.Extension == ".jpg" {
		format = "jpg"
	}
	made := kinds["png"]
	if format == "jpg" {
		made = kinds["jpeg"]
	}
	file := name + made.Extension
	c := &command{
		program: r.ffmpeg, purpose: "pictures", args: convertArgs(k, newFitting(config.Width, config.Height, p), format == "jpg", file),
		inputs: []string{path}, dir: r.dir, cpu: r.cpu(0, 0), stall: r.cfg.Stall,
	}
	if err := r.picture(ctx, c, artUnreadable); err != nil {
		return nil, err
	}
	return &cover{file, made.Demuxer}, checkArtSize(filepath.Join(r.dir, file))
}

// convertArgs returns ffmpeg's arguments that fit a picture. What has a border,
// and JPEG, which has no transparency, lies on white.
func convertArgs(k *kind, f fitting, jpg bool, file string) []string {
	picture := fmt.Sprintf("[0:0]crop=%d:%d:exact=1,scale=%d:%d:flags=lanczos+accurate_rnd+full_chroma_int,setsar=1",
		f.CutWidth, f.CutHeight, f.ScaleWidth, f.ScaleHeight)
	graph, codec := picture+",format=rgba|rgb24[out]", []string{"-c:v", "png"}
	if jpg || f.padded() {
		last := "rgb24"
		if jpg {
			last, codec = "yuvj420p", []string{"-c:v", "mjpeg", "-q:v", "2"}
		}
		graph = fmt.Sprintf("%s,format=rgba[picture];color=white:size=%dx%d:rate=1:duration=1,format=rgba[white];"+
			"[white][picture]overlay=(W-w)/2:(H-h)/2:format=rgb,format=%s[out]", picture, f.Width, f.Height, last)
	}
	return slices.Concat(artArgs(), []string{"-f", k.Demuxer, "-i", inputName(0), "-filter_complex_threads", "1", "-filter_complex", graph, "-map", "[out]", "-frames:v", "1"},
		codec, []string{"-f", "image2pipe", "file:" + file})
}

// picture runs a command on a picture, and says of a bad end what fail does.
func (r *encode) picture(ctx context.Context, c *command, fail func(log string) *transcode.Failure) error {
	_, err := r.sandbox.run(ctx, c)
	var exit *exitError
	if !errors.As(err, &exit) {
		return err
	}
	if err := exit.ours(); err != nil {
		return fmt.Errorf("make artwork: %w", err)
	}
	return fail(exit.tail)
}

// readKind reads the head of a picture.
func readKind(path string) (image.Config, *kind, error) {
	file, err := os.Open(path)
	if err != nil {
		return image.Config{}, nil, err
	}
	defer file.Close()
	config, name, err := image.DecodeConfig(file)
	if err != nil {
		return config, nil, err
	}
	k, known := kinds[name]
	if !known || config.Width <= 0 || config.Height <= 0 {
		return config, nil, image.ErrFormat
	}
	return config, &k, nil
}

// artError tells a bad picture from a file that cannot be read.
func artError(err error, fail func(log string) *transcode.Failure) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("read artwork: %w", err)
	}
	return fail(err.Error())
}

func checkArtSize(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("read artwork: %w", err)
	}
	if info.Size() > maxArtSize {
		return artTooBig(info.Size())
	}
	return nil
}

// coverArgs returns the arguments that put a track's pictures into it; index has
// the inputs that they are.
func (t *track) coverArgs(index map[string]int) []string {
	if t.inComments() {
		return t.commentArgs(index)
	}
	var args []string
	for _, c := range t.Covers {
		args = append(args, "-map", strconv.Itoa(index[c.File])+":0")
	}
	if len(t.Covers) == 0 {
		return nil
	}
	args = append(args, "-c:v", "copy", "-disposition:v", "attached_pic")
	for i := range t.Covers {
		// ID3 has one picture of a kind and a title.
		stream, comment := "-metadata:s:v:"+strconv.Itoa(i), "Cover (front)"
		if i > 0 {
			comment = "Other"
			args = append(args, stream, "title=Picture "+strconv.Itoa(i+1))
		}
		args = append(args, stream, "comment="+comment)
	}
	return args
}

// covers are the pictures of all tracks, each once.
func (p *plan) covers() []cover {
	var all []cover
	for _, t := range p.Tracks {
		for _, c := range t.Covers {
			if !slices.Contains(all, c) {
				all = append(all, c)
			}
		}
	}
	return all
}

// removeArt removes what was made on the way.
func (r *encode) removeArt(p *plan) error {
	files := []string{tagsFile, saidFile}
	for _, c := range p.covers() {
		files = append(files, c.File)
	}
	for i := range maxPictures { // those that no track has, and those that are in comments too
		files = append(files, extractedName(i))
	}
	for _, file := range files {
		if err := os.Remove(filepath.Join(r.dir, file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove artwork: %w", err)
		}
	}
	return nil
}
