package e2e_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"
)

// goCaller is AWS's SDK for Go.
func goCaller(t *testing.T, s *server) (caller, string) {
	return sdkCaller(t, s.et(), "elastictranscoder")
}

// sdkCaller calls the methods of a client of AWS's SDK for Go, whose structures
// have the API's names.
func sdkCaller(t *testing.T, sdk any, service string) (caller, string) {
	client := reflect.ValueOf(sdk)
	return func(t *testing.T, operation string, params members) (members, error) {
		method := client.MethodByName(operation)
		input := reflect.New(method.Type().In(1).Elem())
		if err := convert(params, input.Interface()); err != nil {
			return nil, err
		}
		results := method.Call([]reflect.Value{reflect.ValueOf(testContext(t)), input})
		if err, _ := results[1].Interface().(error); err != nil {
			var api smithy.APIError
			if errors.As(err, &api) {
				return nil, &callError{api.ErrorCode(), api.ErrorMessage()}
			}
			return nil, err
		}
		var reply members
		return reply, convert(results[0].Interface(), &reply)
	}, required(t, "github.com/aws/aws-sdk-go-v2/service/"+service)
}

// required is the version of a module that go.mod asks for.
func required(t *testing.T, module string) string {
	t.Helper()
	text, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^\s` + regexp.QuoteMeta(module) + ` v(\S+)`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("go.mod does not ask for %s", module)
	}
	return string(m[1])
}

// oldGoCaller is AWS's first SDK for Go, which has come to its end: a program in
// a module of its own.
func oldGoCaller(t *testing.T, s *server) (caller, string) {
	command := func(args ...string) ([]byte, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, need(t, "go"), args...)
		cmd.Dir = "gosdk1"
		return cmd.CombinedOutput()
	}
	if out, err := command("mod", "download"); err != nil {
		lacking(t, "go mod download: %v\n%s", err, out)
	}
	program := filepath.Join(t.TempDir(), "gosdk1")
	if out, err := command("build", "-buildvcs=false", "-o", program, "."); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bridge(t, s.awsEnvironment(t), program)
}

// convert copies by way of JSON.
func convert(from, to any) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, to)
}

// pythonCaller is the boto3 of the distribution, the last that has the client.
func pythonCaller(t *testing.T, s *server) (caller, string) {
	python := need(t, "/usr/bin/python3")
	check := exec.CommandContext(t.Context(), python, "-c", `import boto3; boto3.client("elastictranscoder", region_name="eu-west-1")`)
	if out, err := check.CombinedOutput(); err != nil {
		lacking(t, "there is no boto3 with Elastic Transcoder for %s: %v\n%s", python, err, out)
	}
	return bridge(t, s.awsEnvironment(t), python, "testdata/bridge.py")
}

// strippedPythonCaller is the same boto3 with its client taken away and our
// model installed.
func strippedPythonCaller(t *testing.T, s *server) (caller, string) {
	return s.modelCaller(t, need(t, "/usr/bin/python3"))
}

// newPythonCaller is a boto3 of today, with our model.
func newPythonCaller(t *testing.T, s *server) (caller, string) {
	return s.modelCaller(t, newPython(t))
}

func (s *server) modelCaller(t *testing.T, python string) (caller, string) {
	u := s.toolsOf(t, python)
	u.install(t)
	return bridge(t, u.env, python, "testdata/without_client.py", "testdata/bridge.py")
}

// javaScriptCaller is the last release of AWS's SDK for JavaScript that has the
// client, from npm.
func javaScriptCaller(t *testing.T, s *server) (caller, string) {
	return s.nodeCaller(t, "bridge.js", "ElasticTranscoder")
}

// oldJavaScriptCaller is AWS's SDK for JavaScript as it was before version 3.
func oldJavaScriptCaller(t *testing.T, s *server) (caller, string) {
	return s.nodeCaller(t, "bridge2.js", "ElasticTranscoder")
}

func (s *server) nodeCaller(t *testing.T, script, service string) (caller, string) {
	node, npm := need(t, "node"), need(t, "npm")
	dir := t.TempDir()
	if err := os.Symlink(nodeModules(t, npm), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"package.json", script} {
		copyFile(t, filepath.Join("js", name), filepath.Join(dir, name))
	}
	return bridge(t, append(s.awsEnvironment(t), "SERVICE="+service), node, filepath.Join(dir, script))
}

// nodeModules installs what js/package-lock.json names, once for each version of
// that file: a test should not fetch it every time.
func nodeModules(t *testing.T, npm string) string {
	lock, err := os.ReadFile("js/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = t.TempDir()
	}
	sum := sha256.Sum256(lock)
	home := filepath.Join(cache, "etude-e2e-js")
	dir := filepath.Join(home, hex.EncodeToString(sum[:8]))
	installed := filepath.Join(dir, "node_modules")
	if _, err := os.Stat(installed); err == nil {
		return installed
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		t.Fatal(err)
	}
	fresh, err := os.MkdirTemp(home, "new-") //nolint:usetesting // It is renamed when it is whole, which needs one disk.
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(fresh)
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc"} {
		copyFile(t, filepath.Join("js", name), filepath.Join(fresh, name))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "ci", "--loglevel=error")
	cmd.Dir = fresh
	if out, err := cmd.CombinedOutput(); err != nil {
		lacking(t, "npm ci: %v\n%s", err, out)
	}
	if err := os.Rename(fresh, dir); err != nil {
		if _, there := os.Stat(installed); there != nil { // else somebody was quicker
			t.Fatal(err)
		}
	}
	return installed
}

// lacking skips the test at home and fails it in CI.
func lacking(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// bridge runs a program that makes calls for us: it says its version, then
// answers each line of JSON with one.
func bridge(t *testing.T, env []string, program string, args ...string) (call caller, version string) {
	t.Helper()
	// It ends by itself when its input does, after the test's context.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = slices.Concat(env, []string{"AWS_REGION=eu-west-1", "NO_PROXY=*"})
	errText := new(bytes.Buffer)
	cmd.Stderr = errText
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // ends it
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v\n%s", cmd, err, errText)
		}
		cancel()
	})
	answers := json.NewDecoder(out)
	var hello struct{ Version string }
	if err := answers.Decode(&hello); err != nil {
		t.Fatalf("read the version of %s: %v", cmd, err)
	}
	return func(_ *testing.T, operation string, params members) (members, error) {
		if err := json.NewEncoder(in).Encode(members{"operation": operation, "params": params}); err != nil {
			return nil, err
		}
		var said struct {
			Reply         members
			Code, Message string
		}
		if err := answers.Decode(&said); err != nil {
			return nil, fmt.Errorf("read what %s says: %w", cmd, err)
		}
		if said.Code != "" {
			return nil, &callError{said.Code, said.Message}
		}
		return said.Reply, nil
	}, hello.Version
}

var (
	wordStart = regexp.MustCompile(`(.)([A-Z])`)
	cliError  = regexp.MustCompile(`An error occurred \((\w+)\) when calling the \w+ operation: (.*)`)
	cliName   = regexp.MustCompile(`^aws-cli/(\S+)`)
)

// cliCaller is the distribution's AWS CLI.
func cliCaller(t *testing.T, s *server) (caller, string) {
	return s.commandCaller(t, "elastictranscoder", s.awsEnvironment(t), need(t, "/usr/bin/aws"))
}

// newCLICaller is an AWS CLI of today, with our model.
func newCLICaller(t *testing.T, s *server) (caller, string) {
	u := s.toolsOf(t, newPython(t))
	if out, err := u.run(t, u.python, "-c", "import awscli"); err != nil {
		t.Skipf("%s has no AWS CLI: %v\n%s", u.python, err, out)
	}
	u.install(t)
	return s.commandCaller(t, "elastictranscoder", u.env, u.python, "-m", "awscli")
}

func (s *server) commandCaller(t *testing.T, service string, env []string, program ...string) (call caller, version string) {
	aws := func(t *testing.T, args ...string) (out, errText bytes.Buffer, err error) {
		cmd := exec.CommandContext(testContext(t), program[0], slices.Concat(program[1:], args)...)
		cmd.Env = slices.Concat(env, []string{"AWS_PAGER=", "NO_PROXY=*"})
		cmd.Stdout, cmd.Stderr = &out, &errText
		err = cmd.Run()
		return out, errText, err
	}
	out, errText, err := aws(t, "--version")
	name := cliName.FindStringSubmatch(out.String())
	if err != nil || name == nil {
		t.Fatalf("%s --version: %v\n%s%s", program, err, &out, &errText)
	}
	return func(t *testing.T, operation string, params members) (members, error) {
		text, err := json.Marshal(params)
		if err != nil {
			return nil, err
		}
		command := strings.ToLower(wordStart.ReplaceAllString(operation, "$1-$2"))
		out, errText, err := aws(t, "--endpoint-url", s.edge, "--output", "json", service, command, "--cli-input-json", string(text))
		if err != nil {
			if m := cliError.FindStringSubmatch(errText.String()); m != nil {
				return nil, &callError{m[1], m[2]}
			}
			return nil, fmt.Errorf("aws %s: %w\n%s", command, err, &errText)
		}
		reply := members{}
		if out.Len() == 0 {
			return reply, nil
		}
		return reply, json.Unmarshal(out.Bytes(), &reply)
	}, name[1]
}

// routes are what boto 2 sent for each operation, and the only status it took.
var routes = map[string]struct {
	method, path string
	status       int
}{
	"CreatePipeline":              {"POST", "pipelines", 201},
	"ListPipelines":               {"GET", "pipelines", 200},
	"ReadPipeline":                {"GET", "pipelines/{Id}", 200},
	"UpdatePipeline":              {"PUT", "pipelines/{Id}", 200},
	"UpdatePipelineStatus":        {"POST", "pipelines/{Id}/status", 200},
	"UpdatePipelineNotifications": {"POST", "pipelines/{Id}/notifications", 200},
	"DeletePipeline":              {"DELETE", "pipelines/{Id}", 202},
	"TestRole":                    {"POST", "roleTests", 200},
	"CreatePreset":                {"POST", "presets", 201},
	"ListPresets":                 {"GET", "presets", 200},
	"ReadPreset":                  {"GET", "presets/{Id}", 200},
	"DeletePreset":                {"DELETE", "presets/{Id}", 202},
	"CreateJob":                   {"POST", "jobs", 201},
	"ReadJob":                     {"GET", "jobs/{Id}", 200},
	"CancelJob":                   {"DELETE", "jobs/{Id}", 202},
	"ListJobsByPipeline":          {"GET", "jobsByPipeline/{PipelineId}", 200},
	"ListJobsByStatus":            {"GET", "jobsByStatus/{Status}", 200},
}

// httpCaller does what boto 2 did, which is not to be had any more: it repeats
// the id in the bodies of updates, takes one status only, decodes every body,
// and looks for the header with the error's type.
func httpCaller(_ *testing.T, s *server) (call caller, version string) {
	return func(t *testing.T, operation string, params members) (members, error) {
		resp, err := oldRequest(t, s, operation, params)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		var reply members
		if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil || reply == nil {
			return nil, fmt.Errorf("decode the body of a %d: %w", resp.StatusCode, err)
		}
		if want := routes[operation].status; resp.StatusCode != want {
			code := resp.Header.Get("x-amzn-ErrorType")
			message, _ := reply["message"].(string)
			if code == "" || message == "" {
				return nil, fmt.Errorf("status %d, want %d; error type %q, message %q", resp.StatusCode, want, code, message)
			}
			return nil, &callError{code, message}
		}
		return reply, nil
	}, ""
}

func oldRequest(t *testing.T, s *server, operation string, params members) (*http.Response, error) {
	route := routes[operation]
	path, query, contentType := route.path, url.Values{}, "charset=UTF-8" // so it was
	for name, value := range params {
		if text, ok := value.(string); ok {
			path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(text))
			if name == "Ascending" || name == "PageToken" {
				query.Set(name, text)
			}
		}
	}
	var body []byte
	if route.method == "POST" || route.method == "PUT" {
		contentType = "application/json; charset=UTF-8"
		var err error
		if body, err = json.Marshal(params); err != nil {
			return nil, err
		}
	}
	target := s.edge + "/2012-09-25/" + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(testContext(t), route.method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", contentType)
	sum := sha256.Sum256(body)
	who := aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}
	if err := v4.NewSigner().SignHTTP(r.Context(), who, r, hex.EncodeToString(sum[:]), "elastictranscoder", "us-east-1", time.Now()); err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(r)
}
