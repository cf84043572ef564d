package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"etude/internal/tune"
)

type demoCmd struct {
	File string `type:"existingfile" help:"The song to take; without it, Etude plays one of its own." placeholder:"FILE"`
	Out  string `default:"demo-out" help:"Directory for the results." placeholder:"DIR"`
	Data string `default:"./etude-data" env:"ETUDE_DATA" help:"Data directory. If a server runs in it, that one is used, else one is started for the demo." placeholder:"DIR"`

	AccessKeyID     string `env:"ETUDE_ACCESS_KEY_ID" hidden:""`
	SecretAccessKey string `env:"ETUDE_SECRET_ACCESS_KEY" hidden:""`
	AdminEmail      string `env:"ETUDE_ADMIN_EMAIL" hidden:""`
	AdminPassword   string `env:"ETUDE_ADMIN_PASSWORD" hidden:""`
}

// rendition is what the demo asks for, and what it must find in the result.
type rendition struct {
	preset, what, suffix string
	codec                string // as ffprobe spells it
	rate, channels       int
}

var renditions = []rendition{
	{"1351620000001-300300", "WAV", ".wav", "pcm_s16le", 44100, 2},
	{"1351620000001-300110", "FLAC", ".flac", "flac", 44100, 2},
	{"1351620000001-100110", "AAC in MP4", ".m4a", "aac", 44100, 2},
}

// demo is one run of the demo.
type demo struct {
	*demoCmd
	out   io.Writer
	steps []step
	song  string // path of the file that is uploaded
	cred  keptCredentials
	where *endpoints
}

type step struct {
	what string
	took time.Duration
}

// Run takes a song through Etude as a stranger's programs and browser would.
func (cmd *demoCmd) Run(ctx context.Context, out io.Writer) error {
	d := &demo{demoCmd: cmd, out: out}
	if err := os.MkdirAll(cmd.Out, 0o755); err != nil {
		return fmt.Errorf("make directory for the results: %w", err)
	}
	if err := d.step("make the song", d.chooseSong); err != nil {
		return err
	}
	var stop func() error
	err := d.step("start the server", func() (err error) {
		stop, err = d.findOrStartServer(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return errors.Join(d.flow(ctx), stop())
}

// step runs one step of the demo and takes its time.
func (d *demo) step(what string, f func() error) error {
	start := time.Now()
	if err := f(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	d.steps = append(d.steps, step{what, time.Since(start)})
	return nil
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }

// chooseSong is the file that was named, or a piece of Etude's own. It does not
// lie where the results go, since one of them may have its name.
func (d *demo) chooseSong() error {
	if d.File != "" {
		d.song = d.File
		if sameDir(filepath.Dir(d.File), d.Out) {
			return fmt.Errorf("%s is in the directory for the results, which might replace it: move it, or choose another directory with --out", d.File)
		}
		return nil
	}
	dir := filepath.Join(d.Out, "input")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	d.song = filepath.Join(dir, "etude.wav")
	f, err := os.Create(d.song)
	if err != nil {
		return err
	}
	if err := errors.Join(tune.Write(f), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", d.song, err)
	}
	d.say("Made a piece of music: %s (%d kHz, %d bit)", d.song, tune.SampleRate/1000, tune.BitDepth)
	return nil
}

func sameDir(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// flow is what the users of Etude do, from the upload to the download.
func (d *demo) flow(ctx context.Context) error {
	programs, err := newDemoPrograms(d)
	if err != nil {
		return err
	}
	browser, err := newDemoBrowser(d)
	if err != nil {
		return err
	}
	if err := d.step("sign in to the site", func() error { return browser.signIn(ctx) }); err != nil {
		return err
	}
	d.say("Signed in to the site at %s as %s", d.where.Site, d.cred.AdminEmail)

	var input string
	if err := d.step("upload to S3", func() (err error) { input, err = programs.upload(ctx); return err }); err != nil {
		return err
	}
	d.say("Uploaded to s3://media/%s through the S3 endpoint %s", input, d.where.Edge)

	events, err := browser.events(ctx)
	if err != nil {
		return err
	}
	defer events.Close()
	var job string
	if err := d.step("find the pipeline, create the job", func() (err error) { job, err = programs.createJob(ctx, input); return err }); err != nil {
		return err
	}
	d.say("Created job %s on the pipeline %q through Elastic Transcoder's API", job, pipelineName)
	if err := d.step("transcode, notify, tell the user", func() error { return d.follow(events, job) }); err != nil {
		return err
	}
	if err := programs.checkComplete(ctx, job); err != nil {
		return err
	}
	message, err := browser.message(ctx, filepath.Base(d.song))
	if err != nil {
		return err
	}
	d.say("The site tells %s: %q", d.cred.AdminEmail, message)

	var files []string
	if err := d.step("download", func() (err error) { files, err = browser.download(ctx, job); return err }); err != nil {
		return err
	}
	var report string
	if err := d.step("check with ffprobe", func() (err error) { report, err = checkFiles(ctx, d.song, files); return err }); err != nil {
		return err
	}
	d.conclude(report)
	return nil
}

// follow shows the job's progress as the site sends it, until the site shows
// the message that the job is done.
func (d *demo) follow(events *demoEvents, job string) error {
	bar := newProgressBar(d.out)
	defer bar.end()
	ended, told := false, false
	for !ended || !told {
		event, err := events.next()
		if err != nil {
			return fmt.Errorf("follow job %s: %w", job, err)
		}
		if p, ok := event.progressOf(job); ok {
			bar.show(p)
			ended = ended || p.final
		}
		told = told || event.tellsOf(job)
	}
	return nil
}

func (d *demo) conclude(report string) {
	d.say("\n%s", report)
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	total := time.Duration(0)
	for _, s := range d.steps {
		fmt.Fprintf(w, "%s\t%.2f s\t\n", s.what, s.took.Seconds())
		total += s.took
	}
	fmt.Fprintf(w, "together\t%.2f s\t\n", total.Seconds())
	_ = w.Flush() // goes where say goes
	d.say(`
What to try next:
  make run                         the server; then open http://127.0.0.1:8080 in a browser
                                   e-mail %s, password in %s
  make demo FILE=song.mp3          the same with a song of yours
  aws --endpoint-url http://127.0.0.1:4566 elastictranscoder list-pipelines
                                   with the access key from the same file; Debian's AWS CLI has the command`,
		d.cred.AdminEmail, filepath.Join(d.Data, "credentials.json"))
}

// downloadName is the file name that a response proposes.
func downloadName(res *http.Response) (string, error) {
	_, params, err := mime.ParseMediaType(res.Header.Get("Content-Disposition"))
	if err != nil {
		return "", fmt.Errorf("read Content-Disposition: %w", err)
	}
	name := filepath.Base(params["filename"])
	if name == "." || name == string(filepath.Separator) || strings.ContainsRune(name, 0) {
		return "", fmt.Errorf("the download %s has no file name", res.Request.URL.Redacted())
	}
	return name, nil
}
