package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// write puts b into the directory dist and removes what an earlier build left
// there. The manifest is replaced when its files are in place and before the
// old ones go, so that at no moment does it name a file that is not there.
func (b *bundle) write(dist string) error {
	if err := os.MkdirAll(dist, 0o755); err != nil {
		return err
	}
	for name, content := range b.files {
		if err := os.WriteFile(filepath.Join(dist, name), content, 0o644); err != nil {
			return err
		}
	}
	manifest, err := json.MarshalIndent(b.manifest, "", "  ")
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	fresh := filepath.Join(dist, ".manifest.json")
	if err := os.WriteFile(fresh, append(manifest, '\n'), 0o644); err != nil {
		return err
	}
	if err := os.Rename(fresh, filepath.Join(dist, manifestName)); err != nil {
		return err
	}
	return b.prune(dist)
}

// prune removes the files of dist that are not b's. Hidden ones stay: dist/.keep
// is there so that the server compiles before the first build.
func (b *bundle) prune(dist string) error {
	old, err := os.ReadDir(dist)
	if err != nil {
		return err
	}
	for _, e := range old {
		_, ours := b.files[e.Name()]
		if ours || e.Name() == manifestName || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := os.Remove(filepath.Join(dist, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
