package load_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock/load"
	"github.com/penstock-go/penstock/sim/arrival"
)

func TestConfigErrors(t *testing.T) {
	good := load.Config{URL: "http://127.0.0.1:1/", Profile: profile("1/s")}
	for want, change := range map[string]func(c *load.Config){
		`url: "" is not an address`:                     func(c *load.Config) { c.URL = "" },
		`url: "localhost:80" is not`:                    func(c *load.Config) { c.URL = "localhost:80" },
		`url: "ftp://x/" is not`:                        func(c *load.Config) { c.URL = "ftp://x/" },
		`url: "http://me:pw@x/" is not`:                 func(c *load.Config) { c.URL = "http://me:pw@x/" },
		`method: "GET IT" is not a method`:              func(c *load.Config) { c.Method = "GET IT" },
		`method: "CONNECT" is not`:                      func(c *load.Config) { c.Method = "CONNECT" },
		"profile: offers nothing":                       func(c *load.Config) { c.Profile = arrival.Profile{} },
		"body: 67108865 bytes":                          func(c *load.Config) { c.Body = make([]byte, load.MaxBody+1) },
		"for: -1s is not a time above 0":                func(c *load.Config) { c.For = -time.Second },
		"warmup: 10s is not a part of the 10s":          func(c *load.Config) { c.Warmup = 10 * time.Second },
		"deadline: 2h0m0s is not":                       func(c *load.Config) { c.Deadline = 2 * time.Hour },
		"interval: 1µs is not a time of 1ms or more":    func(c *load.Config) { c.Interval = time.Microsecond },
		"interval: 1ms makes more than 100000 rows":     func(c *load.Config) { c.Interval, c.For = time.Millisecond, time.Hour },
		"connections: -1 is not between 1 and 60000":    func(c *load.Config) { c.Connections = -1 },
		"outstanding: -1 is not between 1 and 10000000": func(c *load.Config) { c.Outstanding = -1 },
		"retries: 101 is not between 0 and 100":         func(c *load.Config) { c.Retry.Max = 101 },
		"retry backoff: 2m0s is not":                    func(c *load.Config) { c.Retry.Backoff = 2 * time.Minute },
		"retry on: not_sent cannot be retried":          func(c *load.Config) { c.Retry.On = []load.Fate{load.NotSent} },
		`header: "X Y" is not a field name`:             func(c *load.Config) { c.Header = http.Header{"X Y": {"1"}} },
		"header: content-length frames the message":     func(c *load.Config) { c.Header = http.Header{"content-length": {"1"}} },
		"header: X: \"a\\r\\nb\" has a line break":      func(c *load.Config) { c.Header = http.Header{"X": {"a\r\nb"}} },
	} {
		c := good
		change(&c)
		if _, err := load.Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	_, err := load.Run(t.Context(), load.Config{Connections: -1})
	for _, want := range []string{"url:", "profile:", "connections:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
}

func TestFatesHaveNames(t *testing.T) {
	for f := load.Good; f <= load.Unfinished; f++ {
		if back, ok := load.ParseFate(f.String()); !ok || back != f {
			t.Errorf("%v reads back as %v, %v", f, back, ok)
		}
	}
	if f, ok := load.ParseFate("nice"); ok {
		t.Errorf("nice is %v", f)
	}
}
