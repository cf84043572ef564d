package transcode_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"etude/internal/transcode"
)

func keep(t *testing.T) *world {
	t.Helper()
	w := open(t)
	w.Service = w.service(t, "node-a", func(cfg *transcode.Config) { cfg.ByProductBucket = w.bucket })
	w.put(t, "in.mp3", "sound")
	return w
}

func TestByProductsAreKeptBesideTheJob(t *testing.T) {
	w := keep(t)
	id := w.create(t, w.spec(wav, flac))
	w.run(t, 9)
	w.wantLine(t, id, "Complete: Complete Complete")
	m := w.job(t, id).Measured
	if m == nil || !m.Kept || m.Samples != 44100 || *m.Integrated != -9.84 || m.Range != 6.1 || *m.TruePeak != 0.42 {
		t.Fatalf("measured: %+v", m)
	}
	for _, b := range transcode.ByProducts {
		content, err := w.ReadByProduct(t.Context(), id, b)
		if err != nil {
			t.Fatal(err)
		}
		if kept := w.get(t, "etude/jobs/"+string(id)+"/"+string(b)); kept == "" || kept != string(content) {
			t.Errorf("%s: got %q, kept is %q", b, content, kept)
		}
		info, err := s3.Head(t.Context(), transcode.ObjectRef{Bucket: w.bucket, Key: "etude/jobs/" + string(id) + "/" + string(b)})
		if err != nil || info.Origin == "" || info.ContentType != b.ContentType() {
			t.Errorf("%s: %+v, %v; want an origin, so that it is no event, and %s", b, info, err, b.ContentType())
		}
	}
}

// TestByProductsAreMadeOnce has an attempt that breaks when they are there.
func TestByProductsAreMadeOnce(t *testing.T) {
	w := keep(t)
	id := w.create(t, w.spec(wav))
	w.leave(t, "etude/jobs/"+string(id)+"/waveform-low.json", string(id)+"/etude") // by an attempt that was lost
	w.run(t, 9)
	w.wantLine(t, id, "Complete: Complete")
	content, err := w.ReadByProduct(t.Context(), id, transcode.WaveformLow)
	if err != nil || !strings.HasPrefix(string(content), `{"version":2`) {
		t.Errorf("got %q, %v; want the new one", content, err)
	}
}

func TestJobIsNoWorseWithoutByProducts(t *testing.T) {
	for name, change := range map[string]func(*transcode.Config){
		"nowhere to keep them": func(*transcode.Config) {},
		"no such bucket":       func(cfg *transcode.Config) { cfg.ByProductBucket = "not-there" },
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, change)
			w.put(t, "in.mp3", "sound")
			id := w.create(t, w.spec(wav))
			w.run(t, 9)
			w.wantLine(t, id, "Complete: Complete")
			if m := w.job(t, id).Measured; m != nil && m.Kept {
				t.Errorf("measured: %+v, want nothing kept", m)
			}
			_, err := w.ReadByProduct(t.Context(), id, transcode.Spectrogram)
			if !transcode.IsKind(err, transcode.NotFound) {
				t.Errorf("got %v, want NotFound", err)
			}
		})
	}
}

// TestByProductsMayBeDeleted is about an operator who needs the room.
func TestByProductsMayBeDeleted(t *testing.T) {
	w := keep(t)
	id := w.create(t, w.spec(wav))
	w.run(t, 9)
	ref := transcode.ObjectRef{Bucket: w.bucket, Key: "etude/jobs/" + string(id) + "/spectrogram.png"}
	if err := s3.Delete(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ReadByProduct(t.Context(), id, transcode.Spectrogram); !transcode.IsKind(err, transcode.NotFound) {
		t.Errorf("got %v, want NotFound", err)
	}
	if _, err := w.ReadByProduct(t.Context(), "1533838012294-q7w8e9", transcode.Spectrogram); !transcode.IsKind(err, transcode.NotFound) {
		t.Errorf("of no job: got %v, want NotFound", err)
	}
}

// TestStoreThatFailsCostsTheByProductsOnly has a store of objects that takes the
// outputs alone.
func TestStoreThatFailsCostsTheByProductsOnly(t *testing.T) {
	w := open(t)
	w.Service = w.service(t, "node-a", func(cfg *transcode.Config) {
		cfg.ByProductBucket, cfg.Objects = w.bucket, picky{s3}
	})
	w.put(t, "in.mp3", "sound")
	id := w.create(t, w.spec(wav))
	w.run(t, 9)
	w.wantLine(t, id, "Complete: Complete")
	if m := w.job(t, id).Measured; m == nil || m.Kept || m.Integrated == nil {
		t.Errorf("measured: %+v, want the numbers alone", m)
	}
}

type picky struct{ transcode.Objects }

func (p picky) Store(ctx context.Context, path string, ref transcode.ObjectRef, contentType, origin string) (transcode.ObjectInfo, error) {
	if strings.HasPrefix(ref.Key, "etude/") {
		return transcode.ObjectInfo{}, errors.New("disk full")
	}
	return p.Objects.Store(ctx, path, ref, contentType, origin)
}
