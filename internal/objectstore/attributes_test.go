package objectstore

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// 10,000 parts are more than the attributes of a file on ext4 hold.
func TestAttributesOfManyParts(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if sidecar, err := useSidecar(dir, filepath.Join(dir, "metadata")); err != nil || sidecar {
		t.Skipf("no extended attributes here: %v", err)
	}
	big := bytes.Repeat([]byte("x"), 100<<10)
	if err := (attributes{}).StoreAttribute(nil, dir, "key", partsAttribute, big); err != nil {
		t.Errorf("StoreAttribute of parts = %v", err)
	}
	if err := (attributes{}).StoreAttribute(nil, dir, "key", "etag", big); err == nil {
		t.Error("StoreAttribute of a huge ETag succeeds")
	}
}
