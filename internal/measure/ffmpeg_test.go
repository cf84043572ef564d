package measure_test

import (
	"encoding/binary"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/measure"
	"etude/internal/tune"
)

// TestAgreesWithFFmpeg hears music, as it is and made into other things, by
// ourselves and by ffmpeg's ebur128: within 0.1 LU and 0.2 dB.
func TestAgreesWithFFmpeg(t *testing.T) {
	t.Parallel()
	ffmpegtest.Need(t)
	music := filepath.Join(t.TempDir(), "music.wav")
	file, err := os.Create(music)
	if err != nil {
		t.Fatal(err)
	}
	if err := tune.Write(file); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, filter   string
		rate, channels int
	}{
		{"as it is", "anull", 48000, 2},
		{"soft", "volume=-30dB", 48000, 2},
		{"beyond full scale", "volume=9dB", 48000, 2},
		{"clipped", "volume=12dB,aeval=clip(val(0)\\,-1\\,1)|clip(val(1)\\,-1\\,1):c=same", 48000, 2},
		{"CD", "aresample=44100", 44100, 2},
		{"mono", "pan=mono|c0=0.5*c0+0.5*c1,aresample=22050", 22050, 1},
		{"telephone", "aresample=8000", 8000, 2},
		{"studio", "aresample=96000", 96000, 2},
		{"swelling", "volume='0.02+0.98*abs(sin(t/2))':eval=frame", 48000, 2},
		{"5.1", "pan=5.1|FL=FL|FR=FR|FC=0.5*FL+0.5*FR|LFE=FL|BL=0.7*FR|BR=0.4*FL", 48000, 6},
		{"too short for a range", "atrim=end=2", 48000, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := decoded(t, music, tt.filter, tt.rate, tt.channels).Loudness
			want := ebur128(t, music, tt.filter)
			t.Logf("got  %+.2f\nwant %+.2f", got, want)
			if !within(got.Integrated, want.Integrated, 0.1, 0.1) || !within(got.Range, want.Range, 0.1, 0.1) {
				t.Errorf("got %.2f LUFS and %.2f LU, want %.1f and %.1f", got.Integrated, got.Range, want.Integrated, want.Range)
			}
			if !within(got.TruePeak, want.TruePeak, 0.2, 0.2) || !within(got.SamplePeak, want.SamplePeak, 0.06, 0.06) {
				t.Errorf("got %.2f dBTP and %.2f dBFS, want %.1f and %.1f", got.TruePeak, got.SamplePeak, want.TruePeak, want.SamplePeak)
			}
		})
	}
}

// decoded measures what ffmpeg makes of a file.
func decoded(t *testing.T, path, filter string, rate, channels int) *measure.Result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-loglevel", "error", "-i", path, "-af", filter, "-f", "f32le", "-")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m, err := measure.New(rate, channels, 0)
	if err != nil {
		t.Fatal(err)
	}
	raw, pcm := make([]byte, 1<<16), make([]float32, 1<<14)
	for {
		n, err := io.ReadFull(out, raw)
		for i := range n / 4 {
			pcm[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		m.Write(pcm[:n/4])
		if err != nil {
			break
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return m.Result()
}

var summary = regexp.MustCompile(`Summary:\s+Integrated loudness:\s+I:\s+(\S+) LUFS\s+Threshold:.*\s+Loudness range:\s+LRA:\s+(\S+) LU\s[\s\S]*` +
	`Sample peak:\s+Peak:\s+(\S+) dBFS\s+True peak:\s+Peak:\s+(\S+) dBFS`)

// ebur128 is what ffmpeg says.
func ebur128(t *testing.T, path, filter string) measure.Loudness {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-hide_banner", "-i", path,
		"-af", filter+",ebur128=peak=sample+true:framelog=verbose", "-f", "null", "-")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m := summary.FindSubmatch(out)
	if m == nil {
		t.Fatalf("there is no summary in\n%s", out)
	}
	var v [4]float64
	for i := range v {
		if v[i], err = strconv.ParseFloat(string(m[i+1]), 64); err != nil {
			t.Fatal(err)
		}
	}
	return measure.Loudness{Integrated: v[0], Range: v[1], SamplePeak: v[2], TruePeak: v[3]}
}
