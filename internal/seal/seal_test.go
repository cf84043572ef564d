package seal_test

import (
	"bytes"
	"errors"
	"testing"

	"etude/internal/seal"
)

func TestSeal(t *testing.T) {
	key, other := seal.Key{1}, seal.Key{2}
	secret := []byte("wJalrXUtnFEMI/K7MDENG+bPxRfiCY")
	sealed := key.Seal("name", secret)
	if bytes.Contains(sealed, secret) || bytes.Equal(sealed, key.Seal("name", secret)) {
		t.Errorf("sealed to %q, which shows something of the secret", sealed)
	}
	if got, err := key.Open("name", sealed); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("opened to %q and the error %v, want %q", got, err, secret)
	}
	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for what, open := range map[string]struct {
		key    seal.Key
		name   string
		sealed []byte
		want   error
	}{
		"another key":  {other, "name", sealed, seal.ErrOtherKey},
		"another name": {key, "nam", sealed, seal.ErrOtherKey},
		"changed":      {key, "name", changed, seal.ErrOtherKey},
		"cut":          {key, "name", sealed[:20], seal.ErrOtherKey},
		"cut short":    {key, "name", sealed[:5], seal.ErrDamaged},
		"nothing":      {key, "name", nil, seal.ErrDamaged},
	} {
		if got, err := open.key.Open(open.name, open.sealed); !errors.Is(err, open.want) {
			t.Errorf("%s: opened to %q and the error %v, want %v", what, got, err, open.want)
		}
	}
}
