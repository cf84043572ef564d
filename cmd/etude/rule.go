package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"etude/internal/account"
	"etude/internal/etapi"
	"etude/internal/ffmpeg"
	"etude/internal/objectstore"
	"etude/internal/queue"
	"etude/internal/rule"
	"etude/internal/sqlstore"
	"etude/internal/transcode"
)

type ruleCmd struct {
	Add     ruleAddCmd     `cmd:"" help:"Make a rule: objects like this become jobs like that. All of these work while the server runs, and count at once."`
	List    ruleListCmd    `cmd:"" help:"List the rules."`
	Show    ruleShowCmd    `cmd:"" help:"Show a rule."`
	Rm      ruleRmCmd      `cmd:"" help:"Remove a rule; the jobs that it has made stay."`
	Enable  ruleEnableCmd  `cmd:"" help:"Let a rule make jobs, also after it was paused."`
	Disable ruleDisableCmd `cmd:"" help:"Keep a rule from making jobs."`
	Test    ruleTestCmd    `cmd:"" help:"Print the CreateJob request that an event would make, and make none."`
	Rescan  ruleRescanCmd  `cmd:"" help:"Make jobs of files that are there and have none, as those that came while a rule was off."`
}

// rules is the rules of a server, for a command beside it.
type rules struct {
	*rule.Service
	store *sqlstore.Store
	db    io.Closer
}

func (r *rules) Close() error { return r.db.Close() }

// openRules opens a server's rules. Without objects, what would look at them
// fails.
func (d *database) openRules(ctx context.Context, objects ruleObjects) (*rules, error) {
	quiet := slog.New(slog.DiscardHandler)
	store, db, err := d.openQueued(ctx)
	if err != nil {
		return nil, err
	}
	r := &rules{store: store, db: db}
	encoder, err := ffmpeg.New(ffmpeg.Config{Logger: quiet})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	jobs, err := transcode.New(transcode.Config{
		Store: store, Objects: objects, Encoder: encoder, Notification: etapi.Notification, Logger: quiet,
		HasTopic: func(context.Context, string) (bool, error) { return true, nil },
		Region:   "none", Account: "none", Node: "none", Scratch: os.TempDir(), MaxInput: 1, // no job is run here
	})
	if err == nil {
		r.Service, err = rule.New(rule.Config{
			Store: store, Jobs: jobs, Objects: objects, Logger: quiet, Node: "none",
			Triggers: func(ctx context.Context) ([]rule.Trigger, error) { return ruleTriggers(ctx, store) },
		})
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return r, nil
}

// openQueued is open for commands that make jobs. The server's workers find
// their tasks within half a second, whenever it runs.
func (d *database) openQueued(ctx context.Context) (*sqlstore.Store, io.Closer, error) {
	_, db, err := d.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	opened := db.(*sqlstore.DB)
	c := queue.Config{Logger: slog.New(slog.DiscardHandler)}
	if d.DatabaseURL == "" {
		c.SQLite = opened.Write()
	} else {
		c.Postgres, c.URL = opened.Write(), d.DatabaseURL
	}
	q, err := queue.Open(ctx, c)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return sqlstore.New(opened, q.Enqueue), db, nil
}

// ruleObjects is what the domains need of objects.
type ruleObjects interface {
	transcode.Objects
	rule.Objects
}

// noObjects is for commands that look at none.
type noObjects struct{ ruleObjects }

type ruleAddCmd struct {
	Name         string            `arg:"" help:"What the rule is called: letters, digits, - and _."`
	Bucket       string            `help:"Bucket whose objects it takes. Without one it takes only what a bucket's notification configuration sends to it, as arn:aws:lambda:REGION:ACCOUNT:function:NAME." placeholder:"BUCKET"`
	Prefix       string            `help:"What their keys begin with." placeholder:"TEXT"`
	Suffix       []string          `sep:"none" help:"What their keys end with, as .wav; may be repeated. Without it, anything." placeholder:"TEXT"`
	Pipeline     string            `required:"" help:"Pipeline of the jobs, by id or name." placeholder:"PIPELINE"`
	OutputPrefix string            `help:"What the keys of all outputs begin with." placeholder:"TEXT"`
	Output       []string          `required:"" sep:"none" help:"An output: a preset's id, and what its key is made of. May be repeated. ${placeholders}" placeholder:"PRESET=PATTERN"`
	Metadata     map[string]string `help:"UserMetadata of the jobs; may be repeated." placeholder:"KEY=VALUE"`
	Owner        string            `help:"E-mail address of the account that is told of the jobs where nobody knows who wrote the object; the first administrator's without it." placeholder:"EMAIL"`
	MaxPerHour   int               `help:"Jobs in an hour after which the rule is paused; 0 means ${maxperhour}." placeholder:"N"`
	Disabled     bool              `help:"Make it without letting it make jobs yet."`
	database
}

// Run makes the rule in the server's database; the server knows it at once.
func (cmd *ruleAddCmd) Run(ctx context.Context, out io.Writer) error {
	r := rule.Rule{
		Name: cmd.Name, Bucket: cmd.Bucket, Prefix: cmd.Prefix, Suffixes: cmd.Suffix, Pipeline: cmd.Pipeline,
		OutputKeyPrefix: cmd.OutputPrefix, UserMetadata: cmd.Metadata, MaxPerHour: cmd.MaxPerHour, Enabled: !cmd.Disabled,
	}
	for _, text := range cmd.Output {
		preset, pattern, ok := strings.Cut(text, "=")
		if !ok {
			return fmt.Errorf("--output %q: write it like 1351620000001-300110={dir}/{name}.flac (%w)", text, errUsage)
		}
		r.Outputs = append(r.Outputs, rule.Output{PresetID: transcode.PresetID(preset), KeyPattern: pattern})
	}
	rules, err := cmd.openRules(ctx, noObjects{})
	if err != nil {
		return err
	}
	defer rules.Close()
	admin, err := rules.store.FirstAdmin(ctx)
	if err != nil {
		return err
	}
	if r.Owner, err = ownerID(ctx, rules.store, cmd.Owner, admin); err != nil {
		return err
	}
	if _, err := rules.Create(ctx, r); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "Added the rule %s. What is there already is found by etude rule rescan --rule %[1]s.\n", r.Name)
	return err
}

type ruleListCmd struct {
	JSON bool `help:"Print JSON."`
	database
}

// Run prints the rules in the order of their names.
func (cmd *ruleListCmd) Run(ctx context.Context, out io.Writer) error {
	rules, err := cmd.openRules(ctx, noObjects{})
	if err != nil {
		return err
	}
	defer rules.Close()
	all, err := rules.Rules(ctx)
	if err != nil {
		return err
	}
	if cmd.JSON {
		shown := make([]shownRule, len(all))
		for i, r := range all {
			shown[i] = rules.describe(ctx, r)
		}
		return printJSON(out, shown)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tSTATE\tTAKES\tOUTPUTS\tTO")
	for _, r := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", r.Name, ruleState(r), ruleTakes(r), len(r.Outputs), r.OutputKeyPrefix)
	}
	return table.Flush()
}

func ruleState(r *rule.Rule) string {
	switch {
	case !r.Enabled:
		return "disabled"
	case r.Paused != "":
		return "paused"
	}
	return "enabled"
}

func ruleTakes(r *rule.Rule) string {
	if r.Bucket == "" {
		return "what is sent to it"
	}
	return strings.TrimSpace("s3://" + r.Bucket + "/" + r.Prefix + "* " + strings.Join(r.Suffixes, " "))
}

// shownRule is a rule as it is printed.
type shownRule struct {
	Name            string            `json:"name"`
	State           string            `json:"state"`
	Paused          string            `json:"paused,omitempty"`
	Bucket          string            `json:"bucket"`
	Prefix          string            `json:"prefix"`
	Suffixes        []string          `json:"suffixes,omitempty"`
	Pipeline        string            `json:"pipeline"`
	OutputKeyPrefix string            `json:"output_key_prefix"`
	Outputs         []shownRuleOutput `json:"outputs"`
	UserMetadata    map[string]string `json:"user_metadata,omitempty"`
	Owner           string            `json:"owner"`
	MaxPerHour      int               `json:"max_per_hour"`
	Source          string            `json:"source,omitempty"`
	Created         time.Time         `json:"created"`
}

type shownRuleOutput struct {
	Preset string `json:"preset"`
	Key    string `json:"key"`
}

// describe shows the owner by the e-mail address, if there is the account.
func (s *rules) describe(ctx context.Context, r *rule.Rule) shownRule {
	shown := shownRule{
		Name: r.Name, State: ruleState(r), Paused: r.Paused, Bucket: r.Bucket, Prefix: r.Prefix, Suffixes: r.Suffixes,
		Pipeline: r.Pipeline, OutputKeyPrefix: r.OutputKeyPrefix, UserMetadata: r.UserMetadata, Owner: r.Owner,
		MaxPerHour: r.MaxPerHour, Source: string(r.Source), Created: r.CreateTime.UTC(),
	}
	if shown.MaxPerHour == 0 {
		shown.MaxPerHour = rule.DefaultMaxPerHour
	}
	if user, err := s.store.User(ctx, account.UserID(r.Owner)); err == nil {
		shown.Owner = user.Email
	}
	for _, o := range r.Outputs {
		shown.Outputs = append(shown.Outputs, shownRuleOutput{string(o.PresetID), o.KeyPattern})
	}
	return shown
}

type ruleShowCmd struct {
	Name string `arg:"" help:"The rule's name."`
	database
}

// Run prints the rule as JSON, which says all of it.
func (cmd *ruleShowCmd) Run(ctx context.Context, out io.Writer) error {
	rules, err := cmd.openRules(ctx, noObjects{})
	if err != nil {
		return err
	}
	defer rules.Close()
	r, err := rules.Rule(ctx, cmd.Name)
	if err != nil {
		return err
	}
	return printJSON(out, rules.describe(ctx, r))
}

type ruleRmCmd struct {
	Name string `arg:"" help:"The rule's name."`
	database
}

// Run removes the rule from the server's database.
func (cmd *ruleRmCmd) Run(ctx context.Context, out io.Writer) error {
	rules, err := cmd.openRules(ctx, noObjects{})
	if err != nil {
		return err
	}
	defer rules.Close()
	if err := rules.Delete(ctx, cmd.Name); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "Removed the rule %s.\n", cmd.Name)
	return err
}

type ruleEnableCmd struct {
	Name string `arg:"" help:"The rule's name."`
	database
}

// Run enables the rule in the server's database.
func (cmd *ruleEnableCmd) Run(ctx context.Context, out io.Writer) error {
	rules, err := cmd.openRules(ctx, noObjects{})
	if err != nil {
		return err
	}
	defer rules.Close()
	if _, err := rules.Enable(ctx, cmd.Name); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "The rule %s makes jobs from now on. What came meanwhile is found by etude rule rescan --rule %[1]s.\n", cmd.Name)
	return err
}

type ruleDisableCmd struct {
	Name string `arg:"" help:"The rule's name."`
	database
}

// Run disables the rule in the server's database.
func (cmd *ruleDisableCmd) Run(ctx context.Context, out io.Writer) error {
	rules, err := cmd.openRules(ctx, noObjects{})
	if err != nil {
		return err
	}
	defer rules.Close()
	if _, err := rules.Disable(ctx, cmd.Name); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "The rule %s makes no more jobs.\n", cmd.Name)
	return err
}

type ruleTestCmd struct {
	Event string `arg:"" help:"File with an S3 event as AWS sends it, alone, in an SNS message, or in a batch of an SQS queue; - for standard input."`
	database
}

// errNoJob is the end of a test that found no request.
var errNoJob = errors.New("no rule makes a job of it")

// Run prints the requests, each as JSON that the AWS CLI takes with
// --cli-input-json. It exits with 1 if there is an event of which no rule makes
// a job.
func (cmd *ruleTestCmd) Run(ctx context.Context, out io.Writer) error {
	raw, err := readFileOrStdin(cmd.Event)
	if err != nil {
		return err
	}
	rules, err := cmd.openRules(ctx, noObjects{})
	if err != nil {
		return err
	}
	defer rules.Close()
	trials, err := rules.Try(ctx, raw)
	if err != nil {
		return err
	}
	if len(trials) == 0 {
		_, err := fmt.Fprintln(out, "This is a test event, as S3 sends one when a notification is set up. It is taken, and makes no job.")
		return err
	}
	none := false
	for _, t := range trials {
		switch {
		case t.Spec != nil:
			fmt.Fprintf(os.Stderr, "s3://%s/%s: the rule %s makes this request\n", t.Event.Bucket, t.Event.Key, t.Rule)
			if _, err := out.Write(etapi.CreateJobRequest(*t.Spec)); err != nil {
				return err
			}
		case t.Rule == "":
			none = true
			fmt.Fprintf(os.Stderr, "s3://%s/%s: %s\n", t.Event.Bucket, t.Event.Key, t.Why)
		default:
			none = true
			fmt.Fprintf(os.Stderr, "s3://%s/%s: not the rule %s: %s\n", t.Event.Bucket, t.Event.Key, t.Rule, t.Why)
		}
	}
	if none {
		return errNoJob
	}
	return nil
}

func readFileOrStdin(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(name)
}

type ruleRescanCmd struct {
	Rule   string `help:"Only what this rule takes; all rules without it." placeholder:"NAME"`
	Bucket string `help:"Only this bucket." placeholder:"BUCKET"`
	Prefix string `help:"Only keys that begin with this." placeholder:"TEXT"`
	After  string `help:"Go on after this key of --bucket, as an earlier rescan has printed it." placeholder:"KEY"`
	DryRun bool   `help:"Say what would be done, and do nothing."`
	JSON   bool   `help:"Print the counts as JSON."`
	database
	S3Endpoint string `name:"s3-endpoint" env:"ETUDE_S3_ENDPOINT" help:"The server's S3, if it is not the embedded one." placeholder:"URL"`
	S3Region   string `name:"s3-region" env:"ETUDE_S3_REGION" help:"Region of that S3." placeholder:"REGION"`

	AccessKeyID     string `env:"ETUDE_ACCESS_KEY_ID" hidden:""`
	SecretAccessKey string `env:"ETUDE_SECRET_ACCESS_KEY" hidden:""`
}

// Run lists the buckets and makes the jobs in the server's database.
func (cmd *ruleRescanCmd) Run(ctx context.Context, out io.Writer) error {
	objects, err := cmd.objects(ctx)
	if err != nil {
		return err
	}
	rules, err := cmd.openRules(ctx, objects)
	if err != nil {
		return err
	}
	defer rules.Close()
	verb := "job"
	if cmd.DryRun {
		verb = "would be a job"
	}
	counts, err := rules.Rescan(ctx, rule.Rescan{
		Rule: cmd.Rule, Bucket: cmd.Bucket, Prefix: cmd.Prefix, After: cmd.After, DryRun: cmd.DryRun,
		Each: func(ref transcode.ObjectRef, o rule.Outcome) {
			switch {
			case cmd.JSON:
			case o.Made && o.Job != nil:
				fmt.Fprintf(out, "%s  %s %s of rule %s\n", ref, verb, o.Job.ID, o.Rule)
			case o.Made:
				fmt.Fprintf(out, "%s  %s of rule %s\n", ref, verb, o.Rule)
			}
		},
	})
	if err != nil && counts.Last != "" {
		err = fmt.Errorf("%w\n(go on with --bucket %s --after %q)", err, counts.Bucket, counts.Last)
	}
	if cmd.JSON {
		return errors.Join(printJSON(out, shownCounts{counts.Seen, counts.Taken, counts.Made, counts.Earlier, counts.Left, counts.Bucket, counts.Last}), err)
	}
	fmt.Fprintf(out, "%d objects seen, %d taken by a rule: %d new jobs, %d had one, %d left alone.\n",
		counts.Seen, counts.Taken, counts.Made, counts.Earlier, counts.Left)
	return err
}

type shownCounts struct {
	Seen    int    `json:"seen"`
	Taken   int    `json:"taken"`
	Made    int    `json:"made"`
	Earlier int    `json:"earlier"`
	Left    int    `json:"left"`
	Bucket  string `json:"bucket"`
	Last    string `json:"last"`
}

// objects are those of the server: the embedded ones are reached through it,
// with its root access key.
func (cmd *ruleRescanCmd) objects(ctx context.Context) (*objectstore.Client, error) {
	if cmd.S3Endpoint != "" || cmd.S3Region != "" {
		return objectstore.NewClient(ctx, objectstore.ClientConfig{Endpoint: cmd.S3Endpoint, Region: cmd.S3Region})
	}
	where, err := findServer(cmd.Data)
	if err != nil {
		return nil, fmt.Errorf("no server runs in %s that could be asked for its objects: start it, or name its S3 with --s3-endpoint: %w", cmd.Data, err)
	}
	var cred keptCredentials
	if err := (&dataDir{path: cmd.Data}).readJSON("credentials.json", &cred); err != nil {
		return nil, err
	}
	if cmd.AccessKeyID != "" {
		cred.AccessKeyID, cred.SecretAccessKey = cmd.AccessKeyID, cmd.SecretAccessKey
	}
	return objectstore.NewClient(ctx, objectstore.ClientConfig{
		Endpoint: where.Edge, Region: where.Region, AccessKeyID: cred.AccessKeyID, Secret: cred.SecretAccessKey,
	})
}

// ruleVars are what the help of the commands says that the domain knows.
func ruleVars() map[string]string {
	var all []string
	for _, p := range rule.Placeholders {
		all = append(all, "{"+p.Name+"} is "+p.Meaning)
	}
	return map[string]string{
		"placeholders": "Of media/live/01 Intro.mp3 under the prefix media/: " + strings.Join(all, "; ") + ".",
		"maxperhour":   strconv.Itoa(rule.DefaultMaxPerHour),
	}
}
