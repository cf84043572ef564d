package audiofile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// APE reads the tag of version 1 or 2 at the end of a file, or before a tag of
// ID3v1 there: "APEv2 specification" in Hydrogenaudio's knowledge base. It
// returns nil where there is none, or where it does not hold together. Pictures
// are the content of those items.
func APE(r io.ReaderAt, size int64) (tags []Tag, pictures [][]byte, err error) {
	end := size
	last := make([]byte, 3)
	if size >= 128 {
		if _, err := r.ReadAt(last, size-128); err != nil {
			return nil, nil, fmt.Errorf("read APE tag: %w", err)
		}
		if string(last) == "TAG" {
			end -= 128
		}
	}
	foot := make([]byte, apeFoot)
	if end < apeFoot {
		return nil, nil, nil
	}
	if _, err := r.ReadAt(foot, end-apeFoot); err != nil {
		return nil, nil, fmt.Errorf("read APE tag: %w", err)
	}
	le := binary.LittleEndian
	n, count, version := int64(le.Uint32(foot[12:])), le.Uint32(foot[16:]), le.Uint32(foot[8:])
	if string(foot[:8]) != "APETAGEX" || version != 1000 && version != 2000 || n < apeFoot || n > end {
		return nil, nil, nil
	}
	if n > maxText {
		return nil, nil, fmt.Errorf("read APE tag: %w", errText)
	}
	body := make([]byte, n-apeFoot)
	if _, err := r.ReadAt(body, end-n); err != nil {
		return nil, nil, fmt.Errorf("read APE tag: %w", err)
	}
	for range min(count, maxFrames) {
		if len(body) < 8 {
			break
		}
		length, flags := int64(le.Uint32(body)), le.Uint32(body[4:])
		name, rest, ok := bytes.Cut(body[8:], []byte{0})
		if !ok || length > int64(len(rest)) {
			break
		}
		value := rest[:length]
		body = rest[length:]
		switch text := flags&6 == 0; {
		case len(name) < 2 || len(name) > 255 || bytes.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }):
		case text && utf8.Valid(value):
			tags = append(tags, Tag{string(name), strings.ReplaceAll(strings.Trim(string(value), "\x00"), "\x00", ";")})
		case text:
			tags = append(tags, Tag{string(name), strings.Trim(latin1(value), "\x00")}) // as before version 2
		case flags&6 == 2 && strings.HasPrefix(strings.ToLower(string(name)), "cover art ("):
			if _, picture, ok := bytes.Cut(value, []byte{0}); ok { // after its file's name
				pictures = append(pictures, picture)
			}
		}
	}
	return Merge(tags), pictures, nil
}

const apeFoot = 32
