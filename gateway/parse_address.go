package gateway

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/penstock-go/penstock/config"
)

// What is allowed, as messages say it.
const (
	addressForm = "HOST:PORT such as 127.0.0.1:8080 or :8080, with a port from 0 to 65535"
	adminForm   = addressForm + ", or none"
	backendForm = "http://HOST:PORT, https://HOST:PORT or flow://HOST:PORT/NAME, with a port from 1 to 65535"
	prefixForm  = "a network such as 10.0.0.0/8, or an address"
	hostForm    = "a host name or an IP address, without a port"

	differentPorts = "different ports"
	adminGuarded   = "a loopback address such as 127.0.0.1:8081, or a token"
)

// parseAddress reads where to listen. The host may be empty: all interfaces.
// Port 0 is one that the system chooses.
func parseAddress(s string) (address, problem string) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", config.Quote(s) + " is no address with a port"
	}
	if host != "" && !validHost(host) {
		return "", config.Quote(host) + " is no host"
	}
	if n, ok := parsePort(port); !ok {
		return "", config.Quote(port) + " is no port"
	} else if n == 0 {
		port = "0"
	}
	return net.JoinHostPort(strings.ToLower(host), port), ""
}

// parseBackend reads a backend's address. The answer has a scheme and a host
// alone: the host in lower case, and its port unless it is the scheme's own, so
// that one backend has one name.
func parseBackend(s string) (u *url.URL, problem string) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return nil, config.Quote(s) + " has no scheme"
	}
	if strings.Contains(rest, "@") {
		return nil, "a user name or password is part of the address" // not shown: it may be a secret
	}
	scheme = strings.ToLower(scheme)
	if isFlow(scheme) {
		return parseFlow(s, scheme, rest)
	}
	if scheme != "http" && scheme != "https" {
		return nil, config.Quote(s) + " has the scheme " + config.Quote(scheme)
	}
	host := strings.TrimSuffix(rest, "/")
	switch i := strings.IndexAny(host, "/?#"); {
	case i < 0:
	case host[i] == '/':
		return nil, config.Quote(s) + " has a path"
	case host[i] == '?':
		return nil, config.Quote(s) + " has a query"
	default:
		return nil, config.Quote(s) + " has a fragment"
	}
	name, port := splitPort(host)
	bare, problem := parseHost(name)
	if problem != "" || strings.Contains(name, ":") && name[0] != '[' {
		return nil, config.Quote(s) + " has no valid host"
	}
	if n, ok := parsePort(port); port != "" && (!ok || n == 0) || strings.HasSuffix(host, ":") {
		return nil, config.Quote(s) + " has no valid port"
	}
	u = &url.URL{Scheme: scheme, Host: bare}
	if port != "" && port != map[string]string{"http": "80", "https": "443"}[scheme] {
		u.Host += ":" + port
	}
	return u, ""
}

// parseHost reads a host as requests write it: in lower case, an IPv6 address in
// brackets.
func parseHost(s string) (host, problem string) {
	host = strings.ToLower(s)
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' && strings.Contains(host, ":") {
		host = host[1 : len(host)-1]
	}
	if !validHost(host) {
		return "", config.Quote(s) + " is no host"
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]", ""
	}
	return host, ""
}

// splitPort cuts host:port or [host]:port; the port may be missing.
func splitPort(s string) (host, port string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") {
		return s, ""
	}
	return s[:i], s[i+1:]
}

// parsePort reads a port without leading zeros.
func parsePort(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return int(n), err == nil && s == strconv.FormatUint(n, 10)
}

// parsePrefix reads a network, or an address as a network of one.
func parsePrefix(s string) (p netip.Prefix, problem string) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), ""
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return p, config.Quote(s) + " is no network"
	case p.Addr().Is4In6():
		return p, config.Quote(s) + " is an IPv4 network in IPv6 form: write it as IPv4"
	case p != p.Masked():
		return p, config.Quote(s) + " has bits beyond its length: did you mean " + p.Masked().String() + "?"
	}
	return p, ""
}

// validHost accepts IP addresses without a zone, and names of letters, digits,
// hyphens and underscores in labels of at most 63 bytes, 253 in all, whose last
// label is not a number (RFC 1123, section 2.1, with the underscores that
// container networks use).
func validHost(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Zone() == ""
	}
	if len(host) > 253 {
		return false
	}
	last := ""
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
		last = label
	}
	return strings.Trim(last, "0123456789") != ""
}

// sameAddress says so when two listeners would want the same port.
func sameAddress(listen, admin string) (problem string) {
	host1, port1, err1 := net.SplitHostPort(listen)
	host2, port2, err2 := net.SplitHostPort(admin)
	if err1 != nil || err2 != nil || port1 != port2 || port1 == "0" {
		return ""
	}
	both := isLoopback(listen) && isLoopback(admin) && (host1 == "localhost" || host2 == "localhost")
	if host1 == host2 || everywhere(host1) || everywhere(host2) || both {
		return "listen (" + listen + ") and admin (" + admin + ") want the same port"
	}
	return ""
}

// everywhere reports whether a host means all interfaces.
func everywhere(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "" || err == nil && addr.Unmap().IsUnspecified()
}

// openAdmin says so when strangers could reach the admin listener.
func openAdmin(admin, tokenFile string) (problem string) {
	if admin == "" || tokenFile != "" || isLoopback(admin) {
		return ""
	}
	return config.Quote(admin) + " can be reached from other machines and admin_token_file is not set"
}
