package ffmpeg

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// toolchain is what was found on this host.
type toolchain struct {
	ffmpeg, ffprobe string // absolute paths
	sandbox         *sandbox
	can             abilities
}

// abilities is what the ffmpeg that is installed can do, as far as it matters.
type abilities struct {
	Version  string
	Encoders []string // sorted
	Soxr     bool     // resampling by libsoxr
}

func (a abilities) encodes(name string) bool {
	_, found := slices.BinarySearch(a.Encoders, name)
	return found
}

// best returns the first of some encoders that there is, or "".
func (a abilities) best(names ...string) string {
	for _, name := range names {
		if a.encodes(name) {
			return name
		}
	}
	return ""
}

// toolchain finds out once what this host has, by one start of ffmpeg. An
// answer is kept for good; a fault is not, so that it can be mended.
func (e *Encoder) toolchain() (*toolchain, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ready != nil {
		return e.ready, nil
	}
	t := &toolchain{ffmpeg: e.cfg.FFmpeg, ffprobe: e.cfg.FFprobe}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	box, why := newSandbox(e.cfg)
	var err error
	if box.bwrap != "" {
		if t.can, err = askAbilities(ctx, box, t.ffmpeg); err != nil {
			box.bwrap, why = "", err
		}
	}
	if box.bwrap == "" {
		if e.cfg.Sandbox == Bubblewrap {
			return nil, fmt.Errorf("set up bubblewrap: %w", why)
		}
		if t.can, err = askAbilities(ctx, box, t.ffmpeg); err != nil {
			return nil, fmt.Errorf("ask ffmpeg what it can do: %w", err)
		}
		if e.cfg.Sandbox == Auto || box.prlimit == "" {
			e.cfg.Logger.Warn("ffmpeg runs without bubblewrap: it can read what this process can",
				"sandbox", box.String(), "err", why)
		}
	}
	t.sandbox = box
	e.ready = t
	return t, nil
}

// askAbilities starts ffmpeg in a sandbox, which shows that both work.
func askAbilities(ctx context.Context, box *sandbox, ffmpeg string) (abilities, error) {
	var list, banner strings.Builder
	_, err := box.run(ctx, &command{
		program: ffmpeg,
		args:    []string{"-nostdin", "-encoders"},
		cpu:     time.Minute,
		stall:   20 * time.Second,
		stdout:  &list,
		line:    func(s string) { banner.WriteString(s + "\n") },
	})
	if err != nil {
		return abilities{}, err
	}
	return parseAbilities(banner.String(), list.String())
}

var (
	versionLine = regexp.MustCompile(`(?m)^ffmpeg version (\S+)`)
	encoderLine = regexp.MustCompile(`(?m)^ [VAS][.A-Z]{5} (\w+) `)
)

// parseAbilities reads ffmpeg's banner and its list of encoders.
func parseAbilities(banner, list string) (abilities, error) {
	version := versionLine.FindStringSubmatch(banner)
	if version == nil {
		return abilities{}, fmt.Errorf("read ffmpeg's version: its first words are %.80q", banner)
	}
	a := abilities{Version: version[1], Soxr: strings.Contains(banner, "--enable-libsoxr")}
	for _, m := range encoderLine.FindAllStringSubmatch(list, -1) {
		a.Encoders = append(a.Encoders, m[1])
	}
	slices.Sort(a.Encoders)
	return a, nil
}
