package objectstore_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func completed(part *s3.UploadPartOutput) *types.CompletedMultipartUpload {
	one := int32(1)
	return &types.CompletedMultipartUpload{Parts: []types.CompletedPart{
		{PartNumber: &one, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32},
	}}
}

// awsEnv is the environment of a tool that uses the server with the admin
// key, and uploads in parts from 6 MiB on.
func awsEnv(t *testing.T) []string {
	t.Helper()
	config := filepath.Join(t.TempDir(), "config")
	text := "[default]\ns3 =\n  addressing_style = path\n  multipart_threshold = 6MB\n  multipart_chunksize = 5MB\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return append(os.Environ(),
		"AWS_ACCESS_KEY_ID="+adminKey.id, "AWS_SECRET_ACCESS_KEY="+adminKey.secret, "AWS_SESSION_TOKEN=",
		"AWS_DEFAULT_REGION="+region, "AWS_CONFIG_FILE="+config, "AWS_ENDPOINT_URL="+shared.url,
		"AWS_SHARED_CREDENTIALS_FILE=/nonexistent", "AWS_EC2_METADATA_DISABLED=true",
	)
}

func tool(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), need(t, name), args...)
	cmd.Env, cmd.Dir = env, t.TempDir()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, stderr.String())
	}
	return string(out)
}

func TestAWSCommandLine(t *testing.T) {
	const aws = "/usr/bin/aws"
	need(t, aws)
	b := bucket(t)
	env := awsEnv(t)
	dir := t.TempDir()
	for name, size := range map[string]int{"small file+.txt": 1000, "größe 100%.bin": 17<<20 + 1} {
		t.Run(name, func(t *testing.T) {
			data := make([]byte, size)
			rand.NewChaCha8([32]byte{}).Read(data)
			from, to := filepath.Join(dir, name), filepath.Join(dir, name+".down")
			if err := os.WriteFile(from, data, 0o600); err != nil {
				t.Fatal(err)
			}
			url := fmt.Sprintf("s3://%s/in/%s", b, name)
			tool(t, env, aws, "--endpoint-url", shared.url, "s3", "cp", "--quiet", from, url)
			tool(t, env, aws, "--endpoint-url", shared.url, "s3", "cp", "--quiet", url, to)
			if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, data) {
				t.Errorf("came back as %d bytes, %v; want the same %d", len(got), err, size)
			}
			info, err := shared.client.Head(t.Context(), ref(b, "in/"+name))
			if err != nil {
				t.Fatal(err)
			}
			if parts := strings.HasSuffix(info.ETag, "-4"); parts != (size > 6<<20) {
				t.Errorf("ETag %q: uploaded in parts = %v", info.ETag, parts)
			}
		})
	}
	out := tool(t, env, aws, "--endpoint-url", shared.url, "s3", "ls", "--recursive", "s3://"+b)
	if !strings.Contains(out, "in/größe 100%.bin") {
		t.Errorf("ls = %s", out)
	}
	tool(t, env, aws, "--endpoint-url", shared.url, "s3", "cp", "--quiet", "s3://"+b+"/in/small file+.txt", "s3://"+b+"/copy")
	tool(t, env, aws, "--endpoint-url", shared.url, "s3", "rm", "--quiet", "--recursive", "s3://"+b+"/")
	nothingLeft(t, b)
}

// boto3 with signature version 4: its default for links, version 2, is refused.
const presignScript = `
import sys, urllib.request, urllib.error, boto3
from botocore.config import Config
url, region, bucket = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=url, region_name=region,
                  config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))
for key in ["plain", "two words+plus%percent/\u00fc\u65e5 '()!*~.txt", "a&b=c?d#e;f"]:
    body = key.encode() * 1000
    params = {"Bucket": bucket, "Key": key}
    put = s3.generate_presigned_url("put_object", Params=params, ExpiresIn=60)
    urllib.request.urlopen(urllib.request.Request(put, data=body, method="PUT")).read()
    get = s3.generate_presigned_url("get_object", Params=dict(params, ResponseContentType="audio/x-test"), ExpiresIn=60)
    r = urllib.request.urlopen(get)
    assert r.headers["Content-Type"] == "audio/x-test", r.headers
    assert r.read() == body, key
    ranged = urllib.request.Request(s3.generate_presigned_url("get_object", Params=params, ExpiresIn=60), headers={"Range": "bytes=1-3"})
    r = urllib.request.urlopen(ranged)
    assert r.status == 206 and r.read() == body[1:4], r.status
    try:
        urllib.request.urlopen(put)
        raise SystemExit("a link to put lets get")
    except urllib.error.HTTPError as e:
        assert e.code == 403, e.code
    s3.put_object(Body=body, **params)
    assert s3.get_object(**params)["Body"].read() == body
    post = s3.generate_presigned_post(bucket, "form/" + key, ExpiresIn=60)
bad = s3.generate_presigned_post(bucket, "../../escape", ExpiresIn=60)
boundary = "xxBOUNDARYxx"
def form(fields, data):
    parts = []
    for k, v in fields.items():
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode())
    parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\nContent-Type: text/plain\r\n\r\n'.encode() + data + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode()
def send(post, data):
    req = urllib.request.Request(post["url"], data=form(post["fields"], data), method="POST",
                                 headers={"Content-Type": "multipart/form-data; boundary=" + boundary})
    return urllib.request.urlopen(req).status
assert send(s3.generate_presigned_post(bucket, "form/key", ExpiresIn=60), b"form data") in (200, 204)
assert s3.get_object(Bucket=bucket, Key="form/key")["Body"].read() == b"form data"
try:
    send(bad, b"form data")
    raise SystemExit("a form writes outside of the bucket")
except urllib.error.HTTPError as e:
    assert e.code == 400, (e.code, e.read())
print("done")
`

func TestBoto3(t *testing.T) {
	const python = "/usr/bin/python3"
	need(t, python)
	need(t, "/usr/lib/python3/dist-packages/boto3")
	b := bucket(t)
	out := tool(t, awsEnv(t), python, "-c", presignScript, shared.url, region, b)
	if strings.TrimSpace(out) != "done" {
		t.Errorf("script says %q", out)
	}
}

// sidecarVariable makes the tests' server keep metadata in files, as it does
// where the filesystem has no extended attributes.
const sidecarVariable = "ETUDE_TEST_SIDECAR"

func TestSidecar(t *testing.T) {
	if os.Getenv(sidecarVariable) != "" {
		t.Skip("is it already")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// One server a process: so another process.
	cmd := exec.CommandContext(t.Context(), self, "-test.run",
		"^(TestServerFiles|TestOddKeys|TestStore.*|TestPut.*|TestAnonymous.*|TestIfNoneMatchHolds|TestMaxObject|TestUsesSidecar)$")
	cmd.Env = append(os.Environ(), sidecarVariable+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestUsesSidecar(t *testing.T) {
	if os.Getenv(sidecarVariable) == "" {
		t.Skip("runs within TestSidecar")
	}
	b := bucket(t)
	if err := put(t, sdk(t, rootKey), b, "key", "text"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(shared.dir, "metadata", b, "key")); err != nil {
		t.Error(err)
	}
}
