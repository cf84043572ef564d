package transcode_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/transcode"
	"etude/internal/transcode/transcodetest"
)

// here is where the sources are. The S3 server goes elsewhere.
var here, _ = os.Getwd()

// refusing is a store of objects that has an answer of its own for one key.
type refusing struct {
	transcode.Objects
	key string
	err error
}

func (r refusing) refuse(ref transcode.ObjectRef) error {
	if ref.Key != r.key {
		return nil
	}
	return fmt.Errorf("ask for %s: %w", ref, r.err)
}

func (r refusing) Fetch(ctx context.Context, ref transcode.ObjectRef, path string, most int64) (transcode.ObjectInfo, error) {
	if err := r.refuse(ref); err != nil {
		return transcode.ObjectInfo{}, err
	}
	return r.Objects.Fetch(ctx, ref, path, most)
}

func (r refusing) Head(ctx context.Context, ref transcode.ObjectRef) (transcode.ObjectInfo, error) {
	if err := r.refuse(ref); err != nil {
		return transcode.ObjectInfo{}, err
	}
	return r.Objects.Head(ctx, ref)
}

func (r refusing) Store(ctx context.Context, path string, ref transcode.ObjectRef, contentType, origin string) (transcode.ObjectInfo, error) {
	if err := r.refuse(ref); err != nil {
		return transcode.ObjectInfo{}, err
	}
	return r.Objects.Store(ctx, path, ref, contentType, origin)
}

// TestFailures has a job fail in every way that is not the engine's. Each is told
// in words for people; what the encoder or the store said is kept with the
// attempt, for the operator, and not with the output.
func TestFailures(t *testing.T) {
	media := func(code int) *transcode.Failure {
		return &transcode.Failure{
			Code: code, Detail: "It cannot.", Reason: "This is no sound.", Remedy: "Upload another file.", Log: "the encoder's words",
		}
	}
	refuse := func(key string, err error) func(*world, *transcode.JobSpec) {
		return func(w *world, _ *transcode.JobSpec) {
			w.Objects = refusing{w.Objects, key, err}
		}
	}
	artwork := func(next func(*world, *transcode.JobSpec)) func(*world, *transcode.JobSpec) {
		return func(w *world, s *transcode.JobSpec) {
			s.Outputs[1].AlbumArt = &transcode.AlbumArt{MergePolicy: "Replace", Artwork: []transcode.Artwork{{InputKey: "cover.png"}}}
			next(w, s)
		}
	}
	var told []string
	for name, c := range map[string]struct {
		input   string // content; "-" for no object
		arrange func(*world, *transcode.JobSpec)
		want    string
		says    string // a part of a detail or a reason
		log     string // a part of the attempt's
	}{
		"input missing":   {"-", nil, "Error: Error/3001 Error/3001", "does not exist in the specified S3 bucket: bucket=", "does not exist"},
		"input empty":     {"", nil, "Error: Error/4000 Error/4000", "This file is empty.", ""},
		"input too large": {strings.Repeat("x", 1<<20), func(w *world, _ *transcode.JobSpec) { w.MaxInput = 10 }, "Error: Error/4002 Error/4002", "too large", ""},
		"together too large": {"12345", func(w *world, s *transcode.JobSpec) {
			w.MaxInput = 9
			s.Inputs = append(s.Inputs, s.Inputs[0])
		}, "Error: Error/4022 Error/4022", "combined size", ""},
		"second input missing": {"x", func(_ *world, s *transcode.JobSpec) {
			s.Inputs = append(s.Inputs, transcode.Input{Key: "media/two.mp3"})
		}, "Error: Error/3001 Error/3001", "The file two.mp3 is not where it should be.", ""},
		"key above the bucket": {"x", func(_ *world, s *transcode.JobSpec) { s.Inputs[0].Key = "../../etc/passwd" }, "Error: Error/3001 Error/3001", "key=../../etc/passwd", ""},
		"input denied":         {"x", refuse("in.mp3", transcode.ErrObjectDenied), "Error: Error/3003 Error/3003", "permission to read", "access to the object is denied"},
		"no bucket":            {"x", refuse("in.mp3", transcode.ErrNoBucket), "Error: Error/3005 Error/3005", "bucket does not exist", "bucket does not exist"},
		"media at fault": {"x", func(w *world, _ *transcode.JobSpec) {
			w.encoder.Fail = func(transcode.Encoding) error { return media(4000) }
		}, "Error: Error/4000 Error/4000", ": It cannot.", "the encoder's words"},
		"one output fails": {"x", func(w *world, _ *transcode.JobSpec) {
			w.encoder.FailOutput = func(r transcode.Rendition) *transcode.Failure {
				if r.Name == "2" {
					return media(4011)
				}
				return nil
			}
		}, "Error: Complete Error/4011", "", "nothing was encoded\nthe encoder's words"},
		"broken three times": {"x", func(w *world, _ *transcode.JobSpec) {
			w.encoder.Fail = func(transcode.Encoding) error { return errors.New("the encoder is broken") }
		}, "Error: Error/4007 Error/4007", "in 3 tries", "the encoder is broken"},
		"output key above the bucket": {"x", func(_ *world, s *transcode.JobSpec) { s.OutputKeyPrefix = "../" }, "Error: Error/3000 Error/3000", "cannot be stored", "key cannot be stored"},
		"two outputs of one key":      {"x", func(_ *world, s *transcode.JobSpec) { s.Outputs[1].Key = "o1" }, "Error: Complete Error/3002", "already exists", ""},
		"output denied":               {"x", refuse("out/o2", transcode.ErrObjectDenied), "Error: Complete Error/3004", "permission to write", "access to the object is denied"},
		"output without bucket":       {"x", refuse("out/o2", transcode.ErrNoBucket), "Error: Complete Error/3005", "bucket does not exist", "bucket does not exist"},
		"artwork missing":             {"x", artwork(func(*world, *transcode.JobSpec) {}), "Error: Complete Error/3001", "The artwork is not where it should be.", "does not exist"},
		"artwork denied":              {"x", artwork(refuse("cover.png", transcode.ErrObjectDenied)), "Error: Complete Error/3003", "permission to read", "denied"},
		"artwork too large":           {"x", artwork(refuse("cover.png", transcode.ErrTooLarge)), "Error: Complete Error/4005", "The artwork is larger than 20 MiB.", ""},
		"playlist without its output": {"x", func(w *world, s *transcode.JobSpec) {
			*s = w.hls()
			w.encoder.FailOutput = func(transcode.Rendition) *transcode.Failure { return media(4000) }
		}, "Error: Error/4000 Error/1001", "playlists dependencies", "the encoder's words"},
		"playlist's name taken": {"x", func(w *world, s *transcode.JobSpec) {
			*s = w.hls()
			w.leave(t, "out/all.m3u8", "somebody else's")
		}, "Error: Complete Error/3002", "already exists", ""},
		"playlist denied": {"x", func(w *world, s *transcode.JobSpec) {
			*s = w.hls()
			refuse("out/all.m3u8", transcode.ErrObjectDenied)(w, s)
		}, "Error: Complete Error/3004", "permission to write", "denied"},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			if c.input != "-" {
				w.put(t, "in.mp3", c.input)
			}
			spec := w.spec(wav, flac)
			if c.arrange != nil {
				c.arrange(w, &spec)
			}
			id := w.create(t, spec)
			var messages []string
			for range 4 {
				messages = append(messages, w.messages(t)...)
				w.run(t, 1)
			}
			w.wantLine(t, id, c.want)
			j := w.job(t, id)
			var said []string
			check := func(f *transcode.Failure, detail string) {
				if f == nil {
					return
				}
				transcodetest.CheckFailure(t, f)
				said = append(said, f.Reason, f.Remedy, f.Detail, detail)
				if f.Log != "" {
					t.Errorf("the log is kept with the output: %+v", f)
				}
				if want := fmt.Sprintf("%d ", f.Code); !strings.HasPrefix(detail, want) || !strings.HasSuffix(detail, ": "+f.Detail) {
					t.Errorf("status detail is %q of %+v", detail, f)
				}
			}
			for _, o := range j.Outputs {
				check(o.Failure, o.StatusDetail)
			}
			for _, p := range j.Playlists {
				check(p.Failure, p.StatusDetail)
			}
			if all := strings.Join(said, "\n"); !strings.Contains(all, c.says) {
				t.Errorf("it says %s; want %q in it", all, c.says)
			}
			told = append(told, said...)
			attempts, err := w.store.Attempts(t.Context(), id)
			if err != nil || len(attempts) == 0 || !strings.Contains(attempts[0].Log, c.log) {
				t.Errorf("attempts are %+v, %v; want %q in the log", attempts, err, c.log)
			}
			if diff := cmp.Diff([]string{"Progressing", "Error"}, append(messages, w.messages(t)...)); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
	transcodetest.CheckAllSaid(t, transcodetest.FailureSentences(t, here), told)
}
