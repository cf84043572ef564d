package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"etude/internal/etapi"
)

type awsModelCmd struct {
	Install awsModelInstallCmd `cmd:"" help:"Give boto3 and the AWS CLI back their elastictranscoder client, which new versions lack."`
}

type awsModelInstallCmd struct {
	Dir string `help:"Directory of models; the default is the one in which boto3 and the AWS CLI look by themselves, ~/.aws/models." placeholder:"DIR"`
}

// modelFiles are what botocore wants for a service. The one that makes the
// service known to it comes last.
// https://botocore.amazonaws.com/v1/documentation/api/latest/reference/loaders.html
var modelFiles = []struct {
	name string
	text func() []byte
}{
	{"endpoint-rule-set-1.json", etapi.EndpointRules},
	{"paginators-1.json", etapi.Paginators},
	{"waiters-2.json", etapi.Waiters},
	{"service-2.json", etapi.ServiceModel},
}

// Run writes the model; a second time it writes the same.
func (cmd *awsModelInstallCmd) Run(_ context.Context, out io.Writer) error {
	models, hint, err := cmd.models()
	if err != nil {
		return err
	}
	dir := filepath.Join(models, filepath.FromSlash(etapi.ModelPath))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return cannotInstall(err)
	}
	var written strings.Builder
	for _, f := range modelFiles {
		path := filepath.Join(dir, f.name)
		if err := replaceFile(path, f.text()); err != nil {
			return cannotInstall(err)
		}
		fmt.Fprintf(&written, "  %s\n", path)
	}
	_, err = fmt.Fprintf(out, `Wrote the model of Elastic Transcoder for boto3 and the AWS CLI:
%s
Try it, with your server's access key and endpoint:
%s  aws --endpoint-url http://127.0.0.1:4566 elastictranscoder list-pipelines
  python3 -c 'import boto3; print(boto3.client("elastictranscoder", endpoint_url="http://127.0.0.1:4566").list_pipelines()["Pipelines"])'
`, &written, hint)
	return err
}

// models returns the directory of models, absolute, and what one has to enter
// before programs look there.
func (cmd *awsModelInstallCmd) models() (dir, hint string, err error) {
	if cmd.Dir != "" {
		if dir, err = filepath.Abs(cmd.Dir); err != nil {
			return "", "", cannotInstall(err)
		}
		return dir, "  export AWS_DATA_PATH=" + shellQuote(dir) + "\n", nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", "", fmt.Errorf("find ~/.aws/models (name a directory with --dir): %w", err)
	}
	return filepath.Join(home, ".aws", "models"), "", nil
}

func cannotInstall(err error) error {
	return fmt.Errorf("install the model (choose a directory that can be written with --dir, and set AWS_DATA_PATH to it): %w", err)
}

// shellQuote writes s as one word of a POSIX shell.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// replaceFile writes a file that everybody may read, whole or not at all.
func replaceFile(path string, content []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(content)
	if err := errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
