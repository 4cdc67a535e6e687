package gateway

import (
	"fmt"
	"slices"
	"strings"
)

// checkRoutes reports routes that do not get along. The later one is to blame.
func checkRoutes(routes []placedRoute) {
	checkMatches(routes)
	checkSharedLaws(routes)
	checkSharedRooms(routes)
}

// checkMatches demands that routes differ in host or path.
func checkMatches(routes []placedRoute) {
	first := map[string]int{}
	for i, r := range routes {
		if r.unmatched {
			continue
		}
		name := routeName(r.Route)
		if j, twice := first[name]; twice {
			r.match.Bad(fmt.Sprintf("the same host and path as routes[%d]", j), "one route for each")
			continue
		}
		first[name] = i
	}
}

// checkSharedLaws demands that routes agree on the law of a backend that they
// share, where they have an opinion, and bounds the number of backends.
func checkSharedLaws(routes []placedRoute) {
	backends := map[string]bool{}
	decided := map[string]int{} // the first route that has an opinion on a backend
	for i, r := range routes {
		before, told := len(backends), false
		for _, u := range r.To {
			name := backendName(u)
			backends[name] = true
			if noOpinion(r.Limit) || r.Limit.New == nil {
				continue
			}
			j, ok := decided[name]
			if !ok {
				decided[name] = i
			} else if o := routes[j].Limit; !sameLaw(o, r.Limit) && !told {
				told = true
				r.limit.Bad(fmt.Sprintf("routes[%d] gives %s another law (%s)", j, name, describeLaw(o)), "one law for each backend")
			}
		}
		if before <= maxBackends && len(backends) > maxBackends {
			r.to.Bad("too many different backends", fmt.Sprintf("%d over all routes", maxBackends))
		}
	}
}

func describeLaw(l Limit) string {
	if l.Max == 0 {
		return l.Law
	}
	return fmt.Sprintf("%s, max %g", l.Law, l.Max)
}

// checkSharedRooms demands that routes over the same backends agree on the order
// of the waiting room that they share.
func checkSharedRooms(routes []placedRoute) {
	first := map[string]int{}
	for i, r := range routes {
		if r.disorder || len(r.To) == 0 {
			continue
		}
		var names []string
		for _, u := range r.To {
			names = append(names, backendName(u))
		}
		slices.Sort(names)
		room := strings.Join(names, " ")
		j, shared := first[room]
		if !shared {
			first[room] = i
		} else if o := routes[j]; o.Order != r.Order || o.CoDel != r.CoDel {
			r.order.Bad(fmt.Sprintf("routes[%d] has the same backends and the order %s", j, orderName(o.Route)),
				"one order for one set of backends")
		}
	}
}

func orderName(r Route) string {
	if r.CoDel {
		return codelName
	}
	return orderNames[r.Order]
}
