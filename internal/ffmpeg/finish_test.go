package ffmpeg

import (
	"testing"

	"etude/internal/ffmpeg/ffmpegtest"
)

// TestMP3Ends has MP3s of which little is in the last frame, or little is left of
// it: those that LAME lets end too late.
func TestMP3Ends(t *testing.T) {
	t.Parallel()
	for _, samples := range []int64{1, 40*1152 - 1105 - 47, 40*1152 - 1105 - 46, 40*1152 - 1105 - 1, 40*1152 - 1105, 40*1152 - 1105 + 1} {
		made := encodeSplit(t, &encode{lanes: 1}, ffmpegtest.Clip(t, ffmpegtest.Spec{Samples: samples}), systemPreset(t, "300040")).Outputs[0]
		if n := len(ffmpegtest.Decode(t, made.Files[0].Path)) / 8; made.Made.Samples != samples || int64(n) != samples {
			t.Errorf("%d samples came out as %d, and decode to %d", samples, made.Made.Samples, n)
		}
		if says := readPackets(t, made.Files[0].Path); says.samples != samples {
			t.Errorf("of %d samples, it says %+v", samples, says)
		}
	}
}
