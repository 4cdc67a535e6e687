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
	listen string
	flows  []flow.Definition
}

const (
	flowsPerFile = 256
	maxFlowTime  = flow.LeaseMax
	aName        = "1 to 64 lower-case letters, digits, - and _"
)

// parseFlowFile reads a flow file, and reports every problem at once.
func parseFlowFile(file string, data []byte) (flowFile, error) {
	doc := config.Parse(file, data)
	root := doc.Root().Mapping("listen", "flows")
	out := flowFile{listen: root.Get("listen").Text(defaultFlowAddress)}
	for _, n := range root.Need("flows", "a list of flows").List(flowsPerFile) {
		out.flows = append(out.flows, readFlow(n))
	}
	return out, doc.Err()
}

func readFlow(n config.Node) flow.Definition {
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
	for _, s := range stages {
		d.Stages = append(d.Stages, readFlowStage(s))
	}
	// What the readers do not know: names.
	d = d.Normalize()
	for _, p := range d.Problems() {
		switch {
		case p.Field == "name" && p.Stage < 0 && d.Name != "":
			m.Get("name").Bad(strconv.Quote(d.Name)+" is no name", aName)
		case p.Field == "name" && p.Stage >= 0 && d.Stages[p.Stage].Name != "":
			stages[p.Stage].Bad(p.Text, "a name of its own, "+aName)
		case p.Field == "backoff_max":
			stages[p.Stage].Bad("backoff_max: "+p.Text, "at least the backoff")
		}
	}
	return d
}

var conflations = []string{"none", string(flow.ConflateLast), string(flow.ConflateMerge)}

func readFlowStage(n config.Node) flow.Stage {
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
	return s
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
