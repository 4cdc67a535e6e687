// Package load offers load to an HTTP server, open loop: requests are sent when
// the schedule says so and not when earlier ones have been answered, as the
// users of a service do who know nothing of each other.
//
// Latency counts from the instant at which a request was meant to be sent. A
// server that stalls for a second therefore shows that second in every request
// that was due meanwhile, whether or not there was a connection to send it on;
// a generator that waits for the answer first would have sent one slow request
// and left the others out ("coordinated omission", a term of Gil Tene's).
//
// [Run] speaks HTTP/1.1 over persistent connections with a small client of its
// own: the generator usually shares the machine with what it measures, and it
// must know what it counts, whereas [net/http.Client] may send a request again
// by itself when a connection breaks. It follows no redirects, keeps no cookies,
// and uses no proxy.
//
// Do not use it to learn how many requests a server can answer when asked as
// fast as possible; a closed-loop tool finds that number sooner.
package load
