package ffmpeg

import (
	"fmt"
	"os"

	"etude/internal/transcode"
)

// onlyFiles refuses outputs that are no plain files. A child process that does
// what a hostile input wants could leave a link in the place of one, to something
// that it cannot read and that whoever stores the output can. No child is left
// that could put one there after this.
func onlyFiles(encoded *transcode.Encoded) error {
	for _, out := range encoded.Outputs {
		for _, f := range out.Files {
			info, err := os.Lstat(f.Path)
			if err != nil {
				return fmt.Errorf("look at output: %w", err)
			}
			if !info.Mode().IsRegular() {
				return fmt.Errorf("look at output: %s is no plain file", f.Path)
			}
		}
	}
	return nil
}
