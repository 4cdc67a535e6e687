package sim

import (
	"math/rand/v2"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/caller/breaker"
	"github.com/penstock-go/penstock/caller/retry"
	"github.com/penstock-go/penstock/caller/throttle"
	"github.com/penstock-go/penstock/sim/arrival"
	"github.com/penstock-go/penstock/sim/rival"
)

// A Plan describes a world: who asks, what serves, how they are connected, and
// what happens to them. It is data: parts name each other, so they may be listed
// in any order. [New] checks it and builds a [World] from it.
//
// Everything random is drawn from streams of its own, one for each part and
// purpose, seeded by Seed and the part's name: two plans that differ in one part
// see the same arrivals and the same service draws in all others.
type Plan struct {
	Seed uint64
	// For is how long the world lasts, positive and at most [MaxLength].
	For time.Duration
	// Window is the length of one window of the metrics: 0 means
	// [DefaultWindow]. There are at most [MaxWindows] in For.
	Window time.Duration

	Sources     []Source
	Stages      []Stage
	Caches      []Cache
	Links       []Link
	Lines       []Line
	Bottlenecks []Bottleneck
	Reservoirs  []Reservoir
	Events      []Event

	// MaxCalls bounds how many calls may be open at once; 0 means
	// [DefaultMaxCalls]. A world that needs more stops and says so.
	MaxCalls int
	// MaxEvents bounds how many events may fire, in the same way; 0 means
	// [DefaultMaxEvents].
	MaxEvents uint64
	// Check verifies conservation and Little's law at every event. For tests: it
	// is slow.
	Check bool
}

// The bounds on a plan.
const (
	MaxLength       = 10 * 365 * 24 * time.Hour
	MaxWindows      = 1 << 16
	DefaultWindow   = 100 * time.Millisecond
	DefaultMaxCalls = 1 << 20
	// DefaultMaxEvents are some minutes of one core.
	DefaultMaxEvents = 1 << 30
	MaxParts         = 1024      // sources, stages, caches, links, lines and so on, together
	MaxMachines      = 1024      // of one stage, and stations of one line
	MaxServers       = 1 << 20   // of one machine or station
	MaxQueue         = 1 << 24   // of one machine or station, where bounded
	MaxUsers         = 1 << 20   // of one closed source
	MaxKeys          = 1 << 22   // of one source
	MaxAttempts      = 100       // of one call
	MaxParallel      = 1000      // calls of one kind that one unit of work makes at once
	MaxPackets       = 1_000_000 // buffer of a bottleneck
	MaxTokens        = 1e9       // per second, of one source
)

// A Source asks: at the instants of an arrival process whatever comes of it
// (Arrivals), or as a number of users who each wait for the answer, think, and
// ask again (Users). Exactly one of both is set.
type Source struct {
	Name     string
	Arrivals Arrivals
	Users    *Users
	Client
	// Mix is what the source asks for; empty means one kind of critical work.
	Mix []Kind
	// Keys is how many different things can be asked for, at most [MaxKeys]; 0
	// means that no two are the same. Key k (from 1) is asked for with
	// probability proportional to 1/k^Zipf.
	Keys int
	Zipf float64 // 0 to 10
	// Tokens makes the source a client of stages that a [rival.Rajomon] prices,
	// with so many tokens a second; 0 is none. See [rival.Purse].
	Tokens float64
	// Patience makes users refresh: see [Refresh].
	Refresh *Refresh
}

// Arrivals makes the arrival process of a run, such as
//
//	func(rng *rand.Rand) arrival.Process { return arrival.Poisson(profile, rng) }
type Arrivals func(rng *rand.Rand) arrival.Process

// Users are a closed source: each asks, waits for what comes of it (its retries
// included), thinks, and asks again. They start spread over one think time.
type Users struct {
	Number int // 1 to MaxUsers; an event may change it, up to 4 times as many
	Think  ServiceLaw
}

// A Refresh is an impatient user: who has waited for a draw of After asks again
// and forgets the earlier request, which the callee may go on working on. To
// the callee it looks like a new first attempt.
type Refresh struct {
	After ServiceLaw
	Most  int // refreshes per request, at least 1
}

// A Kind of work is Share of what a source asks for (relative to the others').
type Kind struct {
	Share       float64
	Criticality penstock.Criticality // unspecified means critical
	Cost        int                  // slots; 0 means 1
	// Demand multiplies its service times; 0 means 1.
	Demand float64
	// Flows is how many different users or tenants send it, in equal shares; 0
	// means that it names none.
	Flows int
}

// A Client is how somebody calls: a source its stage, a stage another.
type Client struct {
	To   string // a stage, cache or line
	Link string // the way there and back; empty takes no time

	// Deadline is when an answer becomes worthless, counted from each attempt;
	// 0 means never, or what is left of the caller's own. It is told to the
	// callee unless Untold.
	Deadline time.Duration
	Untold   bool
	// Timeout is when the caller stops waiting, counted from each attempt; 0
	// means at the deadline.
	Timeout time.Duration

	Retry    Retry
	Throttle *throttle.Config
	Breaker  *breaker.Config
	// Listen makes the caller heed what the callee says of itself, and refuse
	// itself what the callee would refuse: package caller's rules. It has a
	// throttle and breaker of its own.
	Listen *caller.PeerConfig
}

// Retry says when a caller asks again; the zero Retry is never. The decisions
// are package retry's.
type Retry struct {
	Attempts int           // the first included, at most MaxAttempts; 0 means 1
	Backoff  retry.Backoff // between them
	// Budget bounds retries to this share of the first attempts, 0 to 1; nil is
	// no bound.
	Budget *float64
	// Heed makes the caller wait at least as long as a refusal asks.
	Heed bool
}

// A Stage serves. In front stand, in this order and each only if given: a rate
// limit, and an admission controller with one gate for each machine. Then a
// machine serves the work, and then it makes its Calls.
type Stage struct {
	Name     string
	Machines int // 0 means 1
	Machine  Machine
	Balance  Balance // how a machine is chosen where Admit does not
	Health   *Health // who takes machines out of Balance, and restarts them
	Rate     *RateLimit

	Admit *Admit
	// Rival is somebody else's overload control, in front of Admit, and in the
	// place of what Calls listen to, given the number of Calls; nil is none.
	Rival func(callees int) rival.Controller
	Calls []Call
	// Stops says that a machine stops working on what its caller has left:
	// most do not.
	Stops bool
}

// A Machine is one server process: a queue, and Servers that work on it.
type Machine struct {
	Servers int        // 0 means 1
	Service ServiceLaw // of one unit of work, alone, on one server; nil takes no time
	Order   Order
	// Queue is how many may wait in it; 0 means any number, negative none. It
	// bounds work beyond the servers' (order Sharing: all work beyond the
	// servers' number).
	Queue int
	// CoDel drops from the head of the queue by RFC 8289: nil is not.
	CoDel *queue.CoDel
	// USL makes servers slow each other down: see [USL]. Order must be
	// Sharing.
	USL *USL

	Memory *Memory
	// DiesAbove kills the process when more work than this is inside; 0 is
	// never.
	DiesAbove int
	// Restart is how long a process that died or was killed is down; 0 means for
	// ever. It comes back empty, and cold: see [Cold].
	Restart time.Duration
	Cold    Cold
}

// Order is the order in which a machine serves.
type Order uint8

// The orders. LIFO, Priority and Fair are package queue's room.
const (
	FIFO     Order = iota
	LIFO           // the newest first
	Priority       // the highest band of ranks first
	Fair           // flows in turns
	Sharing        // all at once: processor sharing
)

// USL is the universal scalability law: each of n units of work in service gets
// 1/(1 + Alpha x (n-1) + Beta x n x (n-1)) of the speed that one alone has. Alpha
// is what contention costs, Beta what keeping consistent costs; both 0 to 1.
//
// Source: N. Gunther, "Guerrilla Capacity Planning", 2007, chapter 4.
type USL struct{ Alpha, Beta float64 }

// Memory is a process's heap under Go's collector. A unit of work holds Bytes
// from its arrival to its end and allocates Garbage when its service begins. The
// collector takes the share
//
//	MarkPerByte x allocated per second x live / (Max - live)
//
// of the machine's time, since it must mark what lives once for every Max - live
// bytes allocated; at most MostGC. When what lives reaches Max, the process dies.
//
// Source: "A Guide to the Go Garbage Collector", go.dev/doc/gc-guide, "Memory
// limit" and the cost model in "The GC and memory".
type Memory struct {
	Max         float64 // bytes: the memory limit
	Base        float64 // bytes that always live
	Bytes       float64 // per unit of work inside
	Garbage     float64 // per unit of work, on top of Bytes
	MarkPerByte float64 // seconds of the machine's time; 0 means 1e-9
	MostGC      float64 // 0 means 0.95; Go's own limiter stops at 0.5
}

// Cold is how a process works after its start: at Speed (0 to 1 exclusive) at
// first, and then ever faster until For has passed. The zero Cold is warm at
// once.
type Cold struct {
	Speed float64
	For   time.Duration
}

// Balance is how work is spread over machines.
type Balance uint8

// The ways to balance, none of which knows a limit. TwoChoices is package
// balance's.
const (
	RoundRobin Balance = iota
	Random
	TwoChoices // the less loaded of two
)

// Health is a watchdog that takes slow for dead: it sends each machine a probe
// at a fixed distance, through the same queue as all work. After Fails probes in
// a row without an answer within Timeout it takes the machine out, until Passes
// in a row are answered in time.
type Health struct {
	Every, Timeout time.Duration // positive
	Fails, Passes  int           // 0 means 3 and 1
	// Kill restarts a machine that is taken out (see Machine.Restart).
	Kill bool
	// MaxOut is the largest share of the machines that may be out, 0 to 1; 0
	// means all.
	MaxOut float64
}

// Admit is package admission's controller in front of a stage, and how to
// configure it.
type Admit struct {
	Law     func() limit.Law // of each gate; nil means limit.Default
	Cap     int              // 0 means none
	WaitFor time.Duration    // 0 means found from the service time; negative: nothing waits
	Order   queue.Order
	CoDel   bool
	Observe bool
	// Inside gives each machine a controller of its own, behind Balance, in
	// place of one in front of all.
	Inside bool
}

// A RateLimit is package rate's limiter in front of a stage.
type RateLimit struct {
	PerSecond float64
	Burst     int // 0 means 1
}

// A Call is what a stage asks of another part after its own service, for each
// unit of work. Calls are made in the order listed. Work whose call fails in the
// end fails too, with the same refusal.
type Call struct {
	Client
	// Times is how many such calls are made at once; 0 means 1.
	Times int
	// With makes this call at the same time as the one listed before it.
	With bool
	// Optional lets the work go on if the call fails: a partial result.
	Optional bool
	// Share is the share of work that makes the call, 0 to 1; 0 means all.
	Share float64
	// Frees gives the server to other work while the call lasts. Servers that do
	// not are blocked meanwhile.
	Frees bool
}

// A Cache answers for a key that it holds, and else asks To and keeps the
// answer: look-aside, the least recently used key goes first. Keys are a
// source's; work without a key is passed on.
type Cache struct {
	Name     string
	Capacity int        // keys, at least 1
	Hit      ServiceLaw // time to answer from memory; nil takes none
	TTL      time.Duration
	Filled   bool // holds the most popular keys from the start
	// Coalesce lets one call for a key answer all who ask for it meanwhile.
	Coalesce bool
	Client
}

// A Link is a way between two parts, both directions alike: a message takes
// Latency, after waiting for those before it at BytesPerSecond.
type Link struct {
	Name           string
	Latency        ServiceLaw // nil takes no time; messages may overtake if it varies
	BytesPerSecond float64    // 0 means any number
	Request, Reply int        // bytes of a message
	// Queue is how many bytes may wait; a message that does not fit is lost, and
	// its caller hears nothing. 0 means any number.
	Queue int
}

// A Line is stations one after another, through which items go: a machine shop,
// a ward, a bucket brigade. A station that cannot hand its finished item on is
// blocked. Calls that reach the line wait in front of it until the first
// station, and a card, can take them, and are answered when they leave the last.
type Line struct {
	Name     string
	Stations []Station
	// Cards is how many items may be in the line (CONWIP); 0 means any number.
	Cards int
	// Yard is how many may wait in front of it; 0 means any number, negative
	// none. More are refused (queue_full).
	Yard int
	// Saturated keeps an item of its own waiting in front for ever.
	Saturated bool
}

// A Station works on items of a line, or on Batch of them at once.
type Station struct {
	Name    string
	Servers int // 0 means 1
	Service ServiceLaw
	// Buffer is how many finished by the station before may wait in front of it;
	// 0 means none, negative any number. The first station of a line draws from
	// the line's yard through it.
	Buffer int
	// Cards bounds the items of the station (waiting, in service and blocked), as
	// kanban cards do; 0 means no such bound.
	Cards int
	Batch Batch
}

// A Batch is a server that takes several items at once, as the chamber of a
// lock: at most Most, at least Least unless the oldest has waited for Wait. The
// zero Batch is one item.
type Batch struct {
	Most, Least int
	Wait        time.Duration // 0 means for ever
}

// A Bottleneck is a queue of packets in front of a line of constant rate, and
// the senders that share it: TCP at the level of single packets.
type Bottleneck struct {
	Name             string
	PacketsPerSecond float64
	Buffer           int          // packets that may wait, at least 1
	CoDel            *queue.CoDel // nil is drop-tail
	// Loss drops every n-th packet that enters, whatever the queue; 0 is none.
	Loss int
	Flows
}

// Flows are like senders. Each has always more to send.
type Flows struct {
	Number int
	// RTT is the time there and back without a queue, drawn once for each sender.
	RTT ServiceLaw
	// Window is a constant window in packets; 0 means that it adapts: one packet
	// more in each round trip, half after a loss.
	Window int
	// MaxWindow bounds an adaptive window; 0 means MaxPackets.
	MaxWindow int
	// RTO is when a packet counts as lost if nothing is heard; 0 means an
	// estimate from the round trips seen (RFC 6298).
	RTO time.Duration
}

// A Reservoir holds water: what flows in raises it, what flows out lowers it,
// and what does not fit goes over the crest. Levels are exact at every instant,
// as flows are constant between events.
type Reservoir struct {
	Name     string
	Capacity float64 // units of water
	Start    float64 // held at the beginning
	Inflow   float64 // units per second
	Outflow  float64 // units per second through the gates, while there is water
	To       string  // the reservoir below, if any; it gets outflow and spill
	// Hold is the backward signal: while the reservoir below holds more than this
	// share of its capacity, the gates let through HoldOutflow. 0 is no signal.
	Hold        float64
	HoldOutflow float64
}

// An Event sets one parameter of one part at an instant, and back to what the
// plan says when For has passed. For is 0 where it stays.
type Event struct {
	At, For time.Duration
	Of      string // a part; stage/2 is the third machine of a stage, line/name a station
	Set     Param
	To      float64
}

// Param is what an event sets.
type Param uint8

// The parameters, and whose they are. A rate of arrivals changes with its
// profile: see arrival.Profile.
const (
	Speed     Param = iota // machines and stations: divides service times; above 0
	Servers                // machines and stations: 0 or more; 0 stalls
	NumUsers               // closed sources
	Latency                // links: multiplies it; 0 or more
	Bandwidth              // links: multiplies it; above 0
	MemoryMax              // machines: bytes
	Kill                   // machines: the process dies; To is ignored
	Flush                  // caches: forgets everything; To is ignored
	Inflow                 // reservoirs: units per second
	Outflow                // reservoirs: units per second
	Packets                // bottlenecks: packets per second, above 0
)
