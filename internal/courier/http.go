package courier

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"etude/internal/notify"
	"etude/internal/snsmsg"
)

// Request returns the headers and the body with which a parcel is posted.
func (c *Courier) Request(p *notify.Parcel) (http.Header, []byte, error) {
	e, err := c.Envelope(p)
	if err != nil {
		return nil, nil, err
	}
	body, raw := e.JSON(), p.Subscription.Raw() && e.Type == snsmsg.Notification
	header := http.Header{}
	for name, values := range e.Header(string(p.Subscription.ARN)) {
		if strings.HasPrefix(name, "X-Amz-") {
			name = strings.ToLower(name) // as SNS writes them, for those who look
		}
		header[name] = values
	}
	if raw {
		body = []byte(e.Message)
		header[strings.ToLower(snsmsg.HeaderRaw)] = []string{"true"}
	}
	if p.Policy.ContentType != "" && e.Type == snsmsg.Notification {
		header.Set("Content-Type", p.Policy.ContentType)
	}
	if secret := p.Subscription.Attributes[notify.WebhookSecret]; secret != "" {
		if err := signWebhook(header, string(p.Message.ID), body, secret, time.Now()); err != nil {
			return nil, nil, err
		}
	}
	return header, body, nil
}

// signWebhook adds the headers of Standard Webhooks. There may be more than one
// secret, with spaces between them, while one takes the place of another:
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
func signWebhook(h http.Header, id string, body []byte, secrets string, now time.Time) error {
	timestamp := strconv.FormatInt(now.Unix(), 10)
	var signatures []string
	for _, secret := range strings.Fields(secrets) {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil || len(key) == 0 {
			return errors.New("the subscription's WebhookSecret is not whsec_ and base64")
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + timestamp + "."))
		mac.Write(body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	h["webhook-id"], h["webhook-timestamp"] = []string{id}, []string{timestamp}
	h["webhook-signature"] = []string{strings.Join(signatures, " ")}
	return nil
}

// post delivers by HTTP.
func (c *Courier) post(ctx context.Context, p notify.Parcel) (notify.Answer, error) {
	header, body, err := c.Request(&p)
	if err != nil {
		return notify.Answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Subscription.Endpoint, bytes.NewReader(body))
	if err != nil {
		return notify.Answer{}, fmt.Errorf("%w: its URL is not one", notify.ErrPermanent)
	}
	req.Header = header
	resp, err := c.client.Do(req)
	if err != nil {
		return notify.Answer{}, explain(ctx, err)
	}
	defer resp.Body.Close()
	answer := notify.Answer{Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	answer.Body = beginning(resp)
	return answer, judge(resp)
}

// explain says what is the matter without the URL, which may have a password.
func explain(ctx context.Context, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("it did not answer within %s", tryTime)
	case errors.Is(err, io.EOF):
		return errors.New("it closed the connection without an answer")
	}
	return err
}

// judge says what an answer means, as SNS's guide has it:
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
func judge(resp *http.Response) error {
	switch status := resp.StatusCode; {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusGone:
		return fmt.Errorf("it answered %d: %w", status, notify.ErrGone)
	case status >= 300 && status < 400:
		return fmt.Errorf("it redirects (%d) to %.200q, which is not followed; subscribe that URL: %w", status, resp.Header.Get("Location"), notify.ErrPermanent)
	case status == http.StatusTooManyRequests, status >= 500:
		return fmt.Errorf("it answered %d", status)
	default:
		return fmt.Errorf("it answered %d: %w", status, notify.ErrPermanent)
	}
}

// maxDrain is how much of an answer is read at most, so that its connection can
// be used again.
const maxDrain = 64 << 10

// beginning reads an answer, but no more of it than is of use.
func beginning(resp *http.Response) string {
	body := io.LimitReader(resp.Body, maxDrain)
	if resp.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			return ""
		}
		body = z
	}
	text, _ := io.ReadAll(io.LimitReader(body, notify.MaxAnswer)) // what there is, is enough
	_, _ = io.Copy(io.Discard, io.LimitReader(body, maxDrain))
	return strings.ToValidUTF8(string(text), "\uFFFD")
}

// retryAfter reads the header, which has seconds or a date; 0 if it is neither.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return max(time.Duration(seconds)*time.Second, 0)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
