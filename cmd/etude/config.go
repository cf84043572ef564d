package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"etude/internal/sqssource"
)

// config is what serve may be told. Every flag can be set in the environment.
type config struct {
	Data     string `default:"./etude-data" env:"ETUDE_DATA" help:"Directory for everything that Etude keeps." placeholder:"DIR"`
	SiteAddr string `default:"127.0.0.1:8080" env:"ETUDE_SITE_ADDR" help:"Where the site for people listens. Port 0 takes a free one." placeholder:"HOST:PORT"`
	EdgeAddr string `default:"127.0.0.1:4566" env:"ETUDE_EDGE_ADDR" help:"Where the AWS endpoint for programs listens. Port 0 takes a free one." placeholder:"HOST:PORT"`
	EdgeURL  string `env:"ETUDE_EDGE_URL" help:"How browsers reach the AWS endpoint, for download links. Without it: the host that the site was asked for, and the port of --edge-addr." placeholder:"URL"`

	Region  string `default:"eu-west-1" env:"ETUDE_REGION" help:"Region in ARNs and of the embedded S3."`
	Account string `default:"000000000000" env:"ETUDE_ACCOUNT" help:"Account number in ARNs, 12 digits."`
	Bucket  string `default:"media" env:"ETUDE_BUCKET" help:"Bucket of the site and of the first pipeline; made if it is not there."`

	DatabaseURL string `env:"ETUDE_DATABASE_URL" help:"Postgres instead of the embedded SQLite." placeholder:"postgres://..."`
	S3Endpoint  string `name:"s3-endpoint" env:"ETUDE_S3_ENDPOINT" help:"An S3 instead of the embedded one. Credentials come from where AWS's tools look for them." placeholder:"URL"`
	S3Region    string `name:"s3-region" env:"ETUDE_S3_REGION" help:"Region of that S3; set alone, it means AWS's own S3." placeholder:"REGION"`

	AccessKeyID     string `env:"ETUDE_ACCESS_KEY_ID" help:"Fixes the root access key; generated at the first start otherwise." placeholder:"ID"`
	SecretAccessKey string `env:"ETUDE_SECRET_ACCESS_KEY" help:"Secret of that key. Better set in the environment than here." placeholder:"SECRET"`
	AdminEmail      string `env:"ETUDE_ADMIN_EMAIL" help:"Creates the first account unattended; admin@localhost with a generated password otherwise." placeholder:"EMAIL"`
	AdminPassword   string `env:"ETUDE_ADMIN_PASSWORD" help:"Password of that account. Better set in the environment than here." placeholder:"PASSWORD"`

	hookConfig `embed:""`

	RulesFile string `name:"rules" env:"ETUDE_RULES" type:"path" help:"YAML file of rules that make jobs of objects; see docs/triggers.md. Read at the start." placeholder:"FILE"`

	EventsSQS []string `name:"events-sqs" env:"ETUDE_EVENTS_SQS" help:"SQS queue that an S3 elsewhere sends its events to, for the rules; may be repeated. Region and credentials come from where AWS's tools look for them." placeholder:"URL"`

	MaxUpload    size `default:"5GiB" env:"ETUDE_MAX_UPLOAD" help:"Largest file that is taken and transcoded." placeholder:"SIZE"`
	Workers      int  `default:"0" env:"ETUDE_WORKERS" help:"Jobs that run at once; 0 means one for each core." placeholder:"N"`
	PerPipeline  int  `name:"jobs-per-pipeline" default:"0" env:"ETUDE_JOBS_PER_PIPELINE" help:"Jobs of one pipeline that run at once; 0 means no limit." placeholder:"N"`
	MaxPipelines int  `default:"0" env:"ETUDE_MAX_PIPELINES" help:"Pipelines there may be; 0 means no limit." placeholder:"N"`
	MaxPresets   int  `default:"0" env:"ETUDE_MAX_PRESETS" help:"Custom presets there may be; 0 means no limit." placeholder:"N"`

	sandboxFlag
	deliveryConfig `embed:""`

	Drain time.Duration `default:"10s" env:"ETUDE_DRAIN" help:"How long running jobs may go on after SIGTERM before they are given back." placeholder:"TIME"`
	Log   string        `default:"text" enum:"text,json" env:"ETUDE_LOG" help:"Format of the log, on standard error: text or json."`
}

// size is a number of bytes that is written with a unit.
type size int64

var units = map[string]int64{"": 1, "B": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "KB": 1e3, "MB": 1e6, "GB": 1e9}

// UnmarshalText reads for instance 500MiB.
func (s *size) UnmarshalText(text []byte) error {
	var n int64
	var unit string
	t := strings.ToUpper(strings.TrimSpace(string(text)))
	if _, err := fmt.Sscanf(t, "%d", &n); err != nil {
		return fmt.Errorf("size %q: write it like 500MiB", text)
	}
	unit = strings.TrimSpace(strings.TrimLeft(t, "0123456789"))
	factor, ok := units[unit]
	if !ok || n <= 0 || n > (1<<62)/factor {
		return fmt.Errorf("size %q: write it like 500MiB", text)
	}
	*s = size(n * factor)
	return nil
}

var (
	accountForm = regexp.MustCompile(`^\d{12}$`)
	regionForm  = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-\d$`)
	bucketForm  = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
)

// check returns every fault of the configuration at once, each with the option
// as it is typed.
func (c *config) check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for flag, addr := range map[string]string{"--site-addr": c.SiteAddr, "--edge-addr": c.EdgeAddr} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			fault("%s %q: it must be HOST:PORT", flag, addr)
		}
	}
	for flag, raw := range map[string]string{"--edge-url": c.EdgeURL, "--s3-endpoint": c.S3Endpoint} {
		if u, err := url.Parse(raw); raw != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
			fault("%s %q: it must be an http or https URL", flag, raw)
		}
	}
	if u, err := url.Parse(c.DatabaseURL); c.DatabaseURL != "" && (err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql") {
		fault("--database-url: it must begin with postgres://")
	}
	for _, queue := range c.EventsSQS {
		if _, err := sqssource.CheckURL(queue); err != nil {
			fault("--events-sqs: %w", err)
		}
	}
	if !regionForm.MatchString(c.Region) {
		fault("--region %q: it must look like eu-west-1", c.Region)
	}
	if !accountForm.MatchString(c.Account) {
		fault("--account %q: it must have 12 digits", c.Account)
	}
	if !bucketForm.MatchString(c.Bucket) {
		fault("--bucket %q: S3 wants 3 to 63 lower-case letters, digits, dots and hyphens", c.Bucket)
	}
	if (c.AccessKeyID == "") != (c.SecretAccessKey == "") {
		fault("ETUDE_ACCESS_KEY_ID and ETUDE_SECRET_ACCESS_KEY: set both or none")
	}
	if (c.AdminEmail == "") != (c.AdminPassword == "") {
		fault("ETUDE_ADMIN_EMAIL and ETUDE_ADMIN_PASSWORD: set both or none")
	}
	for flag, n := range map[string]int{
		"--workers": c.Workers, "--jobs-per-pipeline": c.PerPipeline, "--max-pipelines": c.MaxPipelines, "--max-presets": c.MaxPresets,
	} {
		if n < 0 {
			fault("%s %d: it must be 0 or more", flag, n)
		}
	}
	c.deliveryConfig.check(fault)
	if c.Drain < 0 {
		fault("--drain %s: it must be 0 or more", c.Drain)
	}
	_, bad := c.topics()
	return errors.Join(append(faults, bad...)...)
}

// externalS3 reports whether objects are kept elsewhere.
func (c *config) externalS3() bool { return c.S3Endpoint != "" || c.S3Region != "" }

func (c *config) logger() *slog.Logger {
	if c.Log == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, nil))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, nil))
}
