package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// tokenLife is how long a token is good for, as in SNS.
const tokenLife = 48 * time.Hour

// Confirmation is a token that was given out, by which the owner of an endpoint
// agrees to a pending subscription, or restores one that was ended. The token
// itself is kept nowhere.
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

// ask has a subscription's endpoint told a new token, by which the subscription
// is confirmed, or restored.
func (s *Service) ask(ctx context.Context, tx Tx, sub *Subscription, kind MessageType, text string) error {
	m := Message{ID: MessageID(uuid.NewString()), Topic: sub.Topic, Type: kind, To: sub.ARN, Body: text, PublishTime: s.Now()}
	c := Confirmation{Hash: hashOfToken(s.Token(&m)), Subscription: sub.ARN, ExpireTime: m.PublishTime.Add(tokenLife)}
	if err := tx.InsertConfirmation(ctx, c); err != nil {
		return err
	}
	return tx.InsertMessage(ctx, m)
}

// ConfirmSubscription confirms or restores the subscription that a token was
// given out for, and returns it. It may be called again with the same token.
// Only a signed request may lock: have the subscription ended by none but signed
// requests.
func (s *Service) ConfirmSubscription(ctx context.Context, topic TopicARN, token string, signed, lock bool) (Subscription, error) {
	if s.checkTopicARN(topic) != nil {
		return Subscription{}, invalid("Invalid parameter: Topic")
	}
	if b, err := hex.DecodeString(token); err != nil || len(b) != sha256.Size {
		return Subscription{}, invalid("Invalid token")
	}
	if lock && !signed {
		return Subscription{}, &Error{Kind: Denied, Message: "AuthenticateOnUnsubscribe needs a signed request."}
	}
	var sub Subscription
	err := s.Store.UpdateNotify(ctx, func(tx Tx) (err error) {
		sub, err = s.confirm(ctx, tx, topic, token)
		if err != nil || sub.Confirmed && sub.DeleteTime.IsZero() {
			return err
		}
		sub.Confirmed, sub.Authenticated, sub.LockUnsubscribe, sub.DeleteTime = true, signed, lock, time.Time{}
		return tx.UpdateSubscription(ctx, sub)
	})
	if err != nil {
		return Subscription{}, fmt.Errorf("confirm subscription to %s: %w", topic, err)
	}
	return sub, nil
}

// confirm returns the subscription that a token may confirm or restore.
func (s *Service) confirm(ctx context.Context, tx Tx, topic TopicARN, token string) (Subscription, error) {
	unknown := invalid("Invalid parameter: Token")
	t, err := tx.Topic(ctx, topic)
	if err != nil {
		return Subscription{}, orElse(err, unknown)
	}
	c, err := tx.Confirmation(ctx, hashOfToken(token))
	if err != nil {
		return Subscription{}, orElse(err, unknown)
	}
	sub, err := tx.Subscription(ctx, c.Subscription)
	if err != nil {
		return Subscription{}, orElse(err, unknown)
	}
	given := c.ExpireTime.Add(-tokenLife)
	switch {
	case sub.Topic != topic, sub.CreateTime.Before(t.CreateTime): // it was one of the same name
		return Subscription{}, unknown
	case sub.Confirmed && sub.DeleteTime.IsZero():
		return sub, nil // it was used before
	case s.Now().After(c.ExpireTime):
		return Subscription{}, invalid("Invalid parameter: Token Reason: it was good for two days; subscribe again to get another")
	case !sub.DeleteTime.IsZero() && given.Before(sub.DeleteTime.Truncate(time.Millisecond)):
		// It was to confirm what has ended since.
		return Subscription{}, unknown
	}
	return sub, s.stillFree(ctx, tx, &sub)
}

// stillFree refuses to restore a subscription whose endpoint has another by now.
func (s *Service) stillFree(ctx context.Context, tx Tx, sub *Subscription) error {
	if sub.DeleteTime.IsZero() {
		return nil
	}
	all, err := tx.Subscriptions(ctx, sub.Topic)
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.Protocol == sub.Protocol && other.Endpoint == sub.Endpoint {
			return invalid("Invalid parameter: Token Reason: the endpoint has subscribed again since")
		}
	}
	return nil
}

// orElse returns instead where err says that there is nothing, and else err.
func orElse(err, instead error) error {
	if errors.Is(err, ErrNotFound) {
		return instead
	}
	return err
}
