// Command etude is a self-hosted media transcoding service that speaks the APIs
// of Amazon Elastic Transcoder and S3. This package reads the configuration,
// joins the packages below internal, and knows no rule of theirs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the build (-X main.version=...).
var version = "dev"

type cli struct {
	Serve      serveCmd           `cmd:"" help:"Run the server: the site for people, the AWS endpoint for programs, and the workers."`
	Demo       demoCmd            `cmd:"" help:"Take a song through the whole flow, through the public interfaces only, and check the results."`
	Transcode  transcodeCmd       `cmd:"" help:"Convert files on this machine: the same engine, without a server."`
	Doctor     doctorCmd          `cmd:"" help:"Look at what serve would use, with the same flags, and say what is missing."`
	Ready      readyCmd           `cmd:"" help:"Exit with 0 if the server serves, else with 1."`
	User       userCmd            `cmd:"" help:"Manage the accounts of the site."`
	Rule       ruleCmd            `cmd:"" help:"Manage the rules: objects like this become jobs like that."`
	Listen     listenCmd          `cmd:"" help:"Have the messages of a topic posted to a program on this machine, which needs no address on the Internet."`
	Key        keyCmd             `cmd:"" help:"Manage the access keys of programs."`
	SigningKey signingKeyCmd      `cmd:"" help:"Rotate the key that messages are signed with."`
	AWSModel   awsModelCmd        `cmd:"" name:"aws-model" help:"The description of Elastic Transcoder that AWS's tools need."`
	Import     importPipelinesCmd `cmd:"" name:"import-pipelines" help:"Bring pipelines and custom presets of Elastic Transcoder with their ids. Works while the server runs."`
	Version    versionCmd         `cmd:"" help:"Print the version."`
}

type versionCmd struct{}

func (versionCmd) Run(out io.Writer) error {
	_, err := fmt.Fprintln(out, "etude", version)
	return err
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	os.Exit(report(err, os.Stderr))
}

// report says what went wrong, and returns the program's exit status.
func report(err error, stderr io.Writer) int {
	var exit *exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		if exit.err != nil {
			fmt.Fprintf(stderr, "etude: %v\n", err)
		}
		return exit.status
	}
	fmt.Fprintf(stderr, "etude: %v\n", err)
	if errors.Is(err, errUsage) {
		return exitUsage
	}
	return 1
}

// errUsage is what was wrong with the command line, or with the environment
// that stands in for it.
var errUsage = errors.New("see etude --help")

// run carries out one command line. It returns when the command has ended and
// nothing of it is left running.
func run(ctx context.Context, args []string, out io.Writer) error {
	var c cli
	parser, err := kong.New(&c,
		kong.Name("etude"),
		kong.Description("A self-hosted media transcoding service that speaks Amazon Elastic Transcoder."),
		kong.UsageOnError(),
		kong.Vars(ruleVars()),
		kong.Vars{"sandboxes": sandboxes()},
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.BindTo(out, (*io.Writer)(nil)),
	)
	if err != nil {
		return err
	}
	command, err := parser.Parse(args)
	if err != nil {
		return fmt.Errorf("%w (%w)", err, errUsage)
	}
	return command.Run()
}
