// Package outbound guards requests that this server makes to addresses which
// others have chosen: they reach the public Internet, and of the networks that
// are not public only those that the operator allows. Otherwise whoever may
// name an endpoint could have the server ask its own neighbours, or the cloud's
// metadata service, in his place.
//
// It knows nothing of what is asked for.
package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ErrForbidden is wrapped by the errors for addresses that are not to be
// reached.
var ErrForbidden = errors.New("the address is not a public one, and the operator has not allowed it (--allow-endpoints)")

// special are networks that are not public, or stand for addresses that may not
// be, besides those that netip knows. They are from IANA's registries of
// special-purpose addresses.
var special = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "fec0::/10",
)

func prefixes(all ...string) []netip.Prefix {
	parsed := make([]netip.Prefix, len(all))
	for i, s := range all {
		parsed[i] = netip.MustParsePrefix(s)
	}
	return parsed
}

// Loopback is this machine itself.
var Loopback = prefixes("127.0.0.0/8", "::1/128")

// Guard says which addresses may be reached. It does not change; the zero value
// allows none but public ones.
type Guard struct{ allow []netip.Prefix }

// New returns a Guard that allows some networks besides the public ones.
func New(allow []netip.Prefix) *Guard { return &Guard{slices.Clone(allow)} }

// ParseNetworks reads networks, or single addresses, that commas separate.
func ParseNetworks(text string) (all []netip.Prefix, err error) {
	for _, s := range strings.Split(text, ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		p, err := netip.ParsePrefix(s)
		if addr, e := netip.ParseAddr(s); e == nil && addr.Zone() == "" {
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil || p.Addr().Is4In6() {
			return nil, fmt.Errorf("network %.64q: write it like 10.0.0.0/8, fd00::/8 or 192.168.1.5", s)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// Allow returns nil if an address may be reached, else an error that wraps
// ErrForbidden.
func (g *Guard) Allow(ip netip.Addr) error {
	plain := ip.Unmap().WithZone("")
	within := func(p netip.Prefix) bool { return p.Contains(plain) }
	switch {
	case slices.ContainsFunc(g.allow, within):
		return nil
	case !plain.IsGlobalUnicast(), plain.IsPrivate(), slices.ContainsFunc(special, within):
		return fmt.Errorf("reach %s: %w", ip, ErrForbidden)
	}
	return nil
}

// Control is for net.Dialer: it sees the address that is about to be dialled,
// after all names and notations have been resolved.
func (g *Guard) Control(network, address string, _ syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return fmt.Errorf("dial %s: only TCP is used", network)
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial %.64q: %w", address, err)
	}
	return g.Allow(to.Addr())
}

// dialTimeout is short enough that the second address of a host gets its turn
// within the time that one request has.
const dialTimeout = 6 * time.Second

// Dialer is a dialer that is guarded.
func (g *Guard) Dialer() *net.Dialer {
	return &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Control: g.Control}
}

// Transport is a guarded transport of its own. It uses no proxy, not even one
// that the environment names: that would reach what the guard does not see.
func (g *Guard) Transport() *http.Transport {
	return &http.Transport{
		DialContext: g.Dialer().DialContext, ForceAttemptHTTP2: true, DisableCompression: true,
		TLSHandshakeTimeout: 10 * time.Second, ExpectContinueTimeout: time.Second,
		MaxIdleConns: 512, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// NoRedirect is for http.Client: it takes a redirect for the answer that it is.
func NoRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// CheckURL says early, and in words, what a request would come to: that the URL
// is none of http or https, or that its host has only addresses which are not
// to be reached. A host without an address as yet passes. The guard of the
// dialer is what holds; this one may be wrong as soon as it has answered.
func (g *Guard) CheckURL(ctx context.Context, raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "" {
		return errors.New("the endpoint must be an http or https URL with a host")
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return nil //nolint:nilerr // tries to deliver will tell, again and again
	}
	for _, ip := range ips {
		if err = g.Allow(ip); err == nil {
			return nil
		}
	}
	return err
}
