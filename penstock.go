// Package penstock holds the words that every other package shares: what a unit
// of work is ([Work]) and how much it matters ([Criticality], [Rank]), why work
// is refused and what the caller may do about it ([Reason], [RejectedError]),
// how work ended ([Outcome]), and what a controller says of itself ([Stats]).
//
// It has no algorithms and imports nothing but the standard library. To protect
// something, start at package admission, or at penstockhttp for an HTTP server.
package penstock
