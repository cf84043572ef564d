package e2e_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder"

	"etude/internal/ffmpeg/ffmpegtest"
	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
)

func TestSecondServerOnTheSameDataIsRefused(t *testing.T) {
	s := shared(t)
	_, err := start(s.data, environment())
	if err == nil || !strings.Contains(err.Error(), "is in use by another Etude server") || !strings.Contains(err.Error(), "--data") {
		t.Errorf("second server: %v, want that the data directory is in use, and the remedy", err)
	}
}

func TestWrongConfigurationNamesEveryOption(t *testing.T) {
	cmd := exec.Command(binary, "serve", "--data", t.TempDir(), "--site-addr", "nowhere", "--account", "12")
	cmd.Env = append(environment(), "ETUDE_ADMIN_PASSWORD=")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatal("the server started")
	}
	for _, want := range []string{"--site-addr", "--account", "ETUDE_ADMIN_EMAIL"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the fault of %s is not named in:\n%s", want, out)
		}
	}
}

func TestFirstStartGeneratesCredentialsOnce(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	env := []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
	s, err := start(data, env)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(filepath.Join(data, "credentials.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"credentials.json", "master.key"} {
		info, err := os.Stat(filepath.Join(data, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("%s has mode %o, want 600", name, got)
		}
	}
	if s, err = start(data, env); err != nil {
		t.Fatal(err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(filepath.Join(data, "credentials.json"))
	if err != nil {
		t.Fatal(err)
	}
	if string(first) != string(second) {
		t.Error("the second start changed the credentials")
	}
}

// TestFirstStartThatFails: what the first start says once is not lost with it.
func TestFirstStartThatFails(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	env := []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
	if _, err := start(data, env, "--database-url", "postgres://nobody@127.0.0.1:1/nothing?connect_timeout=1"); err == nil {
		t.Fatal("the server started without its database")
	}
	for _, first := range []bool{true, false} {
		cmd := exec.Command(binary, "serve", "--data", data, "--site-addr", "127.0.0.1:0", "--edge-addr", "127.0.0.1:0")
		cmd.Env = env
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		out, said := bufio.NewReader(stdout), ""
		for err == nil && !strings.Contains(said, "  data ") {
			var line string
			line, err = out.ReadString('\n')
			said += line
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		rest, err := io.ReadAll(out)
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server exited with %v, want 0", err)
		}
		said += string(rest)
		if got := strings.Contains(said, "password") && strings.Contains(said, "AWS_SECRET_ACCESS_KEY"); got != first {
			t.Errorf("the credentials were printed: %v, want %v, in:\n%s", got, first, said)
		}
	}
}

// TestFirstStartThatFailedHadThePassword: a start that was to make the first
// account came to nothing, and the next one was not told of it.
func TestFirstStartThatFailedHadThePassword(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if _, err := start(data, environment(), "--database-url", "postgres://nobody@127.0.0.1:1/nothing?connect_timeout=1"); err == nil {
		t.Fatal("the server started without its database")
	}
	_, err := start(data, []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "set ETUDE_ADMIN_EMAIL and ETUDE_ADMIN_PASSWORD") {
		t.Errorf("the next start: %v, want what to set", err)
	}
	s, err := start(data, environment())
	if err != nil {
		t.Fatal(err)
	}
	s.signIn(t)
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

func TestReadyz(t *testing.T) {
	s := shared(t)
	if got := s.anonymous(t, s.site+"/readyz"); got != 200 {
		t.Errorf("GET /readyz = %d, want 200", got)
	}
	cmd := exec.Command(binary, "ready", "--data", s.data)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("etude ready: %v\n%s", err, out)
	}
}

// running starts a job that takes a while and returns when it runs.
func (s *server) running(t *testing.T) (id string) {
	t.Helper()
	long := ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "song.flac", Samples: 150 * 44100})
	s.put(t, "media/long/song.flac", long)
	events := s.signIn(t).events(t, testContext(t))
	id = *s.createJob(t, "media/long/song.flac", "transcoded/long/").Id
	for {
		out, err := s.et().ReadJob(testContext(t), &elastictranscoder.ReadJobInput{Id: &id})
		if err != nil {
			t.Fatal(err)
		}
		switch aws.ToString(out.Job.Status) {
		case "Progressing":
			return id
		case "Submitted":
		default:
			t.Fatalf("the job is %s already: it was too short for this test", *out.Job.Status)
		}
		if err := events.next(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestJobSurvivesItsServer(t *testing.T) {
	ffmpegtest.Need(t)
	for name, end := range map[string]func(*testing.T, *server){
		"SIGTERM": func(t *testing.T, s *server) {
			if err := s.stop(); err != nil {
				t.Errorf("the server exited with %v, want 0\n%s", err, s.log)
			}
		},
		"SIGKILL": func(_ *testing.T, s *server) { s.kill() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := filepath.Join(t.TempDir(), "data")
			s := startFor(t, data, "--drain", "100ms")
			id := s.running(t)
			end(t, s)
			s = startFor(t, data)
			job := s.await(t, id)
			if got, want := statuses(job), "Complete: Complete Complete Complete"; got != want {
				t.Errorf("job = %s, want %s\n%s", got, want, s.log)
			}
			b := s.signIn(t)
			s.awaitMessage(t, b, "Your file song.flac has been processed.")
			if n := strings.Count(b.page(t, "/messages"), `id="message-`); n != 1 {
				t.Errorf("the user is told %d times, want once", n)
			}
			if left, _ := filepath.Glob(filepath.Join(data, "scratch", "*")); len(left) > 0 {
				t.Errorf("scratch files left: %q", left)
			}
		})
	}
}

func TestMessagesAreTheirOwnersOnly(t *testing.T) {
	ffmpegtest.Need(t)
	s := shared(t)
	add := exec.Command(binary, "user", "add", "--data", s.data, "other@example.com")
	add.Stdin = strings.NewReader("another long password\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("etude user add: %v\n%s", err, out)
	}
	s.put(t, "media/mine/private song.wav", song(t, 1))
	job := s.await(t, *s.createJob(t, "media/mine/private song.wav", "transcoded/mine/").Id)
	mine, theirs := s.signIn(t), s.signInAs(t, "other@example.com", "another long password")
	s.awaitMessage(t, mine, "private song.wav")
	for _, path := range []string{"/", "/messages"} {
		if strings.Contains(theirs.page(t, path), "private song.wav") {
			t.Errorf("another user sees the file on %s", path)
		}
	}
	if got := theirs.status(t, "/files/"+*job.Id); got != 404 {
		t.Errorf("another user's GET of the file page = %d, want 404", got)
	}
	if got := theirs.status(t, "/files/"+*job.Id+"/outputs/1/download"); got != 404 {
		t.Errorf("another user's download = %d, want 404", got)
	}
}

func TestPostgresAndExternalS3(t *testing.T) {
	ffmpegtest.Need(t)
	database := sqlstoretest.Config(t, sqlstore.Postgres).URL
	// The S3 of another server is as external as any.
	elsewhere := shared(t)
	s, err := start(filepath.Join(t.TempDir(), "data"),
		environment("AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey),
		"--database-url", database, "--s3-endpoint", elsewhere.edge, "--s3-region", "eu-west-1", "--bucket", "elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.stop(); err != nil {
			t.Errorf("stop: %v\n%s", err, s.log)
		}
	}()
	b := s.signIn(t)
	wav, err := os.Open(song(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	defer wav.Close()
	if res, page := b.upload(t, "song.wav", wav); res.StatusCode != 200 {
		t.Fatalf("upload = %s\n%s", res.Status, page)
	}
	s.awaitMessage(t, b, "Your file song.wav has been processed.")
}
