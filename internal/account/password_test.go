package account

import (
	"strings"
	"testing"
)

func TestPasswordMatchesItsHashOnly(t *testing.T) {
	hash := hashPassword("correct horse")
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash = %q, want argon2id in PHC form", hash)
	}
	if !matchPassword(hash, "correct horse") {
		t.Error("the password does not match its own hash")
	}
	if matchPassword(hash, "correct horsE") {
		t.Error("another password matches")
	}
	if hash == hashPassword("correct horse") {
		t.Error("two hashes of one password are the same: the salt is not new")
	}
}

func TestDamagedHashMatchesNothing(t *testing.T) {
	hash := hashPassword("correct horse")
	for _, damaged := range []string{
		"", "x", hash[:20], hash[:len(hash)-10], strings.Replace(hash, "v=19", "v=18", 1),
		"$argon2id$v=19$m=19456,t=2,p=1$$", "$argon2id$v=19$m=19456,t=2,p=1$!!$!!",
	} {
		if matchPassword(damaged, "correct horse") {
			t.Errorf("the damaged hash %q matches", damaged)
		}
	}
}
