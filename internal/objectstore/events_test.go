package objectstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"etude/internal/event"
	"etude/internal/s3event"
	"etude/internal/sqlstore"
)

// events is the real service, whose database is away for some.
type events struct {
	*event.Service
	store *sqlstore.Store

	mu    sync.Mutex
	noEnd int             // so many calls of End fail
	away  map[string]bool // buckets for whose events Begin fails
}

// happenings is what the tests' server tells.
var happenings events

const (
	eventTopic = "arn:aws:sns:eu-central-1:000000000000:uploads"
	eventRule  = "arn:aws:lambda:eu-central-1:000000000000:function:to-flac"
)

// openEvents has rules for the buckets of the tests of events.
func openEvents(ctx context.Context, path string) (closeIt func(), err error) {
	log := slog.New(slog.DiscardHandler)
	db, err := sqlstore.Open(ctx, sqlstore.Config{Path: path, Logger: log})
	if err != nil {
		return nil, err
	}
	happenings.away = map[string]bool{}
	happenings.store = sqlstore.New(db, func(context.Context, *sql.Tx, any) error { return nil })
	happenings.Service, err = event.Open(ctx, event.Config{
		Store: happenings.store, Logger: log, Node: "node-1",
		HandleRules: func(context.Context, s3event.Event) error { return nil },
		MayMatch:    func(bucket, _ string) bool { return strings.Contains(bucket, "events") },
		HasTopic:    func(_ context.Context, arn string) (bool, error) { return arn == eventTopic, nil },
		HasRule:     func(_ context.Context, name string) (bool, error) { return name == "to-flac", nil },
	})
	return func() { db.Close() }, err
}

func (e *events) Begin(ctx context.Context, all ...s3event.Event) ([]event.Intent, error) {
	e.mu.Lock()
	away := e.away[all[0].Bucket]
	e.mu.Unlock()
	if away {
		return nil, errors.New("the disk that has the database is full")
	}
	return e.Service.Begin(ctx, all...)
}

func (e *events) End(ctx context.Context, happened []event.Intent, others ...event.Intent) error {
	e.mu.Lock()
	fail := e.noEnd > 0
	if fail {
		e.noEnd--
	}
	e.mu.Unlock()
	if fail {
		return errors.New("the disk that has the database is full")
	}
	return e.Service.End(ctx, happened, others...)
}

// told returns the events of a bucket that somebody is told of.
func told(t *testing.T, bucket string) (all []s3event.Event) {
	t.Helper()
	deliveries, err := happenings.store.EventDeliveries(t.Context(), 10000)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range deliveries {
		if d.Event.Bucket == bucket {
			all = append(all, d.Event)
		}
	}
	return all
}

// pending returns the intents on a bucket that were not ended.
func pending(t *testing.T, bucket string) (all []event.Intent) {
	t.Helper()
	intents, err := happenings.Pending(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range intents {
		if i.Event.Bucket == bucket {
			all = append(all, i)
		}
	}
	return all
}

// form is a form upload of a file under key.
func form(t *testing.T, c *s3.Client, bucket, key, text string) error {
	t.Helper()
	r, err := s3.NewPresignClient(c).PresignPostObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return err
	}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, value := range r.Values {
		_ = w.WriteField(name, value)
	}
	file, _ := w.CreateFormFile("file", "a.wav")
	_, _ = io.WriteString(file, text)
	_ = w.Close()
	return sendTo(t, http.MethodPost, r.URL, w.FormDataContentType(), &body, nil)
}

func TestEventsOfNewObjects(t *testing.T) {
	b := bucket(t)
	c := sdk(t, writeKey)
	root := sdk(t, rootKey)
	const key = "media/a b+c é%41.wav"
	ctx := t.Context()
	for _, step := range []struct {
		name string // of the event
		size int64
		do   func() error
	}{
		{s3event.CreatedPut, 5, func() error { return put(t, c, b, key, "hello") }},
		{s3event.CreatedPut, 9, func() error {
			r, err := s3.NewPresignClient(c).PresignPutObject(ctx, &s3.PutObjectInput{Bucket: &b, Key: ptr(key)})
			return sendTo(t, r.Method, r.URL, "", strings.NewReader("presigned"), err)
		}},
		{s3event.CreatedPost, 4, func() error { return form(t, c, b, key, "form") }},
		{s3event.CreatedCopy, 4, func() error {
			_, err := root.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &b, Key: ptr(key + ".copy"), CopySource: ptr(b + "/" + escape(key))})
			return err
		}},
		{s3event.CreatedCopy, 4, func() error { // onto itself
			_, err := root.CopyObject(ctx, &s3.CopyObjectInput{
				Bucket: &b, Key: ptr(key), CopySource: ptr(b + "/" + escape(key)),
				MetadataDirective: types.MetadataDirectiveReplace, Metadata: map[string]string{"a": "b"},
			})
			return err
		}},
		{s3event.CreatedComplete, 6, func() error { return multipartUpload(t, root, b, key, "parts!") }},
		{s3event.CreatedComplete, 6, func() error { return multipartCopy(t, root, b, key+".parts", b+"/"+escape(key)) }},
		{s3event.CreatedPut, 0, func() error { return put(t, c, b, "media/folder/", "") }},
	} {
		before := len(told(t, b))
		start := time.Now().Truncate(time.Millisecond)
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		all := told(t, b)
		if len(all) != before+1 {
			t.Errorf("%s: told of %d events, want 1", step.name, len(all)-before)
			continue
		}
		got := all[before]
		info, err := shared.client.Head(ctx, ref(b, got.Key))
		if err != nil {
			t.Fatal(err)
		}
		want := got // what is not named here is looked at below
		want.Name, want.Size, want.ETag, want.Region, want.SourceIP, want.Own = step.name, step.size, info.ETag, region, "127.0.0.1", false
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
		if got.Time.Before(start) || len(got.Sequencer) != 16 || len(got.RequestID) < 16 || got.HostID == "" || got.Principal == "" ||
			!strings.HasPrefix(got.Key, "media/") {
			t.Errorf("%s: event is %+v", step.name, got)
		}
	}
	if left := pending(t, b); len(left) != 0 {
		t.Errorf("pending: %+v, want none", left)
	}
}

func multipartUpload(t *testing.T, c *s3.Client, bucket, key, text string) error {
	t.Helper()
	upload, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
	if err != nil {
		return err
	}
	part, err := c.UploadPart(t.Context(), &s3.UploadPartInput{
		Bucket: &bucket, Key: &key, UploadId: upload.UploadId, PartNumber: ptr(int32(1)), Body: strings.NewReader(text), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		return err
	}
	_, err = c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{Bucket: &bucket, Key: &key, UploadId: upload.UploadId, MultipartUpload: completed(part)})
	return err
}

func multipartCopy(t *testing.T, c *s3.Client, bucket, key, source string) error {
	t.Helper()
	upload, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return err
	}
	part, err := c.UploadPartCopy(t.Context(), &s3.UploadPartCopyInput{Bucket: &bucket, Key: &key, UploadId: upload.UploadId, PartNumber: ptr(int32(1)), CopySource: &source})
	if err != nil {
		return err
	}
	_, err = c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{Bucket: &bucket, Key: &key, UploadId: upload.UploadId, MultipartUpload: &types.CompletedMultipartUpload{
		Parts: []types.CompletedPart{{PartNumber: ptr(int32(1)), ETag: part.CopyPartResult.ETag}},
	}})
	return err
}

// TestEventsOfManyAtOnce would find keys that point into the memory of other
// requests.
func TestEventsOfManyAtOnce(t *testing.T) {
	b := bucket(t)
	const clients, each = 8, 25
	want := make([]string, 0, clients*each)
	var wg sync.WaitGroup
	for i := range clients {
		c := sdk(t, writeKey)
		for j := range each {
			want = append(want, fmt.Sprintf("client-%d/%s-%d", i, strings.Repeat("x", i*7+j), j))
		}
		wg.Go(func() {
			for _, key := range want[i*each : (i+1)*each] {
				if err := put(t, c, b, key, key); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var got []string
	for _, e := range told(t, b) {
		got = append(got, e.Key)
		if e.Size != int64(len(e.Key)) || e.Principal != writeKey.id || e.Bucket != b {
			t.Errorf("event is %+v", e)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func TestNoEventsOfRefusedRequests(t *testing.T) {
	b := bucket(t)
	c := sdk(t, writeKey)
	if err := put(t, c, b, "there", "text"); err != nil {
		t.Fatal(err)
	}
	// It was written long ago, as far as its file tells.
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(shared.dir, "buckets", b, "there"), old, old); err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func() error{
		"a condition that does not hold": func() error {
			_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &b, Key: ptr("there"), IfNoneMatch: ptr("*"), Body: strings.NewReader("more")})
			return err
		},
		"a checksum that is wrong": func() error {
			_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &b, Key: ptr("there"), ChecksumCRC32: ptr("AAAAAA=="), Body: strings.NewReader("more")})
			return err
		},
		"a key that may not": func() error { return put(t, sdk(t, readKey), b, "there", "more") },
		"a bad key":          func() error { return put(t, c, b, "a//b", "more") },
		"an object that is too large": func() error {
			_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &b, Key: ptr("large"), Body: bytes.NewReader(make([]byte, maxObject+1))})
			return err
		},
		"a copy of nothing": func() error {
			_, err := sdk(t, rootKey).CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: &b, Key: ptr("there"), CopySource: ptr(b + "/nothing")})
			return err
		},
		"an upload that does not exist": func() error {
			_, err := sdk(t, rootKey).CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
				Bucket: &b, Key: ptr("there"), UploadId: ptr("none"),
				MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: ptr(int32(1)), ETag: ptr("e")}}},
			})
			return err
		},
	} {
		if err := do(); err == nil {
			t.Errorf("%s: there was no error", name)
		}
		if got := told(t, b); len(got) != 1 {
			t.Errorf("%s: told of %+v, want nothing new", name, got[1:])
		}
	}
	if left := pending(t, b); len(left) != 0 {
		t.Errorf("pending: %+v, want none", left)
	}
}

// TestEventsOfOutputs has what this server writes itself marked, and nothing
// else.
func TestEventsOfOutputs(t *testing.T) {
	b := bucket(t)
	configure(t, b, eventRule)
	path := file(t, "sound")
	if _, err := shared.client.Store(t.Context(), path, ref(b, "out/a"), "", "job 1"); err != nil {
		t.Fatal(err)
	}
	if got := told(t, b); len(got) != 0 {
		t.Errorf("an output: told of %+v, want nothing", got)
	}
	root := sdk(t, rootKey)
	if _, err := root.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: &b, Key: ptr("in/copy"), CopySource: ptr(b + "/out/a")}); err != nil {
		t.Fatal(err)
	}
	if _, err := shared.client.Put(t.Context(), ref(b, "in/put"), strings.NewReader("sound"), 10, ""); err != nil {
		t.Fatal(err)
	}
	// Somebody else's metadata means nothing.
	_, err := sdk(t, writeKey).PutObject(t.Context(), &s3.PutObjectInput{Bucket: &b, Key: ptr("in/forged"), Metadata: map[string]string{"etude-write": "x", "etude-origin": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range told(t, b) {
		if !e.Own {
			got = append(got, e.Key)
		}
	}
	// The rules and the one that the configuration names are told of each.
	if diff := cmp.Diff([]string{"in/copy", "in/copy", "in/put", "in/put", "in/forged", "in/forged"}, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestEventsOfRemovedObjects(t *testing.T) {
	b := bucket(t)
	configure(t, b, eventRule)
	c := sdk(t, writeKey)
	for _, key := range []string{"in/1", "in/2", "in/3"} {
		if err := put(t, c, b, key, "text"); err != nil {
			t.Fatal(err)
		}
	}
	before := len(told(t, b))
	for _, key := range []string{"in/1", "in/1", "in/nothing"} {
		if _, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &b, Key: &key}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: &b, Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: ptr("in/2")}, {Key: ptr("in/nothing")}, {Key: ptr("in/3")}, {Key: ptr("a//b")},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range told(t, b)[before:] {
		got = append(got, e.Name+" "+e.Key)
		if e.Size != 0 || e.ETag != "" {
			t.Errorf("event is %+v", e)
		}
	}
	want := []string{"ObjectRemoved:Delete in/1", "ObjectRemoved:Delete in/2", "ObjectRemoved:Delete in/3"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if left := pending(t, b); len(left) != 0 {
		t.Errorf("pending: %+v, want none", left)
	}
}

// TestEventsThatCannotBeKept has clients try again, who are told once the
// database is back.
func TestEventsThatCannotBeKept(t *testing.T) {
	b := bucket(t)
	c := sdk(t, writeKey)
	away := func(on bool) {
		happenings.mu.Lock()
		defer happenings.mu.Unlock()
		happenings.away[b] = on
	}
	away(true)
	if err := put(t, c, b, "a", "text"); code(err) != "ServiceUnavailable" {
		t.Errorf("no intent: %v, want ServiceUnavailable", err)
	}
	if keys := list(t, sdk(t, rootKey), b); len(keys) != 0 {
		t.Errorf("objects without an intent: %q", keys)
	}
	away(false)
	happenings.mu.Lock()
	happenings.noEnd = 1
	happenings.mu.Unlock()
	if err := put(t, c, b, "a", "text"); code(err) != "ServiceUnavailable" {
		t.Errorf("not told: %v, want ServiceUnavailable", err)
	}
	if left, got := pending(t, b), told(t, b); len(left) != 1 || len(got) != 0 {
		t.Errorf("pending %+v, told %+v; want the intent only", left, got)
	}
	if err := shared.server.Reconcile(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := told(t, b); len(got) != 0 {
		t.Errorf("told %+v at once: a young intent may be in somebody's hand", got)
	}
	if err := put(t, c, b, "a", "text"); err != nil {
		t.Errorf("again: %v", err)
	}
	if got := told(t, b); len(got) != 1 {
		t.Errorf("told of %+v, want one", got)
	}
}

// TestEventsOfCrashes has what a server leaves that is killed at any instant.
func TestEventsOfCrashes(t *testing.T) {
	b := bucket(t)
	c := sdk(t, rootKey)
	now := time.Now()
	begun := now.Add(-10 * time.Minute)
	for _, key := range []string{"written", "not written again", "copied", "folder/", "not removed"} {
		if err := put(t, c, b, key, ""); err != nil {
			t.Fatal(err)
		}
	}
	for key, modified := range map[string]time.Time{
		"written": begun.Add(-time.Second), // the filesystem keeps whole seconds
		"copied":  begun.Add(-time.Hour), "folder": begun.Add(-time.Hour), "not written again": begun.Add(-time.Hour),
	} {
		if err := os.Chtimes(filepath.Join(shared.dir, "buckets", b, key), modified, modified); err != nil {
			t.Fatal(err)
		}
	}
	var intents []event.Intent
	for i, e := range []struct{ name, key string }{
		{s3event.CreatedPut, "written"}, {s3event.CreatedPut, "not written"}, {s3event.CreatedPut, "not written again"},
		{s3event.CreatedCopy, "copied"}, {s3event.CreatedPut, "folder/"}, {s3event.CreatedPut, "not removed"},
		{s3event.RemovedDelete, "removed"}, {s3event.RemovedDelete, "not removed"},
	} {
		intents = append(intents, event.Intent{ID: int64(1<<50 + i), Event: s3event.Event{Name: e.name, Bucket: b, Key: e.key}, BeginTime: begun})
	}
	configure(t, b, eventRule) // somebody who wants to hear of removals
	before := len(told(t, b))
	err := happenings.store.UpdateEvents(t.Context(), func(tx event.Tx) error { return tx.InsertIntents(t.Context(), "node-1", intents) })
	if err != nil {
		t.Fatal(err)
	}
	if err := shared.server.Reconcile(t.Context()); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, e := range told(t, b)[before:] {
		found[e.Name+" "+e.Key] = true
		if e.Created() && e.ETag == "" {
			t.Errorf("event is %+v", e)
		}
	}
	want := map[string]bool{
		"ObjectCreated:Put written": true, "ObjectCreated:Copy copied": true, "ObjectCreated:Put folder/": true,
		"ObjectCreated:Put not removed": true, "ObjectRemoved:Delete removed": true,
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if left := pending(t, b); len(left) != 0 {
		t.Errorf("pending: %+v, want none", left)
	}
}
