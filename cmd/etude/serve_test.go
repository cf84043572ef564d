package main

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"etude/internal/ffmpeg/ffmpegtest"
)

// TestStartThatFailsLeavesNothing: the second of two listeners cannot be opened.
func TestStartThatFailsLeavesNothing(t *testing.T) {
	ffmpegtest.Need(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	site := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	err = run(t.Context(), []string{"serve", "--data", t.TempDir(), "--site-addr", site, "--edge-addr", taken.Addr().String()}, &out)
	if err == nil || !strings.Contains(err.Error(), "--edge-addr") {
		t.Errorf("serve = %v, want that it names the option", err)
	}
	res, err := http.Get("http://" + site + "/healthz")
	if err == nil {
		res.Body.Close()
		t.Errorf("GET /healthz = %s after the end, want that nobody listens", res.Status)
	}
}
