package notify

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func delays(r RetryPolicy) (seconds []float64) {
	for n := 1; n <= r.Retries; n++ {
		seconds = append(seconds, r.delay(n).Round(10*time.Millisecond).Seconds())
	}
	return seconds
}

func TestDelays(t *testing.T) {
	for name, tt := range map[string]struct {
		r    RetryPolicy
		want []float64
	}{
		"SNS's default": {DefaultRetry, []float64{20, 20, 20}},
		"none":          {RetryPolicy{MinDelay: 20, MaxDelay: 20, Backoff: "linear"}, nil},
		// The example of SNS's guide, with 5 retries that grow.
		"all phases": {RetryPolicy{
			MinDelay: 1, MaxDelay: 60, Retries: 12, NoDelayRetries: 3, MinDelayRetries: 2, MaxDelayRetries: 2, Backoff: "linear",
		}, []float64{0, 0, 0, 1, 1, 1, 15.75, 30.5, 45.25, 60, 60, 60}},
		"arithmetic":  {RetryPolicy{MinDelay: 10, MaxDelay: 70, Retries: 4, Backoff: "arithmetic"}, []float64{10, 20, 40, 70}},
		"geometric":   {RetryPolicy{MinDelay: 2, MaxDelay: 54, Retries: 4, Backoff: "geometric"}, []float64{2, 6, 18, 54}},
		"exponential": {RetryPolicy{MinDelay: 10, MaxDelay: 80, Retries: 4, Backoff: "exponential"}, []float64{10, 20, 40, 80}},
		"one grows":   {RetryPolicy{MinDelay: 10, MaxDelay: 80, Retries: 2, MaxDelayRetries: 1, Backoff: "exponential"}, []float64{10, 80}},
	} {
		if diff := cmp.Diff(tt.want, delays(tt.r)); diff != "" {
			t.Errorf("%s: want (-), got (+):\n%s", name, diff)
		}
	}
}

func TestRestGoesOn(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var rests []time.Duration
	at, end := now, now.Add(3*24*time.Hour)
	for n := 1; ; n++ {
		rest, again := DefaultRetry.rest(n, at, end)
		if !again {
			break
		}
		rests = append(rests, rest)
		at = at.Add(rest)
	}
	want := append([]time.Duration{20 * time.Second, 20 * time.Second, 20 * time.Second}, onward...)
	for len(want) < len(rests) {
		want = append(want, 6*time.Hour)
	}
	if diff := cmp.Diff(want, rests); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	if left := end.Sub(at); left < 0 || left >= 6*time.Hour {
		t.Errorf("the last try is %s before the end, want it in the last 6 hours", left)
	}
	// Whoever wants SNS's own schedule gets that, and all of it.
	for n, want := range []bool{1: true, 2: true, 3: true, 4: false} {
		if _, again := DefaultRetry.rest(n, now, now); n > 0 && again != want {
			t.Errorf("try %d at the end: got again %t, want %t", n, again, want)
		}
	}
}

func TestParsePolicy(t *testing.T) {
	topic, exclusive, err := ParseTopicPolicy(`{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":5,"maxDelayTarget":30,"numRetries":10,
		"numMaxDelayRetries":2,"numNoDelayRetries":1,"numMinDelayRetries":3,"backoffFunction":"geometric"},"disableSubscriptionOverrides":true,
		"defaultThrottlePolicy":{"maxReceivesPerSecond":7},"defaultRequestPolicy":{"headerContentType":"application/json"}}}`)
	want := Policy{RetryPolicy{5, 30, 10, 2, 1, 3, "geometric"}, 7, "application/json"}
	if err != nil || !exclusive {
		t.Errorf("got exclusive %t and the error %v", exclusive, err)
	}
	if diff := cmp.Diff(want, topic); diff != "" {
		t.Errorf("topic: want (-), got (+):\n%s", diff)
	}
	for text, want := range map[string]Policy{
		``:   topic,
		`{}`: topic,
		`{"healthyRetryPolicy":{"numRetries":5}}`: {RetryPolicy{20, 20, 5, 0, 0, 0, "linear"}, 7, "application/json"},
		`{"healthyRetryPolicy":{"minDelayTarget":60},"throttlePolicy":{"maxReceivesPerSecond":1},"requestPolicy":null}`: {RetryPolicy{60, 60, 3, 0, 0, 0, "linear"}, 1, "application/json"},
		`{"healthyRetryPolicy":{"maxDelayTarget":1,"numRetries":0}}`:                                                    {RetryPolicy{1, 1, 0, 0, 0, 0, "linear"}, 7, "application/json"},
		`{"healthyRetryPolicy":null,"sicklyRetryPolicy":null,"throttlePolicy":null,"guaranteed":false}`:                 topic,
		topic.SubscriptionJSON(): topic,
	} {
		got, err := ParseSubscriptionPolicy(text, topic)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: want (-), got (+):\n%s", text, diff)
		}
	}
	for _, text := range []string{
		`x`, `[]`, `null x`, `null`, `"a"`, `{"http":{}}`, `{}{}`, `{"healthyRetryPolicy":{"numRetries":-1}}`, `{"healthyRetryPolicy":{"numRetries":101}}`,
		`{"healthyRetryPolicy":{"numRetries":1.5}}`, `{"healthyRetryPolicy":{"numRetry":1}}`,
		`{"healthyRetryPolicy":{"minDelayTarget":0}}`, `{"healthyRetryPolicy":{"maxDelayTarget":3601}}`, `{"healthyRetryPolicy":{"minDelayTarget":9,"maxDelayTarget":8}}`,
		`{"healthyRetryPolicy":{"numRetries":3,"numMinDelayRetries":2,"numMaxDelayRetries":2}}`, `{"healthyRetryPolicy":{"backoffFunction":"cubic"}}`,
		`{"healthyRetryPolicy":{"numRetries":100,"minDelayTarget":60}}`, `{"throttlePolicy":{"maxReceivesPerSecond":0}}`,
		`{"requestPolicy":{"headerContentType":"text/plain\r\nX: y"}}`,
	} {
		if got, err := ParseSubscriptionPolicy(text, topic); err == nil {
			t.Errorf("%s: got %+v, want an error", text, got)
		}
	}
}

func TestEffectivePolicy(t *testing.T) {
	topic := func(exclusive string) Attributes {
		return Attributes{DeliveryPolicy: `{"http":{"defaultHealthyRetryPolicy":{"numRetries":9},"disableSubscriptionOverrides":` + exclusive + `}}`}
	}
	own := Attributes{DeliveryPolicy: `{"healthyRetryPolicy":{"numRetries":1}}`}
	for name, tt := range map[string]struct {
		topic, own Attributes
		want       int
	}{
		"neither": {nil, nil, 3}, "topic's": {topic("false"), nil, 9}, "own": {topic("false"), own, 1}, "no overrides": {topic("true"), own, 9},
		"damaged": {Attributes{DeliveryPolicy: "x"}, Attributes{DeliveryPolicy: "x"}, 3},
	} {
		if got := EffectivePolicy(tt.topic, tt.own).Retry.Retries; got != tt.want {
			t.Errorf("%s: got %d retries, want %d", name, got, tt.want)
		}
	}
}

func TestEffectiveJSON(t *testing.T) {
	p := Policy{Retry: DefaultRetry}
	want := `{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,` +
		`"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}}`
	if diff := cmp.Diff(want, p.TopicJSON(false)); diff != "" {
		t.Errorf("topic: want (-), got (+):\n%s", diff)
	}
	want = `{"healthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,` +
		`"numMinDelayRetries":0,"backoffFunction":"linear"},"sicklyRetryPolicy":null,"throttlePolicy":null,"requestPolicy":{"headerContentType":"text/plain; charset=UTF-8"},"guaranteed":false}`
	if diff := cmp.Diff(want, p.SubscriptionJSON()); diff != "" {
		t.Errorf("subscription: want (-), got (+):\n%s", diff)
	}
}
