// Command etude-lambda is the bootstrap of an AWS Lambda function of the runtime
// provided.al2023: S3's events become jobs of an Elastic Transcoder API, by the
// same rules as on a server of Etude's. This package reads the environment and
// the file of rules beside the program; docs/triggers.md says how it is set up.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder"

	"etude/internal/awslambda"
	"etude/internal/rulefile"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	h, err := open(context.Background(), log)
	if err != nil {
		// Lambda shows what a program has written that ends before its first event.
		log.Error("start", "err", err.Error())
		os.Exit(1)
	}
	lambda.Start(h.Handle)
}

// open makes the handler that the environment describes.
func open(ctx context.Context, log *slog.Logger) (*awslambda.Handler, error) {
	name, text, err := rulesText()
	if err != nil {
		return nil, err
	}
	file, err := rulefile.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("the rules in %s do not hold: %w", name, err)
	}
	api, err := client(ctx)
	if err != nil {
		return nil, err
	}
	h, err := awslambda.New(file.Rules, api, log)
	if err != nil {
		return nil, fmt.Errorf("the rules in %s do not hold: %w", name, err)
	}
	return h, nil
}

// rulesText are the rules, in ETUDE_RULES_YAML, or else in the file ETUDE_RULES,
// which is rules.yaml beside the program where it is not set.
func rulesText() (name string, text []byte, err error) {
	if inline := os.Getenv("ETUDE_RULES_YAML"); inline != "" {
		return "ETUDE_RULES_YAML", []byte(inline), nil
	}
	name = os.Getenv("ETUDE_RULES")
	if name == "" {
		name = "rules.yaml"
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(os.Getenv("LAMBDA_TASK_ROOT"), name)
	}
	if text, err = os.ReadFile(name); err != nil {
		return "", nil, fmt.Errorf("read the rules: %w (put rules.yaml into the zip, or set ETUDE_RULES_YAML)", err)
	}
	return name, text, nil
}

// client speaks to ETUDE_ENDPOINT, or to where AWS's settings say, with the key
// ETUDE_ACCESS_KEY_ID, or else with the function's own role.
func client(ctx context.Context) (*elastictranscoder.Client, error) {
	var opts []func(*config.LoadOptions) error
	if region := os.Getenv("ETUDE_REGION"); region != "" {
		opts = append(opts, config.WithRegion(region))
	}
	if id := os.Getenv("ETUDE_ACCESS_KEY_ID"); id != "" {
		opts = append(opts, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(id, os.Getenv("ETUDE_SECRET_ACCESS_KEY"), "")))
	}
	cfg, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("set up the client: %w", err)
	}
	return elastictranscoder.NewFromConfig(cfg, func(o *elastictranscoder.Options) {
		if endpoint := os.Getenv("ETUDE_ENDPOINT"); endpoint != "" {
			o.BaseEndpoint = aws.String(endpoint)
		}
	}), nil
}
