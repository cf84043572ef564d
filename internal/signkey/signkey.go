// Package signkey keeps the keys that messages are signed with: the newest one
// signs, the certificates of all are served for as long as there are any. All
// nodes share them through a store, where the secret parts are sealed.
//
// It knows nothing of what is signed, but for its type, nor of who verifies it.
package signkey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"etude/internal/seal"
	"etude/internal/snsmsg"
)

// Stored is a key as the store has it.
type Stored struct {
	Number      int    // 1, 2, ...; the highest is the newest
	Hash        string // of the certificate; see snsmsg.Key.Hash
	Certificate string // PEM
	Sealed      []byte // the secret part
	CreateTime  time.Time
}

// Store remembers keys. All methods may be called at once from many goroutines.
type Store interface {
	// SigningKeys returns all of them, the newest first.
	SigningKeys(ctx context.Context) ([]Stored, error)
	// InsertSigningKey reports whether it was the first with its number.
	InsertSigningKey(ctx context.Context, k Stored) (first bool, err error)
	// SigningCertificate returns ErrNotFound if there is none of that hash.
	SigningCertificate(ctx context.Context, hash string) (pem string, err error)
}

// ErrNotFound is a Store's answer for what it does not have.
var ErrNotFound = errors.New("not found")

// A certificate is good for lifetime. A new key follows when the newest one has
// renewBefore left: what it signed last must be verifiable for long after, by
// those too who look at the dates.
const (
	lifetime    = 2 * 365 * 24 * time.Hour
	renewBefore = 90 * 24 * time.Hour
	clockSkew   = time.Hour
)

// Config is what Keys need.
type Config struct {
	Store  Store
	Master seal.Key
	Logger *slog.Logger
	Now    func() time.Time // nil means time.Now
}

// Keys are the keys. All methods may be called at once from many goroutines.
type Keys struct {
	Config
	newest atomic.Pointer[snsmsg.Key]
}

// Open reads the keys, and makes the first one if there is none.
func Open(ctx context.Context, cfg Config) (*Keys, error) {
	if cfg.Store == nil || cfg.Logger == nil {
		return nil, errors.New("open signing keys: Store and Logger must be set")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	k := &Keys{Config: cfg}
	if err := k.Renew(ctx); err != nil {
		return nil, fmt.Errorf("open signing keys: %w", err)
	}
	return k, nil
}

// Renew takes up a newer key that another node has made, and makes one itself
// when it is time. Each node does it now and then.
func (k *Keys) Renew(ctx context.Context) error {
	for {
		newest, number, err := k.load(ctx)
		if err != nil {
			return err
		}
		if newest != nil && k.Now().Before(newest.Certificate().NotAfter.Add(-renewBefore)) {
			k.newest.Store(newest)
			return nil
		}
		// If another node is quicker, then this one takes up the other's.
		if _, err := k.add(ctx, number+1); err != nil {
			return err
		}
	}
}

// Rotate makes a new key, with which this node signs from now on and the others
// from their next Renew on. What was signed before remains verifiable.
func (k *Keys) Rotate(ctx context.Context) (hash string, err error) {
	for {
		_, number, err := k.load(ctx)
		if err != nil {
			return "", err
		}
		key, err := k.add(ctx, number+1)
		if err != nil {
			return "", err
		}
		if key != nil {
			k.newest.Store(key)
			return key.Hash(), nil
		}
	}
}

// load returns the newest key that opens with the master key, nil if none does,
// and the highest number that there is.
func (k *Keys) load(ctx context.Context) (newest *snsmsg.Key, number int, err error) {
	all, err := k.Store.SigningKeys(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, s := range all {
		number = max(number, s.Number)
		if newest != nil {
			continue
		}
		private, err := k.Master.Open(sealedAs(s.Hash), s.Sealed)
		if err != nil {
			k.Logger.Warn("signing key passed over; all nodes need the same master.key", "number", s.Number, "err", err)
			continue
		}
		if newest, err = snsmsg.ParseKey(private, []byte(s.Certificate)); err != nil {
			return nil, 0, fmt.Errorf("signing key %d: %w", s.Number, err)
		}
	}
	return newest, number, nil
}

// add makes and keeps a key; it returns nil if there is another of that number.
func (k *Keys) add(ctx context.Context, number int) (*snsmsg.Key, error) {
	now := k.Now()
	key, err := snsmsg.NewKey(now.Add(-clockSkew), now.Add(lifetime))
	if err != nil {
		return nil, err
	}
	first, err := k.Store.InsertSigningKey(ctx, Stored{
		Number: number, Hash: key.Hash(), Certificate: string(key.PEM()),
		Sealed: k.Master.Seal(sealedAs(key.Hash()), key.Private()), CreateTime: now,
	})
	if err != nil || !first {
		return nil, err
	}
	k.Logger.Info("signing key made", "number", number, "certificate", snsmsg.CertificatePath(key.Hash()))
	return key, nil
}

func sealedAs(hash string) string { return "signing key " + hash }

// Sign signs a message with the newest key; see snsmsg.Key.Sign.
func (k *Keys) Sign(m *snsmsg.Message, version, base string) error {
	return k.newest.Load().Sign(m, version, base)
}

// ServeHTTP serves the certificates, each at its snsmsg.CertificatePath, to
// everybody: they are no secret. A certificate never changes.
func (k *Keys) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	hash, ok := snsmsg.CertificateHash(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "A certificate can only be read.", http.StatusMethodNotAllowed)
		return
	}
	pem, err := k.certificate(r.Context(), hash)
	switch {
	case errors.Is(err, ErrNotFound):
		http.NotFound(w, r)
	case err != nil:
		k.Logger.Error("read signing certificate", "certificate", hash, "err", err)
		w.Header().Set("Retry-After", "5")
		http.Error(w, "The certificate cannot be read at the moment.", http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", "application/x-pem-file")
		w.Header().Set("Cache-Control", "public, max-age=86400, immutable")
		_, _ = w.Write([]byte(pem)) // should it fail, then nobody is there to be told
	}
}

func (k *Keys) certificate(ctx context.Context, hash string) (pem string, err error) {
	if newest := k.newest.Load(); newest.Hash() == hash {
		return string(newest.PEM()), nil
	}
	return k.Store.SigningCertificate(ctx, hash)
}
