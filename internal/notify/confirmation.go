package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// tokenLife is how long a token is good for, as in SNS.
const tokenLife = 48 * time.Hour

// Confirmation is a token that was given out, by which the owner of a pending
// subscription's endpoint agrees. The token itself is kept nowhere.
type Confirmation struct {
	Hash         string // of the token
	Subscription SubscriptionARN
	ExpireTime   time.Time
}

// Token returns the token that a message of the types SubscriptionConfirmation
// and UnsubscribeConfirmation tells its endpoint: 64 hexadecimal digits, the
// same at every try. Nobody can guess it who does not have the TokenKey.
func (s *Service) Token(m *Message) string {
	mac := hmac.New(sha256.New, s.TokenKey[:])
	mac.Write([]byte("confirm\n" + string(m.ID) + "\n" + string(m.To)))
	return hex.EncodeToString(mac.Sum(nil))
}

func hashOfToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
