package objectstore_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestList(t *testing.T) {
	b := bucket(t)
	keys := []string{"a b+%é.mp3", "a/b", "a/c&<d>", "z"}
	for _, k := range keys {
		if _, err := shared.client.Put(t.Context(), ref(b, k), strings.NewReader("x"), 1, ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		prefix, after string
		limit         int
		want          []string
	}{
		{"", "", 1000, keys},
		{"", "", 3, keys[:3]},
		{"", "a/b", 1000, keys[2:]},
		{"a/", "", 1000, keys[1:3]},
		{"a/", "a/c&<d>", 1000, nil},
		{"none/", "", 1000, nil},
	} {
		got, err := shared.client.List(t.Context(), b, tt.prefix, tt.after, tt.limit)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("prefix %q, after %q, at most %d: want (-), got (+):\n%s", tt.prefix, tt.after, tt.limit, diff)
		}
	}
	if _, err := shared.client.List(t.Context(), "no-such-bucket", "", "", 1); err == nil || !strings.Contains(err.Error(), "no-such-bucket") {
		t.Errorf("list a bucket that is not there: got %v", err)
	}
}

// TestListOfAnEncodingServer is against what Amazon answers, which encodes keys
// and gives them in pages.
func TestListOfAnEncodingServer(t *testing.T) {
	c := external(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("encoding-type") != "url" {
			t.Errorf("asked for %q, want encoded keys", r.URL.RawQuery)
		}
		key, more := "a+b%2B%25%C3%A9%01.mp3", "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
		if q.Get("continuation-token") == "t" {
			key, more = "c", "<IsTruncated>false</IsTruncated>"
		}
		fmt.Fprintf(w, `<ListBucketResult><EncodingType>url</EncodingType>%s<Contents><Key>%s</Key></Contents></ListBucketResult>`, more, key)
	}))
	got, err := c.List(t.Context(), "bucket", "", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a b+%é\x01.mp3", "c"}, got); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}
