package objectstore

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A signature covers the request as it was sent, so a gateway that records
// what it gets must get just that, and where it came from.
func TestProxyChangesNothing(t *testing.T) {
	got := make(chan string, 1)
	gateway := listen(t, func(conn net.Conn) {
		got <- readRequest(bufio.NewReader(conn))
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	})
	transport := newTransport()
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", gateway)
	}
	srv := httptest.NewServer(newProxy(transport, slog.New(slog.DiscardHandler)))
	defer srv.Close()

	for _, target := range []string{
		"/", "/b/key", "/b/a%20b", "/b/a+b", "/b/%2B", "/b/%2b", "/b/%41", "/b/100%25", "/b/a//b", "/b//a", "/b/../c", "/b/%2e%2e/c",
		"/b/a%2Fb", "/b/~'()!*;:@&=$,", "/b/\xc3\xbc", "/b/%C3%BC", "/b/\"<>|^", "/b?", "/b?acl", "/b?a=1;b=2&%zz", "/b?prefix=a%20b+c", "//b/k",
	} {
		for _, rest := range []string{
			"GET * HTTP/1.1\nHost: media.example.org:4566\n",
			"HEAD * HTTP/1.1\nHost: X\nUser-Agent: me\nAccept-Encoding: identity\nX-Forwarded-For: 1.2.3.4\nX-Forwarded-Proto: https\nForwarded: for=1\n",
			"PUT * HTTP/1.1\nHost: x\nContent-Length: 0\nX-Amz-Meta-A: 1\nX-Amz-Meta-A: 2\n",
			"PUT * HTTP/1.1\nHost: x\nContent-Length: 5\nContent-Encoding: aws-chunked\nExpect: 100-continue\nRange: bytes=0-\n\nhello",
			"PUT * HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n",
			"DELETE * HTTP/1.1\nHost: x\nAuthorization: AWS4-HMAC-SHA256 Credential=a/b, Signature=c\n",
		} {
			request := strings.Replace(rest, "*", target, 1)
			head, body, _ := strings.Cut(request, "\n\n")
			want := strings.TrimSpace(head) + "\nEtude-Source-Ip: 127.0.0.1\n\n" + body
			if strings.Contains(request, "chunked\n\n5") {
				body = strings.ReplaceAll(body, "\n", "\r\n")
			}
			send(t, srv.Listener.Addr().String(), strings.ReplaceAll(strings.TrimSpace(head), "\n", "\r\n")+"\r\n\r\n"+body)
			if diff := cmp.Diff(sorted(want), sorted(<-got)); diff != "" {
				t.Errorf("%q (-sent +got):\n%s", request, diff)
			}
		}
	}
}

// sorted is the request with its header lines in order, as theirs is free.
func sorted(request string) []string {
	head, body, _ := strings.Cut(request, "\n\n")
	lines := strings.Split(head, "\n")
	slices.Sort(lines[1:])
	return append(lines, strings.Split(body, "\n")...)
}

// readRequest reads one request without understanding more of it than where
// it ends, and leaves out the word to close the connection.
func readRequest(r *bufio.Reader) string {
	var request strings.Builder
	length, chunked := 0, false
	for {
		line, err := r.ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); err != nil || line == "" {
			break
		}
		_, _ = fmt.Sscanf(line, "Content-Length: %d", &length)
		chunked = chunked || line == "Transfer-Encoding: chunked"
		if line != "Connection: close" {
			request.WriteString(line + "\n")
		}
	}
	request.WriteString("\n")
	body := make([]byte, length)
	_, _ = io.ReadFull(r, body)
	request.Write(body)
	for chunked {
		line, err := r.ReadString('\n')
		request.WriteString(strings.TrimRight(line, "\r\n") + "\n")
		if err != nil || line == "\r\n" {
			break
		}
	}
	return request.String()
}

func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn)
			conn.Close()
		}
	}()
	return l.Addr().String()
}

func send(t *testing.T, addr, request string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err == nil && resp.StatusCode == http.StatusContinue {
		resp, err = http.ReadResponse(r, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Errorf("%q = %s", request, resp.Status)
	}
}

func TestProxyWithoutGateway(t *testing.T) {
	transport := newTransport()
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, io.ErrClosedPipe }
	w := httptest.NewRecorder()
	newProxy(transport, slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest("GET", "/b/k", nil))
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "<Code>ServiceUnavailable</Code>") {
		t.Errorf("answer = %d %s", w.Code, w.Body)
	}
}
