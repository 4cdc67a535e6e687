package gateway_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/queue"
	file "github.com/penstock-go/penstock/config"
	"github.com/penstock-go/penstock/gateway"
	"github.com/penstock-go/penstock/internal/golden"
	"github.com/penstock-go/penstock/mono"
)

func ExampleParse() {
	cfg, err := gateway.Parse("penstock.yaml", []byte(`
routes:
  - match: {path: /api/}
    to: [http://127.0.0.1:9000, http://127.0.0.1:9001]
    rate: 500/s
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(cfg.Listen, cfg.Routes[0].Path, cfg.Routes[0].To, cfg.Routes[0].Rate.Burst)

	_, err = gateway.Parse("penstock.yaml", []byte("routes:\n  - too: http://127.0.0.1:9000\n    limit: lots\n"))
	fmt.Println(err)
	// Output:
	// 127.0.0.1:8080 /api/ [http://127.0.0.1:9000 http://127.0.0.1:9001] 50
	// penstock.yaml:2:5: routes[0].too: unknown key, did you mean to?
	// penstock.yaml:2:5: routes[0].to: missing, allowed: http://HOST:PORT, https://HOST:PORT or flow://HOST:PORT/NAME, with a port from 1 to 65535, or a list of such
	// penstock.yaml:3:12: routes[0].limit: "lots" is no whole number, allowed: auto, a whole number from 1 to 1000000, or a mapping of law and max
}

// describe writes a configuration as text, a field a line.
func describe(c gateway.Config) string {
	var b strings.Builder
	say := func(name string, value any) { fmt.Fprintf(&b, "%s: %v\n", name, value) }
	say("listen", c.Listen)
	say("admin", c.Admin)
	say("admin_token_file", c.AdminTokenFile)
	say("trust", c.Trust)
	say("observe", c.Observe)
	say("streams", c.Streams)
	say("expose", []string{"all", "trusted", "none"}[c.Expose])
	for i, r := range c.Routes {
		say("route", i)
		say("  path", r.Path)
		say("  host", r.Host)
		say("  to", r.To)
		say("  limit", fmt.Sprintf("cap %d, law %s, max %g, starts at %g", r.Limit.Cap, r.Limit.Law, r.Limit.Max, r.Limit.New().Limit()))
		say("  wait", fmt.Sprintf("%v, order %d, codel %t", r.WaitFor, r.Order, r.CoDel))
		say("  deadline", r.Deadline)
		say("  rate", fmt.Sprintf("%g/s, burst %d, header %q, per client %t", r.Rate.PerSecond, r.Rate.Burst, r.Rate.Header, r.Rate.PerClient))
		say("  criticality", fmt.Sprintf("%v, header %q", r.Criticality.Default, r.Criticality.Header))
		for _, value := range slices.Sorted(maps.Keys(r.Criticality.Map)) {
			say("    "+value, r.Criticality.Map[value])
		}
		say("  abandoned", []string{"wait", "cancel"}[r.Abandoned])
		say("  refuse_with", []string{"503", "429", "drop"}[r.RefuseWith])
	}
	return b.String()
}

// TestParseFiles: each file under testdata/config reads as the configuration, or
// has the problems, in the .txt beside it.
func TestParseFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/config/*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("found %d files: %v", len(files), err)
	}
	for _, name := range files {
		base := strings.TrimSuffix(filepath.Base(name), ".yaml")
		t.Run(base, func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			cfg, err := gateway.Parse(base+".yaml", data)
			got := ""
			if err != nil {
				got = err.Error() + "\n"
			} else {
				got = describe(cfg)
			}
			golden.Check(t, "config/"+base+".txt", got)
			if kind, err := file.Kind(base+".yaml", data); kind != "routes" && base != "syntax" {
				t.Errorf("Kind is %q, %v", kind, err)
			}
		})
	}
}

const (
	allowedAddress     = "allowed: HOST:PORT such as 127.0.0.1:8080 or :8080, with a port from 0 to 65535"
	allowedNetwork     = "allowed: a network such as 10.0.0.0/8, or an address"
	allowedBackend     = "allowed: http://HOST:PORT, https://HOST:PORT or flow://HOST:PORT/NAME, with a port from 1 to 65535"
	allowedHost        = "allowed: a host name or an IP address, without a port"
	allowedPath        = "allowed: a path that begins with /, in its shortest form and not percent-encoded"
	allowedLimit       = "allowed: auto, a whole number from 1 to 1000000, or a mapping of law and max"
	allowedMax         = "allowed: a whole number from 1 to 1000000"
	allowedWait        = "allowed: auto, none, or a duration such as 250ms from 1ms to 1h"
	allowedOrder       = "allowed: auto, fifo, lifo, fair or codel"
	allowedDeadline    = "allowed: none, or a duration such as 250ms from 1ms to 24h"
	allowedRate        = "allowed: a rate such as 500/s, 10/m or 1.5/h from 1/h to 10000000/s"
	allowedRates       = allowedRate + ", or a mapping of per, burst and by"
	allowedBy          = "allowed: route, client or header:NAME"
	allowedNames       = "allowed: the name of a header field, other than Host"
	allowedCriticality = "allowed: critical_plus, critical, sheddable_plus or sheddable"
	allowedRule        = "allowed: critical_plus, critical, sheddable_plus, sheddable, or a mapping of header, map and default"
)

// TestTopKeys has a row for each value of a top-level key; routes follow it.
func TestTopKeys(t *testing.T) {
	tests := []struct {
		key     string
		get     func(gateway.Config) any
		want    any    // printed with %v
		problem string // what is said after the field
	}{
		{key: "listen: :80", get: func(c gateway.Config) any { return c.Listen }, want: ":80"},
		{key: "listen: LOCALHOST:0", get: func(c gateway.Config) any { return c.Listen }, want: "localhost:0"},
		{key: "listen: '[::1]:8443'", get: func(c gateway.Config) any { return c.Listen }, want: "[::1]:8443"},
		{key: "listen: 8080", problem: `"8080" is no address with a port, ` + allowedAddress},
		{key: "listen: 127.0.0.1:http", problem: `"http" is no port, ` + allowedAddress},
		{key: "listen: 127.0.0.1:65536", problem: `"65536" is no port, ` + allowedAddress},
		{key: "listen: 127.0.0.1:080", problem: `"080" is no port, ` + allowedAddress},
		{key: "listen: 1.2.3:80", problem: `"1.2.3" is no host, ` + allowedAddress},
		{key: "listen: '[fe80::1%eth0]:80'", problem: `"fe80::1%eth0" is no host, ` + allowedAddress},
		{key: "listen: [a]", problem: "is a list, " + allowedAddress},
		{key: "listen:", problem: "has no value, " + allowedAddress},
		{key: "listen: 127.0.0.1:8081", problem: "listen (127.0.0.1:8081) and admin (127.0.0.1:8081) want the same port, allowed: different ports"},
		{key: "listen: :8081", problem: "listen (:8081) and admin (127.0.0.1:8081) want the same port, allowed: different ports"},
		{key: "listen: localhost:8081", problem: "listen (localhost:8081) and admin (127.0.0.1:8081) want the same port, allowed: different ports"},
		{key: "listen: 127.0.0.2:8081", get: func(c gateway.Config) any { return c.Listen }, want: "127.0.0.2:8081"},

		{key: "admin: none", get: func(c gateway.Config) any { return c.Admin }, want: ""},
		{key: "admin: 127.0.0.9:1", get: func(c gateway.Config) any { return c.Admin }, want: "127.0.0.9:1"},
		{key: "admin: '[::]:8080'", problem: `listen (127.0.0.1:8080) and admin ([::]:8080) want the same port, allowed: different ports` +
			"\n" + `"[::]:8080" can be reached from other machines and admin_token_file is not set, allowed: a loopback address such as 127.0.0.1:8081, or a token`},
		{key: "admin: off", problem: `"off" is no address with a port, ` + allowedAddress + ", or none"},
		{key: "admin: :9", problem: `":9" can be reached from other machines and admin_token_file is not set, allowed: a loopback address such as 127.0.0.1:8081, or a token`},
		{key: "admin_token_file: /run/token\nadmin: :9", get: func(c gateway.Config) any { return c.Admin + " " + c.AdminTokenFile }, want: ":9 /run/token"},
		{key: "admin_token_file: ''", problem: "is empty, allowed: a text that is not empty"},

		{key: "trust: []", get: func(c gateway.Config) any { return c.Trust }, want: "[]"},
		{key: "trust: [10.0.0.0/8, ::1, 192.168.7.9, '::ffff:1.2.3.4', 2001:db8::/32]", get: func(c gateway.Config) any { return c.Trust }, want: "[10.0.0.0/8 ::1/128 192.168.7.9/32 1.2.3.4/32 2001:db8::/32]"},
		{key: "trust: 10.0.0.0/8", problem: `"10.0.0.0/8", allowed: a list of at most 1024 items`},
		{key: "trust: [10.0.0.1/8]", problem: `"10.0.0.1/8" has bits beyond its length: did you mean 10.0.0.0/8?, ` + allowedNetwork},
		{key: "trust: ['::ffff:10.0.0.0/104']", problem: `"::ffff:10.0.0.0/104" is an IPv4 network in IPv6 form: write it as IPv4, ` + allowedNetwork},
		{key: "trust: [localhost]", problem: `"localhost" is no network, ` + allowedNetwork},
		{key: "trust: ['fe80::1%eth0']", problem: `"fe80::1%eth0" is no network, ` + allowedNetwork},
		{key: "trust: [{}]", problem: "is a mapping, " + allowedNetwork},
		{key: "trust: [" + strings.Repeat("::1,", 1025) + "]", problem: "1025 items, allowed: at most 1024"},

		{key: "observe: true", get: func(c gateway.Config) any { return c.Observe }, want: true},
		{key: "observe: on", problem: `"on" is neither true nor false, allowed: true or false`},

		{key: "streams: 1000000", get: func(c gateway.Config) any { return c.Streams }, want: 1000000},
		{key: "streams: 0", problem: `"0" is out of range, allowed: a whole number from 1 to 1000000`},
		{key: "streams: 1000001", problem: `"1000001" is out of range, allowed: a whole number from 1 to 1000000`},

		{key: "expose: all", get: func(c gateway.Config) any { return c.Expose == gateway.ExposeAll }, want: true},
		{key: "expose: trusted", get: func(c gateway.Config) any { return c.Expose == gateway.ExposeTrusted }, want: true},
		{key: "expose: none", get: func(c gateway.Config) any { return c.Expose == gateway.ExposeNone }, want: true},
		{key: "expose: some", problem: `"some" is unknown, allowed: all, trusted or none`},

		{key: "streems: 3", problem: "unknown key, did you mean streams?"},
		{key: "to: x", problem: "unknown key, allowed: listen, admin, admin_token_file, trust, observe, streams, expose or routes"},
	}
	for _, test := range tests {
		name := test.key[:min(len(test.key), 40)]
		t.Run(name, func(t *testing.T) {
			cfg, err := gateway.Parse("f", []byte(test.key+"\nroutes: [to: http://h:1]\n"))
			if got := said(err); got != test.problem {
				t.Fatalf("said %s\nwant %s", got, test.problem)
			}
			if err == nil && fmt.Sprint(test.get(cfg)) != fmt.Sprint(test.want) {
				t.Errorf("got %v, want %v", test.get(cfg), test.want)
			}
		})
	}
}

// said is what problems say after their place and field.
func said(err error) string {
	ps, _ := errors.AsType[file.Problems](err)
	var lines []string
	for _, p := range ps {
		lines = append(lines, p.Text)
	}
	return strings.Join(lines, "\n")
}

// TestRouteKeys has a row for each value of a route's key.
func TestRouteKeys(t *testing.T) {
	wait := func(r gateway.Route) any { return r.WaitFor }
	match := func(r gateway.Route) any { return r.Host + r.Path }
	to := func(r gateway.Route) any { return r.To }
	law := func(r gateway.Route) any {
		return fmt.Sprintf("%d %s %g", r.Limit.Cap, r.Limit.Law, r.Limit.Max)
	}
	order := func(r gateway.Route) any { return fmt.Sprint(r.Order, r.CoDel) }
	deadline := func(r gateway.Route) any { return r.Deadline }
	rate := func(r gateway.Route) any {
		return fmt.Sprintf("%g %d %s %t", r.Rate.PerSecond, r.Rate.Burst, r.Rate.Header, r.Rate.PerClient)
	}
	rule := func(r gateway.Route) any {
		return fmt.Sprintf("%v %s %v", r.Criticality.Default, r.Criticality.Header, r.Criticality.Map)
	}
	long := "/" + strings.Repeat("a", 2048)
	tests := []struct {
		key     string
		get     func(gateway.Route) any
		want    any
		problem string
	}{
		{key: "match: {}", get: match, want: "/"},
		{key: "match: {path: /api/}", get: match, want: "/api/"},
		{key: "match: {path: /a b/é}", get: match, want: "/a b/é"},
		{key: "match: {host: Shop.Example}", get: match, want: "shop.example/"},
		{key: "match: {host: '::1', path: /x}", get: match, want: "[::1]/x"},
		{key: "match: {host: '[::1]'}", get: match, want: "[::1]/"},
		{key: "match: {host: my_service}", get: match, want: "my_service/"},
		{key: "match: /api", problem: `"/api", allowed: a mapping of path and host`},
		{key: "match:", problem: "has no value, allowed: a mapping of path and host"},
		{key: "match: {path: api}", problem: `"api" does not begin with /, ` + allowedPath},
		{key: "match: {path: ''}", problem: "is empty, " + allowedPath},
		{key: "match: {path: /a//b}", problem: `"/a//b" is longer than "/a/b", ` + allowedPath},
		{key: "match: {path: /a/../b/}", problem: `"/a/../b/" is longer than "/b/", ` + allowedPath},
		{key: "match: {path: /.}", problem: `"/." is longer than "/", ` + allowedPath},
		{key: "match: {path: /a%20b}", problem: `"/a%20b" has one of ? # % or a control character, ` + allowedPath},
		{key: "match: {path: /a?b}", problem: `"/a?b" has one of ? # % or a control character, ` + allowedPath},
		{key: `match: {path: "/a\tb"}`, problem: `"/a\tb" has one of ? # % or a control character, ` + allowedPath},
		{key: "match: {path: " + long + "}", problem: "2049 bytes are more than 2048, " + allowedPath},
		{key: "match: {host: 'a:80'}", problem: `"a:80" is no host, ` + allowedHost},
		{key: "match: {host: '*.example'}", problem: `"*.example" is no host, ` + allowedHost},
		{key: "match: {host: '[a]'}", problem: `"[a]" is no host, ` + allowedHost},
		{key: "match: {host: 10.0.0.256}", problem: `"10.0.0.256" is no host, ` + allowedHost},
		{key: "match: {host: " + strings.Repeat("abc.", 64) + "de}", problem: `"` + strings.Repeat("abc.", 16) + `"... is no host, ` + allowedHost},
		{key: "match: {host: a.}", problem: `"a." is no host, ` + allowedHost},
		{key: "match: {host: bücher.example}", problem: `"bücher.example" is no host, ` + allowedHost},
		{key: "match: {hosts: a}", problem: "unknown key, did you mean host?"},

		{key: "to: http://a:1", get: to, want: "[http://a:1]"},
		{key: "to: [HTTP://A:80/, https://b, 'http://[::1]:9', https://c:443, http://c:443]", get: to, want: "[http://a https://b http://[::1]:9 https://c http://c:443]"},
		{key: "to: []", problem: "0 items, allowed: 1 to 1024"},
		{key: "to:", problem: "has no value, allowed: one item or a list of 1 to 1024"},
		{key: "to: [http://a:1, http://A:1]", problem: "http://a:1 stands here twice, allowed: each backend once"},
		{key: "to: [http://a, http://a:80/]", problem: "http://a stands here twice, allowed: each backend once"},
		{key: "to: a:1", problem: `"a:1" has no scheme, ` + allowedBackend},
		{key: "to: ftp://a", problem: `"ftp://a" has the scheme "ftp", ` + allowedBackend},
		{key: "to: http://a/x", problem: `"http://a/x" has a path, ` + allowedBackend},
		{key: "to: http://a//", problem: `"http://a//" has a path, ` + allowedBackend},
		{key: "to: http://a?x=1", problem: `"http://a?x=1" has a query, ` + allowedBackend},
		{key: "to: 'http://a#x'", problem: `"http://a#x" has a fragment, ` + allowedBackend},
		{key: "to: http://me:secret@a", problem: "a user name or password is part of the address, " + allowedBackend},
		{key: "to: 'http://'", problem: `"http://" has no valid host, ` + allowedBackend},
		{key: "to: http://a:0", problem: `"http://a:0" has no valid port, ` + allowedBackend},
		{key: "to: 'http://a:'", problem: `"http://a:" has no valid port, ` + allowedBackend},
		{key: "to: http://a:99999", problem: `"http://a:99999" has no valid port, ` + allowedBackend},
		{key: "to: 'http://::1:80'", problem: `"http://::1:80" has no valid host, ` + allowedBackend},
		{key: "to: http://a b", problem: `"http://a b" has no valid host, ` + allowedBackend},
		{key: "to: [[http://a]]", problem: "is a list, " + allowedBackend},

		{key: "limit: auto", get: law, want: "0 auto 0"},
		{key: "limit: 100", get: law, want: "100 auto 0"},
		{key: "limit: {}", get: law, want: "0 auto 0"},
		{key: "limit: {law: auto, max: 500}", get: law, want: "0 auto 500"},
		{key: "limit: {law: fixed, max: 8}", get: law, want: "0 fixed 8"},
		{key: "limit: {law: aimd}", get: law, want: "0 aimd 0"},
		{key: "limit: 0", problem: `"0" is out of range, ` + allowedLimit},
		{key: "limit: 1000001", problem: `"1000001" is out of range, ` + allowedLimit},
		{key: "limit: none", problem: `"none" is no whole number, ` + allowedLimit},
		{key: "limit: '100'", problem: `"100" is text in quotes, ` + allowedLimit},
		{key: "limit: [100]", problem: "is a list, " + allowedLimit},
		{key: "limit:", problem: "has no value, " + allowedLimit},
		{key: "limit: {law: vegas, max: 500}", get: law, want: "0 vegas 500"},
		{key: "limit: {law: gradient2}", get: law, want: "0 gradient2 0"},
		{key: "limit: {law: bbr}", problem: `"bbr" is unknown, allowed: auto, fixed, aimd, vegas or gradient2`},
		{key: "limit: {law: fixed}", problem: "missing, allowed: the number of slots, from 1 to 1000000, for law fixed"},
		{key: "limit: {law: fixed, max: 0}", problem: `"0" is out of range, ` + allowedMax},
		{key: "limit: {maximum: 5}", problem: "unknown key, allowed: law or max"},

		{key: "waiting_room: {}", get: wait, want: time.Duration(0)},
		{key: "waiting_room: {for: auto}", get: wait, want: time.Duration(0)},
		{key: "waiting_room: {for: 250ms}", get: wait, want: 250 * time.Millisecond},
		{key: "waiting_room: {for: none}", get: wait, want: time.Duration(-1)},
		{key: "waiting_room: none", problem: `"none", allowed: a mapping of for and order`},
		{key: "waiting_room: {for: 0}", problem: `"0" is out of range, ` + allowedWait},
		{key: "waiting_room: {for: -1s}", problem: `"-1s" is out of range, ` + allowedWait},
		{key: "waiting_room: {for: 2h}", problem: `"2h" is out of range, ` + allowedWait},
		{key: "waiting_room: {for: 5}", problem: `"5" has no unit, ` + allowedWait},
		{key: "waiting_room: {for: long}", problem: `"long" is no duration, ` + allowedWait},
		{key: "waiting_room: {order: auto}", get: order, want: fmt.Sprint(queue.Auto, false)},
		{key: "waiting_room: {order: fifo}", get: order, want: fmt.Sprint(queue.FIFO, false)},
		{key: "waiting_room: {order: lifo}", get: order, want: fmt.Sprint(queue.LIFO, false)},
		{key: "waiting_room: {order: fair}", get: order, want: fmt.Sprint(queue.Fair, false)},
		{key: "waiting_room: {order: codel}", get: order, want: fmt.Sprint(queue.FIFO, true)},
		{key: "waiting_room: {order: best}", problem: `"best" is unknown, ` + allowedOrder},
		{key: "waiting_room: {fro: 1s}", problem: "unknown key, did you mean for?"},

		{key: "deadline: 1s", get: deadline, want: time.Second},
		{key: "deadline: none", get: deadline, want: time.Duration(0)},
		{key: "deadline: 0s", problem: `"0s" is out of range, ` + allowedDeadline},
		{key: "deadline: 25h", problem: `"25h" is out of range, ` + allowedDeadline},
		{key: "deadline: 500us", problem: `"500us" is out of range, ` + allowedDeadline},
		{key: "deadline: soon", problem: `"soon" is no duration, ` + allowedDeadline},

		{key: "rate: 500/s", get: rate, want: "500 50  false"},
		{key: "rate: 30/m", get: rate, want: "0.5 1  false"},
		{key: "rate: 10000000/s", get: rate, want: "1e+07 1000000  false"},
		{key: "rate: {per: 11/s}", get: rate, want: "11 2  false"},
		{key: "rate: {per: 500/s, burst: 7, by: client}", get: rate, want: "500 7  true"},
		{key: "rate: {per: 500/s, by: route}", get: rate, want: "500 50  false"},
		{key: "rate: {per: 500/s, by: header:x-api-key}", get: rate, want: "500 50 X-Api-Key false"},
		{key: "rate: 500", problem: `"500" has no unit, ` + allowedRates},
		{key: "rate: 0/s", problem: `"0/s" is out of range, ` + allowedRates},
		{key: "rate: 10000001/s", problem: `"10000001/s" is out of range, ` + allowedRates},
		{key: "rate: 0.5/h", problem: `"0.5/h" is out of range, ` + allowedRates},
		{key: "rate: []", problem: "is a list, " + allowedRates},
		{key: "rate: {burst: 5}", problem: "missing, allowed: a rate such as 500/s"},
		{key: "rate: {per: fast}", problem: `"fast" is no rate, ` + allowedRate},
		{key: "rate: {per: 1/s, burst: 0}", problem: `"0" is out of range, allowed: a whole number from 1 to 1000000`},
		{key: "rate: {per: 1/h, burst: 8760}", get: rate, want: "0.0002777777777777778 8760  false"},
		{key: "rate: {per: 1/h, burst: 8761}", problem: "this rate takes more than 365 days to make up for a burst of 8761, allowed: less"},
		{key: "rate: {per: 1/s, by: ip}", problem: `"ip" is unknown, ` + allowedBy},
		{key: "rate: {per: 1/s, by: 'header:'}", problem: `"" names no header field that can be used, ` + allowedBy},
		{key: "rate: {per: 1/s, by: 'header:a b'}", problem: `"a b" names no header field that can be used, ` + allowedBy},
		{key: "rate: {per: 1/s, by: header:host}", problem: `"host" names no header field that can be used, ` + allowedBy},
		{key: "rate: {pre: 1/s}", problem: "missing, allowed: a rate such as 500/s\nunknown key, did you mean per?"},

		{key: "criticality: critical_plus", get: rule, want: "critical_plus  map[]"},
		{key: "criticality: critical", get: rule, want: "critical  map[]"},
		{key: "criticality: sheddable_plus", get: rule, want: "sheddable_plus  map[]"},
		{key: "criticality: sheddable", get: rule, want: "sheddable  map[]"},
		{key: "criticality: {header: x-tier, map: {gold: critical, 1: sheddable}}", get: rule, want: "sheddable_plus X-Tier map[1:sheddable gold:critical]"},
		{key: "criticality: {header: x-tier, map: {gold: critical}, default: sheddable}", get: rule, want: "sheddable X-Tier map[gold:critical]"},
		{key: "criticality: high", problem: `"high" is unknown, ` + allowedRule},
		{key: "criticality: unspecified", problem: `"unspecified" is unknown, ` + allowedRule},
		{key: "criticality: []", problem: "is a list, " + allowedRule},
		{key: "criticality: {default: critical}", problem: "missing, " + allowedNames + "\nmissing, allowed: a mapping of the field's values to criticalities"},
		{key: "criticality: {header: 'x:y', map: {a: critical}}", problem: `"x:y" names no header field that can be used, ` + allowedNames},
		{key: "criticality: {header: Host, map: {a: critical}}", problem: `"Host" names no header field that can be used, ` + allowedNames},
		{key: "criticality: {header: x, map: {}}", problem: "is empty, allowed: at least one value of the field with its criticality"},
		{key: "criticality: {header: x, map: {a: gold}}", problem: `"gold" is unknown, ` + allowedCriticality},
		{key: "criticality: {header: x, map: {a: critical, a: sheddable}}", problem: "duplicate key, first set in line 4"},
		{key: "criticality: {header: x, map: {'': critical}}", problem: "not a value of a header field, allowed: 1 to 256 bytes"},
		{key: "criticality: {header: x, map: {a: critical}, default: 3}", problem: `"3" is unknown, ` + allowedCriticality},
		{key: "criticality: {header: x, map: " + mapping(1025) + "}", problem: "1025 keys, allowed: 1024 at most"},

		{key: "abandoned: wait", get: func(r gateway.Route) any { return r.Abandoned == gateway.Wait }, want: true},
		{key: "abandoned: cancel", get: func(r gateway.Route) any { return r.Abandoned == gateway.Cancel }, want: true},
		{key: "abandoned: true", problem: `"true" is unknown, allowed: wait or cancel`},

		{key: "refuse_with: 503", get: func(r gateway.Route) any { return r.RefuseWith == gateway.Refuse503 }, want: true},
		{key: "refuse_with: 429", get: func(r gateway.Route) any { return r.RefuseWith == gateway.Refuse429 }, want: true},
		{key: "refuse_with: drop", get: func(r gateway.Route) any { return r.RefuseWith == gateway.RefuseDrop }, want: true},
		{key: "refuse_with: 500", problem: `"500" is unknown, allowed: 503, 429 or drop`},

		{key: "retry: {budget: 10%}", problem: "not supported by this version yet"},
		{key: "coalesce: false", problem: "not supported by this version yet"},
		{key: "waiting-room: {}", problem: "unknown key, did you mean waiting_room?"},
	}
	for _, test := range tests {
		t.Run(test.key[:min(len(test.key), 60)], func(t *testing.T) {
			text := "routes:\n  - # the route\n    " + backendUnless(test.key) + "\n    " + test.key + "\n"
			cfg, err := gateway.Parse("f", []byte(text))
			if got := said(err); got != test.problem {
				t.Fatalf("said %s\nwant %s", got, test.problem)
			}
			if err == nil && fmt.Sprint(test.get(cfg.Routes[0])) != fmt.Sprint(test.want) {
				t.Errorf("got %v, want %v", test.get(cfg.Routes[0]), test.want)
			}
		})
	}
}

func backendUnless(key string) string {
	if strings.HasPrefix(key, "to:") {
		return ""
	}
	return "to: http://127.0.0.1:9000"
}

func mapping(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ", v%d: critical", i)
	}
	return "{" + strings.TrimPrefix(b.String(), ", ") + "}"
}

// TestRoutesTogether: routes that do not get along, and some that do.
func TestRoutesTogether(t *testing.T) {
	tests := []struct{ name, routes, problems string }{
		{
			"same path",
			"- {to: http://a}\n- {to: http://b, match: {path: /}}\n",
			"f:3:25: routes[1].match: the same host and path as routes[0], allowed: one route for each",
		},
		{
			"same path by default",
			"- {to: http://a}\n- {to: http://b}\n",
			"f:3:3: routes[1].match: the same host and path as routes[0], allowed: one route for each",
		},
		{
			"same host in another case",
			"- {to: http://a, match: {host: a.b}}\n- {to: http://b, match: {host: A.B}}\n",
			"f:3:25: routes[1].match: the same host and path as routes[0], allowed: one route for each",
		},
		{
			"a path that has a problem of its own",
			"- {to: http://a}\n- {to: http://b, match: {path: x}}\n",
			`f:3:32: routes[1].match.path: "x" does not begin with /, ` + allowedPath,
		},
		{"paths that differ", "- {to: http://a, match: {path: /x}}\n- {to: http://a, match: {path: /x/}}\n- {to: http://a, match: {host: x}}\n", ""},
		{
			"two laws for one backend",
			"- {to: [http://a, http://b], limit: {law: fixed, max: 8}}\n- {to: [http://B, http://A], match: {path: /x}, limit: {law: fixed, max: 9}}\n",
			"f:3:56: routes[1].limit: routes[0] gives http://b another law (fixed, max 8), allowed: one law for each backend",
		},
		{
			"a law and a bound",
			"- {to: http://a, limit: {law: aimd}}\n- {to: http://a, match: {path: /x}, limit: {max: 9}}\n",
			"f:3:44: routes[1].limit: routes[0] gives http://a another law (aimd), allowed: one law for each backend",
		},
		{"a law and a route without one", "- {to: http://a, limit: 3}\n- {to: http://a, match: {path: /x}, limit: {law: fixed, max: 9}}\n- {to: http://a, match: {path: /y}}\n", ""},
		{"the same law twice", "- {to: http://a, limit: {law: fixed, max: 9}}\n- {to: http://a, match: {path: /x}, limit: {law: fixed, max: 9}}\n", ""},
		{
			"a law that has a problem of its own",
			"- {to: http://a, limit: {law: aimd}}\n- {to: http://a, match: {path: /x}, limit: {law: fixed}}\n",
			"f:3:44: routes[1].limit.max: missing, allowed: the number of slots, from 1 to 1000000, for law fixed",
		},
		{
			"two orders in one room",
			"- {to: [http://a, http://b], waiting_room: {order: codel}}\n- {to: [http://b, http://a], match: {path: /x}}\n",
			"f:3:3: routes[1].waiting_room.order: routes[0] has the same backends and the order codel, allowed: one order for one set of backends",
		},
		{
			"codel is not fifo",
			"- {to: http://a, waiting_room: {order: fifo}}\n- {to: http://a, match: {path: /x}, waiting_room: {order: codel}}\n",
			"f:3:59: routes[1].waiting_room.order: routes[0] has the same backends and the order fifo, allowed: one order for one set of backends",
		},
		{"two orders in two rooms", "- {to: [http://a, http://b], waiting_room: {order: fifo}}\n- {to: http://a, match: {path: /x}}\n", ""},
		{
			"an order that has a problem of its own",
			"- {to: http://a, waiting_room: {order: lifo}}\n- {to: http://a, match: {path: /x}, waiting_room: {order: last}}\n",
			`f:3:59: routes[1].waiting_room.order: "last" is unknown, ` + allowedOrder,
		},
		{"1024 backends", "- {to: [" + backends(0, 1000) + "]}\n- {to: [" + backends(500, 1024) + "], match: {path: /x}}\n", ""},
		{
			"1025 backends",
			"- {to: [" + backends(0, 1000) + "]}\n- {to: [" + backends(500, 1025) + "], match: {path: /x}}\n",
			"f:3:8: routes[1].to: too many different backends, allowed: 1024 over all routes",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := gateway.Parse("f", []byte("routes:\n"+test.routes))
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != test.problems {
				t.Errorf("got  %s\nwant %s", got, test.problems)
			}
		})
	}
}

func backends(from, to int) string {
	var list []string
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprintf("http://b%d:80", i))
	}
	return strings.Join(list, ", ")
}

func TestRouteBounds(t *testing.T) {
	routes := func(n int) []byte {
		var b strings.Builder
		b.WriteString("routes:\n")
		for i := range n {
			fmt.Fprintf(&b, "  - {match: {path: /%d}, to: [http://127.0.0.1:9000, http://127.0.0.1:9001], rate: {per: 500/s, burst: 50}, deadline: 1s}\n", i)
		}
		return []byte(b.String())
	}
	if cfg, err := gateway.Parse("f", routes(4096)); err != nil || len(cfg.Routes) != 4096 {
		t.Errorf("4096 routes: got %d, %v", len(cfg.Routes), err)
	}
	for data, want := range map[string]string{
		string(routes(4097)): "f:2:3: routes: 4097 items, allowed: 1 to 4096",
		"routes: []\n":       "f:1:9: routes: 0 items, allowed: 1 to 4096",
		"routes:\n":          "f:1:1: routes: has no value, allowed: a list of 1 to 4096 items",
		"routes: {to: a}\n":  "f:1:9: routes: is a mapping, allowed: a list of 1 to 4096 items",
		"routes: [a]\n":      `f:1:10: routes[0]: "a", allowed: a mapping`,
		"":                   "f:1:1: routes: missing, allowed: a list of 1 to 4096 routes",
		"listen: :1\n":       "f:1:1: routes: missing, allowed: a list of 1 to 4096 routes",
	} {
		if err := gateway.Check("f", []byte(data)); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestLaws: the laws that a configuration names, at work.
func TestLaws(t *testing.T) {
	// full is work that fills the limit and is answered in the same time always:
	// a law that finds its limit grows.
	full := func(l limit.Law) {
		var now mono.Time
		for range 3000 {
			n := max(1, int(l.Limit()))
			if n > 1000 {
				return // it grows, and would go on for ever
			}
			start := now
			now = now.Add(10 * time.Millisecond)
			for i := range n {
				if s, ok := l.(limit.Starter); ok {
					s.Start(start, i+1)
				}
			}
			for i := range n {
				l.Observe(now, limit.Sample{Started: start, InFlightAtStart: i + 1, Outcome: penstock.OK, Cost: 1})
			}
			if at, ok := l.Next(); ok && at <= now {
				if s, ok := l.(limit.Stepper); ok {
					s.Step(now)
				}
			}
		}
	}
	tests := []struct {
		limit    string
		from, to float64 // where it ends
		explains string
	}{
		{"auto", 60, math.Inf(1), ""},
		{"100", 60, math.Inf(1), ""},
		{"{law: auto, max: 40}", 20, 40, "held at 40 by configuration; "},
		{"{law: fixed, max: 8}", 8, 8, "fixed at 8 by configuration"},
		{"{law: aimd}", 60, math.Inf(1), ""},
		{"{law: aimd, max: 40}", 40, 40, ""},
	}
	for _, test := range tests {
		t.Run(test.limit, func(t *testing.T) {
			cfg, err := gateway.Parse("f", []byte("routes:\n  - to: http://a\n    limit: "+test.limit+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			l, other := cfg.Routes[0].Limit.New(), cfg.Routes[0].Limit.New()
			before := other.Limit()
			full(l)
			if got := l.Limit(); got < test.from || got > test.to {
				t.Errorf("ends at %v, want %v to %v: %s", got, test.from, test.to, l.Explain())
			}
			if got := l.Explain(); !strings.HasPrefix(got, test.explains) {
				t.Errorf("explains %q, want %q first", got, test.explains)
			}
			if other.Limit() != before {
				t.Error("two gates share one law")
			}
		})
	}
}

// TestBoundedLaw: a bound that is never reached changes nothing, not even when
// time alone passes.
func TestBoundedLaw(t *testing.T) {
	cfg, err := gateway.Parse("f", []byte("routes: [{to: http://a, limit: {max: 1000000}}]"))
	if err != nil {
		t.Fatal(err)
	}
	laws := [2]limit.Law{limit.Default(), cfg.Routes[0].Limit.New()}
	var now mono.Time
	steps := 0
	for round := range 400 {
		load := 1 // too little to fill a limit
		if round%8 < 6 {
			load = min(200, int(laws[0].Limit()))
		}
		start := now
		now = now.Add(10 * time.Millisecond)
		for _, l := range laws {
			for i := range load {
				l.(limit.Starter).Start(start, i+1)
			}
			for i := range load {
				l.Observe(now, limit.Sample{Started: start, InFlightAtStart: i + 1, Outcome: penstock.OK, Cost: 1})
			}
		}
		if at, ok := laws[0].Next(); ok {
			now, steps = max(now, at), steps+1
			for _, l := range laws {
				l.(limit.Stepper).Step(now)
			}
		}
		at, ok := laws[0].Next()
		if at2, ok2 := laws[1].Next(); at2 != at || ok2 != ok || laws[0].Limit() != laws[1].Limit() || laws[0].Explain() != laws[1].Explain() {
			t.Fatalf("round %d: %s\nbounded: %s", round, laws[0].Explain(), laws[1].Explain())
		}
	}
	if steps == 0 {
		t.Error("the law never asked to be stepped: the test proves less than it says")
	}
}

func TestForBackends(t *testing.T) {
	cfg, err := gateway.ForBackends("", "", []string{"http://127.0.0.1:9000", "https://B"})
	if err != nil {
		t.Fatal(err)
	}
	same, err := gateway.Parse("f", []byte("routes: [{to: [http://127.0.0.1:9000, https://b]}]"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := describe(cfg), describe(same); got != want {
		t.Errorf("flags give\n%s\nthe same as a file gives\n%s", got, want)
	}
	const secret = "http://me:secret@a"
	tests := []struct {
		listen, admin string
		to            []string
		want          string
	}{
		{to: nil, want: "--to: 0 backends, allowed: 1 to 1024"},
		{to: []string{"a", secret}, want: `--to: "a" has no scheme, ` + allowedBackend + "\n--to: a user name or password is part of the address, " + allowedBackend},
		{to: []string{"http://a", "http://a:80"}, want: "--to: http://a stands here twice, allowed: each backend once"},
		{listen: "80", to: []string{"http://a"}, want: `--listen: "80" is no address with a port, ` + allowedAddress},
		{admin: "80", to: []string{"http://a"}, want: `--admin: "80" is no address with a port, ` + allowedAddress + ", or none"},
		{listen: ":1", admin: "127.0.0.1:1", to: []string{"http://a"}, want: "--admin: listen (:1) and admin (127.0.0.1:1) want the same port, allowed: different ports"},
		{admin: ":1", to: []string{"http://a"}, want: `--admin: ":1" can be reached from other machines and admin_token_file is not set, allowed: a loopback address such as 127.0.0.1:8081, or a token`},
		{to: strings.Split(backends(0, 1025), ", "), want: "--to: 1025 backends, allowed: 1 to 1024"},
	}
	for _, test := range tests {
		cfg, err := gateway.ForBackends(test.listen, test.admin, test.to)
		if err == nil || err.Error() != test.want || len(cfg.Routes) > 0 {
			t.Errorf("got %v\nwant %s", err, test.want)
		}
	}
	if cfg, err := gateway.ForBackends(":1", "none", []string{"http://a"}); err != nil || cfg.Admin != "" || cfg.Listen != ":1" {
		t.Errorf("got %+v, %v", cfg, err)
	}
}

func TestWithAdmin(t *testing.T) {
	cfg, err := gateway.Parse("f", []byte("admin_token_file: t\nroutes: [{to: http://a}]"))
	if err != nil {
		t.Fatal(err)
	}
	for admin, want := range map[string]string{"": "127.0.0.1:8081", "none": "", ":9": ":9", "[::1]:9": "[::1]:9"} {
		if got, err := cfg.WithAdmin(admin); err != nil || got.Admin != want {
			t.Errorf("WithAdmin(%q) has %q, %v; want %q", admin, got.Admin, err, want)
		}
	}
	for admin, want := range map[string]string{
		":8080": "--admin: listen (127.0.0.1:8080) and admin (:8080) want the same port, allowed: different ports",
		"x":     `--admin: "x" is no address with a port, ` + allowedAddress + ", or none",
	} {
		if got, err := cfg.WithAdmin(admin); err == nil || err.Error() != want || got.Admin != cfg.Admin {
			t.Errorf("WithAdmin(%q) has %q, %v; want %s", admin, got.Admin, err, want)
		}
	}
}

// TestDocument: docs/gateway-config.md names every key, no other, and its
// examples are true.
func TestDocument(t *testing.T) {
	data, err := os.ReadFile("../docs/gateway-config.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(data)
	var rows []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\|").FindAllStringSubmatch(doc, -1) {
		rows = append(rows, row[1])
	}
	known, later := gateway.ConfigKeys()
	slices.Sort(rows)
	slices.Sort(known)
	if !slices.Equal(rows, known) {
		t.Errorf("the document's tables name\n%v\nthe parser knows\n%v", rows, known)
	}
	for _, key := range later {
		if !strings.Contains(doc, "`"+key+"`") {
			t.Errorf("the document does not mention %s", key)
		}
	}

	var blocks []string
	for _, block := range regexp.MustCompile("(?s)```(?:yaml|text)\n(.*?)```").FindAllStringSubmatch(doc, -1) {
		blocks = append(blocks, block[1])
	}
	if len(blocks) != 4 {
		t.Fatalf("%d examples, want the smallest file, the full one, and one with its problems", len(blocks))
	}
	if err := gateway.Check("penstock.yaml", []byte(blocks[0])); err != nil {
		t.Errorf("the smallest file: %v", err)
	}
	full, err := gateway.Parse("penstock.yaml", []byte(blocks[1]))
	if err != nil {
		t.Fatalf("the full file: %v", err)
	}
	golden.Check(t, "config/document.txt", describe(full))
	for _, key := range known {
		_, last, _ := strings.Cut(key, ".")
		if last == "" {
			last = key
		}
		if !strings.Contains(blocks[1], last+":") {
			t.Errorf("the full file lacks %s", key)
		}
	}
	if err := gateway.Check("penstock.yaml", []byte(blocks[2])); err == nil || err.Error()+"\n" != blocks[3] {
		t.Errorf("the file with problems has\n%v", err)
	}
}

// FuzzParse: Parse never panics, its problems have places, and what it accepts
// keeps the promises of Config's fields.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/config/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("routes: [{to: 'http://[::1]', rate: {per: 1/h, burst: 9, by: 'header:a'}}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := gateway.Parse("f", data)
		if err != nil {
			ps, ok := errors.AsType[file.Problems](err)
			if !ok || len(ps) == 0 || len(cfg.Routes) > 0 {
				t.Fatalf("error %v with %d problems and %d routes", err, len(ps), len(cfg.Routes))
			}
			for _, p := range ps {
				if p.File != "f" || p.Line < 1 || p.Column < 1 || p.Text == "" {
					t.Fatalf("problem %+v", *p)
				}
			}
			return
		}
		promises(t, cfg)
	})
}

func promises(t *testing.T, cfg gateway.Config) {
	t.Helper()
	if len(cfg.Routes) == 0 || cfg.Listen == "" || cfg.Streams < 1 || cfg.Listen == cfg.Admin && !strings.HasSuffix(cfg.Admin, ":0") {
		t.Fatalf("accepted %+v", cfg)
	}
	names := map[string]bool{}
	for _, p := range cfg.Trust {
		if !p.IsValid() || p != p.Masked() {
			t.Fatalf("trusts %v", p)
		}
	}
	for _, r := range cfg.Routes {
		name := r.Host + r.Path
		if names[name] || !strings.HasPrefix(r.Path, "/") || r.Host != strings.ToLower(r.Host) || len(r.To) == 0 {
			t.Fatalf("route %q %q to %v", r.Host, r.Path, r.To)
		}
		names[name] = true
		for _, u := range r.To {
			if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.String() != u.Scheme+"://"+u.Host {
				t.Fatalf("backend %v", u)
			}
		}
		if r.Limit.New == nil || !(r.Limit.New().Limit() > 0) || r.Limit.Cap < 0 || r.Limit.Max < 0 {
			t.Fatalf("limit %+v", r.Limit)
		}
		if r.Deadline < 0 || r.WaitFor < -1 || r.WaitFor > time.Hour || r.Order > queue.Fair {
			t.Fatalf("deadline %v, wait %v, order %v", r.Deadline, r.WaitFor, r.Order)
		}
		if q := r.Rate; q.PerSecond < 0 || (q.PerSecond > 0) != (q.Burst > 0) || q.PerClient && q.Header != "" {
			t.Fatalf("rate %+v", q)
		}
		if c := r.Criticality; c.Default == penstock.Unspecified || (c.Header == "") != (len(c.Map) == 0) {
			t.Fatalf("criticality %+v", c)
		}
	}
}
