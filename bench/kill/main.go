// Command kill uploads objects to a server that it kills with -9 again and
// again, and counts what has become of them: each object whose upload was answered must
// have exactly one job. It prints a table, and exits with 1 if a job is missing
// or there is one too many.
//
// The server is the built program with everything embedded, as a user has it:
// SQLite, the S3, the queue and the rule of the first start, which makes a job
// of each object below media/. Its pipeline is paused, so that nothing is
// encoded. Clients are AWS's SDK; they try again, as it does, until they are
// answered.
//
//	go run ./bench/kill                       # 100,000 objects, 20 kills
//	go run ./bench/kill -objects 2000 -kills 5
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/elastictranscoder"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	keyID  = "ETUDEKILLKILLKIL"
	secret = "kill-secret-kill-secret"
	bucket = "etude"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("kill: ")
	var r run
	flag.IntVar(&r.objects, "objects", 100_000, "how many objects are uploaded")
	flag.IntVar(&r.kills, "kills", 20, "how often the server is killed meanwhile")
	flag.IntVar(&r.clients, "clients", 16, "how many clients upload at once")
	flag.IntVar(&r.size, "size", 2048, "bytes of each object")
	flag.StringVar(&r.binary, "binary", "", "the etude to run; built anew if empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := r.run(ctx)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

// run is one measurement.
type run struct {
	objects, kills, clients, size int
	binary                        string

	dir    string
	server *server
	edge   string // stays the same over restarts

	next     atomic.Int64  // the object that is uploaded next
	answered atomic.Int64  // uploads that were answered
	retried  atomic.Int64  // requests that were not
	cpu      time.Duration // of the servers that were killed
	lastRow  func()        // of the table, see killAgainAndAgain
}

func (r *run) run(ctx context.Context) (err error) {
	if r.dir, err = os.MkdirTemp("", "etude-kill-"); err != nil {
		return err
	}
	defer os.RemoveAll(r.dir)
	if r.binary == "" {
		r.binary = filepath.Join(r.dir, "etude")
		if out, err := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", r.binary, "./cmd/etude").CombinedOutput(); err != nil {
			return fmt.Errorf("build etude (run this in the repository's root): %w\n%s", err, out)
		}
	}
	if r.server, err = startServer(r.binary, r.dir, "127.0.0.1:0"); err != nil {
		return err
	}
	defer func() { r.server.kill() }()
	r.edge = r.server.edge
	if err := r.pause(ctx); err != nil {
		return fmt.Errorf("pause the pipeline: %w", err)
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	start := time.Now()
	var uploads sync.WaitGroup
	for range r.clients {
		uploads.Go(func() {
			if err := r.upload(ctx); err != nil {
				cancel(err)
			}
		})
	}
	if err := r.killAgainAndAgain(ctx); err != nil {
		cancel(err)
	}
	uploads.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	took := time.Since(start)
	result, failed := r.report(ctx)
	r.server.kill()
	r.lastRow()
	r.cpu += r.server.cpu()
	fmt.Printf("\n%d objects of %d bytes by %d clients in %s: %.0f a second. %d requests were cut off or refused, and tried again.\n",
		r.objects, r.size, r.clients, took.Round(time.Second), float64(r.objects)/took.Seconds(), r.retried.Load())
	fmt.Printf("The servers took %s of CPU, %.1f ms an object.\n", r.cpu.Round(time.Second), r.cpu.Seconds()*1000/float64(r.objects))
	fmt.Println(result)
	return failed
}

// pause keeps the jobs of the first pipeline from being run.
func (r *run) pause(ctx context.Context) error {
	et := r.transcoder()
	all, err := et.ListPipelines(ctx, &elastictranscoder.ListPipelinesInput{})
	if err != nil {
		return err
	}
	for _, p := range all.Pipelines {
		if _, err := et.UpdatePipelineStatus(ctx, &elastictranscoder.UpdatePipelineStatusInput{Id: p.Id, Status: aws.String("Paused")}); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) config() aws.Config {
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: &r.edge, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(keyID, secret, ""),
		HTTPClient:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}, Timeout: time.Minute},
	}
}

func (r *run) transcoder() *elastictranscoder.Client {
	return elastictranscoder.NewFromConfig(r.config())
}

func key(n int) string { return fmt.Sprintf("media/%03d/%06d.wav", n/1000, n) }

// upload puts one object after the other, each until it is answered. No two
// have the same bytes.
func (r *run) upload(ctx context.Context) error {
	c := s3.NewFromConfig(r.config(), func(o *s3.Options) { o.UsePathStyle = true })
	for {
		n := int(r.next.Add(1)) - 1
		if n >= r.objects {
			return nil
		}
		text := fmt.Sprintf("object %d\n", n)
		text += strings.Repeat(".", max(0, r.size-len(text)))
		for {
			_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(key(n)), Body: strings.NewReader(text)})
			if err == nil {
				r.answered.Add(1)
				break
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if !again(err) {
				return fmt.Errorf("put %s: %w", key(n), err)
			}
			r.retried.Add(1)
			time.Sleep(20 * time.Millisecond) // as the SDK would
		}
	}
}

// again reports whether a client would try again: the server is away, was cut
// off, or says so.
func again(err error) bool {
	var status interface{ HTTPStatusCode() int }
	if errors.As(err, &status) && status.HTTPStatusCode() != 0 {
		return status.HTTPStatusCode() >= 500
	}
	var op *net.OpError
	var u *url.Error
	return errors.As(err, &op) || errors.As(err, &u) || errors.Is(err, io.ErrUnexpectedEOF)
}

// killAgainAndAgain spreads the kills over the uploads, each a random while
// after the last so-and-so-many objects.
func (r *run) killAgainAndAgain(ctx context.Context) error {
	fmt.Println("kill  answered   intents left      told   dropped  deliveries waiting  ready again after")
	row := func() {} // is printed when the next server is gone, and all that it has logged is read
	for n := 1; n <= r.kills; n++ {
		want := int64(r.objects) * int64(n) / int64(r.kills+1)
		for r.answered.Load() < want {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(time.Millisecond):
			}
		}
		time.Sleep(rand.N(20 * time.Millisecond))
		r.server.kill()
		r.cpu += r.server.cpu()
		row()
		answered := r.answered.Load()
		begin := time.Now()
		s, err := startServer(r.binary, r.dir, strings.TrimPrefix(r.edge, "http://"))
		if err != nil {
			return err
		}
		r.server = s
		took := time.Since(begin)
		row = func() {
			fmt.Printf("%4d  %8d  %13d  %8d  %8d  %18d  %14d ms\n",
				n, answered, s.found.Told+s.found.Dropped, s.found.Told, s.found.Dropped, s.found.Waiting, took.Milliseconds())
		}
	}
	r.lastRow = row
	return nil
}

const (
	// idle is how long no job may come before those that are missing are held to
	// be lost.
	idle = 3 * time.Minute
	// countGap is between two counts. A count reads all jobs, and is not to keep
	// the server from making those that are missing.
	countGap = 10 * time.Second
)

// report waits until all events are handed on, and compares objects with jobs.
func (r *run) report(ctx context.Context) (result string, err error) {
	var jobs map[string]int
	var total int
	for moved := time.Now(); ; {
		before := total
		if jobs, total, err = r.jobs(ctx); err != nil {
			return "", err
		}
		if total > before {
			moved = time.Now()
		}
		if len(jobs) >= r.objects || time.Since(moved) > idle {
			break
		}
		time.Sleep(countGap)
	}
	missing, twice := 0, 0
	for n := range r.objects {
		switch jobs[key(n)] {
		case 0:
			missing++
		case 1:
		default:
			twice++
		}
	}
	result = fmt.Sprintf("%d objects answered, %d jobs: %d objects without a job, %d with more than one.", r.objects, total, missing, twice)
	if missing > 0 || twice > 0 || total != r.objects {
		err = errors.New("not every object has exactly one job")
	}
	return result, err
}

// jobs counts the jobs of each input, as the API lists them.
func (r *run) jobs(ctx context.Context) (count map[string]int, total int, err error) {
	et := r.transcoder()
	count = map[string]int{}
	var seen []string
	pages := elastictranscoder.NewListJobsByStatusPaginator(et, &elastictranscoder.ListJobsByStatusInput{Status: aws.String("Submitted")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, 0, fmt.Errorf("list jobs: %w", err)
		}
		for _, j := range page.Jobs {
			count[aws.ToString(j.Input.Key)]++
			seen = append(seen, aws.ToString(j.Id))
		}
	}
	slices.Sort(seen)
	return count, len(slices.Compact(seen)), nil
}

// server is a running etude serve.
type server struct {
	cmd   *exec.Cmd
	edge  string
	found found
	ended chan struct{}
	once  sync.Once
}

// found is what a start found of the run before; it is whole when the server
// has ended.
type found struct{ Told, Dropped, Waiting int }

// startServer returns when the server is ready.
func startServer(binary, dir, edge string) (*server, error) {
	data := filepath.Join(dir, "data")
	s := &server{ended: make(chan struct{})}
	//nolint:noctx // it is killed, not cancelled
	s.cmd = exec.Command(binary, "serve", "--data", data, "--site-addr", "127.0.0.1:0", "--edge-addr", edge, "--log", "json", "--bucket", bucket)
	s.cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "AWS_REGION=eu-west-1",
		"ETUDE_ACCESS_KEY_ID=" + keyID, "ETUDE_SECRET_ACCESS_KEY=" + secret,
		"ETUDE_ADMIN_EMAIL=admin@example.com", "ETUDE_ADMIN_PASSWORD=correct horse battery",
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	var logged sync.WaitGroup
	var last []string
	logged.Go(func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			s.read(lines.Text())
			if last = append(last, lines.Text()); len(last) > 10 {
				last = last[1:]
			}
		}
	})
	ready := false
	lines := bufio.NewScanner(stdout)
	for !ready && lines.Scan() {
		ready = strings.Contains(lines.Text(), "is ready after")
	}
	if !ready {
		logged.Wait()
		return nil, fmt.Errorf("the server did not start: %w\n%s", s.cmd.Wait(), strings.Join(last, "\n"))
	}
	go func() {
		for lines.Scan() { // what it goes on to say
		}
		logged.Wait()
		_ = s.cmd.Wait() // it is killed
		close(s.ended)
	}()
	text, err := os.ReadFile(filepath.Join(data, "serve.json"))
	if err != nil {
		return nil, err
	}
	var where struct{ Edge string }
	if err := json.Unmarshal(text, &where); err != nil {
		return nil, err
	}
	s.edge = where.Edge
	return s, nil
}

// read takes from a line of the log what the start found.
func (s *server) read(line string) {
	var entry struct {
		Msg                    string
		Told, Dropped, Waiting int
	}
	if json.Unmarshal([]byte(line), &entry) != nil {
		return
	}
	switch entry.Msg {
	case "unfinished requests reconciled with the objects that are there":
		s.found.Told, s.found.Dropped = entry.Told, entry.Dropped
	case "events wait to be handed on":
		s.found.Waiting = entry.Waiting
	}
}

// cpu is what a server took that has ended.
func (s *server) cpu() time.Duration {
	return s.cmd.ProcessState.UserTime() + s.cmd.ProcessState.SystemTime()
}

// kill ends the server without a word.
func (s *server) kill() {
	s.once.Do(func() { _ = s.cmd.Process.Signal(syscall.SIGKILL) })
	<-s.ended
}
