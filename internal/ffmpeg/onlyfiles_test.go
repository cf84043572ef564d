package ffmpeg

import (
	"os"
	"path/filepath"
	"testing"

	"etude/internal/transcode"
)

// TestOnlyFiles refuses what a child may have left in the place of an output.
func TestOnlyFiles(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for path, good := range map[string]bool{file: true, link: false, dir: false, filepath.Join(dir, "missing"): false} {
		encoded := &transcode.Encoded{Outputs: []transcode.EncodedOutput{{}, {Files: []transcode.EncodedFile{{Path: path}}}}}
		if err := onlyFiles(encoded); (err == nil) != good {
			t.Errorf("%s: %v", path, err)
		}
	}
}
