package awsquery_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/account"
	"etude/internal/awsquery"
	"etude/internal/sqlstore/sqlstoretest"
)

func TestMembers(t *testing.T) {
	query := "L.member.10=j&L.member.2=b&L.member.1=a&L.member.x=n&L.member.0=n&L.member.01=n&L.member.-1=n&L.member=n&L.members.1=n&L.member.99999999999999999999=n" +
		"&M.entry.1.key=k1&M.entry.1.value=v1&M.entry.3.key=k3&M.entry.2.value=v2"
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	f := awsquery.Form{Values: values}
	if diff := cmp.Diff([]string{"a", "b", "j"}, f.List("L.member")); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	var pairs []string
	f.Pairs("M.entry", "key", "value", func(key, value string) { pairs = append(pairs, key+"="+value) })
	if diff := cmp.Diff([]string{"k1=v1", "=v2", "k3="}, pairs); diff != "" {
		t.Errorf("pairs (-want +got):\n%s", diff)
	}
	if f.Value("none") != nil || *f.Value("L.member.1") != "a" {
		t.Error("Value does not tell what was sent from what was not")
	}
	many := url.Values{}
	for i := range 5000 {
		many.Set(fmt.Sprint("L.member.", i+1), "x")
	}
	if n := len(awsquery.Form{Values: many}.List("L.member")); n > 1000 {
		t.Errorf("%d members were read", n)
	}
}

// echo is a service that gives back what it was asked.
func echo(t testing.TB) http.Handler {
	store, _ := sqlstoretest.Open(t)
	return awsquery.New(awsquery.Service{
		Name: "echo", Title: "Echo", Version: "1", Namespace: "http://example.com/", MaxBody: 1 << 20, Accounts: account.New(store, account.MasterKey{}),
		Denied: "Denied", Internal: "Internal", AnyVersion: true, Unsigned: map[string]bool{"Echo": true, "Panic": true},
		Actions: map[string]func(context.Context, awsquery.Request) ([]awsquery.Element, error){
			"Echo": func(_ context.Context, r awsquery.Request) ([]awsquery.Element, error) {
				list := awsquery.Group("List")
				for _, text := range r.List("L.member") {
					list.Children = append(list.Children, awsquery.Text("member", text))
				}
				return []awsquery.Element{list}, nil
			},
			"Panic": func(context.Context, awsquery.Request) ([]awsquery.Element, error) { panic("no") },
		},
	})
}

// FuzzUnsigned holds that whatever comes in a URL, what goes out is XML, and is
// what came in but for what XML cannot hold.
func FuzzUnsigned(f *testing.F) {
	h := echo(f)
	for _, seed := range []string{"a", "<&>\"'", "\x00\x01\t\n\r", "\xff\xfe", "\uFFFE\u2028é", "]]>"} {
		f.Add("L.member.1", seed)
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		r := httptest.NewRequest("GET", "/?"+url.Values{"Action": {"Echo"}, name: {text}, "L.member.2": {"last"}}.Encode(), nil)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var reply struct {
			Member []string `xml:"EchoResult>List>member"`
		}
		if err := xml.Unmarshal(w.Body.Bytes(), &reply); err != nil {
			t.Fatalf("%v in %q", err, w.Body)
		}
		if name != "L.member.1" || w.Code != http.StatusOK {
			return
		}
		want := strings.Map(func(r rune) rune {
			if r < ' ' && !strings.ContainsRune("\t\n\r", r) || r == 0xFFFE || r == 0xFFFF {
				return 0xFFFD
			}
			return r
		}, strings.ToValidUTF8(text, "\uFFFD"))
		if diff := cmp.Diff([]string{want, "last"}, reply.Member); diff != "" {
			t.Errorf("reply (-want +got):\n%s", diff)
		}
	})
}

func TestPanicIsAFaultOfOurs(t *testing.T) {
	w := httptest.NewRecorder()
	echo(t).ServeHTTP(w, httptest.NewRequest("GET", "/?Action=Panic", nil))
	if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "<Code>Internal</Code>") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}
