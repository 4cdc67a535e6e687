package gateway

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/config"
)

// The ranges of a route's durations and rates.
const (
	minWait, maxWait         = time.Millisecond, time.Hour
	minDeadline, maxDeadline = time.Millisecond, 24 * time.Hour
	maxRefill                = 365 * 24 * time.Hour // for an empty bucket to be full again
)

var minRate, maxRate = config.Rate{Count: 1, Per: time.Hour}, config.Rate{Count: 10_000_000, Per: time.Second}

// What is allowed where a key takes several forms, as messages say it.
const (
	limitForms       = "auto, a whole number from 1 to 1000000, or a mapping of law and max"
	rateForms        = "a rate such as 500/s, 10/m or 1.5/h from 1/h to 10000000/s, or a mapping of per, burst and by"
	waitForms        = "auto, none, or a duration such as 250ms from 1ms to 1h"
	deadlineForms    = "none, or a duration such as 250ms from 1ms to 24h"
	byForms          = "route, client or header:NAME"
	nameForm         = "the name of a header field, other than Host"
	criticalityForms = "critical_plus, critical, sheddable_plus, sheddable, or a mapping of header, map and default"
	pathForm         = "a path that begins with /, in its shortest form and not percent-encoded"
)

var (
	abandonedNames   = []string{Wait: "wait", Cancel: "cancel"}
	refuseWithNames  = []string{Refuse503: "503", Refuse429: "429", RefuseDrop: "drop"}
	criticalityNames = []string{
		penstock.CriticalPlus.String(), penstock.Critical.String(),
		penstock.SheddablePlus.String(), penstock.Sheddable.String(),
	}
	codelName  = "codel"
	orderNames = []string{queue.Auto: "auto", queue.FIFO: "fifo", queue.LIFO: "lifo", queue.Fair: "fair", queue.Fair + 1: codelName}
)

// A placedRoute is a route with the places in the file that other routes may
// not get along with. What had a problem of its own is marked, so that nothing
// is said of it twice.
type placedRoute struct {
	Route
	match, to, limit, order config.Node
	unmatched, disorder     bool // match, order has a problem
}

func readRoute(n config.Node) placedRoute {
	m := n.Later(laterKeys...).Mapping(routeKeys...)
	r := placedRoute{
		match: m.Get("match"), to: m.Need("to", backendForm+", or a list of such"), limit: m.Get("limit"),
		unmatched: !n.IsMapping(),
	}
	readMatch(r.match, &r)
	r.To = readBackends(r.to)
	r.Limit = readLimit(r.limit)
	readRoom(m.Get("waiting_room"), &r)
	if d := m.Get("deadline"); !d.Is("none") {
		r.Deadline = d.Allowing(deadlineForms).Duration(0, minDeadline, maxDeadline)
	}
	r.Rate = readRate(m.Get("rate"))
	r.Criticality = readCriticality(m.Get("criticality"))
	r.Abandoned = Abandoned(m.Get("abandoned").Enum(int(Wait), abandonedNames...))
	r.RefuseWith = RefuseWith(m.Get("refuse_with").Enum(int(Refuse503), refuseWithNames...))
	return r
}

func readMatch(n config.Node, r *placedRoute) {
	m := n.Allowing("a mapping of path and host").Mapping(matchKeys...)
	r.unmatched = r.unmatched || n.Present() && !n.IsMapping()
	r.Path = "/"
	if p := m.Get("path"); p.Present() {
		r.Path = p.Allowing(pathForm).Text("")
		if problem := pathProblem(r.Path); problem != "" {
			p.Bad(problem, pathForm)
			r.Path = ""
		}
		r.unmatched = r.unmatched || r.Path == ""
	}
	if h := m.Get("host"); h.Present() {
		if s := h.Allowing(hostForm).Text(""); s != "" {
			var problem string
			if r.Host, problem = parseHost(s); problem != "" {
				h.Bad(problem, hostForm)
			}
		}
		r.unmatched = r.unmatched || r.Host == ""
	}
}

// pathProblem says what keeps a path from ever matching: requests are matched
// decoded, and as a backend would clean them.
func pathProblem(p string) string {
	clean := path.Clean(p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	switch {
	case p == "": // reported
	case len(p) > maxPathBytes:
		return fmt.Sprintf("%d bytes are more than %d", len(p), maxPathBytes)
	case !strings.HasPrefix(p, "/"):
		return config.Quote(p) + " does not begin with /"
	case strings.ContainsAny(p, "?#%"), strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return config.Quote(p) + " has one of ? # % or a control character"
	case p != clean:
		return config.Quote(p) + " is longer than " + config.Quote(clean)
	}
	return ""
}

func readBackends(n config.Node) []*url.URL {
	var to []*url.URL
	seen := map[string]bool{}
	for _, item := range n.OneOrMore(maxBackends) {
		s := item.Allowing(backendForm).Text("")
		if s == "" {
			continue
		}
		u, problem := parseBackend(s)
		switch {
		case problem != "":
			item.Bad(problem, backendForm)
		case seen[u.String()]:
			item.Bad(u.String()+" stands here twice", "each backend once")
		default:
			seen[u.String()] = true
			to = append(to, u)
		}
	}
	return to
}

func readLimit(n config.Node) Limit {
	l := Limit{Law: "auto"}
	n.Allowing(limitForms).Either(func(n config.Node) {
		if !n.Is("auto") {
			l.Cap = n.Int(0, 1, maxLimit)
		}
	}, func(n config.Node) {
		m := n.Mapping(limitKeys...)
		l.Law = limit.Names()[m.Get("law").Enum(0, limit.Names()...)]
		most := m.Get("max")
		if l.Law == "fixed" {
			most = m.Need("max", fmt.Sprintf("the number of slots, from 1 to %d, for law fixed", maxLimit))
		}
		l.Max = float64(most.Int(0, 1, maxLimit))
	})
	if l.Law != "fixed" || l.Max > 0 { // else it has been reported
		l.New = limit.Named(l.Law, l.Max)
	}
	return l
}

func readRoom(n config.Node, r *placedRoute) {
	m := n.Allowing("a mapping of for and order").Mapping(roomKeys...)
	r.order = m.Get("order")
	switch wait := m.Get("for"); {
	case wait.Is("auto"):
	case wait.Is("none"):
		r.WaitFor = -1
	default:
		r.WaitFor = wait.Allowing(waitForms).Duration(0, minWait, maxWait)
	}
	if !r.order.Present() {
		return
	}
	switch i := r.order.Enum(-1, orderNames...); {
	case i < 0:
		r.disorder = true
	case orderNames[i] == codelName:
		r.Order, r.CoDel = queue.FIFO, true
	default:
		r.Order = queue.Order(i)
	}
}

func readRate(n config.Node) Rate {
	var r Rate
	n.Allowing(rateForms).Either(func(n config.Node) {
		r.PerSecond = n.Rate(config.Rate{}, minRate, maxRate).PerSecond()
	}, func(n config.Node) {
		m := n.Mapping(rateKeys...)
		r.PerSecond = m.Need("per", "a rate such as 500/s").Rate(config.Rate{}, minRate, maxRate).PerSecond()
		burst := m.Get("burst")
		r.Burst = burst.Int(0, 1, maxRateBurst)
		if r.PerSecond > 0 && float64(r.Burst) > r.PerSecond*maxRefill.Seconds() {
			burst.Bad(fmt.Sprintf("this rate takes more than 365 days to make up for a burst of %d", r.Burst), "less")
		}
		by := m.Get("by")
		switch name, ok := strings.CutPrefix(by.Allowing(byForms).Text("route"), "header:"); {
		case ok:
			r.Header = headerName(by, name, byForms)
		case name == "client":
			r.PerClient = true
		case name != "route":
			by.Bad(config.Quote(name)+" is unknown", byForms)
		}
	})
	if r.PerSecond > 0 && r.Burst == 0 { // a tenth of a second's worth
		r.Burst = int(min(max(1, math.Ceil(r.PerSecond/10)), maxRateBurst))
	}
	return r
}

// headerName checks the name of a header field, and returns it in canonical
// form. Host is none: requests do not carry it among their fields.
func headerName(n config.Node, name, allowed string) string {
	const tokenCharacters = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz" // RFC 9110, section 5.6.2
	lower := strings.ToLower(name)
	if name == "" || len(name) > maxNameBytes || strings.Trim(lower, tokenCharacters) != "" || lower == "host" {
		n.Bad(config.Quote(name)+" names no header field that can be used", allowed)
		return ""
	}
	return http.CanonicalHeaderKey(name)
}

func readCriticality(n config.Node) CriticalityRule {
	rule := CriticalityRule{Default: penstock.SheddablePlus}
	n.Allowing(criticalityForms).Either(func(n config.Node) {
		rule.Default = criticalityOf(n, rule.Default)
	}, func(n config.Node) {
		m := n.Mapping(criticalityKeys...)
		if h := m.Need("header", nameForm); h.Present() {
			if s := h.Allowing(nameForm).Text(""); s != "" {
				rule.Header = headerName(h, s, nameForm)
			}
		}
		values := m.Need("map", "a mapping of the field's values to criticalities")
		rule.Map = map[string]penstock.Criticality{}
		for _, e := range values.Entries(maxMapped) {
			if e.Key == "" || len(e.Key) > maxNameBytes {
				e.Value.BadKey("not a value of a header field", fmt.Sprintf("1 to %d bytes", maxNameBytes))
			}
			rule.Map[e.Key] = criticalityOf(e.Value, rule.Default)
		}
		if values.IsMapping() && len(rule.Map) == 0 {
			values.Bad("is empty", "at least one value of the field with its criticality")
		}
		rule.Default = criticalityOf(m.Get("default"), rule.Default)
	})
	return rule
}

func criticalityOf(n config.Node, def penstock.Criticality) penstock.Criticality {
	if i := n.Enum(-1, criticalityNames...); i >= 0 {
		c, _ := penstock.ParseCriticality(criticalityNames[i])
		return c
	}
	return def
}
