package load

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// bodyInline is the largest body that is written together with the header, in
// one piece and before the answer is read. Larger ones are written beside the
// reading, so that a server may refuse before it has read them.
const bodyInline = 16 << 10

// request is the message to send, rendered once.
type request struct {
	network string
	address string // host:port to connect to
	host    string // without the port, for TLS
	secure  bool

	head         []byte // up to the last field that all requests share
	body         []byte
	headOnly     bool // the method is HEAD
	sendDeadline bool
}

// bodied are the methods whose requests say their length even if it is 0
// (RFC 9110, section 8.6).
var bodied = []string{http.MethodPost, http.MethodPut, http.MethodPatch}

func newRequest(c Config) *request {
	u, _ := url.Parse(c.URL) // checked
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	r := &request{
		network: "tcp", address: net.JoinHostPort(u.Hostname(), port), host: u.Hostname(),
		secure: u.Scheme == "https", body: c.Body, headOnly: c.Method == http.MethodHead, sendDeadline: c.SendDeadline,
	}
	header := c.Header.Clone()
	host := u.Host
	if h := header.Get("Host"); h != "" {
		host = h
	}
	header.Del("Host")
	var b strings.Builder
	b.WriteString(c.Method + " " + u.RequestURI() + " HTTP/1.1\r\nHost: " + host + "\r\n")
	if header.Get("User-Agent") == "" {
		b.WriteString("User-Agent: penstock-load\r\n")
	}
	if len(c.Body) > 0 || slices.Contains(bodied, c.Method) {
		b.WriteString("Content-Length: " + strconv.Itoa(len(c.Body)) + "\r\n")
	}
	names := make([]string, 0, len(header))
	for name := range header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range header[name] {
			b.WriteString(name + ": " + value + "\r\n")
		}
	}
	r.head = []byte(b.String())
	return r
}

// appendTo appends the request for a job, without a large body.
func (r *request) appendTo(out []byte, now mono.Time, j job) []byte {
	out = append(out, r.head...)
	if j.attempt > 1 {
		out = append(out, "Penstock-Work: a="...)
		out = strconv.AppendInt(out, int64(j.attempt), 10)
		out = append(out, "\r\n"...)
	}
	if r.sendDeadline {
		left := max(j.deadline.Sub(now), time.Millisecond)
		out = append(out, "Penstock-Deadline: "...)
		out = strconv.AppendInt(out, left.Milliseconds(), 10)
		out = append(out, "\r\n"...)
	}
	out = append(out, "\r\n"...)
	if r.inline() {
		out = append(out, r.body...)
	}
	return out
}

func (r *request) inline() bool { return len(r.body) <= bodyInline }
