package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"etude/internal/account"
	"etude/internal/courier"
	"etude/internal/edge"
	"etude/internal/etapi"
	"etude/internal/event"
	"etude/internal/ffmpeg"
	"etude/internal/hook"
	"etude/internal/inbox"
	"etude/internal/listen"
	"etude/internal/notify"
	"etude/internal/objectstore"
	"etude/internal/queue"
	"etude/internal/rule"
	"etude/internal/signkey"
	"etude/internal/snsapi"
	"etude/internal/sqlstore"
	"etude/internal/stsapi"
	"etude/internal/transcode"
	"etude/internal/web"
)

// topicName is the topic that the first pipeline's notifications go to.
const topicName = "etude-jobs"

// pipelineName is the first pipeline's.
const pipelineName = "Audio Files"

// server is all parts of Etude, joined. It is opened from the bottom up, and
// closed in the reverse order.
type server struct {
	*config
	log  *slog.Logger
	dir  *dataDir
	cred *keptCredentials

	db       *sqlstore.DB
	store    *sqlstore.Store
	sessions *sqlstore.Sessions
	queue    *queue.Queue
	s3       *objectstore.Server // nil where objects are kept elsewhere
	objects  *objectstore.Client
	accounts *account.Service
	inbox    *inbox.Service
	jobs     *transcode.Service
	rules    *rule.Service
	notify   *notify.Service
	signing  *signkey.Keys
	courier  *courier.Courier
	linkBase string // of the links in messages; set before the first is delivered
	events   *event.Service
	hooks    *hook.Service // nil if it listens to no topics of others
	pages    *web.Site
	first    *transcode.Pipeline

	listeners  *listen.Service
	site, edge *late
	http       []*http.Server
	running    sync.WaitGroup // of the listeners
	broken     chan error     // has why a listener ended by itself
	endpoints  endpoints
	closers    []func(context.Context) error
}

// openServer opens all parts up to the services; nothing is served yet. After
// an error nothing is left open.
func openServer(ctx context.Context, c *config) (*server, error) {
	s := &server{config: c, log: c.logger(), broken: make(chan error, 1)}
	for _, open := range []func(context.Context) error{
		s.openDir, s.openStore, s.openEvents, s.openObjects, s.openAccounts, s.openServices, s.openHooks, s.openRules, s.firstStart, s.startRules,
	} {
		if err := open(ctx); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// onClose has f called by close, before what was opened earlier is closed.
func (s *server) onClose(f func(context.Context) error) { s.closers = append(s.closers, f) }

// close stops everything in the reverse order of its start. What does not stop
// by itself soon after the drain time is cut off.
func (s *server) close() {
	ctx, cancel := context.WithTimeout(context.Background(), s.Drain+15*time.Second)
	defer cancel()
	for i := len(s.closers) - 1; i >= 0; i-- {
		if err := s.closers[i](ctx); err != nil {
			s.log.Error("stop", "err", err)
		}
	}
	s.closers = nil
}

func (s *server) openDir(context.Context) (err error) {
	if s.dir, err = openDataDir(s.Data); err != nil {
		return err
	}
	s.onClose(func(context.Context) error { return s.dir.Close() })
	s.cred, err = s.dir.credentials(s.config)
	return err
}

func (s *server) openStore(ctx context.Context) (err error) {
	s.db, err = sqlstore.Open(ctx, databaseConfig(s.dir.path, s.DatabaseURL, s.log))
	if err != nil {
		return err
	}
	s.onClose(func(context.Context) error { return s.db.Close() })
	s.queue, err = queue.Open(ctx, s.queueConfig())
	if err != nil {
		return err
	}
	s.store = sqlstore.New(s.db, s.queue.Enqueue)
	s.sessions = s.store.Sessions()
	return nil
}

// databaseConfig is SQLite in the data directory, unless there is a URL.
func databaseConfig(data, url string, log *slog.Logger) sqlstore.Config {
	if url != "" {
		return sqlstore.Config{URL: url, Logger: log}
	}
	return sqlstore.Config{Path: filepath.Join(data, "etude.db"), Logger: log}
}

func (s *server) queueConfig() queue.Config {
	c := queue.Config{Workers: s.workers(), Logger: s.log, Grace: s.Drain}
	if s.DatabaseURL == "" {
		c.SQLite = s.db.Write()
	} else {
		c.Postgres, c.URL = s.db.Write(), s.DatabaseURL
	}
	return c
}

func (s *server) openObjects(ctx context.Context) (err error) {
	c := objectstore.ClientConfig{Endpoint: s.S3Endpoint, Region: s.S3Region}
	if !s.externalS3() {
		s.s3, err = objectstore.OpenServer(context.WithoutCancel(ctx), objectstore.ServerConfig{
			Dir: s.dir.file("s3"), Region: s.Region,
			RootAccessKeyID: s.cred.AccessKeyID, RootSecret: s.cred.SecretAccessKey,
			Key: s.s3Key, Events: s.events, Logger: s.log,
		})
		if err != nil {
			return err
		}
		s.onClose(s.s3.Close)
		c = objectstore.ClientConfig{Server: s.s3}
	}
	s.objects, err = objectstore.NewClient(ctx, c)
	return err
}

// s3Key lets every access key of the accounts use the embedded S3, as far as
// its role goes.
func (s *server) s3Key(ctx context.Context, id string) (objectstore.Key, error) {
	who, secret, err := s.accounts.AccessKey(ctx, id)
	if errors.Is(err, account.ErrNotFound) {
		return objectstore.Key{}, objectstore.ErrUnknownKey
	}
	if err != nil {
		return objectstore.Key{}, err
	}
	return objectstore.Key{
		Secret: secret, User: who.ARN(s.Account), Admin: who.Role == account.Admin,
		May: func(action string) bool { return who.Role.May(account.Action(action)) },
	}, nil
}

// openAccounts makes the first account, if there is none, and gives it the root
// access key.
func (s *server) openAccounts(ctx context.Context) error {
	s.accounts = account.New(s.store, s.cred.MasterKey)
	admin, err := s.accounts.FirstAdmin(ctx)
	if errors.Is(err, account.ErrNotFound) && s.cred.AdminPassword == "" {
		// The start that was to make it had them, and came to nothing.
		return errors.New("there is no account yet, and no password for the first one: set ETUDE_ADMIN_EMAIL and ETUDE_ADMIN_PASSWORD")
	}
	if errors.Is(err, account.ErrNotFound) {
		admin, err = s.accounts.CreateUser(ctx, s.cred.AdminEmail, s.cred.AdminPassword, true)
	}
	if err != nil {
		return fmt.Errorf("make the first account: %w", err)
	}
	return s.accounts.SetRootKey(s.cred.AccessKeyID, s.cred.SecretAccessKey, admin.ID)
}

func (s *server) openServices(ctx context.Context) error {
	s.inbox = inbox.New(s.store)
	encoder, err := ffmpeg.New(ffmpeg.Config{Logger: s.log, Sandbox: ffmpeg.Mode(s.Sandbox)})
	if err != nil {
		return err
	}
	s.onClose(func(context.Context) error { encoder.Close(); return nil })
	scratch, err := s.dir.emptyDir("scratch")
	if err != nil {
		return err
	}
	s.jobs, err = transcode.New(transcode.Config{
		Store: s.store, Objects: s.objects, Encoder: encoder, Notification: etapi.Notification, Warning: etapi.Warning, Logger: s.log,
		HasTopic: func(ctx context.Context, arn string) (bool, error) {
			return s.notify.HasTopic(ctx, notify.TopicARN(arn))
		},
		Region: s.Region, Account: s.Account, Node: s.cred.Node, Scratch: scratch, MaxInput: int64(s.MaxUpload), ByProductBucket: s.Bucket,
		PerPipeline: s.PerPipeline, MaxPipelines: s.MaxPipelines, MaxPresets: s.MaxPresets,
	})
	if err != nil {
		return err
	}
	return s.openNotify(ctx)
}

// firstStart makes what a user expects to find: a bucket of which static/* is
// public, a topic that the site listens to, and a pipeline that tells it of
// everything. What is there already is left as it is.
func (s *server) firstStart(ctx context.Context) error {
	if err := s.objects.CreateBucket(ctx, s.Bucket); err != nil {
		return fmt.Errorf("make bucket %s: %w", s.Bucket, err)
	}
	if s.s3 != nil && s.cred.fresh {
		if err := s.objects.SetPublicRead(ctx, s.Bucket, "static/"); err != nil {
			return err
		}
	}
	topic, err := s.notify.CreateTopic(ctx, notify.TopicSpec{Name: topicName})
	if err != nil {
		return err
	}
	if _, err := s.notify.Subscribe(ctx, notify.SubscriptionSpec{Topic: topic, Protocol: notify.Site}); err != nil {
		return err
	}
	arn := string(topic)
	output := transcode.OutputConfig{Bucket: s.Bucket}
	s.first, err = s.jobs.EnsurePipeline(ctx, transcode.Pipeline{
		Name: pipelineName, InputBucket: s.Bucket, OutputBucket: s.Bucket,
		Role:          "arn:aws:iam::" + s.Account + ":role/Elastic_Transcoder_Default_Role",
		Notifications: transcode.Notifications{Progressing: arn, Completed: arn, Warning: arn, Error: arn},
		Content:       output, Thumbnails: output,
	})
	return err
}

// startWork sets what the listeners serve, and starts the workers.
func (s *server) startWork(ctx context.Context, edgeAddr net.Addr) error {
	_, port, _ := net.SplitHostPort(edgeAddr.String())
	var err error
	s.pages, err = web.New(web.Config{
		Jobs: s.jobs, Rules: s.rules, Notify: s.notify, Inbox: s.inbox, Accounts: s.accounts, Objects: s.objects, Sessions: s.sessions,
		Request:  func(spec transcode.JobSpec) string { return string(etapi.CreateJobRequest(spec)) },
		Pipeline: s.first.ID, Bucket: s.Bucket, MaxUpload: int64(s.MaxUpload),
		EdgeURL: s.publicEdge(), EdgePort: port, Hooks: s.hooks, Ready: s.ready, Logger: s.log,
	})
	if err != nil {
		return err
	}
	// Before the workers start: what this node runs from now on is not lost.
	if err := s.jobs.TakeOver(ctx, true); err != nil {
		return err
	}
	s.startDelivery(ctx, edgeAddr)
	// The end of ctx begins the drain; it is not to end the workers at once.
	if err := s.queue.Start(context.WithoutCancel(ctx), queue.Handlers{
		RunJob: s.jobs.RunJob, FanOut: s.notify.FanOut, DeliverEvent: s.events.DeliverEvent,
		Every: slices.Concat(s.hookWork(), s.listenWork(), s.deliveryWork(), s.reconcileEvents(), []queue.Periodic{
			{Name: "take over jobs", Interval: 5 * time.Second, Run: func(ctx context.Context) error { return s.jobs.TakeOver(ctx, false) }},
			{Name: "end old claims on uploads", Interval: time.Hour, Run: func(ctx context.Context) error { return s.rules.Recover(ctx, false) }},
			{Name: "delete expired sessions", Interval: time.Hour, Run: s.sessions.DeleteExpired},
			{Name: "give up unfinished uploads", Interval: time.Hour, Run: s.abortStaleUploads},
		}),
	}); err != nil {
		return err
	}
	s.onClose(s.queue.Stop)
	if err := s.startEventQueues(ctx); err != nil {
		return err
	}
	var s3 http.Handler
	if s.s3 != nil {
		s3 = s.s3.Handler()
	}
	s.edge.set(edge.New(edge.Config{S3: s3, Certificates: s.signing, Services: map[string]http.Handler{
		"elastictranscoder": etapi.New(etapi.Config{Service: s.jobs, Accounts: s.accounts, Account: s.Account, Logger: s.log}),
		"sns":               snsapi.New(snsapi.Config{Service: s.notify, Accounts: s.accounts, Account: s.Account, Logger: s.log}),
		listen.ServiceName:  s.listeners,
		"sts":               stsapi.New(stsapi.Config{Accounts: s.accounts, Account: s.Account, Logger: s.log}),
	}}))
	s.site.set(s.withCertificates(s.pages))
	return nil
}

// staleUpload is how old an upload in parts is that nobody will finish; AWS
// advises a week.
const staleUpload = 7 * 24 * time.Hour

// abortStaleUploads frees what broken uploads have left in the embedded S3. An
// S3 of somebody else's has rules of its own for that.
func (s *server) abortStaleUploads(ctx context.Context) error {
	if s.s3 == nil {
		return nil
	}
	n, err := s.objects.AbortStale(ctx, s.Bucket, time.Now().Add(-staleUpload))
	if n > 0 {
		s.log.Info("unfinished uploads given up", "bucket", s.Bucket, "count", n)
	}
	return err
}

// publicEdge is the base of download links where that is not the edge of the
// host that the site was asked for.
func (s *server) publicEdge() string {
	if s.EdgeURL == "" && s.externalS3() {
		return s.S3Endpoint
	}
	return s.EdgeURL
}

// stopHTTP lets requests end, and cuts off those that do not.
func (s *server) stopHTTP(ctx context.Context) error {
	if s.pages != nil {
		s.pages.Close()
	}
	s.listeners.Close()
	ctx, cancel := context.WithTimeout(ctx, s.Drain)
	defer cancel()
	for _, srv := range s.http {
		if err := srv.Shutdown(ctx); err != nil {
			_ = srv.Close() // the error would be that of a request cut off
		}
	}
	s.running.Wait()
	return removeIfThere(filepath.Join(s.dir.path, "serve.json"))
}

// ready says why the server does not serve, or nil.
func (s *server) ready(ctx context.Context) error {
	if err := s.db.Ping(ctx); err != nil {
		return err
	}
	_, err := s.objects.Head(ctx, transcode.ObjectRef{Bucket: s.Bucket, Key: "readyz"})
	if errors.Is(err, transcode.ErrNoObject) {
		return nil
	}
	return err
}
