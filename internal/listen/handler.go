package listen

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"etude/internal/account"
	"etude/internal/notify"
	"etude/internal/sigv4"
)

// maxListeners bounds the connections of one process.
const maxListeners = 256

var listenerName = regexp.MustCompile(`^[0-9a-f]{32}$`)

// ServeHTTP takes, from the holders of access keys that may subscribe to topics,
//
//	POST   /listen/NAME?topic=TOPIC   the messages from now on, one on a line
//	POST   /listen/NAME/reports       how one was taken
//	DELETE /listen/NAME?topic=TOPIC   no more of them
//
// The listener makes up its NAME, and comes back under it after an interruption;
// what was published meanwhile has waited.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who, body, err := s.Authenticate(r)
	var fault *sigv4.Error
	switch {
	case errors.As(err, &fault):
		refuse(w, http.StatusForbidden, fault.Message)
		return
	case errors.Is(err, sigv4.ErrBody):
		refuse(w, http.StatusBadRequest, "the request could not be read")
		return
	case err != nil:
		s.broken(w, r, err)
		return
	case !who.Role.May("sns:Subscribe"):
		refuse(w, http.StatusForbidden, fmt.Sprintf("the role of access key %s is %s, which may not listen to topics", who.AccessKeyID, who.Role))
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, "/listen/")
	name, reports := strings.CutSuffix(name, "/reports")
	if !ok || !listenerName.MatchString(name) {
		refuse(w, http.StatusNotFound, "there is nothing at this address")
		return
	}
	endpoint := endpointOf(who, name)
	switch {
	case r.Method == http.MethodPost && reports:
		s.takeReport(w, endpoint, body)
	case r.Method == http.MethodPost:
		s.stream(w, r, endpoint)
	case r.Method == http.MethodDelete && !reports:
		s.stop(w, r, endpoint)
	default:
		w.Header().Set("Allow", "POST, DELETE")
		refuse(w, http.StatusMethodNotAllowed, "POST listens, DELETE ends that")
	}
}

// endpointOf gives each access key names of its own.
func endpointOf(who account.Identity, name string) string { return who.AccessKeyID + "/" + name }

func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(refusal{why})
}

func (s *Service) broken(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		s.Logger.Error("listener could not be served", "err", err)
	}
	refuse(w, http.StatusServiceUnavailable, "the server has trouble; its log says which")
}

func (s *Service) topic(r *http.Request) notify.TopicARN {
	topic := r.URL.Query().Get("topic")
	if strings.HasPrefix(topic, "arn:") {
		return notify.TopicARN(topic)
	}
	return s.ARN(topic)
}

// subscribe returns the listener's subscription, or answers why there is none.
func (s *Service) subscribe(w http.ResponseWriter, r *http.Request, endpoint string) (sub notify.Subscription, ok bool) {
	sub, err := s.Topics.Subscribe(r.Context(), notify.SubscriptionSpec{Topic: s.topic(r), Protocol: Protocol, Endpoint: endpoint})
	var fault *notify.Error
	switch {
	case errors.As(err, &fault):
		status := http.StatusBadRequest
		if fault.Kind == notify.NotFound {
			status = http.StatusNotFound
		}
		refuse(w, status, fmt.Sprintf("topic %.300s: %s", s.topic(r), fault.Message))
		return sub, false
	case err == nil:
		err = s.Store.TouchListener(r.Context(), sub.ARN, s.Now())
	}
	if err != nil {
		s.broken(w, r, err)
	}
	return sub, err == nil
}

func (s *Service) stream(w http.ResponseWriter, r *http.Request, endpoint string) {
	s.mu.Lock()
	full := len(s.sessions) >= maxListeners
	s.mu.Unlock()
	if full {
		refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("%d listeners are connected already", maxListeners))
		return
	}
	sub, ok := s.subscribe(w, r, endpoint)
	if !ok {
		return
	}
	one := s.enter(endpoint)
	if one == nil {
		refuse(w, http.StatusServiceUnavailable, "the server is stopping")
		return
	}
	defer s.exit(endpoint, one)
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold lines back
	out := lines{w: w, control: http.NewResponseController(w)}
	defer out.end()
	if err := s.run(r.Context(), one, &out, sub); err != nil {
		s.Logger.Debug("listener has gone", "subscription", sub.ARN, "err", err)
	}
}

// run sends until the listener has gone, or another has its place.
func (s *Service) run(ctx context.Context, one *session, out *lines, sub notify.Subscription) error {
	if err := out.write(delivery{Topic: string(sub.Topic)}); err != nil {
		return err
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-one.gone:
			return nil
		case o := <-one.offers:
			err = out.write(o.delivery)
		case <-beat.C:
			if err = out.write(delivery{}); err == nil {
				err = s.Store.TouchListener(ctx, sub.ARN, s.Now())
			}
		}
		if err != nil {
			return err
		}
	}
}

// lines writes one JSON value on each.
type lines struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// writeTime is how long a listener may take to take a line.
const writeTime = 15 * time.Second

func (l *lines) write(d delivery) error {
	_ = l.control.SetWriteDeadline(time.Now().Add(writeTime)) // where there are none, a break of the connection is found out later
	if err := json.NewEncoder(l.w).Encode(d); err != nil {
		return err
	}
	return l.control.Flush()
}

func (l *lines) end() { _ = l.control.SetWriteDeadline(time.Time{}) }

func (s *Service) takeReport(w http.ResponseWriter, endpoint string, body []byte) {
	var r report
	if err := json.Unmarshal(body, &r); err != nil || r.Status < 0 || r.Status > 999 {
		refuse(w, http.StatusBadRequest, "the report is no JSON, or has no status of HTTP")
		return
	}
	r.Body = strings.ToValidUTF8(r.Body[:min(len(r.Body), notify.MaxAnswer)], "\uFFFD")
	if !s.report(endpoint, r) {
		refuse(w, http.StatusGone, "nobody waits for this report any more; the message is sent again")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Service) stop(w http.ResponseWriter, r *http.Request, endpoint string) {
	sub, ok := s.subscribe(w, r, endpoint)
	if !ok {
		return
	}
	if err := s.end(r.Context(), sub.ARN); err != nil {
		s.broken(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
