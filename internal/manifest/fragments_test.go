package manifest_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/manifest"
)

// mp4 builds a file of boxes.
type mp4 []byte

func (m mp4) box(kind string, content ...byte) mp4 {
	m = binary.BigEndian.AppendUint32(slices.Clip(m), uint32(8+len(content)))
	return append(append(m, kind...), content...)
}

// big builds a box whose length is in 64 bits.
func (m mp4) big(kind string, content ...byte) mp4 {
	m = append(binary.BigEndian.AppendUint32(slices.Clip(m), 1), kind...)
	m = binary.BigEndian.AppendUint64(m, uint64(16+len(content)))
	return append(m, content...)
}

type ref struct{ size, duration uint32 }

func sidx(version byte, timescale uint32, gap uint64, refs ...ref) []byte {
	b := append([]byte{version, 0, 0, 0}, 0, 0, 0, 1)
	b = binary.BigEndian.AppendUint32(b, timescale)
	if version == 0 {
		b = binary.BigEndian.AppendUint32(b, 0)
		b = binary.BigEndian.AppendUint32(b, uint32(gap))
	} else {
		b = binary.BigEndian.AppendUint64(b, 0)
		b = binary.BigEndian.AppendUint64(b, gap)
	}
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(refs)))
	for _, r := range refs {
		b = binary.BigEndian.AppendUint32(b, r.size)
		b = binary.BigEndian.AppendUint32(b, r.duration)
		b = binary.BigEndian.AppendUint32(b, 0x90000000)
	}
	return b
}

var (
	// head has 36 bytes.
	head = mp4{}.box("ftyp", []byte("iso5dash")...).box("moov", make([]byte, 12)...)
	// body has segments of 28 and 36 bytes, the second with two fragments.
	body  = mp4{}.box("moof", 1, 2).box("mdat", 3, 4, 5, 6, 7, 8, 9, 10, 11, 12).box("moof").box("mdat", 1, 2, 3, 4).box("moof").box("mdat")
	whole = string(head.box("sidx", sidx(0, 1000, 0, ref{28, 3000}, ref{36, 1500})...)) + string(body)
)

func TestReadFragments(t *testing.T) {
	want := &manifest.Fragments{
		Init:     manifest.Range{First: 0, Last: 35},
		Index:    manifest.Range{First: 36, Last: 91},
		Duration: 4.5,
		Segments: []manifest.Segment{{Duration: 3, Size: 28, Offset: 92}, {Duration: 1.5, Size: 36, Offset: 120}},
	}
	wide := *want
	wide.Index.Last, wide.Segments = 107, []manifest.Segment{{Duration: 3, Size: 28, Offset: 116}, {Duration: 1.5, Size: 36, Offset: 144}}
	tests := []struct {
		name, file string
		want       *manifest.Fragments
	}{
		{"plain", whole, want},
		{"trailer", whole + string(mp4{}.box("mfra", 1, 2, 3)), want},
		{"box up to the end", whole + "\x00\x00\x00\x00free1234", want},
		{"64 bits and a gap", string(head.big("sidx", sidx(1, 1000, 8, ref{28, 3000}, ref{36, 1500})...).box("free")) + string(body), &wide},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := manifest.ReadFragments(strings.NewReader(tt.file), int64(len(tt.file)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadFragmentsRefuses(t *testing.T) {
	indexed := func(index []byte) string { return string(head.box("sidx", index...)) + string(body) }
	tests := []struct{ name, file, want string }{
		{"empty", "", "there is no index"},
		{"short", "\x00\x00\x00", "within the header of a box"},
		{"not MP4", "ID3 and then some music", "the first box is"},
		{"no index", string(head) + string(body), "there is no index"},
		{"not fragmented", string(head.box("mdat")), "there is no index"},
		{"index ahead of moov", string(mp4{}.box("ftyp").box("sidx", sidx(0, 1, 0, ref{8, 1})...)), "ahead of the moov box"},
		{"two moov boxes", string(head.box("moov")), "there was one before"},
		{"cut in a segment", whole[:100], "segment 0 of the index cannot have 28 bytes from byte 92 on"},
		{"cut between segments", whole[:120], "segment 1 of the index cannot have 36 bytes from byte 120 on"},
		{"cut in the index", whole[:60], `box "sidx" at byte 36 cannot have 56 bytes`},
		{"box shorter than its header", string(head) + "\x00\x00\x00\x07free", "cannot have 7 bytes"},
		{"box of 2^64-1 bytes", string(head) + "\x00\x00\x00\x01free\xff\xff\xff\xff\xff\xff\xff\xff", "cannot have 18446744073709551615 bytes"},
		{"box of 64 bits, cut", string(head) + "\x00\x00\x00\x01free\x00", "within the header of box"},
		{"short index", indexed(nil), "too short"},
		{"short index of 64 bits", indexed(sidx(1, 1, 0)[:28]), "too short"},
		{"timescale", indexed(sidx(0, 0, 0, ref{28, 1}, ref{36, 1})), "timescale of zero"},
		{"empty index", indexed(sidx(0, 1, 0)), "the index is empty"},
		{"index that claims more", indexed(sidx(0, 1, 0, ref{28, 1}, ref{36, 1})[:40]), "claims 2 segments"},
		{"gap beyond the file", indexed(sidx(1, 1, math.MaxUint64, ref{28, 1}, ref{36, 1})), "the file ends before that"},
		{"segment beyond the file", indexed(sidx(0, 1, 0, ref{28, 1}, ref{37, 1})), "segment 1 of the index cannot have 37 bytes"},
		{"segment of no bytes", indexed(sidx(0, 1, 0, ref{0, 1}, ref{64, 1})), "segment 0 of the index cannot have 0 bytes"},
		{"segment of no time", indexed(sidx(0, 1, 0, ref{28, 0}, ref{36, 1})), "last 0/1 s"},
		{"index of indexes", indexed(sidx(0, 1, 0, ref{28 | 1<<31, 1}, ref{36, 1})), "is an index itself"},
		{"segment within a box", indexed(sidx(0, 1, 0, ref{20, 1}, ref{44, 1})), "segment 1 of the index begins at byte 112, within another box"},
		{"segment without a fragment", indexed(sidx(0, 1, 0, ref{10, 1}, ref{18, 1}, ref{36, 1})), "segment 1 of the index has no fragment"},
		{"last segment without a fragment", string(head.box("sidx", sidx(0, 1, 0, ref{8, 1})...).box("mdat")), "the file ends within number 1"},
		{"index of a part", indexed(sidx(0, 1, 0, ref{28, 1})), "not in the index"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := manifest.ReadFragments(strings.NewReader(tt.file), int64(len(tt.file)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v and error %v, want one that says %q", got, err, tt.want)
			}
		})
	}
	t.Run("fewer bytes than promised", func(t *testing.T) {
		_, err := manifest.ReadFragments(strings.NewReader(whole), int64(len(whole))+20)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got error %v, want %v", err, io.ErrUnexpectedEOF)
		}
	})
	t.Run("endless boxes", func(t *testing.T) {
		_, err := manifest.ReadFragments(boxes{}, math.MaxInt64)
		if err == nil || !strings.Contains(err.Error(), "more than 1048576 boxes") {
			t.Errorf("got error %v, want one of too many boxes", err)
		}
	})
}

// boxes is a file that has nothing but boxes of 16 bytes.
type boxes struct{}

func (boxes) ReadAt(p []byte, _ int64) (int, error) {
	return copy(p, "\x00\x00\x00\x10ftyp\x00\x00\x00\x10ftyp"), nil
}

// FuzzReadFragments holds that what is found lies within the file and hangs
// together, whatever the bytes are.
func FuzzReadFragments(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(string(head.big("sidx", sidx(1, 1000, 8, ref{28, 3000}, ref{36, 1500})...).box("free")) + string(body)))
	f.Add([]byte(whole + "\x00\x00\x00\x00free1234"))
	f.Fuzz(func(t *testing.T, file []byte) {
		got, err := manifest.ReadFragments(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		if got.Init.First != 0 || got.Init.Last <= 0 || got.Index.First <= got.Init.Last || got.Index.Last <= got.Index.First {
			t.Errorf("ranges %v and %v are not one after the other", got.Init, got.Index)
		}
		at, seconds := got.Segments[0].Offset, 0.0
		if at <= got.Index.Last {
			t.Errorf("first segment begins at %d, index ends at %d", at, got.Index.Last)
		}
		for i, s := range got.Segments {
			if s.Offset != at || s.Size <= 0 || !(s.Duration > 0) {
				t.Errorf("segment %d is %+v, want one from %d on", i, s, at)
			}
			at += s.Size
			seconds += s.Duration
		}
		if at > int64(len(file)) {
			t.Errorf("segments end at %d of %d", at, len(file))
		}
		if math.Abs(seconds-got.Duration) > 1e-6*seconds {
			t.Errorf("duration is %v, of all segments %v", got.Duration, seconds)
		}
	})
}
