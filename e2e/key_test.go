package e2e_test

import (
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// etude runs a subcommand on the server's data, while the server runs.
func (s *server) etude(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(testContext(t), binary, append(args, "--data", s.data)...)
	cmd.Env = environment()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// madeKey is what etude key prints of a key.
type madeKey struct {
	ID     string `json:"access_key_id"`
	Secret string `json:"secret_access_key"`
	User   string `json:"user"`
	Role   string `json:"role"`
	Name   string `json:"name"`
}

// TestAccessKeys makes a key of each role, does with it what it may and may
// not, and removes it, all while the server runs.
func TestAccessKeys(t *testing.T) {
	s := shared(t)
	if _, err := s.s3().CreateBucket(testContext(t), &s3.CreateBucketInput{Bucket: aws.String("for-keys")}); err != nil {
		t.Fatal(err)
	}
	for rank, role := range []string{"read-only", "submitter", "admin"} {
		t.Run(role, func(t *testing.T) {
			out, err := s.etude(t, "key", "add", "--user", email, "--role", role, "--name", "söng & co", "--json")
			var k madeKey
			if jsonErr := json.Unmarshal([]byte(out), &k); err != nil || jsonErr != nil {
				t.Fatalf("key add: %v, %v\n%s", err, jsonErr, out)
			}
			config := s.awsConfig()
			config.Credentials = credentials.NewStaticCredentialsProvider(k.ID, k.Secret, "")
			config.RetryMaxAttempts = 3 // as by default: a refusal is final, a connection that closes on an upload is not
			s.checkRole(t, config, rank)

			listed, err := s.etude(t, "key", "list", "--json")
			if err != nil || !strings.Contains(listed, k.ID) || !strings.Contains(listed, "söng & co") || strings.Contains(listed, k.Secret) {
				t.Errorf("key list: %v\n%s\nwant %s, and no secret", err, listed, k.ID)
			}
			if listed, err = s.etude(t, "key", "list"); err != nil || !strings.Contains(listed, k.ID) || strings.Contains(listed, k.Secret) || strings.Contains(listed, accessKey) {
				t.Errorf("key list: %v\n%s\nwant %s, no secret and no root key", err, listed, k.ID)
			}

			if out, err := s.etude(t, "key", "rm", k.ID); err != nil {
				t.Fatalf("key rm: %v\n%s", err, out)
			}
			for service, call := range s.reading(t, config) {
				if got := errorCode(call()); got != removedCodes[service] {
					t.Errorf("%s with the removed key: %s, want %s", service, got, removedCodes[service])
				}
			}
			if out, err := s.etude(t, "key", "rm", k.ID); err == nil || !strings.Contains(out, k.ID) {
				t.Errorf("key rm a second time: %v\n%s\nwant an error that names it", err, out)
			}
		})
	}
}

var removedCodes = map[string]string{
	"s3": "InvalidAccessKeyId", "elastictranscoder": "UnrecognizedClientException", "sts": "InvalidClientTokenId",
}

// reading is what every role may do, by service.
func (s *server) reading(t *testing.T, config aws.Config) map[string]func() error {
	return map[string]func() error{
		"s3": func() error {
			_, err := s.s3As(config).ListObjectsV2(testContext(t), &s3.ListObjectsV2Input{Bucket: aws.String("media")})
			return err
		},
		"elastictranscoder": func() error {
			_, err := elastictranscoder.NewFromConfig(config).ListPipelines(testContext(t), &elastictranscoder.ListPipelinesInput{})
			return err
		},
		"sts": func() error {
			out, err := sts.NewFromConfig(config).GetCallerIdentity(testContext(t), &sts.GetCallerIdentityInput{})
			if err == nil && *out.Arn != "arn:aws:iam::000000000000:user/"+email {
				t.Errorf("sts says %s, want the user %s", *out.Arn, email)
			}
			return err
		},
	}
}

// checkRole does what takes ever more, and looks how far the role gets.
func (s *server) checkRole(t *testing.T, config aws.Config, rank int) {
	t.Helper()
	for service, call := range s.reading(t, config) {
		if err := call(); err != nil {
			t.Errorf("read from %s: %v", service, err)
		}
	}
	objects, transcoder := s.s3As(config), elastictranscoder.NewFromConfig(config)
	for _, tt := range []struct {
		name   string
		least  int
		denied string
		call   func() error
	}{
		{"put an object", 1, "AccessDenied", func() error {
			_, err := objects.PutObject(testContext(t), &s3.PutObjectInput{Bucket: aws.String("media"), Key: aws.String("media/keys/a"), Body: strings.NewReader("a")})
			return err
		}},
		{"delete an object", 1, "AccessDenied", func() error {
			_, err := objects.DeleteObject(testContext(t), &s3.DeleteObjectInput{Bucket: aws.String("media"), Key: aws.String("media/keys/a")})
			return err
		}},
		{"create a job", 1, "AccessDeniedException", func() error {
			_, err := transcoder.CreateJob(testContext(t), &elastictranscoder.CreateJobInput{PipelineId: aws.String("1111111111111-abcde1")})
			return err
		}},
		{"create a bucket", 2, "AccessDenied", func() error {
			_, err := objects.CreateBucket(testContext(t), &s3.CreateBucketInput{Bucket: aws.String("made-with-a-key")})
			return err
		}},
		{"set a policy", 2, "AccessDenied", func() error {
			_, err := objects.DeleteBucketPolicy(testContext(t), &s3.DeleteBucketPolicyInput{Bucket: aws.String("for-keys")})
			return err
		}},
		{"delete a pipeline", 2, "AccessDeniedException", func() error {
			_, err := transcoder.DeletePipeline(testContext(t), &elastictranscoder.DeletePipelineInput{Id: aws.String("1111111111111-abcde1")})
			return err
		}},
	} {
		if got := errorCode(tt.call()); (got == tt.denied) != (rank < tt.least) {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
}

func (s *server) s3As(config aws.Config) *s3.Client {
	return s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true })
}

func errorCode(err error) string {
	var answer smithy.APIError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &answer):
		return answer.ErrorCode()
	}
	return err.Error()
}

func TestBadAccessKeyCommands(t *testing.T) {
	s := shared(t)
	for _, tt := range []struct{ args, want string }{
		{"key add --user nobody@example.com --role admin", `there is no account "nobody@example.com"`},
		{"key add --user " + email + " --role root", `"read-only","submitter","admin"`},
		{"key add --role admin", "--user"},
		{"key add --user " + email, "--role"},
		{"key rm " + accessKey, "root access key"},
	} {
		if out, err := s.etude(t, strings.Fields(tt.args)...); err == nil || !strings.Contains(out, tt.want) {
			t.Errorf("%s: %v\n%s\nwant an error with %s", tt.args, err, out, tt.want)
		}
	}
	elsewhere := &server{data: t.TempDir()}
	for _, args := range []string{"key list", "key rm X", "key add --user a@b.c --role admin"} {
		out, err := elsewhere.etude(t, strings.Fields(args)...)
		if err == nil || !strings.Contains(out, elsewhere.data) || !strings.Contains(out, "--data") {
			t.Errorf("%s where there is no server: %v\n%s\nwant an error that names the directory", args, err, out)
		}
	}
}
