package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"text/tabwriter"
)

// facts is what ffprobe says of a file's first audio stream.
type facts struct {
	codec          string
	rate, channels int
	seconds        float64
}

// probeFile asks ffprobe.
func probeFile(ctx context.Context, path string) (f facts, err error) {
	cmd := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-select_streams", "a:0",
		"-show_entries", "stream=codec_name,sample_rate,channels:format=duration", "-of", "json", "file:"+path)
	text, err := cmd.Output()
	if err != nil {
		return f, fmt.Errorf("ffprobe %s: %w", path, err)
	}
	var probed struct {
		Streams []struct {
			CodecName  string `json:"codec_name"`
			SampleRate string `json:"sample_rate"`
			Channels   int    `json:"channels"`
		} `json:"streams"`
		Format struct {
			Duration string `json:"duration"`
		} `json:"format"`
	}
	if err := json.Unmarshal(text, &probed); err != nil {
		return f, fmt.Errorf("ffprobe %s: %w", path, err)
	}
	if len(probed.Streams) == 0 {
		return f, fmt.Errorf("ffprobe %s: there is no audio in it", path)
	}
	s := probed.Streams[0]
	f = facts{codec: s.CodecName, channels: s.Channels}
	if f.rate, err = strconv.Atoi(s.SampleRate); err != nil {
		return f, fmt.Errorf("ffprobe %s: sample rate %q", path, s.SampleRate)
	}
	if f.seconds, err = strconv.ParseFloat(probed.Format.Duration, 64); err != nil {
		return f, fmt.Errorf("ffprobe %s: duration %q", path, probed.Format.Duration)
	}
	return f, nil
}

// longestDrift is how far a result's duration may be from the song's: the
// header of an MP3 without a Xing frame is only an estimate.
const longestDrift = 0.25 // seconds

// checkFiles compares each result with what was asked for, and returns a table
// of them.
func checkFiles(ctx context.Context, song string, files []string) (report string, err error) {
	source, err := probeFile(ctx, song)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for i, file := range files {
		want := renditions[i]
		got, err := probeFile(ctx, file)
		if err != nil {
			return "", err
		}
		if got.codec != want.codec || got.rate != want.rate || got.channels != want.channels ||
			math.Abs(got.seconds-source.seconds) > longestDrift {
			return "", fmt.Errorf("%s is %+v, want %s %d Hz %d channels %.2f s", file, got, want.codec, want.rate, want.channels, source.seconds)
		}
		info, err := os.Stat(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d Hz\t%d ch\t%.2f s\t%.2f MB\tas asked for\n", file, want.what, got.codec, got.rate, got.channels, got.seconds, float64(info.Size())/1e6)
	}
	err = w.Flush()
	return b.String(), err
}

// progressBar shows progress in one line of a terminal, or in a line for each
// quarter where the output is none.
type progressBar struct {
	out      io.Writer
	terminal bool
	last     string
}

func newProgressBar(out io.Writer) *progressBar {
	return &progressBar{out: out, terminal: isTerminal(out)}
}

// isTerminal reports whether somebody looks at what is written.
func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

const barWidth = 32

func (b *progressBar) show(p shownProgress) {
	full := int(p.done*barWidth + 0.5)
	if !b.terminal {
		full = full / (barWidth / 4) * (barWidth / 4)
	}
	percent := 100 * full / barWidth
	if b.terminal {
		percent = int(p.done * 100)
	}
	line := fmt.Sprintf("  [%s%s] %3d %% %-12s", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), percent, p.phase)
	if line == b.last {
		return
	}
	b.last = line
	if b.terminal {
		fmt.Fprint(b.out, "\r", line)
	} else {
		fmt.Fprintln(b.out, line)
	}
}

func (b *progressBar) end() {
	if b.terminal && b.last != "" {
		fmt.Fprintln(b.out)
	}
}
