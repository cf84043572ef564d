package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/debuglogger"
	"github.com/versity/versitygw/embedgw"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3err"
)

// ErrUnknownKey is what ServerConfig.Key returns for an access key that
// does not exist or was revoked.
var ErrUnknownKey = errors.New("access key is unknown")

// Key is an access key other than the root one, and what it may do. Besides,
// each key has what bucket policies grant it.
type Key struct {
	Secret string
	// User is whose key it is, as it is called in refusals; empty means by its
	// ID.
	User string
	// Admin means that the key may do everything, whatever policies say.
	Admin bool
	// May reports whether the key may do an action, named as in IAM policies,
	// like "s3:PutObject". Nil means none.
	May func(action string) bool
}

// ServerConfig says where the server keeps its objects and who may ask for
// them. Region, Dir and the root key must be set.
type ServerConfig struct {
	// Dir is the directory of the server's own, made (mode 0700) if it is not
	// there. Objects are the plain files Dir/buckets/<bucket>/<key>.
	Dir string

	// Region is what clients must sign their requests for.
	Region string

	// RootAccessKeyID and RootSecret may do everything.
	RootAccessKeyID string
	RootSecret      string

	// Key returns any other access key, or ErrUnknownKey for one that is not
	// there. It is asked on every request, so a revoked key ends at once. Nil
	// knows no key.
	Key func(ctx context.Context, accessKeyID string) (Key, error)

	// MaxObject is the size in bytes of the largest object that keys other
	// than the root key may put there; 0 is no limit beyond S3's own.
	MaxObject int64

	// Events keeps what happens to the objects. Nil lets it pass unnoticed.
	Events Events

	// Logger gets what an operator should know. Nil discards it.
	Logger *slog.Logger
}

func (cfg ServerConfig) validate() error {
	var errs []error
	if cfg.Dir == "" {
		errs = append(errs, errors.New("no directory is given"))
	}
	if cfg.Region == "" {
		errs = append(errs, errors.New("no region is given"))
	}
	if cfg.RootAccessKeyID == "" || cfg.RootSecret == "" {
		errs = append(errs, errors.New("the root access key is not complete: id and secret are needed"))
	}
	if cfg.MaxObject < 0 {
		errs = append(errs, fmt.Errorf("the largest object cannot have %d bytes", cfg.MaxObject))
	}
	return errors.Join(errs...)
}

// Server is an S3 server inside this process. Its methods may be called at
// once from many goroutines.
type Server struct {
	cfg       ServerConfig
	log       *slog.Logger
	transport *http.Transport
	handler   http.Handler
	recorder  *recorder

	stop    context.CancelFunc
	done    chan struct{} // closed when the gateway has ended
	err     error         // why it ended; to be read after done
	closed  sync.Once
	priorWD string
}

// serverOpen holds the gateway to its own limit: one per process.
var serverOpen atomic.Bool

// socketPath is the gateway's only listener. It is a file rather than an
// abstract socket, which anybody on the machine could connect to; and it is
// relative to the gateway's working directory, Dir/buckets, because the
// system cuts the length of a socket's path at 108 bytes and the gateway takes
// one with a colon for host and port.
var socketPath = filepath.Join("..", "s3.sock")

// OpenServer starts the server and returns as soon as it answers. It ends with
// Close, not with ctx.
//
// The gateway finds its files by paths relative to the working directory of
// the process, so OpenServer CHANGES it, to Dir/buckets, until Close: make
// every other path absolute before, and never change directory in between.
// There can be one open server in a process.
func OpenServer(ctx context.Context, cfg ServerConfig) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("open object server: %w", err)
	}
	if !serverOpen.CompareAndSwap(false, true) {
		return nil, errors.New("open object server: one is open in this process already; close it first")
	}
	s, err := openServer(ctx, cfg)
	if err != nil {
		serverOpen.Store(false)
		return nil, fmt.Errorf("open object server in %q: %w", cfg.Dir, err)
	}
	return s, nil
}

func openServer(ctx context.Context, cfg ServerConfig) (*Server, error) {
	s := &Server{cfg: cfg, log: cfg.Logger, done: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	// A process whose directory was deleted has none to go back to.
	s.priorWD, _ = os.Getwd()

	buckets, metadata, err := prepareDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	files, err := openFiles(buckets, metadata)
	if err != nil {
		s.restoreWD()
		return nil, err
	}
	if err := checkSocket(ctx); err != nil {
		files.Shutdown()
		s.restoreWD()
		return nil, err
	}

	s.transport = newTransport()
	s.handler = newProxy(s.transport, s.log)
	s.recorder = &recorder{
		events: cfg.Events, files: files, root: cfg.RootAccessKeyID, region: cfg.Region, log: s.log, inHand: map[int64]bool{},
	}
	if cfg.Events == nil {
		s.recorder.events = noEvents{}
	}
	// Before anybody can change what the last process has left.
	if err := s.recorder.reconcile(ctx, time.Time{}); err != nil {
		files.Shutdown()
		s.restoreWD()
		return nil, err
	}

	if err := s.start(ctx, files); err != nil {
		s.restoreWD()
		return nil, err
	}
	return s, nil
}

// start runs the gateway in the background until stop is called, and returns
// when it accepts connections.
func (s *Server) start(ctx context.Context, files *posix.Posix) error {
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop

	iam := newAccounts(run, s.cfg.Key, s.log)
	gw := &gateway{Backend: files, recorder: s.recorder, maxObject: s.cfg.MaxObject}
	configured := &notifications{
		gw: gw, iam: iam, region: s.cfg.Region,
		root: middlewares.RootUserConfig{Access: s.cfg.RootAccessKeyID, Secret: s.cfg.RootSecret},
	}
	ready := make(chan struct{})
	cfg := &embedgw.Config{
		RootUserAccess: s.cfg.RootAccessKeyID,
		RootUserSecret: s.cfg.RootSecret,
		Region:         s.cfg.Region,
		Ports:          []string{socketPath},
		SocketPerm:     "0600",
		// Beyond these the gateway answers 503 SlowDown, which SDKs retry.
		MaxConnections:    4096,
		MaxRequests:       2048,
		MultipartMaxParts: 10000,
		Quiet:             true,
		LogLevel:          debuglogger.LevelSilent,
		IAMService:        iam,
		S3Options: []s3api.Option{
			s3api.WithOnListen(func() { close(ready) }),
			s3api.WithMiddleware("/", refuseBadKeys()),
			s3api.WithMiddleware("/", keepSourceIP),
			s3api.WithMiddleware("/", configured.handle),
		},
	}
	go func() {
		defer close(s.done)
		s.err = embedgw.RunVersityGW(run, gw, cfg)
		if run.Err() == nil {
			s.log.Error("object server ended by itself", "err", s.err)
		}
	}()

	select {
	case <-ready:
		return nil
	case <-s.done:
		stop()
		return fmt.Errorf("start gateway: %w", s.err)
	case <-ctx.Done():
		stop()
		<-s.done
		return context.Cause(ctx)
	}
}

// Handler answers S3 requests. It needs them as they came: neither Host nor
// the path may be rewritten before (http.ServeMux would clean the path), or
// signatures no longer hold.
func (s *Server) Handler() http.Handler { return s.handler }

// Reconcile tells of events, or forgets them, whose requests ended without
// either, for instance because the database was away. OpenServer does so for
// those that a crash has left; this is to be called now and then.
func (s *Server) Reconcile(ctx context.Context) error {
	return s.recorder.reconcile(ctx, time.Now().Add(-youngIntent))
}

// youngIntent is how old an intent must be before somebody may wonder what
// became of its request.
const youngIntent = time.Minute

// Close lets the requests at hand end, for up to ten seconds, stops the server
// and goes back to the working directory from before OpenServer. It may be
// called more than once. When ctx ends first, Close returns its error and the
// server goes on ending.
func (s *Server) Close(ctx context.Context) error {
	s.stop()
	select {
	case <-s.done:
	case <-ctx.Done():
		return fmt.Errorf("close object server: %w", context.Cause(ctx))
	}
	s.transport.CloseIdleConnections()
	s.closed.Do(func() {
		s.restoreWD()
		serverOpen.Store(false)
	})
	if s.err != nil {
		return fmt.Errorf("close object server: %w", s.err)
	}
	return nil
}

func (s *Server) restoreWD() {
	if s.priorWD == "" {
		return
	}
	if err := os.Chdir(s.priorWD); err != nil {
		s.log.Warn("working directory is not restored", "err", err)
	}
}

// prepareDir makes dir and what is in it, and returns absolute paths.
func prepareDir(dir string) (buckets, metadata string, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return "", "", err
	}
	buckets = filepath.Join(dir, "buckets")
	if err := os.MkdirAll(buckets, 0o700); err != nil {
		return "", "", err
	}
	return buckets, filepath.Join(dir, "metadata"), nil
}

// openFiles returns the gateway's store of plain files and makes buckets the
// working directory. What S3 keeps beside an object's bytes (content type,
// checksums, ETag) goes into extended attributes where the filesystem has
// them, else into files in the metadata directory. Once chosen, that stays:
// with the other place the store would have lost it all.
func openFiles(buckets, metadata string) (*posix.Posix, error) {
	var storer meta.MetadataStorer = attributes{}
	sidecar, err := useSidecar(buckets, metadata)
	if err != nil {
		return nil, err
	}
	if sidecar {
		if err := os.MkdirAll(metadata, 0o700); err != nil {
			return nil, err
		}
		if storer, err = meta.NewSideCar(metadata); err != nil {
			return nil, fmt.Errorf("use metadata directory: %w", err)
		}
	}
	opts := posix.PosixOpts{
		CopyObjectThreshold: 5 << 30, // S3's limit; zero refuses every copy
		IOBufferSize:        256 << 10,
		ValidateBucketNames: true,
	}
	opts.SetNewDirPerm(0o700)
	opts.SetNewFilePerm(0o600)
	return posix.New(buckets, storer, opts)
}

// attributes keeps metadata in extended attributes. ext4 has 4 KiB of them for
// a file, and where each part of an upload ends takes 5 bytes, so without this
// an upload of more than some 700 parts could not be completed. Where there is
// no room for it, it is left out: then a single part cannot be asked for, nor
// the upload be completed a second time, and all else is as ever.
type attributes struct{ meta.XattrMeta }

const partsAttribute = "mp-metadata"

func (a attributes) StoreAttribute(f *os.File, bucket, object, attribute string, value []byte) error {
	err := a.XattrMeta.StoreAttribute(f, bucket, object, attribute, value)
	full := errors.Is(err, s3err.GetAPIError(s3err.ErrNoSpaceLeftOnDevice)) || errors.Is(err, syscall.E2BIG) || errors.Is(err, syscall.ERANGE)
	if attribute == partsAttribute && len(value) > 1<<10 && full {
		return nil
	}
	return err
}

func useSidecar(buckets, metadata string) (bool, error) {
	switch _, err := os.Stat(metadata); {
	case err == nil:
		return true, nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, err
	}
	const probe = "etude-probe"
	err := meta.XattrMeta{}.StoreAttribute(nil, buckets, "", probe, []byte("1"))
	if errors.Is(err, syscall.ENOTSUP) {
		return true, nil
	}
	if err == nil {
		err = meta.XattrMeta{}.DeleteAttribute(buckets, "", probe)
	}
	if err != nil {
		return false, fmt.Errorf("set an extended attribute (choose a directory on a filesystem that is writable and has them, as ext4, XFS, Btrfs or ZFS): %w", err)
	}
	return false, nil
}

// checkSocket refuses to take the socket away from a living server, as the
// gateway would.
func checkSocket(ctx context.Context) error {
	conn, err := dialSocket(ctx)
	if err != nil {
		return nil // nobody is there; the gateway removes a stale socket
	}
	conn.Close()
	return errors.New("another process serves this directory; stop it or choose another directory")
}

func dialSocket(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", socketPath)
}
