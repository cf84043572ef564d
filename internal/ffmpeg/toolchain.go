package ffmpeg

import (
	"context"
	"errors"
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
	why             []error // what keeps this host from each stronger sandbox
	can             abilities
}

// abilities is what the ffmpeg that is installed can do, as far as it matters.
type abilities struct {
	Version  string
	Encoders []string // sorted
	Soxr     bool     // resampling by libsoxr
	Slow     bool     // it tells of its progress every half a second, and no oftener: before 4.4
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

	if err := e.lockIn(ctx, t); err != nil {
		return nil, err
	}
	e.ready = t
	return t, nil
}

// lockIn finds the sandbox, the strongest that works where none is asked for.
func (e *Encoder) lockIn(ctx context.Context, t *toolchain) error {
	modes := []Mode{e.cfg.Sandbox}
	if e.cfg.Sandbox == Auto {
		modes = []Mode{Bubblewrap, Landlock, Limits}
	}
	for i, mode := range modes {
		box, err := newSandbox(mode, e.cfg)
		if err == nil {
			t.can, err = askAbilities(ctx, box, t.ffmpeg)
		}
		switch {
		case err == nil:
			t.sandbox = box
			if mode == Limits && e.cfg.Sandbox == Auto || box.prlimit == "" {
				e.cfg.Logger.Warn("ffmpeg is not locked in: it can read what this process can", "sandbox", box.String(), "err", t.weaker())
			}
			return nil
		case mode == Limits:
			return fmt.Errorf("ask ffmpeg what it can do: %w", err)
		case i == len(modes)-1:
			return fmt.Errorf("set up the sandbox %s: %w", mode, err)
		}
		t.why = append(t.why, fmt.Errorf("%s: %w", mode, err))
	}
	return nil // there is always a last one
}

// weaker says why the sandbox is not a stronger one, or nil.
func (t *toolchain) weaker() error { return errors.Join(t.why...) }

// askAbilities starts ffmpeg in a sandbox, which shows that both work. One that
// does not know an option of newer versions is started again without it.
func askAbilities(ctx context.Context, box *sandbox, ffmpeg string) (a abilities, err error) {
	for _, pace := range [][]string{pace, nil} {
		var list, banner strings.Builder
		_, err = box.run(ctx, &command{
			program: ffmpeg,
			purpose: "ask what it can do",
			args:    slices.Concat([]string{"-nostdin"}, pace, []string{"-encoders"}),
			cpu:     time.Minute,
			stall:   20 * time.Second,
			stdout:  &list,
			line:    func(s string) { banner.WriteString(s + "\n") },
		})
		if err == nil {
			a, err = parseAbilities(banner.String(), list.String())
			a.Slow = pace == nil
			return a, err
		}
		var exit *exitError
		if !errors.As(err, &exit) || !strings.Contains(exit.tail, "stats_period") {
			break
		}
	}
	return a, err
}

// pace has ffmpeg tell of its progress ten times a second.
var pace = []string{"-stats_period", "0.1"}

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
