package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/google/uuid"

	"etude/internal/account"
)

// dataDir is the directory in which a server keeps what it has, locked so that
// no second server works in it.
type dataDir struct {
	path string // absolute
	lock *os.File
}

// openDataDir makes the directory if need be and locks it.
func openDataDir(path string) (*dataDir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open data directory %q: %w", path, err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fmt.Errorf("open data directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(abs, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open data directory: %w", err)
	}
	// The kernel drops the lock with the process, however that ends.
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			pid, _ := os.ReadFile(lock.Name())
			return nil, fmt.Errorf("data directory %s is in use by another Etude server (process %s): stop that one, or give this one a directory of its own with --data",
				abs, strings.TrimSpace(string(pid)))
		}
		return nil, fmt.Errorf("lock data directory %s: %w", abs, err)
	}
	d := &dataDir{path: abs, lock: lock}
	if err := lock.Truncate(0); err != nil {
		return nil, errors.Join(fmt.Errorf("lock data directory: %w", err), d.Close())
	}
	if _, err := fmt.Fprintf(lock, "%d\n", os.Getpid()); err != nil {
		return nil, errors.Join(fmt.Errorf("lock data directory: %w", err), d.Close())
	}
	return d, nil
}

// Close lets another server have the directory.
func (d *dataDir) Close() error { return d.lock.Close() }

func (d *dataDir) file(name ...string) string {
	return filepath.Join(append([]string{d.path}, name...)...)
}

// emptyDir makes a directory with nothing in it: what attempts of a server that
// was killed left there goes.
func (d *dataDir) emptyDir(name string) (string, error) {
	path := d.file(name)
	if err := os.RemoveAll(path); err != nil {
		return "", fmt.Errorf("clear %s: %w", path, err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", fmt.Errorf("make %s: %w", path, err)
	}
	return path, nil
}

// keptCredentials are what was generated at the first start.
type keptCredentials struct {
	AccessKeyID     string            `json:"access_key_id"`
	SecretAccessKey string            `json:"secret_access_key"`
	AdminEmail      string            `json:"admin_email"`
	AdminPassword   string            `json:"admin_password,omitempty"`
	Announced       bool              `json:"announced"`
	MasterKey       account.MasterKey `json:"-"`
	Node            string            `json:"-"`
	fresh           bool              // not announced before this start
}

// credentials reads what earlier starts have kept, and makes and keeps what is
// missing. What the configuration fixes wins and is not kept.
func (d *dataDir) credentials(c *config) (*keptCredentials, error) {
	var cred keptCredentials
	if err := d.readJSON("credentials.json", &cred); err != nil {
		return nil, err
	}
	kept := cred
	if kept.AccessKeyID == "" {
		kept.AccessKeyID, kept.SecretAccessKey = account.NewSecret()
		kept.AdminEmail = "admin@localhost"
		if c.AdminEmail == "" {
			kept.AdminPassword = rand.Text()[:20]
		}
		if err := d.writeJSON("credentials.json", &kept); err != nil {
			return nil, err
		}
	}
	kept.fresh = !kept.Announced
	if c.AccessKeyID != "" {
		kept.AccessKeyID, kept.SecretAccessKey = c.AccessKeyID, c.SecretAccessKey
	}
	if c.AdminEmail != "" {
		kept.AdminEmail, kept.AdminPassword = c.AdminEmail, c.AdminPassword
	}
	return &kept, errors.Join(d.masterKey(&kept), d.node(&kept))
}

// announced takes note that the first start came to its end: what it was to do
// and say once is not done again.
func (d *dataDir) announced(cred *keptCredentials) error {
	if !cred.fresh {
		return nil
	}
	var kept keptCredentials // without what the configuration fixes
	if err := d.readJSON("credentials.json", &kept); err != nil {
		return err
	}
	kept.Announced = true
	return d.writeJSON("credentials.json", &kept)
}

// masterKey reads the key that seals secrets in the database.
func (d *dataDir) masterKey(cred *keptCredentials) error {
	text, err := d.keep("master.key", func() string {
		var key account.MasterKey
		_, _ = rand.Read(key[:]) // never fails, see crypto/rand
		return base64.StdEncoding.EncodeToString(key[:])
	})
	if err != nil {
		return err
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != len(cred.MasterKey) {
		return fmt.Errorf("%s is damaged: restore it from a backup, or remove it and make the access keys anew", d.file("master.key"))
	}
	copy(cred.MasterKey[:], key)
	return nil
}

// node reads the name of this server, the same after every restart.
func (d *dataDir) node(cred *keptCredentials) (err error) {
	cred.Node, err = d.keep("node", uuid.NewString)
	return err
}

// keep returns the text of a file, which it makes with fresh if need be.
func (d *dataDir) keep(name string, fresh func() string) (string, error) {
	text, err := os.ReadFile(d.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		made := fresh()
		return made, d.write(name, []byte(made+"\n"))
	}
	if err != nil {
		return "", fmt.Errorf("read data directory: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// write replaces a file of the directory in one step, readable by its owner
// only.
func (d *dataDir) write(name string, content []byte) error {
	tmp, err := os.CreateTemp(d.path, name+".*")
	if err != nil {
		return fmt.Errorf("write data directory: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(content)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("write data directory: %w", err)
	}
	if err := os.Rename(tmp.Name(), d.file(name)); err != nil {
		return fmt.Errorf("write data directory: %w", err)
	}
	return d.sync()
}

// sync makes a new name in the directory outlast a power cut, as that of the
// master key must.
func (d *dataDir) sync() error {
	dir, err := os.Open(d.path)
	if err != nil {
		return fmt.Errorf("write data directory: %w", err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("write data directory: %w", err)
	}
	return nil
}

func (d *dataDir) writeJSON(name string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return d.write(name, append(text, '\n'))
}

// readJSON leaves v alone if there is no such file.
func (d *dataDir) readJSON(name string, v any) error {
	text, err := os.ReadFile(d.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", d.file(name), err)
	}
	return nil
}

// endpoints tells programs on this machine where a server is; it stands in
// serve.json of the data directory while that server serves.
type endpoints struct {
	PID  int    `json:"pid"`
	Site string `json:"site"`
	Edge string `json:"edge"`
	// Region is that of the embedded S3, by which requests to it are signed.
	Region string `json:"region"`
}

// findServer returns the endpoints that the server of a data directory has
// written; they may be those of one that was killed.
func findServer(data string) (*endpoints, error) {
	text, err := os.ReadFile(filepath.Join(data, "serve.json"))
	if err != nil {
		return nil, err
	}
	var e endpoints
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, fmt.Errorf("read serve.json: %w", err)
	}
	return &e, nil
}
