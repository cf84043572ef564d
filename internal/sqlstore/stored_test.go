package sqlstore

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"etude/internal/notify"
	"etude/internal/transcode"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestStoredJSON holds the form of what is stored as JSON. It fails when a
// member of a domain's type is added, renamed or removed. Added: run it with
// -update, since old rows are read with the zero value. Renamed or removed: the
// rows that people have lose it, so write a migration first.
func TestStoredJSON(t *testing.T) {
	for name, value := range map[string]any{
		"job_spec":           new(jobSpec),
		"job_outputs":        new([]transcode.Output),
		"message_attributes": new(map[string]notify.MessageAttribute),
		"pipeline_spec":      new(pipelineSpec),
		"preset_spec":        new(transcode.Preset),
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			fill(reflect.ValueOf(value).Elem(), &n)
			stored, err := json.MarshalIndent(value, "", "\t")
			if err != nil {
				t.Fatal(err)
			}
			golden := readGolden(t, name+".json", append(stored, '\n'))
			if diff := cmp.Diff(string(golden), string(append(stored, '\n'))); diff != "" {
				t.Errorf("stored JSON differs from the golden file (-):\n%s", diff)
			}
			read := reflect.New(reflect.TypeOf(value).Elem()).Interface()
			if err := json.NewDecoder(bytes.NewReader(golden)).Decode(read); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(value, read); diff != "" {
				t.Errorf("what was written (-) is not what is read (+):\n%s", diff)
			}
		})
	}
}

func readGolden(t *testing.T, name string, stored []byte) []byte {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, stored, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return golden
}

// fill gives every member below v a value of its own.
func fill(v reflect.Value, n *int) {
	switch v.Kind() {
	case reflect.String:
		*n++
		v.SetString("text " + strconv.Itoa(*n))
	case reflect.Int, reflect.Int64:
		*n++
		v.SetInt(int64(*n))
	case reflect.Float64:
		*n++
		v.SetFloat(float64(*n) + 0.5)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), n)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, n)
		fill(value, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		if t, ok := v.Addr().Interface().(*time.Time); ok {
			*n++
			*t = time.UnixMilli(int64(*n)).UTC()
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	default:
		panic("fill knows no " + v.Kind().String())
	}
}
