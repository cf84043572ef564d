package ffmpeg

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"etude/internal/manifest"
	"etude/internal/transcode"
)

// list is the name of the list of a track's segments.
func (t *track) list() string { return strings.TrimSuffix(t.File, t.Extension) + ".m3u8" }

// lay lays out a track's file, which was verified, as its rendition wants it.
func (r *encode) lay(ctx context.Context, t *track, f *facts) (*transcode.EncodedOutput, error) {
	path := filepath.Join(r.dir, t.File)
	out := &transcode.EncodedOutput{
		Files: []transcode.EncodedFile{{Path: path, ContentType: t.ContentType}},
		Made:  f.made(),
	}
	var err error
	switch t.Files {
	case transcode.Fragmented:
		if out.Made.Media, err = readFragments(path, f); err == nil {
			out.Made.Duration = playing(out.Made.Media.Segments) // without the encoder's delay
		}
	case transcode.ByteRanges:
		out.Files[0].Suffix = ".ts"
		out.Made.Media, err = r.segments(t, f)
	case transcode.SegmentFiles:
		if out.Made.Media, err = r.segments(t, f); err == nil {
			out.Made.SHA256 = ""
			out.Files, err = r.split(ctx, t, out.Made.Media.Segments)
		}
	}
	return out, err
}

// mostDelay is more samples than any encoder's delay and last frame have.
const mostDelay = 8192

func readFragments(path string, f *facts) (*transcode.Media, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	found, err := manifest.ReadFragments(file, f.size)
	if err != nil {
		return nil, err
	}
	if more := float64(f.Samples) - found.Duration*float64(f.Rate); more < -1 || more > mostDelay {
		return nil, fmt.Errorf("its index says %v s, and it decodes to %d samples", found.Duration, f.Samples)
	}
	return &transcode.Media{Segments: found.Segments, Init: found.Init, Index: found.Index}, nil
}

// playing is how long some segments last.
func playing(segments []manifest.Segment) time.Duration {
	sum := 0.0
	for _, s := range segments {
		sum += s.Duration
	}
	return time.Duration(math.Round(sum * float64(time.Second)))
}

// segments reads where the segments of a track's file are. What is not whole
// frames is rounded to them, so that the durations add up to what was decoded.
func (r *encode) segments(t *track, f *facts) (*transcode.Media, error) {
	path := filepath.Join(r.dir, t.list())
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	segments, err := parseSegments(file)
	if err != nil {
		return nil, err
	}
	if err := exact(segments, f, t.frame()); err != nil {
		return nil, err
	}
	for i := range segments {
		segments[i].Name = t.Extension
	}
	return &transcode.Media{Segments: segments}, os.Remove(path)
}

// frame is how many samples a packet of a track has: MPEG-2's have half.
func (t *track) frame() int64 {
	if t.codec == "mp3" && t.Rate < 32000 {
		return t.Frame / 2
	}
	if t.Profile != "" {
		return 2 * t.Frame // HE-AAC
	}
	return t.Frame
}

// parseSegments reads the durations, sizes and offsets of ffmpeg's list.
func parseSegments(list io.Reader) ([]manifest.Segment, error) {
	var segments []manifest.Segment
	var s manifest.Segment
	lines := bufio.NewScanner(list)
	for lines.Scan() {
		line := lines.Text()
		if rest, ok := strings.CutPrefix(line, "#EXTINF:"); ok {
			duration, err := strconv.ParseFloat(strings.TrimSuffix(rest, ","), 64)
			if err != nil {
				return nil, fmt.Errorf("read list of segments: %.80q", line)
			}
			s = manifest.Segment{Duration: duration}
		}
		if rest, ok := strings.CutPrefix(line, "#EXT-X-BYTERANGE:"); ok {
			if n, err := fmt.Sscanf(rest, "%d@%d", &s.Size, &s.Offset); err != nil || n != 2 {
				return nil, fmt.Errorf("read list of segments: %.80q", line)
			}
			segments = append(segments, s)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read list of segments: %w", err)
	}
	return segments, nil
}

// exact puts the durations of segments, which ffmpeg rounds, at whole frames,
// the last one's at what is left of all that was decoded. Segments must follow
// each other and fill the file.
func exact(segments []manifest.Segment, f *facts, frame int64) error {
	at, left := int64(0), f.Samples
	for i := range segments {
		s := &segments[i]
		if s.Offset != at || s.Size <= 0 {
			return fmt.Errorf("segment %d has %d bytes from byte %d on, and the one before it ends at %d", i, s.Size, s.Offset, at)
		}
		at += s.Size
		n := int64(s.Duration*float64(f.Rate)/float64(frame)+0.5) * frame
		if i == len(segments)-1 {
			n = left
		}
		if n <= 0 || n > left {
			return fmt.Errorf("segment %d has %d samples of the %d that are left", i, n, left)
		}
		left -= n
		s.Duration = float64(n) / float64(f.Rate)
	}
	if at != f.size {
		return fmt.Errorf("the segments have %d bytes, and the file has %d", at, f.size)
	}
	return nil
}

// split makes a file of each segment, and names the segments after them.
func (r *encode) split(ctx context.Context, t *track, segments []manifest.Segment) ([]transcode.EncodedFile, error) {
	whole := filepath.Join(r.dir, t.File)
	source, err := os.Open(whole)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	var files []transcode.EncodedFile
	for i := range segments {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		s := &segments[i]
		suffix := fmt.Sprintf("%05d%s", i, t.Extension)
		path := strings.TrimSuffix(whole, t.Extension) + "-" + suffix
		if err := writePart(path, io.NewSectionReader(source, s.Offset, s.Size)); err != nil {
			return nil, err
		}
		s.Name, s.Offset = suffix, 0
		files = append(files, transcode.EncodedFile{Path: path, Suffix: suffix, ContentType: t.ContentType})
	}
	return files, os.Remove(whole)
}

func writePart(path string, part io.Reader) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = io.Copy(file, part); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
