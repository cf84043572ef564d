package ffmpeg

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
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

// openOwn opens a plain file that is in the working directory. Whatever a child process has
// left there, nothing outside of that is opened.
func (r *encode) openOwn(name string, flag int) (*os.File, error) {
	root, err := os.OpenRoot(r.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no plain file", name)
	}
	return root.OpenFile(name, flag, 0)
}

// readOwn reads one whole.
func (r *encode) readOwn(name string) ([]byte, error) {
	file, err := r.openOwn(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

// createOwn opens a new one, in the place of whatever has its name.
func (r *encode) createOwn(name string) (*os.File, error) {
	root, err := os.OpenRoot(r.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// writeOwn writes a new one.
func (r *encode) writeOwn(name string, content []byte) error {
	file, err := r.createOwn(name)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Close())
}
