package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock-go/penstock/bench/process"
)

// A chain is six hops that run, each in a process of its own.
type chain struct {
	url     string   // of the first
	control []string // first hop first
	stop    []func()
}

// start starts a chain from its end.
func start(protocol string, listens bool) *chain {
	c := &chain{control: make([]string, hops)}
	next := ""
	for i := hops; i >= 1; i-- {
		hop, err := process.Again("-role", "hop", "-index", strconv.Itoa(i), "-protocol", protocol, "-next", next, "-listens="+strconv.FormatBool(listens))
		if err != nil {
			c.close()
			check(err)
		}
		c.stop = append(c.stop, hop.Stop)
		next, c.control[i-1], _ = strings.Cut(hop.Line, " ")
	}
	c.url = "http://" + next + "/"
	return c
}

func (c *chain) close() {
	for _, stop := range slices.Backward(c.stop) { // callers before callees
		stop()
	}
}

// tell changes one hop and returns its state.
func (c *chain) tell(i int, change url.Values) state {
	res := must(http.Get("http://" + c.control[i] + "/?" + change.Encode()))
	defer func() { _ = res.Body.Close() }()
	var s state
	check(json.NewDecoder(res.Body).Decode(&s))
	return s
}

// all changes all hops and returns their states.
func (c *chain) all(change url.Values) [hops]state {
	var s [hops]state
	for i := range s {
		s[i] = c.tell(i, change)
	}
	return s
}

var (
	nothing = url.Values{}
	mark    = url.Values{"mark": {"1"}}
)

func speed(x float64) url.Values {
	return url.Values{"speed": {strconv.FormatFloat(x, 'g', -1, 64)}}
}
