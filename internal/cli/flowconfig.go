package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-go/penstock/config"
	"github.com/penstock-go/penstock/flow"
)

// flowFile is what a flow file says.
type flowFile struct {
	flowAccess
	flows []flow.Definition
}

const (
	flowsPerFile = 256
	maxFlowTime  = flow.LeaseMax
	aName        = "1 to 64 lower-case letters, digits, - and _"
	aFlowAddress = "HOST:PORT, such as " + defaultFlowAddress
	guardedFlow  = "a loopback address, such as " + defaultFlowAddress + "; or both tokens and tls; or insecure: true"
)

// parseFlowFile reads a flow file, and reports every problem at once.
func parseFlowFile(file string, data []byte) (flowFile, error) {
	doc := config.Parse(file, data)
	root := doc.Root().Mapping("listen", "tls", "tokens", "insecure", "flows")
	out := flowFile{flowAccess: readFlowAccess(root)}
	names := map[string]int{}
	for i, n := range root.Need("flows", "a list of flows").List(flowsPerFile) {
		d, name := readFlow(n)
		if first, twice := names[d.Name]; twice && d.Name != "" {
			name.Bad(fmt.Sprintf("%q is the name of flows[%d]", d.Name, first), "a name of its own for each flow")
		}
		names[d.Name] = i
		out.flows = append(out.flows, d)
	}
	return out, doc.Err()
}

// readFlowAccess reads who may reach the server.
func readFlowAccess(root config.Mapping) flowAccess {
	listen := root.Get("listen")
	a := flowAccess{listen: listen.Allowing(aFlowAddress).Text("")}
	if n := root.Get("tls"); n.Present() {
		m := n.Mapping("cert", "key")
		a.cert = m.Need("cert", "a file with the certificate").Text("")
		a.key = m.Need("key", "a file with its key").Text("")
	}
	if n := root.Get("tokens"); n.Present() {
		m := n.Mapping("offer", "work", "admin")
		a.offer, a.work = m.Get("offer").Text(""), m.Get("work").Text("")
		a.admin = m.Need("admin", "a file with the tokens of those who may do everything, one a line").Text("")
	}
	a.insecure = root.Get("insecure").Bool(false)
	if a.listen == "" {
		return a
	}
	if !validFlowAddress(a.listen) {
		listen.Bad(strconv.Quote(a.listen)+" is no address", aFlowAddress)
	} else if why := a.openTo(); why != "" {
		listen.Bad(why, guardedFlow)
	}
	return a
}

// readFlow reads a flow, and where its name is.
func readFlow(n config.Node) (flow.Definition, config.Node) {
	m := n.Mapping("name", "stages", "spillway", "delayed_max", "remember", "remember_max", "payload_max")
	d := flow.Definition{
		Name:        m.Need("name", aName).Text(""),
		Spillway:    m.Get("spillway").Int(10_000, 1, flow.WIPMax),
		DelayedMax:  m.Get("delayed_max").Int(10_000, 1, flow.WIPMax),
		Remember:    m.Get("remember").Duration(10*time.Minute, time.Second, 365*flow.LeaseMax),
		RememberMax: m.Get("remember_max").Int(100_000, 1, flow.WIPMax),
		PayloadMax:  int(m.Get("payload_max").Size(1<<20, 1, flow.PayloadCap)),
	}
	stages := m.Need("stages", "a list of stages").List(flow.StagesMax)
	var fields []config.Mapping
	for _, n := range stages {
		s, m := readFlowStage(n)
		d.Stages, fields = append(d.Stages, s), append(fields, m)
	}
	// What the readers do not know: names.
	d = d.Normalize()
	for _, p := range d.Problems() {
		switch {
		case p.Field == "name" && p.Stage < 0 && d.Name != "":
			m.Get("name").Bad(strconv.Quote(d.Name)+" is no name", aName)
		case p.Field == "name" && p.Stage >= 0 && d.Stages[p.Stage].Name != "":
			fields[p.Stage].Get("name").Bad(p.Text, "a name of its own, "+aName)
		case p.Field == "backoff_max":
			fields[p.Stage].Get("backoff_max").Bad(p.Text, "at least the backoff")
		}
	}
	return d, m.Get("name")
}

var conflations = []string{"none", string(flow.ConflateLast), string(flow.ConflateMerge)}

func readFlowStage(n config.Node) (flow.Stage, config.Mapping) {
	m := n.Mapping("name", "wip", "lease", "attempts", "backoff", "backoff_max", "ordered", "conflate", "paused", "draining", "target_delay")
	s := flow.Stage{
		Name:        m.Need("name", aName).Text(""),
		WIP:         m.Need("wip", "a whole number of at least 1: how much may be in the stage").Int(1, 1, flow.WIPMax),
		Lease:       m.Get("lease").Duration(30*time.Second, time.Millisecond, maxFlowTime),
		Attempts:    m.Get("attempts").Int(5, 1, flow.AttemptsMax),
		Backoff:     m.Get("backoff").Duration(time.Second, time.Millisecond, maxFlowTime),
		BackoffMax:  m.Get("backoff_max").Duration(0, time.Millisecond, maxFlowTime),
		Ordered:     m.Get("ordered").Bool(false),
		Paused:      m.Get("paused").Bool(false),
		Draining:    m.Get("draining").Bool(false),
		TargetDelay: m.Get("target_delay").Duration(time.Second, time.Millisecond, maxFlowTime),
	}
	if c := m.Get("conflate").Enum(0, conflations...); c > 0 {
		s.Conflate = flow.Conflation(conflations[c])
	}
	return s, m
}

// flowOfFlags makes a flow of --flow NAME and --stage NAME:WIP.
func flowOfFlags(name string, stages []string) (flow.Definition, error) {
	d := flow.Definition{Name: name}
	for _, s := range stages {
		stage, wip, ok := strings.Cut(s, ":")
		n, err := strconv.Atoi(wip)
		if !ok || err != nil || n < 1 || n > math.MaxInt32 {
			return d, fmt.Errorf("--stage %q: want NAME:WIP, such as pack:4, with a WIP of at least 1", s)
		}
		d.Stages = append(d.Stages, flow.Stage{Name: stage, WIP: n})
	}
	d = d.Normalize()
	if err := d.Validate(); err != nil {
		return d, fmt.Errorf("--flow %s: %w", name, err)
	}
	return d, nil
}
