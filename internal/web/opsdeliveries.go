package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"etude/internal/notify"
)

// deliveryList is a page of the deliveries.
type deliveryList struct {
	Filtered bool
	Rows     []deliveryRow
	Pager    pager
}

// deliveryRow is a delivery in the list.
type deliveryRow struct {
	ID, URL  string
	What     string // subject or type of the message
	To       string
	Tone     tone
	State    string
	Note     string // when the next try is, or when it arrived
	Made     moment
	Tries    string
	Error    string
	Replay   bool
	Protocol string
}

// deliveryFilter is the form of the list.
type deliveryFilter struct {
	States   []option
	Topics   []option
	Endpoint string
	Topic    string
	Only     string // the ARN of a subscription; empty for all
	Dead     bool   // the list is of dead letters, so that all of them may be tried again
}

func deliveryURL(id notify.DeliveryID) string { return "/ops/deliveries/" + url.PathEscape(string(id)) }

var deliveryStates = []string{string(notify.Pending), string(notify.Delivered), string(notify.Dead), string(notify.Dropped)}

func readDeliveryFilter(q url.Values) notify.DeliveryFilter {
	return notify.DeliveryFilter{
		State: notify.DeliveryState(q.Get("state")), Topic: notify.TopicARN(q.Get("topic")),
		Subscription: notify.SubscriptionARN(q.Get("subscription")), Endpoint: strings.TrimSpace(q.Get("endpoint")),
	}
}

func (s *Site) deliveriesPage(w http.ResponseWriter, v *visit) {
	f := readDeliveryFilter(v.URL.Query())
	topics, _, err := s.cfg.Notify.ListTopics(v.Context(), "")
	if err != nil {
		s.broken(w, v.Request, err)
		return
	}
	form := deliveryFilter{States: options(string(f.State), "Any state", deliveryStates...), Endpoint: f.Endpoint, Topic: string(f.Topic), Only: string(f.Subscription), Dead: f.State == notify.Dead}
	form.Topics = []option{{Text: "Any topic", Selected: f.Topic == ""}}
	known := f.Topic == ""
	for _, t := range topics {
		known = known || t.ARN == f.Topic
		form.Topics = append(form.Topics, option{Value: string(t.ARN), Text: t.ARN.Name(), Selected: t.ARN == f.Topic})
	}
	if !known {
		form.Topics = append(form.Topics, option{Value: string(f.Topic), Text: string(f.Topic), Selected: true})
	}
	s.showOps(w, v, "ops-deliveries", opsPage{frame: frame{Title: "Deliveries"}, Form: form})
}

func (s *Site) opsDeliveries(ctx context.Context, u *url.URL) (any, error) {
	q := u.Query()
	f := readDeliveryFilter(q)
	all, more, err := s.cfg.Notify.ListDeliveries(ctx, f, notify.DeliveryID(q.Get("before")), opsRows)
	if err != nil {
		return nil, err
	}
	list, next := deliveryList{Filtered: f != notify.DeliveryFilter{}}, ""
	for i := range all {
		list.Rows = append(list.Rows, newDelivery(&all[i]))
		if more {
			next = string(all[i].ID)
		}
	}
	list.Pager = newPager(u, next)
	return list, nil
}

func newDelivery(d *notify.Delivery) deliveryRow {
	r := deliveryRow{
		ID: string(d.ID), URL: deliveryURL(d.ID), What: d.Subject, To: masked(d.Endpoint), Made: momentOf(d.CreateTime()),
		Tries: counted(d.Tries, "try"), Error: d.LastError, Replay: d.State == notify.Dead, Protocol: string(d.Protocol),
	}
	r.Tries = strings.Replace(r.Tries, "trys", "tries", 1)
	if r.What == "" {
		r.What = string(d.Type)
	}
	if r.To == "" {
		r.To = "the site’s messages"
	}
	switch {
	case d.State == notify.Delivered:
		r.Tone, r.State = good, "Delivered"
	case d.State == notify.Dead:
		r.Tone, r.State = bad, "Dead"
	case d.State == notify.Dropped:
		r.Tone, r.State = waiting, "Dropped"
	case d.Node != "":
		r.Tone, r.State = busy, "Being tried"
	case d.Tries == 0:
		r.Tone, r.State = waiting, "Waiting"
	default:
		r.Tone, r.State = mixed, "Trying again"
		if left := time.Until(d.Due); left > 0 {
			r.Note = "in " + span(left)
		}
	}
	return r
}

// masked hides what of an endpoint is a secret.
func masked(endpoint string) string {
	scheme, rest, ok := strings.Cut(endpoint, "://")
	if !ok {
		return endpoint
	}
	authority, path, _ := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		return scheme + "://…@" + strings.TrimSuffix(authority[i+1:]+"/"+path, "/")
	}
	return endpoint
}

// deliveryView is all there is to say of a delivery.
type deliveryView struct {
	deliveryRow
	From  string
	Facts []fact
	Tries []tryView
	Body  string
}

// tryView is one try.
type tryView struct {
	Number   int
	Tone     tone
	State    string
	At       moment
	Took     string
	Node     string
	Error    string
	Answer   string
	Redriven string // the dead-letter queue it went to
}

func (s *Site) opsDelivery(ctx context.Context, id notify.DeliveryID) (any, error) {
	d, m, tries, err := s.cfg.Notify.ReadDelivery(ctx, id)
	if notify.IsKind(err, notify.NotFound) {
		return nil, errNothing
	}
	if err != nil {
		return nil, err
	}
	v := deliveryView{deliveryRow: newDelivery(&d), From: deliveryURL(id), Body: m.BodyFor(d.Protocol)}
	v.Replay = d.State != notify.Pending || d.Node == "" && d.Tries > 0
	v.Facts = []fact{
		{Name: "Endpoint", Value: v.To, Code: true}, {Name: "Protocol", Value: v.Protocol}, {Name: "Topic", Value: string(d.Topic), Code: true},
		{Name: "Subscription", Value: string(d.Subscription), Code: true}, {Name: "Message", Value: string(m.ID), Code: true}, {Name: "Type", Value: string(m.Type)},
	}
	if m.Subject != "" {
		v.Facts = append(v.Facts, fact{Name: "Subject", Value: m.Subject})
	}
	for i := range tries {
		v.Tries = append(v.Tries, newTry(&tries[i]))
	}
	return v, nil
}

func newTry(t *notify.Try) tryView {
	v := tryView{
		Number: t.Number, Tone: good, State: "Delivered", At: momentOf(t.Start), Took: millisecondsOf(t.Duration), Node: t.Node,
		Error: t.Error, Answer: t.Answer, Redriven: t.Target,
	}
	if t.Error != "" {
		v.Tone, v.State = bad, "Failed"
	}
	if t.Status != 0 {
		v.State += ", " + strconv.Itoa(t.Status)
	}
	return v
}

// millisecondsOf words how long a try took, which may be next to nothing.
func millisecondsOf(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("took %d ms", d.Milliseconds())
	}
	return fmt.Sprintf("took %.1f s", d.Seconds())
}

func (s *Site) replay(w http.ResponseWriter, v *visit) {
	id := notify.DeliveryID(v.PathValue("id"))
	err := s.cfg.Notify.Replay(v.Context(), id)
	switch {
	case notify.IsKind(err, notify.NotFound):
		s.notFound(w, v.Request)
	case notify.IsKind(err, notify.Invalid):
		s.done(w, v, "The subscription has ended; nobody waits for this delivery any more.", deliveryURL(id))
	case err != nil:
		s.broken(w, v.Request, err)
	default:
		s.done(w, v, "The message is sent again.", deliveryURL(id))
	}
}

// replayAll tries all dead letters again that the list's filter fits.
func (s *Site) replayAll(w http.ResponseWriter, v *visit) {
	f := notify.DeliveryFilter{
		Topic: notify.TopicARN(v.PostFormValue("topic")), Subscription: notify.SubscriptionARN(v.PostFormValue("subscription")),
		Endpoint: strings.TrimSpace(v.PostFormValue("endpoint")),
	}
	n, err := s.cfg.Notify.ReplayAll(v.Context(), f)
	if err != nil {
		s.broken(w, v.Request, err)
		return
	}
	words := "No dead letter is like that, or its subscription has ended."
	if n > 0 {
		words = fmt.Sprintf("%s sent again.", map[bool]string{true: "1 message is", false: strconv.Itoa(n) + " messages are"}[n == 1])
	}
	s.done(w, v, words, "/ops/deliveries")
}

func (s *Site) deliveryRoutes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET /ops/deliveries":              s.admin(s.deliveriesPage),
		"GET /ops/deliveries/{id}":         s.admin(s.opsOne("Delivery", &link{"/ops/deliveries", "Deliveries"})),
		"POST /ops/deliveries/{id}/replay": s.admin(s.replay),
		"POST /ops/deliveries/replay":      s.admin(s.replayAll),
		"GET /ops/topics":                  s.admin(s.opsList("Topics", "ops-topics")),
		"GET /ops/topics/{arn}":            s.admin(s.opsOne("Topic", &link{"/ops/topics", "Topics"})),
	}
}

// topicList is a page of the topics.
type topicList struct {
	Topics []topicRow
	Next   string
}

type topicRow struct {
	ARN, Name, URL string
	Subscriptions  string
	Pending        int
	Made           moment
}

func topicURL(arn notify.TopicARN) string { return "/ops/topics/" + url.PathEscape(string(arn)) }

func (s *Site) opsTopics(ctx context.Context, u *url.URL) (any, error) {
	topics, more, err := s.cfg.Notify.ListTopics(ctx, notify.TopicARN(u.Query().Get("after")))
	if err != nil {
		return nil, err
	}
	var list topicList
	for _, t := range topics {
		_, n, err := s.cfg.Notify.Topic(ctx, t.ARN)
		if notify.IsKind(err, notify.NotFound) {
			continue // it was deleted just now
		}
		if err != nil {
			return nil, err
		}
		list.Topics = append(list.Topics, topicRow{
			ARN: string(t.ARN), Name: t.ARN.Name(), URL: topicURL(t.ARN), Subscriptions: counted(n.Confirmed, "subscription"),
			Pending: n.Pending, Made: momentOf(t.CreateTime),
		})
		if more {
			list.Next = withQuery(u.Path, url.Values{"after": {string(t.ARN)}})
		}
	}
	return list, nil
}

// topicView is a topic with its subscriptions.
type topicView struct {
	Name          string
	Facts         []fact
	Subscriptions []subscriptionView
	Next          string
	Deliveries    string // URL of their list
}

type subscriptionView struct {
	ARN, Protocol, To string
	Tone              tone
	State             string
	Policies          []fact
	Deliveries        string
}

func (s *Site) opsTopic(ctx context.Context, u *url.URL) (any, error) {
	arn := notify.TopicARN(strings.TrimPrefix(u.Path, "/ops/topics/"))
	t, _, err := s.cfg.Notify.Topic(ctx, arn)
	if notify.IsKind(err, notify.NotFound) || notify.IsKind(err, notify.Invalid) {
		return nil, errNothing
	}
	if err != nil {
		return nil, err
	}
	v := topicView{Name: arn.Name(), Facts: []fact{{Name: "ARN", Value: string(arn), Code: true}}}
	v.Facts = append(v.Facts, attributeFacts(t.Attributes)...)
	v.Deliveries = withQuery("/ops/deliveries", url.Values{"topic": {string(arn)}})
	subs, more, err := s.cfg.Notify.ListSubscriptions(ctx, arn, notify.SubscriptionARN(u.Query().Get("after")))
	if err != nil {
		return nil, err
	}
	for i := range subs {
		sub := &subs[i]
		sv := subscriptionView{
			ARN: string(sub.ARN), Protocol: string(sub.Protocol), To: masked(sub.Endpoint), Tone: good, State: "Confirmed",
			Policies: attributeFacts(sub.Attributes), Deliveries: withQuery("/ops/deliveries", url.Values{"subscription": {string(sub.ARN)}}),
		}
		if sv.To == "" {
			sv.To = "the site’s messages"
		}
		if !sub.Confirmed {
			sv.Tone, sv.State = mixed, "Waits for its confirmation"
		}
		v.Subscriptions = append(v.Subscriptions, sv)
		if more {
			v.Next = withQuery(u.Path, url.Values{"after": {string(sub.ARN)}})
		}
	}
	return v, nil
}

// attributeFacts are what was set, but for secrets.
func attributeFacts(a notify.Attributes) (facts []fact) {
	for _, name := range sortedKeys(a) {
		f := fact{Name: name, Value: tidyJSON([]byte(a[name])), Code: true}
		if name == notify.WebhookSecret {
			f.Value = "is set"
		}
		facts = append(facts, f)
	}
	return facts
}
