package ffmpeg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"etude/internal/audiofile"
)

// finish makes files of what the decode has left: AAC in MP4 and MP3 are given
// their exact end, what was encoded in segments is put into the file that was
// made for it, and tags go where ffmpeg does not put them.
func (r *encode) finish(ctx context.Context, p *plan, done *decoded) error {
	said, err := r.said()
	if err != nil {
		return err
	}
	for i := range p.Tracks {
		t := &p.Tracks[i]
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var err error
		switch {
		case t.Split != nil || t.hasEdit():
			err = r.finishTrack(t, said, done.fed[i], done.sounds[i])
		case t.container == "mp3":
			err = r.finishInfo(t, done.fed[i])
		}
		if err != nil {
			return fmt.Errorf("finish output %q: %w", t.File, err)
		}
		if err := r.finishTags(t, said); err != nil {
			return fmt.Errorf("tag output %q: %w", t.File, err)
		}
	}
	return nil
}

// hasEdit reports whether a track's file says in an edit list what of it is to
// be heard. ffmpeg 5.1 writes only where that begins.
func (t *track) hasEdit() bool { return t.Format == "mp4" && t.codec == "AAC" }

func (r *encode) finishTrack(t *track, said []audiofile.Tag, samples int64, sound *splitSound) error {
	path := filepath.Join(r.dir, t.File)
	shell, err := r.openOwn(t.File, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer shell.Close()
	packets := shell
	if sound != nil {
		if packets, err = r.openOwn(sound.File, os.O_RDONLY); err != nil {
			return err
		}
		defer packets.Close()
		defer os.Remove(filepath.Join(r.dir, sound.File))
	}
	file, err := os.OpenFile(path+".part", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(file, 1<<18)
	sum := crc32.New(castagnoli)
	data := io.TeeReader(packets, sum)
	if t.codec == "mp3" {
		err = t.finishMP3(out, shell, data, sound)
	} else {
		err = t.finishMP4(out, shell, data, said, samples, sound)
	}
	if err = errors.Join(err, out.Flush(), file.Close()); err != nil {
		return err
	}
	if sound != nil && sum.Sum32() != sound.Sum {
		return errors.New("its packets are not those that were joined")
	}
	return os.Rename(path+".part", path)
}

// finishMP4 writes an MP4 with the boxes of the shell.
func (t *track) finishMP4(out io.Writer, shell *os.File, data io.Reader, said []audiofile.Tag, samples int64, sound *splitSound) error {
	info, err := shell.Stat()
	if err != nil {
		return err
	}
	m, err := audiofile.ReadMP4(shell, info.Size())
	if err != nil {
		return err
	}
	if sound != nil {
		m.Sizes = sound.Sizes
	} else {
		data = io.NewSectionReader(shell, m.Data, m.Bytes())
	}
	m.Samples, m.Free = samples, freeTags(said)
	return m.Write(out, data)
}

// finishMP3 writes an MP3 with the tags of the shell, and LAME's frame.
func (t *track) finishMP3(out io.Writer, shell *os.File, data io.Reader, sound *splitSound) error {
	frame, at, err := readInfoFrame(shell)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, io.NewSectionReader(shell, 0, at)); err != nil {
		return err
	}
	info := audiofile.Info{Frames: int64(len(sound.Sizes)), Bytes: int64(len(frame)), Delay: t.Split.Delay, CRC: sound.CRC}
	for _, n := range sound.Sizes {
		info.Bytes += int64(n)
	}
	for i := range info.Seek {
		info.Seek[i] = byte(i * 256 / 100)
	}
	info.Padding = info.Frames*t.Split.Frame - info.Delay - sound.Samples
	if err := audiofile.WriteInfo(frame, info); err != nil {
		return err
	}
	if _, err := out.Write(frame); err != nil {
		return err
	}
	_, err = io.Copy(out, data)
	return err
}

// finishInfo has LAME's frame of an MP3 that was encoded whole say where its
// sound ends: LAME's own word is up to 47 samples too late, where less than that
// is left of the last frame.
func (r *encode) finishInfo(t *track, samples int64) error {
	file, err := r.openOwn(t.File, os.O_RDWR)
	if err != nil {
		return err
	}
	defer file.Close()
	frame, at, err := readInfoFrame(file)
	if err != nil {
		return err
	}
	h, err := audiofile.ReadMPEG(frame)
	if err != nil {
		return err
	}
	info, err := audiofile.ReadInfo(frame)
	if err != nil {
		return err
	}
	ends := info.Frames*int64(h.Samples) - info.Delay - samples
	if ends == info.Padding || ends < 0 {
		return nil
	}
	info.Padding = ends
	if err := audiofile.WriteInfo(frame, info); err != nil {
		return err
	}
	_, err = file.WriteAt(frame, at)
	return err
}

// readInfoFrame reads the first frame of an MP3, and where that begins.
func readInfoFrame(file io.ReaderAt) (frame []byte, at int64, err error) {
	head := make([]byte, 10)
	if _, err := file.ReadAt(head, 0); err != nil {
		return nil, 0, err
	}
	at = audiofile.ID3Length(head)
	if _, err := file.ReadAt(head, at); err != nil {
		return nil, 0, err
	}
	h, err := audiofile.ReadMPEG(head)
	if err != nil {
		return nil, 0, err
	}
	frame = make([]byte, h.Length)
	_, err = file.ReadAt(frame, at)
	return frame, at, err
}
