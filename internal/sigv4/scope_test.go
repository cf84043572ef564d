package sigv4_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"etude/internal/sigv4"
)

func TestParseScope(t *testing.T) {
	const credential = "AKIDEXAMPLE/20261103/eu-west-1/sns/aws4_request"
	want := sigv4.Scope{AccessKeyID: "AKIDEXAMPLE", Date: "20261103", Region: "eu-west-1", Service: "sns"}
	tests := []struct {
		name, auth, query string
		want              sigv4.Scope
		ok                bool
	}{
		{name: "unsigned"},
		{name: "header", auth: "AWS4-HMAC-SHA256 Credential=" + credential + ", SignedHeaders=host, Signature=0", want: want, ok: true},
		{name: "header, commas only", auth: "AWS4-HMAC-SHA256 Credential=" + credential + ",SignedHeaders=host,Signature=0", want: want, ok: true},
		{name: "header, spaces only", auth: "AWS4-HMAC-SHA256 SignedHeaders=host Credential=" + credential, want: want, ok: true},
		{name: "query", query: "a=b&X-Amz-Credential=" + url.QueryEscape(credential), want: want, ok: true},
		{name: "query beside another scheme", auth: "Basic eDp5", query: "X-Amz-Credential=" + credential, want: want, ok: true},
		{name: "header before query", auth: "AWS4-HMAC-SHA256 Credential=" + credential, query: "X-Amz-Credential=k/20261103/r/s3/aws4_request", want: want, ok: true},
		{name: "version 2", auth: "AWS AKIDEXAMPLE:c2lnbmF0dXJl"},
		{name: "no credential", auth: "AWS4-HMAC-SHA256 Signature=0"},
		{name: "two credentials", auth: "AWS4-HMAC-SHA256 Credential=" + credential + ",Credential=" + credential},
		{name: "four parts", auth: "AWS4-HMAC-SHA256 Credential=k/20261103/sns/aws4_request"},
		{name: "six parts", auth: "AWS4-HMAC-SHA256 Credential=k/" + credential},
		{name: "no service", auth: "AWS4-HMAC-SHA256 Credential=k/20261103/r//aws4_request"},
		{name: "another end", query: "X-Amz-Credential=k/20261103/r/s3/aws3_request"},
		{name: "huge", query: "X-Amz-Credential=" + strings.Repeat("/", 1<<20)},
		{name: "control character", query: "X-Amz-Credential=k%0a/20261103/r/s3/aws4_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &http.Request{Header: http.Header{}, URL: &url.URL{RawQuery: tt.query}}
			if tt.auth != "" {
				r.Header.Set("Authorization", tt.auth)
			}
			got, ok := sigv4.ParseScope(r)
			if got != tt.want || ok != tt.ok {
				t.Errorf("ParseScope = %+v, %t, want %+v, %t", got, ok, tt.want, tt.ok)
			}
		})
	}
}
