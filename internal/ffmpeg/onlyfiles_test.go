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

// TestOwnFiles opens nothing outside of the working directory, whatever a child
// has left in it.
func TestOwnFiles(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &encode{dir: t.TempDir()}
	for _, name := range []string{"a", "b"} {
		if err := os.Symlink(outside, filepath.Join(r.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a", "missing", "../" + filepath.Base(filepath.Dir(outside)) + "/secret"} {
		if got, err := r.readOwn(name); err == nil {
			t.Errorf("read %q in %s", got, name)
		}
	}
	if err := r.writeOwn("b", []byte("mine")); err != nil {
		t.Fatal(err)
	}
	if got, err := r.readOwn("b"); err != nil || string(got) != "mine" {
		t.Errorf("read back %q, %v", got, err)
	}
	if got, err := os.ReadFile(outside); err != nil || string(got) != "secret" {
		t.Errorf("outside is %q, %v", got, err)
	}
}
