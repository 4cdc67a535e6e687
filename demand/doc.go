// Package demand is streams in which the receiver is in control: nothing is made
// before somebody wants it, and nothing waits anywhere without a bound.
//
// # A stream
//
// A [Stream] describes where items come from and what happens to them. Nothing
// runs until a sink runs it:
//
//	lines := demand.Lines(file, 4096)
//	errors := lines.Filter(func(s string) bool { return strings.Contains(s, "ERROR") })
//	for line, err := range errors.Take(10).All(ctx) {
//		...
//	}
//
// Sources are [Slice], [Of], [From] and [From2] (sequences), [Func], [Channel],
// [Ticks], [Lines] and [FromPublisher]. Sinks are [Stream.All], [Stream.Each],
// [Stream.Collect] and [Stream.Subscribe]. What changes the type of the items is a
// function ([Map], [TryMap], [FlatMap], [Scan], [Batch]), as methods cannot have
// type parameters; what keeps it is a method ([Stream.Filter], [Stream.Take],
// [Stream.Tap], [Stream.Throttle], ...).
//
// # One loop
//
// All operators between a source and a sink are one loop: each item is pushed
// through them by function calls, in the caller's goroutine, without a channel,
// a lock or an allocation. The push returning is the demand for the next item. So
// a consumer that is slow needs no protection: its source is simply not asked.
//
// # Boundaries
//
// Where two parts should run at the same time, put a boundary between them:
//
//	parsed := demand.Map(lines, parse).Async(demand.Window(1000))
//
// [Stream.Async] runs everything before it in a goroutine of its own, as far
// ahead as its window allows: that many items may have left the one side and not
// be done with on the other, the one in hand included. [Cost] weighs them, by bytes
// for example; [Refill] says in which portions credit goes back. An item is
// visible to the receiver at once, it never waits for others to fill a batch.
//
// With a full window the sender waits ([Block]), and so does its source: within
// one window, slowness has travelled upstream. Where the newest matters more than
// all, [Overflow] takes [DropNewest], [DropOldest], [Latest] or [Fail]; [Conflate]
// merges what waits by key; [Spill] goes to disk (package spillfile) and comes
// back in order.
//
// [MapN] works on several items at once, and gives results in the order of the
// items, as they are ready, or in order for each key. [Merge] and [Zip] join
// streams, [Broadcast] and [Partition] fork them; each input or branch has a
// boundary.
//
// # Slowing down
//
// [Stream.Throttle] keeps to a rate; [Stream.ThrottleBy] to a [Pace] that follows
// the pressure which a callee reports. [Retrying] and [Stream.Retry] try again
// within a budget, so that retries do not become the load; [Stream.Timeout] fails
// when nothing comes.
//
// # Ends
//
// A stream ends once. An error reaches the sink after the items before it, as a
// [*StageError] with the name of the stage ([Stream.Named]); a panic in a stage's
// function is such an error, too ([*PanicError]), while one of the consumer's own
// passes through to it. An operator that cannot be, such as one with a nil
// function, fails with [ErrConfig] when it is run. When the sink returns, because
// the stream is over, the loop was left or the context was cancelled, no
// goroutine of the stream is left: it waits for the functions that still run, so
// let those that block heed their context.
//
// # Demand by number
//
// [Stream.Subscribe] and [FromPublisher] speak Reactive Streams 1.0.4: a
// [Subscriber] gets as many items as it has requested, and no more. All 43 rules
// are tests on every source, operator and boundary; docs/demand.md has the table.
// Package wire carries the same between processes.
//
// # Looking inside
//
// A [Monitor] says for each stage which part of its time it is busy, blocked (by
// what comes after it), starved (of what comes before it) and idle, how long items
// wait in front of it, and what was dropped there: the busy stage behind blocked
// and before starved ones is the bottleneck.
//
// [Credit] and [Allowance] are the two halves of a credit window without a clock,
// a lock or a goroutine. Boundaries, package wire and the simulator count with
// them.
//
// # When not to use it
//
// For one goroutine that hands items to another, a channel is enough. Streams here
// are lost with their process: what has to survive a crash belongs into package
// flow. And a boundary costs tens of nanoseconds for each item, so do not put one
// between two cheap functions: they are faster in one loop.
package demand
