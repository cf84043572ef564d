package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"etude/internal/ffmpeg/ffmpegtest"
)

// TestDoctor has it look at hosts in good health and in bad.
func TestDoctor(t *testing.T) {
	ffmpegtest.Need(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "x")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	damaged := t.TempDir()
	if err := os.WriteFile(filepath.Join(damaged, "etude.db"), []byte("this is no database, and it never was one"), 0o600); err != nil {
		t.Fatal(err)
	}
	fresh := filepath.Join(t.TempDir(), "new", "data")
	for _, test := range []struct {
		name string
		args []string
		want map[string]health // "ok" for the others, and for the sandbox what there is
	}{
		{"fresh", nil, nil},
		{"limits", []string{"--sandbox", "limits"}, map[string]health{"sandbox": warning}},
		{"flags", []string{"--region", "x", "--workers=-1"}, map[string]health{"configuration": faulty}},
		{"damaged", []string{"--data", damaged}, map[string]health{"database": faulty}},
		{"nowhere", []string{"--data", "/proc/etude"}, map[string]health{"data directory": faulty}},
		{"away", []string{"--database-url", "postgres://127.0.0.1:1/x", "--s3-endpoint", "http://127.0.0.1:1", "--s3-region", "eu-west-1"},
			map[string]health{"database": faulty, "S3": faulty}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			err := run(t.Context(), append([]string{"doctor", "--json", "--data", fresh}, test.args...), &out)
			var found struct{ Findings []finding }
			if err := json.Unmarshal([]byte(out.String()), &found); err != nil {
				t.Fatal(err)
			}
			ill := false
			for _, f := range found.Findings {
				want, told := test.want[f.Name]
				if !told && (f.Name == "user" || f.Name == "sandbox" || f.Name == "encoders" || f.Name == "resampling") {
					continue // as this host is
				}
				if !told {
					want = healthy
				}
				if f.Status != want || f.Detail == "" || (f.Remedy == "") != (want == healthy) {
					t.Errorf("%+v, want %s", f, want)
				}
				ill = ill || want == faulty
			}
			if len(found.Findings) != 10 {
				t.Errorf("%d findings: %+v", len(found.Findings), found.Findings)
			}
			var exit *exitError
			if errors.As(err, &exit) != ill || ill && exit.status != 1 {
				t.Errorf("run = %v", err)
			}
		})
	}
	t.Cleanup(func() {
		if _, err := os.Stat(filepath.Dir(fresh)); err == nil {
			t.Error("the data directory was made")
		}
	})
	var out strings.Builder
	if err := run(t.Context(), []string{"doctor", "--data", fresh, "--sandbox", "limits"}, &out); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "ok       S3") || !strings.Contains(got, "what to do: Install bubblewrap") {
		t.Errorf("in words:\n%s", got)
	}
}
