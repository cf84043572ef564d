package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"etude/internal/etapi"
	"etude/internal/transcode"
)

type importPipelinesCmd struct {
	File string `arg:"" help:"JSON as 'aws elastictranscoder list-pipelines' or 'list-presets' printed it, or a Terraform state; - for standard input."`
	database
}

// Run writes to the server's database; the server sees it at once.
func (cmd *importPipelinesCmd) Run(ctx context.Context, out io.Writer) error {
	text, err := cmd.read()
	if err != nil {
		return err
	}
	export, err := etapi.ParseExport(text)
	if err != nil {
		return fmt.Errorf("read %s: %w", cmd.name(), err)
	}
	if len(export.Pipelines)+len(export.Presets) == 0 {
		_, err := fmt.Fprintf(out, "There are no pipelines and no custom presets in %s. System presets are built in.\n", cmd.name())
		return err
	}
	store, db, err := cmd.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	made, err := transcode.Import(ctx, store, export.Pipelines, export.Presets)
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.name(), err)
	}
	buckets := map[string]bool{}
	for _, p := range export.Pipelines {
		fmt.Fprintf(out, "pipeline %s  %s  %q\n", p.ID, outcome(made, string(p.ID)), p.Name)
		buckets[p.InputBucket], buckets[p.Content.Bucket], buckets[p.Thumbnails.Bucket] = true, true, true
	}
	for _, p := range export.Presets {
		fmt.Fprintf(out, "preset   %s  %s  %q\n", p.ID, outcome(made, string(p.ID)), p.Name)
	}
	delete(buckets, "")
	for _, bucket := range slices.Sorted(maps.Keys(buckets)) {
		fmt.Fprintf(out, "needs the bucket %s: if it is not there yet, aws s3 mb s3://%s\n", bucket, bucket)
	}
	return nil
}

func (cmd *importPipelinesCmd) read() ([]byte, error) {
	if cmd.File == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(cmd.File)
}

func (cmd *importPipelinesCmd) name() string {
	if cmd.File == "-" {
		return "standard input"
	}
	return cmd.File
}

func outcome(made []string, id string) string {
	if slices.Contains(made, id) {
		return "imported"
	}
	return "is here already"
}
