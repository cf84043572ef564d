//go:build linux

// Command engine measures Etude's engine against ffmpeg itself and against the chain of
// commands that people use without either: ffprobe, and one ffmpeg for each
// output. All make WAV, FLAC and AAC of the same MP3, in turns, and what is
// printed is a table of medians and their ratios.
//
//	go run ./bench/engine            # all rows; about half an hour on two quiet cores
//	go run ./bench/engine -rows song,clip -rounds 3
//	go run ./bench/engine -rows song -profile   # which process takes what
//
// ETUDE_BENCH_SONG names a song to make the inputs of, and
// ETUDE_BENCH_STATIC_FFMPEG an ffmpeg that starts quicker than the installed
// one. Processor time is that of all processes, the engine's own among them.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"etude/internal/ffmpeg"
	"etude/internal/transcode"
	"etude/internal/tune"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
}

// bench is one run of the program.
type bench struct {
	dir    string
	song   string
	static string
	etude  string // the built program; empty to leave out the service
	hours  int    // of audio, in the row memory
	rounds int
	input  map[string]string // by row
	plain  *ffmpeg.Encoder
	quick  *ffmpeg.Encoder // with the static ffmpeg; may be nil
}

// row is a kind of work.
type row struct {
	name    string
	seconds int // of the input
	rounds  int // 0 for those that are asked for
	jobs    int // at once, one after the other for each core
}

var rows = []row{
	{name: "clip", seconds: 5, rounds: 15},
	{name: "saturated", seconds: 5, rounds: 5, jobs: 24},
	{name: "song", seconds: 240, rounds: 7},
	{name: "hour", seconds: 3600, rounds: 3},
}

func run(ctx context.Context) (err error) {
	which := flag.String("rows", "clip,saturated,song,hour,service,memory", "what to measure; memory is of -hours")
	rounds := flag.Int("rounds", 0, "how often each contestant has its turn; 0 for 15 clips to 3 hours")
	hours := flag.Int("hours", 6, "how much audio the row memory is of")
	profile := flag.Bool("profile", false, "print what each of the engine's processes takes in each row, instead of comparing")
	etude := flag.String("etude", "bin/etude", "the program, for the row service")
	flag.Parse()
	b := &bench{song: os.Getenv("ETUDE_BENCH_SONG"), static: os.Getenv("ETUDE_BENCH_STATIC_FFMPEG"), etude: *etude, hours: *hours, rounds: *rounds, input: map[string]string{}}
	if b.dir, err = os.MkdirTemp("", "etude-bench"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := becomeReaper(); err != nil {
		return fmt.Errorf("reap grandchildren: %w", err)
	}
	if b.plain, err = ffmpeg.New(ffmpeg.Config{}); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "sandbox: %s\n", b.plain.Sandbox())
	if b.static != "" {
		if b.quick, err = ffmpeg.New(ffmpeg.Config{FFmpeg: b.static}); err != nil {
			return err
		}
		b.quick.Sandbox()
	}
	chosen := strings.Split(*which, ",")
	fmt.Printf("%s, %d cores, %s, %s\n\n", time.Now().Format(time.DateOnly), runtime.NumCPU(), runtime.GOARCH, version(ctx, "ffmpeg"))
	if err := b.cores(ctx); err != nil {
		return fmt.Errorf("compare cores: %w", err)
	}
	for _, r := range rows {
		if !slices.Contains(chosen, r.name) {
			continue
		}
		measure := b.row
		if *profile {
			measure = b.profile
		}
		if err := measure(ctx, r); err != nil {
			return fmt.Errorf("row %s: %w", r.name, err)
		}
	}
	if *profile {
		return nil
	}
	if slices.Contains(chosen, "service") {
		if err := b.service(ctx); err != nil {
			return fmt.Errorf("row service: %w", err)
		}
	}
	if slices.Contains(chosen, "memory") {
		if err := b.memory(ctx, b.hours*3600); err != nil {
			return fmt.Errorf("row memory: %w", err)
		}
	}
	return nil
}

func version(ctx context.Context, program string) string {
	out, _ := exec.CommandContext(ctx, program, "-version").Output()
	words := strings.Fields(string(out))
	if len(words) < 3 {
		return "no ffmpeg"
	}
	return "ffmpeg " + words[2]
}

// makeInput makes an MP3 of some length, once.
func (b *bench) makeInput(ctx context.Context, seconds int) (string, error) {
	path := filepath.Join(b.dir, fmt.Sprintf("in-%d.mp3", seconds))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	song := b.song
	if song == "" {
		song = filepath.Join(b.dir, "tune.wav")
		var music bytes.Buffer
		if err := tune.Write(&music); err != nil {
			return "", err
		}
		if err := os.WriteFile(song, music.Bytes(), 0o600); err != nil {
			return "", err
		}
	}
	args := []string{"-stream_loop", "-1", "-i", song, "-map", "0:a:0", "-ar", "44100", "-ac", "2", "-c:a", "libmp3lame", "-b:a", "320k"}
	if seconds > 240 {
		four, err := b.makeInput(ctx, 240)
		if err != nil {
			return "", err
		}
		args = []string{"-stream_loop", "-1", "-i", four, "-c", "copy"}
	}
	return path, command(ctx, "ffmpeg", append(args, "-t", strconv.Itoa(seconds), path)...)
}

func command(ctx context.Context, program string, args ...string) error {
	all := args
	if !strings.HasSuffix(program, "ffprobe") {
		all = append([]string{"-nostdin", "-v", "error", "-y"}, args...)
	}
	cmd := exec.CommandContext(ctx, program, all...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", program, err, &stderr)
	}
	return nil
}

// The outputs: what presets 1351620000001-300300, -300110 and -100110 make.
func outputs(dir string) [3][]string {
	return [3][]string{
		{"-map", "0:a:0", "-ar", "44100", "-ac", "2", "-c:a", "pcm_s16le", filepath.Join(dir, "a.wav")},
		{"-map", "0:a:0", "-ar", "44100", "-ac", "2", "-sample_fmt", "s16", "-c:a", "flac", filepath.Join(dir, "a.flac")},
		{"-map", "0:a:0", "-ar", "44100", "-ac", "2", "-c:a", "aac", "-b:a", "256k", "-movflags", "+faststart", filepath.Join(dir, "a.m4a")},
	}
}

func chain(program string) func(context.Context, string, string) error {
	return func(ctx context.Context, in, dir string) error {
		probe := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", in)
		if err := probe.Run(); err != nil {
			return err
		}
		for _, out := range outputs(dir) {
			if err := command(ctx, program, append([]string{"-i", in}, out...)...); err != nil {
				return err
			}
		}
		return nil
	}
}

func one(program string) func(context.Context, string, string) error {
	return func(ctx context.Context, in, dir string) error {
		return command(ctx, program, slices.Concat([]string{"-i", in}, outputs(dir)[0], outputs(dir)[1], outputs(dir)[2])...)
	}
}

func engine(e *ffmpeg.Encoder, measure bool) func(context.Context, string, string) error {
	var presets []transcode.Preset
	for _, id := range []transcode.PresetID{"1351620000001-300300", "1351620000001-300110", "1351620000001-100110"} {
		for _, p := range transcode.SystemPresets() {
			if p.ID == id {
				presets = append(presets, p)
			}
		}
	}
	return func(ctx context.Context, in, dir string) error {
		enc := transcode.Encoding{Inputs: []transcode.Source{{Path: in}}, Dir: dir, Measure: measure}
		for i, p := range presets {
			enc.Outputs = append(enc.Outputs, transcode.Rendition{Name: strconv.Itoa(i), Preset: p})
		}
		made, err := e.Encode(ctx, enc, func(transcode.Progress) {})
		if err != nil {
			return err
		}
		for _, o := range made.Outputs {
			if o.Failure != nil {
				return o.Failure
			}
		}
		return nil
	}
}

type contestant struct {
	name string
	work func(ctx context.Context, in, dir string) error
}

func (b *bench) contestants(clips bool) []contestant {
	all := []contestant{{"ffprobe + three ffmpeg", chain("ffmpeg")}, {"one ffmpeg", one("ffmpeg")}, {"Etude's engine", engine(b.plain, false)}}
	if b.quick != nil && clips {
		all = append(all, contestant{"ffprobe + three static ffmpeg", chain(b.static)}, contestant{"one static ffmpeg", one(b.static)}, contestant{"Etude's engine, static ffmpeg", engine(b.quick, false)})
	}
	return all
}

// cost is what one turn took.
type cost struct{ wall, cpu time.Duration }

func (b *bench) row(ctx context.Context, r row) error {
	in, err := b.makeInput(ctx, r.seconds)
	if err != nil {
		return err
	}
	rounds := r.rounds
	if b.rounds > 0 {
		rounds = b.rounds
	}
	all := b.contestants(r.seconds < 60)
	costs := make([][]cost, len(all))
	began := time.Now()
	for round := range rounds {
		for i := range all {
			i = (i + round) % len(all) // nobody always comes after the same
			c, err := b.turn(ctx, all[i], in, r.jobs)
			if err != nil {
				return fmt.Errorf("%s: %w", all[i].name, err)
			}
			costs[i] = append(costs[i], c)
		}
	}
	print := func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
	unit := time.Duration(max(r.jobs, 1))
	print("**%s**: %d s of MP3, %d rounds, took %v", r.name, r.seconds, rounds, time.Since(began).Round(time.Second))
	print("")
	print("| | wall | CPU | wall to the chain | wall to one ffmpeg | CPU to one ffmpeg | jobs per CPU second to the chain |")
	print("|---|---|---|---|---|---|---|")
	chainCost, oneCost := median(costs[0]), median(costs[1])
	for i, c := range all {
		if i == 3 { // those with the static ffmpeg are compared with each other
			chainCost, oneCost = median(costs[3]), median(costs[4])
		}
		m := median(costs[i])
		print("| %s | %.3f s | %.3f s | %.3f | %.3f | %.3f | %.2f |", c.name, (m.wall / unit).Seconds(), (m.cpu / unit).Seconds(),
			ratio(m.wall, chainCost.wall), ratio(m.wall, oneCost.wall), ratio(m.cpu, oneCost.cpu), ratio(chainCost.cpu, m.cpu))
	}
	print("")
	return nil
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

func median(costs []cost) cost {
	middle := func(of func(cost) time.Duration) time.Duration {
		var all []time.Duration
		for _, c := range costs {
			all = append(all, of(c))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	return cost{middle(func(c cost) time.Duration { return c.wall }), middle(func(c cost) time.Duration { return c.cpu })}
}

// turn has a contestant do its work, in a directory of its own for each job.
func (b *bench) turn(ctx context.Context, c contestant, in string, jobs int) (cost, error) {
	dir, err := os.MkdirTemp(b.dir, "turn")
	if err != nil {
		return cost{}, err
	}
	defer os.RemoveAll(dir)
	before, start := processorTime(), time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.NumCPU())
	for i := range max(jobs, 1) {
		group.Go(func() error {
			place := filepath.Join(dir, strconv.Itoa(i))
			if err := os.Mkdir(place, 0o700); err != nil {
				return err
			}
			return c.work(ctx, in, place)
		})
	}
	err = group.Wait()
	wall := time.Since(start)
	reap()
	return cost{wall, processorTime() - before}, err
}

// cores prints what the cores are worth together: what they share, no engine can
// make up for.
func (b *bench) cores(ctx context.Context) error {
	in, err := b.makeInput(ctx, 240)
	if err != nil {
		return err
	}
	encode := contestant{"", func(ctx context.Context, in, dir string) error {
		return command(ctx, "ffmpeg", slices.Concat([]string{"-i", in}, outputs(dir)[2])...)
	}}
	var alone, together []cost
	for range 3 {
		a, err := b.turn(ctx, encode, in, 1)
		if err != nil {
			return err
		}
		t, err := b.turn(ctx, encode, in, runtime.NumCPU())
		if err != nil {
			return err
		}
		alone, together = append(alone, a), append(together, t)
	}
	n, a, t := runtime.NumCPU(), median(alone), median(together)
	fmt.Printf("ffmpeg, AAC of 240 s: %.2f s, %.0f times real time. %d at once do %.2f times as much, for %.2f times the CPU each: with nothing but that to do, wall could be %.2f of one's.\n\n",
		a.wall.Seconds(), 240/a.wall.Seconds(), n, float64(n)*ratio(a.wall, t.wall), ratio(t.cpu, a.cpu)/float64(n), ratio(t.wall, a.wall)/float64(n))
	return nil
}

// profile prints what each process of one job of the engine takes, of several
// jobs the median. The sandbox is only limits: bubblewrap does not tell.
func (b *bench) profile(ctx context.Context, r row) error {
	in, err := b.makeInput(ctx, r.seconds)
	if err != nil {
		return err
	}
	rounds := r.rounds
	if b.rounds > 0 {
		rounds = b.rounds
	}
	var walls []cost
	costs := map[string][]cost{}
	for range rounds {
		var log processLog
		e, err := ffmpeg.New(ffmpeg.Config{Sandbox: ffmpeg.Limits, Logger: slog.New(&log)})
		if err != nil {
			return err
		}
		e.Sandbox()
		log.took = map[string]cost{}
		before := ownTime()
		c, err := b.turn(ctx, contestant{"", engine(e, false)}, in, 1)
		own := ownTime() - before
		e.Close() // what waits for more ends, and is told of
		if err != nil {
			return err
		}
		log.took["Etude itself"] = cost{c.wall, own}
		walls = append(walls, c)
		for purpose, took := range log.took {
			costs[purpose] = append(costs[purpose], took)
		}
	}
	fmt.Printf("**%s**: %d s of MP3, %d rounds, wall %.3f s\n\n| | CPU | the longest lived for |\n|---|---|---|\n", r.name, r.seconds, rounds, median(walls).wall.Seconds())
	for _, purpose := range slices.Sorted(maps.Keys(costs)) {
		m := median(costs[purpose])
		fmt.Printf("| %s | %.3f s | %.3f s |\n", purpose, m.cpu.Seconds(), m.wall.Seconds())
	}
	fmt.Println()
	return nil
}

// processLog adds up what the engine logs of its processes.
type processLog struct {
	mu   sync.Mutex
	took map[string]cost // by what they are for
}

func (*processLog) Enabled(context.Context, slog.Level) bool { return true }
func (l *processLog) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l *processLog) WithGroup(string) slog.Handler          { return l }

func (l *processLog) Handle(_ context.Context, record slog.Record) error {
	var purpose string
	var c cost
	record.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "to":
			purpose = a.Value.String()
		case "wall":
			c.wall = a.Value.Duration()
		case "user", "system":
			c.cpu += a.Value.Duration()
		}
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if purpose != "" && l.took != nil {
		sum := l.took[purpose]
		l.took[purpose] = cost{max(sum.wall, c.wall), sum.cpu + c.cpu}
	}
	return nil
}

// service compares the whole service, from the job that is asked for to the
// message that tells of its end, with the engine alone, which has to measure the
// sound as well.
func (b *bench) service(ctx context.Context) error {
	if !b.built() {
		return nil
	}
	fmt.Print("| | whole service | engine alone | more |\n|---|---|---|---|\n")
	for _, seconds := range []int{5, 240} {
		in, err := b.makeInput(ctx, seconds)
		if err != nil {
			return err
		}
		rounds := 5
		if b.rounds > 0 {
			rounds = b.rounds
		}
		var whole, alone []cost
		for range rounds {
			took, err := b.serve(ctx, in)
			if err != nil {
				return err
			}
			whole = append(whole, cost{wall: took})
			c, err := b.turn(ctx, contestant{"", engine(b.plain, true)}, in, 1)
			if err != nil {
				return err
			}
			alone = append(alone, c)
		}
		w, a := median(whole).wall, median(alone).wall
		fmt.Printf("| %d s | %.2f s | %.2f s | %.0f ms, %.1f %% |\n", seconds, w.Seconds(), a.Seconds(), float64((w - a).Milliseconds()), 100*(ratio(w, a)-1))
	}
	fmt.Println()
	return nil
}

var stepLine = regexp.MustCompile(`transcode, notify, tell the user\s+([\d.]+) s`)

// serve runs the demo on a file, and returns how long its job took.
func (b *bench) serve(ctx context.Context, in string) (time.Duration, error) {
	dir, err := os.MkdirTemp(b.dir, "serve")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, b.etude, "demo", "--file", in, "--out", filepath.Join(dir, "out"), "--data", filepath.Join(dir, "data"))
	out, err := cmd.CombinedOutput()
	reap()
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, out)
	}
	m := stepLine.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("the demo does not say how long its job took:\n%s", out)
	}
	return time.ParseDuration(string(m[1]) + "s")
}

// memory measures how much of it the server and the engine take at most, with all
// of its processes, for a file of some length. What these share is counted once.
func (b *bench) memory(ctx context.Context, seconds int) error {
	if !b.built() {
		return nil
	}
	in, err := b.makeInput(ctx, seconds)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	own := memoryOf(os.Getpid())
	var most int64
	var group sync.WaitGroup
	group.Go(func() {
		tick := time.NewTicker(time.Second / 4)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				most = max(most, memoryOfAll()-own)
			case <-ctx.Done():
				return
			}
		}
	})
	took, err := b.serve(ctx, in)
	stop()
	group.Wait()
	if err != nil {
		return err
	}
	fmt.Printf("%v of audio, in %v: at most %d MB in all processes of the server\n", time.Duration(seconds)*time.Second, took.Round(time.Second), most>>20)
	return nil
}

// built reports whether there is a program to run, and says so if there is none.
func (b *bench) built() bool {
	if _, err := os.Stat(b.etude); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(os.Stderr, "%s is not built (make build): left out\n", b.etude)
		return false
	}
	return true
}
