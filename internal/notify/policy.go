package notify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// Policy says how an endpoint wants its messages: what SNS calls a delivery
// policy, with every default filled in.
type Policy struct {
	Retry        RetryPolicy
	MaxPerSecond int    // tries to deliver; 0 means no limit
	ContentType  string // of notifications; empty means SNS's own
}

// RetryPolicy says when a delivery that failed is tried again, in SNS's terms:
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
// Delays are in seconds. The retries are divided into four phases: without
// delay, with the least delay, with delays that grow from the least to the
// greatest, and with the greatest.
type RetryPolicy struct {
	MinDelay        int    `json:"minDelayTarget"`
	MaxDelay        int    `json:"maxDelayTarget"`
	Retries         int    `json:"numRetries"`
	MaxDelayRetries int    `json:"numMaxDelayRetries"`
	NoDelayRetries  int    `json:"numNoDelayRetries"`
	MinDelayRetries int    `json:"numMinDelayRetries"`
	Backoff         string `json:"backoffFunction"`
}

// DefaultRetry is SNS's.
var DefaultRetry = RetryPolicy{MinDelay: 20, MaxDelay: 20, Retries: 3, Backoff: "linear"}

// defaultContentType is what SNS says of itself where nothing was set.
const defaultContentType = "text/plain; charset=UTF-8"

// The JSON of a subscription's DeliveryPolicy, of a topic's, and the words that
// differ between them.
type (
	subscriptionPolicy struct {
		Retry    *retryJSON    `json:"healthyRetryPolicy"`
		Throttle *throttleJSON `json:"throttlePolicy"`
		Request  *requestJSON  `json:"requestPolicy"`
		// What SNS writes itself, and takes back.
		Sickly     *struct{} `json:"sicklyRetryPolicy"`
		Guaranteed bool      `json:"guaranteed"`
	}
	topicPolicy struct {
		HTTP *struct {
			Retry            *retryJSON    `json:"defaultHealthyRetryPolicy"`
			DisableOverrides bool          `json:"disableSubscriptionOverrides"`
			Throttle         *throttleJSON `json:"defaultThrottlePolicy"`
			Request          *requestJSON  `json:"defaultRequestPolicy"`
			Sickly           *struct{}     `json:"defaultSicklyRetryPolicy"`
		} `json:"http"`
	}
	retryJSON struct {
		MinDelay        *int    `json:"minDelayTarget"`
		MaxDelay        *int    `json:"maxDelayTarget"`
		Retries         *int    `json:"numRetries"`
		MaxDelayRetries *int    `json:"numMaxDelayRetries"`
		NoDelayRetries  *int    `json:"numNoDelayRetries"`
		MinDelayRetries *int    `json:"numMinDelayRetries"`
		Backoff         *string `json:"backoffFunction"`
	}
	throttleJSON struct {
		MaxPerSecond *int `json:"maxReceivesPerSecond"`
	}
	requestJSON struct {
		ContentType *string `json:"headerContentType"`
	}
)

// ParseTopicPolicy reads a topic's DeliveryPolicy; an empty one is SNS's
// default. It reports whether subscriptions may not have policies of their own.
// The errors are for the caller of the API.
func ParseTopicPolicy(text string) (p Policy, exclusive bool, err error) {
	var t topicPolicy
	if err := readPolicy(text, &t); err != nil {
		return Policy{}, false, err
	}
	p = Policy{Retry: DefaultRetry}
	if t.HTTP == nil {
		return p, false, nil
	}
	p, err = p.with(t.HTTP.Retry, t.HTTP.Throttle, t.HTTP.Request)
	return p, t.HTTP.DisableOverrides, err
}

// ParseSubscriptionPolicy reads a subscription's DeliveryPolicy; what it does
// not say is as base has it.
func ParseSubscriptionPolicy(text string, base Policy) (Policy, error) {
	var s subscriptionPolicy
	if err := readPolicy(text, &s); err != nil {
		return Policy{}, err
	}
	return base.with(s.Retry, s.Throttle, s.Request)
}

// EffectivePolicy is what holds for a subscription's deliveries. Policies were
// checked when they were set; one that cannot be read does not count.
func EffectivePolicy(topic, subscription Attributes) Policy {
	p, exclusive, err := ParseTopicPolicy(topic[DeliveryPolicy])
	if err != nil {
		p, exclusive = Policy{Retry: DefaultRetry}, false
	}
	if exclusive {
		return p
	}
	if own, err := ParseSubscriptionPolicy(subscription[DeliveryPolicy], p); err == nil {
		return own
	}
	return p
}

// TopicJSON is the policy as a topic's EffectiveDeliveryPolicy.
func (p Policy) TopicJSON(exclusive bool) string {
	return policyJSON(map[string]any{"http": struct {
		Retry            RetryPolicy    `json:"defaultHealthyRetryPolicy"`
		DisableOverrides bool           `json:"disableSubscriptionOverrides"`
		Throttle         map[string]int `json:"defaultThrottlePolicy,omitempty"`
		Request          any            `json:"defaultRequestPolicy"`
	}{p.Retry, exclusive, p.throttle(), map[string]string{"headerContentType": p.contentType()}}})
}

// SubscriptionJSON is the policy as a subscription's EffectiveDeliveryPolicy.
func (p Policy) SubscriptionJSON() string {
	return policyJSON(struct {
		Retry      RetryPolicy    `json:"healthyRetryPolicy"`
		Sickly     *struct{}      `json:"sicklyRetryPolicy"`
		Throttle   map[string]int `json:"throttlePolicy"`
		Request    any            `json:"requestPolicy"`
		Guaranteed bool           `json:"guaranteed"`
	}{p.Retry, nil, p.throttle(), map[string]string{"headerContentType": p.contentType()}, false})
}

func (p Policy) throttle() map[string]int {
	if p.MaxPerSecond == 0 {
		return nil
	}
	return map[string]int{"maxReceivesPerSecond": p.MaxPerSecond}
}

func (p Policy) contentType() string {
	if p.ContentType == "" {
		return defaultContentType
	}
	return p.ContentType
}

func policyJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers can always be written
	}
	return string(text)
}

func readPolicy(text string, into any) error {
	if text == "" {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("it is not the JSON of a delivery policy: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("it is not the JSON of a delivery policy: there is more after its end")
	}
	if !bytes.HasPrefix(bytes.TrimSpace([]byte(text)), []byte("{")) {
		return errors.New("it is not the JSON of a delivery policy: it must be an object")
	}
	return nil
}

// with returns p with what is said in its place.
func (p Policy) with(retry *retryJSON, throttle *throttleJSON, request *requestJSON) (Policy, error) {
	if retry != nil {
		// What a policy leaves out is SNS's default, not the topic's.
		p.Retry = DefaultRetry
		for _, f := range []struct {
			to   *int
			from *int
		}{
			{&p.Retry.MinDelay, retry.MinDelay}, {&p.Retry.MaxDelay, retry.MaxDelay}, {&p.Retry.Retries, retry.Retries},
			{&p.Retry.MaxDelayRetries, retry.MaxDelayRetries}, {&p.Retry.NoDelayRetries, retry.NoDelayRetries},
			{&p.Retry.MinDelayRetries, retry.MinDelayRetries},
		} {
			if f.from != nil {
				*f.to = *f.from
			}
		}
		if retry.MaxDelay == nil {
			p.Retry.MaxDelay = max(p.Retry.MaxDelay, p.Retry.MinDelay)
		}
		if retry.MinDelay == nil {
			p.Retry.MinDelay = min(p.Retry.MaxDelay, p.Retry.MinDelay)
		}
		if retry.Backoff != nil {
			p.Retry.Backoff = *retry.Backoff
		}
		if err := p.Retry.check(); err != nil {
			return Policy{}, err
		}
	}
	if throttle != nil && throttle.MaxPerSecond != nil {
		p.MaxPerSecond = *throttle.MaxPerSecond
		if p.MaxPerSecond < 1 {
			return Policy{}, errors.New("maxReceivesPerSecond must be 1 or more")
		}
	}
	if request != nil && request.ContentType != nil {
		p.ContentType = *request.ContentType
		if !slices.Contains(contentTypes, strings.ToLower(p.ContentType)) {
			return Policy{}, fmt.Errorf("headerContentType %.64q: it must be one of %s", p.ContentType, strings.Join(contentTypes, ", "))
		}
	}
	return p, nil
}

// contentTypes are those that SNS allows; its guide names them under "Creating
// an HTTP/S delivery policy".
var contentTypes = []string{
	"text/css", "text/csv", "text/html", "text/plain", "text/xml", "application/atom+xml", "application/json", "application/octet-stream",
	"application/soap+xml", "application/x-www-form-urlencoded", "application/xhtml+xml", "application/xml",
	"text/plain; charset=utf-8",
}

var backoffs = []string{"linear", "arithmetic", "geometric", "exponential"}

// maxPolicyTime is the longest that the retries of a policy may take, in
// seconds.
const maxPolicyTime = 3600

func (r RetryPolicy) check() error {
	for name, n := range map[string]int{"minDelayTarget": r.MinDelay, "maxDelayTarget": r.MaxDelay} {
		if n < 1 || n > maxPolicyTime {
			return fmt.Errorf("%s must be 1 to %d seconds", name, maxPolicyTime)
		}
	}
	if r.MinDelay > r.MaxDelay {
		return errors.New("minDelayTarget must not be greater than maxDelayTarget")
	}
	for name, n := range map[string]int{
		"numRetries": r.Retries, "numMaxDelayRetries": r.MaxDelayRetries, "numNoDelayRetries": r.NoDelayRetries, "numMinDelayRetries": r.MinDelayRetries,
	} {
		if n < 0 || n > 100 {
			return fmt.Errorf("%s must be 0 to 100", name)
		}
	}
	if r.NoDelayRetries+r.MinDelayRetries+r.MaxDelayRetries > r.Retries {
		return errors.New("numNoDelayRetries, numMinDelayRetries and numMaxDelayRetries must not add up to more than numRetries")
	}
	if !slices.Contains(backoffs, r.Backoff) {
		return fmt.Errorf("backoffFunction %.32q: it must be one of %s", r.Backoff, strings.Join(backoffs, ", "))
	}
	var total time.Duration
	for n := 1; n <= r.Retries; n++ {
		total += r.delay(n)
	}
	if total > maxPolicyTime*time.Second {
		return fmt.Errorf("the retries must not take more than %d seconds in all", maxPolicyTime)
	}
	return nil
}

// delay is the rest before the nth retry, n being 1 to Retries.
func (r RetryPolicy) delay(n int) time.Duration {
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	first := r.NoDelayRetries + r.MinDelayRetries // before the delays grow
	growing := r.Retries - first - r.MaxDelayRetries
	switch {
	case n <= r.NoDelayRetries:
		return 0
	case n <= first || growing == 1 && n == first+1:
		return seconds(float64(r.MinDelay))
	case n > first+growing:
		return seconds(float64(r.MaxDelay))
	}
	i, last := float64(n-first-1), float64(growing-1)
	lo, hi := float64(r.MinDelay), float64(r.MaxDelay)
	switch r.Backoff {
	case "arithmetic": // each step is longer than the one before by the same
		return seconds(lo + (hi-lo)*i*(i+1)/(last*(last+1)))
	case "geometric": // each delay is the same multiple of the one before
		return seconds(lo * math.Pow(hi/lo, i/last))
	case "exponential": // each step is twice the one before
		return seconds(lo + (hi-lo)*(math.Exp2(i)-1)/(math.Exp2(last)-1))
	}
	return seconds(lo + (hi-lo)*i/last)
}

// onward are the rests after a policy's last retry, where SNS would give up; the
// last of them goes on.
var onward = []time.Duration{
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute,
	time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour,
}

// rest is how long a delivery rests after its nth failed try since it was
// begun, and whether it is tried again at all: the policy's retries always are,
// and then there are more as long as they come before end.
func (r RetryPolicy) rest(n int, now, end time.Time) (rest time.Duration, again bool) {
	if n <= r.Retries {
		return r.delay(n), true
	}
	rest = onward[min(n-r.Retries, len(onward))-1]
	return rest, !now.Add(rest).After(end)
}
