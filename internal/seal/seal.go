// Package seal encrypts secrets that are kept in a database with a key that is
// not. It knows nothing of what they are for.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
)

// Key is the key, 32 random bytes. It is kept outside of the database.
type Key [32]byte

// The errors of Open.
var (
	ErrDamaged  = errors.New("its sealed secret is damaged")
	ErrOtherKey = errors.New("its secret was sealed with another master key")
)

// Seal encrypts a secret so that it opens only with the same key and under the
// same name: it cannot be moved to another row.
func (k Key) Seal(name string, secret []byte) []byte {
	aead := k.aead()
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails, see crypto/rand
	return aead.Seal(nonce, nonce, secret, []byte(name))
}

// Open returns the secret, or ErrDamaged or ErrOtherKey.
func (k Key) Open(name string, sealed []byte) ([]byte, error) {
	aead := k.aead()
	n := aead.NonceSize()
	if len(sealed) < n {
		return nil, ErrDamaged
	}
	secret, err := aead.Open(nil, sealed[:n], sealed[n:], []byte(name))
	if err != nil {
		return nil, ErrOtherKey
	}
	return secret, nil
}

func (k Key) aead() cipher.AEAD {
	block, err := aes.NewCipher(k[:])
	if err != nil {
		panic(err) // 32 bytes are always a key
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES's block size always fits
	}
	return aead
}
