package lab

import (
	"slices"
	"strconv"
	"strings"

	"github.com/penstock-go/penstock/config"
)

// A value is one value of a scenario, with what a variant lays over it: mappings
// merge, everything else replaces, null removes.
type value struct {
	place  config.Node   // where to complain: the topmost layer, or where it is missing
	layers []config.Node // bottom to top: one node, or mappings that merge; none: absent
	// reference is the same of the variant that this one is compared with. A
	// mutant has it in one place instead of the layers.
	reference []config.Node
	path      string // dotted, without the variant
	mutate    string // the path of the one place; empty: no mutant
	said      bool   // place knows what is allowed
	// places remembers where each value stands, by path: for problems that show
	// only when all has been read.
	places map[string]config.Node
}

// items are the values of a list of 1 to limit items. Lists do not merge.
func (v value) items(limit int) []value {
	var out []value
	for i, n := range v.place.List(limit) {
		c := value{place: n, layers: []config.Node{n}, path: v.path + "[" + strconv.Itoa(i) + "]", places: v.places}
		c.remember()
		out = append(out, c)
	}
	return out
}

// allowing lets problems of the value say what is allowed. The outermost form
// that says so knows best. Mappings speak for themselves.
func (v value) allowing(what string) value {
	if !v.said && !v.isMapping() {
		v.place, v.said = v.place.Allowing(what), true
	}
	return v
}

func (v value) remember() {
	if v.places != nil {
		v.places[v.path] = v.place
	}
}

// stack lays nodes over each other.
func stack(nodes []config.Node) []config.Node {
	var out []config.Node
	for _, n := range nodes {
		switch {
		case !n.Present():
		case n.IsNull() && len(out) > 0:
			out = nil
		case n.IsMapping() && len(out) > 0 && out[0].IsMapping():
			out = append(out, n)
		default:
			out = []config.Node{n}
		}
	}
	return out
}

func (v value) present() bool { return len(v.layers) > 0 }

func (v value) isMapping() bool { return v.present() && v.layers[0].IsMapping() }

// child is the value below a key of a mapping.
func (v value) child(key string, get func(config.Node) (config.Node, bool)) value {
	c := value{place: v.place, mutate: v.mutate, path: key, places: v.places}
	pick := func(layers []config.Node) []config.Node {
		below := make([]config.Node, 0, len(layers))
		for _, n := range layers {
			if found, ok := get(n); ok {
				below = append(below, found)
			}
		}
		return stack(below)
	}
	c.layers, c.reference = pick(v.layers), pick(v.reference)
	if v.path != "" {
		c.path = v.path + "." + key
	}
	if c.path == v.mutate {
		c.layers = c.reference
	}
	if c.present() {
		c.place = c.layers[len(c.layers)-1]
		c.remember()
	}
	return c
}

// fields returns the children below known keys. It reports unknown ones, and a
// value that is no mapping.
func (v value) fields(names ...string) func(key string) value {
	known := map[string]config.Mapping{} // by the field of the layer
	for _, layers := range [][]config.Node{v.layers, v.reference} {
		for _, n := range layers {
			if n.IsMapping() || len(known) == 0 {
				known[n.Field()] = n.Mapping(names...)
			}
		}
	}
	return func(key string) value {
		c := v.child(key, func(n config.Node) (config.Node, bool) {
			m, ok := known[n.Field()]
			if !ok {
				return config.Node{}, false
			}
			return m.Get(key), true
		})
		if m, ok := known[v.place.Field()]; ok && !c.present() {
			c.place = m.Get(key)
		}
		return c
	}
}

// An item is one entry of a mapping whose keys are free.
type item struct {
	key   string
	value value
}

// entries returns the children of a mapping with any keys, at most limit, in the
// order of the file. Keys that a variant removes are left out.
func (v value) entries(limit int) []item {
	var out []item
	for _, c := range v.all(limit) {
		if c.value.present() {
			out = append(out, c)
		}
	}
	return out
}

// all returns the children below every key of the layers or the reference.
func (v value) all(limit int) []item {
	below := map[string]map[string]config.Node{} // by the field of the layer, then by key
	var keys []string
	for _, layers := range [][]config.Node{v.layers, v.reference} {
		for _, n := range layers {
			if below[n.Field()] != nil {
				continue
			}
			m := map[string]config.Node{}
			below[n.Field()] = m
			for _, e := range n.Entries(limit) {
				m[e.Key] = e.Value
				if !slices.Contains(keys, e.Key) {
					keys = append(keys, e.Key)
				}
			}
		}
	}
	out := make([]item, 0, len(keys))
	for _, key := range keys {
		out = append(out, item{key, v.child(key, func(n config.Node) (config.Node, bool) {
			found, ok := below[n.Field()][key]
			return found, ok
		})})
	}
	return out
}

// differences lists the paths at which the value is another than its reference:
// the protections that a variant adds, each where it first departs.
func (v value) differences() []string {
	if !v.isMapping() || len(v.reference) == 0 || !v.reference[0].IsMapping() {
		if sketch(v.layers) == sketch(v.reference) {
			return nil
		}
		return []string{v.path}
	}
	var out []string
	for _, c := range v.all(config.MaxKeys) {
		out = append(out, c.value.differences()...)
	}
	return out
}

// sketch writes what layers hold, so that equal values read equal.
func sketch(layers []config.Node) string {
	if len(layers) == 0 {
		return "absent"
	}
	n := layers[0]
	var parts []string
	switch {
	case n.IsMapping():
		v := value{layers: layers}
		for _, i := range v.entries(config.MaxKeys) {
			parts = append(parts, config.Quote(i.key)+":"+sketch(i.value.layers))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, ",") + "}"
	case n.IsList():
		for _, i := range n.ListOrEmpty(config.MaxKeys) {
			parts = append(parts, sketch([]config.Node{i}))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case n.IsNull():
		return "null"
	}
	return n.Text("")
}

// plain is a node with nothing over it.
func plain(n config.Node) value { return value{place: n, layers: stack([]config.Node{n})} }
