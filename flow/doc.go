// Package flow moves items through a line of stages, each with a limit on the
// work in progress, and never loses one. Workers pull; nothing is pushed. A
// stage that is full blocks the stage before it, hop by hop, up to the
// entrance, which refuses with a reason and a time to come back.
//
// [Core] is the pure state machine of one flow. It is given the [Instant] and
// its randomness. What must survive a crash is done in three steps: an operation
// proposes a [Change] and reserves the room that it needs, a [Store] commits the
// change, and the core applies it, or aborts it as if it had never been asked
// for. So the core is never ahead of the disk. Leases alone are kept in memory:
// they are fenced by an epoch that grows at every start, so that no lease of an
// earlier life acts.
//
// Each item is in one place at any time: inside a stage, where it counts against
// the limit whether it waits, is leased, or is finished and blocked; outside,
// while it is delayed; or in the spillway. The limit of a stage is exact: it is
// never exceeded, not by one.
//
// The limits are kanban's (Ohno, "Toyota Production System", 1978); that a
// finished part keeps its place until the next station has room is what queueing
// theory calls blocking after service.
package flow
