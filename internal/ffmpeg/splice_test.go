package ffmpeg

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"etude/internal/audiofile"
	"etude/internal/ffmpeg/ffmpegtest"
)

// messages is a logger that writes levels and messages alone.
func messages(to *strings.Builder) *slog.Logger {
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.MessageKey || a.Key == slog.LevelKey {
			return a
		}
		return slog.Attr{}
	}}))
}

// spoiler is an alteration that has segments not fit at any packet at which they
// could be joined as they are, and knows what it has made.
type spoiler struct {
	codec   string
	patches int // of so many patches of a join, all is spoilt likewise

	mu    sync.Mutex
	froms map[int64]bool // what patches began with
	made  [][]byte
}

func (s *spoiler) alter(seg *segment, i int64, packet []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seg.own == 0 {
		return
	}
	if seg.around == nil {
		s.froms[seg.From] = true
		if len(s.froms) > s.patches {
			return
		}
	}
	if i < seg.own-1 || i > seg.own+24 {
		return
	}
	if s.codec == "AAC" {
		// The shape of the windows, behind element, tag, common_window, reserved
		// bit and sequence. Others of other shapes may come, but not here.
		packet[audiofile.ADTSHeader+1] ^= 1 << 4
	} else {
		// The sound begins further back than an encoder can have left room.
		packet[4], packet[5] = 0xff, packet[5]|0x80
	}
	s.made = append(s.made, bytes.Clone(packet))
}

// TestPatch has segments not fit. Then the sound around the join is encoded
// again, twice at most, and after that all of it; and nothing that does not fit
// is in what comes of it.
func TestPatch(t *testing.T) {
	t.Parallel()
	const samples = 5*44100 + 77 // two segments
	input := ffmpegtest.Clip(t, ffmpegtest.Spec{Samples: samples, Sound: ffmpegtest.Beats})
	original := ffmpegtest.Decode(t, input)
	for _, preset := range []string{"100110", "300040"} {
		single := encodeSplit(t, &encode{lanes: 1}, input, systemPreset(t, preset))
		for name, patches := range map[string]int{"first patch fits": 0, "second patch fits": 1, "no patch fits": 2} {
			t.Run(preset+" "+name, func(t *testing.T) {
				t.Parallel()
				said := &strings.Builder{}
				spoilt := &spoiler{codec: systemPreset(t, preset).Audio.Codec, patches: patches, froms: map[int64]bool{}}
				r := &encode{lanes: 2, alter: spoilt.alter}
				r.cfg.Logger, r.cfg.Segment = messages(said), 3*time.Second
				var joints []int64
				r.joined = func(_ *track, s *splitSound) { joints = s.Joints }
				encoded := encodeSplit(t, r, input, systemPreset(t, preset))
				made, path := encoded.Outputs[0].Made, encoded.Outputs[0].Files[0].Path
				want := strings.Repeat("level=WARN msg=\"segments cannot be joined: the sound around the join is encoded again\"\n", min(patches+1, 2))
				if patches == 2 {
					want += "level=WARN msg=\"segments cannot be joined: the file is encoded again as a whole\"\n"
				}
				if said.String() != want {
					t.Errorf("said\n%swant\n%s", said, want)
				}
				if in := strings.Contains(encoded.Log, "encoded again as a whole"); in != (patches == 2) {
					t.Errorf("the log is\n%s", encoded.Log)
				}
				if made.Samples != samples {
					t.Errorf("%d samples, want %d", made.Samples, samples)
				}
				if patches == 2 {
					if len(joints) > 0 || made.SHA256 != single.Outputs[0].Made.SHA256 {
						t.Errorf("joined at %v; it is not what is encoded whole", joints)
					}
					return
				}
				if len(joints) != 2 {
					t.Errorf("joined at %v, want a patch between two", joints)
				}
				content, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if len(spoilt.made) < 8 {
					t.Errorf("%d packets were spoilt", len(spoilt.made))
				}
				for _, packet := range spoilt.made {
					if spoilt.codec == "AAC" {
						packet = packet[audiofile.ADTSHeader:]
					}
					if bytes.Contains(content, packet) {
						t.Fatal("there is a packet that does not fit")
					}
				}
				if n := readPackets(t, path).illegal; n > 0 {
					t.Errorf("%d windows may not follow those before them", n)
				}
				got, whole := ffmpegtest.SNR(original, ffmpegtest.Decode(t, path)), ffmpegtest.SNR(original, ffmpegtest.Decode(t, single.Outputs[0].Files[0].Path))
				if got < whole-0.5 {
					t.Errorf("signal to noise is %.2f dB, as a whole %.2f", got, whole)
				}
			})
		}
	}
}
