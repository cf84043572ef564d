package sqlstore_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/sqlstore"
	"etude/internal/sqlstore/sqlstoretest"
	"etude/internal/transcode"
)

func preset(id transcode.PresetID) *transcode.Preset {
	return &transcode.Preset{
		ID: id, Name: "ü " + string(id), Description: "d", Container: "flac", Type: transcode.CustomPreset,
		Audio: &transcode.Audio{Codec: "flac", SampleRate: "44100", Channels: "2", CodecOptions: &transcode.AudioOptions{BitDepth: "24"}},
	}
}

// updated changes the store, and returns the change's error.
func updated(t *testing.T, store *sqlstore.Store, fn func(tx transcode.Tx) error) error {
	t.Helper()
	return store.Update(t.Context(), fn)
}

func TestPresets(t *testing.T) {
	eachStore(t, func(t *testing.T, store *sqlstore.Store, _ *sqlstoretest.Tasks) {
		var ids []transcode.PresetID
		for i := range 3 {
			ids = append(ids, transcode.PresetID(fmt.Sprintf("170000000000%d-abc123", i)))
			if err := updated(t, store, func(tx transcode.Tx) error { return tx.InsertPreset(t.Context(), preset(ids[i])) }); err != nil {
				t.Fatal(err)
			}
		}
		got, err := store.Preset(t.Context(), ids[1])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(preset(ids[1]), got); diff != "" {
			t.Errorf("got (+) is not what was inserted (-):\n%s", diff)
		}
		page, more, err := store.Presets(t.Context(), transcode.Page{Limit: 2, Descending: true})
		if err != nil || !more || len(page) != 2 || page[0].ID != ids[2] || page[1].ID != ids[1] {
			t.Errorf("got %v, more %t and the error %v, want the younger two and more", page, more, err)
		}
		page, more, err = store.Presets(t.Context(), transcode.Page{Limit: 2, Token: string(ids[0])})
		if err != nil || more || len(page) != 2 || page[0].ID != ids[1] {
			t.Errorf("got %v, more %t and the error %v, want the younger two and no more", page, more, err)
		}

		for _, want := range []error{nil, transcode.ErrNotFound} {
			if err := updated(t, store, func(tx transcode.Tx) error { return tx.DeletePreset(t.Context(), ids[1]) }); !errors.Is(err, want) {
				t.Errorf("delete: got the error %v, want %v", err, want)
			}
		}
		if _, err := store.Preset(t.Context(), ids[1]); !errors.Is(err, transcode.ErrNotFound) {
			t.Errorf("got the error %v, want %v", err, transcode.ErrNotFound)
		}
		err = updated(t, store, func(tx transcode.Tx) error {
			n, err := tx.CountPresets(t.Context())
			if n != 2 {
				t.Errorf("got %d presets, want 2", n)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}
