package gateway

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/penstock-go/penstock/config"
)

// A flow as a backend: flow://HOST:PORT/NAME, or flow://NAME for one of the flow
// server on this machine; flows:// speaks TLS. What is posted to the route
// becomes an item of the flow, whatever its path. docs/flow.md describes it.
const (
	flowScheme  = "flow"
	flowsScheme = "flows"
	// localFlows is where a flow server listens by default.
	localFlows  = "127.0.0.1:8082"
	flowNameMax = 64 // bytes, as for the flow server
)

func isFlow(scheme string) bool { return scheme == flowScheme || scheme == flowsScheme }

// parseFlow reads the part of a flow's address behind the scheme. The answer has
// the server as its host, and /NAME as its path.
func parseFlow(s, scheme, rest string) (u *url.URL, problem string) {
	server, name, named := strings.Cut(rest, "/")
	if !named {
		server, name = localFlows, rest
	}
	if name = strings.TrimSuffix(name, "/"); !isFlowName(name) {
		return nil, config.Quote(s) + " names no flow"
	}
	// The server is an address as any, with the ports of HTTP.
	u, problem = parseBackend(httpOf(scheme) + "://" + server)
	if problem != "" {
		return nil, config.Quote(s) + " has no valid server"
	}
	return &url.URL{Scheme: scheme, Host: u.Host, Path: "/" + name}, ""
}

func isFlowName(name string) bool {
	return name != "" && len(name) <= flowNameMax && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// httpOf is the scheme that a flow is spoken to with.
func httpOf(scheme string) string {
	if scheme == flowsScheme {
		return "https"
	}
	return "http"
}

// transport is how a backend is spoken to.
type transport interface {
	http.RoundTripper
	CloseIdleConnections()
}

func newTransport(u *url.URL, b bounds) transport {
	if !isFlow(u.Scheme) {
		return newWires(u, b)
	}
	server := url.URL{Scheme: httpOf(u.Scheme), Host: u.Host}
	items := server
	items.Path = "/v1/flows" + u.Path + "/items"
	return flowDoor{newWires(&server, b), items}
}

// A flowDoor sends every request to the entrance of a flow.
type flowDoor struct {
	transport
	items url.URL
}

// RoundTrip implements [http.RoundTripper]. A flow server without tokens refuses
// what the pages of other sites send; whom this route serves is its operator's
// choice, so it is not told.
func (d flowDoor) RoundTrip(req *http.Request) (*http.Response, error) {
	out, to := *req, d.items
	out.Header.Del("Origin") // the header is this request's own, not the client's
	out.Header.Del("Sec-Fetch-Site")
	to.RawQuery = req.URL.RawQuery
	out.URL = &to
	return d.transport.RoundTrip(&out)
}
