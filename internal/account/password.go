package account

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"sync"

	"golang.org/x/crypto/argon2"
)

// argon2id's parameters: OWASP's password storage cheat sheet, 19 MiB, two
// passes, one lane. They stand in each hash, so they may be raised later.
const (
	argonMemory  = 19 * 1024 // KiB
	argonTime    = 2
	argonThreads = 1
	argonKey     = 32 // bytes
)

var b64 = base64.RawStdEncoding

// hashing bounds the memory that sign-ins take together: two at a time.
var hashing = make(chan struct{}, 2)

func argon(password string, salt []byte, memory, passes uint32, threads uint8, length uint32) []byte {
	hashing <- struct{}{}
	defer func() { <-hashing }()
	return argon2.IDKey([]byte(password), salt, passes, memory, threads, length)
}

// hashPassword returns the password's hash in PHC string form with a new salt.
func hashPassword(password string) string {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails, see crypto/rand
	key := argon(password, salt, argonMemory, argonTime, argonThreads, argonKey)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		argonMemory, argonTime, argonThreads, b64.EncodeToString(salt), b64.EncodeToString(key))
}

// matchPassword reports whether hash is one of password's. A hash that does not
// parse matches nothing.
func matchPassword(hash, password string) bool {
	var version int
	var memory, passes uint32
	var threads uint8
	var rest string
	_, err := fmt.Sscanf(hash, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s", &version, &memory, &passes, &threads, &rest)
	if err != nil || version != argon2.Version {
		return false
	}
	var salt, key []byte
	for i := range rest {
		if rest[i] == '$' {
			salt, err = b64.DecodeString(rest[:i])
			if err == nil {
				key, err = b64.DecodeString(rest[i+1:])
			}
			break
		}
	}
	if err != nil || len(salt) == 0 || len(key) == 0 {
		return false
	}
	got := argon(password, salt, memory, passes, threads, uint32(len(key)))
	return subtle.ConstantTimeCompare(got, key) == 1
}

// nobodysHash is compared with when there is no such user, so that this takes
// as long as when there is.
var nobodysHash = sync.OnceValue(func() string { return hashPassword("nobody's password") })
