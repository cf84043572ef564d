package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"etude/internal/confine"
	"etude/internal/ffmpeg"
	"etude/internal/objectstore"
	"etude/internal/sqlstore"
	"etude/internal/transcode"
)

type doctorCmd struct {
	config
	JSON bool `name:"json" help:"Print the findings as one JSON document."`
}

// finding is what was found out about one thing.
type finding struct {
	Name   string `json:"name"`
	Status health `json:"status"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

// health is how something is: a warning is what works, and could be better.
type health string

const (
	healthy health = "ok"
	warning health = "warning"
	faulty  health = "fault"
)

// doctor collects findings.
type doctor struct {
	*config
	findings []finding
}

func (d *doctor) add(name string, status health, remedy, format string, args ...any) {
	d.findings = append(d.findings, finding{name, status, fmt.Sprintf(format, args...), remedy})
}

// Run looks at all that serve would use with the same flags and environment, and
// changes nothing.
func (cmd *doctorCmd) Run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	d := &doctor{config: &cmd.config}
	d.versions()
	d.configuration()
	d.engine()
	d.space()
	d.database(ctx)
	d.objects(ctx)
	if err := d.print(out, cmd.JSON); err != nil {
		return err
	}
	for _, f := range d.findings {
		if f.Status == faulty {
			return &exitError{status: 1}
		}
	}
	return nil
}

func (d *doctor) print(out io.Writer, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(map[string]any{"findings": d.findings})
	}
	var b strings.Builder
	for _, f := range d.findings {
		fmt.Fprintf(&b, "%-8s %-14s %s\n", f.Status, f.Name, strings.ReplaceAll(f.Detail, "\n", "\n                        "))
		if f.Remedy != "" {
			fmt.Fprintf(&b, "%-23s what to do: %s\n", "", f.Remedy)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (d *doctor) versions() {
	if os.Geteuid() == 0 {
		d.add("user", warning, "Run Etude as a user of its own.", "root: the kernel does not count root's processes, so ffmpeg has no limit on them")
	} else {
		d.add("user", healthy, "", "%d, not root", os.Geteuid())
	}
	d.add("etude", healthy, "", "%s, %s, %s/%s, %d cores", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
}

func (d *doctor) configuration() {
	if err := d.check(); err != nil {
		d.add("configuration", faulty, "Correct the flag, or the variable that stands in for it.", "%v", err)
		return
	}
	d.add("configuration", healthy, "", "holds")
}

// engine looks at ffmpeg, and at how it is locked in.
func (d *doctor) engine() {
	const install = "Install ffmpeg (on Debian and Ubuntu: apt install ffmpeg), or put it into PATH."
	encoder, err := ffmpeg.New(ffmpeg.Config{Sandbox: ffmpeg.Mode(d.Sandbox)})
	if err != nil {
		d.add("ffmpeg", faulty, install, "%v", err)
		return
	}
	r, err := encoder.Report()
	if err != nil {
		d.add("ffmpeg", faulty, "Mend what it says, or choose another --sandbox.", "%v", err)
		return
	}
	d.add("ffmpeg", healthy, "", "%s %s", r.FFmpeg, r.Version)
	switch {
	case len(r.Missing) > 0:
		d.add("encoders", warning, "Use an ffmpeg that was built with them. Presets that need them are refused.", "there is none for %s", strings.Join(r.Missing, ", "))
	case r.AAC == "libfdk_aac":
		d.add("encoders", healthy, "", "AAC by libfdk_aac, HE-AAC too")
	default:
		d.add("encoders", healthy, "", "AAC by ffmpeg's own encoder; HE-AAC and a faster one need an ffmpeg with libfdk_aac")
	}
	if r.Soxr {
		d.add("resampling", healthy, "", "soxr")
	} else {
		d.add("resampling", warning, "Use an ffmpeg that was built with libsoxr.", "ffmpeg's own, for want of libsoxr")
	}
	d.sandbox(r)
}

func (d *doctor) sandbox(r *ffmpeg.Report) {
	detail := r.SandboxDoes
	if r.Weaker != "" {
		detail += "\n" + r.Weaker
	}
	switch {
	case r.Sandbox == ffmpeg.Bubblewrap:
		d.add("sandbox", healthy, "", "%s", detail)
	case r.Sandbox == ffmpeg.Landlock && confine.Network():
		d.add("sandbox", warning, "Install bubblewrap and allow it user namespaces, for a network and processes of its own. See docs/sandbox.md.", "%s", detail)
	default:
		d.add("sandbox", warning, "Install bubblewrap and allow it user namespaces, or run a kernel with Landlock: a file that breaks ffmpeg can read what Etude can. See docs/sandbox.md.", "%s", detail)
	}
}

// lowSpace is how little room on a disk is too little: a job may need as much as
// its input and all outputs.
const lowSpace = 2 << 30

// space looks at the data directory, which serve would make.
func (d *doctor) space() {
	path, err := filepath.Abs(d.Data)
	if err != nil {
		d.add("data directory", faulty, "Name another one with --data.", "%v", err)
		return
	}
	dir := path
	for { // the part of the path that is there
		if _, err = os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	const ask = "Let the user that runs Etude write there, or name another directory with --data."
	if err := syscall.Access(dir, 0x3); err != nil { // write and search
		d.add("data directory", faulty, ask, "%s cannot be written: %v", dir, err)
		return
	}
	there := ""
	if dir != path {
		there = ", made at the first start"
	}
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		d.add("data directory", faulty, ask, "%s: %v", dir, err)
		return
	}
	free := int64(stat.Bavail) * stat.Bsize
	switch {
	case free == 0:
		d.add("data directory", faulty, ask, "%s: there is no room at all", path)
	case free < lowSpace:
		d.add("data directory", warning, "Make room, or name a directory on a larger disk with --data.", "%s%s, only %s left", path, there, byteSize(free))
	default:
		d.add("data directory", healthy, "", "%s%s, %s left", path, there, byteSize(free))
	}
}

func (d *doctor) database(ctx context.Context) {
	c := databaseConfig(d.Data, d.DatabaseURL, d.logger())
	kind, remedy := "Postgres", "Check ETUDE_DATABASE_URL, and that Postgres runs and lets Etude in."
	if d.DatabaseURL == "" {
		kind, remedy = "SQLite, "+c.Path, "Restore the file from a backup, or let the user that runs Etude read it."
		if _, err := os.Stat(c.Path); errors.Is(err, fs.ErrNotExist) {
			d.add("database", healthy, "", "%s, made at the first start", kind)
			return
		}
	}
	has, known, err := sqlstore.Schema(ctx, c)
	switch {
	case err != nil:
		d.add("database", faulty, remedy, "%v", err)
	case has > known:
		d.add("database", faulty, "Run the newer version of Etude, or restore a backup made before it ran.", "%s: its schema has %d migrations, and this version of Etude knows %d", kind, has, known)
	case has < known:
		d.add("database", healthy, "", "%s, migration %d of %d; the next start runs the others", kind, has, known)
	default:
		d.add("database", healthy, "", "%s, migration %d of %d", kind, has, known)
	}
}

func (d *doctor) objects(ctx context.Context) {
	if !d.externalS3() {
		d.add("S3", healthy, "", "embedded, in %s", filepath.Join(d.Data, "s3"))
		return
	}
	where := d.S3Endpoint
	if where == "" {
		where = "AWS, " + d.S3Region
	}
	client, err := objectstore.NewClient(ctx, objectstore.ClientConfig{Endpoint: d.S3Endpoint, Region: d.S3Region})
	if err == nil {
		_, err = client.Head(ctx, transcode.ObjectRef{Bucket: d.Bucket, Key: "readyz"})
	}
	switch {
	case err == nil, errors.Is(err, transcode.ErrNoObject):
		d.add("S3", healthy, "", "%s, bucket %s", where, d.Bucket)
	case errors.Is(err, transcode.ErrNoBucket):
		d.add("S3", healthy, "", "%s; the bucket %s is made at the first start", where, d.Bucket)
	default:
		d.add("S3", faulty, "Check the endpoint, the region and the credentials, which come from where AWS's tools look for them.", "%s: %v", where, err)
	}
}
