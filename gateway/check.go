package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// checkConfig catches what a Config made by hand may get wrong and [Parse] does
// not let pass.
func checkConfig(cfg Config) error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf("gateway: "+format, args...)) }
	if len(cfg.Routes) == 0 {
		bad("routes: there must be at least one")
	}
	names := map[string]bool{}
	for _, r := range cfg.Routes {
		name := routeName(r)
		if names[name] {
			bad("route %s: there are two of them", name)
		}
		names[name] = true
		if r.Path == "" || r.Path[0] != '/' {
			bad("route %q: path: must begin with /", name)
		}
		if len(r.To) == 0 {
			bad("route %s: to: must name a backend", name)
		}
		for _, u := range r.To {
			if u == nil || u.Scheme != "http" && u.Scheme != "https" && !isFlow(u.Scheme) || u.Host == "" {
				bad("route %s: to: %v: must be http://HOST:PORT, https://HOST:PORT or flow://HOST:PORT/NAME", name, u)
			}
		}
	}
	problems = append(problems, checkLaws(cfg)...)
	return errors.Join(problems...)
}

// checkLaws demands that routes agree on the law of a backend that they share.
func checkLaws(cfg Config) []error {
	var problems []error
	laws := map[string]Limit{}
	for _, r := range cfg.Routes {
		for _, u := range r.To {
			if u == nil || noOpinion(r.Limit) {
				continue
			}
			name := backendName(u)
			if old, ok := laws[name]; ok && !sameLaw(old, r.Limit) {
				problems = append(problems, fmt.Errorf(
					"gateway: route %s: limit: another route gives %s a different law, and a backend has one", routeName(r), name))
			}
			laws[name] = r.Limit
		}
	}
	return problems
}

// checkAdmin demands a token where strangers can reach the admin listener.
func checkAdmin(address, token string) error {
	if address == "" || token != "" || isLoopback(address) {
		return nil
	}
	return fmt.Errorf("gateway: admin: %s is not a loopback address, so the admin interface must have a token", address)
}

// isLoopback reports whether an address, with or without a port, can only be
// reached from this machine.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
