package outbound_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/outbound"
)

func TestAllow(t *testing.T) {
	guard := outbound.New([]netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd12::/32")})
	for ip, want := range map[string]bool{
		"93.184.215.14": true, "8.8.8.8": true, "2606:2800:21f:cb07::1": true, "::ffff:8.8.8.8": true,
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "fd12::5": true,

		"127.0.0.1": false, "127.255.0.1": false, "::1": false, "::ffff:127.0.0.1": false, "::127.0.0.1": false,
		"0.0.0.0": false, "0.1.2.3": false, "::": false,
		"10.2.0.1": false, "172.16.0.1": false, "192.168.1.1": false, "fd00:ec2::254": false, "fc00::1": false,
		"169.254.169.254": false, "::ffff:169.254.169.254": false, "fe80::1": false, "fe80::1%eth0": false,
		"100.64.0.1": false, "192.0.0.1": false, "192.0.2.1": false, "198.18.0.1": false, "198.19.255.255": false,
		"198.51.100.1": false, "203.0.113.1": false, "224.0.0.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"64:ff9b::a9fe:a9fe": false, "64:ff9b:1::1": false, "2001::1": false, "2001:db8::1": false, "2002:7f00:1::": false,
		"ff02::1": false, "fec0::1": false,
	} {
		if err := guard.Allow(netip.MustParseAddr(ip)); (err == nil) != want || err != nil && !errors.Is(err, outbound.ErrForbidden) {
			t.Errorf("%s: got the error %v, want it allowed: %t", ip, err, want)
		}
	}
}

func TestParseNetworks(t *testing.T) {
	got, err := outbound.ParseNetworks(" 10.0.0.7/8, fd00::/8,192.168.1.5,,::1 ")
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, p := range got {
		texts = append(texts, p.String())
	}
	if diff := cmp.Diff([]string{"10.0.0.0/8", "fd00::/8", "192.168.1.5/32", "::1/128"}, texts); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	for _, text := range []string{"localhost", "10.0.0.0/33", "10/8", "::ffff:10.0.0.0/104", "fe80::1%eth0", "10.0.0.0/8;::1"} {
		if got, err := outbound.ParseNetworks(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

// TestTransport asks by every way to write this machine's address.
func TestTransport(t *testing.T) {
	reached := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached++
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		}
	}))
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	transport := outbound.New(nil).Transport()
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: outbound.NoRedirect}
	t.Setenv("HTTP_PROXY", srv.URL)
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "[::]"} {
		resp, err := client.Get("http://" + host + ":" + port)
		if err == nil {
			resp.Body.Close()
		}
		if !errors.Is(err, outbound.ErrForbidden) {
			t.Errorf("%s: got the error %v, want %v", host, err, outbound.ErrForbidden)
		}
	}
	if reached != 0 {
		t.Errorf("the server was reached %d times", reached)
	}

	transport = outbound.New(outbound.Loopback).Transport()
	defer transport.CloseIdleConnections()
	client.Transport = transport
	resp, err := client.Get(srv.URL + "/away")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusFound || reached != 1 {
		t.Errorf("got the status %d after %d requests, want the redirect itself", resp.StatusCode, reached)
	}
}

func TestCheckURL(t *testing.T) {
	for raw, want := range map[string]bool{
		"http://127.0.0.1:9000/hook": true, "https://user:secret@8.8.8.8/": true, "http://[::1]/": true, "http://localhost": true,
		"http://10.0.0.1/": false, "http://169.254.169.254/latest/meta-data": false, "http://[fd00:ec2::254]/": false,
		"ftp://8.8.8.8/": false, "http:8.8.8.8": false, "http://": false, "": false, "//8.8.8.8": false, "file:///etc/passwd": false,
		"http://%zz/": false, "gopher://8.8.8.8": false,
	} {
		if err := outbound.New(outbound.Loopback).CheckURL(t.Context(), raw); (err == nil) != want {
			t.Errorf("%s: got the error %v, want it allowed: %t", raw, err, want)
		}
	}
}
