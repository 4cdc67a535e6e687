package lab

import (
	"time"

	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/sim"
)

const maxStations = 256 // of one line

var cacheKeys = joined(clientKeys(func(c *sim.Cache) *sim.Client { return &c.Client }), table[sim.Cache]{
	{"capacity", "keys that it holds", "", integer(func(c *sim.Cache) *int { return &c.Capacity }, 1, sim.MaxKeys)},
	{"hit", "time to answer from memory", "no time", law(func(c *sim.Cache) *sim.ServiceLaw { return &c.Hit })},
	{"ttl", "how long it keeps an answer", "for ever", duration(func(c *sim.Cache) *time.Duration { return &c.TTL }, minTime, maxTime)},
	{"filled", "holds the most popular keys from the start", "false", boolean(func(c *sim.Cache) *bool { return &c.Filled })},
	{"coalesce", "one call for a key answers all who ask for it meanwhile", "false", boolean(func(c *sim.Cache) *bool { return &c.Coalesce })},
})

var linkKeys = table[sim.Link]{
	{"latency", "time that a message takes", "no time", law(func(l *sim.Link) *sim.ServiceLaw { return &l.Latency })},
	{"bandwidth", "bytes per second, in each direction", "unlimited", bytes(func(l *sim.Link) *float64 { return &l.BytesPerSecond })},
	{"request", "size of a request", "0B", byteCount(func(l *sim.Link) *int { return &l.Request })},
	{"reply", "size of a reply", "0B", byteCount(func(l *sim.Link) *int { return &l.Reply })},
	{"queue", "how many bytes may wait; a message that does not fit is lost", "unlimited", byteCount(func(l *sim.Link) *int { return &l.Queue })},
}

// byteCount reads a size into an int.
func byteCount[T any](at func(*T) *int) form[T] {
	var b int64
	f := size(func(*T) *int64 { return &b }, 0, 1<<40)
	f.read = func(v value, into *T) { *at(into) = int(v.place.Size(0, 0, 1<<40)) }
	return f
}

var batchKeys = table[sim.Batch]{
	{"most", "most items that are served at once", "", integer(func(b *sim.Batch) *int { return &b.Most }, 1, 1_000_000)},
	{"least", "fewest, unless the oldest has waited for wait", "1", integer(func(b *sim.Batch) *int { return &b.Least }, 1, 1_000_000)},
	{"wait", "longest wait for company", "for ever", duration(func(b *sim.Batch) *time.Duration { return &b.Wait }, minTime, maxTime)},
}

var stationKeys = table[sim.Station]{
	{"name", "what events and expectations call it: LINE/NAME", "", text(func(s *sim.Station) *string { return &s.Name })},
	{"servers", "how many work there", "1", integer(func(s *sim.Station) *int { return &s.Servers }, 1, sim.MaxServers)},
	{"service", "time that one item takes a server", "no time", law(func(s *sim.Station) *sim.ServiceLaw { return &s.Service })},
	{"buffer", "how many may wait in front of it", "none", orWord("unbounded", func(s *sim.Station) { s.Buffer = -1 },
		orWord("none", func(s *sim.Station) { s.Buffer = 0 }, integer(func(s *sim.Station) *int { return &s.Buffer }, 1, sim.MaxQueue)))},
	{"cards", "most items of the station: waiting, in service and blocked", "no bound", integer(func(s *sim.Station) *int { return &s.Cards }, 1, sim.MaxQueue)},
	{"batch", "several items at once, as the chamber of a lock", "one at a time", mappingOf(func(s *sim.Station) *sim.Batch { return &s.Batch }, batchKeys)},
}

var lineKeys = table[sim.Line]{
	{"stations", "where items go, one after another", "", form[sim.Line]{
		"a list of 1 to 256 mappings such as {name: saw, service: 2s}",
		object{"type": "array", "items": stationKeys.jsonSchema(), "minItems": 1, "maxItems": maxStations},
		func(v value, l *sim.Line) {
			for _, item := range v.items(maxStations) {
				var s sim.Station
				stationKeys.read(item, &s)
				l.Stations = append(l.Stations, s)
			}
		},
	}},
	{"cards", "most items in the line at once (CONWIP)", "no bound", integer(func(l *sim.Line) *int { return &l.Cards }, 1, sim.MaxQueue)},
	{"yard", "how many may wait in front of the line; more are refused", "unbounded", queueLength(func(l *sim.Line) *int { return &l.Yard })},
	{"saturated", "an item is always waiting in front", "false", boolean(func(l *sim.Line) *bool { return &l.Saturated })},
}

var bottleneckKeys = table[sim.Bottleneck]{
	{"rate", "packets that it passes", "", perSecond(func(b *sim.Bottleneck) *float64 { return &b.PacketsPerSecond }, 0.001, 1e9)},
	{"buffer", "packets that may wait", "", integer(func(b *sim.Bottleneck) *int { return &b.Buffer }, 1, sim.MaxPackets)},
	{
		"codel", "drop from the head, by RFC 8289", "from the tail, when full",
		optional(func(b *sim.Bottleneck) **queue.CoDel { return &b.CoDel }, "a mapping of target and interval, or {}", codelKeys),
	},
	{"drop_every", "drops every so many packets, whatever the queue", "none", integer(func(b *sim.Bottleneck) *int { return &b.Loss }, 2, 1_000_000_000)},
	{"flows", "how many senders share it", "", integer(func(b *sim.Bottleneck) *int { return &b.Number }, 1, 10_000)},
	{"rtt", "a sender's time there and back without a queue", "", law(func(b *sim.Bottleneck) *sim.ServiceLaw { return &b.RTT })},
	{
		"window", "a constant number of packets under way", "it adapts: one more each round trip, half after a loss",
		integer(func(b *sim.Bottleneck) *int { return &b.Window }, 1, sim.MaxPackets),
	},
	{"max_window", "bound on a window that adapts", "1000000", integer(func(b *sim.Bottleneck) *int { return &b.MaxWindow }, 1, sim.MaxPackets)},
	{
		"rto", "when a packet counts as lost", "estimated from the round trips (RFC 6298)",
		duration(func(b *sim.Bottleneck) *time.Duration { return &b.RTO }, minTime, maxTime),
	},
}

const maxWater = 1e12

var reservoirKeys = table[sim.Reservoir]{
	{"capacity", "water that it holds", "", number(func(r *sim.Reservoir) *float64 { return &r.Capacity }, 1e-6, maxWater)},
	{"start", "water at the beginning", "0", number(func(r *sim.Reservoir) *float64 { return &r.Start }, 0, maxWater)},
	{"inflow", "water per second that flows in", "0", number(func(r *sim.Reservoir) *float64 { return &r.Inflow }, 0, maxWater)},
	{"outflow", "water per second through the gates, while there is any", "0", number(func(r *sim.Reservoir) *float64 { return &r.Outflow }, 0, maxWater)},
	{"below", "the reservoir that gets what flows out and over", "none", text(func(r *sim.Reservoir) *string { return &r.To })},
	{
		"hold", "the signal: while the one below is fuller than this, the gates pass hold_outflow", "no signal",
		share(func(r *sim.Reservoir) *float64 { return &r.Hold }, 0.001, 1),
	},
	{"hold_outflow", "water per second while held back", "0", number(func(r *sim.Reservoir) *float64 { return &r.HoldOutflow }, 0, maxWater)},
}
