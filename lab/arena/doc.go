// Package arena compares concurrency limiters: on which plant does which of them
// keep how much of the goodput that was attainable, at what latency?
//
// A [Plant] is a server, a load and what happens to it. This package runs our own
// laws on the plants in virtual time ([Virtual]) and asks the oracle what was
// attainable. The module bench/arena runs real limiters as real code, ours and
// other people's, on the same plants with the same arrivals, and writes a
// [Results]. A [Scoreboard] merges both, as text and as a page for the browser.
//
// docs/arena.md says how to read the tables, and how to add a limiter.
package arena
