package gateway

import (
	"net/netip"
	"path"
	"slices"
	"strings"
	"sync/atomic"
)

// A table is one configuration, compiled. It does not change; a reload makes
// another. Requests count themselves in and out, so that a reload knows which
// routes of earlier tables are still in use.
type table struct {
	users   atomic.Int64
	trust   []netip.Prefix
	observe bool
	expose  Expose
	streams int

	routes []*route
	hosts  map[string][]*route // exact host; longest path first
	others []*route            // any host; longest path first
}

// A route is one of the configuration's, compiled.
type route struct {
	Route
	name   string // host and path: how it appears in metrics and answers
	quoted string // name as a JSON string
	index  int    // in the controller
	quota  *quota // nil is no rate limit
	counts *routeCounts
	told   atomic.Pointer[told]                      // the signal, as header fields
	ready  [readyAnswers]atomic.Pointer[readyAnswer] // the latest refusals
	next   atomic.Uint32                             // the place of ready to use next
}

func routeName(r Route) string { return r.Host + r.Path }

func (t *table) index() {
	t.hosts = map[string][]*route{}
	for _, r := range t.routes {
		if r.Host == "" {
			t.others = append(t.others, r)
		} else {
			t.hosts[r.Host] = append(t.hosts[r.Host], r)
		}
	}
	longestFirst := func(a, b *route) int { return len(b.Path) - len(a.Path) }
	slices.SortStableFunc(t.others, longestFirst)
	for _, rs := range t.hosts {
		slices.SortStableFunc(rs, longestFirst)
	}
}

// match returns the route of the longest path prefix, among those of exactly
// this host before those of any; nil where there is none. Prefixes end at a
// slash: /api matches /api and /api/x, not /apiary. A path with dot segments or
// doubled slashes is matched as a backend would clean it, so that no route can
// be reached in the clothes of another.
func (t *table) match(host, requestPath string) *route {
	if strings.Contains(requestPath, "/.") || strings.Contains(requestPath, "//") {
		requestPath = cleaned(requestPath)
	}
	if len(t.hosts) > 0 {
		if r := longest(t.hosts[bareHost(host)], requestPath); r != nil {
			return r
		}
	}
	return longest(t.others, requestPath)
}

func longest(rs []*route, p string) *route {
	for _, r := range rs {
		if strings.HasPrefix(p, r.Path) &&
			(len(p) == len(r.Path) || strings.HasSuffix(r.Path, "/") || p[len(r.Path)] == '/') {
			return r
		}
	}
	return nil
}

func cleaned(p string) string {
	c := path.Clean("/" + p)
	if strings.HasSuffix(p, "/") && c != "/" {
		c += "/"
	}
	return c
}

// bareHost is the host in lower case, without port or final dot.
func bareHost(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

func (t *table) trusts(peer netip.Addr) bool {
	for _, p := range t.trust {
		if p.Contains(peer) {
			return true
		}
	}
	return false
}

func routeNames(t *table) []string {
	names := make([]string, len(t.routes))
	for i, r := range t.routes {
		names[i] = r.name
	}
	return names
}
