package gateway

import (
	"fmt"
	"net/netip"

	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/config"
)

// The bounds on a configuration, beside those of [config.Parse].
const (
	maxRoutes    = admission.MaxRoutes
	maxBackends  = admission.MaxGates // different ones, over all routes
	maxTrusted   = 1024               // items of trust
	maxMapped    = 1024               // values of criticality.map
	maxStreams   = 1_000_000
	maxLimit     = 1_000_000
	maxRateBurst = 1_000_000
	maxNameBytes = 256  // a header field's name, or a mapped value of one
	maxPathBytes = 2048 // a route's path
)

// The keys of a configuration file. docs/gateway-config.md describes each.
var (
	topKeys         = []string{"listen", "admin", "admin_token_file", "trust", "observe", "streams", "expose", "routes"}
	routeKeys       = []string{"match", "to", "limit", "waiting_room", "deadline", "rate", "criticality", "abandoned", "refuse_with"}
	laterKeys       = []string{"retry", "coalesce"} // of a route, in later versions
	matchKeys       = []string{"path", "host"}
	limitKeys       = []string{"law", "max"}
	roomKeys        = []string{"for", "order"}
	rateKeys        = []string{"per", "burst", "by"}
	criticalityKeys = []string{"header", "map", "default"}
)

var exposeNames = []string{ExposeAll: "all", ExposeTrusted: "trusted", ExposeNone: "none"}

// Parse reads a gateway's configuration from YAML and fills in the defaults.
// The file name is for messages only. docs/gateway-config.md describes the keys.
//
// The error is [config.Problems]: everything that is wrong, each with its line,
// its column and its field. The Config is of use only without an error: then
// what its fields promise holds, routes differ in host or path, routes that
// share a backend agree on its law, and routes over the same backends agree on
// the order of their waiting room.
func Parse(file string, data []byte) (Config, error) {
	doc := config.Parse(file, data)
	root := doc.Root().Mapping(topKeys...)
	cfg := defaults()
	readListeners(root, &cfg)
	if n := root.Get("trust"); n.Present() {
		cfg.Trust = readTrust(n)
	}
	cfg.Observe = root.Get("observe").Bool(cfg.Observe)
	cfg.Streams = root.Get("streams").Int(cfg.Streams, 1, maxStreams)
	cfg.Expose = Expose(root.Get("expose").Enum(int(cfg.Expose), exposeNames...))

	var routes []placedRoute
	for _, n := range root.Need("routes", fmt.Sprintf("a list of 1 to %d routes", maxRoutes)).List(maxRoutes) {
		r := readRoute(n)
		routes = append(routes, r)
		cfg.Routes = append(cfg.Routes, r.Route)
	}
	checkRoutes(routes)

	if err := doc.Err(); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// Check reports whether data is a gateway's configuration: the error of [Parse].
func Check(file string, data []byte) error {
	_, err := Parse(file, data)
	return err
}

// defaults is a configuration that lacks routes alone.
func defaults() Config {
	return Config{
		Listen:  "127.0.0.1:8080",
		Admin:   "127.0.0.1:8081",
		Trust:   []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Streams: 10000,
		Expose:  ExposeAll,
	}
}

// readListeners reads the addresses of the two listeners, and the token that
// stands between strangers and the second.
func readListeners(root config.Mapping, cfg *Config) {
	listen, admin := root.Get("listen"), root.Get("admin")
	cfg.Listen = readAddress(listen, cfg.Listen, addressForm)
	cfg.AdminTokenFile = root.Get("admin_token_file").Text("")
	if admin.Is("none") {
		cfg.Admin = ""
		return
	}
	cfg.Admin = readAddress(admin, cfg.Admin, adminForm)
	if problem := sameAddress(cfg.Listen, cfg.Admin); problem != "" {
		at := admin
		if !admin.Present() { // then listen stands where admin is by default
			at = listen
		}
		at.Bad(problem, differentPorts)
	}
	if problem := openAdmin(cfg.Admin, cfg.AdminTokenFile); problem != "" {
		admin.Bad(problem, adminGuarded)
	}
}

// readAddress reads where to listen; empty is a problem, reported.
func readAddress(n config.Node, def, allowed string) string {
	if !n.Present() {
		return def
	}
	s := n.Allowing(allowed).Text("")
	if s == "" {
		return ""
	}
	address, problem := parseAddress(s)
	if problem != "" {
		n.Bad(problem, allowed)
	}
	return address
}

// readTrust reads networks and single addresses. The list may be empty.
func readTrust(n config.Node) []netip.Prefix {
	prefixes := []netip.Prefix{}
	for _, item := range n.ListOrEmpty(maxTrusted) {
		s := item.Allowing(prefixForm).Text("")
		if s == "" {
			continue
		}
		p, problem := parsePrefix(s)
		if problem != "" {
			item.Bad(problem, prefixForm)
			continue
		}
		prefixes = append(prefixes, p)
	}
	return prefixes
}
