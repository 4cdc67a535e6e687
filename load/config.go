package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/penstock-go/penstock/sim/arrival"
)

// Bounds and defaults of a [Config].
const (
	DefaultFor         = 10 * time.Second
	DefaultDeadline    = 30 * time.Second
	DefaultConnections = 4096
	MaxConnections     = 60_000
	DefaultOutstanding = 100_000
	MaxOutstanding     = 10_000_000
	DefaultInterval    = time.Second
	MaxIntervals       = 100_000 // rows of a report's series
	MaxBody            = 64 << 20
	MaxRetries         = 100
	DefaultBackoff     = 100 * time.Millisecond
	MaxBackoff         = time.Minute // what doubling stops at
)

// Config says what to offer to whom. URL and Profile are required; every other
// zero value means the default that its comment names.
type Config struct {
	// URL is http:// or https://. Its path and query are sent as they are.
	URL string
	// Method defaults to GET, or to POST where there is a Body.
	Method string
	// Header is sent with every request. It may name a Host, but none of the
	// fields that frame a message: Connection, Content-Length, Expect, TE,
	// Trailer, Transfer-Encoding, Upgrade.
	Header http.Header
	// Body is sent with every request: at most MaxBody bytes.
	Body []byte

	// Profile is the rate of first attempts.
	Profile arrival.Profile
	// Even spaces the arrivals evenly. The default is a Poisson process.
	Even bool
	// Seed of the arrivals and of the retries' jitter.
	Seed uint64

	// For is how long new requests are offered; answers are awaited beyond
	// it. Default: the profile's length, or DefaultFor if it has none.
	For time.Duration
	// Warmup is the first part of For: offered, but left out of the report.
	Warmup time.Duration
	// Interval is the length of a row of the report's series. Default:
	// DefaultInterval.
	Interval time.Duration

	// Deadline is the client's patience, counted from the instant at which a
	// request should be sent. When it has passed, the client leaves: it closes
	// the connection. Default: DefaultDeadline.
	Deadline time.Duration
	// SendDeadline tells the server what is left of the deadline, in the field
	// Penstock-Deadline, in milliseconds. Most clients do not.
	SendDeadline bool

	// Connections bounds the open connections, 1 to MaxConnections. When all
	// are busy, requests wait for one, and their clocks are running. Default:
	// DefaultConnections.
	Connections int
	// Outstanding bounds the requests that have been offered and not yet
	// answered, and the retries to come, 1 to MaxOutstanding. What is offered
	// beyond it is counted as not sent. Default: DefaultOutstanding.
	Outstanding int

	// Retry says how impatient the clients are. The zero value never retries.
	Retry Retry

	// Progress, if set, is called four times a second from one goroutine while
	// the run lasts.
	Progress func(Progress)
	// Dial opens connections. Default: a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is the client configuration for https. Default: the system's roots.
	TLS *tls.Config

	newAlarm func() (alarm, error)
}

// Check says everything that is wrong with the configuration, joined; nil if
// nothing is.
func (c Config) Check() error { return c.withDefaults().check() }

// withDefaults returns the configuration with every default filled in.
func (c Config) withDefaults() Config {
	if c.Method == "" {
		c.Method = http.MethodGet
		if len(c.Body) > 0 {
			c.Method = http.MethodPost
		}
	}
	if length, ends := c.Profile.Length(); c.For == 0 && ends {
		c.For = length
	}
	c.For = orDefault(c.For, DefaultFor)
	c.Interval = orDefault(c.Interval, DefaultInterval)
	c.Deadline = orDefault(c.Deadline, DefaultDeadline)
	c.Connections = orDefault(c.Connections, DefaultConnections)
	c.Outstanding = orDefault(c.Outstanding, DefaultOutstanding)
	c.Retry.Backoff = orDefault(c.Retry.Backoff, DefaultBackoff)
	if len(c.Retry.On) == 0 {
		c.Retry.On = []Fate{Refused, Late, Failed}
	}
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if c.newAlarm == nil {
		c.newAlarm = newAlarm
	}
	return c
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func (c Config) check() error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("load: "+format, args...))
		}
	}
	if err := checkURL(c.URL); err != nil {
		errs = append(errs, err)
	}
	wrong(!isToken(c.Method) || c.Method == http.MethodConnect,
		"method: %q is not a method: a word such as GET or POST, and not CONNECT", c.Method)
	wrong(c.Profile.Expected(arrival.MaxLength) == 0, "profile: offers nothing: a rate above 0 is needed")
	wrong(len(c.Body) > MaxBody, "body: %d bytes: up to %d are allowed", len(c.Body), MaxBody)
	wrong(c.For < 0 || c.For > arrival.MaxLength, "for: %v is not a time above 0", c.For)
	wrong(c.Warmup < 0 || c.Warmup >= c.For, "warmup: %v is not a part of the %v that the run lasts", c.Warmup, c.For)
	wrong(c.Deadline < 0 || c.Deadline > time.Hour, "deadline: %v is not a time above 0 and up to 1h", c.Deadline)
	wrong(c.Interval < time.Millisecond, "interval: %v is not a time of 1ms or more", c.Interval)
	wrong(c.Interval > 0 && (c.For+c.Deadline)/c.Interval >= MaxIntervals,
		"interval: %v makes more than %d rows of this run: use a longer one", c.Interval, MaxIntervals)
	wrong(c.Connections < 0 || c.Connections > MaxConnections,
		"connections: %d is not between 1 and %d", c.Connections, MaxConnections)
	wrong(c.Outstanding < 0 || c.Outstanding > MaxOutstanding,
		"outstanding: %d is not between 1 and %d", c.Outstanding, MaxOutstanding)
	errs = append(errs, checkHeader(c.Header), c.Retry.check())
	return errors.Join(errs...)
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return fmt.Errorf("load: url: %q is not an address such as http://127.0.0.1:8080/path, without a user", text)
	}
	return nil
}

// framing are the fields that only the client itself may write.
var framing = []string{
	"Connection", "Content-Length", "Expect", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

func checkHeader(h http.Header) error {
	var errs []error
	for name, values := range h {
		if !isToken(name) {
			errs = append(errs, fmt.Errorf("load: header: %q is not a field name", name))
		}
		if slices.Contains(framing, http.CanonicalHeaderKey(name)) {
			errs = append(errs, fmt.Errorf("load: header: %s frames the message and cannot be set", name))
		}
		for _, v := range values {
			if strings.ContainsAny(v, "\r\n\x00") {
				errs = append(errs, fmt.Errorf("load: header: %s: %q has a line break or a zero byte", name, v))
			}
		}
	}
	return errors.Join(errs...)
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	const others = "!#$%&'*+-.^_`|~"
	for _, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (r < '0' || r > '9') && !strings.ContainsRune(others, r) {
			return false
		}
	}
	return s != ""
}
