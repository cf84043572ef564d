package ffmpeg

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// mostTags is how many bytes of tags are carried: as much as a block of FLAC
// holds, and far more than anybody reads.
const mostTags = 15 << 20

// noTags is a plan's TagsFrom for none at all.
const noTags = "-1"

// tags is the input whose tags are carried, or noTags.
func (p *plan) tags() string {
	if p.TagsFrom == noTags {
		return noTags
	}
	return "0"
}

// limitTags has no tags carried of an input that begins with an ID3 tag which is
// too large for what is made.
func (p *plan) limitTags(input string) error {
	file, err := os.Open(input)
	if err != nil {
		return err
	}
	defer file.Close()
	head := make([]byte, 10)
	if _, err := io.ReadFull(file, head); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	} else if err != nil {
		return err
	}
	if string(head[:3]) != "ID3" {
		return nil
	}
	size := int64(head[6]&127)<<21 | int64(head[7]&127)<<14 | int64(head[8]&127)<<7 | int64(head[9]&127)
	if size > mostTags {
		p.TagsFrom = noTags
		p.Remark = remarks(p.Remark, fmt.Sprintf("The tags of this file take %d MiB and were left out.", size>>20))
	}
	return nil
}
